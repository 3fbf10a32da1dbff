//! Whether two values can be compared, looked for in one another, or calculated with.

use super::{Inference, TypeProblemKind, calls::node_args, member::chain};
use crate::expr::{
    environment::operator,
    types::{Type, is_time},
};
use cel::{
    IdedExpr,
    common::ast::{Expr as Node, LiteralValue, operators},
};

impl Inference<'_> {
    /// Whether `item in list` can ever be true.
    pub(super) fn contained(&mut self, node: &IdedExpr, item: &Type, list: &Type) {
        let inner = match list {
            Type::List(inner) => (**inner).clone().present(),
            Type::Optional(_) => {
                let list = node_args(node).get(1).unwrap_or(node);
                return self.undecided(list, "holds nothing", "[]");
            }
            Type::Object(_) if item.is_known() && !item.present_ref().is_text() => {
                let message = format!("`in` looks for a field by its name, this is {item}");
                let fix = "write `'name' in object`".to_owned();
                return self.report(node, TypeProblemKind::Mismatch, message, fix);
            }
            Type::Object(_) | Type::Any | Type::Unset => return,
            other => {
                let message = format!("`in` looks into a list, this is {other}");
                let fix = "write `x in ['a', 'b']`, or `text.contains('a')`".to_owned();
                return self.report(node, TypeProblemKind::Mismatch, message, fix);
            }
        };
        let item = item.clone().present();
        if matches!(item, Type::Optional(_)) {
            let item = node_args(node).first().unwrap_or(node);
            return self.undecided(item, "is in no list", "…");
        }
        if item.is_known() && inner.is_known() && !same(&item, &inner) {
            let message = format!("`in` looks for {item} in a list of {inner}");
            self.report(node, TypeProblemKind::Mismatch, message, "compare values of one type".to_owned());
        } else if let (Type::Word(words), Type::Word(listed)) = (&item, &inner)
            && words.len() > 1
            && let Some(stranger) = listed.iter().find(|word| !words.contains(word))
        {
            let message = format!("it is never `{stranger}`");
            let fix = format!("it is one of {}", words.join(", "));
            self.report(node, TypeProblemKind::Mismatch, message, fix);
        }
    }

    pub(super) fn comparable(
        &mut self,
        node: &IdedExpr,
        name: &str,
        (left_node, left): (&IdedExpr, Type),
        (right_node, right): (&IdedExpr, Type),
    ) {
        let sides = [(left_node, &left, right_node, &right), (right_node, &right, left_node, &left)];
        for (node, kind, other, other_kind) in sides {
            let is_value = other_kind.is_known() || chain(other).is_some();
            if matches!(kind, Type::Optional(_)) && is_value && !matches!(other_kind, Type::Optional(_)) {
                let default = match other_kind {
                    kind if kind.is_text() => "''",
                    kind if kind.is_number() => "0",
                    Type::Bool => "false",
                    Type::Null => "null",
                    _ => "…",
                };
                return self.undecided(node, "is equal to nothing", default);
            }
        }
        let orders = !matches!(name, operators::EQUALS | operators::NOT_EQUALS);
        for (node, kind) in [(left_node, &left), (right_node, &right)] {
            if orders && matches!(kind, Type::Optional(_)) {
                return self.undecided(node, &format!("is nothing for `{}`", operator(name)), "…");
            }
        }
        // What is written out is what was mistyped.
        let at = [right_node, left_node].into_iter().find(|side| matches!(side.expr, Node::Literal(_)));
        let at = at.unwrap_or(node);
        let both_known = left.is_known() && right.is_known();
        let null = matches!(left, Type::Null) || matches!(right, Type::Null);
        if both_known && !null && !same(&left, &right) {
            let message = format!("`{}` compares {left} with {right}", operator(name));
            let fix = match (&left, &right) {
                (Type::Timestamp, _) | (_, Type::Timestamp) => "make both times: timestamp(x)",
                _ => "compare values of one type",
            };
            self.report(at, TypeProblemKind::Mismatch, message, fix.to_owned());
        } else if orders && [&left, &right].iter().any(|kind| !has_order(kind)) {
            let kind = if has_order(&left) { right } else { left };
            let message = format!("`{}` does not order {kind}", operator(name));
            let fix = "compare numbers, texts or times".to_owned();
            self.report(node, TypeProblemKind::Mismatch, message, fix);
        } else if orders && left.is_text() && right.is_text() && (tells_time(&left) || tells_time(&right)) {
            let message = format!("`{}` compares times as texts, letter by letter", operator(name));
            let fix = "make both times: timestamp(x)".to_owned();
            self.report(node, TypeProblemKind::Mismatch, message, fix);
        } else if let (Type::Time, Type::Word(words)) | (Type::Word(words), Type::Time) = (&left, &right)
            && !words.iter().any(|word| is_time(word))
        {
            let message = format!("it is never `{}`", words.join("` or `"));
            let fix = "it is a time, like 2026-11-23T12:10:00Z".to_owned();
            self.report(at, TypeProblemKind::Mismatch, message, fix);
        } else if let (Type::Word(a), Type::Word(b)) = (&left, &right)
            && !a.iter().any(|word| b.contains(word))
        {
            let (known, word) = if a.len() > b.len() { (a, b) } else { (b, a) };
            if known.len() > 1 {
                let message = format!("it is never `{}`", word.join("` or `"));
                let fix = format!("it is one of {}", known.join(", "));
                self.report(at, TypeProblemKind::Mismatch, message, fix);
            }
        }
    }

    pub(super) fn calculated(
        &mut self,
        node: &IdedExpr,
        name: &str,
        left: &IdedExpr,
        right: &IdedExpr,
    ) -> Type {
        let (a, b) = (self.operand(left, name), self.operand(right, name));
        let (a, b) = (self.decided(left, a, name), self.decided(right, b, name));
        self.arithmetic(node, name, &a, &b)
    }

    pub(super) fn negated(&mut self, node: &IdedExpr, value: &IdedExpr) -> Type {
        let kind = self.operand(value, operators::NEGATE);
        let kind = self.decided(value, kind, operators::NEGATE);
        if kind.is_known() && !kind.is_number() && !matches!(kind, Type::Duration) {
            let message = format!("`-` does not work on {kind}");
            let fix = "make it a number: int(x), double(x)".to_owned();
            self.report(node, TypeProblemKind::Mismatch, message, fix);
            return Type::Any;
        }
        kind
    }

    /// What `.?` gives does not calculate.
    fn decided(&mut self, node: &IdedExpr, kind: Type, operator_name: &str) -> Type {
        if !matches!(kind, Type::Optional(_)) {
            return kind;
        }
        self.undecided(node, &format!("is nothing for `{}`", written(operator_name)), "…");
        Type::Any
    }

    fn arithmetic(&mut self, node: &IdedExpr, name: &str, left: &Type, right: &Type) -> Type {
        let is_sum = matches!(name, "@add" | operators::ADD);
        let is_sum_or_difference = is_sum || name == "@subtract";
        match (left, right) {
            (a, b) if a.is_number() && b.is_number() => self.numbers(node, name, a, b),
            (a, b) if is_sum && a.is_text() && b.is_text() => Type::String,
            (Type::List(a), Type::List(b)) if is_sum => Type::list(a.clone().join((**b).clone())),
            (Type::Timestamp, Type::Timestamp) if name == "@subtract" => Type::Duration,
            (Type::Timestamp, Type::Duration) if is_sum_or_difference => Type::Timestamp,
            (Type::Duration, Type::Timestamp) if is_sum => Type::Timestamp,
            (Type::Duration, Type::Duration) if is_sum_or_difference => Type::Duration,
            (Type::Any | Type::Unset | Type::Optional(_), _)
            | (_, Type::Any | Type::Unset | Type::Optional(_)) => Type::Any,
            (a, b) => {
                let message = format!("`{}` does not work on {a} and {b}", written(name));
                let fix = "convert one of them: string(x), int(x), double(x), timestamp(x)".to_owned();
                self.report(node, TypeProblemKind::Mismatch, message, fix);
                Type::Any
            }
        }
    }
}

impl Inference<'_> {
    /// Two numbers. CEL keeps whole and fractional ones apart; of a JSON number it is not known which it is, so that only
    /// what is certain is told, and what would depend on how it is written.
    fn numbers(&mut self, node: &IdedExpr, name: &str, left: &Type, right: &Type) -> Type {
        let whole = [left, right].iter().all(|kind| matches!(kind, Type::Int));
        let fraction = [left, right].iter().any(|kind| matches!(kind, Type::Double));
        let told = match name {
            _ if whole => return Type::Int,
            operators::MODULO => {
                Some(("`%` takes whole numbers only".to_owned(), "make both whole: int(x)".to_owned()))
            }
            _ if fraction && [left, right].iter().any(|kind| matches!(kind, Type::Int)) => Some((
                format!("`{}` does not mix a whole number with a fractional one", written(name)),
                "write 2.0 for 2, and double(x) for what is counted".to_owned(),
            )),
            "@divide" if !fraction => Some((
                "`/` drops the rest where both are whole, and these may be: 7 / 2 is 3".to_owned(),
                "say which it is: double(a) / double(b), or int(a) / int(b)".to_owned(),
            )),
            _ => None,
        };
        if let Some((message, fix)) = told {
            self.report(node, TypeProblemKind::Mismatch, message, fix);
        }
        match name {
            operators::MODULO => Type::Int,
            _ if fraction => Type::Double,
            _ => Type::Number,
        }
    }
}

pub(super) fn is_fraction(node: &IdedExpr) -> bool {
    matches!(&node.expr, Node::Literal(LiteralValue::Double(_)))
}

/// A text that is a time, by its schema or as it is written out.
pub(super) fn tells_time(kind: &Type) -> bool {
    match kind {
        Type::Time => true,
        Type::Word(words) => words.iter().any(|word| is_time(word)),
        _ => false,
    }
}

pub(super) fn written(name: &str) -> &str {
    match name {
        "@add" => "+",
        "@subtract" => "-",
        "@multiply" => "*",
        "@divide" => "/",
        other => operator(other),
    }
}

pub(super) fn same(left: &Type, right: &Type) -> bool {
    (left.is_text() && right.is_text())
        || (left.is_number() && right.is_number())
        || std::mem::discriminant(left) == std::mem::discriminant(right)
        || matches!((left, right), (Type::Optional(_), _) | (_, Type::Optional(_)))
}

fn has_order(kind: &Type) -> bool {
    !matches!(kind, Type::List(_) | Type::Object(_) | Type::Null)
}
