//! Fires schedules: each nominal time once, late ones as `catch_up` says, overlapping ones as `overlap` says.
//!
//! When nothing is due it only asks for the time: when each schedule is next due is kept in memory, and worked
//! out again when its definition changes.

use super::{
    catch_up::{Verdict, decide},
    firing::Firing,
    schedules::Schedule,
    start::Starts,
};
use crate::{
    engine::{Definitions, Hints},
    site::Site,
    store::{
        PgConnection, Store, StoreError,
        schedules::{self, Asker, FiringState, Origin},
    },
    workflow::Overlap,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often to look without a hint.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Hints come with every commit; schedules can wait so long.
const REST: Duration = Duration::from_millis(50);
/// Less is a clock being set right.
const CLOCK_BACK_MIN: TimeDelta = TimeDelta::seconds(1);
/// Waiting firings looked at in one transaction.
const WAITING_MAX: i64 = 100;

pub struct Scheduler {
    store: Store,
    definitions: Arc<Definitions>,
    site: Arc<Site>,
    /// `site` as expressions see it.
    scope: Value,
    hints: Hints,
    plans: BTreeMap<String, Plan>,
    /// The latest time seen, to notice a clock that goes back.
    latest: DateTime<Utc>,
}

/// A schedule and when it wants to be looked at.
struct Plan {
    schedule: Schedule,
    sha256: String,
    due: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Unknown,
    At(DateTime<Utc>),
    Never,
}

impl Scheduler {
    pub fn new(store: Store, definitions: Arc<Definitions>, site: Arc<Site>, hints: Hints) -> Self {
        let scope = site.scope();
        Self {
            store,
            definitions,
            site,
            scope,
            hints,
            plans: BTreeMap::new(),
            latest: DateTime::<Utc>::MIN_UTC,
        }
    }

    /// Fires until `stop`: soon after a hint, otherwise every second.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut wake = self.hints.subscribe();
        while !stop.is_cancelled() {
            match self.pass().await {
                Ok(0) => {}
                Ok(_) => self.hints.tell(),
                Err(error) => tracing::warn!(%error, "schedules could not be looked at; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(REST) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = wake.changed() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// One look at every schedule that is due or has firings that wait; says how many firings were decided.
    pub async fn pass(&mut self) -> Result<usize, StoreError> {
        self.read_definitions();
        if self.plans.is_empty() {
            return Ok(0);
        }
        let (now, waiting) = schedules::look(&mut *self.store.connection().await?).await?;
        if self.latest - now > CLOCK_BACK_MIN {
            tracing::warn!(was = %self.latest, %now, "the clock went back: what has fired does not fire again");
        }
        self.latest = now;
        let mut decided = 0;
        for (workflow, plan) in &mut self.plans {
            let is_due = match plan.due {
                Next::Unknown => true,
                Next::At(at) => at <= now,
                Next::Never => false,
            };
            if !is_due && !waiting.contains(workflow) {
                continue;
            }
            // One schedule that fails must not stop the others.
            let mut settled = settle(&self.store, plan, &self.scope, now).await;
            if let Err(error) = &settled
                && self.store.has_made_day_for(error).await?
            {
                settled = settle(&self.store, plan, &self.scope, now).await;
            }
            match settled {
                Ok(settled) => decided += settled,
                Err(error) => tracing::warn!(workflow, %error, "a schedule could not fire; trying again"),
            }
        }
        Ok(decided)
    }

    fn read_definitions(&mut self) {
        let current = self.definitions.all_current();
        self.plans.retain(|workflow, plan| {
            current.iter().any(|new| new.workflow.id == *workflow && new.sha256 == plan.sha256)
        });
        for definition in current {
            if self.plans.contains_key(&definition.workflow.id) {
                continue;
            }
            let sha256 = definition.sha256.clone();
            let Some(schedule) = Schedule::of(definition, &self.site) else { continue };
            if let Err(error) = schedule.times() {
                tracing::error!(workflow = schedule.workflow(), %error, "the schedule cannot fire");
            }
            let workflow = schedule.workflow().to_owned();
            self.plans.insert(workflow, Plan { schedule, sha256, due: Next::Unknown });
        }
    }
}

/// Starts what waits and decides what is due, in a transaction that holds the schedule's row.
async fn settle(
    store: &Store,
    plan: &mut Plan,
    site: &Value,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let mut tx = store.begin().await?;
    match settle_in(&mut tx, &plan.schedule, site, now).await {
        Ok(Some((decided, next))) => {
            tx.commit().await?;
            plan.due = next;
            Ok(decided)
        }
        Ok(None) => Ok(0),
        Err(error) => {
            // Now, not when the connection is next used: whoever tries again finds the row locked until then.
            tx.rollback().await?;
            Err(error)
        }
    }
}

/// How many firings were decided, and when to look again; `None` when another process is on it.
async fn settle_in(
    tx: &mut PgConnection,
    schedule: &Schedule,
    site: &Value,
    now: DateTime<Utc>,
) -> Result<Option<(usize, Next)>, StoreError> {
    let starts = Starts::new(site);
    schedules::begin(tx, schedule.workflow(), &schedule.spec(), now).await?;
    let Some(mut standing) = schedules::try_lock(tx, schedule.workflow()).await? else { return Ok(None) };
    let mut decided = start_waiting(tx, schedule, &starts, standing.pause.is_some(), now).await?;
    let spec = schedule.spec();
    let is_edited = standing.spec.as_ref().is_some_and(|known| *known != spec);
    if is_edited {
        standing.through = standing.through.max(now);
    }
    let next = match schedule.times() {
        Err(_) => Next::Never,
        Ok(times) => {
            let due = decide(times, schedule.trigger.catch_up, &standing, now);
            decided += due.verdicts.len();
            fire_due(tx, schedule, &starts, &due.verdicts, now).await?;
            if let Some((last, _)) = due.verdicts.last() {
                standing.through = *last;
            }
            due.next.map_or(Next::Never, Next::At)
        }
    };
    if decided > 0 || is_edited || standing.spec.is_none() {
        schedules::advance(tx, schedule.workflow(), standing.through, &spec).await?;
    }
    starts.settle(tx).await?;
    Ok(Some((decided, next)))
}

async fn fire_due(
    tx: &mut PgConnection,
    schedule: &Schedule,
    starts: &Starts<'_>,
    verdicts: &[(DateTime<Utc>, Verdict)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    schedule.write_off(tx, verdicts).await?;
    for (nominal, _) in verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Fire) {
        let asked = (Origin::Clock, None);
        let added = schedules::add(tx, schedule.workflow(), &[*nominal], FiringState::Asked, asked).await?;
        if added.is_empty() {
            continue;
        }
        let firing = firing(schedule, starts, *nominal, Origin::Clock, None);
        let fate = firing.fire(tx, now).await?;
        firing.settle(tx, fate).await?;
    }
    Ok(())
}

/// Decides what people asked for, and starts what was buffered as far as runs may be open.
async fn start_waiting(
    tx: &mut PgConnection,
    schedule: &Schedule,
    starts: &Starts<'_>,
    is_paused: bool,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let waiting = schedules::waiting(tx, schedule.workflow(), !is_paused, WAITING_MAX).await?;
    let (buffered, asked): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|waiting| waiting.state == FiringState::Buffered);
    let mut decided = 0;
    for waiting in &buffered {
        let firing = firing(schedule, starts, waiting.nominal, waiting.origin, waiting.asked.as_ref());
        let Some(fate) = firing.start_buffered(tx, now).await? else { break };
        firing.settle(tx, fate).await?;
        decided += 1;
    }
    for waiting in &asked {
        let firing = firing(schedule, starts, waiting.nominal, waiting.origin, waiting.asked.as_ref());
        let fate = firing.fire(tx, now).await?;
        firing.settle(tx, fate).await?;
        decided += 1;
    }
    Ok(decided)
}

fn firing<'a>(
    schedule: &'a Schedule,
    starts: &'a Starts<'a>,
    nominal: DateTime<Utc>,
    origin: Origin,
    asked: Option<&'a Asker>,
) -> Firing<'a> {
    let overlap: Overlap = schedule.trigger.overlap;
    Firing { definition: &schedule.definition, overlap, nominal, origin, asked, starts }
}
