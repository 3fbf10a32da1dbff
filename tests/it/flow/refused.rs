//! What PostgreSQL can never keep does not go round in circles: the run is set aside where people see it.

use super::Lab;
use serde_json::json;
use takt::{
    engine::control::supersede,
    run::RunId,
    workflow::{CurrentEvents, Events},
};

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

const DESCRIBED: &str = r#"{ "type": "object", "required": ["machine"], "properties": {
    "machine": { "type": "string" }, "stops": { "type": "integer" } } }"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_not_what_its_schema_says_is_kept_with_the_reason() {
    let site = std::env::temp_dir().join(format!("takt-misfit-{}", std::process::id()));
    std::fs::create_dir_all(site.join("events")).expect("a folder");
    std::fs::write(site.join("events/machine.stopped.json"), DESCRIBED).expect("written");
    let (events, problems) = Events::load(&site).expect("events");
    assert!(problems.is_empty(), "{problems:?}");
    std::fs::remove_dir_all(&site).expect("removed");
    let lab = Lab::new(&[UNKEEPABLE]).await;
    let mut router = lab.router();
    router.events = CurrentEvents::new(events);
    let routed = async |data| {
        let id = lab.event("machine.stopped", data).await;
        while router.pass().await.expect("a pass") > 0 {}
        lab.fate(id).await
    };
    for (data, reason) in [
        (json!({ "stops": 3 }), "\"machine\" is a required property"),
        (json!({ "machine": "M1", "stops": "Mia Novak" }), "/stops: value is not of type \"integer\""),
        (json!([1]), "value is not of type \"object\""),
    ] {
        let note = format!("its data does not fit events/machine.stopped.json: {reason}");
        assert_eq!(routed(data).await, ("failed".to_owned(), Some(note)));
    }
    assert_eq!(lab.count("select count(*) from run").await, 0);
    assert_eq!(routed(json!({ "machine": "M1", "stops": 3, "more": true })).await.0, "routed");
}

async fn held(lab: &Lab, run: RunId) -> (String, String, bool) {
    sqlx::query_as("select hold, hold_reason, attention from run_summary where id = $1")
        .bind(run.0)
        .fetch_one(&lab.database.pool)
        .await
        .expect("its list entry")
}
