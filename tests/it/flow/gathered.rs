//! `throttle`, `rate`, `debounce`, `batch` and the digest of a `flood`: by the database's clock, and every
//! event says what came of it.

use super::Lab;
use serde_json::{Value, json};
use takt::run::RunId;

fn workflow(flow: &str) -> String {
    format!(
        "workflow: w
owner: me
trigger: {{ event: machine.stopped }}
flow: {{ {flow} }}
steps: [{{ id: work, wait: 1ms }}]
"
    )
}

fn press(n: u32) -> Value {
    json!({ "machine": "PRESS-4", "n": n })
}

async fn trigger_of(lab: &Lab, run: RunId) -> Value {
    let mut db = lab.store.connection().await.expect("a connection");
    let records = takt::store::journal::load(&mut db, run).await.expect("the journal");
    let start = serde_json::to_value(&records[0].change).expect("JSON");
    start["data"]["trigger"].clone()
}

#[tokio::test]
async fn above_a_throttle_runs_wait_for_their_time() {
    let lab = Lab::new(&[&workflow("throttle: { key: event.machine, limit: 2 per 10m }")]).await;
    let mut runs = Vec::new();
    for n in 0..5 {
        runs.push(lab.run_of("machine.stopped", press(n)).await);
    }
    let elsewhere = lab.run_of("machine.stopped", json!({ "machine": "PRESS-6" })).await;
    assert_eq!(lab.states(&runs).await, ["ready", "ready", "parked", "parked", "parked"]);
    assert_eq!(lab.state(elsewhere).await.as_deref(), Some("ready"));
    let _worker = lab.work().await;
    lab.until_ended(elsewhere).await;
    lab.until_ended(runs[1]).await;
    lab.advance(9 * 60).await;
    // A later run of another key has come and gone: the worker has looked.
    let other = lab.run_of("machine.stopped", json!({ "machine": "PRESS-7" })).await;
    lab.until_ended(other).await;
    assert_eq!(lab.states(&runs[2..]).await, ["parked"; 3]);
    lab.advance(61).await;
    lab.until_ended(runs[2]).await;
    lab.until_ended(runs[3]).await;
    assert_eq!(lab.state(runs[4]).await.as_deref(), Some("parked"), "its turn is ten minutes later");
    lab.advance(10 * 60).await;
    lab.until_ended(runs[4]).await;
}

#[tokio::test]
async fn a_throttled_run_can_be_cancelled_before_its_time() {
    let lab = Lab::new(&[&workflow("throttle: { limit: 1 per 1h }")]).await;
    lab.run_of("machine.stopped", press(1)).await;
    let waiting = lab.run_of("machine.stopped", press(2)).await;
    let _worker = lab.work().await;
    lab.cancel(waiting).await;
    lab.until_ended(waiting).await;
    assert_eq!(lab.outcome(waiting).await.as_deref(), Some("cancelled"));
    assert!(!lab.log.lock().expect("the log").iter().any(|(run, _)| *run == waiting), "it did a step");
}

#[tokio::test]
async fn with_both_a_place_is_held_until_the_time_has_come() {
    let flow = "concurrency: { limit: 1 }, throttle: { limit: 1 per 1m }";
    let lab = Lab::new(&[&workflow(flow)]).await;
    lab.watch_lanes().await;
    let first = lab.run_of("machine.stopped", press(1)).await;
    let second = lab.run_of("machine.stopped", press(2)).await;
    assert_eq!(lab.states(&[first, second]).await, ["ready", "queued"]);
    let _worker = lab.work().await;
    lab.until_ended(first).await;
    assert_eq!(lab.state(second).await.as_deref(), Some("parked"));
    lab.check_lanes().await;
    lab.advance(61).await;
    lab.until_ended(second).await;
    lab.check_lanes().await;
    assert_eq!(lab.broken().await, Vec::<String>::new());
}

#[tokio::test]
async fn above_a_rate_nothing_starts_and_the_event_says_so() {
    let lab = Lab::new(&[&workflow("rate: { key: event.machine, limit: 2 per 1h }")]).await;
    for n in 0..2 {
        assert_eq!(lab.routed("machine.stopped", press(n)).await.0, "routed");
    }
    let refused = lab.event("machine.stopped", press(3)).await;
    lab.route().await;
    let (state, note) = lab.fate(refused).await;
    assert_eq!(state, "limited");
    assert_eq!(note.as_deref(), Some("more than `rate` of `w` allows for PRESS-4: 2 were started"));
    assert_eq!(lab.routed("machine.stopped", json!({ "machine": "PRESS-6" })).await.0, "routed");
    assert_eq!(lab.count("select count(*) from run_summary").await, 3);
    lab.advance(3_601).await;
    let mut db = lab.store.connection().await.expect("a connection");
    let id = takt::run::EventId(refused);
    assert!(takt::store::events::fire_again(&mut db, id).await.expect("firing"), "it can be fired again");
    lab.route().await;
    assert_eq!(lab.fate(refused).await.0, "routed");
}

#[tokio::test]
async fn the_last_event_of_a_burst_wins() {
    let lab = Lab::new(&[&workflow("debounce: { key: event.machine, wait: 30s, at_most: 5m }")]).await;
    let mut events = Vec::new();
    for n in 0..3 {
        events.push(lab.event("machine.stopped", press(n)).await);
        lab.route().await;
        lab.advance(20).await;
    }
    lab.route().await;
    assert_eq!(lab.fate(events[2]).await, ("held".to_owned(), None));
    assert_eq!(lab.count("select count(*) from run_summary").await, 0);
    lab.advance(11).await;
    lab.route().await;
    let (state, note) = lab.fate(events[2]).await;
    assert_eq!(state, "routed");
    let run: RunId = note.expect("a note").parse().expect("a run's id");
    for earlier in &events[..2] {
        let (state, note) = lab.fate(*earlier).await;
        assert_eq!(state, "joined");
        assert_eq!(note, Some(format!("{run}, as a later event said")));
    }
    assert_eq!(trigger_of(&lab, run).await["n"], json!(2));
    assert_eq!(lab.count("select count(*) from run_summary").await, 1);
    assert_eq!(lab.count("select count(*) from gathered").await, 0);
}

#[tokio::test]
async fn a_burst_that_does_not_end_is_cut_off() {
    let lab = Lab::new(&[&workflow("debounce: { wait: 30s, at_most: 1m }")]).await;
    for n in 0..3 {
        lab.event("machine.stopped", press(n)).await;
        lab.route().await;
        lab.advance(25).await;
    }
    lab.route().await;
    assert_eq!(lab.count("select count(*) from run_summary").await, 1, "a minute after the first");
    assert_eq!(lab.count("select count(*) from event where state = 'held'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_full_or_in_time_and_lose_no_event() {
    let lab = Lab::new(&[&workflow("batch: { size: 5, within: 5m }")]).await;
    for n in 0..23 {
        lab.event("machine.stopped", press(n)).await;
    }
    tokio::join!(lab.race(), lab.race());
    assert_eq!(lab.count("select count(*) from run_summary").await, 4, "four full ones");
    assert_eq!(lab.count("select count(*) from event where state = 'held'").await, 3);
    lab.advance(299).await;
    lab.route().await;
    assert_eq!(lab.count("select count(*) from run_summary").await, 4);
    lab.advance(2).await;
    lab.route().await;
    let mut seen = Vec::new();
    let runs: Vec<uuid::Uuid> =
        sqlx::query_scalar("select id from run_summary").fetch_all(&lab.database.pool).await.expect("runs");
    assert_eq!(runs.len(), 5);
    for run in runs {
        let trigger = trigger_of(&lab, RunId(run)).await;
        let events = trigger["events"].as_array().expect("a list").clone();
        let ids: Vec<&Value> = events.iter().map(|event| &event["id"]).collect();
        assert_eq!(trigger["id"], *ids[ids.len() - 1], "the newest stands at the top");
        for id in ids {
            let id: uuid::Uuid = serde_json::from_value(id.clone()).expect("an id");
            let (state, note) = lab.fate(id).await;
            assert_eq!((state.as_str(), note), ("routed", Some(run.to_string())));
        }
        seen.extend(events.iter().map(|event| event["n"].as_u64().expect("a number")));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..23).collect::<Vec<u64>>(), "each event is in exactly one run");
}

#[tokio::test]
async fn gathered_events_of_a_workflow_that_is_gone_say_so() {
    let lab = Lab::new(&[&workflow("batch: { size: 5, within: 5m }")]).await;
    let event = lab.event("machine.stopped", press(1)).await;
    lab.route().await;
    lab.publish(&[]).await;
    lab.advance(301).await;
    lab.route().await;
    let fate = lab.fate(event).await;
    assert_eq!(fate, ("failed".to_owned(), Some("workflow `w` is gone".to_owned())));
}

#[tokio::test]
async fn a_key_that_cannot_be_read_fails_the_event_and_nothing_else() {
    let lab = Lab::new(&[&workflow("concurrency: { key: event.machine, limit: 1 }")]).await;
    let (state, note) = lab.routed("machine.stopped", json!({ "no": "machine" })).await;
    assert_eq!(state, "failed");
    assert!(note.expect("a note").contains("machine"), "it says what is missing");
    assert_eq!(lab.routed("machine.stopped", press(1)).await.0, "routed");
}

#[tokio::test]
async fn a_flood_is_told_once() {
    let yaml = "workflow: press_down
title: Press is down
owner: me
trigger: { event: machine.stopped, flood: 2 per 10m }
steps: [{ id: ask, gate: acknowledge, ask: supervisor, expires: 1h, on_expire: fail }]
";
    let lab = Lab::new(&[yaml]).await;
    let flood = async |count: u32| {
        for n in 0..count {
            let machine = format!("PRESS-{}", n % 2);
            lab.event("machine.stopped", json!({ "machine": machine })).await;
        }
        lab.route().await;
    };
    let messages = async || -> Vec<(String, Option<String>, Value)> {
        sqlx::query_as("select channel, role, message from outbox order by created_at, channel")
            .fetch_all(&lab.database.pool)
            .await
            .expect("messages")
    };
    flood(7).await;
    assert_eq!(lab.count("select count(*) from event where state = 'flooded'").await, 5);
    assert_eq!(messages().await, vec![], "it is not over yet");
    lab.advance(601).await;
    lab.route().await;
    lab.route().await;
    let told = messages().await;
    let channels: Vec<&str> = told.iter().map(|(channel, ..)| channel.as_str()).collect();
    assert_eq!(channels, ["console", "slack"]);
    let (_, role, message) = &told[0];
    assert_eq!(role.as_deref(), Some("supervisor"));
    assert_eq!(message["title"], json!("Press is down: 5 more events than `flood` lets through"));
    assert!(message["body"].as_str().expect("a text").contains("About: PRESS-0, PRESS-1."), "{message}");
    flood(3).await;
    lab.advance(601).await;
    lab.route().await;
    assert_eq!(messages().await.len(), 4, "one message a flood and channel");
}

#[tokio::test]
async fn a_flood_of_a_workflow_in_shadow_is_told_to_nobody() {
    let yaml = "workflow: press_down
owner: me
autonomy: shadow
trigger: { event: machine.stopped, flood: 1 per 10m }
steps: [{ id: ask, gate: acknowledge, ask: supervisor, expires: 1h, on_expire: fail }]
";
    let lab = Lab::new(&[yaml]).await;
    for _ in 0..3 {
        lab.event("machine.stopped", json!({ "machine": "PRESS-1" })).await;
    }
    lab.route().await;
    assert_eq!(lab.count("select count(*) from flood").await, 1);
    lab.advance(601).await;
    lab.route().await;
    lab.route().await;
    assert_eq!(lab.count("select count(*) from flood").await, 0, "it is over");
    assert_eq!(lab.count("select count(*) from outbox").await, 0);
}
