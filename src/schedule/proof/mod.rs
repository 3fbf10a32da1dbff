//! What the optimizer promises, tried on random plants with every feature: plans that keep the rules,
//! optima of tiny shops, plants that are the same in another guise, and the same bytes on any number of
//! threads. `TAKT_SCHEDULE_INSTANCES` asks for more plants than a short test has time for.

mod brute;
mod guises;

use super::model::Model;
use super::plan::PlanFile;
use super::{Problem, resequence, sample};

/// Plants in a normal test run.
const INSTANCES: u64 = 150;

#[expect(clippy::disallowed_methods, reason = "how long a test runs is the environment's to say")]
fn instances() -> u64 {
    std::env::var("TAKT_SCHEDULE_INSTANCES").ok().and_then(|count| count.parse().ok()).unwrap_or(INSTANCES)
}

fn solved(model: &Model) -> super::Answer {
    resequence(&Problem::parse(model.clone()).unwrap()).unwrap()
}

#[test]
fn no_plan_of_a_random_plant_breaks_a_rule() {
    let (mut plans, mut left_out) = (0, 0);
    // Other plants than the ones of the search's own tests.
    for seed in (0..instances()).map(|n| 1_000_000 + n) {
        let model = sample::random(seed);
        let answer = solved(&model);
        for option in &answer.options {
            let plan = PlanFile::of("random", &model, &answer, option);
            assert_eq!(plan.violations(&model), [], "seed {seed}");
            plans += 1;
            left_out += option.unscheduled.len();
        }
        let rejected: Vec<&String> =
            answer.warnings.iter().filter(|text| text.contains("validator")).collect();
        assert!(rejected.is_empty(), "seed {seed}: {rejected:?}");
    }
    println!("{plans} plans of {} plants, {left_out} orders left out: no violation", instances());
}

#[test]
fn every_order_left_out_has_a_reason_that_names_it() {
    let mut explained = 0;
    for seed in 0..60 {
        let model = sample::random(seed);
        let answer = solved(&model);
        let left_out: Vec<&str> = answer.unscheduled.iter().map(|order| order.order.as_str()).collect();
        for conflict in super::conflicts(&model, &left_out).unwrap() {
            assert!(!conflict.demands.is_empty(), "seed {seed}: {conflict:?}");
            assert!(conflict.text.contains(&conflict.order), "{}", conflict.text);
            explained += 1;
        }
    }
    assert!(explained > 5, "only {explained} orders were explained");
}

#[test]
fn a_seed_and_a_step_budget_give_the_same_bytes_on_one_thread_or_two() {
    let bytes = |model: &Model| {
        let answer = solved(model);
        let plans = answer.options.iter().map(|option| PlanFile::of("same", model, &answer, option));
        plans.map(|plan| plan.to_json().unwrap()).collect::<String>()
    };
    for seed in 0..15 {
        for options in [1, 3] {
            let mut model = sample::random(seed);
            model.policy.options = options;
            model.policy.threads = 1;
            let one = bytes(&model);
            assert_eq!(one, bytes(&model), "seed {seed} twice");
            model.policy.threads = 2;
            assert_eq!(one, bytes(&model), "seed {seed} on two threads");
        }
    }
}
