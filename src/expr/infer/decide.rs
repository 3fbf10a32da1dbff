//! What a condition comes to when only some of its values are known: true, false, or it depends on the rest.
//!
//! Also tells a condition that is the same whatever its values are: `a == 'x' && a == 'y'`.

use super::{
    Types, facts,
    member::{chain, may_be_absent},
};
use crate::expr::types::Type;
use cel::{
    IdedExpr,
    common::ast::{Expr as Node, LiteralValue, operators},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// More combinations of values than this are not tried.
const TRIES_MAX: usize = 512;
/// Stands for every text that the condition does not name.
const OTHER: &str = "\u{0}";

/// The value of a path like `["steps", "approve", "decision"]`, as far as it is known.
pub(super) type Known<'k> = dyn Fn(&[&str]) -> Option<Value> + 'k;

/// `None` where it depends on what is not known.
pub(super) fn outcome(node: &IdedExpr, known: &Known) -> Option<bool> {
    value(node, known)?.as_bool()
}

fn value(node: &IdedExpr, known: &Known) -> Option<Value> {
    if let Some(path) = chain(node) {
        return known(&path).filter(|_| !may_be_absent(node));
    }
    match &node.expr {
        Node::Literal(literal) => of_literal(literal),
        Node::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [inner]) => Some(json!(!outcome(inner, known)?)),
            (operators::LOGICAL_AND, [left, right]) => both(left, right, false, known),
            (operators::LOGICAL_OR, [left, right]) => both(left, right, true, known),
            (operators::CONDITIONAL, [condition, yes, no]) => match outcome(condition, known) {
                Some(true) => value(yes, known),
                Some(false) => value(no, known),
                None => value(yes, known).filter(|yes| value(no, known).as_ref() == Some(yes)),
            },
            (operators::IN, [item, list]) => {
                let Node::List(list) = &list.expr else { return None };
                let item = value(item, known)?;
                let items =
                    list.elements.iter().map(|item| value(item, known)).collect::<Option<Vec<_>>>()?;
                Some(json!(items.iter().any(|listed| same(listed, &item))))
            }
            ("orValue", [_]) => {
                let target = call.target.as_deref()?;
                known(&chain(target)?).filter(|_| may_be_absent(target))
            }
            (operator, [left, right]) => compared(operator, left, right, known),
            _ => None,
        },
        _ => None,
    }
}

/// `decisive` is what one side alone makes of it.
fn both(left: &IdedExpr, right: &IdedExpr, decisive: bool, known: &Known) -> Option<Value> {
    match (outcome(left, known), outcome(right, known)) {
        (Some(one), _) | (_, Some(one)) if one == decisive => Some(json!(decisive)),
        (Some(_), Some(_)) => Some(json!(!decisive)),
        _ => None,
    }
}

fn compared(operator: &str, left: &IdedExpr, right: &IdedExpr, known: &Known) -> Option<Value> {
    let order = |answer: fn(std::cmp::Ordering) -> bool| {
        let (a, b) = (value(left, known)?, value(right, known)?);
        let order = match (&a, &b) {
            (Value::Number(_), Value::Number(_)) => a.as_f64()?.partial_cmp(&b.as_f64()?)?,
            (Value::String(a), Value::String(b)) if a != OTHER && b != OTHER => a.cmp(b),
            _ => return None,
        };
        Some(answer(order))
    };
    let is_same = || match (value(left, known), value(right, known)) {
        (Some(a), Some(b)) => Some(same(&a, &b)),
        _ => facts::is_equal(left, right).then_some(true),
    };
    if let Some(answer) = of_bounds(operator, left, right) {
        return Some(json!(answer));
    }
    let answer = match operator {
        operators::EQUALS => is_same(),
        operators::NOT_EQUALS => is_same().map(|is_same| !is_same),
        operators::LESS => order(std::cmp::Ordering::is_lt),
        operators::LESS_EQUALS => order(std::cmp::Ordering::is_le),
        operators::GREATER => order(std::cmp::Ordering::is_gt),
        operators::GREATER_EQUALS => order(std::cmp::Ordering::is_ge),
        _ => return None,
    };
    answer.map(|answer| json!(answer))
}

/// What a size or a count of answers is compared with, where the answer does not depend on it.
fn of_bounds(operator: &str, left: &IdedExpr, right: &IdedExpr) -> Option<bool> {
    let (operator, (least, most), number) = match (bounds(left), bounds(right)) {
        (Some(bounds), None) => (operator, bounds, number_of(right)?),
        (None, Some(bounds)) => (turned(operator), bounds, number_of(left)?),
        (Some(_), Some(_)) => return of_shares(operator, left, right),
        (None, None) => return None,
    };
    let sure = |yes: bool, no: bool| if yes { Some(true) } else { no.then_some(false) };
    match operator {
        operators::LESS => sure(most < number, least >= number),
        operators::LESS_EQUALS => sure(most <= number, least > number),
        operators::GREATER => sure(least > number, most <= number),
        operators::GREATER_EQUALS => sure(least >= number, most < number),
        operators::EQUALS => sure(false, number < least || number > most),
        operators::NOT_EQUALS => sure(number < least || number > most, false),
        _ => None,
    }
}

/// Of the answers before, no more were accepted than there were.
fn of_shares(operator: &str, left: &IdedExpr, right: &IdedExpr) -> Option<bool> {
    let operator = match (chain(left)?.as_slice(), chain(right)?.as_slice()) {
        (["past", "accepted"], ["past", "answers"]) => operator,
        (["past", "answers"], ["past", "accepted"]) => turned(operator),
        _ => return None,
    };
    match operator {
        operators::LESS_EQUALS => Some(true),
        operators::GREATER => Some(false),
        _ => None,
    }
}

/// The least and the most that it can be.
fn bounds(node: &IdedExpr) -> Option<(f64, f64)> {
    if matches!(&node.expr, Node::Call(call) if call.func_name == "size") {
        return Some((0.0, f64::INFINITY));
    }
    match chain(node)?.as_slice() {
        ["past", "answers" | "accepted"] => Some((0.0, f64::INFINITY)),
        ["past", "share"] => Some((0.0, 1.0)),
        _ => None,
    }
}

fn number_of(node: &IdedExpr) -> Option<f64> {
    match &node.expr {
        Node::Literal(literal) => of_literal(literal)?.as_f64(),
        Node::Call(call) if call.func_name == operators::NEGATE => Some(-number_of(call.args.first()?)?),
        _ => None,
    }
}

fn turned(operator: &str) -> &str {
    match operator {
        operators::LESS => operators::GREATER,
        operators::LESS_EQUALS => operators::GREATER_EQUALS,
        operators::GREATER => operators::LESS,
        operators::GREATER_EQUALS => operators::LESS_EQUALS,
        other => other,
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn of_literal(literal: &LiteralValue) -> Option<Value> {
    match literal {
        LiteralValue::Null => Some(Value::Null),
        LiteralValue::Boolean(value) => Some(json!(*value.inner())),
        LiteralValue::Int(value) => Some(json!(*value.inner())),
        LiteralValue::UInt(value) => Some(json!(*value.inner())),
        LiteralValue::Double(value) => Some(json!(*value.inner())),
        LiteralValue::String(value) => Some(json!(value.inner())),
        LiteralValue::Bytes(_) => None,
    }
}

/// What the condition is whatever its values are; `None` where they matter, or where that is not known.
pub(super) fn constant(node: &IdedExpr, types: &Types) -> Option<bool> {
    let mut tried: BTreeMap<Vec<&str>, Vec<Value>> = BTreeMap::new();
    collect(node, true, types, &mut tried);
    let count = tried.values().try_fold(1_usize, |count, values| {
        count.checked_mul(values.len()).filter(|count| *count <= TRIES_MAX)
    })?;
    let mut answer = None;
    for mut number in 0..count {
        let mut chosen: BTreeMap<&[&str], &Value> = BTreeMap::new();
        for (path, values) in &tried {
            chosen.insert(path, &values[number % values.len()]);
            number /= values.len();
        }
        let now = outcome(node, &|path: &[&str]| chosen.get(path).map(|value| (*value).clone()))?;
        if answer.is_some_and(|before| before != now) {
            return None;
        }
        answer = Some(now);
    }
    answer
}

/// The values that a path is compared with, and one beside each of them.
fn collect<'n>(
    node: &'n IdedExpr,
    is_condition: bool,
    types: &Types,
    found: &mut BTreeMap<Vec<&'n str>, Vec<Value>>,
) {
    if is_condition && let Some(path) = chain(node) {
        return add(path, vec![json!(true), json!(false)], found);
    }
    let Node::Call(call) = &node.expr else { return };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::LOGICAL_NOT | operators::LOGICAL_AND | operators::LOGICAL_OR, parts) => {
            parts.iter().for_each(|part| collect(part, true, types, found));
        }
        (operators::CONDITIONAL, [condition, yes, no]) => {
            collect(condition, true, types, found);
            collect(yes, is_condition, types, found);
            collect(no, is_condition, types, found);
        }
        (operators::IN, [item, list]) => {
            if let Node::List(list) = &list.expr {
                list.elements.iter().for_each(|listed| beside(item, listed, types, found));
            }
        }
        (
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS,
            [left, right],
        ) => {
            beside(left, right, types, found);
            beside(right, left, types, found);
        }
        _ => {}
    }
}

fn beside<'n>(
    subject: &'n IdedExpr,
    literal: &'n IdedExpr,
    types: &Types,
    found: &mut BTreeMap<Vec<&'n str>, Vec<Value>>,
) {
    let (subject, default) = match &subject.expr {
        Node::Call(call) if call.func_name == "orValue" => match call.target.as_deref() {
            Some(target) => (target, call.args.first()),
            None => return,
        },
        _ => (subject, None),
    };
    let (Some(path), Node::Literal(literal)) = (chain(subject), &literal.expr) else { return };
    let Some(value) = of_literal(literal) else { return };
    let mut words: Vec<Value> = match type_at(types, &path) {
        Some(Type::Word(words)) if words.len() > 1 => words.iter().map(|word| json!(word)).collect(),
        _ => Vec::new(),
    };
    words.extend(default.map(|default| match &default.expr {
        Node::Literal(default) => of_literal(default).unwrap_or(json!(OTHER)),
        _ => json!(OTHER),
    }));
    let mut values = match &value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            vec![json!(number - 0.5), json!(number), json!(number + 0.5)]
        }
        Value::Bool(_) => vec![json!(true), json!(false)],
        Value::Null => vec![Value::Null, json!(OTHER)],
        _ if !words.is_empty() && default.is_none() => Vec::new(),
        _ => vec![value.clone(), json!(OTHER)],
    };
    values.extend(words);
    add(path, values, found);
}

fn add<'n>(path: Vec<&'n str>, values: Vec<Value>, found: &mut BTreeMap<Vec<&'n str>, Vec<Value>>) {
    let known = found.entry(path).or_default();
    for value in values {
        if !known.contains(&value) {
            known.push(value);
        }
    }
}

fn type_at<'t>(types: &'t Types, path: &[&str]) -> Option<&'t Type> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(types.get(*first)?, |kind, name| match kind {
        Type::Object(shape) => shape.fields.get(*name).map(|field| &field.kind),
        _ => None,
    })
}
