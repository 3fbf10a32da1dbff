//! What may happen next in a run: pure changes to record, steps that are ready, a time to wake at, or the end.

use super::{
    Failure, Phase, State, StepPath, StepState, is_over,
    machine::Status,
    record::Change,
    reopen::is_handled,
    scope::Names,
    walk::{Flow, Walker},
};
use crate::{
    expr::Scope,
    workflow::{AgentStep, CallStep, GateStep, Retry, RunStep, WaitStep, Workflow},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::{borrow::Cow, collections::BTreeSet, sync::Arc, time::Duration};

/// One step that can be executed now.
#[derive(Debug, Clone)]
pub struct Task {
    pub path: StepPath,
    pub leaf: Leaf,
    pub attempt: u32,
    /// The attempt has not been journaled yet; otherwise it is being taken up again.
    pub new_attempt: bool,
    pub timeout: Option<Duration>,
    pub retry: Vec<Retry>,
    /// Attempts made before the run was last reopened; `retry` does not count them.
    pub retried_from: u32,
    /// Attempts made under an earlier idempotency key.
    pub keyed_from: u32,
    /// The run is being unwound: it is only found out whether an earlier attempt took effect.
    pub only_settles: bool,
    pub scope: Arc<Scope>,
}

/// The kinds of step that do something; lists, branches and loops are walked, not executed.
#[derive(Debug, Clone)]
pub enum Leaf {
    Call(CallStep),
    Agent(AgentStep),
    Gate(GateStep),
    Wait(WaitStep),
    Run(RunStep),
}

impl Leaf {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Call(_) => "call",
            Self::Agent(_) => "agent",
            Self::Gate(_) => "gate",
            Self::Wait(_) => "wait",
            Self::Run(_) => "run",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    pub outcome: String,
}

/// Either `changes` is not empty (record them, then plan again), or the rest says what to do.
#[derive(Debug, Default)]
pub struct Plan {
    pub changes: Vec<(Option<StepPath>, Change)>,
    pub ready: Vec<Task>,
    pub wake_at: Option<DateTime<Utc>>,
    /// Steps that wait for a person, an event, a child or a time.
    pub waiting_for: Vec<StepPath>,
    pub finish: Option<Finish>,
    /// Items of lists with nothing left to do: give them to [`State::pass`], and the next plan is made without them.
    pub passed: Vec<(StepPath, Vec<usize>)>,
}

/// `in_flight` are the steps this worker is executing at this moment.
pub fn plan(
    workflow: &Workflow,
    state: &State,
    site: &Value,
    in_flight: &BTreeSet<StepPath>,
    now: DateTime<Utc>,
) -> Plan {
    planned(workflow, state, site, Walker::new(state, in_flight, now))
}

/// The same for somebody who looks back: of the steps that may begin now, only this one.
pub fn plan_of(
    workflow: &Workflow,
    state: &State,
    site: &Value,
    path: &StepPath,
    now: DateTime<Utc>,
) -> Plan {
    planned(workflow, state, site, Walker::of_one(state, path, now))
}

fn planned<'a>(workflow: &'a Workflow, state: &'a State, site: &Value, walker: Walker<'a>) -> Plan {
    let mut names = Names::new(state.base(site));
    if state.paused.is_some() && !state.is_ended() {
        // What is under way ends and is journaled; news and due times wait for the resume.
        return Plan { waiting_for: vec![StepPath::root("resume")], ..Plan::default() };
    }
    match &state.phase {
        Phase::Ended { outcome } => {
            Plan { finish: Some(Finish { outcome: outcome.clone() }), ..Plan::default() }
        }
        Phase::Main => plan_main(workflow, state, &mut names, walker),
        Phase::Failing { step, failure, .. } => {
            let why = json!({ "step": step, "class": failure.class, "message": failure.message });
            plan_unwinding(workflow, state, names, walker, ("failed", "failure", why))
        }
        Phase::Cancelling { by, reason, .. } => {
            let why = json!({ "by": by, "reason": reason });
            plan_unwinding(workflow, state, names, walker, ("cancelled", "cancelled", why))
        }
    }
}

fn plan_main<'a>(
    workflow: &'a Workflow,
    state: &'a State,
    names: &mut Names<'a>,
    mut walker: Walker<'a>,
) -> Plan {
    let (now, is_idle) = (walker.now, walker.in_flight.is_empty());
    let flow = walker.list(&workflow.steps, None, names);
    let mut plan = walker.finish();
    watch_sla(workflow, state, now, &mut plan);
    if !plan.changes.is_empty() {
        return plan;
    }
    match flow {
        Flow::Blocked => plan,
        _ if !is_idle => Plan { ready: Vec::new(), ..plan },
        Flow::Failed(step, failure) => failing(Some((step, failure))),
        Flow::Through | Flow::Ended(_) => match (left_standing(state), flow) {
            (None, Flow::Ended(outcome)) => ended(&outcome),
            (None, _) => ended("done"),
            (left, _) => failing(left),
        },
    }
}

fn failing(why: Option<(StepPath, Failure)>) -> Plan {
    let change = why.map(|(step, failure)| (None, Change::RunFailing { step, failure }));
    Plan { changes: change.into_iter().collect(), ..Plan::default() }
}

/// A write that a reopened run does not come to any more, though what it wrote before stands.
fn left_standing(state: &State) -> Option<(StepPath, Failure)> {
    let stands =
        |step: &StepState| step.sent.is_some() && matches!(step.status, Status::Pending | Status::Skipped);
    let (path, _) = state.steps.iter().find(|(_, step)| stands(step))?;
    let words = format!(
        "what `{path}` sent before the run was reopened may stand, and the run does not come to it any more: put that right in \
         the other system, then dismiss the run"
    );
    Some((path.clone(), Failure::new("needs_person", words)))
}

/// A call of which nobody knows what it left behind, or an undo that failed: whoever cancels a run must hear of it.
fn left_in_doubt(workflow: &Workflow, state: &State) -> Option<(StepPath, Failure)> {
    let Phase::Cancelling { at, .. } = state.phase else { return None };
    let is_left = |(path, step): &(&StepPath, &StepState)| {
        let failed_at = step.settled_at.filter(|_| step.status == Status::Failed);
        let class = step.failure.as_ref().map_or("", |failure| failure.class.as_str());
        let is_unknown = ["outcome_unknown", "needs_person"].contains(&class);
        failed_at.is_some_and(|failed_at| {
            path.leaf() == "undo" || (is_unknown && (failed_at >= at || !is_handled(workflow, path)))
        })
    };
    let (path, step) = state.steps.iter().find(is_left)?;
    Some((path.clone(), step.failure.clone()?))
}

/// Undo in reverse order, then the workflow's `on_failure` (a cancelled run only undoes).
fn plan_unwinding<'a>(
    workflow: &'a Workflow,
    state: &'a State,
    mut names: Names<'a>,
    mut walker: Walker<'a>,
    (outcome, variable, why): (&str, &'static str, Value),
) -> Plan {
    if !walker.in_flight.is_empty() {
        return Plan::default();
    }
    let mut passed = Walker::passive(state, walker.now);
    passed.list(&workflow.steps, None, &mut names);
    let (undoable, in_doubt) = (passed.undoable, passed.in_doubt);
    // Whoever looks back at a step sees it as it was then.
    if !in_doubt.is_empty() && walker.only.is_none_or(|only| in_doubt.contains_key(only)) {
        for (path, (step, names)) in &in_doubt {
            walker.settle(step, path, names);
        }
        return walker.finish();
    }
    // On the way stood what failed before, and was handled.
    names.set_variable(variable, Cow::Owned(why.clone()));

    for path in state.done.iter().rev() {
        let Some((step, names)) = undoable.get(path) else { continue };
        let (mut names, undo) = (names.clone(), path.child("undo"));
        names.set_variable(variable, Cow::Owned(why.clone()));
        match walker.leaf(step, &undo, &names) {
            // An undo that failed is in the journal and in what people are told; the others still run.
            Flow::Through | Flow::Failed(..) => {}
            Flow::Blocked | Flow::Ended(_) => return walker.finish(),
        }
    }
    if outcome == "failed" {
        match walker.list(&workflow.on_failure, Some(&StepPath::root("on_failure")), &mut names) {
            Flow::Blocked => return walker.finish(),
            _ if !walker.plan.changes.is_empty() => return walker.finish(),
            Flow::Ended(outcome) => return ended(&outcome),
            Flow::Through | Flow::Failed(..) => {}
        }
    }
    if !walker.plan.changes.is_empty() {
        return walker.finish();
    }
    let is_cancelled = matches!(state.phase, Phase::Cancelling { .. });
    match left_in_doubt(workflow, state).or_else(|| left_standing(state).filter(|_| is_cancelled)) {
        None => ended(outcome),
        left => failing(left),
    }
}

fn ended(outcome: &str) -> Plan {
    Plan { changes: vec![(None, Change::RunEnded { outcome: outcome.to_owned() })], ..Plan::default() }
}

fn watch_sla(workflow: &Workflow, state: &State, now: DateTime<Utc>, plan: &mut Plan) {
    for sla in &workflow.sla {
        if state.breached.contains(&sla.step) || is_over(workflow, state, &sla.step) {
            continue;
        }
        let deadline = state.started_at + sla.within;
        if deadline <= now {
            plan.changes
                .push((None, Change::SlaBreached { step: sla.step.clone(), ladder: sla.escalate.clone() }));
        } else {
            plan.wake_at = Some(plan.wake_at.map_or(deadline, |at| at.min(deadline)));
        }
    }
}

/// The journal's word for an expression that could not be evaluated.
pub(super) fn expression_failure(error: &crate::expr::EvalError) -> Failure {
    Failure::new("expression", error.to_string())
}
