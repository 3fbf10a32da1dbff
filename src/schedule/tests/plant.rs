//! A generated plant in its own file format, brought into the model by the adapter below.

use super::super::model::Model;
use super::super::*;
use super::violations;
use serde::Deserialize;
use serde_json::{Value, json};

const PLANT: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/scheduling/plantC_30x8x5_s1.json"));

#[derive(Deserialize)]
struct Plant {
    setups: Vec<Value>,
    resources: Vec<Machine>,
    pools: Vec<Value>,
    orders: Vec<Job>,
}

#[derive(Deserialize)]
struct Machine {
    id: String,
    work_center: String,
    setup_matrix: String,
    initial_family: String,
    blocked: Vec<(i64, i64)>,
}

#[derive(Deserialize)]
struct Job {
    id: String,
    release: i64,
    due: i64,
    tier: String,
    weight: f64,
    ops: Vec<Value>,
}

fn model(evaluations: u64) -> Model {
    let plant: Plant = serde_json::from_str(PLANT).unwrap();
    let resource = |machine: &Machine| {
        let blocked =
            machine.blocked.iter().map(|(from, to)| json!({"from": from, "to": to, "why": "maintenance"}));
        json!({ "id": machine.id, "work_center": machine.work_center, "setup": machine.setup_matrix,
                "state": machine.initial_family, "blocked": blocked.collect::<Vec<_>>() })
    };
    let order = |job: &Job| {
        json!({ "id": job.id, "release": job.release, "due": job.due, "tier": job.tier, "weight": job.weight,
                "ops": job.ops })
    };
    serde_json::from_value(json!({
        "epoch": "2026-11-23T06:00:00-06:00",
        "horizon": 20_000,
        "setups": plant.setups,
        "resources": plant.resources.iter().map(resource).collect::<Vec<_>>(),
        "pools": plant.pools,
        "orders": plant.orders.iter().map(order).collect::<Vec<_>>(),
        "policy": { "evaluations": evaluations, "weights": { "changeover": 0.0 } },
    }))
    .unwrap()
}

#[test]
fn a_plant_with_pools_and_changeovers_is_planned_and_improves_with_the_search() {
    let solve = |evaluations: u64| {
        let model = model(evaluations);
        let answer = resequence(&Problem::parse(model.clone()).unwrap()).unwrap();
        for option in &answer.options {
            assert_eq!(violations(&model, option, &answer.unfrozen), Vec::<String>::new());
        }
        assert_eq!(answer.unscheduled, []);
        answer
    };
    let (start, searched) = (solve(0), solve(1_500));
    // Some of the steps of a search lead to no other sequence.
    assert!(searched.evaluated > start.evaluated + 500, "{} {}", searched.evaluated, start.evaluated);
    let objective = |answer: &Answer| answer.options[0].kpis.objective;
    assert!(
        objective(&searched) < 0.95 * objective(&start),
        "{} {}",
        objective(&searched),
        objective(&start)
    );
    assert!(objective(&start) < 0.5 * start.baseline.kpis.objective, "dispatching beats due-date order");
}
