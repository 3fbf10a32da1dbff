//! What a condition says of the values it looks at: after `a.b != null` there is an `a.b`.

use super::{
    Types, literal_int, literal_text,
    member::{chain, member},
};
use crate::expr::types::{Shape, Type};
use cel::{
    IdedExpr,
    common::ast::{ComprehensionExpr, Expr as Node, LiteralValue, operators},
};
use std::collections::BTreeSet;

/// Paths like `steps.context.history`.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// These are there and not null.
    present: BTreeSet<String>,
    /// These are there, but may be null.
    there: BTreeSet<String>,
    /// All fields of these are there: an event that came in time.
    whole: BTreeSet<String>,
}

impl Facts {
    pub(super) fn is_present(&self, node: &IdedExpr) -> bool {
        !self.present.is_empty() && key_of(node).is_some_and(|key| self.present.contains(&key))
    }

    pub(super) fn is_there(&self, node: &IdedExpr) -> bool {
        let known = |key: &String| {
            let holder = key.rsplit_once('.').map_or("", |(holder, _)| holder);
            self.present.contains(key) || self.there.contains(key) || self.whole.contains(holder)
        };
        let empty = self.present.is_empty() && self.there.is_empty() && self.whole.is_empty();
        !empty && key_of(node).as_ref().is_some_and(known)
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.present.extend(other.present);
        self.there.extend(other.there);
        self.whole.extend(other.whole);
    }

    /// A macro's variable hides what was known of this name.
    pub(super) fn forget(&mut self, name: &str) {
        let about = |key: &String| key != name && !key.starts_with(&format!("{name}."));
        self.present.retain(about);
        self.there.retain(about);
        self.whole.retain(about);
    }

    /// What both sides say.
    fn common(self, other: &Self) -> Self {
        let both = |a: BTreeSet<String>, b: &BTreeSet<String>| a.intersection(b).cloned().collect();
        Self {
            present: both(self.present, &other.present),
            there: both(self.there, &other.there),
            whole: both(self.whole, &other.whole),
        }
    }

    fn say_present(&mut self, node: &IdedExpr) {
        let Some(key) = key_of(node) else { return };
        // What was read to get there was there.
        let mut from = 0;
        while let Some(dot) = key[from..].find('.') {
            self.present.insert(key[..from + dot].to_owned());
            from += dot + 1;
        }
        self.present.insert(key);
    }

    /// Writes what is known into the types themselves.
    pub(super) fn narrow(&self, types: &mut Types) {
        let known =
            [(&self.there, Known::There), (&self.present, Known::Present), (&self.whole, Known::Whole)];
        for (paths, known) in known {
            for path in paths {
                let mut parts = path.split('.');
                let Some(root) = parts.next().and_then(|name| types.get_mut(name)) else { continue };
                narrow(root, &parts.collect::<Vec<_>>(), known);
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Known {
    There,
    Present,
    Whole,
}

fn narrow(kind: &mut Type, path: &[&str], known: Known) {
    let Some((first, rest)) = path.split_first() else {
        match (known, kind) {
            (Known::Present, kind) => *kind = std::mem::take(kind).present(),
            (Known::Whole, Type::Object(shape)) => *shape = std::mem::take(shape).with_all(true),
            _ => {}
        }
        return;
    };
    match kind {
        Type::Object(Shape { fields, .. }) => {
            if let Some(field) = fields.get_mut(*first) {
                field.required = true;
                narrow(&mut field.kind, rest, known);
            }
        }
        Type::Nullable(inner) => narrow(inner, path, known),
        _ => {}
    }
}

/// What holds once `node` was `outcome`.
pub(super) fn of(node: &IdedExpr, outcome: bool) -> Facts {
    let mut facts = Facts::default();
    let call = match &node.expr {
        Node::Call(call) => call,
        Node::Select(select) if select.test && outcome => {
            if let Some(holder) = key_of(&select.operand) {
                facts.say_present(&select.operand);
                facts.there.insert(format!("{holder}.{}", select.field));
            }
            return facts;
        }
        Node::Select(select) if !outcome && select.field == "timed_out" => {
            facts.whole.extend(key_of(&select.operand));
            return facts;
        }
        _ => return facts,
    };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::LOGICAL_NOT, [inner]) => return of(inner, !outcome),
        (operators::LOGICAL_AND, [left, right]) if outcome => {
            facts = of(left, true);
            facts.extend(of(right, true));
        }
        (operators::LOGICAL_OR, [left, right]) if !outcome => {
            facts = of(left, false);
            facts.extend(of(right, false));
        }
        (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
            facts = of(left, outcome).common(&of(right, outcome));
        }
        (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
            let equal = (call.func_name == operators::EQUALS) == outcome;
            for (value, other) in [(left, right), (right, left)] {
                let Node::Literal(literal) = &other.expr else { continue };
                if matches!(literal, LiteralValue::Null) != equal {
                    facts.say_present(subject(value));
                }
                decided(value, literal_text(other), equal, &mut facts);
            }
        }
        ("hasValue", []) => {
            if let Some(target) = call.target.as_deref().filter(|_| outcome) {
                facts.there.extend(key_of(target));
            }
        }
        _ => {}
    }
    facts
}

/// A gate whose decision is not `reject` has chosen.
fn decided(value: &IdedExpr, word: Option<&str>, equal: bool, facts: &mut Facts) {
    let Some(gate) = key_of(value).and_then(|key| key.strip_suffix(".decision").map(str::to_owned)) else {
        return;
    };
    match word {
        Some("reject") if !equal => drop(facts.present.insert(format!("{gate}.chosen"))),
        Some(word) if equal && word != "reject" => drop(facts.present.insert(format!("{gate}.chosen"))),
        _ => {}
    }
}

/// `x` of `x.orValue(null)`.
fn subject(node: &IdedExpr) -> &IdedExpr {
    match &node.expr {
        Node::Call(call) if call.func_name == "orValue" => {
            let is_null =
                call.args.first().is_some_and(|arg| matches!(&arg.expr, Node::Literal(LiteralValue::Null)));
            call.target.as_deref().filter(|_| is_null).unwrap_or(node)
        }
        _ => node,
    }
}

/// The name under which facts are kept; `a.?b` is the same place as `a.b`, and `a[0]` is a field of its own.
fn key_of(node: &IdedExpr) -> Option<String> {
    if let Some(member) = member(node) {
        let holder = key_of(member.holder)?;
        return (!member.field.contains(['.', '['])).then(|| format!("{holder}.{}", member.field));
    }
    match &node.expr {
        Node::Ident(name) => Some(name.clone()),
        Node::Call(call) if call.func_name == operators::INDEX => {
            let [holder, index] = call.args.as_slice() else { return None };
            Some(format!("{}.[{}]", key_of(holder)?, literal_int(index)?))
        }
        _ => None,
    }
}

/// The condition under which `filter` keeps an item as it is.
pub(super) fn kept_if(loop_: &ComprehensionExpr) -> Option<&IdedExpr> {
    let Node::Call(step) = &loop_.loop_step.expr else { return None };
    let [condition, kept, _] = step.args.as_slice() else { return None };
    let Node::Call(kept) = &kept.expr else { return None };
    let Node::List(list) = &kept.args.get(1)?.expr else { return None };
    let is_item = |node: &IdedExpr| matches!(&node.expr, Node::Ident(name) if *name == loop_.iter_var);
    let is_filter = step.func_name == operators::CONDITIONAL && list.elements.iter().all(is_item);
    is_filter.then_some(condition)
}

/// Whether both read the same and so are the same.
pub(super) fn is_equal(left: &IdedExpr, right: &IdedExpr) -> bool {
    shown(left) == shown(right)
}

/// The parts of a chain of `&&`, each in a form that is equal for equal sources.
pub(super) fn conjuncts(node: &IdedExpr) -> Vec<String> {
    match &node.expr {
        Node::Call(call) if call.func_name == operators::LOGICAL_AND => {
            call.args.iter().flat_map(conjuncts).collect()
        }
        _ => vec![shown(node)],
    }
}

/// What a `+` puts together that is a path: `a.b` and `c` of `a.b + ' + d.e + ' + c`.
pub(super) fn joined(node: &IdedExpr) -> Vec<Vec<String>> {
    match &node.expr {
        Node::Call(call) if matches!(call.func_name.as_str(), "@add" | operators::ADD) => {
            call.args.iter().flat_map(joined).collect()
        }
        _ => chain(node)
            .map(|path| path.into_iter().map(str::to_owned).collect::<Vec<String>>())
            .into_iter()
            .collect(),
    }
}

pub(super) fn shown(node: &IdedExpr) -> String {
    match &node.expr {
        Node::Ident(name) => name.clone(),
        Node::Select(select) => {
            let mark = if select.test { "?has " } else { "" };
            format!("{mark}{}.{}", shown(&select.operand), select.field)
        }
        Node::Literal(literal) => format!("{literal:?}"),
        Node::Call(call) => {
            let parts = call.target.as_deref().into_iter().chain(&call.args).map(shown);
            format!("{}({})", call.func_name, parts.collect::<Vec<_>>().join(","))
        }
        // Loops and lists are not compared: each counts as different from every other.
        _ => format!("#{node:p}"),
    }
}
