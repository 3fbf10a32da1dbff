use super::*;
use chrono::Duration;
use proptest::prelude::*;

fn now() -> DateTime<Utc> {
    "2026-11-23T06:00:00Z".parse().unwrap()
}

fn job(id: &str, weight: f64, minutes: f64, due_minutes: i64) -> Job {
    Job {
        id: id.into(),
        class: Class::Normal,
        weight,
        penalty_per_hour: 0.0,
        minutes,
        setup_minutes: 10.0,
        due: now() + Duration::minutes(due_minutes),
        expires: None,
        route_minutes_left: 30.0,
        buffer_hours: Some(2.0),
    }
}

fn order(jobs: &[Job]) -> Vec<String> {
    ranked(jobs, &Settings::default(), now()).unwrap().into_iter().map(|scored| scored.job).collect()
}

fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let one = (1.0f64..5.0, 0.0f64..500.0, 1.0f64..300.0, 0.0f64..60.0, -500i64..5000, 0.0f64..8.0);
    prop::collection::vec(one, 1..12).prop_map(|all| {
        let build = |(index, (weight, penalty, minutes, setup, due, buffer))| Job {
            penalty_per_hour: penalty,
            setup_minutes: setup,
            buffer_hours: Some(buffer),
            ..job(&format!("J-{index}"), weight, minutes, due)
        };
        all.into_iter().enumerate().map(build).collect()
    })
}

proptest! {
    #[test]
    fn addends_sum_to_the_score(jobs in jobs()) {
        for scored in ranked(&jobs, &Settings::default(), now()).unwrap() {
            let sum: f64 = scored.addends.iter().map(|addend| addend.value).sum();
            prop_assert!((sum - scored.score).abs() < 1e-9);
            prop_assert!(scored.score.is_finite());
        }
    }

    #[test]
    fn every_factor_pulls_one_way(jobs in jobs(), more in 0.1f64..100.0) {
        let (scale, settings) = (Scale::of(&jobs, now()), Settings::default());
        let of = |job: &Job| score(job, &scale, &settings, now()).score;
        let base = &jobs[0];
        let later = Duration::minutes(more.ceil() as i64);
        let with = |change: &dyn Fn(&mut Job)| {
            let mut job = base.clone();
            change(&mut job);
            of(&job)
        };
        prop_assert!(with(&|job| job.weight += more) > of(base));
        prop_assert!(with(&|job| job.penalty_per_hour += more) > of(base));
        prop_assert!(with(&|job| job.due += later) <= of(base));
        prop_assert!(with(&|job| job.setup_minutes += more) <= of(base));
        prop_assert!(with(&|job| job.buffer_hours = job.buffer_hours.map(|hours| hours + more)) <= of(base));
        prop_assert!(with(&|job| job.expires = Some(job.due - later)) >= of(base));
        // More work leaves less slack as well; only for a late job is it the work alone that counts.
        let late = Job { due: now(), ..base.clone() };
        let longer = Job { minutes: late.minutes + more, ..late.clone() };
        prop_assert!(of(&longer) < of(&late));
    }

    #[test]
    fn the_ranking_does_not_depend_on_the_order_of_the_question(jobs in jobs()) {
        let reversed: Vec<Job> = jobs.iter().rev().cloned().collect();
        prop_assert_eq!(order(&jobs), order(&reversed));
    }
}

#[test]
fn classes_come_before_scores_and_ties_by_due_date_and_id() {
    let mut frozen = job("F", 1.0, 300.0, 5000);
    frozen.class = Class::Frozen;
    let mut expedite = job("E", 1.0, 200.0, 4000);
    expedite.class = Class::Expedite;
    let twins = [job("B", 2.0, 60.0, 100), job("A", 2.0, 60.0, 100)];
    assert_eq!(order(&[twins[0].clone(), twins[1].clone(), expedite, frozen]), ["F", "E", "A", "B"]);
}

#[test]
fn long_setups_do_not_wipe_the_ranking_out() {
    // exp(-800 / …) is 0 for both; their logarithms still differ.
    let mut jobs: Vec<Job> = (0..20).map(|n| job(&format!("J-{n}"), 1.0, 10.0, 100)).collect();
    (jobs[0].setup_minutes, jobs[1].setup_minutes) = (80_000.0, 90_000.0);
    let ranks = order(&jobs);
    let place = |id: &str| ranks.iter().position(|job| job == id).unwrap();
    assert!(place("J-0") < place("J-1"));
}

#[test]
fn shelf_life_counts_as_a_second_due_date() {
    let mut spoils = job("S", 1.0, 60.0, 5000);
    spoils.expires = Some(now() + Duration::minutes(200));
    assert_eq!(order(&[job("D", 1.0, 60.0, 5000), spoils.clone()]), ["S", "D"]);
    let scale = Scale::of(&[spoils.clone()], now());
    let slack = &score(&spoils, &scale, &Settings::default(), now()).addends[2];
    assert_eq!(
        slack.why, "50 min to spare before its material spoils",
        "200 - 30 of route - 60 margin - 60 work"
    );
}

#[test]
fn numbers_without_meaning_are_refused() {
    for (field, wrong) in [
        ("weight", Job { weight: 0.0, ..job("J", 1.0, 1.0, 1) }),
        ("minutes", Job { minutes: f64::NAN, ..job("J", 1.0, 1.0, 1) }),
        ("setup_minutes", Job { setup_minutes: -1.0, ..job("J", 1.0, 1.0, 1) }),
    ] {
        let error = ranked(&[wrong], &Settings::default(), now()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("J: {field} is ")), "{error}");
    }
}
