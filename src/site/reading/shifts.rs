//! `shifts:` of a site, checked: each is somebody's hours at some time of the week.

use super::*;
use chrono::{Timelike as _, Weekday};

const DAY_MINUTES: u32 = 24 * 60;

const EVERY_DAY: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

impl Reading<'_> {
    pub(super) fn shifts(&mut self, shifts: Vec<Spanned<ShiftFile>>) -> Vec<Shift> {
        let mut seen = BTreeSet::new();
        let mut taken = BTreeSet::new();
        let mut read = |shift: Spanned<ShiftFile>| {
            let at = shift.referenced;
            if !seen.insert(shift.value.id.clone()) {
                self.problem(at, format!("two shifts have the id `{}`", shift.value.id));
            }
            let shift = self.shift(shift.value);
            self.own_hours(at, &shift, &mut taken);
            shift
        };
        shifts.into_iter().map(&mut read).collect()
    }

    fn shift(&mut self, shift: ShiftFile) -> Shift {
        let days = shift.days.map_or_else(|| EVERY_DAY.to_vec(), |days| self.days(&days));
        Shift {
            starts: self.clock_time(&shift.starts),
            ends: self.clock_time(&shift.ends),
            id: shift.id,
            days,
            overtime: self.days(&shift.overtime),
        }
    }

    /// Shifts may overlap while one hands over to the next; one that has no minute of its own is never the current one.
    fn own_hours(&mut self, at: Location, shift: &Shift, taken: &mut BTreeSet<u32>) {
        let minutes = minutes_of_week(shift);
        if minutes.is_empty() {
            let message = format!(
                "the shift `{}` has no day: leave `days` out for every day, or name its overtime",
                shift.id
            );
            self.problem(at, message);
        } else if minutes.is_subset(taken) {
            let message = format!(
                "the shift `{}` has no time of its own: shifts above it have all of its hours, so nobody would ever be \
                 asked in it",
                shift.id
            );
            self.problem(at, message);
        }
        taken.extend(minutes);
    }

    fn days(&mut self, days: &[Text]) -> Vec<Weekday> {
        let mut read = |day: &Text| {
            let read = day.value.parse().ok();
            if read.is_none() {
                self.problem(
                    day.referenced,
                    format!("`{}` is no day of the week: write mon, tue, …", day.value),
                );
            }
            read
        };
        days.iter().filter_map(&mut read).collect()
    }

    fn clock_time(&mut self, text: &Text) -> NaiveTime {
        NaiveTime::parse_from_str(&text.value, "%H:%M").unwrap_or_else(|_| {
            self.problem(text.referenced, format!("`{}` is no time of day: write \"06:00\"", text.value));
            NaiveTime::MIN
        })
    }
}

/// Minutes since Monday began; a night shift that begins on Sunday ends on Monday.
fn minutes_of_week(shift: &Shift) -> BTreeSet<u32> {
    let minute = |time: NaiveTime| time.hour() * 60 + time.minute();
    let (starts, mut ends) = (minute(shift.starts), minute(shift.ends));
    if ends <= starts {
        ends += DAY_MINUTES;
    }
    let days = EVERY_DAY.into_iter().filter(|day| shift.works_on(*day));
    let of_day = |day: Weekday| {
        let began = day.num_days_from_monday() * DAY_MINUTES;
        (starts..ends).map(move |minute| (began + minute) % (7 * DAY_MINUTES))
    };
    days.flat_map(of_day).collect()
}
