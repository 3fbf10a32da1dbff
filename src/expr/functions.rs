//! Functions beyond CEL's standard library, as the language reference lists them.

use super::{environment::visit, shift};
use cel::{Context, ExecutionError, FunctionContext, IdedExpr, Value, common::ast::Expr as Node};
use chrono::{DateTime, FixedOffset};

type Outcome = Result<Value, String>;
type Body = fn(&[Value], &FunctionContext) -> Outcome;

const FUNCTIONS: [(&str, Body); 10] = [
    ("minutes_between", minutes_between),
    ("hours_between", hours_between),
    ("round", round),
    ("sum", sum),
    ("min", min),
    ("max", max),
    ("avg", avg),
    ("in_shift", shift::in_shift),
    ("shift_at", shift::shift_at),
    ("site_time", shift::site_time),
];

/// Our functions that an expression calls: only those are added to its context.
pub(super) fn collect_used(root: &IdedExpr, used: &mut Vec<&'static str>) {
    let outcome = visit(&mut root.clone(), 0, &mut |node| {
        if let Node::Call(call) = &node.expr
            && let Some((name, _)) = FUNCTIONS.iter().find(|(name, _)| *name == call.func_name)
            && !used.contains(name)
        {
            used.push(name);
        }
        Ok(())
    });
    debug_assert!(outcome.is_ok(), "the depth was checked before");
}

pub(super) fn add(context: &mut Context, name: &'static str) {
    let Some((_, body)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else { return };
    let added = context.add_function(name, move |call: &FunctionContext| {
        let args = call.this.iter().chain(&call.args).map(|arg| Value::try_from(arg.as_ref()));
        let args = args.collect::<Result<Vec<_>, ExecutionError>>()?;
        body(&args, call).map_err(|message| ExecutionError::function_error(name, message))
    });
    debug_assert!(added.is_ok(), "no extension declares {name}");
}

/// A time as workflows hold it: an RFC 3339 text, or CEL's own timestamp.
pub(super) fn time(value: &Value) -> Result<DateTime<FixedOffset>, String> {
    match value {
        Value::Timestamp(time) => Ok(*time),
        Value::String(text) => DateTime::parse_from_rfc3339(text)
            .map_err(|_| format!("`{text}` is not a time: write it like 2026-11-23T06:10:00-06:00")),
        other => Err(format!("a time is needed, this is of type {}", other.type_of())),
    }
}

/// Whole minutes, rounded down; negative when `b` is before `a`.
fn minutes_between(args: &[Value], _: &FunctionContext) -> Outcome {
    let [a, b] = args else { return Err("it takes two times: minutes_between(a, b)".to_owned()) };
    let between = time(b)? - time(a)?;
    Ok(Value::Int(between.num_seconds().div_euclid(60)))
}

fn hours_between(args: &[Value], _: &FunctionContext) -> Outcome {
    let [a, b] = args else { return Err("it takes two times: hours_between(a, b)".to_owned()) };
    let between = time(b)? - time(a)?;
    Ok(Value::Float(between.as_seconds_f64() / 3600.0))
}

/// `round(x)` and `round(x, 0)` are whole numbers; more digits give a fractional one.
fn round(args: &[Value], _: &FunctionContext) -> Outcome {
    let (x, digits) = match args {
        [x] => (number(x)?, 0),
        [x, Value::Int(digits)] if (0..=15).contains(digits) => (number(x)?, *digits),
        [_, _] => return Err("the number of digits is a whole number from 0 to 15".to_owned()),
        _ => return Err("it takes a number and its digits: round(x, 1)".to_owned()),
    };
    if digits == 0 {
        let whole = x.round();
        let fits = whole.abs() < 9.0e18;
        return if fits { Ok(Value::Int(whole as i64)) } else { Err("the number is too large".to_owned()) };
    }
    let scale = 10f64.powi(digits as i32);
    Ok(Value::Float((x * scale).round() / scale))
}

fn sum(args: &[Value], _: &FunctionContext) -> Outcome {
    let items = list(args, "sum")?;
    let whole = items.iter().map(|item| if let Value::Int(n) = item { Some(*n) } else { None });
    match whole.collect::<Option<Vec<i64>>>() {
        Some(whole) => whole
            .into_iter()
            .try_fold(0i64, i64::checked_add)
            .map(Value::Int)
            .ok_or_else(|| "the sum is too large".to_owned()),
        None => total(items).map(Value::Float),
    }
}

fn avg(args: &[Value], _: &FunctionContext) -> Outcome {
    let items = list(args, "avg")?;
    if items.is_empty() {
        return Err("the list is empty: an average needs at least one item".to_owned());
    }
    Ok(Value::Float(total(items)? / items.len() as f64))
}

fn min(args: &[Value], _: &FunctionContext) -> Outcome {
    extreme(args, "min", std::cmp::Ordering::Less)
}

fn max(args: &[Value], _: &FunctionContext) -> Outcome {
    extreme(args, "max", std::cmp::Ordering::Greater)
}

fn extreme(args: &[Value], name: &str, wanted: std::cmp::Ordering) -> Outcome {
    let items = list(args, name)?;
    let (first, rest) =
        items.split_first().ok_or_else(|| "the list is empty: test `size(list) > 0` first".to_owned())?;
    rest.iter()
        .try_fold(first, |best, item| match item.partial_cmp(best) {
            Some(ordering) => Ok(if ordering == wanted { item } else { best }),
            None => Err(format!("{} and {} do not compare", item.type_of(), best.type_of())),
        })
        .cloned()
}

fn list<'a>(args: &'a [Value], name: &str) -> Result<&'a [Value], String> {
    match args {
        [Value::List(items)] => Ok(items.as_slice()),
        _ => Err(format!("it takes one list: {name}(list)")),
    }
}

fn total(items: &[Value]) -> Result<f64, String> {
    items.iter().map(number).sum()
}

fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Int(n) => Ok(*n as f64),
        Value::UInt(n) => Ok(*n as f64),
        Value::Float(n) => Ok(*n),
        other => Err(format!("a number is needed, this is of type {}", other.type_of())),
    }
}
