//! Runs with children that are retried and rerun.

use super::{clear_faults, ended, fault, order, plant_with, start, waits_at};
use crate::support::plant::Plant;
use reqwest::StatusCode;
use serde_json::json;
use takt::{
    run::RunId,
    store::summaries::{self, Filter},
};

const OUTER: &str = "workflow: outer
owner: tests
trigger: { event: test.go }
steps:
  - { id: before, wait: 1ms }
  - { id: part, run: inner }
on_failure:
  - { id: tell, call: notify.role, with: { role: production_supervisor, message: messages/run_failed.hbs } }
  - { id: help, run: helper }
";
const INNER: &str = "workflow: inner
owner: tests
trigger: manual
steps: [STEP]
";
const HELPER: &str = "workflow: helper
owner: tests
trigger: manual
steps: [{ id: rest, wait: 1ms }]
";

async fn plant_of(inner: &str) -> Plant {
    let inner = INNER.replace("STEP", inner);
    let mut plant =
        plant_with(&[("outer.yaml", OUTER), ("inner.yaml", &inner), ("helper.yaml", HELPER)]).await;
    plant.serve(None).await;
    plant
}

async fn runs_of(plant: &Plant, workflow: &str) -> Vec<RunId> {
    let filter = Filter { workflow: Some(workflow.to_owned()), ..Filter::default() };
    let mut db = plant.store.connection().await.expect("a connection");
    let runs = summaries::list(&mut db, &filter, 10).await.expect("runs");
    runs.into_iter().map(|run| RunId(run.id)).collect()
}

#[tokio::test]
async fn a_child_that_failed_goes_on_with_its_parent_and_is_not_begun_twice() {
    let mut plant =
        plant_of("{ id: look, call: cmms.asset_history, with: { asset: EQ-4 }, retry: { times: 0 } }").await;
    fault(&plant, json!({ "system": "cmms", "kind": "500" })).await;
    let run = start(&mut plant, "one").await;
    assert_eq!(ended(&plant, run).await, "failed");
    assert_eq!(runs_of(&plant, "helper").await.len(), 1, "whoever helps is no part of what failed");
    let why = async |from: &str| {
        let (status, problem) = order(&plant, run, "rerun", json!({ "from": from })).await;
        assert_eq!(status, StatusCode::CONFLICT, "{problem:#}");
        problem["why"].clone()
    };
    // What it was given could be something else by then.
    assert_eq!(why("before").await, json!("child_begun"));
    clear_faults(&plant).await;
    let (status, said) = order(&plant, run, "retry", json!({})).await;
    assert_eq!(status, StatusCode::OK, "{said:#}");
    assert_eq!(ended(&plant, run).await, "done");
    assert_eq!(runs_of(&plant, "inner").await.len(), 1);
    assert_eq!(why("part").await, json!("child_done"));
}

/// What it had done and was not undone must not be done a second time under another key.
#[tokio::test]
async fn a_child_that_was_cancelled_goes_on_with_its_parent_as_itself() {
    let mut plant = plant_of("{ id: rest, wait: 12h }").await;
    let run = start(&mut plant, "one").await;
    let child = plant.until("the child", async || runs_of(&plant, "inner").await.pop()).await;
    waits_at(&plant, child, "rest").await;
    assert_eq!(order(&plant, child, "cancel", json!({})).await.0, StatusCode::OK);
    assert_eq!(ended(&plant, run).await, "failed");
    let (status, said) = order(&plant, run, "retry", json!({})).await;
    assert_eq!(status, StatusCode::OK, "{said:#}");
    waits_at(&plant, child, "rest").await;
    assert_eq!(runs_of(&plant, "inner").await, [child]);
}
