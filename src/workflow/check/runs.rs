//! What a `run:` gives to another workflow of the site (T006, T009), and workflows that run one another
//! without end (T016). Looks at several workflows at once, so it comes after each was checked alone.

use super::{Checker, arguments::key_place, misfits::fix_for, scope::input_type};
use crate::{
    expr::Type,
    site::Site,
    tool::Registry,
    workflow::{
        Definition, Events, Place, RunStep, Step, StepKind, Workflow, problem::Problem, source::Node,
        suggest, walk,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The workflows of a site, by id.
type Workflows = BTreeMap<String, Arc<Definition>>;

pub(in crate::workflow) fn runs(
    definition: &Definition,
    registry: &Registry,
    site: &Site,
    events: &Events,
    workflows: &Workflows,
) -> Vec<Problem> {
    if runs_of(&definition.workflow).is_empty() {
        return Vec::new();
    }
    let mut checker = Checker::new(definition, registry, site, events);
    checker.names();
    // Its own findings are told already.
    checker.problems.clear();
    for (step, node, given) in std::mem::take(&mut checker.given) {
        let StepKind::Run(run) = &step.kind else { continue };
        let place = definition.place_of_run(step);
        match workflows.get(&run.workflow) {
            Some(child) => {
                checker.inputs_of(run, &child.workflow, &given, node, place);
                checker.circle(step, run, workflows, place);
            }
            None => {
                let known = || workflows.keys().map(String::as_str);
                let fix = match suggest::closest(&run.workflow, known()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the site has: {}", known().collect::<Vec<_>>().join(", ")),
                };
                checker.error("T006", place, no_workflow(&run.workflow), fix);
            }
        }
    }
    checker.problems
}

pub(in crate::workflow) fn no_workflow(id: &str) -> String {
    format!("there is no workflow `{id}`")
}

impl Checker<'_> {
    fn inputs_of(
        &mut self,
        run: &RunStep,
        child: &Workflow,
        given: &Type,
        node: Option<&Node>,
        place: Place,
    ) {
        let Type::Object(given) = given else { return };
        let with = node.and_then(|node| node.get("with"));
        let mut strangers = Vec::new();
        for (name, field) in &given.fields {
            let Some(input) = child.inputs.get(name) else {
                strangers.push(name.as_str());
                let takes = || child.inputs.keys().map(String::as_str);
                let fix = match suggest::closest(name, takes()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if child.inputs.is_empty() => "it takes no inputs".to_owned(),
                    None => format!("it takes {}", takes().collect::<Vec<_>>().join(", ")),
                };
                let place = key_place(with, name).unwrap_or(place);
                self.error("T009", place, format!("the workflow `{}` takes no `{name}`", child.id), fix);
                continue;
            };
            if let Some(misfit) = field.kind.misfit(&input_type(input)) {
                let value = with.and_then(|with| with.get(name));
                let place = value.map_or(place, |value| self.place_of_misfit(value, &misfit));
                let message = format!("input `{name}` of `{}`: {}", child.id, misfit.message);
                self.error("T009", place, message, fix_for(&misfit, "give it what the workflow takes"));
            }
        }
        let missing = child.inputs.iter().find(|(name, input)| {
            let near = suggest::closest(name, strangers.iter().copied()).is_some();
            input.default.is_none() && !given.fields.contains_key(*name) && !near
        });
        if let Some((name, _)) = missing {
            let message = format!("the workflow `{}` needs `{name}`", run.workflow);
            self.error("T009", place, message, "add it to `with`, or give the input a default");
        }
    }

    /// A workflow that runs itself, maybe through others, may never end.
    fn circle(&mut self, step: &Step, run: &RunStep, workflows: &Workflows, place: Place) {
        let own = self.definition.workflow.id.as_str();
        let mut seen = BTreeSet::new();
        let mut next = vec![run.workflow.clone()];
        while let Some(id) = next.pop() {
            if id == own {
                let message = match run.workflow == own {
                    true => format!("`{own}` runs itself"),
                    false => format!("`{own}` runs `{}`, which comes back to `{own}`", run.workflow),
                };
                let fix = "let one of them end by itself; what repeats is a trigger or an `each`";
                // Under a condition it may still come to an end.
                match step.condition.is_some() {
                    true => self.warn("T016", place, message, fix.to_owned()),
                    false => self.error("T016", place, message, fix),
                }
                return;
            }
            if seen.insert(id.clone())
                && let Some(definition) = workflows.get(&id)
            {
                next.extend(runs_of(&definition.workflow));
            }
        }
    }
}

/// The workflows that a workflow runs.
fn runs_of(workflow: &Workflow) -> Vec<String> {
    let mut found = Vec::new();
    walk::every_step(workflow, &mut |step| {
        if let StepKind::Run(run) = &step.kind {
            found.push(run.workflow.clone());
        }
    });
    found
}
