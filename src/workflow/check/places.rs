//! From an expression back to the line and column of the file it stands in.

use super::Checker;
use crate::{
    expr::{Expr, Type, TypeProblem, TypeProblemKind, Types, ValueTemplate},
    workflow::{
        Place,
        source::{Document, Node},
        suggest,
    },
};

impl<'c> Checker<'c> {
    /// The type of a bare expression; its problems are reported where they stand.
    pub(super) fn expr(&mut self, expr: &Expr, node: Option<&'c Node>, types: &Types) -> Type {
        let (kind, problems) = expr.infer(types);
        for problem in problems {
            let place = place_of(self.definition.document(), node, 0, expr.source(), &problem);
            self.type_problem(place, problem);
        }
        kind
    }

    /// An expression that decides something.
    pub(super) fn condition(&mut self, expr: &Expr, node: Option<&'c Node>, types: &Types) {
        let kind = self.expr(expr, node, types);
        if kind.is_known() && !matches!(kind, Type::Bool) {
            let place = node.map_or(Place::default(), |node| node.place);
            let fix = "compare it with something: `x > 0`, `x == 'a'`";
            self.error("T007", place, format!("a condition is true or false, this is {kind}"), fix);
        }
    }

    pub(super) fn template(
        &mut self,
        template: &ValueTemplate,
        node: Option<&'c Node>,
        types: &Types,
    ) -> Type {
        let (kind, problems) = template.infer(types);
        for found in problems {
            let scalar = node.and_then(|node| node.at(&found.pointer));
            let place =
                place_of(self.definition.document(), scalar, found.offset, &found.source, &found.problem);
            self.type_problem(place, found.problem);
        }
        kind
    }

    fn type_problem(&mut self, place: Place, problem: TypeProblem) {
        match &problem.kind {
            TypeProblemKind::Mismatch => self.error("T007", place, problem.message, problem.fix),
            TypeProblemKind::Unknown { holder: Some(holder), name } if holder == "steps" => {
                if self.ids.contains(name.as_str()) {
                    let message = format!("`{name}` has no output here: it runs later, or elsewhere");
                    self.error("T008", place, message, "refer to a step that is done before this one");
                } else {
                    let near = suggest::closest(name, self.ids.iter().copied());
                    let fix = near.map_or(problem.fix, |near| format!("did you mean `{near}`?"));
                    self.error("T006", place, format!("there is no step `{name}`"), fix);
                }
            }
            TypeProblemKind::Unknown { .. } => self.error("T006", place, problem.message, problem.fix),
        }
    }
}

/// `offset` is where the expression begins in the scalar, in characters.
pub(super) fn place_of(
    document: &Document,
    node: Option<&Node>,
    offset: usize,
    source: &str,
    problem: &TypeProblem,
) -> Place {
    let Some(node) = node else { return Place::default() };
    let Some(scalar) = node.scalar() else { return node.place };
    let lines = source.split('\n').take(problem.line.saturating_sub(1) as usize);
    let before: usize = lines.map(|line| line.chars().count() + 1).sum();
    document.place_in(scalar, offset + before + problem.column.saturating_sub(1) as usize)
}
