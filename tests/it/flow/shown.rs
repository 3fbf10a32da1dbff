//! What people see of lanes: the list of runs, a run's page, the API and the health page.

use crate::support::console::{API_TOKEN, Console};
use serde_json::{Value, json};
use takt::{
    engine::start_run,
    run::{LaneKey, NewRun, RunId, Turn},
    workflow::Excess,
};

async fn queue_up(console: &Console, runs: usize) -> Vec<RunId> {
    let definition = console.definitions.current("downtime_escalation").expect("a sample workflow");
    let mut started = Vec::new();
    for _ in 0..runs {
        let lane = LaneKey { key: "PRESS-4".into(), limit: 1, excess: Excess::Wait };
        let run = NewRun {
            id: RunId::new(),
            workflow: "downtime_escalation".into(),
            title: "A machine is down".into(),
            subject: None,
            key: None,
            sha256: definition.sha256.clone(),
            trigger: json!({ "subject": null }),
            inputs: json!({}),
            parent: None,
            approved: false,
            started_by: None,
            event: None,
            trace: None,
            turn: Turn { lane: Some(lane), ..Turn::default() },
        };
        let mut tx = console.store.begin().await.expect("a transaction");
        assert!(start_run(&mut tx, &run, crate::support::console::start()).await.expect("a start"));
        tx.commit().await.expect("a commit");
        started.push(run.id);
    }
    started
}

#[tokio::test]
async fn a_queued_run_says_what_it_waits_for_and_when_it_is_its_turn() {
    let console = Console::start().await;
    let runs = queue_up(&console, 4).await;
    let mut sam = console.signed_in("sam").await;
    let list = sam.get("/runs").await.text;
    for place in ["next", "second", "third"] {
        let words = format!("Waiting for a lane: 1 of 1 in use for PRESS-4, {place} in line");
        assert_eq!(list.matches(&words).count(), 1, "{place}");
    }
    let page = sam.get(&format!("/runs/{}", runs[3])).await.text;
    assert!(page.contains("Waiting for a lane: 1 of 1 in use for PRESS-4, third in line"), "{page}");
    let health = sam.get("/status").await.text;
    assert!(health.contains("<td>PRESS-4</td><td class=\"number\">1</td><td class=\"number\">1</td><td class=\"number\">3</td>"), "{health}");
    assert!(health.contains("<dt>Runs queued</dt><dd>3</dd>"), "{health}");

    let get = async |path: String| -> Value {
        let client = reqwest::Client::new();
        let answer = client.get(format!("{}{path}", console.url)).bearer_auth(API_TOKEN).send().await;
        answer.expect("an answer").json().await.expect("JSON")
    };
    let run = get(format!("/api/runs/{}", runs[2])).await;
    let expected = json!({ "key": "PRESS-4", "limit": 1, "in_use": 1, "position": 2 });
    assert_eq!(run["run"]["queued"], expected, "{run:#}");
    assert_eq!(run["run"]["id"], json!(runs[2]));
    let listed = get("/api/runs".to_owned()).await;
    let queued = listed["runs"].as_array().expect("a list").iter().filter(|run| !run["queued"].is_null());
    assert_eq!(queued.count(), 3);
}
