//! What PostgreSQL can never keep does not go round in circles: the run is set aside where people see it.

use super::Lab;
use serde_json::json;
use takt::{engine::control::supersede, run::RunId};

const UNKEEPABLE: &str = "workflow: unkeepable
owner: me
trigger: { event: machine.stopped }
steps: [{ id: nul, wait: 1ms }]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_outcome_cannot_be_kept_is_set_aside_with_the_reason() {
    let lab = Lab::new(&[UNKEEPABLE]).await;
    let run = lab.run_of("machine.stopped", json!({})).await;
    let _worker = lab.work().await;
    lab.until("that it is set aside", async || lab.state(run).await.as_deref() == Some("set_aside")).await;
    let (hold, reason, attention) = held(&lab, run).await;
    assert_eq!((hold.as_str(), attention), ("quarantined", true));
    assert!(reason.contains("cannot keep what a step gave"), "{reason}");
    let mut db = lab.store.connection().await.expect("a connection");
    supersede(&mut db, run, "takt", "a newer run takes its place").await.expect("a cancel");
    assert_eq!(held(&lab, run).await, (hold, reason, true), "it stays where people see it");
}

async fn held(lab: &Lab, run: RunId) -> (String, String, bool) {
    sqlx::query_as("select hold, hold_reason, attention from run_summary where id = $1")
        .bind(run.0)
        .fetch_one(&lab.database.pool)
        .await
        .expect("its list entry")
}
