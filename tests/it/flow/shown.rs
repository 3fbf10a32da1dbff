//! What people see of lanes: the list of runs, a run's page, the API and the health page.

use crate::support::console::{API_TOKEN, Console};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use takt::{
    engine::start_run,
    run::{Actor, LaneKey, NewRun, RunId, Turn},
    site::Limits,
    trigger::{ManualError, by_hand},
    workflow::{Bundle, Definition, Excess},
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
            shadow: false,
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

    // Who is cancelled in line need not come to its turn to end.
    let cancel = format!("{}/api/runs/{}/cancel", console.url, runs[3]);
    let order = reqwest::Client::new().post(cancel).bearer_auth(API_TOKEN).header("x-takt-person", "sam");
    let answer = order.json(&json!({ "reason": "a test" })).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
    let left = sqlx::query_as::<_, (String, Option<i64>)>("select state, lane from run where id = $1");
    let left = left.bind(runs[3].0).fetch_one(console.store.pool()).await.expect("its row");
    assert_eq!(left, ("ready".to_owned(), None));
}

#[tokio::test]
async fn an_input_that_is_too_large_starts_no_run() {
    let yaml = "workflow: nap
owner: me
trigger: manual
inputs: { case: { type: string } }
steps: [{ id: rest, wait: 1h }]
";
    let lab = super::Lab::new(&[yaml]).await;
    let limits = Limits { payload_bytes_max: 2_000, ..Limits::default() };
    let run = |length: usize| {
        let inputs = json!({ "case": "x".repeat(length) });
        by_hand(
            &lab.definitions,
            "nap",
            &inputs,
            (&json!({}), &limits),
            &Actor::person("sam"),
            Default::default(),
        )
    };
    assert!(run(1_000).is_ok());
    let refused = run(9_000).expect_err("it is refused");
    assert!(matches!(&refused, ManualError::TooLarge(why) if why.contains("at most 2000")), "{refused}");
    let problem = refused.to_string();
    assert!(problem.contains("payload_bytes_max"), "{problem}");
}

#[tokio::test]
async fn a_person_reads_which_run_of_a_singleton_is_open_and_why_a_key_is_none() {
    let console = Console::start().await;
    let yaml = "workflow: count_stock
owner: me
trigger: manual
inputs: { hall: { type: string }, urgency: { type: integer, default: 0 } }
flow: { singleton: { key: inputs.hall, then: skip }, priority: inputs.urgency }
steps: [{ id: rest, wait: 1h }]
";
    let path = "workflows/count_stock.yaml".to_owned();
    let files = BTreeMap::from([(path.clone(), yaml.to_owned())]);
    let definition = Definition::compile(Bundle { path, files }).expect("it loads");
    let mut db = console.store.connection().await.expect("a connection");
    console.definitions.publish(&mut db, vec![Arc::new(definition)]).await.expect("publishing");
    let start = async |inputs: Value| -> (u16, Value) {
        let url = format!("{}/api/workflows/count_stock/runs", console.url);
        let request = reqwest::Client::new().post(url).json(&json!({ "inputs": inputs }));
        let answer = request.bearer_auth(API_TOKEN).header("x-takt-person", "sam").send().await;
        let answer = answer.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    };
    let (status, first) = start(json!({ "hall": "A" })).await;
    assert_eq!(status, 201, "{first:#}");
    let (status, refused) = start(json!({ "hall": "A" })).await;
    assert_eq!(status, 409, "{refused:#}");
    let open = first["runs"][0].as_str().expect("an id");
    assert!(refused["detail"].as_str().expect("a text").contains(open), "{refused:#}");
    assert_eq!(start(json!({ "hall": "B" })).await.0, 201);
    let (status, wrong) = start(json!({ "hall": "C", "urgency": 500 })).await;
    assert_eq!(status, 400, "{wrong:#}");
    assert!(wrong["detail"].as_str().expect("a text").contains("from -100 to 100"), "{wrong:#}");
}
