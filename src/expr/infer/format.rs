//! `'%d of %d'.format([a, b])`: the places of a text that is written out, and what is given to each of them.

use super::{Inference, TypeProblemKind, literal_text};
use crate::expr::types::Type;
use cel::{IdedExpr, common::ast::Expr as Node};

const CLAUSES: &str =
    "%s takes anything, %d %.2f %e take numbers, %b %o %x whole numbers, and %% is a percent sign";

impl Inference<'_> {
    /// `items` are the types of what stands in the list, where that is written out.
    pub(super) fn formatted(&mut self, text: Option<&IdedExpr>, list: &IdedExpr, items: &[Type]) {
        let Some((text_node, text)) = text.and_then(|node| Some((node, literal_text(node)?))) else { return };
        let Node::List(list) = &list.expr else { return };
        let clauses = match clauses(text) {
            Ok(clauses) => clauses,
            Err(message) => {
                return self.report(text_node, TypeProblemKind::Mismatch, message, CLAUSES.to_owned());
            }
        };
        if clauses.len() != items.len() {
            let places = clauses.len();
            let message = format!("the text has {places} of `%s` and the like, and {} values", items.len());
            let fix = "give one value for each, in their order; a percent sign is `%%`".to_owned();
            self.report(text_node, TypeProblemKind::Mismatch, message, fix);
        }
        for ((clause, node), kind) in clauses.into_iter().zip(&list.elements).zip(items) {
            if matches!(kind, Type::Optional(_)) {
                self.undecided(node, "cannot be written", "''");
                continue;
            }
            let then = format!("`%{clause}` does not take null");
            let kind = match clause {
                's' => continue,
                _ => self.without_null(node, kind.clone(), &then),
            };
            if kind.is_known() && !takes(clause, &kind) {
                let message = format!("`%{clause}` does not take {kind}");
                self.report(node, TypeProblemKind::Mismatch, message, CLAUSES.to_owned());
            }
        }
    }
}

fn takes(clause: char, kind: &Type) -> bool {
    match clause {
        'd' | 'f' | 'e' => kind.is_number(),
        'b' => matches!(kind, Type::Bool | Type::Int),
        'x' | 'X' => matches!(kind, Type::Int) || kind.is_text(),
        _ => matches!(kind, Type::Int),
    }
}

/// The letter of each place, as CEL reads them.
fn clauses(text: &str) -> Result<Vec<char>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            rest = after;
            continue;
        }
        let digits =
            rest.strip_prefix('.').map(|after| after.trim_start_matches(|c: char| c.is_ascii_digit()));
        let clause = digits.unwrap_or(rest);
        let Some(letter) = clause.chars().next().filter(|letter| "sdfebxXo".contains(*letter)) else {
            let shown: String = rest.chars().take_while(|c| !c.is_whitespace()).take(4).collect();
            return Err(format!("`%{shown}` is nothing that `format` knows"));
        };
        found.push(letter);
        rest = &clause[1..];
    }
    Ok(found)
}
