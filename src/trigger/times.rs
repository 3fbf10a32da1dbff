//! When a schedule fires: its cron expression, thinned out or moved by a plant calendar, late by its jitter.

use crate::{
    site::{Calendar, Site},
    workflow::{CronError, CronTimes, CronTrigger, OnClosed},
};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

/// A calendar that lets nothing fire for so long lets nothing fire.
const HORIZON: TimeDelta = TimeDelta::days(4 * 366);

#[derive(Debug, Clone, thiserror::Error)]
pub enum TimesError {
    #[error(transparent)]
    Cron(#[from] CronError),
    #[error("takt.yaml has no calendar `{0}`: add it, or take `calendar` out of the trigger")]
    NoCalendar(String),
}

/// The firings of one schedule.
#[derive(Debug, Clone)]
pub struct Times {
    workflow: String,
    cron: CronTimes,
    jitter: TimeDelta,
    calendar: Option<(Calendar, OnClosed)>,
    site: Arc<Site>,
}

/// A firing has its nominal time for a name, and is due by its jitter later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub nominal: DateTime<Utc>,
    pub at: DateTime<Utc>,
}

impl Times {
    pub fn new(workflow: &str, trigger: &CronTrigger, site: &Arc<Site>) -> Result<Self, TimesError> {
        let calendar = match &trigger.calendar {
            None => None,
            Some(wanted) => {
                let found = site.calendars.get(&wanted.name).cloned();
                let found = found.ok_or_else(|| TimesError::NoCalendar(wanted.name.clone()))?;
                Some((found, wanted.on_closed))
            }
        };
        Ok(Self {
            workflow: workflow.to_owned(),
            cron: CronTimes::new(&trigger.cron, trigger.time_zone)?,
            jitter: trigger.jitter.and_then(|j| TimeDelta::from_std(j).ok()).unwrap_or_default(),
            calendar,
            site: site.clone(),
        })
    }

    /// Nominal times after a time, in order, each once.
    pub fn after(&self, time: DateTime<Utc>) -> Box<dyn Iterator<Item = DateTime<Utc>> + '_> {
        match &self.calendar {
            None => Box::new(self.cron.after(time)),
            Some((calendar, OnClosed::Skip)) => {
                let end = time + HORIZON;
                let times = self.cron.after(time).take_while(move |at| *at <= end);
                Box::new(times.filter(|at| self.site.works(calendar, *at)))
            }
            Some((calendar, on_closed)) => Box::new(self.moved(calendar, *on_closed, time)),
        }
    }

    /// The same with the times at which they are due. One that comes before another is never due after it.
    pub fn due_after(&self, through: DateTime<Utc>) -> impl Iterator<Item = Due> + '_ {
        let mut latest = DateTime::<Utc>::MIN_UTC;
        self.after(through).map(move |nominal| {
            latest = latest.max(nominal + self.jitter_of(nominal));
            Due { nominal, at: latest }
        })
    }

    /// Always the same for a nominal time, so that a restart changes nothing.
    fn jitter_of(&self, nominal: DateTime<Utc>) -> TimeDelta {
        let limit = u64::try_from(self.jitter.num_milliseconds()).unwrap_or_default();
        if limit == 0 {
            return TimeDelta::zero();
        }
        let digest = Sha256::digest(format!("{} {}", self.workflow, nominal.timestamp()));
        let drawn = digest.iter().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        TimeDelta::milliseconds(i64::try_from(drawn % limit).unwrap_or_default())
    }

    /// Times of closed days go to a working day, at the same time of day; two that meet there are one.
    fn moved<'a>(
        &'a self,
        calendar: &'a Calendar,
        on_closed: OnClosed,
        time: DateTime<Utc>,
    ) -> impl Iterator<Item = DateTime<Utc>> + 'a {
        let zone = self.cron.zone();
        let target = move |day: NaiveDate| match on_closed {
            OnClosed::Previous => calendar.working_day_until(day),
            OnClosed::Next | OnClosed::Skip => calendar.working_day_from(day),
        };
        let end = time + HORIZON;
        let begin = self.begin(calendar, on_closed, time);
        let mut moved = self
            .cron
            .after(begin)
            .take_while(move |at| *at <= end)
            .filter_map(move |at| {
                let local = at.with_timezone(&zone).naive_local();
                let day = target(local.date())?;
                let at =
                    if day == local.date() { at } else { self.cron.instant(day.and_time(local.time()))? };
                Some((day, at))
            })
            .peekable();
        let mut of_day: VecDeque<DateTime<Utc>> = VecDeque::new();
        std::iter::from_fn(move || {
            loop {
                if let Some(at) = of_day.pop_front() {
                    return Some(at);
                }
                let (day, first) = moved.next()?;
                let mut times = BTreeSet::from([first]);
                while let Some((_, at)) = moved.next_if(|(other, _)| *other == day) {
                    times.insert(at);
                }
                of_day.extend(times.into_iter().filter(|at| *at > time));
            }
        })
    }

    /// Early enough that no time before `time` that moves beyond it is forgotten.
    fn begin(&self, calendar: &Calendar, on_closed: OnClosed, time: DateTime<Utc>) -> DateTime<Utc> {
        let today = time.with_timezone(&self.cron.zone()).date_naive();
        let first = match on_closed {
            OnClosed::Previous => today,
            OnClosed::Next | OnClosed::Skip => {
                let worked = today.pred_opt().and_then(|day| calendar.working_day_until(day));
                worked.and_then(|day| day.succ_opt()).unwrap_or(today - Days::new(366))
            }
        };
        let midnight = self.cron.instant(first.and_time(chrono::NaiveTime::MIN));
        midnight.map_or(time, |midnight| midnight - TimeDelta::microseconds(1)).min(time)
    }
}

#[cfg(test)]
mod tests;
