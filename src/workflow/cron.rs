//! When a five-field cron expression fires in a time zone.
//!
//! The `cron` crate only iterates wall-clock times, from fields that were read here; the nights in which clocks
//! change are resolved here too. A time of day that does not exist fires when it would have; one that exists
//! twice fires once. What fires in every hour goes on by the clock: the hour that is left out is left out, the
//! one that comes twice has its firings twice.

mod fields;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use cron::Schedule;
use std::{collections::BTreeSet, str::FromStr};

/// Longer than clocks jump in one night.
const JUMP_MAX: TimeDelta = TimeDelta::hours(3);

/// What is wrong, and at which byte of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    pub at: usize,
    pub message: String,
}

/// The firings of one schedule.
#[derive(Debug, Clone)]
pub struct CronTimes {
    schedule: Schedule,
    zone: Tz,
    is_hourly: bool,
}

impl CronTimes {
    pub fn new(cron: &str, zone: Tz) -> Result<Self, CronError> {
        let [minutes, hours, days, months, weekdays] = fields::read(cron)?;
        let is_hourly = hours.len() == 24;
        // The crate counts weekdays from 1 for Sunday.
        let weekdays: BTreeSet<u32> = weekdays.into_iter().map(|day| day % 7 + 1).collect();
        let texts = [minutes, hours, days, months, weekdays].map(|values| {
            let values: Vec<String> = values.iter().map(u32::to_string).collect();
            values.join(",")
        });
        let schedule = Schedule::from_str(&format!("0 {}", texts.join(" "))).map_err(|error| CronError {
            at: 0,
            message: format!("`{cron}` is not a cron expression: {error}"),
        })?;
        Ok(Self { schedule, zone, is_hourly })
    }

    /// Firings after a time, in order, each once.
    pub fn after(&self, time: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        // A day earlier on the wall clock, so that a repeated hour cannot hide a firing.
        let wall = time.with_timezone(&self.zone).naive_local() - TimeDelta::days(1);
        let mut walls =
            self.schedule.after(&Utc.from_utc_datetime(&wall)).map(|wall| wall.naive_utc()).peekable();
        let mut pending = BTreeSet::new();
        std::iter::from_fn(move || {
            loop {
                // A firing goes out when no later wall-clock time can still come before it, or be the same.
                let first = pending.first().copied();
                match walls.peek() {
                    Some(wall) if first.is_none_or(|first| self.earliest(*wall) <= first) => {
                        pending.extend(self.instants(*wall).into_iter().flatten().filter(|at| *at > time));
                        walls.next();
                    }
                    _ => return pending.pop_first(),
                }
            }
        })
    }

    /// When a wall-clock time fires.
    fn instants(&self, wall: NaiveDateTime) -> [Option<DateTime<Utc>>; 2] {
        match self.zone.from_local_datetime(&wall) {
            LocalResult::Ambiguous(first, second) if self.is_hourly => {
                [Some(first.to_utc()), Some(second.to_utc())]
            }
            LocalResult::None if self.is_hourly => [None, None],
            _ => [self.instant(wall), None],
        }
    }

    /// Before it no wall-clock time from this one on fires.
    fn earliest(&self, wall: NaiveDateTime) -> DateTime<Utc> {
        match self.zone.from_local_datetime(&wall) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
            LocalResult::None => self.instant(wall).map_or(DateTime::<Utc>::MIN_UTC, |at| at - JUMP_MAX),
        }
    }

    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The moment of a wall-clock time.
    pub fn instant(&self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.zone.from_local_datetime(&wall) {
            LocalResult::Single(at) => Some(at.to_utc()),
            LocalResult::Ambiguous(first, _) => Some(first.to_utc()),
            // The clock jumped over this time: it fires as many minutes after the jump as it lay behind it.
            LocalResult::None => {
                let before = self.zone.from_local_datetime(&(wall - JUMP_MAX)).earliest()?;
                Some(before.to_utc() + JUMP_MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests;
