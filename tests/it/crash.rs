//! The real binary, killed where it hurts: nothing is lost, nothing happens twice.

use crate::support::plant::Plant;
use serde_json::{Value, json};
use takt::{
    engine::CRASH_POINTS,
    run::{Change, State, StepPath},
};

async fn assert_done_once(plant: &Plant, run: takt::run::RunId) {
    let records = plant.records(run).await;
    State::fold(&records).expect("the journal folds");
    let mut done = std::collections::BTreeSet::new();
    for record in &records {
        if let (Change::Done { .. }, Some(path)) = (&record.change, &record.path) {
            assert!(done.insert(path.clone()), "{path} was done twice");
        }
    }
    let writes = plant.writes().await;
    assert_eq!(writes["duplicate_effects"], json!(0), "{writes:#}");
    assert!(writes["applied"].as_u64().is_some_and(|applied| applied > 0), "{writes:#}");
}

#[tokio::test]
async fn every_crash_point_loses_nothing_and_repeats_no_effect() {
    for point in CRASH_POINTS {
        let mut plant = Plant::new().await;
        plant.serve(Some(point)).await;
        plant.press_4_goes_down().await;
        // The process dies on its own; whether before or after the run began depends on the point.
        let pushed = async {
            loop {
                plant.advance(std::time::Duration::from_secs(30)).await;
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(3), pushed).await;
        plant.died().await;
        plant.serve(None).await;
        let run = plant.run_of("downtime_escalation").await;
        assert_eq!(plant.to_the_end(run).await, "done", "after a crash at {point}");
        assert_done_once(&plant, run).await;
    }
}

#[tokio::test]
async fn a_worker_killed_while_people_answer_loses_no_answer() {
    let mut plant = Plant::new().await;
    plant.serve(None).await;
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    plant.wait_for_gate("approve").await;
    plant.kill();
    // The worker is dead: the answers wait in the database.
    plant.answer_open().await;
    plant.serve(None).await;
    assert_eq!(plant.to_the_end(run).await, "done");
    assert_done_once(&plant, run).await;
}

#[tokio::test]
async fn a_frozen_worker_that_wakes_after_takeover_writes_nothing() {
    let mut plant = Plant::new().await;
    plant.serve(None).await;
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    plant.freeze();
    let frozen = plant.replace().await;
    assert_eq!(plant.to_the_end(run).await, "done");
    let before = plant.records(run).await;
    frozen.thaw();
    // It notices at its next heartbeat, or by a connection that died while it slept. Either way it gives its old
    // identity up and registers a second time: from then on it is a worker like any other.
    frozen.until_it_registers_again().await;
    assert_eq!(plant.records(run).await, before, "the thawed worker wrote into the journal");
    assert_done_once(&plant, run).await;
    let writes: Value = plant.writes().await;
    assert_eq!(writes["duplicate_effects"], json!(0), "{writes:#}");
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_its_step_and_hands_its_runs_over_at_once() {
    let mut plant = Plant::new().await;
    plant.serve(None).await;
    let slow = json!({ "system": "plex", "kind": "slow", "times": 1, "millis": 4500 });
    plant.post(&format!("{}/sim/faults", plant.simulator.base_url), &slow).await;
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    let under_way = async |plant: &Plant| {
        let state = State::fold(&plant.records(run).await).expect("a journal that folds");
        let context = ["orders", "routes", "machines", "material"];
        context.iter().any(|step| {
            state.status(&StepPath::root("context").child(step)) == takt::run::machine::Status::Running
        })
    };
    plant.until("a slow call", async || under_way(&plant).await.then_some(())).await;
    let first = plant.replace().await;
    assert!(under_way(&plant).await, "the call was over before anybody was told to stop");
    let status = first.stop().await;
    assert!(status.success(), "{status}");
    let left: i64 = sqlx::query_scalar(
        "select count(*) from run where state = 'running' and owner not in (select id from worker)",
    )
    .fetch_one(&plant.database.pool)
    .await
    .expect("a count");
    assert_eq!(left, 0, "it kept runs");
    assert!(!under_way(&plant).await, "its step was not ended");
    assert_eq!(plant.to_the_end(run).await, "done");
    assert_done_once(&plant, run).await;
    assert!(!plant.log().contains("took over the runs of a dead worker"), "{}", plant.log());
}
