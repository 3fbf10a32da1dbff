//! What reads a field of an object: `a.b`, `a.?b`, `a['b']` and `a[?'b']` are the same field; and a field that is not there.

use super::{Inference, TypeProblemKind, literal_text};
use crate::expr::types::Shape;
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

/// Names that are given with a finding, to find out which was meant; and those that it lists.
const KNOWN_MAX: usize = 100;
const SHOWN_MAX: usize = 40;

impl Inference<'_> {
    pub(super) fn no_field(&mut self, node: &IdedExpr, shape: &Shape, path: Option<String>, field: &str) {
        // Of thousands only those are looked at that could have been meant, or every slip costs as much as the file.
        let may_be_meant = |name: &&String| shape.fields.len() <= KNOWN_MAX || is_near(name, field);
        let known: Vec<String> = shape.fields.keys().filter(may_be_meant).take(KNOWN_MAX).cloned().collect();
        let holder_text = path.as_ref().map_or(String::new(), |path| format!(" in `{path}`"));
        let fix = match shape.fields.len() {
            0 => "it has no fields".to_owned(),
            count if count > SHOWN_MAX => {
                let shown: Vec<&str> = shape.fields.keys().take(SHOWN_MAX).map(String::as_str).collect();
                format!("it has: {} and {} more", shown.join(", "), count - SHOWN_MAX)
            }
            _ => format!("it has: {}", known.join(", ")),
        };
        let kind = TypeProblemKind::Unknown { holder: path, name: field.to_owned(), known };
        self.report(node, kind, format!("no such field `{field}`{holder_text}"), fix);
    }
}

/// Whether one could be a slip of the other: cheap, for long lists of names.
fn is_near(name: &str, wrong: &str) -> bool {
    let ends = |a: &str, b: &str| {
        a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count()
            + a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
    };
    name.len().abs_diff(wrong.len()) <= 2 && ends(name, wrong) + 2 >= name.len().min(wrong.len())
}
