//! What one evaluation may cost. An expression is short, but macros in macros over long lists, or texts that are put
//! together again and again, would run without end or fill the memory.
//!
//! The tree that is run is the one that is analysed, with a meter wherever a value's size decides the cost. Nothing is
//! measured elsewhere, so that an ordinary expression pays a few calls.

use super::{order, signature::NAMESPACES};
use cel::{
    DeclarationError, Env, ExecutionError, IdedExpr,
    common::{
        ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr as Node, operators},
        types::{CelInt, CelMap, CelString, DYN_TYPE},
        value::{CowVal, Val},
    },
};
use std::cell::Cell;

/// Rounds of loops, items of lists and stretches of text, altogether: about a second's work.
const UNITS_MAX: u64 = 2_000_000;
const CHARS_PER_UNIT: u64 = 16;
const TOO_MUCH: &str =
    "this takes more steps than an expression may: shorten the lists first, or let a tool do it";

const LOOP: &str = "@loop";
const COUNT: &str = "@count";
const KEEP: &str = "@keep";
const READ: &str = "@read";
const PAIRS: &str = "@pairs";
const REPLACE: &str = "@replace";
const JOIN: &str = "@join";

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// A new evaluation on this thread.
pub(super) fn start() {
    LEFT.set(UNITS_MAX);
}

/// # Errors
/// When the evaluation has used up what it may.
pub(super) fn spend(units: u64) -> Result<(), ExecutionError> {
    let left = LEFT.get().checked_sub(units);
    LEFT.set(left.unwrap_or(0));
    left.map(drop).ok_or_else(|| ExecutionError::function_error("the expression", TOO_MUCH))
}

/// What copying or reading a value once costs, without what is inside its items.
pub(super) fn size(value: &dyn Val) -> u64 {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return text.inner().len() as u64 / CHARS_PER_UNIT;
    }
    value.as_sizer().map_or(0, |sizer| u64::try_from(*sizer.size().inner()).unwrap_or(0))
}

/// The same with everything inside.
fn whole_size(value: &dyn Val) -> u64 {
    let mut units = 1 + size(value);
    if value.downcast_ref::<CelString>().is_some() || units == 1 {
        return units;
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        return units + map.inner().values().map(|inner| whole_size(inner.as_ref())).sum::<u64>();
    }
    if let Some(iterable) = value.as_iterable() {
        let mut items = iterable.iter();
        while let Some(item) = items.next() {
            units = units.saturating_add(whole_size(item));
        }
    }
    units
}

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let dynamic = |count: usize| std::iter::repeat_with(|| DYN_TYPE).take(count).collect::<Vec<_>>();
    env.add_overload(LOOP, LOOP, dynamic(1), |args| metered(args, size))?;
    env.add_overload(READ, READ, dynamic(1), |args| metered(args, size))?;
    env.add_overload(KEEP, KEEP, dynamic(1), |args| metered(args, whole_size))?;
    env.add_overload(PAIRS, PAIRS, dynamic(1), |args| {
        metered(args, |list| size(list).saturating_pow(2) / 8)
    })?;
    env.add_overload(COUNT, COUNT, dynamic(1), |args| metered(args, number))?;
    env.add_overload(REPLACE, "@replace_all", dynamic(3), replace)?;
    env.add_overload(REPLACE, "@replace_some", dynamic(4), replace)?;
    env.add_overload(JOIN, "@join_plain", dynamic(1), join)?;
    env.add_overload(JOIN, "@join_with", dynamic(2), join)
}

fn number(value: &dyn Val) -> u64 {
    value.downcast_ref::<CelInt>().map_or(0, |count| u64::try_from(*count.inner()).unwrap_or(0))
}

fn metered<'b, 'v>(
    args: Vec<CowVal<'b, 'v>>,
    cost: fn(&dyn Val) -> u64,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.into_iter().next().ok_or_else(|| ExecutionError::invalid_argument_count(1, 0))?;
    spend(cost(value.as_ref()))?;
    Ok(value)
}

/// CEL's own would build the text first.
fn replace<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, from, to] =
        [text(&args, 0, "replace")?, text(&args, 1, "replace")?, text(&args, 2, "replace")?];
    let most = args.get(3).map_or(Ok(usize::MAX), |count| match count.as_ref().downcast_ref::<CelInt>() {
        // A negative number means every one.
        Some(count) => Ok(usize::try_from(*count.inner()).unwrap_or(usize::MAX)),
        None => Err(unfit("replace", &args)),
    })?;
    let found = text.matches(from).take(most).count();
    spend((text.len() as u64 + (found as u64).saturating_mul(to.len() as u64)) / CHARS_PER_UNIT)?;
    Ok(CowVal::owned(CelString::from(text.replacen(from, to, most))))
}

fn join<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let between = if args.len() > 1 { text(&args, 1, "join")? } else { "" };
    let list =
        args.first().and_then(|list| list.as_ref().as_iterable()).ok_or_else(|| unfit("join", &args))?;
    let (mut parts, mut items) = (Vec::new(), list.iter());
    while let Some(item) = items.next() {
        let part = item.downcast_ref::<CelString>().ok_or_else(|| unfit("join", &args))?.inner();
        spend(1 + (part.len() + between.len()) as u64 / CHARS_PER_UNIT)?;
        parts.push(part);
    }
    Ok(CowVal::owned(CelString::from(parts.join(between))))
}

fn text<'a>(args: &'a [CowVal<'_, '_>], index: usize, function: &str) -> Result<&'a str, ExecutionError> {
    let text = args.get(index).and_then(|arg| arg.as_ref().downcast_ref::<CelString>());
    text.map(CelString::inner).ok_or_else(|| unfit(function, args))
}

fn unfit(function: &str, args: &[CowVal<'_, '_>]) -> ExecutionError {
    let types = args.iter().map(|arg| arg.as_ref().get_type().name().to_owned());
    ExecutionError::no_such_overload(function, types.collect())
}

/// The tree with its meters.
pub(super) fn metered_tree(root: &IdedExpr) -> IdedExpr {
    let mut tree = root.clone();
    order::rewrite_tree(&mut tree);
    put_meters(&mut tree, false);
    tree
}

fn put_meters(node: &mut IdedExpr, in_loop: bool) {
    match &mut node.expr {
        Node::Unspecified | Node::Ident(_) | Node::Literal(_) | Node::Struct(_) => {}
        Node::Select(select) => put_meters(&mut select.operand, in_loop),
        Node::List(list) => list.elements.iter_mut().for_each(|item| put_meters(item, in_loop)),
        Node::Map(map) => {
            for entry in &mut map.entries {
                match &mut entry.expr {
                    EntryExpr::MapEntry(entry) => {
                        put_meters(&mut entry.key, in_loop);
                        put_meters(&mut entry.value, in_loop);
                    }
                    EntryExpr::StructField(field) => put_meters(&mut field.value, in_loop),
                }
            }
        }
        Node::Comprehension(comprehension) => of_loop(comprehension, in_loop),
        Node::Call(call) => of_call(call, in_loop),
    }
}

fn of_loop(comprehension: &mut ComprehensionExpr, in_loop: bool) {
    let ComprehensionExpr { iter_range, accu_init, loop_cond, loop_step, result, .. } = comprehension;
    put_meters(iter_range, in_loop);
    wrap(iter_range, LOOP);
    for inner in [accu_init, loop_cond, loop_step, result] {
        put_meters(inner, true);
    }
}

fn of_call(call: &mut CallExpr, in_loop: bool) {
    // `@result + [item]` of `map` and `filter`: what is kept is copied.
    if call.func_name == operators::ADD {
        let items = call.args.iter_mut().filter_map(|arg| match &mut arg.expr {
            Node::List(list) => Some(&mut list.elements),
            _ => None,
        });
        items.flatten().for_each(|item| {
            put_meters(item, in_loop);
            wrap(item, KEEP);
        });
        return;
    }
    call.target.iter_mut().for_each(|target| put_meters(target, in_loop));
    call.args.iter_mut().for_each(|arg| put_meters(arg, in_loop));
    let is_named = call.func_name.starts_with(|first: char| first.is_ascii_alphabetic());
    match (call.func_name.as_str(), call.target.is_some()) {
        ("range", true) | ("lists.range", _) => call.args.iter_mut().for_each(|arg| wrap(arg, COUNT)),
        ("replace", true) => without_target(call, REPLACE),
        ("join", true) => without_target(call, JOIN),
        ("distinct", true) => call.target.iter_mut().for_each(|target| wrap(target, PAIRS)),
        (operators::IN, _) => call.args.iter_mut().skip(1).for_each(|arg| wrap(arg, READ)),
        (operators::EQUALS | operators::NOT_EQUALS, _) if in_loop && !call.args.iter().any(is_literal) => {
            call.args.iter_mut().for_each(|arg| wrap(arg, READ));
        }
        _ if in_loop && is_named => {
            let is_value = |node: &&mut IdedExpr| !matches!(&node.expr, Node::Ident(name) if NAMESPACES.contains(&name.as_str()));
            call.target
                .iter_mut()
                .map(|target| &mut **target)
                .filter(is_value)
                .for_each(|target| wrap(target, READ));
            call.args.iter_mut().for_each(|arg| wrap(arg, READ));
        }
        _ => {}
    }
}

fn is_literal(node: &IdedExpr) -> bool {
    matches!(node.expr, Node::Literal(_))
}

fn wrap(node: &mut IdedExpr, meter: &str) {
    if is_literal(node) && meter != COUNT {
        return;
    }
    let id = node.id;
    let inner = std::mem::take(node);
    let call = CallExpr { func_name: meter.to_owned(), target: None, args: vec![inner] };
    *node = IdedExpr { id, expr: Node::Call(call) };
}

fn without_target(call: &mut CallExpr, function: &str) {
    if let Some(target) = call.target.take() {
        call.args.insert(0, *target);
        call.func_name = function.to_owned();
    }
}
