//! Whether a condition can be true by what somebody says alone, whatever all else is: `sure > 0.9 || answers >= 50`.

use super::{Types, decide, facts, origins::paths};
use crate::expr::types::{Field, Type};
use cel::{
    IdedExpr,
    common::ast::{Expr as Node, operators},
};
use std::collections::BTreeMap;

/// More facts than this are not tried.
const FACTS_MAX: usize = 9;

/// `said` are the paths of what is said; parts without any path count among it.
pub(super) fn holds_alone(node: &IdedExpr, types: &Types, said: &dyn Fn(&[String]) -> bool) -> bool {
    let mut facts = BTreeMap::new();
    collect(node, types, said, &mut facts);
    if facts.len() > FACTS_MAX {
        return false;
    }
    // Whatever the facts are, what is said can make it true.
    (0..1_u32 << facts.len()).all(|number| {
        facts.values_mut().enumerate().for_each(|(index, fact)| *fact = number >> index & 1 == 1);
        can_be(node, true, types, &facts)
    })
}

fn parts(node: &IdedExpr) -> Option<(&str, &[IdedExpr])> {
    let Node::Call(call) = &node.expr else { return None };
    let is_logic = matches!(
        call.func_name.as_str(),
        operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::CONDITIONAL
    );
    is_logic.then_some((call.func_name.as_str(), call.args.as_slice()))
}

/// The parts that are neither said nor always the same.
fn collect(
    node: &IdedExpr,
    types: &Types,
    said: &dyn Fn(&[String]) -> bool,
    found: &mut BTreeMap<String, bool>,
) {
    if let Some((_, parts)) = parts(node) {
        return parts.iter().for_each(|part| collect(part, types, said, found));
    }
    let mut read = Vec::new();
    paths(node, &mut read);
    if constant(node, types).is_none() && !read.is_empty() && !read.iter().any(|path| said(path)) {
        found.insert(facts::shown(node), false);
    }
}

fn constant(node: &IdedExpr, types: &Types) -> Option<bool> {
    decide::without_values(node, types).or_else(|| is_always_there(node, types).then_some(true))
}

fn can_be(node: &IdedExpr, wanted: bool, types: &Types, facts: &BTreeMap<String, bool>) -> bool {
    let can = |node: &IdedExpr, wanted: bool| can_be(node, wanted, types, facts);
    match parts(node) {
        Some((operators::LOGICAL_NOT, [inner])) => can(inner, !wanted),
        Some((operators::CONDITIONAL, [condition, yes, no])) => {
            (can(condition, true) && can(yes, wanted)) || (can(condition, false) && can(no, wanted))
        }
        Some((operator, [left, right])) => match (operator == operators::LOGICAL_AND) == wanted {
            true => can(left, wanted) && can(right, wanted),
            false => can(left, wanted) || can(right, wanted),
        },
        Some(_) => true,
        None => match constant(node, types) {
            Some(answer) => answer == wanted,
            None => facts.get(&facts::shown(node)).is_none_or(|fact| *fact == wanted),
        },
    }
}

/// `has(a.b)` of a field that is never left out.
fn is_always_there(node: &IdedExpr, types: &Types) -> bool {
    let Node::Select(select) = &node.expr else { return false };
    let mut read = Vec::new();
    paths(&select.operand, &mut read);
    let [path] = read.as_slice() else { return false };
    let Some((first, rest)) = path.split_first().filter(|_| select.test) else { return false };
    let holder = rest.iter().try_fold(types.get(first), |kind, name| match kind? {
        Type::Object(shape) => Some(shape.fields.get(name).map(|field| &field.kind)),
        _ => None,
    });
    match holder.flatten() {
        Some(Type::Object(shape)) => {
            matches!(shape.fields.get(&select.field), Some(Field { required: true, .. }))
        }
        _ => false,
    }
}
