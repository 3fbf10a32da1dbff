use super::*;
use crate::{
    site::{Environment, Overrides},
    workflow::OnCalendar,
};
use proptest::prelude::*;
use std::time::Duration;

/// Thanksgiving 2026 is a Thursday; the plant is shut down from Christmas Eve to New Year's Day.
const SITE: &str = r#"name: Plant
time_zone: America/Chicago
shifts:
  - { id: A, starts: "06:00", ends: "14:00", days: [mon, tue, wed, thu, fri], overtime: [sat] }
  - { id: C, starts: "22:00", ends: "06:00", days: [mon, tue, wed, thu, fri] }
calendars:
  production_days:
    holidays: [2026-11-26]
    shutdowns: [{ from: 2026-12-24, to: 2027-01-01 }]
  night:
    shifts: [C]
    holidays: [2026-11-26]
roles:
  lead: { title: Lead }
people:
  - { id: ann, name: Ann, roles: [lead] }
"#;

fn site() -> Arc<Site> {
    Arc::new(Site::parse("takt.yaml", SITE, &Environment::default(), &Overrides::default()).expect("a site"))
}

fn trigger(cron: &str, calendar: Option<(&str, OnClosed)>, jitter: u64) -> CronTrigger {
    CronTrigger {
        cron: cron.into(),
        time_zone: chrono_tz::America::Chicago,
        catch_up: Default::default(),
        overlap: Default::default(),
        jitter: (jitter > 0).then(|| Duration::from_secs(jitter)),
        calendar: calendar.map(|(name, on_closed)| OnCalendar { name: name.into(), on_closed }),
    }
}

fn times(cron: &str, calendar: &str, on_closed: OnClosed) -> Times {
    Times::new("w", &trigger(cron, Some((calendar, on_closed)), 0), &site()).expect("times")
}

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
}

fn shown(times: &Times, after: &str, count: usize) -> Vec<String> {
    let zone = chrono_tz::America::Chicago;
    let found = times.after(at(after)).take(count);
    found.map(|at| at.with_timezone(&zone).format("%a %m-%d %H:%M").to_string()).collect()
}

#[test]
fn closed_days_are_skipped() {
    let daily = times("0 6 * * *", "production_days", OnClosed::Skip);
    assert_eq!(
        shown(&daily, "2026-11-25T00:00:00-06:00", 3),
        ["Wed 11-25 06:00", "Fri 11-27 06:00", "Mon 11-30 06:00"]
    );
    assert_eq!(shown(&daily, "2026-12-23T00:00:00-06:00", 2), ["Wed 12-23 06:00", "Mon 01-04 06:00"]);
}

#[test]
fn closed_days_move_to_the_next_or_the_last_working_day() {
    let monthly = times("0 6 1 * *", "production_days", OnClosed::Next);
    assert_eq!(
        shown(&monthly, "2026-10-15T00:00:00-05:00", 3),
        ["Mon 11-02 06:00", "Tue 12-01 06:00", "Mon 01-04 06:00"]
    );
    // Also when one asks in the middle of the closed days.
    assert_eq!(shown(&monthly, "2027-01-02T12:00:00-06:00", 1), ["Mon 01-04 06:00"]);
    let before = times("0 6 1 * *", "production_days", OnClosed::Previous);
    assert_eq!(
        shown(&before, "2026-10-15T00:00:00-05:00", 3),
        ["Fri 10-30 06:00", "Tue 12-01 06:00", "Wed 12-23 06:00"]
    );
    assert_eq!(shown(&before, "2026-12-23T06:00:00-06:00", 1), ["Mon 02-01 06:00"]);
}

#[test]
fn times_that_meet_on_one_day_are_one() {
    let daily = times("0 6 * * *", "production_days", OnClosed::Next);
    assert_eq!(
        shown(&daily, "2026-11-26T00:00:00-06:00", 3),
        ["Fri 11-27 06:00", "Mon 11-30 06:00", "Tue 12-01 06:00"]
    );
}

#[test]
fn a_night_shift_belongs_to_the_day_on_which_it_starts() {
    let nights = times("0 2 * * *", "night", OnClosed::Skip);
    // Wednesday's shift works on the holiday's morning; the holiday's own does not.
    assert_eq!(
        shown(&nights, "2026-11-24T12:00:00-06:00", 4),
        ["Wed 11-25 02:00", "Thu 11-26 02:00", "Sat 11-28 02:00", "Tue 12-01 02:00"]
    );
    assert_eq!(shown(&times("0 12 * * *", "night", OnClosed::Skip), "2026-11-24T12:00:00-06:00", 1), [""; 0]);
}

#[test]
fn a_calendar_that_is_not_there_is_an_error() {
    let error = Times::new("w", &trigger("0 6 * * *", Some(("holidays", OnClosed::Skip)), 0), &site());
    assert!(error.is_err_and(|error| error.to_string().contains("no calendar `holidays`")));
}

#[test]
fn jitter_is_the_same_each_time_and_keeps_the_order() {
    let of = |workflow: &str| {
        let times = Times::new(workflow, &trigger("* * * * *", None, 150), &site()).expect("times");
        times.due_after(at("2026-11-24T00:00:00Z")).take(200).collect::<Vec<_>>()
    };
    let due = of("w");
    assert_eq!(due, of("w"));
    assert_ne!(due, of("other"));
    assert!(due.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let late = |due: &Due| due.at - due.nominal;
    assert!(due.iter().all(|due| late(due) >= TimeDelta::zero() && late(due) < TimeDelta::seconds(150)));
    assert!(due.iter().any(|due| late(due) > TimeDelta::seconds(60)));
}

proptest! {
    /// Moved or skipped: in order, on working days only, each once, wherever one begins.
    #[test]
    fn only_working_days(
        minute in 0..60u32, hour in 0..24u32, day in prop_oneof![Just("*".to_owned()), (1..29u32).prop_map(|d| d.to_string())],
        start in 1_790_000_000_i64..1_800_000_000, closed in 0..3usize,
    ) {
        let on_closed = [OnClosed::Skip, OnClosed::Next, OnClosed::Previous][closed];
        let times = times(&format!("{minute} {hour} {day} * *"), "production_days", on_closed);
        let start = DateTime::from_timestamp(start, 0).expect("a time");
        let all: Vec<_> = times.after(start).take(6).collect();
        let site = site();
        let calendar = &site.calendars["production_days"];
        prop_assert!(all.iter().all(|at| *at > start && site.works(calendar, *at)));
        prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
        for (index, at) in all.iter().enumerate() {
            let rest: Vec<_> = times.after(*at).take(all.len() - index - 1).collect();
            prop_assert_eq!(&rest, &all[index + 1..]);
        }
    }
}
