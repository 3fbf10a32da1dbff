//! Arithmetic that mixes whole and fractional numbers.
//!
//! A JSON `number` arrives as `5` or `5.0` depending on who wrote it, and CEL refuses `int * double`: a
//! workflow would fail on the first round value. So `+ - * /` promote a mixed pair to double at run
//! time, and stay CEL's own for everything else; the checker lets them mix as well.

use super::{environment::visit, meter};
use cel::{
    DeclarationError, Env, ExecutionError, IdedExpr,
    common::{
        ast::{Expr as Node, operators},
        types::{CelDouble, CelInt, CelUInt, DYN_TYPE},
        value::{CowVal, Val},
    },
};

const REPLACED: [(&str, &str); 4] = [
    (operators::ADD, "@add"),
    (operators::SUBSTRACT, "@subtract"),
    (operators::MULTIPLY, "@multiply"),
    (operators::DIVIDE, "@divide"),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let pair = || vec![DYN_TYPE, DYN_TYPE];
    env.add_overload("@add", "@add", pair(), add)?;
    env.add_overload("@subtract", "@subtract", pair(), subtract)?;
    env.add_overload("@multiply", "@multiply", pair(), multiply)?;
    env.add_overload("@divide", "@divide", pair(), divide)
}

/// Makes the operators of an expression the mixing ones.
pub(super) fn rewrite(root: &mut IdedExpr) {
    let outcome = visit(root, 0, &mut |node| {
        if let Node::Call(call) = &mut node.expr {
            let ours = REPLACED.iter().find(|(operator, _)| *operator == call.func_name);
            if let Some((_, name)) = ours.filter(|_| !call.args.iter().any(is_accumulator)) {
                call.func_name = (*name).to_owned();
            }
        }
        Ok(())
    });
    debug_assert!(outcome.is_ok(), "the depth was checked before");
}

/// The hidden accumulator of `map` and `filter`: CEL recognises its `+` and appends in place.
fn is_accumulator(node: &IdedExpr) -> bool {
    matches!(&node.expr, Node::Ident(name) if name.starts_with('@'))
}

fn add<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let sum = apply(&args, operators::ADD, |a, b| a + b, |a, b| Some(a.as_adder()?.add(b)))?;
    meter::spend(meter::size(sum.as_ref()))?;
    Ok(sum)
}

fn subtract<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    apply(&args, operators::SUBSTRACT, |a, b| a - b, |a, b| Some(a.as_subtractor()?.sub(b)))
}

fn multiply<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    apply(&args, operators::MULTIPLY, |a, b| a * b, |a, b| Some(a.as_multiplier()?.mul(b)))
}

fn divide<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    apply(&args, operators::DIVIDE, |a, b| a / b, |a, b| Some(a.as_divider()?.div(b)))
}

type Native =
    for<'x, 'v> fn(&'x (dyn Val + 'v), &'x (dyn Val + 'v)) -> Option<Result<CowVal<'x, 'v>, ExecutionError>>;

fn apply<'b, 'v>(
    args: &[CowVal<'b, 'v>],
    operator: &str,
    mixed: fn(f64, f64) -> f64,
    native: Native,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [left, right] = args else {
        return Err(ExecutionError::invalid_argument_count(2, args.len()));
    };
    let (left, right) = (left.as_ref(), right.as_ref());
    if let (Some(a), Some(b)) = (number(left), number(right))
        && is_double(left) != is_double(right)
    {
        return Ok(CowVal::owned(CelDouble::from(mixed(a, b))));
    }
    let refused = || {
        let types = [left, right].map(|value| value.get_type().name().to_owned());
        ExecutionError::no_such_overload(operator, types.into())
    };
    match native(left, right).ok_or_else(refused)? {
        Ok(result) => Ok(CowVal::Owned(result.into_owned())),
        Err(ExecutionError::UnsupportedBinaryOperator(..)) => Err(refused()),
        Err(error) => Err(error),
    }
}

fn is_double(value: &dyn Val) -> bool {
    value.downcast_ref::<CelDouble>().is_some()
}

pub(super) fn number(value: &dyn Val) -> Option<f64> {
    let double = value.downcast_ref::<CelDouble>().map(|n| *n.inner());
    let int = || value.downcast_ref::<CelInt>().map(|n| *n.inner() as f64);
    let uint = || value.downcast_ref::<CelUInt>().map(|n| *n.inner() as f64);
    double.or_else(int).or_else(uint)
}
