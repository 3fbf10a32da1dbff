//! What a condition comes to when only some of its values are known: true, false, or it depends on the rest.
//!
//! Also tells a condition that is the same whatever its values are: `a == 'x' && a == 'y'`.

use super::{
    Types, facts,
    member::{chain, may_be_absent},
};
use crate::expr::types::{Shape, Type};
use cel::{
    IdedExpr,
    common::ast::{Expr as Node, LiteralValue, operators},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// More combinations of values than this are not tried.
const TRIES_MAX: usize = 512;
/// Stands for every text that the condition does not name, of one path.
const OTHER: &str = "\u{0}";
/// How people answered a gate before.
const PAST: &str = "past";

/// The value of a path like `["steps", "approve", "decision"]`, as far as it is known.
pub(super) type Known<'k> = dyn Fn(&[&str]) -> Option<Value> + 'k;

/// `None` where it depends on what is not known.
pub(super) fn outcome(node: &IdedExpr, known: &Known) -> Option<bool> {
    View { known, has_past: false }.outcome(node)
}

/// As [`outcome`], where no value is known but what they all are within.
pub(super) fn without_values(node: &IdedExpr, types: &Types) -> Option<bool> {
    View { known: &|_: &[&str]| None, has_past: has_past(types) }.outcome(node)
}

/// Whether `past` is that of a gate: an item of a list may be called so, too.
fn has_past(types: &Types) -> bool {
    let is_there =
        |shape: &Shape| ["answers", "accepted", "share"].iter().all(|name| shape.fields.contains_key(*name));
    matches!(types.get(PAST), Some(Type::Object(shape)) if is_there(shape))
}

/// What is known where a condition stands.
#[derive(Clone, Copy)]
struct View<'k> {
    known: &'k Known<'k>,
    /// `past` is how a gate was answered before, and not an item that somebody called so.
    has_past: bool,
}

impl View<'_> {
    fn outcome(self, node: &IdedExpr) -> Option<bool> {
        self.value(node)?.as_bool()
    }

    fn value(self, node: &IdedExpr) -> Option<Value> {
        if let Some(path) = chain(node) {
            return (self.known)(&path).filter(|_| !may_be_absent(node));
        }
        match &node.expr {
            Node::Literal(literal) => of_literal(literal),
            Node::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::LOGICAL_NOT, [inner]) => Some(json!(!self.outcome(inner)?)),
                (operators::LOGICAL_AND, [left, right]) => self.both(left, right, false),
                (operators::LOGICAL_OR, [left, right]) => self.both(left, right, true),
                (operators::CONDITIONAL, [condition, yes, no]) => match self.outcome(condition) {
                    Some(true) => self.value(yes),
                    Some(false) => self.value(no),
                    None => self.value(yes).filter(|yes| self.value(no).as_ref() == Some(yes)),
                },
                (operators::IN, [item, list]) => self.is_in(item, list),
                ("orValue", [_]) => {
                    let target = call.target.as_deref()?;
                    (self.known)(&chain(target)?).filter(|_| may_be_absent(target))
                }
                (operator, [left, right]) => self.compared(operator, left, right),
                _ => None,
            },
            _ => None,
        }
    }

    /// `decisive` is what one side alone makes of it.
    fn both(self, left: &IdedExpr, right: &IdedExpr, decisive: bool) -> Option<Value> {
        match (self.outcome(left), self.outcome(right)) {
            (Some(one), _) | (_, Some(one)) if one == decisive => Some(json!(decisive)),
            (Some(_), Some(_)) => Some(json!(!decisive)),
            _ => None,
        }
    }

    fn is_in(self, item: &IdedExpr, list: &IdedExpr) -> Option<Value> {
        let Node::List(list) = &list.expr else { return None };
        let mut is_sure = true;
        for listed in &list.elements {
            match self.is_same(item, listed) {
                Some(true) => return Some(json!(true)),
                Some(false) => {}
                None => is_sure = false,
            }
        }
        is_sure.then(|| json!(false))
    }

    fn is_same(self, left: &IdedExpr, right: &IdedExpr) -> Option<bool> {
        match (self.value(left), self.value(right)) {
            (Some(a), Some(b)) if may_be_compared(left, right) => Some(same(&a, &b)),
            _ => facts::is_equal(left, right).then_some(true),
        }
    }

    fn compared(self, operator: &str, left: &IdedExpr, right: &IdedExpr) -> Option<Value> {
        let order = |answer: fn(std::cmp::Ordering) -> bool| {
            let (a, b) = (self.value(left)?, self.value(right)?);
            let order = match (&a, &b) {
                _ if !may_be_compared(left, right) => return None,
                (Value::Number(_), Value::Number(_)) => a.as_f64()?.partial_cmp(&b.as_f64()?)?,
                (Value::String(a), Value::String(b)) if a != OTHER && b != OTHER => a.cmp(b),
                _ => return None,
            };
            Some(answer(order))
        };
        if let Some(answer) = self.of_bounds(operator, left, right) {
            return Some(json!(answer));
        }
        let answer = match operator {
            operators::EQUALS => self.is_same(left, right),
            operators::NOT_EQUALS => self.is_same(left, right).map(|is_same| !is_same),
            operators::LESS => order(std::cmp::Ordering::is_lt),
            operators::LESS_EQUALS => order(std::cmp::Ordering::is_le),
            operators::GREATER => order(std::cmp::Ordering::is_gt),
            operators::GREATER_EQUALS => order(std::cmp::Ordering::is_ge),
            _ => return None,
        };
        answer.map(|answer| json!(answer))
    }

    /// What a size or a count of answers is compared with, where the answer does not depend on it.
    fn of_bounds(self, operator: &str, left: &IdedExpr, right: &IdedExpr) -> Option<bool> {
        let (operator, (least, most), number) = match (self.bounds(left), self.bounds(right)) {
            (Some(bounds), None) => (operator, bounds, number_of(right)?),
            (None, Some(bounds)) => (turned(operator), bounds, number_of(left)?),
            (Some(_), Some(_)) => return of_shares(operator, left, right).filter(|_| self.has_past),
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

    /// The least and the most that it can be.
    fn bounds(self, node: &IdedExpr) -> Option<(f64, f64)> {
        if matches!(&node.expr, Node::Call(call) if call.func_name == "size") {
            return Some((0.0, f64::INFINITY));
        }
        match chain(node)?.as_slice() {
            [PAST, "answers" | "accepted"] if self.has_past => Some((0.0, f64::INFINITY)),
            [PAST, "share"] if self.has_past => Some((0.0, 1.0)),
            _ => None,
        }
    }
}

/// Of two paths each takes a value of its own: whether these are the same says nothing.
fn may_be_compared(left: &IdedExpr, right: &IdedExpr) -> bool {
    let (left, right) = (read_by(left), read_by(right));
    left.is_empty() || right.is_empty() || (left.len() == 1 && left == right)
}

/// The paths whose values it may have.
fn read_by(node: &IdedExpr) -> Vec<Vec<&str>> {
    if let Some(path) = chain(node) {
        return vec![path];
    }
    match &node.expr {
        Node::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::CONDITIONAL, [_, yes, no]) => [read_by(yes), read_by(no)].concat(),
            ("orValue", _) => call.target.as_deref().map(read_by).unwrap_or_default(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Of the answers before, no more were accepted than there were.
fn of_shares(operator: &str, left: &IdedExpr, right: &IdedExpr) -> Option<bool> {
    let operator = match (chain(left)?.as_slice(), chain(right)?.as_slice()) {
        ([PAST, "accepted"], [PAST, "answers"]) => operator,
        ([PAST, "answers"], [PAST, "accepted"]) => turned(operator),
        _ => return None,
    };
    match operator {
        operators::LESS_EQUALS => Some(true),
        operators::GREATER => Some(false),
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
    tried.values_mut().for_each(with_between);
    let has_past = has_past(types);
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
        let known = |path: &[&str]| chosen.get(path).map(|value| (*value).clone());
        let now = View { known: &known, has_past }.outcome(node)?;
        if answer.is_some_and(|before| before != now) {
            return None;
        }
        answer = Some(now);
    }
    answer
}

/// To the numbers that a path is compared with, one below, one above and one between each two.
fn with_between(values: &mut Vec<Value>) {
    let mut numbers: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
    numbers.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (numbers.first(), numbers.last()) else { return };
    let beside = [least - 0.5, most + 0.5].into_iter();
    let between =
        numbers.windows(2).filter(|pair| pair[0] < pair[1]).map(|pair| f64::midpoint(pair[0], pair[1]));
    let more: Vec<Value> = beside.chain(between).map(|number| json!(number)).collect();
    values.extend(more);
}

/// The values that a path is compared with, and one beside each of them; numbers get theirs when all are known.
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
        Value::Number(_) => vec![value.clone()],
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
