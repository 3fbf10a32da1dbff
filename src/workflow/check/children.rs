//! What a run of another workflow puts out: the outputs of its steps at the top, as `run:` gives them to the step that
//! waits for it, and the word it ended with.

use super::Checker;
use crate::{
    expr::{Field, Origin, Shape, Type},
    site::Site,
    tool::Registry,
    workflow::{Definition, Events, OnError, RunStep, Step, StepKind, Workflow, walk},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The workflows of a site, by id, and what is known of their outputs.
#[derive(Default)]
pub struct Children {
    pub(super) workflows: BTreeMap<String, Arc<Definition>>,
    /// Those whose files have mistakes, which are told there.
    pub(super) broken: BTreeSet<String>,
    known: RefCell<BTreeMap<String, Output>>,
}

/// The type of an output, and what it is made of.
type Output = (Type, Origin);

/// How a run ends that comes to its last step.
const DONE: &str = "done";
/// Outcomes that fail the step which waits for the run.
const FAILED: [&str; 2] = ["failed", "cancelled"];

/// What a step that waits for a run of another workflow may count on.
#[derive(Debug)]
pub struct Promised {
    /// The first of its outcomes, in the order of the file.
    pub outcome: String,
    pub output: Type,
}

/// `None` where there is no such workflow.
pub fn promised<'d>(
    workflows: impl Iterator<Item = &'d Arc<Definition>>,
    workflow: &str,
    registry: &Registry,
    site: &Site,
    events: &Events,
) -> Option<Promised> {
    let named = workflows.map(|definition| (definition.workflow.id.clone(), Arc::clone(definition)));
    let children = Children::of(named.collect());
    let (output, _) = children.output(workflow, registry, site, events)?;
    let outcome = first_outcome(&children.workflows.get(workflow)?.workflow);
    Some(Promised { outcome, output })
}

impl Children {
    pub fn of(workflows: BTreeMap<String, Arc<Definition>>) -> Self {
        Self { workflows, ..Self::default() }
    }

    pub fn with_broken(self, broken: BTreeSet<String>) -> Self {
        Self { broken, ..self }
    }

    /// `None` where there is no such workflow.
    fn output(&self, workflow: &str, registry: &Registry, site: &Site, events: &Events) -> Option<Output> {
        if let Some(known) = self.known.borrow().get(workflow) {
            return Some(known.clone());
        }
        let definition = self.workflows.get(workflow)?;
        // What those give that it runs itself is left open: they may run it.
        let mut checker = Checker::new(definition, registry, site, events);
        checker.names();
        let output = output_of(&definition.workflow, &mut checker.outputs);
        self.known.borrow_mut().insert(workflow.to_owned(), output.clone());
        Some(output)
    }
}

impl Checker<'_> {
    pub(super) fn run_output(&self, run: &RunStep) -> Output {
        if run.detach {
            return (Type::object([("run", Type::String)]), Origin::default());
        }
        let known =
            self.children.and_then(|all| all.output(&run.workflow, self.registry, self.site, self.events));
        known.unwrap_or_else(|| {
            (Type::open([("outcome", Type::String), ("run", Type::String)]), Origin::default())
        })
    }
}

fn output_of(workflow: &Workflow, outputs: &mut BTreeMap<&str, Output>) -> Output {
    let (mut fields, mut origin) = (Vec::new(), Origin::default());
    let mut may_have_ended = false;
    for step in &workflow.steps {
        // Those at once have no output of their own in the journal, only their parts do.
        let is_kept = !matches!(step.kind, StepKind::Parallel(_) | StepKind::End(_));
        if let (true, Some((kind, made_of))) = (is_kept, outputs.remove(step.id.as_str())) {
            let is_certain = step.condition.is_none() && matches!(step.on_error, OnError::Fail);
            let is_beside = matches!(&step.kind, StepKind::Gate(gate) if gate.background);
            let required = is_certain && !is_beside && !may_have_ended;
            fields.push((step.id.clone(), Field { kind, required }));
            origin = origin.with(&step.id, made_of);
        }
        may_have_ended |= ends(step);
    }
    for (name, kind) in [("outcome", Type::Word(outcomes(workflow))), ("run", Type::String)] {
        fields.push((name.to_owned(), Field { kind, required: true }));
    }
    (Type::Object(Shape { fields: fields.into_iter().collect(), ..Shape::default() }), origin)
}

fn outcomes(workflow: &Workflow) -> Vec<String> {
    let mut words = BTreeSet::from([DONE.to_owned()]);
    walk::every_step(workflow, &mut |step| {
        if let StepKind::End(word) = &step.kind {
            words.insert(word.clone());
        }
    });
    words.into_iter().collect()
}

/// The outcome that stands first among the steps themselves; one that a step waits for is no failure.
fn first_outcome(workflow: &Workflow) -> String {
    let outcomes = workflow.steps.iter().filter_map(|step| match &step.kind {
        StepKind::End(outcome) => Some(outcome),
        _ => None,
    });
    let mut good = outcomes.filter(|outcome| !FAILED.contains(&outcome.as_str()));
    good.next().map_or_else(|| DONE.to_owned(), Clone::clone)
}

/// Whether the run may end in this step, or in one inside of it.
fn ends(step: &Step) -> bool {
    let mut found = false;
    walk::step_and_inside(step, &mut |inner| found |= matches!(inner.kind, StepKind::End(_)));
    found
}
