//! Parts of a condition that are always the same while the whole of it is not: `a == a && b == 'x'`.
//!
//! Looks at what `&&`, `||`, `!` and `? :` take, also inside of macros such as `exists`.

use super::{Types, decide};
use crate::expr::environment::Compiled;
use cel::{
    IdedExpr,
    common::ast::{EntryExpr, Expr as Node, operators},
};

/// A part of a condition that never changes, at its place in the source, 1-based.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstantPart {
    pub answer: bool,
    pub line: u32,
    pub column: u32,
}

/// The outermost parts that never change; what is always the same as a whole is not told here.
pub(super) fn constant_parts(compiled: &Compiled, root: &IdedExpr, types: &Types) -> Vec<ConstantPart> {
    let mut found = Vec::new();
    Parts { compiled, found: &mut found }.inside(root, types);
    found
}

struct Parts<'p> {
    compiled: &'p Compiled,
    found: &'p mut Vec<ConstantPart>,
}

impl Parts<'_> {
    fn part(&mut self, node: &IdedExpr, types: &Types) {
        let Some(answer) = decide::constant(node, types) else { return self.inside(node, types) };
        let (line, column) = self.start(node);
        let part = ConstantPart { answer, line, column };
        // A macro may hold the same node twice.
        if !self.found.contains(&part) {
            self.found.push(part);
        }
    }

    fn inside(&mut self, node: &IdedExpr, types: &Types) {
        match &node.expr {
            Node::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, parts) => {
                    parts.iter().for_each(|part| self.part(part, types));
                }
                // What it gives may well be written out: `x ? true : y`.
                (operators::CONDITIONAL, [condition, yes, no]) => {
                    self.part(condition, types);
                    self.inside(yes, types);
                    self.inside(no, types);
                }
                (_, args) => {
                    call.target.iter().for_each(|target| self.inside(target, types));
                    args.iter().for_each(|arg| self.inside(arg, types));
                }
            },
            Node::Comprehension(loop_) => {
                self.inside(&loop_.iter_range, types);
                // Inside, the name of the item hides one from outside.
                let none = Types::new();
                let hides = types.contains_key(&loop_.iter_var);
                self.inside(&loop_.loop_step, if hides { &none } else { types });
            }
            Node::Select(select) => self.inside(&select.operand, types),
            Node::List(list) => list.elements.iter().for_each(|item| self.inside(item, types)),
            Node::Map(map) => map.entries.iter().for_each(|entry| {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    self.inside(&entry.value, types);
                }
            }),
            Node::Literal(_) | Node::Ident(_) | Node::Unspecified | Node::Struct(_) => {}
        }
    }

    /// Where it begins: an operator stands behind its left side, a function at its parenthesis.
    fn start(&self, node: &IdedExpr) -> (u32, u32) {
        match &node.expr {
            Node::Select(select) => self.start(&select.operand),
            Node::Comprehension(loop_) => self.start(&loop_.iter_range),
            Node::Call(call) => match (call.target.as_deref(), call.args.first()) {
                (Some(target), _) => self.start(target),
                (None, _) if call.func_name.starts_with(char::is_alphabetic) => {
                    let (line, column) = self.compiled.place(node);
                    (line, column.saturating_sub(call.func_name.chars().count() as u32).max(1))
                }
                (None, Some(left))
                    if !matches!(call.func_name.as_str(), operators::LOGICAL_NOT | operators::NEGATE) =>
                {
                    self.start(left)
                }
                _ => self.compiled.place(node),
            },
            _ => self.compiled.place(node),
        }
    }
}
