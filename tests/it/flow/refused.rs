//! What PostgreSQL can never keep does not go round in circles: the run is set aside where people see it.

use super::Lab;
use serde_json::json;
use takt::{
    engine::control::supersede,
    run::{Change, RunId},
    store::journal,
    workflow::{CurrentEvents, Events},
};

const UNKEEPABLE: &str = "workflow: unkeepable
owner: me
trigger: { event: machine.stopped }
steps: [{ id: nul, wait: 1ms }]
";

/// What becomes of a run with this step.
async fn set_aside(lab: &Lab, step: &str) -> (RunId, String, String, bool) {
    lab.publish(&[&UNKEEPABLE.replace("nul", step)]).await;
    let run = lab.run_of("machine.stopped", json!({})).await;
    lab.until("that it is set aside", async || lab.state(run).await.as_deref() == Some("set_aside")).await;
    let (hold, reason, attention) = held(lab, run).await;
    (run, hold, reason, attention)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_outcome_cannot_be_kept_is_set_aside_with_the_reason() {
    let lab = Lab::new(&[]).await;
    let _worker = lab.work().await;
    // Longer than an entry of an index may be.
    let (_, hold, reason, attention) = set_aside(&lab, "long").await;
    assert_eq!((hold.as_str(), attention), ("quarantined", true));
    assert!(reason.contains("cannot keep what a step gave") && reason.contains("index"), "{reason}");
    let (run, hold, reason, attention) = set_aside(&lab, "nul").await;
    assert_eq!((hold.as_str(), attention), ("quarantined", true));
    assert!(reason.contains("cannot keep what a step gave"), "{reason}");
    let mut db = lab.store.connection().await.expect("a connection");
    supersede(&mut db, run, "takt", "a newer run takes its place").await.expect("a cancel");
    assert_eq!(held(&lab, run).await, (hold, reason, true), "it stays where people see it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_commit_is_refused_again_and_again_is_set_aside_with_the_reason() {
    let lab = Lab::new(&[]).await;
    // Nothing that Takt knows: neither a value that cannot be kept nor a database in trouble.
    sqlx::raw_sql(
        "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not today'; end $$;
         create trigger refuse before insert on subscription for each row execute function refuse()",
    )
    .execute(&lab.database.pool)
    .await
    .expect("a trigger");
    let _worker = lab.work().await;
    let (_, hold, reason, attention) = set_aside(&lab, "odd").await;
    assert_eq!((hold.as_str(), attention), ("quarantined", true));
    assert!(reason.contains("not today"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_about_a_subject_that_no_event_can_have_fails_its_run() {
    let yaml = "workflow: w
owner: me
trigger: { event: machine.stopped }
steps: [{ id: waits, wait: t.ev, subject: trigger.about, timeout: 1h }]
";
    let lab = Lab::new(&[yaml]).await;
    let _worker = lab.work().await;
    let run = lab.run_of("machine.stopped", json!({ "about": "x".repeat(513) })).await;
    lab.until_ended(run).await;
    assert_eq!(lab.outcome(run).await.as_deref(), Some("failed"));
    let mut db = lab.store.connection().await.expect("a connection");
    let records = journal::load(&mut db, run).await.expect("the journal");
    let said = records.iter().any(|record| match &record.change {
        Change::Failed { failure } => failure.message.contains("more than 512 characters"),
        _ => false,
    });
    assert!(said, "{records:#?}");
    let run = lab.run_of("machine.stopped", json!({ "about": "x".repeat(512) })).await;
    lab.until("that it waits", async || lab.state(run).await.as_deref() == Some("parked")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_to_keep_fails_its_step_and_the_workflow_goes_on_as_it_says() {
    let yaml = |more: &str| {
        format!(
            "workflow: w\nowner: me\ntrigger: {{ event: machine.stopped }}\nsteps: [{{ id: large, wait: 1ms{more} }}]\n"
        )
    };
    let mut lab = Lab::new(&[]).await;
    lab.caps.payload_bytes_max = 1_024;
    let _worker = lab.work().await;
    for (more, outcome) in [("", "failed"), (", on_error: continue", "done")] {
        lab.publish(&[&yaml(more)]).await;
        let run = lab.run_of("machine.stopped", json!({})).await;
        lab.until_ended(run).await;
        assert_eq!(lab.outcome(run).await.as_deref(), Some(outcome));
        let mut db = lab.store.connection().await.expect("a connection");
        let records = journal::load(&mut db, run).await.expect("the journal");
        let failures = records.iter().filter_map(|record| match &record.change {
            Change::Failed { failure, .. } => Some((failure.class.as_str(), failure.message.as_str())),
            _ => None,
        });
        let expected = ("too_large", "the output is 2002 bytes; at most 1024 are kept");
        assert_eq!(failures.collect::<Vec<_>>(), [expected]);
    }
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
