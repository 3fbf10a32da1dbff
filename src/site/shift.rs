use super::model::{Shift, Site};
use chrono::{DateTime, Datelike as _, Days, Duration, NaiveDate, NaiveDateTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;

/// One occurrence of a shift, `starts <= t < ends`. On the two DST nights it is an hour shorter or longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftSpan<'a> {
    pub shift: &'a Shift,
    pub starts: DateTime<Utc>,
    pub ends: DateTime<Utc>,
}

impl Shift {
    /// Whether it is worked on the days that start it, in normal hours or overtime.
    pub fn works_on(&self, day: Weekday) -> bool {
        self.days.contains(&day) || self.overtime.contains(&day)
    }
}

impl Site {
    pub fn shift_at(&self, at: DateTime<Utc>) -> Option<&Shift> {
        self.shift_span_at(at).map(|span| span.shift)
    }

    pub fn shift_span_at(&self, at: DateTime<Utc>) -> Option<ShiftSpan<'_>> {
        self.spans_around(at).into_iter().find(|span| span.starts <= at && at < span.ends)
    }

    /// Of two ends equally near, the one ahead.
    pub fn shift_ending_near(&self, at: DateTime<Utc>) -> Option<&Shift> {
        let distance = |span: &ShiftSpan| ((span.ends - at).abs(), span.ends < at);
        self.spans_around(at).into_iter().min_by_key(distance).map(|span| span.shift)
    }

    pub fn shift_starting_near(&self, at: DateTime<Utc>) -> Option<&Shift> {
        let distance = |span: &ShiftSpan| ((span.starts - at).abs(), span.starts < at);
        self.spans_around(at).into_iter().min_by_key(distance).map(|span| span.shift)
    }

    /// The shifts that start on a local day, in the order of takt.yaml.
    pub fn shift_spans_on(&self, day: NaiveDate) -> Vec<ShiftSpan<'_>> {
        self.shifts.iter().filter_map(|shift| self.span(day, shift)).collect()
    }

    /// Every occurrence that starts on the local day of `at`, the day before or the day after. Those of working days
    /// come first: a weekend has crews of its own, and a day off has the people of its hours.
    fn spans_around(&self, at: DateTime<Utc>) -> Vec<ShiftSpan<'_>> {
        let today = at.with_timezone(&self.time_zone).date_naive();
        let days = [today.checked_sub_days(Days::new(1)), Some(today), today.checked_add_days(Days::new(1))];
        let spans = days.into_iter().flatten().flat_map(|day| {
            self.shift_spans_on(day).into_iter().map(move |span| (!span.shift.works_on(day.weekday()), span))
        });
        let mut spans: Vec<_> = spans.collect();
        spans.sort_by_key(|(is_day_off, _)| *is_day_off);
        spans.into_iter().map(|(_, span)| span).collect()
    }

    fn span<'a>(&self, day: NaiveDate, shift: &'a Shift) -> Option<ShiftSpan<'a>> {
        let Shift { starts, ends, .. } = shift;
        let last_day = if ends <= starts { day.checked_add_days(Days::new(1))? } else { day };
        Some(ShiftSpan {
            shift,
            starts: instant(self.time_zone, day.and_time(*starts))?,
            ends: instant(self.time_zone, last_day.and_time(*ends))?,
        })
    }
}

/// A wall-clock time that occurs twice means the first; one that is skipped means the end of the gap.
fn instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    const GAP_MINUTES_MAX: i64 = 24 * 60;
    let mut later = (0..=GAP_MINUTES_MAX).filter_map(|m| local.checked_add_signed(Duration::minutes(m)));
    later.find_map(|time| zone.from_local_datetime(&time).earliest()).map(|time| time.with_timezone(&Utc))
}
