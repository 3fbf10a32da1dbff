//! Walks the step lists of a definition against a state, collecting names, ready steps and wake times. Items of an
//! `each` are next door.

mod items;

use super::{
    Failure, Phase, State, StepPath, StepState,
    machine::Status,
    next::{Leaf, Plan, Task, expression_failure},
    record::Change,
    scope::Names,
};
use crate::workflow::{CallStep, OnError, Step, StepKind};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Steps of one run that are executed at once: each holds a copy of all that it sees. More of them take their turns.
const AT_ONCE_MAX: usize = 100;

/// How far a list got.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Flow {
    Through,
    Blocked,
    Ended(String),
    Failed(StepPath, Failure),
}

pub(super) struct Walker<'a> {
    state: &'a State,
    pub in_flight: &'a BTreeSet<StepPath>,
    pub now: DateTime<Utc>,
    /// Only collects names and undoable steps; starts nothing.
    passive: bool,
    /// Somebody asks for this step, and for no other.
    pub only: Option<&'a StepPath>,
    pub plan: Plan,
    /// What is ready, and what it will see at which time.
    tasks: Vec<(Task, Names<'a>, DateTime<Utc>)>,
    /// Steps met that are not settled.
    unsettled: usize,
    /// Items of lists that this plan begins with.
    listed: usize,
    /// Done calls that declare an `undo`, as calls of their own, with the names that are seen where they stand.
    pub undoable: BTreeMap<StepPath, (Step, Names<'a>)>,
    /// Calls that were under way or about to be repeated when the run was stopped.
    pub in_doubt: BTreeMap<StepPath, (&'a Step, Names<'a>)>,
}

static NOTHING: BTreeSet<StepPath> = BTreeSet::new();

impl<'a> Walker<'a> {
    pub(super) fn new(state: &'a State, in_flight: &'a BTreeSet<StepPath>, now: DateTime<Utc>) -> Self {
        Self {
            state,
            in_flight,
            now,
            passive: false,
            only: None,
            plan: Plan::default(),
            tasks: Vec::new(),
            unsettled: 0,
            listed: 0,
            undoable: BTreeMap::new(),
            in_doubt: BTreeMap::new(),
        }
    }

    pub(super) fn of_one(state: &'a State, path: &'a StepPath, now: DateTime<Utc>) -> Self {
        Self { only: Some(path), ..Self::new(state, &NOTHING, now) }
    }

    pub(super) fn passive(state: &'a State, now: DateTime<Utc>) -> Self {
        Self { passive: true, ..Self::new(state, &NOTHING, now) }
    }

    /// What the walk came to. What steps see is copied last, and only when they are next.
    pub(super) fn finish(self) -> Plan {
        let Self { mut plan, tasks, .. } = self;
        if plan.changes.is_empty() {
            let seen = |(task, names, now): (Task, Names, _)| Task { scope: Arc::new(names.at(now)), ..task };
            plan.ready = tasks.into_iter().map(seen).collect();
        }
        plan
    }

    fn is_full(&self) -> bool {
        self.only.is_none() && self.in_flight.len() + self.tasks.len() >= AT_ONCE_MAX
    }

    pub(super) fn list(
        &mut self,
        steps: &'a [Step],
        parent: Option<&StepPath>,
        names: &mut Names<'a>,
    ) -> Flow {
        for step in steps {
            let path = parent.map_or_else(|| StepPath::root(&step.id), |parent| parent.child(&step.id));
            match self.step(step, &path, names) {
                Flow::Through => {}
                _ if self.passive => {}
                flow => return flow,
            }
        }
        Flow::Through
    }

    fn step(&mut self, step: &'a Step, path: &StepPath, names: &mut Names<'a>) -> Flow {
        if self.state.status(path) == Status::Skipped {
            return Flow::Through;
        }
        let untouched = self.state.status(path) == Status::Pending && !self.has_begun(path);
        if untouched {
            if self.passive || self.is_full() {
                return Flow::Blocked;
            }
            match self.condition(step, names) {
                Ok(true) => {}
                Ok(false) => return self.change(path, Change::Skipped),
                Err(failure) => return self.change(path, Change::Failed { failure }),
            }
        }
        if let Some(Flow::Failed(at, failure)) = self.settled(path) {
            return self.failed(step, path, names, at, failure);
        }
        let flow = match &step.kind {
            StepKind::End(outcome) => return Flow::Ended(outcome.clone()),
            StepKind::Parallel(children) => self.parallel(step, children, path, names),
            StepKind::Each(each) => self.each(step, each, path, names),
            StepKind::Choose(_) => self.choose(step, path, names),
            StepKind::Call(_) if self.passive && self.is_in_doubt(path) => {
                self.in_doubt.insert(path.clone(), (step, names.clone()));
                Flow::Blocked
            }
            _ => self.leaf(step, path, names),
        };
        if self.passive
            && let OnError::Steps(steps) = &step.on_error
            && !matches!(flow, Flow::Failed(..))
        {
            self.list(steps, Some(&path.child("on_error")), &mut names.clone());
        }
        match flow {
            Flow::Failed(at, failure) => self.failed(step, path, names, at, failure),
            Flow::Through => self.passed(step, path, names),
            flow => flow,
        }
    }

    /// A `parallel` has no status of its own: it has begun when one of its children has.
    fn has_begun(&self, path: &StepPath) -> bool {
        let prefix = format!("{path}.");
        self.state
            .steps
            .range(StepPath::from(prefix.clone())..)
            .take_while(|(child, _)| child.as_str().starts_with(&prefix))
            .any(|(_, child)| child.status != Status::Pending)
    }

    fn condition(&self, step: &Step, names: &Names) -> Result<bool, Failure> {
        match &step.condition {
            None => Ok(true),
            Some(condition) => {
                condition.test(&names.at(self.now)).map_err(|error| expression_failure(&error))
            }
        }
    }

    /// A pure change: record it and plan again before anything that follows.
    fn change(&mut self, path: &StepPath, change: Change) -> Flow {
        self.plan.changes.push((Some(path.clone()), change));
        Flow::Blocked
    }

    fn passed(&mut self, step: &'a Step, path: &StepPath, names: &mut Names<'a>) -> Flow {
        let state = self.state;
        let Some(done) = state.step(path) else { return Flow::Through };
        if done.status == Status::Done {
            names.set_step(&step.id, Cow::Borrowed(&done.output));
        }
        // What was only rehearsed has nothing to be taken back.
        let is_rehearsed = || ["shadow", "not_written"].iter().all(|field| done.output.get(field).is_some());
        if let StepKind::Call(CallStep { undo: Some(undo), .. }) = &step.kind
            && self.passive
            && done.status == Status::Done
            && !is_rehearsed()
        {
            let call =
                CallStep { tool: undo.tool.clone(), with: undo.with.clone(), rules: Vec::new(), undo: None };
            let undo = Step { kind: StepKind::Call(call), condition: None, ..step.clone() };
            self.undoable.insert(path.clone(), (undo, names.clone()));
        }
        if let StepKind::Wait(wait) = &step.kind
            && done.output.get("timed_out") == Some(&Value::Bool(true))
        {
            return self.list(&wait.on_timeout, Some(&path.child("on_timeout")), names);
        }
        Flow::Through
    }

    fn failed(
        &mut self,
        step: &'a Step,
        path: &StepPath,
        names: &mut Names<'a>,
        at: StepPath,
        failure: Failure,
    ) -> Flow {
        match &step.on_error {
            OnError::Fail => Flow::Failed(at, failure),
            OnError::Continue => {
                names.set_step(&step.id, Cow::Owned(Value::Null));
                Flow::Through
            }
            OnError::Steps(steps) => {
                names.set_step(&step.id, Cow::Owned(Value::Null));
                names.set_variable(
                    "failure",
                    Cow::Owned(json!({
                        "step": at, "class": failure.class, "message": failure.message,
                    })),
                );
                self.list(steps, Some(&path.child("on_error")), names)
            }
        }
    }

    fn parallel(
        &mut self,
        step: &'a Step,
        children: &'a [Step],
        path: &StepPath,
        names: &mut Names<'a>,
    ) -> Flow {
        let mut output = Map::new();
        let mut blocked = false;
        let mut failed = None;
        for child in children {
            let mut own = names.clone();
            match self.step(child, &path.child(&child.id), &mut own) {
                Flow::Through => {
                    let value = own.step(&child.id).cloned().unwrap_or(Value::Null);
                    output.insert(child.id.clone(), value);
                }
                Flow::Blocked | Flow::Ended(_) => blocked = true,
                flow @ Flow::Failed(..) => failed = failed.or(Some(flow)),
            }
        }
        // A failure waits for its siblings: what they did must be in the journal before undo begins.
        match (blocked, failed) {
            (true, _) => Flow::Blocked,
            (false, Some(flow)) => flow,
            (false, None) => {
                names.set_step(&step.id, Cow::Owned(Value::Object(output)));
                Flow::Through
            }
        }
    }

    fn choose(&mut self, step: &'a Step, path: &StepPath, names: &mut Names<'a>) -> Flow {
        let StepKind::Choose(branches) = &step.kind else { return Flow::Through };
        let status = self.state.status(path);
        if status == Status::Pending {
            let scope = names.at(self.now);
            for (index, branch) in branches.iter().enumerate() {
                match branch.condition.as_ref().map_or(Ok(true), |condition| condition.test(&scope)) {
                    Ok(true) => return self.change(path, Change::BranchTaken { index: Some(index) }),
                    Ok(false) => {}
                    Err(error) => {
                        return self.change(path, Change::Failed { failure: expression_failure(&error) });
                    }
                }
            }
            return self.change(path, Change::BranchTaken { index: None });
        }
        let taken = self.state.step(path).and_then(|step| step.branch);
        let inner = match taken.and_then(|index| branches.get(index)) {
            Some(branch) => self.list(&branch.steps, Some(path), names),
            None => Flow::Through,
        };
        match inner {
            Flow::Through if status == Status::Open && !self.passive => {
                self.change(path, Change::Done { output: json!({ "branch": taken }) })
            }
            flow => flow,
        }
    }

    fn settled(&self, path: &StepPath) -> Option<Flow> {
        let step = self.state.step(path).filter(|step| step.status == Status::Failed)?;
        let failure = step.failure.clone().unwrap_or_else(|| Failure::new("unknown", "the step failed"));
        Some(Flow::Failed(path.clone(), failure))
    }

    fn is_in_doubt(&self, path: &StepPath) -> bool {
        self.state.step(path).is_some_and(|step| match step.status {
            Status::Running | Status::Waiting => step.attempt > step.keyed_from,
            Status::Backoff => step.in_doubt,
            _ => false,
        })
    }

    /// Finds out what became of a call in doubt: at once, and again when its retry is due.
    pub(super) fn settle(&mut self, step: &Step, path: &StepPath, names: &Names<'a>) {
        let Some(known) = self.state.step(path) else { return };
        let is_due = match self.state.phase {
            Phase::Cancelling { at, .. } | Phase::Failing { at, .. }
                if known.status != Status::Waiting && known.started_at < Some(at) =>
            {
                true
            }
            _ => known.wake_at.is_none_or(|at| at <= self.now),
        };
        let is_asked_for = self.only.is_none_or(|only| only == path);
        if !is_due || !is_asked_for {
            return self.wait_for(path, known);
        }
        if !self.is_full() {
            self.ready(step, path, names, known, known.status == Status::Backoff);
            if let Some((task, ..)) = self.tasks.last_mut() {
                task.only_settles = true;
            }
        }
    }

    fn wait_for(&mut self, path: &StepPath, known: &StepState) {
        self.plan.waiting_for.push(path.clone());
        if let Some(at) = known.wake_at {
            self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |earliest| earliest.min(at)));
        }
    }

    /// A step that is executed: ready, under way, waiting, or settled.
    pub(super) fn leaf(&mut self, step: &Step, path: &StepPath, names: &Names<'a>) -> Flow {
        let none = StepState::default();
        let known = self.state.step(path).unwrap_or(&none);
        self.unsettled += usize::from(!known.status.is_settled());
        if let Some(flow) = self.settled(path) {
            return flow;
        }
        let due = known.wake_at.is_some_and(|at| at <= self.now);
        let (is_ready, new_attempt) = match known.status {
            Status::Done | Status::Skipped => return Flow::Through,
            Status::Pending => (true, true),
            Status::Running => (true, false),
            Status::Waiting => (due || known.fresh, false),
            Status::Backoff => (due, true),
            Status::Open | Status::Failed => (false, false),
        };
        let runs_beside =
            matches!(&step.kind, StepKind::Gate(gate) if gate.background) && known.status != Status::Pending;
        if !self.in_flight.contains(path) && !self.passive {
            if is_ready {
                if !self.is_full() && self.only.is_none_or(|only| only == path) {
                    self.ready(step, path, names, known, new_attempt);
                }
            } else {
                self.wait_for(path, known);
            }
        }
        if runs_beside { Flow::Through } else { Flow::Blocked }
    }

    fn ready(
        &mut self,
        step: &Step,
        path: &StepPath,
        names: &Names<'a>,
        known: &StepState,
        new_attempt: bool,
    ) {
        let leaf = match &step.kind {
            StepKind::Call(call) => Leaf::Call(call.clone()),
            StepKind::Agent(agent) => Leaf::Agent(agent.clone()),
            StepKind::Gate(gate) => Leaf::Gate(gate.clone()),
            StepKind::Wait(wait) => Leaf::Wait(wait.clone()),
            StepKind::Run(run) => Leaf::Run(run.clone()),
            StepKind::Parallel(_) | StepKind::Each(_) | StepKind::Choose(_) | StepKind::End(_) => return,
        };
        // An attempt that goes on keeps the time it began at, so that its expressions stay equal.
        let now = if new_attempt { self.now } else { known.started_at.unwrap_or(self.now) };
        let task = Task {
            path: path.clone(),
            leaf,
            attempt: known.attempt + u32::from(new_attempt),
            new_attempt,
            timeout: step.timeout,
            retry: step.retry.clone(),
            retried_from: known.retried_from,
            keyed_from: known.keyed_from,
            only_settles: false,
            scope: Arc::default(),
        };
        self.tasks.push((task, names.clone(), now));
    }
}
