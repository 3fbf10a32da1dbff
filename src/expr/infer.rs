//! The type of an expression, and what is wrong with it, without running it.
//!
//! This file walks the expression; what operators and functions take is in `calls` and `compare`, what a condition
//! says of the values it looks at in `facts`, what it comes to in `decide`, and where a value comes from in
//! `origins`.

mod alone;
mod calls;
mod compare;
mod decide;
mod facts;
mod format;
mod member;
mod origins;
mod parts;

use super::{
    Expr, ValueTemplate,
    environment::Compiled,
    signature::{self, NAMESPACES},
    types::{Field, Shape, Type},
};
use cel::{
    IdedExpr,
    common::ast::{ComprehensionExpr, EntryExpr, Expr as Node, IdedEntryExpr, LiteralValue, operators},
};
use facts::Facts;
pub(crate) use member::is_name;
use member::{constant_key, member, written};
pub use origins::{Leak, Origin};
pub use parts::ConstantPart;
use serde_json::Value;
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
    /// A name, field or function that does not exist; the path before it, as far as it is one, and what
    /// there is instead.
    Unknown { holder: Option<String>, name: String, known: Vec<String> },
    /// A field that is not always there.
    Absent { holder: Option<String>, name: String },
    /// A value that may be null where that does not do; its path, as far as it is one.
    Null { path: Option<String> },
    /// Values that do not fit together.
    Mismatch,
}

impl Expr {
    pub fn infer(&self, types: &Types) -> (Type, Vec<TypeProblem>) {
        let mut inference = Inference {
            compiled: &self.compiled,
            base: types,
            scopes: Vec::new(),
            facts: Facts::default(),
            found: Vec::new(),
            texts: BTreeMap::new(),
        };
        let kind = self.compiled.walk(|root| inference.node(root));
        (kind, inference.found)
    }

    /// What is known of the names once this condition was true, or false.
    pub fn narrow(&self, types: &mut Types, outcome: bool) {
        self.compiled.walk(|root| facts::of(root, outcome).narrow(types));
    }

    /// Every name that stands alone or before a first dot.
    pub fn roots(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.compiled.walk(|root| origins::roots(root, &mut Vec::new(), &mut found));
        found
    }

    /// Every path `a.b.c` that is read, also with `.?` and with what stands before an index.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        self.compiled.walk(|root| origins::paths(root, &mut found));
        found
    }

    /// Which fields of classified names its value is made of, though it does not stand under them; `around` is
    /// what the names it reads are made of.
    pub fn origin(&self, types: &Types, around: &Origin, classified: &dyn Fn(&str) -> bool) -> Origin {
        origins::origin(&self.compiled, types, around, classified)
    }

    /// What this condition comes to where some paths have these values; `None` where it depends on others.
    pub fn outcome(&self, known: &dyn Fn(&[&str]) -> Option<Value>) -> Option<bool> {
        self.compiled.walk(|root| decide::outcome(root, known))
    }

    /// What this condition is whatever its values are; `None` where they matter.
    pub fn constant(&self, types: &Types) -> Option<bool> {
        self.compiled.walk(|root| decide::constant(root, types))
    }

    /// Parts of this condition that are the same whatever its values are, where the whole is not.
    pub fn constant_parts(&self, types: &Types) -> Vec<ConstantPart> {
        self.compiled.walk(|root| parts::constant_parts(&self.compiled, root, types))
    }

    /// Whether what is `said` alone can make this condition true, whatever the rest of what it reads is.
    pub fn holds_alone(&self, types: &Types, said: &dyn Fn(&[String]) -> bool) -> bool {
        self.compiled.walk(|root| alone::holds_alone(root, types, said))
    }

    /// The parts of `a && b && c`, as they are written.
    pub fn conjuncts(&self) -> Vec<String> {
        self.compiled.walk(facts::conjuncts)
    }

    /// The paths of `a.b + c`, or of all of it where nothing is put together.
    pub fn joined(&self) -> Vec<Vec<String>> {
        self.compiled.walk(facts::joined)
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

/// The fields inside of what a call makes a text of, by the call's id.
fn written_out(compiled: &Compiled, types: &Types) -> BTreeMap<u64, Vec<String>> {
    let mut inference = Inference {
        compiled,
        base: types,
        scopes: Vec::new(),
        facts: Facts::default(),
        found: Vec::new(),
        texts: BTreeMap::new(),
    };
    compiled.walk(|root| inference.node(root));
    inference.texts
}

struct Inference<'e> {
    compiled: &'e Compiled,
    base: &'e Types,
    /// The variables of the macros around, innermost last.
    scopes: Vec<Types>,
    /// What the conditions around say.
    facts: Facts,
    found: Vec<TypeProblem>,
    /// Fields that lose their names, by the call that takes them.
    texts: BTreeMap<u64, Vec<String>>,
}

impl<'e> Inference<'e> {
    fn node(&mut self, node: &IdedExpr) -> Type {
        if let Some(kind) = self.plain(node) {
            return kind.clone();
        }
        let kind = match &node.expr {
            Node::Literal(literal) => of_literal(literal),
            Node::Ident(name) => self.name(node, name),
            Node::Select(select) => {
                let holder = self.node(&select.operand);
                let path = path_of(&select.operand);
                match select.test {
                    true => {
                        self.optional(node, &holder, path, &select.field);
                        Type::Bool
                    }
                    false => self.field(node, holder, path, &select.field),
                }
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
                let before = self.found.len();
                let kind = match namespace {
                    Some(namespace) => self.extension(node, namespace, &call.func_name, &call.args),
                    None => self.call(node, &call.func_name, call.target.as_deref(), &call.args),
                };
                if self.found.len() == before && namespace.is_none() {
                    self.fails_always(node);
                }
                kind
            }
            Node::Unspecified | Node::Struct(_) => Type::Any,
        };
        match kind {
            Type::Nullable(kind) if self.facts.is_present(node) => *kind,
            kind => kind,
        }
    }

    /// The type of `a.b.c` where nothing is to be said of it, without a copy of what holds it.
    fn plain(&self, node: &IdedExpr) -> Option<&Type> {
        match &node.expr {
            Node::Ident(name) => {
                let inner = self.scopes.iter().rev().find_map(|scope| scope.get(name));
                inner.or_else(|| self.base.get(name)).filter(|kind| !matches!(kind, Type::Nullable(_)))
            }
            Node::Select(select) if !select.test => match self.plain(&select.operand)? {
                Type::Object(shape) => match shape.fields.get(&select.field)? {
                    Field { required: true, kind } if !matches!(kind, Type::Nullable(_)) => Some(kind),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    fn name(&mut self, node: &IdedExpr, name: &str) -> Type {
        let inner = self.scopes.iter().rev().find_map(|scope| scope.get(name));
        if let Some(kind) = inner.or_else(|| self.base.get(name)) {
            return kind.clone();
        }
        if name.starts_with('@') || signature::TYPE_NAMES.contains(&name) {
            return Type::Any;
        }
        let names = self.scopes.iter().rev().chain([self.base]).flat_map(Types::keys);
        let known: Vec<String> = names.filter(|name| !name.starts_with('@')).cloned().collect();
        let fix = format!("there is: {}", known.join(", "));
        let kind = TypeProblemKind::Unknown { holder: None, name: name.to_owned(), known };
        self.report(node, kind, format!("unknown name `{name}`"), fix);
        Type::Any
    }

    fn field(&mut self, node: &IdedExpr, holder: Type, path: Option<String>, field: &str) -> Type {
        match holder {
            Type::Object(Shape { mut fields, rest, closed }) => match (fields.remove(field), rest) {
                (Some(Field { kind, required }), _) => {
                    if !required && !self.facts.is_there(node) {
                        self.absent(node, path, field);
                    }
                    kind
                }
                (None, Some(rest)) => *rest,
                (None, None) => {
                    let shape = Shape { fields, rest: None, closed };
                    self.no_field(node, &shape, path, field);
                    Type::Any
                }
            },
            Type::Optional(inner) => Type::Optional(Box::new(self.optional(node, &inner, path, field))),
            Type::Nullable(inner) => {
                self.null(node, path.clone(), &format!("has no field `{field}` then"));
                self.field(node, *inner, path, field)
            }
            Type::Any | Type::Unset => Type::Any,
            Type::Null => {
                self.null(node, path, &format!("has no field `{field}` then"));
                Type::Any
            }
            other => {
                let holder_text = path.map_or("this".to_owned(), |path| format!("`{path}`"));
                let fix = match &other {
                    Type::List(_) => {
                        "ask for an item by its number, `[0]`, or go through it: `exists`, `map`"
                    }
                    _ => "use the value itself",
                };
                let message = format!("{holder_text} is {other}, so it has no field `{field}`");
                self.report(node, TypeProblemKind::Mismatch, message, fix.to_owned());
                Type::Any
            }
        }
    }

    /// A field that is asked for with `.?` or `has()`: it may be absent, but not unheard of.
    fn optional(&mut self, node: &IdedExpr, holder: &Type, path: Option<String>, field: &str) -> Type {
        match holder {
            Type::Optional(inner) | Type::Nullable(inner) => self.optional(node, inner, path, field),
            Type::Object(shape) => match (shape.fields.get(field), &shape.rest) {
                (Some(found), _) => found.kind.clone(),
                (None, Some(rest)) => (**rest).clone(),
                (None, None) => {
                    self.no_field(node, shape, path, field);
                    Type::Any
                }
            },
            _ => Type::Any,
        }
    }

    fn absent(&mut self, node: &IdedExpr, holder: Option<String>, field: &str) {
        let shown = holder.as_ref().map_or(String::new(), |path| format!(" of `{path}`"));
        let message = format!("the field `{field}`{shown} may be absent");
        let fix = format!("give a default, `.?{field}.orValue(…)`, or ask `has(…)` before");
        let kind = TypeProblemKind::Absent { holder, name: field.to_owned() };
        self.report(node, kind, message, fix);
    }

    /// `path` is of the value that may be null.
    fn null(&mut self, node: &IdedExpr, path: Option<String>, then: &str) {
        let shown = path.as_ref().map_or("this".to_owned(), |path| format!("`{path}`"));
        let fix = match &path {
            Some(path) => format!("ask before: `{path} != null`, or write `{path} != null ? {path} : …`"),
            None => "ask before whether it is null".to_owned(),
        };
        self.report(node, TypeProblemKind::Null { path }, format!("{shown} may be null, and {then}"), fix);
    }

    fn map(&mut self, entries: &[IdedEntryExpr]) -> Type {
        let mut fields = Vec::new();
        let mut is_open = false;
        for entry in entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            let kind = self.node(&entry.value).as_json();
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
        let range = self.node(&loop_.iter_range);
        let item = match self.without_null(&loop_.iter_range, range, "cannot be gone through") {
            Type::List(item) => *item,
            Type::Object(_) => Type::String,
            Type::Any | Type::Unset => Type::Any,
            Type::Optional(inner) => {
                self.undecided(&loop_.iter_range, "cannot be gone through", "[]");
                match *inner {
                    Type::List(item) => *item,
                    _ => Type::Any,
                }
            }
            other => {
                let message = format!("a list is needed here, this is {other}");
                let fix = "`filter`, `map`, `all` and `exists` go through a list".to_owned();
                self.report(&loop_.iter_range, TypeProblemKind::Mismatch, message, fix);
                Type::Any
            }
        };
        let start = self.node(&loop_.accu_init);
        let facts = self.facts.clone();
        self.facts.forget(&loop_.iter_var);
        self.scopes
            .push(Types::from([(loop_.iter_var.clone(), item), (loop_.accu_var.clone(), start.clone())]));
        self.node(&loop_.loop_cond);
        let mut step = self.node(&loop_.loop_step);
        if let (Some(condition), Some(item)) =
            (facts::kept_if(loop_), self.scopes.pop().and_then(|mut own| own.remove(&loop_.iter_var)))
        {
            // What `filter` keeps is as its condition says.
            let mut own = Types::from([(loop_.iter_var.clone(), item)]);
            facts::of(condition, true).narrow(&mut own);
            step = Type::list(own.remove(&loop_.iter_var).unwrap_or_default());
        }
        self.facts = facts;
        self.scopes.push(Types::from([(loop_.accu_var.clone(), start.join(step))]));
        let result = self.node(&loop_.result);
        self.scopes.pop();
        result
    }

    /// The type without null; that it may be null is reported.
    fn without_null(&mut self, node: &IdedExpr, kind: Type, then: &str) -> Type {
        match kind {
            Type::Nullable(kind) => {
                self.null(node, path_of(node), then);
                *kind
            }
            Type::Null => {
                self.null(node, path_of(node), then);
                Type::Any
            }
            kind => kind,
        }
    }

    /// Where a path ends, as far as it is one.
    fn end_of(&self, node: &IdedExpr) -> (u32, u32) {
        let (line, column) = self.compiled.place(node);
        let length = match &node.expr {
            Node::Ident(name) => name.chars().count(),
            Node::Select(select) => select.field.chars().count() + 1,
            _ => 0,
        };
        (line, column + length as u32)
    }

    fn report(&mut self, node: &IdedExpr, kind: TypeProblemKind, message: String, fix: String) {
        let node = constant_key(node).unwrap_or(node);
        let (line, column) = match &node.expr {
            // `has(a.b)` stands at its parenthesis.
            Node::Select(select) if select.test => self.end_of(&select.operand),
            _ => self.compiled.place(node),
        };
        // A selection stands at its dot and its field follows; a function stands at its parenthesis.
        let column = match &node.expr {
            Node::Select(_) => column + 1,
            Node::Call(call) if call.func_name.starts_with(char::is_alphabetic) => {
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
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::String(text) => Type::Word(vec![text.inner().to_string()]),
        LiteralValue::Null => Type::Null,
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

/// A path as people write it.
fn path_of(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Node::Ident(name) => Some(name.clone()),
        Node::Select(select) => Some(format!("{}.{}", path_of(&select.operand)?, select.field)),
        Node::Call(call) => match member(node) {
            Some(member) => Some(written(&path_of(member.holder)?, member.field)),
            None if call.func_name == operators::INDEX => {
                Some(format!("{}[…]", path_of(call.args.first()?)?))
            }
            None => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
