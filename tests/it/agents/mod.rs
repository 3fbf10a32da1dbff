//! Agent steps through the real binary and over a real wire: killed, throttled, hijacked, traced.

mod boundaries;
mod circuit;
mod described;
mod hijacked;
mod official;
mod rates;
mod recorded;
mod silence;
mod spans;
mod storm;
mod streams;
mod wire;

use crate::support::{plant::Plant, wire::Wire};
use serde_json::{Value, json};
use takt::{
    agent::Entry,
    run::{Change, Record, RunId},
    store::summaries,
};

const WORKFLOW: &str = r#"workflow: agent_sample
title: Agent sample
owner: tests
autonomy: assist
trigger: { event: test.stop, key: event.ref }
steps:
  - id: triage
    agent: prompts/agent_sample.hbs
    tools: [cmms.asset_history]
    with: { marker: "${{ trigger.ref }}", asset: EQ-4 }
    output: schemas/agent_sample.json
    limits: { turns: 6, time: 10m }
    fallback: { summary: Nobody knows. }
  - id: approve
    gate: approve
    ask: production_supervisor
    draft: { note: "${{ steps.triage.summary }}" }
    expires: 12h
    on_expire: fail
  - id: ticket
    call: tickets.create
    with: { title: "${{ trigger.ref }}: ${{ steps.triage.summary }}" }
"#;

const SCHEMA: &str = r#"{ "type": "object", "additionalProperties": false, "required": ["summary"],
  "properties": { "summary": { "type": "string", "maxLength": 200 } } }"#;

/// A plant with the sample, whose models are all at this server.
async fn plant_with(wire: &Wire) -> Plant {
    let mut plant = Plant::new().await;
    let site = plant.own_site();
    for (path, text) in [
        ("workflows/agent_sample.yaml", WORKFLOW),
        ("prompts/agent_sample.hbs", "Say what is wrong with the asset."),
        ("schemas/agent_sample.json", SCHEMA),
    ] {
        std::fs::write(site.join(path), text).expect("written");
    }
    plant.environment.push(("OPENAI_BASE_URL", wire.url.clone()));
    plant.environment.push(("OPENAI_API_KEY", "sk-test".to_owned()));
    plant
}

async fn stop(plant: &Plant, name: &str) {
    stop_with(plant, name, json!({ "ref": name })).await;
}

async fn stop_with(plant: &Plant, name: &str, data: Value) {
    let event = json!({ "id": name, "type": "test.stop", "subject": name, "data": data });
    plant.store_event(&event).await;
}

async fn run_of(plant: &Plant, name: &str) -> RunId {
    let look = async || {
        let mut db = plant.store.connection().await.expect("a connection");
        let filter =
            summaries::Filter { workflow: Some("agent_sample".into()), ..summaries::Filter::default() };
        let runs = summaries::list(&mut db, &filter, 5_000).await.expect("runs");
        runs.into_iter().find(|run| run.subject.as_deref() == Some(name)).map(|run| RunId(run.id))
    };
    plant.until("the run to begin", look).await
}

fn ledger(records: &[Record]) -> Vec<Entry> {
    let notes = records.iter().filter_map(|record| match (&record.path, &record.change) {
        (Some(path), Change::Noted { note }) if path.as_str() == "triage" => Some(note.clone()),
        _ => None,
    });
    notes.map(|note| serde_json::from_value(note).expect("an entry")).collect()
}

/// The name of the run that a request is for.
fn name_in(request: &Value) -> String {
    let data = request.pointer("/messages/1/content").and_then(Value::as_str).unwrap_or_default();
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    data["data"]["marker"].as_str().unwrap_or_default().to_owned()
}
