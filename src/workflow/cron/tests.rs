use super::*;
use proptest::prelude::*;

fn firings(cron: &str, after: &str, count: usize) -> Vec<String> {
    firings_in(chrono_tz::America::Chicago, cron, after, count)
}

fn firings_in(zone: Tz, cron: &str, after: &str, count: usize) -> Vec<String> {
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
    let from_the_jump_on = firings("25 2 * * *", "2024-03-10T08:00:00Z", 1);
    assert_eq!(from_the_jump_on, ["Sun 03-10 03:25-0500"]);
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

#[test]
fn every_quarter_of_an_hour_goes_on_through_the_hour_that_comes_twice() {
    let night = firings("*/30 * * * *", "2026-11-01T00:45:00-05:00", 5);
    assert_eq!(
        night,
        [
            "Sun 11-01 01:00-0500",
            "Sun 11-01 01:30-0500",
            "Sun 11-01 01:00-0600",
            "Sun 11-01 01:30-0600",
            "Sun 11-01 02:00-0600"
        ]
    );
    // Asked in the middle of it.
    assert_eq!(firings("*/30 * * * *", "2026-11-01T01:30:00-05:00", 2), night[2..4]);
    assert_eq!(firings("*/30 * * * *", "2026-11-01T01:00:00-06:00", 2), night[3..5]);
}

#[test]
fn every_half_hour_leaves_out_the_hour_that_is_left_out() {
    let night = firings("*/30 * * * *", "2026-03-08T01:15:00-06:00", 3);
    assert_eq!(night, ["Sun 03-08 01:30-0600", "Sun 03-08 03:00-0500", "Sun 03-08 03:30-0500"]);
}

#[test]
fn seven_ends_a_range_of_weekdays() {
    let days = |cron: &str, count| -> Vec<String> {
        let week = firings(cron, "2026-11-22T12:00:00-06:00", count);
        week.iter().map(|at| at[..3].to_owned()).collect()
    };
    assert_eq!(days("0 6 * * 6-7", 3), ["Sat", "Sun", "Sat"]);
    assert_eq!(days("0 6 * * 5-7", 3), ["Fri", "Sat", "Sun"]);
    assert_eq!(days("0 6 * * 1-7/3", 3), ["Mon", "Thu", "Sun"]);
    assert_eq!(days("0 6 * * 1-7", 7), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]);
    assert_eq!(days("0 6 * * 0-7", 7), days("0 6 * * *", 7));
}

#[test]
fn a_moved_time_does_not_hide_one_that_exists() {
    // Half an hour is left out: 02:00 to 02:30.
    let zone = chrono_tz::Australia::Lord_Howe;
    let night = firings_in(zone, "0,15,35 2 * * *", "2026-10-03T12:00:00Z", 4);
    assert_eq!(
        night,
        ["Sun 10-04 02:30+1100", "Sun 10-04 02:35+1100", "Sun 10-04 02:45+1100", "Mon 10-05 02:00+1100"]
    );
}

#[test]
fn a_moved_time_and_one_that_exists_are_one_firing() {
    let night = firings("*/30 2-3 * * *", "2026-03-07T12:00:00-06:00", 3);
    assert_eq!(night, ["Sun 03-08 03:00-0500", "Sun 03-08 03:30-0500", "Mon 03-09 02:00-0500"]);
}

#[test]
fn every_hour_however_it_is_written_goes_on_by_the_clock() {
    for night in ["2026-11-01T00:45:00-05:00", "2026-03-08T00:45:00-06:00"] {
        let every = firings("*/30 * * * *", night, 9);
        assert_eq!(firings("*/30 */1 * * *", night, 9), every);
        assert_eq!(firings("*/30 0-23 * * *", night, 9), every);
    }
}

/// One field: any, a step, a value, a range or a list, between two numbers.
fn field(from: u32, to: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        1 => (2..=(to / 2).max(2)).prop_map(|step| format!("*/{step}")),
        3 => (from..=to).prop_map(|value| value.to_string()),
        2 => (from..=to, from..=to).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (from..=to, from..=to).prop_map(|(a, b)| format!("{},{}", a.min(b), a.max(b))),
    ]
}

/// A day of the month or a weekday, not both: what they mean together differs between crons.
fn days() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        field(1, 28).prop_map(|day| (day, "*".to_owned())),
        field(0, 7).prop_map(|day| ("*".to_owned(), day))
    ]
}

fn oracle(cron: &str, zone: Tz, after: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    let cron: croner::Cron = cron.parse().expect("croner reads it");
    cron.iter_after(after.with_timezone(&zone)).take(count).map(|at| at.to_utc()).collect()
}

fn ours(cron: &str, zone: Tz, after: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    CronTimes::new(cron, zone).expect("we read it").after(after).take(count).collect()
}

fn moment() -> impl Strategy<Value = DateTime<Utc>> {
    // From 2024 to 2029, to the second.
    (1_704_067_200_i64..1_861_920_000).prop_map(|at| DateTime::from_timestamp(at, 0).expect("a time"))
}

/// Near the nights on which clocks change in Chicago and Berlin, years 2024 to 2028.
fn night() -> impl Strategy<Value = DateTime<Utc>> {
    let nights =
        [1_710_054_000_i64, 1_711_846_800, 1_730_610_000, 1_729_990_800, 1_793_509_200, 1_772_953_200];
    (prop::sample::select(nights.to_vec()), -90_000_i64..20_000)
        .prop_map(|(night, from)| DateTime::from_timestamp(night + from, 0).expect("a time"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Where no clock changes there is one meaning of five fields.
    #[test]
    fn without_clock_changes_croner_agrees(
        minute in field(0, 59), hour in field(0, 23), (day, weekday) in days(), month in field(1, 12),
        after in moment(),
    ) {
        let cron = format!("{minute} {hour} {day} {month} {weekday}");
        let zone = chrono_tz::UTC;
        prop_assert_eq!(ours(&cron, zone, after, 5), oracle(&cron, zone, after, 5), "{}", cron);
    }

    /// What fires in every hour goes on by the clock, in both nights.
    #[test]
    fn hourly_ones_agree_in_both_nights(minute in field(0, 59), after in night(), berlin: bool) {
        let cron = format!("{minute} * * * *");
        let zone = if berlin { chrono_tz::Europe::Berlin } else { chrono_tz::America::Chicago };
        prop_assert_eq!(ours(&cron, zone, after, 40), oracle(&cron, zone, after, 40), "{}", cron);
    }

    /// A single time of day fires once in the hour that comes twice. In the hour that is left out we differ on
    /// purpose: 02:30 fires at 03:30, as long after midnight as every other night; croner fires it at 03:00.
    #[test]
    fn times_of_day_agree_but_in_the_hour_that_is_left_out(
        minute in 0..60u32, hour in 0..24u32, after in night(), berlin: bool,
    ) {
        let cron = format!("{minute} {hour} * * *");
        let zone = if berlin { chrono_tz::Europe::Berlin } else { chrono_tz::America::Chicago };
        let ours = ours(&cron, zone, after, 4);
        // From an hour earlier: croner's firing may lie before `after` where ours lies behind it.
        let expected = oracle(&cron, zone, after - TimeDelta::hours(1), 6).into_iter().map(|other| {
            let is_moved = other.with_timezone(&zone).format("%H:%M").to_string() != format!("{hour:02}:{minute:02}");
            if is_moved { other + TimeDelta::minutes(i64::from(minute)) } else { other }
        });
        let expected: Vec<_> = expected.filter(|at| *at > after).take(4).collect();
        prop_assert_eq!(ours, expected, "{}", cron);
    }

    /// In order, each once, whatever the zone and the night.
    #[test]
    fn firings_are_in_order_and_do_not_depend_on_where_one_begins(
        minute in field(0, 59), hour in field(0, 23), (day, weekday) in days(), after in night(), berlin: bool,
    ) {
        let zone = if berlin { chrono_tz::Europe::Berlin } else { chrono_tz::America::Chicago };
        let cron = format!("{minute} {hour} {day} * {weekday}");
        let all = ours(&cron, zone, after, 8);
        prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{} {:?}", cron, all);
        for (index, at) in all.iter().enumerate() {
            prop_assert_eq!(&ours(&cron, zone, *at, 8 - index - 1), &all[index + 1..], "{} {}", cron, at);
        }
    }
}
