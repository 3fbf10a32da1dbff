//! What people see of schedules and do with them: look, pause, resume, backfill, trigger. Each is audited.
//!
//! Asking for a firing only writes it down; the scheduler starts it, also when it runs in another process, or
//! only later.

use super::{
    catch_up::{Verdict, decide},
    times::{Times, TimesError},
};
use crate::{
    run::Actor,
    site::Site,
    store::{
        PgConnection, StoreError, audit,
        schedules::{self, Asker, Firing, FiringState, Origin, Pause, Standing},
    },
    workflow::{CronTrigger, Definition, OnClosed, Trigger},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// Most firings of one backfill.
pub const BACKFILL_MAX: usize = 1_000;
const NEXT_SHOWN: usize = 5;
/// How far back a request to trigger may be repeated.
const TRIGGER_AGE_MAX: TimeDelta = TimeDelta::hours(1);

/// A workflow with a cron trigger.
pub struct Schedule {
    pub definition: Arc<Definition>,
    pub trigger: CronTrigger,
    times: Result<Times, TimesError>,
}

#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error("there is no schedule `{0}`: `takt cron list` lists the workflows with a cron trigger")]
    NoSchedule(String),
    #[error(transparent)]
    Times(#[from] TimesError),
    #[error("{by} has paused it already, at {at}")]
    PausedAlready { by: String, at: DateTime<Utc> },
    #[error("it is not paused")]
    NotPaused,
    #[error("a backfill begins before it ends: give the earlier time first")]
    RangeReversed,
    #[error("a backfill is of the past, and {0} is still to come: the schedule fires by itself then")]
    RangeInFuture(DateTime<Utc>),
    #[error("the range has more than {BACKFILL_MAX} firings: backfill a part of it at a time")]
    TooMany,
    #[error("{0} is no time to trigger: it is now, or the time of a request that is repeated within an hour")]
    NotNow(DateTime<Utc>),
    #[error("the firing of {0} was asked for before: it is not started twice")]
    AskedAlready(DateTime<Utc>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A schedule as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    pub workflow: String,
    pub title: String,
    pub cron: String,
    pub time_zone: String,
    pub calendar: Option<String>,
    pub on_closed: Option<&'static str>,
    pub catch_up: String,
    pub overlap: String,
    pub jitter_seconds: u64,
    pub pause: Option<Pause>,
    /// Every nominal time up to here has been decided; absent before a server has seen the schedule.
    pub through: Option<DateTime<Utc>>,
    /// What lies between now and `through` has fired before the clock was set back, and does not fire again.
    pub clock_went_back: bool,
    /// Nominal times.
    pub next: Vec<DateTime<Utc>>,
    /// Why there is no next one.
    pub problem: Option<String>,
    /// Firings that wait for the end of the open run.
    pub buffered: i64,
    /// The newest, by nominal time.
    pub firings: Vec<Firing>,
}

/// What a backfill does, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backfill {
    /// Firings that will start, one after the other.
    pub starts: Vec<DateTime<Utc>>,
    /// Firings that have a run already, or wait for one.
    pub taken: Vec<DateTime<Utc>>,
}

impl Schedule {
    /// `None` where the workflow has no cron trigger.
    pub fn of(definition: Arc<Definition>, site: &Arc<Site>) -> Option<Self> {
        let Trigger::Cron(trigger) = &definition.workflow.trigger else { return None };
        let times = Times::new(&definition.workflow.id, trigger, site);
        Some(Self { trigger: trigger.clone(), times, definition })
    }

    pub fn find(
        definition: Option<Arc<Definition>>,
        workflow: &str,
        site: &Arc<Site>,
    ) -> Result<Self, ScheduleError> {
        let found = definition.and_then(|definition| Self::of(definition, site));
        found.ok_or_else(|| ScheduleError::NoSchedule(workflow.to_owned()))
    }

    pub fn workflow(&self) -> &str {
        &self.definition.workflow.id
    }

    pub fn times(&self) -> Result<&Times, TimesError> {
        self.times.as_ref().map_err(Clone::clone)
    }

    /// What fires when: an edit of it begins the schedule anew.
    pub(super) fn spec(&self) -> String {
        let calendar = self.trigger.calendar.as_ref();
        let calendar =
            calendar.map_or(String::new(), |on| format!(" {} {}", on.name, closed_word(on.on_closed)));
        format!("{} {}{calendar}", self.trigger.cron, self.trigger.time_zone)
    }

    pub async fn view(
        &self,
        db: &mut PgConnection,
        now: DateTime<Utc>,
        firings: i64,
    ) -> Result<View, StoreError> {
        let standing = schedules::standing(db, self.workflow()).await?;
        let through = standing.as_ref().map(|standing| standing.through);
        let from = through.map_or(now, |through| through.max(now));
        let next: Vec<_> = match &self.times {
            Ok(times) => times.after(from).take(NEXT_SHOWN).collect(),
            Err(_) => Vec::new(),
        };
        let problem = match &self.times {
            Err(error) => Some(error.to_string()),
            Ok(_) if next.is_empty() => Some("it never fires: look at `cron` and `calendar`".to_owned()),
            Ok(_) => None,
        };
        let trigger = &self.trigger;
        Ok(View {
            workflow: self.workflow().to_owned(),
            title: self.definition.workflow.title.clone(),
            cron: trigger.cron.clone(),
            time_zone: trigger.time_zone.to_string(),
            calendar: trigger.calendar.as_ref().map(|on| on.name.clone()),
            on_closed: trigger.calendar.as_ref().map(|on| closed_word(on.on_closed)),
            catch_up: trigger.catch_up.to_string(),
            overlap: trigger.overlap.to_string(),
            jitter_seconds: trigger.jitter.map_or(0, |jitter| jitter.as_secs()),
            pause: standing.and_then(|standing| standing.pause),
            through,
            clock_went_back: through.is_some_and(|through| through > now),
            next,
            problem,
            buffered: schedules::buffered(db, self.workflow()).await?,
            firings: schedules::recent(db, self.workflow(), firings).await?,
        })
    }

    /// From now on the clock starts nothing; what people ask for still starts. Call it in a transaction.
    pub async fn pause(
        &self,
        tx: &mut PgConnection,
        by: impl Into<Actor>,
        note: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), ScheduleError> {
        let by = by.into();
        let standing = self.lock(tx, now).await?;
        if let Some(pause) = standing.pause {
            return Err(ScheduleError::PausedAlready { by: pause.by, at: pause.at });
        }
        let pause = Pause { at: now, by: by.name().to_owned(), note: note.map(str::to_owned) };
        schedules::pause(tx, self.workflow(), &pause).await?;
        let detail = json!({ "note": note });
        audit::add(tx, by, "schedule.pause", Some(self.workflow()), &detail).await?;
        Ok(())
    }

    /// What was due meanwhile stays paused; a backfill starts it. Call it in a transaction.
    pub async fn resume(
        &self,
        tx: &mut PgConnection,
        by: impl Into<Actor>,
        note: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), ScheduleError> {
        let by = by.into();
        let mut standing = self.lock(tx, now).await?;
        if standing.pause.is_none() {
            return Err(ScheduleError::NotPaused);
        }
        if let Ok(times) = &self.times {
            loop {
                let decided = decide(times, self.trigger.catch_up, &standing, now);
                let Some((last, _)) = decided.verdicts.last() else { break };
                standing.through = *last;
                self.write_off(tx, &decided.verdicts).await?;
            }
        }
        schedules::advance(tx, self.workflow(), standing.through.max(now), &self.spec()).await?;
        schedules::resume(tx, self.workflow()).await?;
        let detail = json!({ "note": note });
        audit::add(tx, by, "schedule.resume", Some(self.workflow()), &detail).await?;
        Ok(())
    }

    /// Asks for one firing more, now. Its nominal time is `at`, so that a request sent twice is one firing.
    /// Call it in a transaction.
    pub async fn trigger(
        &self,
        tx: &mut PgConnection,
        by: impl Into<Actor>,
        at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, ScheduleError> {
        let (by, nominal) = (by.into(), at.unwrap_or(now));
        if nominal > now || now - nominal > TRIGGER_AGE_MAX {
            return Err(ScheduleError::NotNow(nominal));
        }
        let asker = asker(&by);
        let asked = (Origin::Trigger, Some(&asker));
        let added = schedules::add(tx, self.workflow(), &[nominal], FiringState::Asked, asked).await?;
        if added.is_empty() {
            return Err(ScheduleError::AskedAlready(nominal));
        }
        let detail = json!({ "nominal": nominal });
        audit::add(tx, by, "schedule.trigger", Some(self.workflow()), &detail).await?;
        Ok(nominal)
    }

    /// What a backfill of this range (both ends are part of it) would start.
    pub async fn plan_backfill(
        &self,
        db: &mut PgConnection,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Backfill, ScheduleError> {
        if to < from {
            return Err(ScheduleError::RangeReversed);
        }
        if to > now {
            return Err(ScheduleError::RangeInFuture(to));
        }
        let times = self.times()?;
        let before = from - TimeDelta::microseconds(1);
        let range = times.after(before).take_while(|at| *at <= to);
        let nominal: Vec<DateTime<Utc>> = range.take(BACKFILL_MAX + 1).collect();
        if nominal.len() > BACKFILL_MAX {
            return Err(ScheduleError::TooMany);
        }
        let taken = schedules::taken(db, self.workflow(), &nominal).await?;
        let (taken, starts) = nominal.into_iter().partition(|at| taken.contains(at));
        Ok(Backfill { starts, taken })
    }

    /// Starts what the range has and no run was started for; what `overlap` is, one after the other unless it
    /// is `allow_all`. Call it in a transaction.
    pub async fn backfill(
        &self,
        tx: &mut PgConnection,
        by: impl Into<Actor>,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        now: DateTime<Utc>,
    ) -> Result<Backfill, ScheduleError> {
        let by = by.into();
        self.lock(tx, now).await?;
        let mut planned = self.plan_backfill(tx, from, to, now).await?;
        let mut starts = schedules::backfill(tx, self.workflow(), &planned.starts, &asker(&by)).await?;
        starts.sort_unstable();
        planned.starts = starts;
        let detail = json!({ "from": from, "to": to, "firings": planned.starts.len() });
        audit::add(tx, by, "schedule.backfill", Some(self.workflow()), &detail).await?;
        Ok(planned)
    }

    /// Writes down firings that start nothing.
    pub(super) async fn write_off(
        &self,
        db: &mut PgConnection,
        verdicts: &[(DateTime<Utc>, Verdict)],
    ) -> Result<(), StoreError> {
        for (verdict, state) in
            [(Verdict::Missed, FiringState::Missed), (Verdict::Paused, FiringState::Paused)]
        {
            let of_kind = verdicts.iter().filter(|(_, found)| *found == verdict);
            let nominal: Vec<DateTime<Utc>> = of_kind.map(|(nominal, _)| *nominal).collect();
            if !nominal.is_empty() {
                schedules::add(db, self.workflow(), &nominal, state, (Origin::Clock, None)).await?;
            }
        }
        Ok(())
    }

    /// The schedule's row, which begins now where there is none.
    async fn lock(&self, tx: &mut PgConnection, now: DateTime<Utc>) -> Result<Standing, StoreError> {
        schedules::begin(tx, self.workflow(), &self.spec(), now).await?;
        let standing = schedules::lock(tx, self.workflow()).await?;
        Ok(standing.unwrap_or(Standing { through: now, spec: None, pause: None }))
    }
}

fn asker(by: &Actor) -> Asker {
    Asker { by: by.name().to_owned(), via: by.auth().map(str::to_owned) }
}

fn closed_word(on_closed: OnClosed) -> &'static str {
    match on_closed {
        OnClosed::Skip => "skip",
        OnClosed::Next => "next",
        OnClosed::Previous => "previous",
    }
}
