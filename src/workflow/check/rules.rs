//! The rules of a workflow's writes, each checked against the arguments of every write that names it.

use super::{
    Checker,
    places::{fix_of, is_slip, place_at, place_of},
    scope::pattern_type,
};
use crate::{
    expr::{Type, TypeProblem, TypeProblemKind, Types},
    tool::Effect,
    workflow::{
        Place, Rule, StepKind,
        problem::{Problem, Severity},
        source::{Document, Node},
        suggest, walk,
    },
};
use std::collections::BTreeMap;

/// What a rule looks for in a write, by the rule, where it does and what is said.
type Misfits = BTreeMap<(String, Place, String), Misfit>;

struct Misfit {
    code: &'static str,
    fix: String,
    /// It is a name that the write has, but for a slip of the hand.
    is_slip: bool,
    /// The writes that do not have it, and where each names the rule.
    writes: Vec<(String, Place)>,
}

impl Checker<'_> {
    pub(super) fn rules(&mut self) {
        let definition = self.definition;
        let (mut uses, mut misfits) = (Vec::new(), Misfits::new());
        walk::every_step(&definition.workflow, &mut |step| {
            if let StepKind::Call(call) = &step.kind {
                uses.extend(call.rules.iter().enumerate().map(|(index, rule)| (rule, call, step, index)));
            }
        });
        for &(name, call, step, index) in &uses {
            let path = Rule::path_of(name);
            let (Some(rule), Some(text)) = (definition.rules.get(name), definition.bundle.files.get(&path))
            else {
                continue;
            };
            // It was parsed when the bundle was compiled.
            let Ok(document) = Document::parse(&path, text) else { continue };
            let mut write =
                self.registry.spec(&call.tool).map_or(Type::Any, |spec| Type::from_schema(&spec.input));
            if let (Type::Object(shape), Some(given)) = (&mut write, call.with.raw().as_object()) {
                // What this write gives is there, also where its tool could do without.
                for name in given.keys() {
                    if let Some(field) = shape.fields.get_mut(name.as_str()) {
                        field.required = true;
                    }
                }
            }
            let node = definition.node_of(step.place).and_then(|node| node.get("rules"));
            let node = node.and_then(|node| node.at(&format!("/{index}")).or(Some(node)));
            let write_place = node.map_or(step.place, |node| node.place);
            let (misfits, write) = (&mut misfits, (step.id.as_str(), write_place, write));
            RuleCheck { checker: self, rule, path: &path, document: &document, misfits }.run(write);
        }
        for ((name, place, message), misfit) in misfits {
            let all = uses.iter().filter(|(used, ..)| **used == name).count();
            self.misfit(&name, place, &message, misfit, all);
        }
    }

    /// What no write that names a rule has is a mistake of the rule; what some have, of those that have it not.
    fn misfit(&mut self, name: &str, place: Place, message: &str, misfit: Misfit, all: usize) {
        let Misfit { code, fix, is_slip, writes } = misfit;
        let path = Rule::path_of(name);
        if writes.len() < all && !is_slip {
            for (_, write_place) in writes {
                let message =
                    format!("the rule `{name}` does not fit this write: {message} ({path}:{})", place.line);
                let fix = "name a rule for this tool, or give the write what the rule looks at";
                self.error(code, write_place, message, fix);
            }
            return;
        }
        let steps: Vec<String> = writes.iter().map(|(step, _)| format!("`{step}`")).collect();
        let message = format!("{message}, for {} of {}", steps.join(" and "), self.definition.bundle.path);
        let severity = Severity::Error;
        self.problems.push(Problem { code, severity, path, place, message, fix: Some(fix) });
    }
}

struct RuleCheck<'r, 'c> {
    checker: &'r mut Checker<'c>,
    rule: &'r Rule,
    path: &'r str,
    document: &'r Document,
    misfits: &'r mut Misfits,
}

impl RuleCheck<'_, '_> {
    /// For the write of this step, which names the rule at this place.
    fn run(&mut self, (step, write_place, write): (&str, Place, Type)) {
        let write_at = (step, write_place);
        let mut types = Types::from([
            ("write".to_owned(), write),
            ("trigger".to_owned(), pattern_type(&self.checker.definition.workflow, self.checker.events)),
            ("inputs".to_owned(), Type::Any),
            ("steps".to_owned(), Type::Any),
            ("site".to_owned(), self.checker.site_type.clone()),
            ("now".to_owned(), Type::String),
        ]);
        let root = &self.document.root;
        let mut reads = Vec::new();
        for (name, tool, with) in &self.rule.reads {
            types.insert("reads".to_owned(), Type::object(reads.clone()));
            self.checker.at_expressions(with, &types);
            let (_, problems) = with.infer(&types);
            for found in problems {
                let node = root.at(&format!("/reads/{name}/with{}", found.pointer));
                self.type_problem(write_at, node, found.offset, &found.source, found.problem);
            }
            let place = root.at(&format!("/reads/{name}/call")).map_or(root.place, |node| node.place);
            match self.checker.registry.spec(tool).map(|spec| spec.effect) {
                None => {
                    let known = self.checker.registry.specs().map(|spec| spec.name.as_str());
                    let near = suggest::closest(tool.as_str(), known);
                    let fix =
                        near.map_or("correct its name".to_owned(), |near| format!("did you mean `{near}`?"));
                    self.report("T009", place, format!("there is no tool `{tool}`"), fix);
                }
                Some(Effect::Read) => {}
                Some(Effect::Propose | Effect::Write) => {
                    let message = format!("`{tool}` does not only read");
                    self.report("T009", place, message, "a rule looks and changes nothing".to_owned());
                }
            }
            reads.push((name.clone(), self.checker.tool_output(tool)));
        }
        types.insert("reads".to_owned(), Type::object(reads));
        self.checker.at_expression(&self.rule.check, &types);
        self.checker.at_expressions(&self.rule.because, &types);
        let (kind, problems) = self.rule.check.infer(&types);
        let check = root.get("check");
        let is_sound = problems.is_empty();
        for problem in problems {
            self.type_problem(write_at, check, 0, self.rule.check.source(), problem);
        }
        if kind.is_known() && kind != Type::Bool {
            let place = check.map_or(root.place, |node| node.place);
            let message = format!("a check is true or false, this is {kind}");
            self.report("T007", place, message, "compare it with something".to_owned());
        } else if is_sound {
            self.changes(check);
        }
        for found in self.rule.because.infer(&types).1 {
            let because = root.get("because");
            self.type_problem(write_at, because, found.offset, &found.source, found.problem);
        }
    }

    /// The check, and each part of it, differs from write to write; what it is for one tool alone is no mistake of it.
    fn changes(&mut self, node: Option<&Node>) {
        let (check, types) = (&self.rule.check, Types::new());
        let fix = "compare what differs from write to write, or leave it out".to_owned();
        if let Some(answer) = check.constant(&types) {
            let place = node.map_or(self.document.root.place, |node| node.place);
            return self.report("T007", place, format!("this check is always {answer}"), fix);
        }
        for part in check.constant_parts(&types) {
            let place = place_at(self.document, node, 0, check.source(), (part.line, part.column));
            let message = format!("this part of the check is always {}", part.answer);
            self.report("T007", place, message, fix.clone());
        }
    }

    fn type_problem(
        &mut self,
        (step, write_place): (&str, Place),
        node: Option<&Node>,
        offset: usize,
        source: &str,
        problem: TypeProblem,
    ) {
        let place = place_of(self.document, node, offset, source, &problem);
        let code = match problem.kind {
            TypeProblemKind::Unknown { .. } => "T006",
            TypeProblemKind::Absent { .. } | TypeProblemKind::Null { .. } | TypeProblemKind::Mismatch => {
                "T007"
            }
        };
        let (fix, is_slip) = (fix_of(&problem), is_slip(&problem));
        let holder = match &problem.kind {
            TypeProblemKind::Unknown { holder, .. } | TypeProblemKind::Absent { holder, .. } => {
                holder.as_deref()
            }
            TypeProblemKind::Null { .. } | TypeProblemKind::Mismatch => None,
        };
        if !holder.is_some_and(|holder| holder == "write" || holder.starts_with("write.")) {
            self.report(code, place, problem.message, fix);
            return;
        }
        let key = (self.rule.id.clone(), place, problem.message);
        let new = || Misfit { code, fix, is_slip, writes: Vec::new() };
        let misfit = self.misfits.entry(key).or_insert_with(new);
        let write = (step.to_owned(), write_place);
        if !misfit.writes.contains(&write) {
            misfit.writes.push(write);
        }
    }

    fn report(&mut self, code: &'static str, place: Place, message: String, fix: String) {
        let (path, severity) = (self.path.to_owned(), Severity::Error);
        let problem = Problem { code, severity, path, place, message, fix: Some(fix) };
        // Each write that names the rule leads to it.
        if !self.checker.problems.contains(&problem) {
            self.checker.problems.push(problem);
        }
    }
}
