//! What the optimizer promises, tried on random plants with every feature: plans that keep the rules,
//! optima of tiny shops, plants that are the same in another guise, and the same bytes on one thread or
//! two. `TAKT_SCHEDULE_INSTANCES` asks for more plants than a short test has time for.

mod brute;
mod guises;

use super::facts::Facts;
use super::makespan::Shop;
use super::model::Model;
use super::options::ends_only;
use super::plan::PlanFile;
use super::{Problem, resequence, sample, screen};

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
        let model = sample::varied(seed);
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
fn the_plants_tried_reach_every_search() {
    let (mut makespan, mut late, mut in_parts) = (0, 0, 0);
    for seed in (0..INSTANCES).map(|n| 1_000_000 + n) {
        let problem = Problem::parse(sample::varied(seed)).unwrap();
        let (facts, weights) = (Facts::of(&problem), problem.model.policy.weights);
        let screened = screen::impossible(&problem, &facts);
        let is_free = |&op: &usize| {
            !facts.is_decided(op) && screened.iter().all(|order| order.order != problem.ops[op].order)
        };
        let free: Vec<usize> = (0..problem.ops.len()).filter(is_free).collect();
        let shop = Shop::of(&problem, &facts, &free).filter(|_| ends_only(&problem, &weights));
        match shop {
            Some(_) if weights.makespan > 0.0 => makespan += 1,
            Some(shop) => late += usize::from(shop.priced(&problem, &facts, &weights).is_some()),
            None => in_parts += usize::from(problem.ops.iter().all(|op| op.max_lag.is_none())),
        }
    }
    assert!(makespan >= 3 && late >= 3 && in_parts >= 30, "{makespan} {late} {in_parts}");
}

#[test]
fn every_order_left_out_has_a_reason_that_names_it() {
    let mut explained = 0;
    for seed in 0..60 {
        let model = sample::random(seed);
        let answer = solved(&model);
        let left_out: Vec<&str> = answer.unscheduled.iter().map(|order| order.order.as_str()).collect();
        let found = super::conflicts(&model, &left_out, &()).unwrap();
        assert_eq!(found.unexplained, Vec::<String>::new(), "seed {seed}");
        for conflict in found.conflicts {
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
            let mut model = sample::varied(seed);
            model.policy.options = options;
            model.policy.threads = 1;
            let one = bytes(&model);
            assert_eq!(one, bytes(&model), "seed {seed} twice");
            model.policy.threads = 2;
            assert_eq!(one, bytes(&model), "seed {seed} on two threads");
        }
    }
}
