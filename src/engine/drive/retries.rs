//! When a call that failed is made again: after the pause that its workflow declares, in the turn that the budget of its
//! system gives it.

use super::Driver;
use crate::{
    run::{Change, Failure, Leaf, Record, StepPath, StepState, Task, machine::Status, retry},
    telemetry::metrics,
};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

/// Classes of failures that a system which is well answers with.
const ANSWERS: [&str; 3] = ["invalid", "not_found", "denied"];

/// Retries that wait for their turn, as the journal has it.
pub(in crate::engine) fn deferred(records: &[Record]) -> BTreeSet<StepPath> {
    let mut deferred = BTreeSet::new();
    for record in records {
        let Some(path) = &record.path else { continue };
        if matches!(record.change, Change::Deferred { .. }) {
            deferred.insert(path.clone());
        } else {
            deferred.remove(path);
        }
    }
    deferred
}

impl Driver {
    pub(super) fn after_failure(
        &self,
        task: &Task,
        failure: Failure,
        retry_after: Option<Duration>,
    ) -> Change {
        let seed = Uuid::new_v5(&self.run.0, format!("{}:{}", task.path, task.attempt).as_bytes());
        let spread = f64::from(seed.as_bytes()[0]) / 255.0;
        // Undo and the like are calls too; a gate or a wait has no attempts to repeat.
        let may_retry = matches!(task.leaf, Leaf::Call(_));
        let attempt = task.attempt.saturating_sub(task.retried_from);
        let pause = may_retry
            .then(|| retry::pause(&task.retry, &failure.class, attempt, retry_after, spread))
            .flatten();
        match pause {
            Some(pause) => Change::Retrying { failure, wake_at: self.services.clock.now() + pause },
            None => Change::Failed { failure },
        }
    }

    /// A retry that its system has answered earns the next one.
    pub(super) fn answered(&self, task: &Task, failure: Option<&Failure>) {
        let Leaf::Call(call) = &task.leaf else { return };
        let is_retry = task.attempt.saturating_sub(task.retried_from) > 1;
        if is_retry && failure.is_none_or(|failure| ANSWERS.contains(&failure.class.as_str())) {
            self.services.brakes.answered(call.tool.system(), self.seconds());
        }
    }

    /// What may begin now: retries that the budget of their system does not cover ask again later.
    pub(super) fn in_turn(&mut self, ready: Vec<Task>) -> Vec<Task> {
        ready.into_iter().filter(|task| self.has_turn(task)).collect()
    }

    fn has_turn(&mut self, task: &Task) -> bool {
        let Leaf::Call(call) = &task.leaf else { return true };
        let now = self.services.clock.now();
        // What unwinding a run finds out before its retry is due is no retry.
        let is_due = |step: &StepState| {
            step.status == Status::Backoff && step.wake_at.is_some_and(|wake_at| wake_at <= now)
        };
        let system = call.tool.system();
        let has_waited = self.deferred.contains(&task.path);
        let who = (self.run, &task.path, task.attempt);
        let wait = match self.state.step(&task.path).is_some_and(is_due) {
            true => self.services.brakes.retry(system, who, self.seconds(), has_waited),
            false => None,
        };
        let Some(wait) = wait else {
            self.deferred.remove(&task.path);
            return true;
        };
        let wake_at = now + wait;
        if !has_waited {
            metrics::retry_deferred(system);
            self.deferred.insert(task.path.clone());
            let change = Change::Deferred { system: system.to_owned(), wake_at };
            self.record(Some(task.path.clone()), task.attempt.saturating_sub(1), change);
        } else if let Some(step) = self.state.steps.get_mut(&task.path) {
            // Only the run's row says when: one that waits for long would fill its journal with asking.
            step.wake_at = Some(wake_at);
        }
        false
    }

    pub(super) fn seconds(&self) -> f64 {
        self.services.clock.now().timestamp_micros() as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{Brakes, Caps, Clock, Driven, Executors, MemoryJournal, RowChange, Services},
        run::{Rank, RunId, StartedRun, State},
        workflow::{Bundle, Definition},
    };
    use chrono::{DateTime, TimeDelta, Utc};
    use serde_json::{Value, json};
    use std::{collections::BTreeMap, sync::Arc};

    const TEXT: &str =
        "workflow: w\ntitle: W\nowner: w\ntrigger: manual\nsteps:\n  - { id: look, call: cmms.look }\n";

    /// A run whose retry was turned away once, and should have asked again at `turn`.
    fn turned_away(definition: &Definition, turn: DateTime<Utc>) -> Vec<Record> {
        let start = StartedRun {
            workflow: "w".to_owned(),
            sha256: definition.sha256.clone(),
            trigger: Value::Null,
            inputs: json!({}),
            parent: None,
            approved: false,
            shadow: false,
            started_by: None,
            trace: None,
            rank: Rank::default(),
        };
        let (at, look) = (turn - TimeDelta::seconds(10), Some(StepPath::root("look")));
        let failure = Failure::new("transient", "busy");
        let changes = [
            (None, 0, Change::RunStarted(Box::new(start))),
            (look.clone(), 1, Change::Started),
            (look.clone(), 1, Change::Retrying { failure, wake_at: at }),
            (look, 1, Change::Deferred { system: "cmms".to_owned(), wake_at: turn }),
        ];
        let records = (0..).zip(changes).map(|(seq, (path, attempt, change))| Record {
            seq,
            at,
            path,
            attempt,
            change,
        });
        records.collect()
    }

    #[tokio::test]
    async fn a_retry_whose_run_is_woken_early_keeps_its_turn() {
        let path = "workflows/w.yaml".to_owned();
        let bundle = Bundle { files: BTreeMap::from([(path.clone(), TEXT.to_owned())]), path };
        let definition = Arc::new(Definition::compile(bundle).expect("it loads"));
        let turn = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let (journal, clock) = (Arc::new(MemoryJournal::default()), Arc::new(Clock::standing(turn)));
        let services = Arc::new(Services {
            journal: journal.clone(),
            clock: clock.clone(),
            lease: Arc::default(),
            executors: Executors::new(),
            ladders: Arc::new(()),
            site: json!({}),
            caps: Caps { payload_bytes_max: 1 << 20, run_bytes_max: 1 << 20 },
            brakes: Arc::new(Brakes::default()),
        });
        let records = turned_away(&definition, turn);
        // A worker that claims the run, for whatever reason: when does it look at it again?
        let wakes = async || {
            let state = State::fold(&records).expect("a journal that folds");
            let driver =
                Driver::new(services.clone(), definition.clone(), RunId(Uuid::from_u128(7)), state, 0);
            let driven = driver.holding(&records, deferred(&records)).drive(Vec::new()).await;
            assert!(matches!(driven, Driven::Parked), "{driven:?}");
            let commit = journal.take().pop().expect("a commit");
            assert!(commit.records.is_empty(), "asking again is not journaled: {:?}", commit.records);
            match commit.row {
                RowChange::Park { wake_at, .. } => wake_at,
                other => panic!("it waits: {other:?}"),
            }
        };
        let granted = wakes().await.expect("a time");
        assert!(granted > turn, "a process that has saved up nothing turns it away");
        for _ in 0..3 {
            clock.set(clock.now() + TimeDelta::seconds(1));
            assert!(clock.now() < granted);
            assert_eq!(wakes().await, Some(granted), "at {}", clock.now());
        }
    }
}
