//! Where a value comes from: the names an expression reads, and whose values come out of it.

use super::{
    Types, literal_text,
    member::{chain, member},
    written_out,
};
use crate::expr::{environment::Compiled, explain::children};
use cel::{
    IdedExpr,
    common::ast::{EntryExpr, Expr as Node, LiteralValue, operators},
};
use std::collections::BTreeMap;

/// A field whose value comes out of an expression under another name, and where it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    pub field: String,
    pub line: u32,
    pub column: u32,
}

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

pub(super) fn leaks(compiled: &Compiled, types: &Types, classified: &dyn Fn(&str) -> bool) -> Vec<Leak> {
    let texts = written_out(compiled, types);
    let mut walk = Walk { compiled, classified, texts, bound: Vec::new() };
    let mut found = compiled.walk(|root| walk.node(root));
    found.dedup();
    found
}

struct Walk<'w> {
    compiled: &'w Compiled,
    classified: &'w dyn Fn(&str) -> bool,
    /// The fields inside of what these calls make a text of, or take out by a name that is not known.
    texts: BTreeMap<u64, Vec<String>>,
    /// What the variables of the macros around hold.
    bound: Vec<(String, Vec<Leak>)>,
}

impl Walk<'_> {
    fn node(&mut self, node: &IdedExpr) -> Vec<Leak> {
        if let Some(member) = member(node) {
            let (at, after) = member.at;
            return self.field(at, member.holder, member.field, after);
        }
        match &node.expr {
            Node::Ident(name) => {
                let bound = self.bound.iter().rev().find(|(bound, _)| bound == name);
                bound.map(|(_, leaks)| leaks.clone()).unwrap_or_default()
            }
            Node::Select(_) => Vec::new(),
            Node::List(list) => list.elements.iter().flat_map(|item| self.node(item)).collect(),
            Node::Map(map) => {
                let mut found = Vec::new();
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    // Under a classified name it is masked.
                    if !literal_text(&entry.key).is_some_and(self.classified) {
                        found.extend(self.node(&entry.value));
                    }
                }
                found
            }
            Node::Comprehension(loop_) => {
                if matches!(
                    loop_.accu_init.expr,
                    Node::Literal(LiteralValue::Boolean(_) | LiteralValue::Int(_) | LiteralValue::UInt(_))
                ) {
                    return Vec::new();
                }
                let range = self.node(&loop_.iter_range);
                self.bound.push((loop_.iter_var.clone(), range));
                let found = self.node(&loop_.loop_step);
                self.bound.pop();
                found
            }
            Node::Call(call) => {
                let mut found = self.call(&call.func_name, call.target.as_deref(), &call.args);
                let inside = self.texts.get(&node.id).into_iter().flatten();
                let (line, column) = self.compiled.place(node);
                found.extend(inside.filter(|field| (self.classified)(field)).map(|field| Leak {
                    field: field.clone(),
                    line,
                    column,
                }));
                found
            }
            Node::Unspecified | Node::Struct(_) | Node::Literal(_) => Vec::new(),
        }
    }

    fn field(&mut self, node: &IdedExpr, holder: &IdedExpr, field: &str, after: u32) -> Vec<Leak> {
        if !(self.classified)(field) {
            return self.node(holder);
        }
        let (line, column) = self.compiled.place(node);
        vec![Leak { field: field.to_owned(), line, column: column + after }]
    }

    fn call(&mut self, name: &str, target: Option<&IdedExpr>, args: &[IdedExpr]) -> Vec<Leak> {
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
            ) => Vec::new(),
            (operators::CONDITIONAL, [_, yes, no]) => [self.node(yes), self.node(no)].concat(),
            (operators::INDEX, [list, _]) => self.node(list),
            _ => target.into_iter().chain(args).flat_map(|part| self.node(part)).collect(),
        }
    }
}
