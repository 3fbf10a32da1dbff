//! When a five-field cron expression fires in a time zone.
//!
//! The `cron` crate only iterates wall-clock times: weekday numbers are translated for it, and the two DST
//! nights are resolved here. A time of day that does not exist fires when it would have; one that exists twice
//! fires once. What fires in every hour goes on by the clock: the hour that is left out is left out, the one
//! that comes twice has its firings twice.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use cron::Schedule;
use std::{collections::VecDeque, str::FromStr};

#[derive(Debug, Clone, thiserror::Error)]
#[error("`{cron}` is not a cron expression ({reason}): write five fields, like `0 6 * * 1-5`")]
pub struct CronError {
    pub cron: String,
    pub reason: String,
}

/// The firings of one schedule.
#[derive(Debug, Clone)]
pub struct CronTimes {
    schedule: Schedule,
    zone: Tz,
    is_hourly: bool,
}

const WEEKDAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

impl CronTimes {
    pub fn new(cron: &str, zone: Tz) -> Result<Self, CronError> {
        let refused = |reason: &str| CronError { cron: cron.to_owned(), reason: reason.to_owned() };
        let fields: Vec<&str> = cron.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(refused(&format!("it has {} fields", fields.len())));
        };
        // Classic cron joins the two with OR, this crate with AND: neither is what everybody reads.
        if *day != "*" && *weekday != "*" {
            return Err(refused("give a day of the month or a weekday, not both"));
        }
        let weekday = weekday_names(weekday).ok_or_else(|| refused("the weekday is not 0-7 or a name"))?;
        let text = format!("0 {minute} {hour} {day} {month} {weekday}");
        let schedule = Schedule::from_str(&text).map_err(|error| refused(&error.to_string()))?;
        Ok(Self { schedule, zone, is_hourly: *hour == "*" })
    }

    /// Firings after a time, in order.
    pub fn after(&self, time: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        // A day earlier on the wall clock, so that a repeated hour cannot hide a firing.
        let wall = time.with_timezone(&self.zone).naive_local() - TimeDelta::days(1);
        let mut walls = self.schedule.after(&Utc.from_utc_datetime(&wall)).peekable();
        let mut repeated: VecDeque<DateTime<Utc>> = VecDeque::new();
        let mut last = time;
        std::iter::from_fn(move || {
            loop {
                let wall = walls.peek().map(DateTime::naive_utc)?;
                let at = match self.zone.from_local_datetime(&wall) {
                    LocalResult::Ambiguous(first, second) if self.is_hourly => {
                        repeated.push_back(second.to_utc());
                        Some(first.to_utc())
                    }
                    // The repeated hour is over only after its second time.
                    _ if !repeated.is_empty() => match repeated.pop_front().filter(|at| *at > last) {
                        Some(at) => {
                            last = at;
                            return Some(at);
                        }
                        None => continue,
                    },
                    LocalResult::None if self.is_hourly => None,
                    _ => self.instant(wall),
                };
                walls.next();
                if let Some(at) = at.filter(|at| *at > last) {
                    last = at;
                    return Some(at);
                }
            }
        })
    }

    pub(super) fn zone(&self) -> Tz {
        self.zone
    }

    /// The moment of a wall-clock time.
    pub(super) fn instant(&self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.zone.from_local_datetime(&wall) {
            LocalResult::Single(at) => Some(at.to_utc()),
            LocalResult::Ambiguous(first, _) => Some(first.to_utc()),
            // The clock jumped over this time: it fires as many minutes after the jump as it lay behind it.
            LocalResult::None => {
                let before = self.zone.from_local_datetime(&(wall - TimeDelta::hours(3))).earliest()?;
                Some(before.to_utc() + TimeDelta::hours(3))
            }
        }
    }
}

/// `1-5` becomes `MON-FRI`: in the crate's own numbers it would be Sunday to Thursday.
fn weekday_names(field: &str) -> Option<String> {
    let name = |day: &str| match day.parse::<usize>() {
        Ok(number) => WEEKDAYS.get(number).map(|name| (*name).to_owned()),
        Err(_) => Some(day.to_owned()),
    };
    let part = |part: &str| {
        let (days, step) = part.split_once('/').map_or((part, None), |(days, step)| (days, Some(step)));
        let days = match days.split_once('-') {
            Some((from, to)) => format!("{}-{}", name(from)?, name(to)?),
            None => name(days)?,
        };
        Some(step.map_or(days.clone(), |step| format!("{days}/{step}")))
    };
    let parts: Option<Vec<String>> = field.split(',').map(part).collect();
    parts.map(|parts| parts.join(","))
}

#[cfg(test)]
mod tests;
