//! Takes stored events, wakes the runs that wait for them, and starts the runs they trigger; each event in
//! the transaction that marks it routed.

use super::{
    event::event_json,
    hold, scheduler,
    start::{Started, Wish, start},
};
use crate::{
    engine::{Definitions, Hints, crash_point},
    expr::Scope,
    run::{Signal, SignalKind},
    store::{PgConnection, Store, StoreError, clock, events, events::StoredEvent, signals},
    workflow::{Definition, EventTrigger, Trigger},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Events routed in one transaction.
const BATCH_MAX: i64 = 32;

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
    /// Routes until `stop`: on a hint at once, otherwise every second.
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
            tokio::select! {
                () = stop.cancelled() => return,
                _ = wake.changed() => {}
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    /// One look at new events, holds that are over and schedules that are due; says how much there was.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let new = events::lock_new(&mut tx, BATCH_MAX).await?;
        for event in &new {
            self.route(&mut tx, event).await?;
        }
        let held = hold::fire_due(&mut tx, &self.definitions).await?;
        let fired = scheduler::fire_due(&mut tx, &self.definitions).await?;
        let routed = new.len() + held + fired;
        if routed > 0 {
            crash_point("before_route");
        }
        tx.commit().await?;
        if routed > 0 {
            crash_point("after_route");
        }
        Ok(routed)
    }

    async fn route(&self, db: &mut PgConnection, event: &StoredEvent) -> Result<(), StoreError> {
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
