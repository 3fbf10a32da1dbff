//! Sorting and rounding that take whole and fractional numbers alike.
//!
//! A JSON `number` arrives as `30` or `12.5` depending on who wrote it. CEL sorts only values of one type and rounds only
//! fractions, so that a workflow would fail on the first day on which a value is whole.

use super::{arithmetic::number, environment::visit, meter, signature};
use cel::{
    DeclarationError, Env, ExecutionError, IdedExpr,
    common::{
        ast::{CallExpr, Expr as Node},
        types::{CelBool, CelDouble, CelInt, CelList, DYN_TYPE},
        value::{CowVal, Val},
    },
};
use std::cmp::Ordering;

const SORT: &str = "@sort";
const SORT_BY: &str = "@sortBy";

/// Functions of `math` by the names they are run under.
const ROUNDING: [(&str, &str); 7] = [
    ("ceil", "@ceil"),
    ("floor", "@floor"),
    ("round", "@round"),
    ("trunc", "@trunc"),
    ("isInf", "@isInf"),
    ("isNaN", "@isNaN"),
    ("isFinite", "@isFinite"),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(SORT, SORT, vec![DYN_TYPE], sort)?;
    env.add_overload(SORT_BY, SORT_BY, vec![DYN_TYPE, DYN_TYPE], sort_by)?;
    env.add_overload("@ceil", "@ceil", vec![DYN_TYPE], |args| rounded(args, "ceil", f64::ceil))?;
    env.add_overload("@floor", "@floor", vec![DYN_TYPE], |args| rounded(args, "floor", f64::floor))?;
    env.add_overload("@round", "@round", vec![DYN_TYPE], |args| rounded(args, "round", f64::round))?;
    env.add_overload("@trunc", "@trunc", vec![DYN_TYPE], |args| rounded(args, "trunc", f64::trunc))?;
    env.add_overload("@isInf", "@isInf", vec![DYN_TYPE], |args| asked(args, "isInf", f64::is_infinite))?;
    env.add_overload("@isNaN", "@isNaN", vec![DYN_TYPE], |args| asked(args, "isNaN", f64::is_nan))?;
    env.add_overload("@isFinite", "@isFinite", vec![DYN_TYPE], |args| asked(args, "isFinite", f64::is_finite))
}

/// Makes a call one of these; only of the tree that is run.
pub(super) fn rewrite(call: &mut CallExpr) {
    let of_math =
        call.target.as_deref().is_some_and(|t| matches!(&t.expr, Node::Ident(name) if name == "math"));
    if of_math {
        if let Some((_, ours)) = ROUNDING.iter().find(|(name, _)| *name == call.func_name) {
            call.func_name = (*ours).to_owned();
            call.target = None;
        }
        return;
    }
    let ours = match call.func_name.as_str() {
        "sort" => SORT,
        signature::SORT_BY => SORT_BY,
        _ => return,
    };
    if let Some(target) = call.target.take() {
        call.args.insert(0, *target);
        call.func_name = ours.to_owned();
    }
}

fn sort<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let items = items(&args, 0, "sort")?;
    let keys: Vec<Boxed<'v>> = items.iter().map(|item| item.clone_as_boxed()).collect();
    sorted(keys.into_iter().zip(items).collect(), "sort")
}

fn sort_by<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (items, keys) = (items(&args, 0, "sortBy")?, items(&args, 1, "sortBy")?);
    sorted(keys.into_iter().zip(items).collect(), "sortBy")
}

type Boxed<'v> = Box<dyn Val + 'v>;

/// Equal keys keep their order.
fn sorted<'b, 'v>(
    mut keyed: Vec<(Boxed<'v>, Boxed<'v>)>,
    name: &str,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let length = keyed.len() as u64;
    meter::spend(length * (1 + u64::from(length.checked_ilog2().unwrap_or(0))))?;
    // The order must be a whole one, so that every key is compared with the first before.
    if let Some((first, _)) = keyed.first() {
        keyed.iter().try_for_each(|(key, _)| compared(first.as_ref(), key.as_ref(), name).map(drop))?;
    }
    keyed.sort_by(|(a, _), (b, _)| compared(a.as_ref(), b.as_ref(), name).unwrap_or(Ordering::Equal));
    let items: Vec<Boxed<'v>> = keyed.into_iter().map(|(_, item)| item).collect();
    Ok(CowVal::owned(CelList::from(items)))
}

fn compared(a: &dyn Val, b: &dyn Val, name: &str) -> Result<Ordering, ExecutionError> {
    let refused = || {
        let types = format!("{} and {}", a.get_type().name(), b.get_type().name());
        ExecutionError::function_error(
            name,
            format!("values of {types} have no order: sort values of one type"),
        )
    };
    if let (Some(a), Some(b)) = (a.downcast_ref::<CelInt>(), b.downcast_ref::<CelInt>()) {
        return Ok(a.inner().cmp(b.inner()));
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return a.partial_cmp(&b).ok_or_else(refused);
    }
    if a.get_type() != b.get_type() {
        return Err(refused());
    }
    a.as_comparer().ok_or_else(refused)?.compare(b).map_err(|_| refused())
}

fn items<'v>(args: &[CowVal<'_, 'v>], index: usize, name: &str) -> Result<Vec<Boxed<'v>>, ExecutionError> {
    let list = args.get(index).and_then(|list| list.as_ref().as_iterable());
    let list = list.ok_or_else(|| unfit(name, args))?;
    let (mut found, mut rest) = (Vec::new(), list.iter());
    while let Some(item) = rest.next() {
        found.push(item.clone_as_boxed());
    }
    Ok(found)
}

/// A whole number stays as it is.
fn rounded<'b, 'v>(
    args: Vec<CowVal<'b, 'v>>,
    name: &str,
    round: fn(f64) -> f64,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let fraction = args.first().and_then(|arg| arg.as_ref().downcast_ref::<CelDouble>()).map(|n| *n.inner());
    match (fraction, args.first().and_then(|arg| number(arg.as_ref()))) {
        (Some(fraction), _) => Ok(CowVal::owned(CelDouble::from(round(fraction)))),
        (None, Some(_)) => {
            args.into_iter().next().ok_or_else(|| ExecutionError::invalid_argument_count(1, 0))
        }
        (None, None) => Err(unfit(&format!("math.{name}"), &args)),
    }
}

fn asked<'b, 'v>(
    args: Vec<CowVal<'b, 'v>>,
    name: &str,
    is_so: fn(f64) -> bool,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.first().and_then(|arg| number(arg.as_ref()));
    let value = value.ok_or_else(|| unfit(&format!("math.{name}"), &args))?;
    Ok(CowVal::owned(CelBool::from(is_so(value))))
}

fn unfit(name: &str, args: &[CowVal<'_, '_>]) -> ExecutionError {
    let types = args.iter().map(|arg| arg.as_ref().get_type().name().to_owned());
    ExecutionError::no_such_overload(name, types.collect())
}

/// Every call of a tree.
pub(super) fn rewrite_tree(root: &mut IdedExpr) {
    let outcome = visit(root, 0, &mut |node| {
        if let Node::Call(call) = &mut node.expr {
            rewrite(call);
        }
        Ok(())
    });
    debug_assert!(outcome.is_ok(), "the depth was checked before");
}
