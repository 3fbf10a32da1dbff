//! Times as people write them for a range: a moment, a local time, or a whole day.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Which end of a day a date means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Start,
    End,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no time: write a day like 2026-11-24, a local time like 2026-11-24T06:00, or one with its offset"
)]
pub struct MomentError(String);

/// `2026-11-24`, `2026-11-24T06:00` or `2026-11-24 06:00` in the zone, `2026-11-24T06:00:00-06:00`.
pub fn moment(text: &str, zone: Tz, edge: Edge) -> Result<DateTime<Utc>, MomentError> {
    let text = text.trim();
    let local = |wall: NaiveDateTime| {
        let later = (0..=180).map(|minutes| wall + TimeDelta::minutes(minutes));
        later.into_iter().find_map(|wall| zone.from_local_datetime(&wall).earliest()).map(|at| at.to_utc())
    };
    let refused = || MomentError(text.to_owned());
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let midnight = match edge {
            Edge::Start => local(day.and_time(NaiveTime::MIN)),
            Edge::End => day
                .checked_add_days(Days::new(1))
                .and_then(|next| local(next.and_time(NaiveTime::MIN)))
                .map(|next| next - TimeDelta::microseconds(1)),
        };
        return midnight.ok_or_else(refused);
    }
    let formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"];
    let wall = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    wall.and_then(local).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_local_times_and_moments() {
        let zone = chrono_tz::America::Chicago;
        let read = |text, edge| moment(text, zone, edge).map(|at| at.to_rfc3339());
        assert_eq!(read("2026-11-24", Edge::Start).as_deref(), Ok("2026-11-24T06:00:00+00:00"));
        assert_eq!(read("2026-11-24", Edge::End).as_deref(), Ok("2026-11-25T05:59:59.999999+00:00"));
        assert_eq!(read(" 2026-11-24T06:00 ", Edge::End).as_deref(), Ok("2026-11-24T12:00:00+00:00"));
        assert_eq!(read("2026-11-24T06:00:00Z", Edge::Start).as_deref(), Ok("2026-11-24T06:00:00+00:00"));
        // The hour that the clock jumps over begins when it is over.
        assert_eq!(read("2026-03-08 02:30", Edge::Start).as_deref(), Ok("2026-03-08T08:00:00+00:00"));
        for wrong in ["", "24.11.2026", "2026-11-31", "2026-11-24T25:00"] {
            assert!(read(wrong, Edge::Start).is_err(), "{wrong}");
        }
    }
}
