//! Operators and functions: what they take, and what they return.

use super::{
    Inference, TypeProblemKind,
    compare::{is_fraction, same, tells_time, written},
    facts, literal_int, literal_text, path_of,
};
use crate::expr::{
    environment, extension,
    signature::{self, Signature, Want},
    types::Type,
};
use cel::{
    IdedExpr,
    common::ast::{Expr as Node, LiteralValue, operators},
};

impl Inference<'_> {
    pub(super) fn call(
        &mut self,
        node: &IdedExpr,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Type {
        match (name, args) {
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.condition(condition);
                let yes = self.knowing(condition, true, yes);
                let no = self.knowing(condition, false, no);
                self.either(node, yes, no)
            }
            (operators::NEGATE, [value]) => self.negated(node, value),
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
                self.condition(left);
                let before = self.facts.clone();
                self.facts.extend(facts::of(left, name == operators::LOGICAL_AND));
                self.condition(right);
                self.facts = before;
                Type::Bool
            }
            (operators::LOGICAL_NOT, [value]) => {
                self.condition(value);
                Type::Bool
            }
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
                let (a, b) = (self.node(left), self.node(right));
                self.comparable(node, name, (left, a.present()), (right, b.present()));
                Type::Bool
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) => {
                let a = self.operand(left, name);
                let b = self.operand(right, name);
                self.comparable(node, name, (left, a), (right, b));
                Type::Bool
            }
            (
                "@add" | "@subtract" | "@multiply" | "@divide" | operators::ADD | operators::MODULO,
                [left, right],
            ) => self.calculated(node, name, left, right),
            (operators::OPT_SELECT, [holder, field]) => {
                let kind = self.node(holder);
                let name = literal_text(field).unwrap_or_default();
                let before = self.found.len();
                let kind = self.optional(field, &kind, path_of(holder), name);
                // The field stands behind its `.?`, where the operator is placed.
                self.found[before..].iter_mut().for_each(|problem| problem.column += 2);
                Type::Optional(Box::new(kind))
            }
            (operators::INDEX | operators::OPT_INDEX, [holder, key]) => self.index(node, name, holder, key),
            (operators::IN, [item, list]) => {
                let item = self.node(item);
                let list = self.node(list);
                self.contained(node, &item, &list);
                Type::Bool
            }
            _ => self.function(node, name, target, args),
        }
    }

    /// `a['b']` is the field `b` of `a`; `list[2]` is one of its items.
    fn index(&mut self, node: &IdedExpr, name: &str, holder: &IdedExpr, key: &IdedExpr) -> Type {
        let is_optional = name == operators::OPT_INDEX;
        if let Some(field) = literal_text(key) {
            let (kind, path) = (self.node(holder), path_of(holder));
            if !is_optional || matches!(kind, Type::List(_)) {
                return self.field(node, kind, path, field);
            }
            return Type::Optional(Box::new(self.optional(node, &kind, path, field)));
        }
        let kind = self.node(holder);
        let kind = self.without_null(holder, kind, "has no items then");
        let by = self.node(key);
        match &kind {
            Type::Object(_) if by.is_number() || by == Type::Bool => {
                let message = format!("the fields of an object are asked for by their names, this is {by}");
                let fix = "write `x.field`, or `x['field']`".to_owned();
                self.report(key, TypeProblemKind::Mismatch, message, fix);
            }
            other
                if other.is_known()
                    && !matches!(other, Type::List(_) | Type::Object(_) | Type::Optional(_) | Type::Null) =>
            {
                let message = format!("this is {other}, so it has no items");
                let fix = "ask a list by number, an object by name; a text has `charAt(0)`".to_owned();
                self.report(node, TypeProblemKind::Mismatch, message, fix);
            }
            Type::List(_) if is_no_index(key) => {
                let message = "the items of a list are counted from 0, in whole numbers".to_owned();
                let fix = "the first is `list[0]`, the last `list[size(list) - 1]`".to_owned();
                self.report(key, TypeProblemKind::Mismatch, message, fix);
            }
            Type::List(_) if by.is_known() && !by.is_number() && !matches!(by, Type::Optional(_)) => {
                let message = format!("an item of a list is asked for by its number, this is {by}");
                let fix = "write `list[0]`, or look with `exists`, `filter`".to_owned();
                self.report(key, TypeProblemKind::Mismatch, message, fix);
            }
            // Whatever comes out, it comes without its name.
            Type::Object(shape) => {
                self.texts.insert(node.id, shape.fields.keys().cloned().collect());
            }
            _ => {}
        }
        signature::of(name, None, &[kind, by], None).unwrap_or_default()
    }

    fn knowing(&mut self, condition: &IdedExpr, outcome: bool, node: &IdedExpr) -> Type {
        let before = self.facts.clone();
        self.facts.extend(facts::of(condition, outcome));
        let kind = self.node(node);
        self.facts = before;
        kind
    }

    /// What `c ? a : b` gives.
    fn either(&mut self, node: &IdedExpr, yes: Type, no: Type) -> Type {
        let (a, b) = (yes.present_ref(), no.present_ref());
        let may_be_absent = |kind: &Type| matches!(kind, Type::Optional(_));
        if a.is_known() && b.is_known() && may_be_absent(a) != may_be_absent(b) {
            let at = node_args(node).get(if may_be_absent(a) { 1 } else { 2 }).unwrap_or(node);
            self.undecided(at, "is no value like the other side", "…");
            return Type::Any;
        }
        let both_known = [a, b].iter().all(|kind| kind.is_known() && !matches!(kind, Type::Null));
        if both_known && !same(a, b) {
            let message = format!("`? :` gives {a} or {b}");
            let fix = "let both sides give values of one type".to_owned();
            self.report(node, TypeProblemKind::Mismatch, message, fix);
        }
        yes.join(no)
    }

    fn condition(&mut self, node: &IdedExpr) {
        let kind = self.node(node);
        let kind = self.without_null(node, kind, "is neither true nor false then");
        if matches!(kind, Type::Optional(_)) {
            self.undecided(node, "is neither true nor false", "false");
        } else if kind.is_known() && !matches!(kind, Type::Bool) {
            let message = format!("true or false is needed here, this is {kind}");
            let fix = "compare it with something: `x > 0`, `x == 'a'`".to_owned();
            self.report(node, TypeProblemKind::Mismatch, message, fix);
        }
    }

    /// What `.?` gives is no value yet.
    pub(super) fn undecided(&mut self, node: &IdedExpr, then: &str, default: &str) {
        let shown = path_of(node).map_or("this".to_owned(), |path| format!("`{path}`"));
        let message = format!("{shown} is asked for with `?`, and without a default it {then}");
        let fix = format!("give a default: `.orValue({default})`");
        self.report(node, TypeProblemKind::Mismatch, message, fix);
    }

    pub(super) fn operand(&mut self, node: &IdedExpr, operator_name: &str) -> Type {
        let kind = self.node(node);
        let kind = if asks_for_shift(node) { kind.nullable() } else { kind };
        self.without_null(node, kind, &format!("`{}` does not work then", written(operator_name)))
    }

    fn function(
        &mut self,
        node: &IdedExpr,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Type {
        let signature = signature::find(name, target.is_some());
        let mut kinds = Vec::with_capacity(args.len() + 1);
        let wants = match (name, args) {
            (signature::GREATEST | signature::LEAST, [_]) => &[Want::Extreme][..],
            (signature::GREATEST | signature::LEAST, _) => &[Want::Number; 2][..],
            (signature::SORT_BY, _) => &[Want::List, Want::Ordered][..],
            _ => signature.map(Signature::wants).unwrap_or_default(),
        };
        for (index, arg) in target.into_iter().chain(args).enumerate() {
            let kind = match &arg.expr {
                Node::List(list) if name == "format" && index == 1 => {
                    let items: Vec<Type> = list.elements.iter().map(|item| self.node(item)).collect();
                    self.formatted(target, arg, &items);
                    Type::list(items.into_iter().fold(Type::Unset, Type::join))
                }
                _ => self.node(arg),
            };
            // Behind `dyn` no field is known by its name any more.
            if matches!(name, "string" | "format" | "dyn") {
                kind.fields_below(self.texts.entry(node.id).or_default());
            }
            let want = wants.get(index).copied().unwrap_or(Want::Any);
            kinds.push(self.argument(spelled(name), arg, kind, want));
        }
        if let Some(signature) = signature {
            self.count(node, signature, kinds.len());
        } else if signature::find(name, target.is_none()).is_some() {
            let fix = match target {
                Some(_) => format!("write `{name}(x)`"),
                None => format!("write `x.{name}()`"),
            };
            let message = format!("`{name}` is not called like this");
            self.report(node, TypeProblemKind::Mismatch, message, fix);
        }
        self.orders_times(name, target, args, &kinds);
        self.defaults(node, name, target, &kinds);
        let (target, args) = match target {
            Some(_) => (kinds.first(), &kinds[1..]),
            None => (None, kinds.as_slice()),
        };
        let args_nodes = node_args(node);
        if let (true, "shift_at" | "in_shift", Some(ids)) = (target.is_none(), name, self.shifts()) {
            if name == "shift_at" {
                return Type::Word(ids);
            }
            if let Some((node, shift)) = args_nodes.get(1).and_then(|node| Some((node, literal_text(node)?)))
                && !ids.iter().any(|id| id == shift)
            {
                let fix = format!("the site has {}", ids.join(", "));
                self.report(node, TypeProblemKind::Mismatch, format!("there is no shift `{shift}`"), fix);
            }
        }
        match signature::of(name, target, args, args_nodes.get(1).and_then(literal_int)) {
            Some(kind) => kind,
            None => {
                let known = signature::names().map(str::to_owned).collect();
                let kind = TypeProblemKind::Unknown { holder: None, name: name.to_owned(), known };
                let fix = "the language reference lists the functions".to_owned();
                self.report(node, kind, format!("there is no function `{name}`"), fix);
                Type::Any
            }
        }
    }

    /// `x.orValue(y)` is one or the other, so that both are of one type; and `x.value()` fails where there is none.
    fn defaults(&mut self, node: &IdedExpr, name: &str, target: Option<&IdedExpr>, kinds: &[Type]) {
        match (name, target, kinds) {
            ("orValue", Some(_), [Type::Optional(inner), default]) => {
                let (a, b) = (inner.present_ref(), default.present_ref());
                if [a, b].iter().all(|kind| kind.is_known() && !matches!(kind, Type::Null)) && !same(a, b) {
                    let message = format!("`orValue` gives {a} or {b}");
                    let fix = "let the default be of the field's type".to_owned();
                    self.report(node, TypeProblemKind::Mismatch, message, fix);
                }
            }
            // What is no path was put there by `optMap`, which asks before.
            ("value", Some(target), [Type::Optional(_)]) if !self.facts.is_there(target) => {
                let Some(path) = path_of(target) else { return };
                let message = format!("`{path}` may be absent, and `value` fails then");
                let fix = "give a default: `.orValue(…)`, or ask `.hasValue()` before".to_owned();
                self.report(node, TypeProblemKind::Mismatch, message, fix);
            }
            _ => {}
        }
    }

    /// Times that are texts have no order that is theirs.
    fn orders_times(&mut self, name: &str, target: Option<&IdedExpr>, args: &[IdedExpr], kinds: &[Type]) {
        let (by, index) = match name {
            "min" | "max" => (args.first(), 0),
            "sort" => (target, 0),
            signature::SORT_BY => (args.first(), 1),
            _ => return,
        };
        let (Some(by), Some(Type::List(item))) = (by, kinds.get(index)) else { return };
        if tells_time(item.present_ref()) {
            let message = format!("`{}` orders times as texts, letter by letter", spelled(name));
            let fix = match name {
                signature::SORT_BY => "make them times: list.sortBy(x, timestamp(x.at))",
                _ => "make them times: list.map(x, timestamp(x.at))",
            };
            self.report(sorted_by(by), TypeProblemKind::Mismatch, message, fix.to_owned());
        }
    }

    /// The shifts of the site, where they are known.
    fn shifts(&self) -> Option<Vec<String>> {
        let field = |kind: &Type, name: &str| match kind {
            Type::Object(shape) => shape.fields.get(name).map(|field| field.kind.clone()),
            _ => None,
        };
        let Type::List(shift) = field(self.base.get("site")?, "shifts")? else { return None };
        match field(&shift, "id")? {
            Type::Word(ids) => Some(ids),
            _ => None,
        }
    }

    /// A part that reads nothing gives the same on every run; where that is an error, it is one now.
    pub(super) fn fails_always(&mut self, node: &IdedExpr) {
        if let Err(message) = environment::run_constant(node) {
            // What a pattern lacks is drawn over several lines; the last says it.
            let message = match message.split_once('\n') {
                Some((first, rest)) => {
                    let last = rest.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    format!("{first} {last}")
                }
                None => message,
            };
            let fix = "correct what is written out here".to_owned();
            self.report(node, TypeProblemKind::Mismatch, format!("this fails on every run: {message}"), fix);
        }
    }

    /// `math.abs(x)`: the name before the dot is no value.
    pub(super) fn extension(
        &mut self,
        node: &IdedExpr,
        namespace: &str,
        name: &str,
        args: &[IdedExpr],
    ) -> Type {
        let Some(known) = extension::of_namespace(namespace).find(|known| known.name == name) else {
            args.iter().for_each(|arg| drop(self.node(arg)));
            let names: Vec<String> =
                extension::of_namespace(namespace).map(|known| known.name.to_owned()).collect();
            let fix = format!("`{namespace}` has {}", names.join(", "));
            let holder = Some(namespace.to_owned());
            let kind = TypeProblemKind::Unknown { holder, name: name.to_owned(), known: names };
            self.report(node, kind, format!("there is no function `{namespace}.{name}`"), fix);
            return Type::Any;
        };
        let written = format!("{namespace}.{name}");
        let mut kinds = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            let kind = self.node(arg);
            let want = known.wants.get(index).copied().unwrap_or(Want::Any);
            kinds.push(self.argument(&written, arg, kind, want));
        }
        if kinds.len() != known.wants.len() {
            let message =
                format!("`{written}` takes {} arguments, these are {}", known.wants.len(), kinds.len());
            self.report(node, TypeProblemKind::Mismatch, message, format!("write `{}`", known.call()));
        }
        known.output(&kinds)
    }

    fn argument(&mut self, name: &str, node: &IdedExpr, kind: Type, want: Want) -> Type {
        let kind = match want {
            Want::Any => return kind,
            Want::Optional => kind,
            _ if asks_for_shift(node) => {
                self.without_null(node, kind.nullable(), &format!("`{name}` does not take null"))
            }
            _ => self.without_null(node, kind, &format!("`{name}` does not take null")),
        };
        if want != Want::Optional && matches!(kind, Type::Optional(_)) {
            self.undecided(node, &format!("is nothing for `{name}`"), "…");
            return Type::Any;
        }
        let of_items = matches!(want, Want::Texts | Want::Numbers | Want::Ordered | Want::Extreme);
        if let (true, Type::List(item)) = (of_items, &kind)
            && matches!(**item, Type::Nullable(_))
        {
            let message = format!("an item of this list may be null, and `{name}` does not take null");
            let fix = "leave those out before: `list.filter(x, x.field != null)`".to_owned();
            let kind = TypeProblemKind::Null { path: None };
            self.report(sorted_by(node), kind, message, fix);
        }
        if !want.takes(&kind) {
            let message = format!("`{name}` needs {want} here, this is {kind}");
            let fix = want.fix().to_owned();
            self.report(node, TypeProblemKind::Mismatch, message, fix);
            return Type::Any;
        }
        if let Node::Literal(LiteralValue::String(text)) = &node.expr
            && let Some(message) = signature::wrong_literal(name, text.inner())
        {
            let fix = want.fix().to_owned();
            self.report(node, TypeProblemKind::Mismatch, message, fix);
        }
        kind
    }

    fn count(&mut self, node: &IdedExpr, signature: &Signature, given: usize) {
        let (min, max) = signature.count();
        if (min..=max).contains(&given) {
            return;
        }
        let own = usize::from(signature.method);
        let needed = match (min - own, max - own) {
            (min, max) if min == max => format!("{min}"),
            (min, max) => format!("{min} to {max}"),
        };
        let message = format!("`{}` takes {needed} arguments, these are {}", signature.name, given - own);
        self.report(node, TypeProblemKind::Mismatch, message, format!("write `{}`", signature.example()));
    }
}

/// What `list.sortBy(x, key)` and `list.map(x, key)` put in a list for each item, where it is written.
fn sorted_by(node: &IdedExpr) -> &IdedExpr {
    let Node::Comprehension(loop_) = &node.expr else { return node };
    let Node::Call(call) = &loop_.loop_step.expr else { return node };
    match call.args.get(1).map(|kept| &kept.expr) {
        Some(Node::List(list)) => list.elements.first().unwrap_or(node),
        _ => node,
    }
}

/// `shift_at` gives null where no shift works, which is no mistake where it is only compared or passed on.
fn asks_for_shift(node: &IdedExpr) -> bool {
    matches!(&node.expr, Node::Call(call) if call.func_name == "shift_at")
}

fn is_no_index(key: &IdedExpr) -> bool {
    let is_negated = |node: &IdedExpr| {
        matches!(&node.expr, Node::Call(call) if call.func_name == operators::NEGATE
            && call.args.iter().all(|arg| matches!(arg.expr, Node::Literal(_))))
    };
    is_fraction(key) || is_negated(key) || literal_int(key).is_some_and(|index| index < 0)
}

/// Functions that go by another name once they are parsed.
fn spelled(name: &str) -> &str {
    match name {
        signature::GREATEST => "math.greatest",
        signature::LEAST => "math.least",
        signature::SORT_BY => "sortBy",
        name => name,
    }
}

pub(super) fn node_args(node: &IdedExpr) -> &[IdedExpr] {
    match &node.expr {
        Node::Call(call) => &call.args,
        _ => &[],
    }
}
