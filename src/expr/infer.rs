//! The type of an expression, and what is wrong with it, without running it.

use super::{
    Expr, ValueTemplate,
    environment::{Compiled, operator},
    signature::{self, NAMESPACES},
    types::{Shape, Type},
};
use cel::{
    IdedExpr,
    common::ast::{ComprehensionExpr, EntryExpr, Expr as Node, IdedEntryExpr, LiteralValue, operators},
};
use std::collections::BTreeMap;

/// The types of the names an expression may see.
pub type Types = BTreeMap<String, Type>;

/// Something wrong in an expression, at its place in the source, 1-based.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeProblem {
    pub kind: TypeProblemKind,
    pub line: u32,
    pub column: u32,
    pub message: String,
    pub fix: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TypeProblemKind {
    /// A name, field or function that does not exist; the path before it, as far as it is one.
    Unknown { holder: Option<String>, name: String },
    /// Values that do not fit together.
    Mismatch,
}

impl Expr {
    pub fn infer(&self, types: &Types) -> (Type, Vec<TypeProblem>) {
        let mut inference =
            Inference { compiled: &self.compiled, scopes: vec![types.clone()], found: Vec::new() };
        let kind = inference.node(&self.compiled.root);
        (kind, inference.found)
    }
}

/// A problem of an expression inside a [`ValueTemplate`].
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedProblem {
    /// JSON pointer of the scalar.
    pub pointer: String,
    /// Character offset in the scalar at which the expression begins.
    pub offset: usize,
    /// Source of the expression, to which the problem's line and column belong.
    pub source: String,
    pub problem: TypeProblem,
}

impl ValueTemplate {
    pub fn infer(&self, types: &Types) -> (Type, Vec<PlacedProblem>) {
        let mut found = Vec::new();
        for embedded in self.expressions() {
            let (_, problems) = embedded.expr.infer(types);
            found.extend(problems.into_iter().map(|problem| PlacedProblem {
                pointer: embedded.pointer.clone(),
                offset: embedded.offset,
                source: embedded.expr.source().to_owned(),
                problem,
            }));
        }
        (self.kind(types), found)
    }
}

struct Inference<'e> {
    compiled: &'e Compiled,
    scopes: Vec<Types>,
    found: Vec<TypeProblem>,
}

impl Inference<'_> {
    fn node(&mut self, node: &IdedExpr) -> Type {
        match &node.expr {
            Node::Literal(literal) => of_literal(literal),
            Node::Ident(name) => self.name(node, name),
            Node::Select(select) => {
                let holder = self.node(&select.operand);
                if select.test {
                    return Type::Bool;
                }
                self.field(node, holder, path_of(&select.operand), &select.field)
            }
            Node::List(list) => {
                let items: Vec<Type> = list.elements.iter().map(|item| self.node(item)).collect();
                Type::list(items.into_iter().fold(Type::Unset, Type::join))
            }
            Node::Map(map) => self.map(&map.entries),
            Node::Comprehension(comprehension) => self.comprehension(comprehension),
            Node::Call(call) => {
                let namespace = call.target.as_deref().and_then(|target| match &target.expr {
                    Node::Ident(name) if NAMESPACES.contains(&name.as_str()) => Some(name.as_str()),
                    _ => None,
                });
                let target = match (&call.target, namespace) {
                    (Some(target), None) => Some(self.node(target)),
                    _ => None,
                };
                let args: Vec<Type> = call.args.iter().map(|arg| self.node(arg)).collect();
                match namespace {
                    Some(namespace) => signature::of_namespace(namespace, &call.func_name),
                    None => self.call(node, &call.func_name, target, &call.args, args),
                }
            }
            Node::Unspecified | Node::Struct(_) => Type::Any,
        }
    }

    fn name(&mut self, node: &IdedExpr, name: &str) -> Type {
        if let Some(kind) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return kind.clone();
        }
        if name.starts_with('@') || signature::TYPE_NAMES.contains(&name) {
            return Type::Any;
        }
        let known: Vec<&str> =
            self.scopes.iter().flat_map(|scope| scope.keys().map(String::as_str)).collect();
        let fix = format!("there is: {}", known.join(", "));
        let kind = TypeProblemKind::Unknown { holder: None, name: name.to_owned() };
        self.report(node, kind, format!("unknown name `{name}`"), fix);
        Type::Any
    }

    fn field(&mut self, node: &IdedExpr, holder: Type, path: Option<String>, field: &str) -> Type {
        match holder {
            Type::Object(Shape { mut fields, rest }) => match (fields.remove(field), rest) {
                (Some(found), _) => found.kind,
                (None, Some(rest)) => *rest,
                (None, None) => {
                    let known: Vec<&str> = fields.keys().map(String::as_str).collect();
                    let holder_text = path.as_ref().map_or(String::new(), |path| format!(" in `{path}`"));
                    let fix = match known.is_empty() {
                        true => "it has no fields".to_owned(),
                        false => format!("it has: {}", known.join(", ")),
                    };
                    let kind = TypeProblemKind::Unknown { holder: path, name: field.to_owned() };
                    self.report(node, kind, format!("no such field `{field}`{holder_text}"), fix);
                    Type::Any
                }
            },
            Type::Optional(inner) => Type::Optional(Box::new(self.field(node, *inner, path, field))),
            Type::Any | Type::Unset => Type::Any,
            other => {
                let holder_text = path.map_or("this".to_owned(), |path| format!("`{path}`"));
                let message = format!("{holder_text} is {other}, so it has no field `{field}`");
                self.report(node, TypeProblemKind::Mismatch, message, "use the value itself".to_owned());
                Type::Any
            }
        }
    }

    fn map(&mut self, entries: &[IdedEntryExpr]) -> Type {
        let mut fields = Vec::new();
        let mut is_open = false;
        for entry in entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            let kind = self.node(&entry.value);
            match literal_text(&entry.key) {
                Some(name) => fields.push((name.to_owned(), kind)),
                None => {
                    self.node(&entry.key);
                    is_open = true;
                }
            }
        }
        match Type::object(fields) {
            Type::Object(shape) if is_open => {
                Type::Object(Shape { rest: Some(Box::new(Type::Any)), ..shape })
            }
            kind => kind,
        }
    }

    /// The loop that a macro such as `filter` or `exists` stands for.
    fn comprehension(&mut self, loop_: &ComprehensionExpr) -> Type {
        let item = match self.node(&loop_.iter_range) {
            Type::List(item) => *item,
            Type::Object(_) => Type::String,
            _ => Type::Any,
        };
        let start = self.node(&loop_.accu_init);
        self.scopes
            .push(Types::from([(loop_.iter_var.clone(), item), (loop_.accu_var.clone(), start.clone())]));
        self.node(&loop_.loop_cond);
        let step = self.node(&loop_.loop_step);
        self.scopes.pop();
        self.scopes.push(Types::from([(loop_.accu_var.clone(), start.join(step))]));
        let result = self.node(&loop_.result);
        self.scopes.pop();
        result
    }

    fn call(
        &mut self,
        node: &IdedExpr,
        name: &str,
        target: Option<Type>,
        nodes: &[IdedExpr],
        args: Vec<Type>,
    ) -> Type {
        match (name, args.as_slice()) {
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.bool_only(nodes.first(), condition);
                yes.clone().join(no.clone())
            }
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
                self.bool_only(nodes.first(), left);
                self.bool_only(nodes.get(1), right);
                Type::Bool
            }
            (operators::LOGICAL_NOT, [value]) => {
                self.bool_only(nodes.first(), value);
                Type::Bool
            }
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
                self.comparable(node, name, left, right);
                Type::Bool
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) => {
                self.comparable(node, name, left, right);
                Type::Bool
            }
            (
                "@add" | "@subtract" | "@multiply" | "@divide" | operators::ADD | operators::MODULO,
                [left, right],
            ) => self.arithmetic(node, name, left, right),
            (operators::OPT_SELECT, [holder, _]) => {
                let field = nodes.get(1).and_then(literal_text).unwrap_or_default();
                Type::Optional(Box::new(signature::optional_field(holder, field)))
            }
            _ => match signature::of(name, target.as_ref(), &args, nodes.get(1).and_then(literal_int)) {
                Some(kind) => kind,
                None => {
                    let kind = TypeProblemKind::Unknown { holder: None, name: name.to_owned() };
                    let fix = "the language reference lists the functions".to_owned();
                    self.report(node, kind, format!("there is no function `{name}`"), fix);
                    Type::Any
                }
            },
        }
    }

    fn bool_only(&mut self, node: Option<&IdedExpr>, kind: &Type) {
        if let (Some(node), true) = (node, kind.is_known() && !matches!(kind, Type::Bool | Type::Optional(_)))
        {
            let message = format!("true or false is needed here, this is {kind}");
            let fix = "compare it with something: `x > 0`, `x == 'a'`".to_owned();
            self.report(node, TypeProblemKind::Mismatch, message, fix);
        }
    }

    fn comparable(&mut self, node: &IdedExpr, name: &str, left: &Type, right: &Type) {
        let both_known = left.is_known() && right.is_known();
        let same = (left.is_text() && right.is_text())
            || (left.is_number() && right.is_number())
            || std::mem::discriminant(left) == std::mem::discriminant(right)
            || matches!((left, right), (Type::Optional(_), _) | (_, Type::Optional(_)));
        if both_known && !same {
            let message = format!("`{}` compares {left} with {right}", operator(name));
            let fix = match (left, right) {
                (Type::Timestamp, _) | (_, Type::Timestamp) => "make both times: timestamp(x)",
                _ => "compare values of one type",
            };
            self.report(node, TypeProblemKind::Mismatch, message, fix.to_owned());
        } else if let (Type::Word(a), Type::Word(b)) = (left, right)
            && !a.iter().any(|word| b.contains(word))
        {
            let (known, word) = if a.len() > b.len() { (a, b) } else { (b, a) };
            if known.len() > 1 {
                let message = format!("it is never `{}`", word.join("` or `"));
                self.report(
                    node,
                    TypeProblemKind::Mismatch,
                    message,
                    format!("it is one of {}", known.join(", ")),
                );
            }
        }
    }

    fn arithmetic(&mut self, node: &IdedExpr, name: &str, left: &Type, right: &Type) -> Type {
        let is_sum = matches!(name, "@add" | operators::ADD);
        match (left, right) {
            (Type::Int, Type::Int) => Type::Int,
            (a, b) if a.is_number() && b.is_number() => Type::Number,
            (a, b) if is_sum && a.is_text() && b.is_text() => Type::String,
            (Type::List(a), Type::List(b)) if is_sum => Type::list(a.clone().join((**b).clone())),
            (Type::Timestamp, Type::Timestamp) => Type::Duration,
            (Type::Timestamp, Type::Duration) | (Type::Duration, Type::Timestamp) => Type::Timestamp,
            (Type::Duration, Type::Duration) => Type::Duration,
            (Type::Any | Type::Unset | Type::Optional(_), _)
            | (_, Type::Any | Type::Unset | Type::Optional(_)) => Type::Any,
            (a, b) => {
                let shown = match name {
                    "@add" => "+",
                    "@subtract" => "-",
                    "@multiply" => "*",
                    "@divide" => "/",
                    other => operator(other),
                };
                let message = format!("`{shown}` does not work on {a} and {b}");
                let fix = "convert one of them: string(x), int(x), double(x)".to_owned();
                self.report(node, TypeProblemKind::Mismatch, message, fix);
                Type::Any
            }
        }
    }

    fn report(&mut self, node: &IdedExpr, kind: TypeProblemKind, message: String, fix: String) {
        let (line, column) = self.compiled.place(node);
        // A selection stands at its dot and its field follows; a function stands at its parenthesis.
        let column = match &node.expr {
            Node::Select(_) => column + 1,
            Node::Call(call) if call.target.is_none() && call.func_name.starts_with(char::is_alphabetic) => {
                column.saturating_sub(call.func_name.chars().count() as u32).max(1)
            }
            _ => column,
        };
        let problem = TypeProblem { kind, line, column, message, fix };
        // A macro may hold the same node twice.
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }
}

fn of_literal(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Int(_) | LiteralValue::UInt(_) => Type::Int,
        LiteralValue::Double(_) => Type::Number,
        LiteralValue::String(text) => Type::Word(vec![text.inner().to_string()]),
        LiteralValue::Null => Type::Unset,
        LiteralValue::Bytes(_) => Type::Any,
    }
}

fn literal_text(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Node::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn literal_int(node: &IdedExpr) -> Option<i64> {
    match &node.expr {
        Node::Literal(LiteralValue::Int(n)) => Some(*n.inner()),
        _ => None,
    }
}

fn path_of(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Node::Ident(name) => Some(name.clone()),
        Node::Select(select) => Some(format!("{}.{}", path_of(&select.operand)?, select.field)),
        Node::Call(call) if call.func_name == operators::INDEX => {
            Some(format!("{}[…]", path_of(call.args.first()?)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
