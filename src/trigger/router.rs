//! Takes stored events, wakes the runs that wait for them, and starts the runs they trigger; each event in
//! the transaction that marks it routed.

use super::{
    Fit,
    apart::Care,
    digest, fit, gather, hold, listens,
    start::{Started, Starts, Wish},
};
use crate::{
    engine::{Definitions, Fault, Hints, crash_point, mend},
    run::Signal,
    store::{PgConnection, Store, StoreError, clock, events, events::StoredEvent, signals},
    telemetry::{
        metrics,
        trace::{self, Kind},
    },
    workflow::{CurrentEvents, Definition, EventTrigger, Trigger},
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Events routed in one transaction.
const BATCH_MAX: i64 = 32;
/// Between two looks without a hint, where hints of other processes arrive and where they do not.
const IDLE_PAUSE: Duration = Duration::from_secs(2);
const UNHEARD_PAUSE: Duration = Duration::from_secs(1);
/// A schedule that is due waits at most this long.
const SCHEDULES_EVERY: Duration = Duration::from_secs(4);
/// How often the safety net looks over lanes.
const MEND_EVERY: Duration = Duration::from_secs(60);

pub struct Router {
    pub store: Store,
    pub definitions: Arc<Definitions>,
    /// `site` as expressions see it.
    pub site: Value,
    pub hints: Hints,
    /// Channels that messages to people go to, besides the console.
    pub channels: Vec<String>,
    /// What the site says of the events it is sent.
    pub events: CurrentEvents,
}

/// What an event came to; the highest wins when several workflows look at it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Ignored,
    Flooded,
    Limited,
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
            Self::Limited => "limited",
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
        let mut mended = Instant::now();
        while !stop.is_cancelled() {
            if mended.elapsed() > MEND_EVERY {
                mended = Instant::now();
                if let Err(error) = self.mend().await {
                    tracing::warn!(%error, "the lanes could not be looked over; trying again");
                }
            }
            match self.pass().await {
                Ok(0) => {}
                Ok(_) => {
                    self.hints.tell();
                    continue;
                }
                Err(error) if error.is_conflict() => continue,
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

    async fn mend(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let has_mended = mend(&mut tx).await?;
        tx.commit().await?;
        if has_mended {
            self.hints.tell();
        }
        Ok(())
    }

    /// One look at new events (unless another router has the turn), and at what is over or due; says how much
    /// there was. An event that the database refuses stops no other.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        match self.look(Care::Together).await {
            Err(error) if self.store.has_made_day_for(&error).await? => self.look(Care::Together).await,
            Err(error) if error.is_of_data() => {
                tracing::warn!(%error, "the database refuses one of these events; each is looked at alone");
                self.look(Care::Apart).await
            }
            done => done,
        }
    }

    async fn look(&self, care: Care) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let routed = match self.look_in(&mut tx, care).await {
            Ok(routed) => routed,
            Err(error) => {
                // Who looks again at once finds the turn free.
                tx.rollback().await?;
                return Err(error);
            }
        };
        if routed > 0 {
            crash_point("before_route");
        }
        tx.commit().await?;
        if routed > 0 {
            crash_point("after_route");
        }
        Ok(routed)
    }

    async fn look_in(&self, tx: &mut PgConnection, care: Care) -> Result<usize, StoreError> {
        if !events::take_turn(tx).await? {
            return Ok(0);
        }
        let starts = Starts::new(&self.site);
        let mut new = events::lock_new(tx, BATCH_MAX).await?;
        for event in &mut new {
            let routed = async |db: &mut PgConnection| self.route(db, event, &starts).await;
            if let Some(why) = care.take(tx, routed).await? {
                tracing::warn!(event.id = %event.id, why, "an event failed");
                metrics::event_routed(Fate::Failed.word());
                events::mark(tx, event.id, Fate::Failed.word(), Some(&why)).await?;
            }
        }
        let held = hold::fire_due(tx, &self.definitions, &starts, care).await?;
        let gathered = gather::fire_due(tx, &self.definitions, &starts, care).await?;
        let told = digest::tell(tx, &self.definitions, &self.site, &self.channels).await?;
        starts.settle(tx).await?;
        Ok(new.len() + held + gathered + told)
    }

    async fn route(
        &self,
        db: &mut PgConnection,
        event: &mut StoredEvent,
        starts: &Starts<'_>,
    ) -> Result<(), StoreError> {
        let span = trace::span(Kind::Internal, &format!("route {}", event.r#type), event.trace.as_deref());
        // What the event starts continues below this span.
        event.trace = trace::traceparent(&span).or_else(|| event.trace.take());
        self.offer_to_all(db, event, starts).instrument(span).await
    }

    async fn offer_to_all(
        &self,
        db: &mut PgConnection,
        event: &StoredEvent,
        starts: &Starts<'_>,
    ) -> Result<(), StoreError> {
        if let Some(misfit) = self.events.misfit(&event.r#type, &event.data) {
            return misfits(db, event, &misfit).await;
        }
        let seen = event.seen();
        let mut fate = Fate::Ignored;
        let (mut notes, mut failed) = (Vec::new(), Vec::new());
        // Fired again: what others made of it the first time stands.
        let only = event.failed_for.as_deref();
        if only.is_none() && self.wake(db, event, &seen).await? {
            fate = Fate::Routed;
        }
        for definition in self.definitions.all_current() {
            let Trigger::Events(trigger) = &definition.workflow.trigger else { continue };
            if only.is_some_and(|only| !only.contains(&definition.workflow.id)) {
                continue;
            }
            if Fault::RouteTwice.is_seeded() {
                let _ = self.offer(db, (&definition, trigger), event, &seen, starts).await?;
            }
            match self.offer(db, (&definition, trigger), event, &seen, starts).await? {
                Ok((outcome, note)) => {
                    fate = fate.max(outcome);
                    notes.extend(note);
                }
                Err(error) => {
                    tracing::warn!(event.id = %event.id, workflow = definition.workflow.id, error, "an event failed");
                    fate = Fate::Failed;
                    notes.push(format!("{}: {error}", definition.workflow.id));
                    failed.push(definition.workflow.id.clone());
                }
            }
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        metrics::event_routed(fate.word());
        match fate {
            Fate::Failed => events::fail(db, event.id, &note.unwrap_or_default(), &failed).await,
            _ => events::mark(db, event.id, fate.word(), note.as_deref()).await,
        }
    }

    /// Tells the runs that wait for an event; whether there were any.
    async fn wake(
        &self,
        db: &mut PgConnection,
        event: &StoredEvent,
        seen: &Value,
    ) -> Result<bool, StoreError> {
        let mut woke = false;
        for (run, path) in events::subscribers(db, &event.r#type, event.subject.as_deref()).await? {
            let signal = Signal::of_event(event.id, run, path, seen.clone());
            woke |= signals::send(db, run, &signal).await?;
        }
        Ok(woke)
    }

    /// The inner error is the workflow's (an expression failed): the event is kept and says so.
    async fn offer(
        &self,
        db: &mut PgConnection,
        (definition, trigger): (&Definition, &EventTrigger),
        event: &StoredEvent,
        seen: &Value,
        starts: &Starts<'_>,
    ) -> Result<Result<(Fate, Option<String>), String>, StoreError> {
        if !listens(trigger, &event.r#type) {
            return Ok(Ok((Fate::Ignored, None)));
        }
        let now = json!(clock::now(db).await?);
        let Fit { key, holds } = match fit(trigger, &event.r#type, seen, &self.site, now) {
            Ok(fit) => fit,
            Err(error) => return Ok(Err(error)),
        };
        let workflow = &definition.workflow.id;
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
            key: key.filter(|_| !Fault::RouteTwice.is_seeded()),
            event: Some(event.id),
            trace: event.trace.clone(),
            flood: trigger.flood,
            starts,
            started_by: None,
        };
        let now = clock::now(db).await?;
        match gather::accept(db, wish, event, now).await {
            Ok(None) => Ok(Ok((Fate::Held, None))),
            Ok(Some(Started::Run(run))) => Ok(Ok((Fate::Routed, Some(run.to_string())))),
            Ok(Some(Started::Joined(run))) => Ok(Ok((Fate::Joined, Some(run.to_string())))),
            Ok(Some(Started::Limited(note))) => Ok(Ok((Fate::Limited, Some(note)))),
            Ok(Some(Started::Flooded)) => Ok(Ok((Fate::Flooded, Some(over_flood(workflow))))),
            Err(error) => error.blame().map(Err),
        }
    }
}

/// An event that is not what its schema says is kept and shown; it starts and wakes nothing.
async fn misfits(db: &mut PgConnection, event: &StoredEvent, misfit: &str) -> Result<(), StoreError> {
    let note = format!("its data does not fit events/{}.json: {misfit}", event.r#type);
    tracing::warn!(event.id = %event.id, note, "an event failed");
    metrics::event_routed(Fate::Failed.word());
    events::mark(db, event.id, Fate::Failed.word(), Some(&note)).await
}

pub(super) fn over_flood(workflow: &str) -> String {
    format!("more events than `flood` of `{workflow}` allows")
}
