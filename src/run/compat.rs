//! Whether a run can go on with another version of its workflow: everything it has done or begun must be there
//! in the same shape, and what it still has to read must be in what it has put out.

use super::{State, StepPath, machine::Status, story::find};
use crate::{
    expr::Expr,
    workflow::{Autonomy, Step, StepKind, WaitFor, Workflow, every_step},
};
use regex::Regex;
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeSet, sync::LazyLock};

/// One reason why it cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Incompatible {
    #[error("`{step}` has begun, and the other version has no such step")]
    Gone { step: StepPath },
    #[error("`{step}` has begun as {was}, and is {is} in the other version")]
    Changed { step: StepPath, was: String, is: String },
    #[error("the branch that `{step}` took is another one, or gone")]
    Branch { step: StepPath },
    #[error("`{step}` is new and stands before `{before}`, which has already begun")]
    Inserted { step: StepPath, before: StepPath },
    #[error("a later step reads `{reads}`, which `{step}` did not put out")]
    Output { step: StepPath, reads: String },
    #[error("it needs the input `{input}`, which the run was not given")]
    Input { input: String },
    #[error(
        "one of the two versions is in shadow, and what a run has only rehearsed is not there for one that acts"
    )]
    Shadow,
}

/// Every reason against it; none means that the run may be pinned to `new`.
pub fn incompatibilities(old: &Workflow, new: &Workflow, state: &State) -> Vec<Incompatible> {
    let mut found = Vec::new();
    let in_shadow = |workflow: &Workflow| workflow.autonomy == Autonomy::Shadow;
    if !state.start.shadow && in_shadow(old) != in_shadow(new) {
        found.push(Incompatible::Shadow);
    }
    for (path, step) in &state.steps {
        if step.status != Status::Pending && path.leaf() != "undo" {
            found.extend(same_step(old, new, path, step.branch));
        }
    }
    inserted(old, &new.steps, None, state, &mut found);
    found.extend(unread(old, new, state));
    for (name, input) in &new.inputs {
        if input.default.is_none() && state.start.inputs.get(name).is_none() {
            found.push(Incompatible::Input { input: name.clone() });
        }
    }
    found
}

fn same_step(old: &Workflow, new: &Workflow, path: &StepPath, branch: Option<usize>) -> Option<Incompatible> {
    let Some(after) = find(new, path) else { return Some(Incompatible::Gone { step: path.clone() }) };
    let before = find(old, path)?;
    let (was, is) = (nature(before), nature(after));
    if was != is {
        return Some(Incompatible::Changed { step: path.clone(), was, is });
    }
    if let (StepKind::Choose(before), StepKind::Choose(after), Some(index)) =
        (&before.kind, &after.kind, branch)
    {
        let condition = |branches: &[crate::workflow::Branch]| {
            branches.get(index).map(|b| b.condition.as_ref().map(|expr| expr.source().to_owned()))
        };
        if condition(before) != condition(after) {
            return Some(Incompatible::Branch { step: path.clone() });
        }
    }
    None
}

/// What must stay equal of a step that has begun, in words.
fn nature(step: &Step) -> String {
    match &step.kind {
        StepKind::Call(call) => format!("a call of {}", call.tool),
        StepKind::Agent(_) => "an agent".to_owned(),
        // A yes counts for as many people as it was asked of.
        StepKind::Gate(gate) => {
            let form = format!("a gate that asks for {:?}", gate.form).to_lowercase();
            let quorum = if gate.quorum > 1 { format!(" of {} people", gate.quorum) } else { String::new() };
            let second = if gate.second.is_some() { " and a second person" } else { "" };
            let sign = if gate.sign.is_some() { " with a signature" } else { "" };
            format!("{form}{quorum}{second}{sign}")
        }
        StepKind::Wait(wait) => match &wait.until {
            WaitFor::Event(wait) => format!("a wait for {}", wait.event),
            WaitFor::Duration(_) | WaitFor::Until(_) => "a wait for a time".to_owned(),
        },
        StepKind::Parallel(_) => "a parallel".to_owned(),
        StepKind::Each(_) => "an each".to_owned(),
        StepKind::Choose(_) => "a choose".to_owned(),
        StepKind::Run(run) => format!("a run of {}", run.workflow),
        StepKind::End(_) => "an end".to_owned(),
    }
}

/// Steps that the old version does not have, in front of ones that have begun.
fn inserted(
    old: &Workflow,
    steps: &[Step],
    parent: Option<&StepPath>,
    state: &State,
    found: &mut Vec<Incompatible>,
) {
    let path_of =
        |step: &Step| parent.map_or_else(|| StepPath::root(&step.id), |parent| parent.child(&step.id));
    let has_begun = |path: &StepPath| {
        let begun = |(other, step): (&StepPath, &super::StepState)| {
            step.status != Status::Pending && (other == path || other.below(path).is_some())
        };
        state.steps.iter().any(begun)
    };
    let last = steps.iter().rposition(|step| has_begun(&path_of(step)));
    for (index, step) in steps.iter().enumerate() {
        let path = path_of(step);
        if let Some(before) = last.filter(|last| index < *last).and_then(|last| steps.get(last))
            && find(old, &path).is_none()
        {
            found.push(Incompatible::Inserted { step: path, before: path_of(before) });
            continue;
        }
        let Some(known) = state.step(&path) else { continue };
        match &step.kind {
            StepKind::Choose(branches) => {
                if let Some(branch) = known.branch.and_then(|taken| branches.get(taken)) {
                    inserted(old, &branch.steps, Some(&path), state, found);
                }
            }
            StepKind::Each(each) => {
                for item in 0..known.items.len() {
                    inserted(old, &each.steps, Some(&path.item(item)), state, found);
                }
            }
            _ => {}
        }
    }
}

static READS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\bsteps((?:\.[A-Za-z_][A-Za-z0-9_]*)+)(\(|\.\?)?").ok());

/// Outputs that steps still to come read in the new version only, and that are not there.
fn unread(old: &Workflow, new: &Workflow, state: &State) -> Vec<Incompatible> {
    let known = reads(old, state);
    let missing = |read: &String| {
        let mut names = read.split('.').skip(1);
        let mut path = StepPath::root(names.next()?);
        if let Some(StepKind::Parallel(_)) = find(new, &path).map(|step| &step.kind) {
            path = path.child(names.next()?);
        }
        let step = state.step(&path).filter(|step| step.status == Status::Done)?;
        let mut value = &step.output;
        for name in names {
            match value.as_object().map(|fields| fields.get(name)) {
                Some(Some(inner)) => value = inner,
                Some(None) => return Some(Incompatible::Output { step: path, reads: read.clone() }),
                None => return None,
            }
        }
        None
    };
    reads(new, state).difference(&known).filter_map(missing).collect()
}

/// `steps.x.y` as steps that have not begun read it.
fn reads(workflow: &Workflow, state: &State) -> BTreeSet<String> {
    let mut sources = Vec::new();
    every_step(workflow, &mut |step| {
        let has_settled =
            state.steps.iter().any(|(path, known)| path.leaf() == step.id && known.status.is_settled());
        if !has_settled {
            sources_of(step, &mut sources);
        }
    });
    let Some(pattern) = READS.as_ref() else { return BTreeSet::new() };
    let read = |found: regex::Captures<'_>| {
        let names = found.get(1).map_or("", |names| names.as_str());
        // The last name before a parenthesis is a function's.
        let is_function = found.get(2).is_some_and(|after| after.as_str() == "(");
        let names = if is_function { names.rsplit_once('.').map_or("", |(names, _)| names) } else { names };
        format!("steps{names}")
    };
    sources.iter().flat_map(|source| pattern.captures_iter(source).map(read)).collect()
}

fn sources_of(step: &Step, sources: &mut Vec<String>) {
    let mut add = |expr: &Expr| sources.push(expr.source().to_owned());
    let mut templates = Vec::new();
    step.condition.iter().for_each(&mut add);
    match &step.kind {
        StepKind::Call(call) => {
            templates.push(&call.with);
            templates.extend(call.undo.iter().map(|undo| &undo.with));
        }
        StepKind::Agent(agent) => templates.extend([&agent.with, &agent.fallback]),
        StepKind::Gate(gate) => {
            templates.extend([&gate.options, &gate.items, &gate.draft].into_iter().flatten());
            gate.requested_by.iter().chain(&gate.auto_if).for_each(&mut add);
        }
        StepKind::Each(each) => templates.push(&each.list),
        StepKind::Run(run) => templates.push(&run.with),
        StepKind::Choose(branches) => {
            branches.iter().filter_map(|branch| branch.condition.as_ref()).for_each(&mut add);
        }
        StepKind::Wait(wait) => match &wait.until {
            WaitFor::Event(wait) => wait.condition.iter().chain(&wait.subject).for_each(&mut add),
            WaitFor::Until(expr) => add(expr),
            WaitFor::Duration(_) => {}
        },
        StepKind::Parallel(_) | StepKind::End(_) => {}
    }
    for embedded in templates.iter().flat_map(|template| template.expressions()) {
        sources.push(embedded.expr.source().to_owned());
    }
}

impl Incompatible {
    /// All of them as one sentence.
    pub fn sentence(all: &[Self]) -> String {
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    pub fn to_json(all: &[Self]) -> Value {
        let one = |reason: &Self| {
            let mut json = serde_json::to_value(reason).unwrap_or_default();
            if let Some(fields) = json.as_object_mut() {
                fields.insert("words".into(), Value::String(reason.to_string()));
            }
            json
        };
        Value::Array(all.iter().map(one).collect())
    }
}
