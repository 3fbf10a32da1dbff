//! Times as people at the site read them.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::Serialize;

/// The site's zone and the moment a page is made for.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Clock {
    pub zone: Tz,
    pub now: DateTime<Utc>,
}

/// One moment: for the machine, for people, and how far away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::http) struct When {
    pub iso: String,
    /// `06:27` today, `Tue 24 Nov 06:27` on another day.
    pub local: String,
    /// `15 min`, without a direction.
    pub distance: String,
    pub is_past: bool,
}

impl Clock {
    pub(in crate::http) fn when(&self, at: DateTime<Utc>) -> When {
        let local = at.with_timezone(&self.zone);
        let today = self.now.with_timezone(&self.zone).date_naive();
        let format = if local.date_naive() == today { "%H:%M" } else { "%a %-d %b %H:%M" };
        When {
            iso: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            local: local.format(format).to_string(),
            distance: words((at - self.now).abs()),
            is_past: at <= self.now,
        }
    }

    /// To the second, for logs of what happened.
    pub(in crate::http) fn exact(&self, at: DateTime<Utc>) -> String {
        let local = at.with_timezone(&self.zone);
        let today = self.now.with_timezone(&self.zone).date_naive();
        let format = if local.date_naive() == today { "%H:%M:%S" } else { "%a %-d %b %H:%M:%S" };
        local.format(format).to_string()
    }
}

/// A length of time in at most two units.
pub(in crate::http) fn words(length: TimeDelta) -> String {
    let seconds = length.num_seconds();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds < 1 => format!("{} ms", length.num_milliseconds()),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_two_units_at_most() {
        let of = |seconds| words(TimeDelta::seconds(seconds));
        let lengths = [0, 59, 60, 3599, 3600, 7500, 86_400, 273_600].map(of);
        assert_eq!(lengths, ["0 ms", "59 s", "1 min", "59 min", "1 h", "2 h 5 min", "1 d", "3 d 4 h"]);
    }

    #[test]
    fn the_site_s_day_decides_what_today_is() {
        // 05:30 UTC is still the evening before in Chicago.
        let now: DateTime<Utc> = "2026-11-24T05:30:00Z".parse().unwrap();
        let clock = Clock { zone: chrono_tz::America::Chicago, now };
        let soon = clock.when("2026-11-24T05:45:00Z".parse().unwrap());
        assert_eq!((soon.local.as_str(), soon.distance.as_str(), soon.is_past), ("23:45", "15 min", false));
        assert_eq!(clock.when("2026-11-24T06:10:00Z".parse().unwrap()).local, "Tue 24 Nov 00:10");
    }
}
