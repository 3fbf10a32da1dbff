use super::*;
use crate::{
    site::{Environment, Overrides, Site},
    store::schedules::Pause,
    workflow::CronTrigger,
};
use Verdict::{Fire, Missed, Paused};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

const SITE: &str = r#"name: Plant
time_zone: UTC
shifts: [{ id: A, starts: "06:00", ends: "14:00" }]
roles: { lead: { title: Lead } }
people: [{ id: ann, name: Ann, roles: [lead] }]
"#;

fn hourly() -> Times {
    let site = Site::parse("takt.yaml", SITE, &Environment::default(), &Overrides::default());
    let trigger = CronTrigger {
        cron: "0 * * * *".into(),
        time_zone: chrono_tz::UTC,
        catch_up: CatchUp::None,
        overlap: Default::default(),
        jitter: None,
        calendar: None,
    };
    Times::new("w", &trigger, &Arc::new(site.expect("a site"))).expect("times")
}

fn at(hour: u32, minute: u32) -> DateTime<Utc> {
    format!("2026-11-24T{hour:02}:{minute:02}:00Z").parse().expect("a time")
}

fn standing(through: DateTime<Utc>) -> Standing {
    Standing { through, spec: None, pause: None }
}

fn verdicts(catch_up: CatchUp, standing: &Standing, now: DateTime<Utc>) -> Vec<Verdict> {
    decide(&hourly(), catch_up, standing, now).verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

#[test]
fn after_an_outage_each_policy_does_what_it_says() {
    // Down from two to half past six: 3, 4, 5 and 6 o'clock were missed.
    let (since, now) = (standing(at(2, 0)), at(6, 30));
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    assert_eq!(verdicts(CatchUp::None, &since, now), [Missed, Missed, Missed, Missed]);
    assert_eq!(verdicts(CatchUp::Last { within: None }, &since, now), [Missed, Missed, Missed, Fire]);
    assert_eq!(verdicts(CatchUp::All { within: None }, &since, now), [Fire, Fire, Fire, Fire]);
    assert_eq!(verdicts(CatchUp::All { within: hours(2) }, &since, now), [Missed, Missed, Fire, Fire]);
    let quarter = CatchUp::Last { within: Some(Duration::from_secs(900)) };
    assert_eq!(verdicts(quarter, &since, now), [Missed; 4]);
}

#[test]
fn what_is_on_time_fires_whatever_the_policy() {
    for catch_up in [CatchUp::None, CatchUp::Last { within: None }, CatchUp::All { within: None }] {
        let now = at(3, 0) + TimeDelta::seconds(59);
        assert_eq!(verdicts(catch_up, &standing(at(2, 0)), now), [Fire], "{catch_up}");
    }
}

#[test]
fn a_pause_tells_what_was_missed_before_it_from_what_it_held_back() {
    let pause = Pause { at: at(4, 30), by: "ann".into(), note: None };
    let paused = Standing { through: at(2, 0), spec: None, pause: Some(pause) };
    let all = CatchUp::All { within: None };
    assert_eq!(verdicts(all, &paused, at(6, 30)), [Missed, Missed, Paused, Paused]);
}

#[test]
fn a_clock_that_went_back_fires_nothing_again() {
    let decided = decide(&hourly(), CatchUp::All { within: None }, &standing(at(6, 0)), at(2, 30));
    assert_eq!((decided.verdicts, decided.next), (Vec::new(), Some(at(7, 0))));
}

#[test]
fn a_long_outage_is_decided_in_parts() {
    let since = standing(at(0, 0) - TimeDelta::days(30));
    let decided = decide(&hourly(), CatchUp::Last { within: None }, &since, at(6, 30));
    assert_eq!(decided.verdicts.len(), BATCH_MAX);
    assert!(
        decided.verdicts.iter().all(|(_, verdict)| *verdict == Missed),
        "the last one is in a later part"
    );
    assert!(decided.next.is_some_and(|next| next <= at(6, 30)));
}

proptest! {
    /// However a stretch of time is cut into looks, with a clock that goes back in between: each nominal time is
    /// decided once and in order, and with `all` each fires.
    #[test]
    fn each_nominal_time_is_decided_once(steps in prop::collection::vec(-7200_i64..40_000, 1..30)) {
        let times = hourly();
        let begin = at(0, 30);
        let (mut state, mut now, mut latest) = (standing(begin), begin, begin);
        let mut decided = Vec::new();
        for step in steps {
            now = (now + TimeDelta::seconds(step)).max(begin);
            latest = latest.max(now);
            loop {
                let part = decide(&times, CatchUp::All { within: None }, &state, now).verdicts;
                let Some((last, _)) = part.last() else { break };
                state.through = *last;
                decided.extend(part);
            }
        }
        let expected: Vec<_> = times.after(begin).take_while(|at| *at <= latest).map(|at| (at, Fire)).collect();
        prop_assert_eq!(decided, expected);
    }
}
