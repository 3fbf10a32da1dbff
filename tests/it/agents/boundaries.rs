//! The real binary, killed around every line of an agent's ledger: what a model answered is never asked again,
//! nothing is proposed or written twice, and at most one request is lost with each kill.
//!
//! `TAKT_AGENT_KILLS` asks for more kills at each boundary than a short test has time for.

use super::{SCHEMA, ledger, name_in, plant_with, run_of, stop};
use crate::support::{
    plant::Plant,
    wire::{Said, Seen, Wire, answer, tool_calls},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use takt::{
    agent::{Entry, ModelErrorClass},
    engine::AGENT_CRASH_POINTS,
    run::{Change, Record, State},
    store::{clock, endpoints, hints},
};

/// What was served to each run, by the turn it was for.
type Served = Arc<Mutex<BTreeMap<String, Vec<&'static str>>>>;

/// A failure first, then tools of every outcome, then the answer.
fn serve(served: &Served, seen: &Seen) -> Said {
    let messages = seen.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut served = served.lock().expect("the list");
    let of_run = served.entry(name_in(&seen.body)).or_default();
    let has_read = messages.iter().any(|message| message["role"] == "tool");
    if of_run.is_empty() {
        of_run.push("failure");
        return Said::json(500, &json!({ "error": { "message": "once", "type": "server_error" } }));
    }
    if !has_read {
        of_run.push("tools");
        let asset = |id: &str| json!({ "asset": id });
        let calls = [
            ("cmms__asset_history", asset("EQ-4")),
            ("cmms__asset_history", asset("EQ-NONE")),
            ("cmms__nothing", asset("EQ-4")),
        ];
        return Said::json(200, &tool_calls(&calls));
    }
    of_run.push("answer");
    Said::json(200, &answer(&json!({ "summary": "A leak, as before." })))
}

fn kills() -> usize {
    std::env::var("TAKT_AGENT_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(1)
}

/// The endpoint has asked to be left alone for a moment: the first request is held.
async fn hold_endpoint(plant: &Plant) {
    let mut db = plant.store.connection().await.expect("a connection");
    let now = clock::now(&mut db).await.expect("the time");
    endpoints::lock(&mut db, "model:openai").await.expect("a row");
    let mut state = takt::run::EndpointState::default();
    state.refused(now, Some(Duration::from_secs(60)));
    endpoints::save(&mut db, "model:openai", &state).await.expect("saved");
}

fn count(entries: &[Entry], wanted: impl Fn(&Entry) -> bool) -> usize {
    entries.iter().filter(|entry| wanted(entry)).count()
}

/// Everything that must hold of one run that was killed once at `point`.
fn assert_unharmed(point: &str, records: &[Record], served: &[&'static str]) {
    State::fold(records).expect("the journal folds");
    let entries = ledger(records);
    let kinds: Vec<&str> = entries.iter().map(Entry::kind).collect();
    let is_lost = |entry: &Entry| matches!(entry, Entry::Failed { class: ModelErrorClass::Lost, .. });
    let lost = count(&entries, is_lost);
    assert!(lost <= 1, "{point}: {lost} requests were lost to one kill: {kinds:?}");
    let of = |kind: &str| kinds.iter().filter(|one| **one == kind).count();
    assert_eq!(of("started"), 1, "{point}: {kinds:?}");
    assert_eq!(of("finished"), 1, "{point}: two proposals: {kinds:?}");
    assert_eq!(of("responded"), 2, "{point}: an answered request was repeated: {kinds:?}");
    assert_eq!((of("tool_requested"), of("tool_done"), of("tool_failed")), (2, 1, 1), "{point}: {kinds:?}");
    assert_eq!(of("rejected"), 1, "{point}: {kinds:?}");
    // Every request that left stands in the ledger; the one that a kill kept from leaving does, too.
    assert!(
        served.len() <= of("requested"),
        "{point}: a request that nobody wrote down: {served:?} {kinds:?}"
    );
    assert!(of("requested") <= served.len() + lost, "{point}: {served:?} {kinds:?}");
    for turn in ["tools", "answer"] {
        let asked = served.iter().filter(|one| **one == turn).count();
        assert!(asked <= 1 + lost, "{point}: the answer `{turn}` was asked for {asked} times");
    }
    let keys: Vec<uuid::Uuid> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::ToolRequested { call_key, .. } => Some(*call_key),
            _ => None,
        })
        .collect();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 2, "{point}: call keys repeat");
    let opened = records
        .iter()
        .filter(|record| matches!(&record.change, Change::Noted { note } if note.get("opened").is_some()));
    assert_eq!(opened.count(), 1, "{point}: asked twice");
    let done = records.iter().filter(|record| matches!(record.change, Change::Done { .. }));
    assert_eq!(done.count(), 3, "{point}: a step was done twice or not at all");
}

#[tokio::test]
async fn a_kill_at_any_line_of_the_ledger_repeats_no_answer() {
    let served = Served::default();
    let for_wire = served.clone();
    let wire = Wire::start(move |seen| serve(&for_wire, seen)).await;
    let mut plant = plant_with(&wire).await;
    let mut killed = 0;
    for round in 0..kills() {
        for point in AGENT_CRASH_POINTS {
            let name = format!("{point}-{round}");
            if point.ends_with("_held") {
                hold_endpoint(&plant).await;
            }
            plant.serve(Some(point)).await;
            stop(&plant, &name).await;
            plant.died().await;
            killed += 1;
            plant.serve(None).await;
            let run = run_of(&plant, &name).await;
            if point.ends_with("_held") {
                plant.advance(Duration::from_secs(61)).await;
            }
            assert_eq!(plant.to_the_end(run).await, "done", "after a kill at {point}");
            plant.kill();
            let of_run = served.lock().expect("the list").get(&name).cloned().unwrap_or_default();
            assert_unharmed(point, &plant.records(run).await, &of_run);
            hints::send(&plant.store).await.expect("a hint");
        }
    }
    let writes = plant.writes().await;
    assert_eq!(writes["duplicate_effects"], json!(0), "{writes:#}");
    assert_eq!(writes["applied"], json!(killed), "each run wrote once: {writes:#}");
    println!("{killed} kills at {} boundaries", AGENT_CRASH_POINTS.len());
}

/// A time to wait stands in the journal: whoever takes the run over keeps it, also when nobody else was told of it.
#[tokio::test]
async fn a_time_to_wait_outlives_the_process_that_was_told_it() {
    // A process knows the database's clock but for the time that a question takes.
    const NOT_BEFORE: Duration = Duration::from_millis(2_900);
    let refused = Mutex::new(BTreeSet::new());
    let wire = Wire::start(move |seen| match refused.lock().expect("the list").insert(name_in(&seen.body)) {
        true => Said::json(429, &json!({ "error": { "message": "slow down", "type": "requests" } }))
            .with("retry-after", "3"),
        false => Said::json(200, &answer(&json!({ "summary": "A leak, as before." }))),
    })
    .await;
    let mut plant = plant_with(&wire).await;
    for (name, point) in [("untold", Some("after_agent_failed")), ("parked", None)] {
        plant.serve(point).await;
        stop(&plant, name).await;
        if point.is_some() {
            plant.died().await;
        } else {
            let run = run_of(&plant, name).await;
            let is_refused = |entry: &Entry| matches!(entry, Entry::Failed { .. });
            let look = async || ledger(&plant.records(run).await).iter().any(is_refused).then_some(());
            plant.until("the refusal to be written down", look).await;
            plant.kill();
        }
        plant.serve(None).await;
        let run = run_of(&plant, name).await;
        assert_eq!(plant.to_the_end(run).await, "done", "{name}");
        plant.kill();
        let of_run = wire.seen().into_iter().filter(|seen| name_in(&seen.body) == name);
        let asked: Vec<Instant> = of_run.map(|seen| seen.at).collect();
        assert_eq!(asked.len(), 2, "{name}: {asked:?}");
        let waited = asked[1] - asked[0];
        assert!(waited >= NOT_BEFORE, "{name}: asked again after {waited:?}");
    }
}

/// Prompt and schema of a run in flight are those it began with, whatever is edited and restarted meanwhile.
#[tokio::test]
async fn a_prompt_edited_in_the_middle_changes_nothing() {
    let served = Served::default();
    let for_wire = served.clone();
    let wire = Wire::start(move |seen| serve(&for_wire, seen)).await;
    let mut plant = plant_with(&wire).await;
    plant.serve(Some("after_agent_tool_done")).await;
    stop(&plant, "edited").await;
    plant.died().await;
    let site = plant.own_folder();
    std::fs::write(site.join("prompts/agent_sample.hbs"), "Do something else.").expect("written");
    let looser = SCHEMA.replace("200", "100");
    std::fs::write(site.join("schemas/agent_sample.json"), looser).expect("written");
    plant.serve(None).await;
    let run = run_of(&plant, "edited").await;
    assert_eq!(plant.to_the_end(run).await, "done");
    let seen = wire.seen();
    assert!(seen.len() >= 3, "{} requests", seen.len());
    for request in &seen {
        let prompt = request.body["messages"][0]["content"].as_str().expect("a prompt");
        assert!(prompt.starts_with("Say what is wrong with"), "{prompt}");
        let length = "/response_format/json_schema/schema/properties/summary/description";
        let described = request.body.pointer(length).and_then(Value::as_str).unwrap_or_default();
        assert!(described.contains("200"), "{described}");
    }
}
