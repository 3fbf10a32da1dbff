//! What people order of runs, through the real binary: cancelled, paused, retried, moved, quarantined.

mod changed;
mod children;
mod command;
mod many;
mod storm;

use crate::support::plant::Plant;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use takt::{
    engine::{Definitions, start_run},
    run::{Change, NewRun, RunId, State, StepPath, Turn, machine::Status},
    store::{audit, clock, control, gates, hints, summaries},
    workflow::{Bundle, Definition},
};

const TOKEN: &str = "control-test-token";

/// Two writes that can be undone, a question, a read that can be made to fail, and a write at the end.
const SAMPLE: &str = r#"workflow: control_sample
title: Control sample
owner: tests
autonomy: assist
trigger: { event: test.go, key: event.name }
steps:
  - id: first
    call: tickets.create
    with: { title: "first of ${{ trigger.name }}" }
    undo: { call: tickets.close, with: { number: "${{ steps.first.number }}", minutes_down: 0 } }
  - id: second
    call: tickets.create
    with: { title: "second of ${{ trigger.name }}" }
    undo: { call: tickets.close, with: { number: "${{ steps.second.number }}", minutes_down: 0 } }
  - id: ask
    gate: approve
    ask: production_supervisor
    expires: 12h
    on_expire: fail
  - id: third
    call: cmms.asset_history
    with: { asset: EQ-4 }
    retry: { times: 0 }
  - id: last
    call: tickets.note
    with: { number: "${{ steps.second.number }}", note: done }
"#;

/// A write whose outcome stays unknown.
const UNKNOWN: &str = r#"workflow: control_unknown
title: Control unknown
owner: tests
autonomy: assist
trigger: { event: test.unknown }
steps:
  - id: ticket
    call: tickets.create
    with: { title: only one }
    retry: [{ times: 1, wait: 1s, on: [outcome_unknown] }, { times: 1, wait: 1s }]
"#;

async fn plant_with(files: &[(&str, &str)]) -> Plant {
    let mut plant = Plant::new().await;
    let site = plant.own_site();
    for (name, text) in files {
        std::fs::write(site.join("workflows").join(name), text).expect("a workflow");
    }
    plant.environment.push(("TAKT_API_TOKEN", TOKEN.to_owned()));
    plant
}

async fn start(plant: &mut Plant, name: &str) -> RunId {
    let event = json!({ "id": name, "type": "test.go", "subject": name, "data": { "name": name } });
    plant.store_event(&event).await;
    plant.until("the run to begin", async || open_run(plant, name).await).await
}

async fn open_run(plant: &Plant, subject: &str) -> Option<RunId> {
    let mut db = plant.store.connection().await.expect("a connection");
    let filter = summaries::Filter { text: Some(subject.to_owned()), ..summaries::Filter::default() };
    let runs = summaries::list(&mut db, &filter, 10).await.expect("runs");
    runs.into_iter().find(|run| run.subject.as_deref() == Some(subject)).map(|run| RunId(run.id))
}

async fn post(plant: &Plant, path: &str, person: &str, body: &Value) -> (StatusCode, Value) {
    let url = format!("http://{}{path}", plant.address);
    let request = reqwest::Client::new().post(url).bearer_auth(TOKEN).header("x-takt-person", person);
    let answer = request.json(body).send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

/// Orders something of a run as somebody who may.
async fn order(plant: &Plant, run: RunId, action: &str, more: Value) -> (StatusCode, Value) {
    let mut body = json!({ "reason": "a test" });
    body.as_object_mut().expect("fields").extend(more.as_object().cloned().unwrap_or_default());
    post(plant, &format!("/api/runs/{run}/{action}"), "sam", &body).await
}

async fn fault(plant: &Plant, fault: Value) {
    plant.post(&format!("{}/sim/faults", plant.simulator.base_url), &fault).await;
}

async fn clear_faults(plant: &Plant) {
    let url = format!("{}/sim/faults", plant.simulator.base_url);
    reqwest::Client::new().delete(url).send().await.expect("the simulator answers");
}

async fn state(plant: &Plant, run: RunId) -> State {
    State::fold(&plant.records(run).await).expect("a journal that folds")
}

async fn waits_at(plant: &Plant, run: RunId, step: &str) {
    let step = StepPath::root(step);
    plant
        .until("the run to wait", async || {
            (state(plant, run).await.status(&step) == Status::Waiting).then_some(())
        })
        .await;
}

async fn ended(plant: &Plant, run: RunId) -> String {
    plant
        .until("the run to end", async || match &plant.records(run).await.last()?.change {
            Change::RunEnded { outcome } => Some(outcome.clone()),
            _ => None,
        })
        .await
}

async fn approve(plant: &Plant, run: RunId) {
    plant
        .until("the question to be answered", async || {
            plant.answer_open().await;
            let mut db = plant.store.connection().await.expect("a connection");
            let asked = gates::of_run(&mut db, run).await.expect("gates");
            (!asked.is_empty() && asked.iter().all(|gate| gate.state != "open")).then_some(())
        })
        .await;
}

async fn audited(plant: &Plant, action: &str) -> usize {
    let mut db = plant.store.connection().await.expect("a connection");
    let rows = audit::recent(&mut db, 1_000).await.expect("the audit");
    let same = rows.iter().filter(|row| row.action == action && row.actor == "sam");
    same.inspect(|row| assert_eq!(row.detail["reason"], json!("a test"))).count()
}

/// Runs whose question ended without an answer, and the trail's word for it.
async fn closed(plant: &Plant) -> Vec<(Option<uuid::Uuid>, Option<String>)> {
    let sql = "select run_id, decision from audit where action = 'gate.closed'";
    sqlx::query_as(sql).fetch_all(plant.store.pool()).await.expect("the audit")
}

async fn target(plant: &Plant, run: RunId) -> control::Target {
    let mut db = plant.store.connection().await.expect("a connection");
    control::look(&mut db, &[run.0]).await.expect("the run").pop().expect("the run")
}

fn done_steps(records: &[takt::run::Record]) -> Vec<String> {
    let is_done = |record: &&takt::run::Record| matches!(record.change, Change::Done { .. });
    records.iter().filter(is_done).filter_map(|record| Some(record.path.as_ref()?.to_string())).collect()
}

#[tokio::test]
async fn a_cancelled_run_is_undone_backwards() {
    let mut plant = plant_with(&[("control_sample.yaml", SAMPLE)]).await;
    plant.serve(None).await;
    let run = start(&mut plant, "one").await;
    waits_at(&plant, run, "ask").await;
    let (status, _) = order(&plant, run, "cancel", json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(ended(&plant, run).await, "cancelled");
    let steps = done_steps(&plant.records(run).await);
    assert_eq!(steps, ["first", "second", "second.undo", "first.undo"]);
    assert_eq!(audited(&plant, "run.cancel").await, 1);
    assert_eq!(closed(&plant).await, [(Some(run.0), Some("CLOSED".to_owned()))], "its question has an end");
    let (status, problem) = order(&plant, run, "cancel", json!({})).await;
    assert_eq!((status, &problem["why"]), (StatusCode::CONFLICT, &json!("ended")), "{problem}");
}

#[tokio::test]
async fn a_paused_run_keeps_the_answer_until_it_goes_on() {
    let mut plant = plant_with(&[("control_sample.yaml", SAMPLE)]).await;
    plant.serve(None).await;
    let run = start(&mut plant, "one").await;
    waits_at(&plant, run, "ask").await;
    let (status, problem) =
        post(&plant, &format!("/api/runs/{run}/pause"), "mia", &json!({ "reason": "x" })).await;
    assert_eq!((status, &problem["type"]), (StatusCode::FORBIDDEN, &json!("urn:takt:problem:not-permitted")));
    assert_eq!(order(&plant, run, "pause", json!({})).await.0, StatusCode::OK);
    assert_eq!(order(&plant, run, "pause", json!({})).await.1["why"], json!("already_paused"));
    plant.until("the pause", async || state(&plant, run).await.paused.map(|_| ())).await;
    approve(&plant, run).await;
    plant
        .until("the answer to be in the journal", async || {
            let records = plant.records(run).await;
            records.iter().any(|record| matches!(record.change, Change::Signalled(_))).then_some(())
        })
        .await;
    assert_eq!(state(&plant, run).await.status(&StepPath::root("ask")), Status::Waiting, "it holds still");
    assert_eq!(order(&plant, run, "resume", json!({})).await.0, StatusCode::OK);
    assert_eq!(ended(&plant, run).await, "done");
    assert_eq!((audited(&plant, "run.pause").await, audited(&plant, "run.resume").await), (1, 1));
}

#[tokio::test]
async fn a_retry_does_again_what_was_undone_and_leaves_one_effect_of_what_was_not() {
    let mut plant = plant_with(&[("control_sample.yaml", SAMPLE), ("control_unknown.yaml", UNKNOWN)]).await;
    plant.serve(None).await;
    fault(&plant, json!({ "system": "cmms", "kind": "500" })).await;
    let run = start(&mut plant, "one").await;
    waits_at(&plant, run, "ask").await;
    approve(&plant, run).await;
    // Reads are retried inside a call as well, and the engine waits on the plant's clock.
    assert_eq!(ended(&plant, run).await, "failed");
    let failed = target(&plant, run).await;
    assert_eq!(failed.outcome.as_deref(), Some("failed"));
    clear_faults(&plant).await;
    let before = done_steps(&plant.records(run).await);
    assert_eq!(order(&plant, run, "retry", json!({})).await.0, StatusCode::OK);
    assert_eq!(ended(&plant, run).await, "done");
    let after = done_steps(&plant.records(run).await);
    assert_eq!(after[before.len()..], ["first", "second", "third", "last"], "the answer still counts");

    // A write that went through although its answer was lost, and that could not be looked up at once.
    fault(&plant, json!({ "system": "tickets", "kind": "lost_reply", "times": 1, "method": "POST" })).await;
    fault(&plant, json!({ "system": "tickets", "kind": "500", "method": "GET" })).await;
    let written = plant.writes().await["applied"].as_u64().expect("a count");
    plant.store_event(&json!({ "id": "u", "type": "test.unknown", "subject": "unknown", "data": {} })).await;
    let run = plant.until("the run", async || open_run(&plant, "unknown").await).await;
    assert_eq!(ended(&plant, run).await, "failed");
    clear_faults(&plant).await;
    assert_eq!(order(&plant, run, "retry", json!({})).await.0, StatusCode::OK);
    assert_eq!(ended(&plant, run).await, "done");
    let writes = plant.writes().await;
    assert_eq!(writes["applied"].as_u64(), Some(written + 1), "{writes:#}");
    assert_eq!(writes["duplicate_effects"], json!(0), "{writes:#}");
    assert_eq!(audited(&plant, "run.retry").await, 2);
}

#[tokio::test]
async fn a_run_moves_to_a_newer_version_only_where_it_fits() {
    let mut plant = plant_with(&[("control_sample.yaml", SAMPLE)]).await;
    let file = plant.own_site().join("workflows/control_sample.yaml");
    std::fs::write(&file, SAMPLE).expect("the workflow");
    plant.serve(None).await;
    let run = start(&mut plant, "one").await;
    waits_at(&plant, run, "ask").await;
    assert_eq!(order(&plant, run, "migrate", json!({})).await.1["why"], json!("same_version"));
    let published = plant.log().matches("published edited workflows").count();
    let broken = SAMPLE.replace("id: second", "id: other").replace("steps.second", "steps.other");
    std::fs::write(&file, broken).expect("editing");
    let seen = |count: usize| {
        let plant = &plant;
        async move {
            let log =
                async || (plant.log().matches("published edited workflows").count() > count).then_some(());
            plant.until("the edited file to be published", log).await;
        }
    };
    seen(published).await;
    let (status, problem) = order(&plant, run, "migrate", json!({})).await;
    assert_eq!((status, &problem["why"]), (StatusCode::CONFLICT, &json!("incompatible")), "{problem:#}");
    assert_eq!(problem["reasons"][0]["why"], json!("gone"), "{problem:#}");
    assert_eq!(problem["reasons"][0]["step"], json!("second"), "{problem:#}");
    // A version that only changes what is still to come fits.
    std::fs::write(&file, SAMPLE.replace("note: done", "note: done in the new version")).expect("editing");
    seen(published + 1).await;
    let (status, problem) = order(&plant, run, "migrate", json!({ "version": "newest" })).await;
    assert_eq!(status, StatusCode::OK, "{problem:#}");
    approve(&plant, run).await;
    assert_eq!(ended(&plant, run).await, "done");
    let after = state(&plant, run).await;
    assert_ne!(after.sha256, after.start.sha256, "the run is pinned to the newer version");
    // And an ended run is done again from a step, in the first version once more.
    let first = json!({ "from": "last", "version": { "sha256": after.start.sha256 } });
    assert_eq!(order(&plant, run, "rerun", first).await.0, StatusCode::OK);
    assert_eq!(ended(&plant, run).await, "done");
    let again = state(&plant, run).await;
    assert_eq!(again.sha256, again.start.sha256);
    let steps = done_steps(&plant.records(run).await);
    assert_eq!(steps, ["first", "second", "ask", "third", "last", "last"]);
}

#[tokio::test]
async fn an_order_over_many_says_first_what_it_would_do() {
    let mut plant = plant_with(&[("control_sample.yaml", SAMPLE)]).await;
    plant.serve(None).await;
    let mut runs = Vec::new();
    for name in ["one", "two", "three"] {
        let run = start(&mut plant, name).await;
        waits_at(&plant, run, "ask").await;
        runs.push(run);
    }
    assert_eq!(order(&plant, runs[0], "pause", json!({})).await.0, StatusCode::OK);
    let ask = |dry_run: bool| {
        json!({ "action": "pause", "reason": "a test", "dry_run": dry_run,
                "filter": { "workflow": "control_sample", "state": "open" } })
    };
    let (status, rehearsed) = post(&plant, "/api/runs/bulk", "sam", &ask(true)).await;
    assert_eq!((status, &rehearsed["done"]), (StatusCode::OK, &json!(2)), "{rehearsed:#}");
    assert_eq!(rehearsed["left_out"]["already_paused"]["count"], json!(1), "{rehearsed:#}");
    assert!(target(&plant, runs[1]).await.hold.is_none(), "a dry run changes nothing");
    let (_, done) = post(&plant, "/api/runs/bulk", "sam", &ask(false)).await;
    assert_eq!((&done["done"], &done["left_out"]), (&rehearsed["done"], &rehearsed["left_out"]));
    assert_eq!(done["finished"], json!(true));
    assert_eq!(audited(&plant, "run.pause").await, 3);
    for run in &runs {
        assert_eq!(target(&plant, *run).await.hold.as_deref(), Some("paused"));
    }
    let (status, _) =
        post(&plant, "/api/runs/bulk", "sam", &json!({ "action": "cancel", "reason": "x" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "every run there is must be meant");
    // The command line does the same, straight in the database.
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_takt"))
        .args("run cancel --workflow control_sample --state paused --by sam".split(' '))
        .args(["--reason", "a test"])
        .env_clear()
        .env("DATABASE_URL", &plant.database.url)
        .output()
        .expect("takt run");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(said.contains("cancel ordered for 3 runs"), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    for run in runs {
        assert_eq!(ended(&plant, run).await, "cancelled");
    }
}

#[tokio::test]
async fn a_run_that_kills_its_workers_is_quarantined_until_a_person_lets_it_go() {
    let mut plant = plant_with(&[("control_sample.yaml", SAMPLE)]).await;
    plant.serve(Some("before_call")).await;
    let event = json!({ "id": "p", "type": "test.go", "subject": "poison", "data": { "name": "poison" } });
    plant.store_event(&event).await;
    for _ in 0..2 {
        plant.died().await;
        plant.serve(Some("before_call")).await;
    }
    plant.died().await;
    plant.serve(None).await;
    let run = plant.until("the run", async || open_run(&plant, "poison").await).await;
    let held = plant
        .until("the quarantine", async || {
            Some(target(&plant, run).await).filter(|run| run.state.as_deref() == Some("set_aside"))
        })
        .await;
    assert_eq!(held.hold.as_deref(), Some("quarantined"));
    assert!(held.hold_reason.is_some_and(|reason| reason.contains("died over it 3 times")));
    hints::send(&plant.store).await.expect("a hint");
    assert_eq!(plant.get(&format!("http://{}/health", plant.address)).await["attention"], json!(1));
    assert_eq!(order(&plant, run, "retry", json!({})).await.0, StatusCode::OK);
    waits_at(&plant, run, "ask").await;
    assert!(target(&plant, run).await.hold.is_none());
    let records = plant.records(run).await;
    assert!(
        records.iter().any(|record| matches!(&record.change, Change::Released { by, .. } if by == "sam"))
    );
    approve(&plant, run).await;
    assert_eq!(ended(&plant, run).await, "done");
}

#[tokio::test]
async fn a_run_whose_version_is_gone_is_set_aside_and_can_be_ended() {
    let mut plant = plant_with(&[("control_sample.yaml", SAMPLE)]).await;
    plant.serve(None).await;
    let run = start(&mut plant, "one").await;
    waits_at(&plant, run, "ask").await;
    plant.kill();
    sqlx::query("delete from workflow_version").execute(plant.store.pool()).await.expect("deleting");
    std::fs::write(
        plant.own_site().join("workflows/control_sample.yaml"),
        SAMPLE.replace("note: done", "note: x"),
    )
    .expect("another version");
    plant.answer_open().await;
    plant.serve(None).await;
    plant
        .until("the run to be set aside", async || {
            (target(&plant, run).await.hold.as_deref() == Some("no_definition")).then_some(())
        })
        .await;
    assert_eq!(order(&plant, run, "pause", json!({})).await.1["why"], json!("set_aside"));
    assert_eq!(order(&plant, run, "cancel", json!({})).await.0, StatusCode::OK);
    assert_eq!(target(&plant, run).await.outcome.as_deref(), Some("cancelled"));
}

/// Two questions, each with a write of its own; the second decision is looked at wrongly. The check before a deploy
/// refuses it, so it is published past that check: what stops the write is the engine.
const TWO_GATES: &str = r#"workflow: control_two_gates
title: Two gates
owner: tests
autonomy: assist
trigger: { event: test.gates }
steps:
  - { id: a, gate: approve, ask: production_supervisor, expires: 12h, on_expire: fail, allow: [approve, reject] }
  - id: write_a
    if: steps.a.decision == 'approve'
    call: cmms.create_work_order
    with: { asset: EQ-4, title: first, description: approved, priority: LOW }
  - { id: b, gate: approve, ask: production_supervisor, expires: 12h, on_expire: fail, allow: [approve, reject] }
  - id: write_b
    if: steps.b.decision != 'edit'
    call: cmms.create_work_order
    with: { asset: EQ-4, title: second, description: rejected, priority: LOW }
on_failure:
  - { id: told, call: notify.role, with: { role: production_supervisor, message: messages/run_failed.hbs } }
"#;

#[tokio::test]
async fn an_answer_to_one_question_lets_no_other_write_pass() {
    let mut plant = plant_with(&[]).await;
    plant.serve(None).await;
    let bundle = Bundle::with(&plant.own_folder(), "workflows/control_two_gates.yaml", TWO_GATES.to_owned());
    let definition = Arc::new(Definition::compile(bundle).expect("its form is right"));
    let mut db = plant.store.connection().await.expect("a connection");
    Definitions::default().publish(&mut db, vec![definition.clone()]).await.expect("published");
    let now = clock::now(&mut db).await.expect("the time");
    let run = RunId::at(now);
    let new = NewRun {
        id: run,
        workflow: definition.workflow.id.clone(),
        title: definition.workflow.title.clone(),
        subject: Some("gates".into()),
        key: None,
        sha256: definition.sha256.clone(),
        trigger: json!({ "type": "manual" }),
        inputs: Value::Null,
        parent: None,
        approved: false,
        shadow: false,
        started_by: None,
        event: None,
        trace: None,
        turn: Turn::default(),
    };
    assert!(start_run(&mut db, &new, now).await.expect("started"));
    hints::send(&plant.store).await.expect("told");
    drop(db);
    let supervisor = plant.on_shift("production_supervisor").await;
    for (step, decision) in [("a", "approve"), ("b", "reject")] {
        waits_at(&plant, run, step).await;
        let mut db = plant.store.connection().await.expect("a connection");
        let asked = gates::of_run(&mut db, run).await.expect("gates");
        let gate = asked.iter().find(|gate| gate.state == "open").expect("an open question");
        let answer = json!({ "decision": decision, "reason_code": "other", "reason": "because", "proposal_hash": gate.proposal_hash });
        let (status, said) =
            post(&plant, &format!("/api/gates/{}/answer", gate.id), &supervisor.id, &answer).await;
        assert_eq!(status, StatusCode::OK, "{said}");
    }
    assert_eq!(ended(&plant, run).await, "failed");
    let failing = state(&plant, run).await.failing.expect("a failure");
    assert_eq!((failing.0.as_str(), failing.1.class.as_str()), ("write_b", "not_approved"));
    assert!(failing.1.message.contains("the answer to `b` was `reject`"), "{}", failing.1.message);
    assert_eq!(plant.writes().await["applied"], json!(1));
}
