//! What a `run:` gives to another workflow of the site (T006, T009, T018), and workflows that run one another
//! without end (T016). Looks at several workflows at once, so it comes after each was checked alone.

use super::{Checker, Children, Given, arguments::key_place, misfits::fix_for, scope::input_type};
use crate::{
    expr::{Origin, Type},
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

/// How far a value is followed through workflows that run others.
const CHILDREN_MAX: usize = 4;

/// The workflows of a site, by id.
type Workflows = BTreeMap<String, Arc<Definition>>;

/// `told` is what was found in this workflow alone.
pub(in crate::workflow) fn runs(
    definition: &Definition,
    registry: &Registry,
    site: &Site,
    events: &Events,
    children: &Children,
    told: &[Problem],
) -> Vec<Problem> {
    if runs_of(&definition.workflow).is_empty() {
        return Vec::new();
    }
    let workflows = &children.workflows;
    let mut checker = Checker::new(definition, registry, site, events);
    checker.children = Some(children);
    checker.names();
    // Its own findings are told already; what is left comes of what the others put out.
    checker.problems.retain(|problem| problem.is_error() && !told.contains(problem));
    for Given { step, node, kind, origin } in std::mem::take(&mut checker.given) {
        let StepKind::Run(run) = &step.kind else { continue };
        let place = definition.place_of_run(step);
        match workflows.get(&run.workflow) {
            Some(child) => {
                checker.inputs_of(run, &child.workflow, &kind, node, place);
                checker.confidential_inputs(run, origin, node, (place, workflows));
                checker.circle(step, run, workflows, place);
            }
            None if children.broken.contains(&run.workflow) => {}
            None => {
                let known = || workflows.keys().map(String::as_str);
                let fix = match suggest::closest(&run.workflow, known()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the site has: {}", known().collect::<Vec<_>>().join(", ")),
                };
                checker.error("T006", place, format!("there is no workflow `{}`", run.workflow), fix);
            }
        }
    }
    checker.problems
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

    /// T018: what a workflow that is run passes on to a model.
    fn confidential_inputs(
        &mut self,
        run: &RunStep,
        given: Origin,
        node: Option<&Node>,
        (place, workflows): (Place, &Workflows),
    ) {
        let with = node.and_then(|node| node.get("with"));
        for (input, origin) in given.fields {
            let world = World { registry: self.registry, site: self.site, events: self.events, workflows };
            let Some(found) = world.shown_to_a_model(&run.workflow, (&input, origin), CHILDREN_MAX) else {
                continue;
            };
            let message = format!(
                "`{input}` goes from `{}` to a model: {} ({}:{})",
                run.workflow, found.message, found.path, found.place.line
            );
            let fix = "leave it out, or mask there what the agent is given";
            self.error("T018", key_place(with, &input).unwrap_or(place), message, fix);
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

/// What a workflow that is run is checked against.
struct World<'w> {
    registry: &'w Registry,
    site: &'w Site,
    events: &'w Events,
    workflows: &'w Workflows,
}

impl World<'_> {
    /// The first place where what one input is made of reaches a model, here or in what this workflow runs.
    fn shown_to_a_model(
        &self,
        workflow: &str,
        (input, origin): (&str, Origin),
        depth: usize,
    ) -> Option<Problem> {
        let definition = self.workflows.get(workflow)?;
        let known = self.leaks(definition, Origin::default()).0;
        let (found, given) = self.leaks(definition, Origin::default().with(input, origin));
        found.into_iter().find(|problem| !known.contains(problem)).or_else(|| {
            let depth = depth.checked_sub(1)?;
            let mut below = given.into_iter().flat_map(|(child, origin)| {
                origin.fields.into_iter().map(move |(input, origin)| (child.clone(), input, origin))
            });
            below.find_map(|(child, input, origin)| self.shown_to_a_model(&child, (&input, origin), depth))
        })
    }

    /// What would reach a model, and what goes on to other workflows.
    fn leaks(&self, definition: &Definition, inputs: Origin) -> (Vec<Problem>, Vec<(String, Origin)>) {
        let mut checker = Checker::new(definition, self.registry, self.site, self.events);
        checker.given_to_it = inputs;
        checker.names();
        let leaks = checker.problems.into_iter().filter(|problem| problem.code == "T018").collect();
        let given = checker.given.into_iter().filter_map(|given| match &given.step.kind {
            StepKind::Run(run) => Some((run.workflow.clone(), given.origin)),
            _ => None,
        });
        (leaks, given.collect())
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
