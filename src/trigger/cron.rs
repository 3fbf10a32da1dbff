//! When a five-field cron expression fires in a time zone.
//!
//! The `cron` crate only iterates wall-clock times: weekday numbers are translated for it, and the two DST
//! nights are resolved here (a time that does not exist fires when it would have; one that exists twice, once).

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use cron::Schedule;
use std::str::FromStr;

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
        Ok(Self { schedule, zone })
    }

    /// Firings after a time, in order.
    pub fn after(&self, time: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        // A day earlier on the wall clock, so that a repeated hour cannot hide a firing.
        let wall = time.with_timezone(&self.zone).naive_local() - TimeDelta::days(1);
        let mut last = time;
        self.schedule
            .after(&Utc.from_utc_datetime(&wall))
            .filter_map(move |wall| self.instant(wall.naive_utc()))
            .filter(move |at| {
                let is_next = *at > last;
                if is_next {
                    last = *at;
                }
                is_next
            })
    }

    fn instant(&self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
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
mod tests {
    use super::*;

    fn firings(cron: &str, after: &str, count: usize) -> Vec<String> {
        let zone = chrono_tz::America::Chicago;
        let times = CronTimes::new(cron, zone).expect("a good expression");
        let after = DateTime::parse_from_rfc3339(after).expect("a time").to_utc();
        times
            .after(after)
            .take(count)
            .map(|at| at.with_timezone(&zone).format("%a %m-%d %H:%M%z").to_string())
            .collect()
    }

    #[test]
    fn weekdays_are_monday_to_friday() {
        let week = firings("0 6 * * 1-5", "2026-11-21T00:00:00-06:00", 5);
        let days: Vec<&str> = week.iter().map(|at| &at[..3]).collect();
        assert_eq!(days, ["Mon", "Tue", "Wed", "Thu", "Fri"]);
        assert_eq!(
            firings("0 6 * * 0", "2026-11-21T00:00:00-06:00", 1),
            firings("0 6 * * 7", "2026-11-21T00:00:00-06:00", 1)
        );
    }

    #[test]
    fn a_time_that_does_not_exist_fires_once_after_the_jump() {
        let nights = firings("30 2 * * *", "2026-03-07T12:00:00-06:00", 2);
        assert_eq!(nights, ["Sun 03-08 03:30-0500", "Mon 03-09 02:30-0500"]);
    }

    #[test]
    fn a_time_that_exists_twice_fires_once() {
        let nights = firings("30 1 * * *", "2026-10-31T12:00:00-05:00", 2);
        assert_eq!(nights, ["Sun 11-01 01:30-0500", "Mon 11-02 01:30-0600"]);
    }

    #[test]
    fn a_day_of_the_month_and_a_weekday_together_are_refused() {
        assert!(CronTimes::new("0 6 13 * 5", chrono_tz::UTC).is_err());
        assert!(CronTimes::new("0 6 * *", chrono_tz::UTC).is_err());
        assert!(CronTimes::new("0 6 * * 9", chrono_tz::UTC).is_err());
    }
}
