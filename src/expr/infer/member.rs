//! What reads a field of an object: `a.b`, `a.?b`, `a['b']` and `a[?'b']` are the same field.

use super::literal_text;
use cel::{
    IdedExpr,
    common::ast::{Expr as Node, operators},
};

pub(super) struct Member<'n> {
    pub(super) holder: &'n IdedExpr,
    pub(super) field: &'n str,
    /// The node at whose place the field is written, and how many characters behind it.
    pub(super) at: (&'n IdedExpr, u32),
    /// Asked for with a `?`: it may be absent.
    pub(super) is_optional: bool,
}

pub(super) fn member(node: &IdedExpr) -> Option<Member<'_>> {
    match &node.expr {
        Node::Select(select) if !select.test => {
            Some(Member { holder: &select.operand, field: &select.field, at: (node, 1), is_optional: false })
        }
        Node::Call(call) => {
            let [holder, key] = call.args.as_slice() else { return None };
            let field = literal_text(key)?;
            let (after, is_optional) = match call.func_name.as_str() {
                operators::OPT_SELECT => (2, true),
                operators::INDEX => (0, false),
                operators::OPT_INDEX => (0, true),
                _ => return None,
            };
            Some(Member { holder, field, at: (key, after), is_optional })
        }
        _ => None,
    }
}

/// The place of the constant in `a['b']`.
pub(super) fn constant_key(node: &IdedExpr) -> Option<&IdedExpr> {
    match &node.expr {
        Node::Call(call) if matches!(call.func_name.as_str(), operators::INDEX | operators::OPT_INDEX) => {
            call.args.get(1).filter(|key| literal_text(key).is_some())
        }
        _ => None,
    }
}

/// The names of `a.b['c']`, with the fields that are asked for with a `?`.
pub(super) fn chain(node: &IdedExpr) -> Option<Vec<&str>> {
    if let Node::Ident(name) = &node.expr {
        return Some(vec![name]);
    }
    let member = member(node)?;
    let mut path = chain(member.holder)?;
    path.push(member.field);
    Some(path)
}

/// Whether some field on the way is asked for with a `?`.
pub(super) fn may_be_absent(node: &IdedExpr) -> bool {
    member(node).is_some_and(|member| member.is_optional || may_be_absent(member.holder))
}

/// A field behind its holder, as people write it.
pub(super) fn written(holder: &str, field: &str) -> String {
    if is_name(field) { format!("{holder}.{field}") } else { format!("{holder}['{field}']") }
}

/// Whether a field of this name can stand behind a dot.
pub(crate) fn is_name(field: &str) -> bool {
    field.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["in", "true", "false", "null"].contains(&field)
}
