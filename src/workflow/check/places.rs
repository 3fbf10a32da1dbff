//! From an expression back to the line and column of the file it stands in.

use super::Checker;
use crate::{
    expr::{Expr, Type, TypeProblem, TypeProblemKind, Types, ValueTemplate, is_name},
    workflow::{
        Place,
        source::{Document, Node},
        suggest,
    },
};

impl<'c> Checker<'c> {
    /// The type of a bare expression; its problems are reported where they stand.
    pub(super) fn expr(&mut self, expr: &Expr, node: Option<&'c Node>, types: &Types) -> Type {
        self.at_expression(expr, types);
        let (kind, problems) = expr.infer(types);
        for problem in problems {
            let place = place_of(self.definition.document(), node, 0, expr.source(), &problem);
            self.type_problem(place, problem);
        }
        kind
    }

    /// An expression that decides something.
    pub(super) fn condition(&mut self, expr: &Expr, node: Option<&'c Node>, types: &Types) {
        let found = self.problems.len();
        let kind = self.expr(expr, node, types);
        let place = node.map_or(Place::default(), |node| node.place);
        if kind.is_known() && !matches!(kind, Type::Bool) {
            let fix = match kind {
                Type::Optional(_) => "give a default: `.orValue(false)`",
                _ => "compare it with something: `x > 0`, `x == 'a'`",
            };
            self.error("T007", place, format!("a condition is true or false, this is {kind}"), fix);
        } else if self.problems.len() == found {
            self.changes(expr, node, types);
        }
    }

    /// A condition, and each part of it, differs from run to run.
    fn changes(&mut self, expr: &Expr, node: Option<&'c Node>, types: &Types) {
        let fix = "compare what differs from run to run, or leave it out";
        if let Some(answer) = expr.constant(types) {
            let place = node.map_or(Place::default(), |node| node.place);
            self.error("T007", place, format!("this condition is always {answer}"), fix);
            return;
        }
        for part in expr.constant_parts(types) {
            let place = self.place_in_source(node, 0, expr.source(), part.line, part.column);
            self.error("T007", place, format!("this part of the condition is always {}", part.answer), fix);
        }
    }

    pub(super) fn template(
        &mut self,
        template: &ValueTemplate,
        node: Option<&'c Node>,
        types: &Types,
    ) -> Type {
        self.at_expressions(template, types);
        let (kind, problems) = template.infer(types);
        for found in problems {
            let scalar = node.and_then(|node| node.at(&found.pointer));
            let place =
                place_of(self.definition.document(), scalar, found.offset, &found.source, &found.problem);
            self.type_problem(place, found.problem);
        }
        kind
    }

    /// The place of a line and column of an expression that begins at `offset` in a scalar.
    pub(super) fn place_in_source(
        &self,
        node: Option<&Node>,
        offset: usize,
        source: &str,
        line: u32,
        column: u32,
    ) -> Place {
        place_at(self.definition.document(), node, offset, source, (line, column))
    }

    fn type_problem(&mut self, place: Place, problem: TypeProblem) {
        let fix = fix_of(&problem);
        let of_steps = |path: &Option<String>| path.as_deref() == Some("steps");
        match problem.kind {
            TypeProblemKind::Unknown { holder, name, .. } if of_steps(&holder) => {
                self.no_step(place, &name, fix)
            }
            TypeProblemKind::Unknown { .. } => self.error("T006", place, problem.message, fix),
            TypeProblemKind::Absent { holder, name } if of_steps(&holder) => {
                let message = format!("`{name}` may have been skipped, and has no output then");
                let fix =
                    format!("read it with a default, `steps.?{name}`, or ask `has(steps.{name})` before");
                self.error("T008", place, message, fix);
            }
            TypeProblemKind::Null { path: Some(path) } if self.is_step(&path) => {
                let message = format!("`{path}` is null when the step has failed or was left out");
                self.error("T008", place, message, fix);
            }
            _ => self.error("T007", place, problem.message, fix),
        }
    }

    /// `steps.a`, or a child of a `parallel`.
    fn is_step(&self, path: &str) -> bool {
        let mut names = path.split('.');
        let steps = names.next() == Some("steps") && names.next().is_some();
        steps && names.all(|name| self.ids.contains(name))
    }

    fn no_step(&mut self, place: Place, name: &str, fix: String) {
        if self.ids.contains(name) {
            let message = format!("`{name}` has no output here: it runs later, or elsewhere");
            self.error("T008", place, message, "refer to a step that is done before this one");
        } else {
            let near = suggest::closest(name, self.ids.iter().copied());
            let fix = near.map_or(fix, |near| format!("did you mean `{near}`?"));
            self.error("T006", place, format!("there is no step `{name}`"), fix);
        }
    }
}

/// Whether there is a name that was probably meant.
pub(super) fn is_slip(problem: &TypeProblem) -> bool {
    meant_by(problem).is_some_and(is_name)
}

fn meant_by(problem: &TypeProblem) -> Option<&str> {
    match &problem.kind {
        TypeProblemKind::Unknown { name, known, .. } => {
            suggest::closest(name, known.iter().map(String::as_str))
        }
        _ => None,
    }
}

/// The fix of a finding, with what was probably meant.
pub(super) fn fix_of(problem: &TypeProblem) -> String {
    match meant_by(problem) {
        Some(near) if is_name(near) => format!("did you mean `{near}`? {}", problem.fix),
        Some(near) => format!("write `['{near}']`, which cannot stand behind a dot; {}", problem.fix),
        None => problem.fix.clone(),
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
    place_at(document, node, offset, source, (problem.line, problem.column))
}

/// `offset` is where the expression begins in the scalar, in characters; line and column are of its source.
pub(super) fn place_at(
    document: &Document,
    node: Option<&Node>,
    offset: usize,
    source: &str,
    (line, column): (u32, u32),
) -> Place {
    let Some(node) = node else { return Place::default() };
    let Some(scalar) = node.scalar() else { return node.place };
    let lines = source.split('\n').take(line.saturating_sub(1) as usize);
    let before: usize = lines.map(|line| line.chars().count() + 1).sum();
    document.place_in(scalar, offset + before + column.saturating_sub(1) as usize)
}
