//! Where a value comes from: the names an expression reads, and whose values come out of it.

use super::{
    Types, literal_text,
    member::{chain, member},
    written_out,
};
use crate::expr::{environment::Compiled, explain::children, signature};
use cel::{
    IdedExpr,
    common::ast::{ComprehensionExpr, EntryExpr, Expr as Node, IdedEntryExpr, LiteralValue, operators},
};
use std::collections::BTreeMap;

/// A field whose value comes out of an expression under another name, and where it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    pub field: String,
    pub line: u32,
    pub column: u32,
}

/// The classified fields a value is made of without saying so: by itself, and in its fields. A list is as its items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    own: Vec<Leak>,
    pub fields: BTreeMap<String, Origin>,
}

impl Origin {
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.fields.is_empty()
    }

    /// What it is made of, but for what stands in fields of these names.
    pub fn leaks(&self, is_masked: &dyn Fn(&str) -> bool) -> Vec<Leak> {
        let mut found = self.own.clone();
        let open = self.fields.iter().filter(|(name, _)| !is_masked(name));
        open.for_each(|(_, field)| found.extend(field.leaks(is_masked)));
        found
    }

    /// Of the field with this name.
    #[must_use]
    pub fn field(mut self, name: &str) -> Self {
        let mut field = self.fields.remove(name).unwrap_or_default();
        field.own.extend(self.own);
        field
    }

    #[must_use]
    pub fn with(mut self, name: &str, field: Self) -> Self {
        if !field.is_empty() {
            self.fields.insert(name.to_owned(), field);
        }
        self
    }

    /// Of what is one or the other, or both.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        for leak in other.own {
            if !self.own.contains(&leak) {
                self.own.push(leak);
            }
        }
        for (name, field) in other.fields {
            let own = self.fields.remove(&name).unwrap_or_default();
            self.fields.insert(name, own.join(field));
        }
        self
    }

    /// Of a value that was made of all of it.
    #[must_use]
    pub fn melted(self) -> Self {
        Self { own: self.leaks(&|_| false), fields: BTreeMap::new() }
    }

    pub(in crate::expr) fn of_names(names: impl IntoIterator<Item = String>) -> Self {
        let own = names.into_iter().map(|field| Leak { field, line: 1, column: 1 }).collect();
        Self { own, fields: BTreeMap::new() }
    }

    /// As another expression finds it at this place.
    fn read_at(&self, (line, column): (u32, u32), depth: usize) -> Self {
        if depth > DEPTH_MAX {
            return self.clone().melted().read_at((line, column), 0);
        }
        let mut own: Vec<Leak> = Vec::new();
        for leak in &self.own {
            if !own.iter().any(|known| known.field == leak.field) {
                own.push(Leak { field: leak.field.clone(), line, column });
            }
        }
        let field =
            |(name, field): (&String, &Self)| (name.clone(), field.read_at((line, column), depth + 1));
        Self { own, fields: self.fields.iter().map(field).collect() }
    }
}

/// How deep fields are told apart.
const DEPTH_MAX: usize = 8;

/// Names that no macro around introduces.
pub(super) fn roots(node: &IdedExpr, bound: &mut Vec<String>, found: &mut Vec<String>) {
    if let Node::Ident(name) = &node.expr {
        if !bound.contains(name) && !name.starts_with('@') && !found.contains(name) {
            found.push(name.clone());
        }
        return;
    }
    let Node::Comprehension(loop_) = &node.expr else {
        return children(node).into_iter().for_each(|child| roots(child, bound, found));
    };
    roots(&loop_.iter_range, bound, found);
    bound.push(loop_.iter_var.clone());
    for part in [&loop_.accu_init, &loop_.loop_cond, &loop_.loop_step, &loop_.result] {
        roots(part, bound, found);
    }
    bound.pop();
}

pub(super) fn paths(node: &IdedExpr, found: &mut Vec<Vec<String>>) {
    match path(node) {
        Some(path) => found.push(path),
        None => children(node).into_iter().for_each(|child| paths(child, found)),
    }
}

/// The names of `a.b.?c`, also of `has(a.b)`.
fn path(node: &IdedExpr) -> Option<Vec<String>> {
    let path = match &node.expr {
        Node::Select(select) if select.test => {
            let mut path = chain(&select.operand)?;
            path.push(&select.field);
            path
        }
        _ => chain(node)?,
    };
    Some(path.into_iter().map(str::to_owned).collect())
}

/// `around` is what the names are made of.
pub(super) fn origin(
    compiled: &Compiled,
    types: &Types,
    around: &Origin,
    classified: &dyn Fn(&str) -> bool,
) -> Origin {
    let texts = written_out(compiled, types);
    let mut walk = Walk { compiled, classified, around, texts, bound: Vec::new() };
    compiled.walk(|root| walk.node(root))
}

struct Walk<'w> {
    compiled: &'w Compiled,
    classified: &'w dyn Fn(&str) -> bool,
    around: &'w Origin,
    /// The fields inside of what these calls make a text of, or take out by a name that is not known.
    texts: BTreeMap<u64, Vec<String>>,
    /// What the variables of the macros around hold.
    bound: Vec<(String, Origin)>,
}

impl Walk<'_> {
    fn node(&mut self, node: &IdedExpr) -> Origin {
        if let Some(member) = member(node) {
            let (at, after) = member.at;
            return self.field(at, member.holder, member.field, after);
        }
        match &node.expr {
            Node::Ident(name) => match self.bound.iter().rev().find(|(bound, _)| bound == name) {
                Some((_, origin)) => origin.clone(),
                None => match self.around.fields.get(name) {
                    Some(origin) => origin.read_at(self.compiled.place(node), 0),
                    None => Origin::default(),
                },
            },
            Node::List(list) => self.all(&list.elements),
            Node::Map(map) => self.map(&map.entries),
            Node::Comprehension(loop_) => self.comprehension(loop_),
            Node::Call(call) => {
                let mut found = self.call(node.id, &call.func_name, call.target.as_deref(), &call.args);
                let inside = self.texts.get(&node.id).into_iter().flatten();
                let (line, column) = self.compiled.place(node);
                found.own.extend(inside.filter(|field| (self.classified)(field)).map(|field| Leak {
                    field: field.clone(),
                    line,
                    column,
                }));
                found
            }
            Node::Select(_) | Node::Unspecified | Node::Struct(_) | Node::Literal(_) => Origin::default(),
        }
    }

    fn all<'n>(&mut self, nodes: impl IntoIterator<Item = &'n IdedExpr>) -> Origin {
        nodes.into_iter().map(|node| self.node(node)).fold(Origin::default(), Origin::join)
    }

    fn map(&mut self, entries: &[IdedEntryExpr]) -> Origin {
        let mut found = Origin::default();
        for entry in entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            match literal_text(&entry.key) {
                // Under a classified name it is masked.
                Some(name) if (self.classified)(name) => {}
                Some(name) => found = found.with(name, self.node(&entry.value)),
                None => {
                    found = found.join(self.node(&entry.key).melted()).join(self.node(&entry.value).melted())
                }
            }
        }
        found
    }

    fn comprehension(&mut self, loop_: &ComprehensionExpr) -> Origin {
        let is_answer = |literal: &LiteralValue| {
            matches!(literal, LiteralValue::Boolean(_) | LiteralValue::Int(_) | LiteralValue::UInt(_))
        };
        if matches!(&loop_.accu_init.expr, Node::Literal(literal) if is_answer(literal)) {
            return Origin::default();
        }
        let range = self.node(&loop_.iter_range);
        let start = self.node(&loop_.accu_init);
        self.bound.push((loop_.iter_var.clone(), range));
        self.bound.push((loop_.accu_var.clone(), start.clone()));
        let step = self.node(&loop_.loop_step);
        self.bound.truncate(self.bound.len() - 2);
        // `optMap` binds its name as what is gathered, and goes through nothing.
        self.bound.push((loop_.accu_var.clone(), start.join(step)));
        let found = self.node(&loop_.result);
        self.bound.pop();
        found
    }

    fn field(&mut self, node: &IdedExpr, holder: &IdedExpr, field: &str, after: u32) -> Origin {
        if !(self.classified)(field) {
            return self.node(holder).field(field);
        }
        let (line, column) = self.compiled.place(node);
        let own = vec![Leak { field: field.to_owned(), line, column: column + after }];
        Origin { own, fields: BTreeMap::new() }
    }

    fn call(&mut self, id: u64, name: &str, target: Option<&IdedExpr>, args: &[IdedExpr]) -> Origin {
        match (name, args) {
            (
                operators::LOGICAL_AND
                | operators::LOGICAL_OR
                | operators::LOGICAL_NOT
                | operators::EQUALS
                | operators::NOT_EQUALS
                | operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS
                | operators::IN
                | "size"
                | "contains"
                | "startsWith"
                | "endsWith"
                | "matches"
                | "hasValue",
                _,
            ) => Origin::default(),
            (operators::CONDITIONAL, [_, yes, no]) => self.node(yes).join(self.node(no)),
            (operators::INDEX | operators::OPT_INDEX, [holder, _]) => {
                let found = self.node(holder);
                // A field whose name is not known may be any.
                if self.texts.contains_key(&id) { found.melted() } else { found }
            }
            // What is sorted comes out, not what it is sorted by.
            (signature::SORT_BY, _) => target.map(|list| self.node(list)).unwrap_or_default(),
            (
                "orValue"
                | "or"
                | "value"
                | "of"
                | "ofNonZeroValue"
                | "slice"
                | "distinct"
                | "reverse"
                | "sort"
                | "flatten"
                | "min"
                | "max"
                | "@add"
                | operators::ADD,
                _,
            ) => self.all(target.into_iter().chain(args)),
            _ => self.all(target.into_iter().chain(args)).melted(),
        }
    }
}
