//! Plant calendars: which days, or which hours, a plant works.

use super::model::Site;
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc, Weekday};
use std::collections::BTreeSet;

/// How far a working day is looked for.
const SEARCH_DAYS_MAX: usize = 366;

/// Working days from shifts, less holidays and planned shutdowns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Shifts whose hours count; empty means that whole days count.
    pub shifts: Vec<String>,
    /// Days on which one of the shifts, or any shift of the plant, starts to work in normal hours.
    pub days: Vec<Weekday>,
    pub holidays: BTreeSet<NaiveDate>,
    pub shutdowns: Vec<Shutdown>,
}

/// Both days are part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl Calendar {
    pub fn is_working_day(&self, day: NaiveDate) -> bool {
        self.days.contains(&day.weekday())
            && !self.holidays.contains(&day)
            && !self.shutdowns.iter().any(|shutdown| (shutdown.from..=shutdown.to).contains(&day))
    }

    /// This day or the first working day after it; `None` when there is none within a year.
    pub fn working_day_from(&self, day: NaiveDate) -> Option<NaiveDate> {
        day.iter_days().take(SEARCH_DAYS_MAX).find(|day| self.is_working_day(*day))
    }

    /// This day or the last working day before it; `None` when there is none within a year.
    pub fn working_day_until(&self, day: NaiveDate) -> Option<NaiveDate> {
        let mut back = (0..SEARCH_DAYS_MAX as u64).map_while(|days| day.checked_sub_days(Days::new(days)));
        back.find(|day| self.is_working_day(*day))
    }
}

impl Site {
    /// Whether the plant works: on this day, or, where the calendar names shifts, in one of them. A night
    /// shift belongs to the day on which it starts.
    pub fn works(&self, calendar: &Calendar, at: DateTime<Utc>) -> bool {
        let day = at.with_timezone(&self.time_zone).date_naive();
        if calendar.shifts.is_empty() {
            return calendar.is_working_day(day);
        }
        let days = [day.checked_sub_days(Days::new(1)), Some(day)];
        let works = |day: NaiveDate| {
            calendar.is_working_day(day)
                && self.shift_spans_on(day).iter().any(|span| {
                    calendar.shifts.contains(&span.shift.id)
                        && span.shift.days.contains(&day.weekday())
                        && (span.starts..span.ends).contains(&at)
                })
        };
        days.into_iter().flatten().any(works)
    }
}
