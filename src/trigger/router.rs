//! Takes stored events, wakes the runs that wait for them, and starts the runs they trigger; each event in
//! the transaction that marks it routed.

use super::{
    event::event_json,
    hold, scheduler,
    start::{Started, Wish, start},
};
use crate::{
    engine::{Definitions, Hints},
    expr::Scope,
    run::{Signal, SignalKind},
    store::{PgConnection, Store, StoreError, clock, events, events::StoredEvent, signals},
    telemetry::{
        metrics,
        trace::{self, Kind},
    },
    workflow::{Definition, EventTrigger, Trigger},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

/// Events routed in one transaction.
const BATCH_MAX: i64 = 32;
/// Between two looks without a hint, where hints of other processes arrive and where they do not.
const IDLE_PAUSE: Duration = Duration::from_secs(2);
const UNHEARD_PAUSE: Duration = Duration::from_secs(1);
/// A schedule that is due waits at most this long.
const SCHEDULES_EVERY: Duration = Duration::from_secs(4);

pub struct Router {
    pub store: Store,
    pub definitions: Arc<Definitions>,
    /// `site` as expressions see it.
    pub site: Value,
    pub hints: Hints,
}

/// What an event came to; the highest wins when several workflows look at it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Ignored,
    Flooded,
    Joined,
    Held,
    Routed,
    Failed,
}

impl Fate {
    fn word(&self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Flooded => "flooded",
            Self::Joined => "joined",
            Self::Held => "held",
            Self::Routed => "routed",
            Self::Failed => "failed",
        }
    }
}

impl Router {
    /// Routes until `stop`: on a hint at once; otherwise it asks from time to time whether there is anything.
    pub async fn run(self, stop: CancellationToken) {
        let mut wake = self.hints.subscribe();
        while !stop.is_cancelled() {
            match self.pass().await {
                Ok(0) => {}
                Ok(_) => {
                    self.hints.tell();
                    continue;
                }
                Err(error) => tracing::warn!(%error, "routing events failed; trying again"),
            }
            self.rest(&mut wake, &stop).await;
        }
    }

    /// Until a hint, until something is there, or until schedules want to be looked at.
    async fn rest(&self, wake: &mut watch::Receiver<u64>, stop: &CancellationToken) {
        let pause = if self.store.hears_others() { IDLE_PAUSE } else { UNHEARD_PAUSE };
        let mut slept = Duration::ZERO;
        while slept < SCHEDULES_EVERY {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = wake.changed() => return,
                () = tokio::time::sleep(pause) => slept += pause,
            }
            let waiting = async { events::is_waiting(&mut *self.store.connection().await?).await };
            if waiting.await.unwrap_or(true) {
                return;
            }
        }
    }

    /// One look at new events, holds that are over and schedules that are due; says how much there was.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let mut new = events::lock_new(&mut tx, BATCH_MAX).await?;
        for event in &mut new {
            self.route(&mut tx, event).await?;
        }
        let held = hold::fire_due(&mut tx, &self.definitions).await?;
        let fired = scheduler::fire_due(&mut tx, &self.definitions).await?;
        tx.commit().await?;
        Ok(new.len() + held + fired)
    }

    async fn route(&self, db: &mut PgConnection, event: &mut StoredEvent) -> Result<(), StoreError> {
        let span = trace::span(Kind::Internal, &format!("route {}", event.r#type), event.trace.as_deref());
        // What the event starts continues below this span.
        event.trace = trace::traceparent(&span).or_else(|| event.trace.take());
        self.offer_to_all(db, event).instrument(span).await
    }

    async fn offer_to_all(&self, db: &mut PgConnection, event: &StoredEvent) -> Result<(), StoreError> {
        let seen = event_json(event);
        let mut fate = Fate::Ignored;
        let mut notes = Vec::new();
        for (run, path) in events::subscribers(db, &event.r#type).await? {
            let id = Uuid::new_v5(&event.id, format!("{run}:{path}").as_bytes());
            let signal = Signal { id, kind: SignalKind::Event, path: Some(path), body: seen.clone() };
            if signals::send(db, run, &signal).await? {
                fate = fate.max(Fate::Routed);
            }
        }
        for definition in self.definitions.all_current() {
            let Trigger::Events(trigger) = &definition.workflow.trigger else { continue };
            match self.offer(db, &definition, trigger, event, &seen).await? {
                Ok((outcome, note)) => {
                    fate = fate.max(outcome);
                    notes.extend(note);
                }
                Err(error) => {
                    tracing::warn!(event.id = %event.id, workflow = definition.workflow.id, error, "an event failed");
                    fate = Fate::Failed;
                    notes.push(format!("{}: {error}", definition.workflow.id));
                }
            }
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        metrics::event_routed(fate.word());
        events::mark(db, event.id, fate.word(), note.as_deref()).await
    }

    /// The inner error is the workflow's (an expression failed): the event is kept and says so.
    async fn offer(
        &self,
        db: &mut PgConnection,
        definition: &Definition,
        trigger: &EventTrigger,
        event: &StoredEvent,
        seen: &Value,
    ) -> Result<Result<(Fate, Option<String>), String>, StoreError> {
        let patterns: Vec<_> =
            trigger.patterns.iter().filter(|pattern| pattern.event == event.r#type).collect();
        if patterns.is_empty() {
            return Ok(Ok((Fate::Ignored, None)));
        }
        let mut scope = Scope::new();
        scope.insert("event".into(), seen.clone());
        scope.insert("site".into(), self.site.clone());
        scope.insert("now".into(), json!(clock::now(db).await?));
        let key = match trigger.key.as_ref().map(|key| key.eval(&scope)).transpose() {
            Ok(key) => key.map(|key| key.as_str().map_or_else(|| key.to_string(), str::to_owned)),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let workflow = &definition.workflow.id;
        let mut holds = false;
        for condition in patterns.iter().map(|pattern| &pattern.condition) {
            match (test(condition, &scope), test(&trigger.condition, &scope)) {
                (Ok(own), Ok(common)) => holds |= own && common,
                (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
            }
        }
        let hold_key = key.clone().unwrap_or_else(|| event.id.to_string());
        if !holds {
            events::release_hold(db, workflow, &hold_key).await?;
            return Ok(Ok((Fate::Ignored, None)));
        }
        if let Some(hold) = trigger.hold {
            let is_first = events::hold(db, workflow, &hold_key, event.id, hold).await?;
            let fate = if is_first { Fate::Held } else { Fate::Joined };
            return Ok(Ok((fate, None)));
        }
        let wish = Wish {
            definition,
            trigger: seen.clone(),
            subject: event.subject.clone(),
            key,
            event: Some(event.id),
            trace: event.trace.clone(),
            flood: trigger.flood,
        };
        let now = clock::now(db).await?;
        match start(db, wish, now).await {
            Ok(Started::Run(run)) => Ok(Ok((Fate::Routed, Some(run.to_string())))),
            Ok(Started::Joined(run)) => Ok(Ok((Fate::Joined, Some(run.to_string())))),
            Ok(Started::Flooded) => {
                Ok(Ok((Fate::Flooded, Some(format!("more events than `flood` of `{workflow}` allows")))))
            }
            Err(super::start::WishError::Inputs(error)) => Ok(Err(error)),
            Err(super::start::WishError::Start(error)) => Err(error.into()),
        }
    }
}

fn test(condition: &Option<crate::expr::Expr>, scope: &Scope) -> Result<bool, String> {
    condition.as_ref().map_or(Ok(true), |condition| condition.test(scope).map_err(|error| error.to_string()))
}
