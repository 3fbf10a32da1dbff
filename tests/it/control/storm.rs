//! A system that is down for many runs at once: their retries wait for their turn.

use super::{clear_faults, ended, fault, open_run, plant_with};
use crate::support::plant::Plant;
use serde_json::json;
use std::time::Duration;
use takt::run::{Change, Record};

const RUNS: i64 = 40;

const STORM: &str = r#"workflow: control_storm
title: Storm
owner: tests
autonomy: assist
trigger: { event: test.storm }
steps:
  - id: read
    call: cmms.asset_history
    with: { asset: EQ-4 }
    retry: { times: 6, wait: 1s }
"#;

async fn done(plant: &Plant) -> i64 {
    let sql = "select count(*) from run_summary where workflow = 'control_storm' and outcome = 'done'";
    sqlx::query_scalar(sql).fetch_one(plant.store.pool()).await.expect("a count")
}

#[tokio::test]
async fn a_storm_of_retries_waits_for_its_turn_and_none_is_dropped() {
    let mut plant = plant_with(&[("control_storm.yaml", STORM)]).await;
    plant.serve(None).await;
    fault(&plant, json!({ "system": "cmms", "kind": "500" })).await;
    for number in 0..RUNS {
        let name = format!("storm-{number}");
        plant.store_event(&json!({ "id": name, "type": "test.storm", "subject": name, "data": {} })).await;
    }
    let health = format!("http://{}/health", plant.address);
    plant
        .until("retries to be held back", async || {
            (plant.get(&health).await["retries_deferred"].as_i64()? > 0).then_some(())
        })
        .await;
    let held = plant
        .until("a run that waits for its turn", async || {
            for number in 0..RUNS {
                let Some(run) = open_run(&plant, &format!("storm-{number}")).await else { continue };
                let is_deferred = |record: &Record| matches!(&record.change, Change::Deferred { system, .. } if system == "cmms");
                if plant.records(run).await.last().is_some_and(is_deferred) {
                    return Some(run);
                }
            }
            None
        })
        .await;
    let url = format!("http://{}/metrics", plant.address);
    let metrics = reqwest::get(url).await.expect("an answer").text().await.expect("a text");
    assert!(metrics.contains("takt_retries_deferred_total{system=\"cmms\"} "), "{metrics}");

    // Whoever comes next knows of those that wait, and has saved up nothing for them.
    plant.kill();
    clear_faults(&plant).await;
    plant.serve(None).await;
    plant.until("the first to come through", async || (done(&plant).await > 0).then_some(())).await;
    // Time earns some more; what is answered, the rest.
    plant.advance(Duration::from_secs(100)).await;
    plant.until("every run to end well", async || (done(&plant).await == RUNS).then_some(())).await;
    assert_eq!(ended(&plant, held).await, "done");
}
