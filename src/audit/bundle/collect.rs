//! What the database knows of a run and of the runs above and below it, as files.

use super::answers::Sealed;
use crate::{
    audit::verify::Broken,
    run::{Change, GateId, Record, RunId, digest_of, story},
    store::{PgConnection, StoreError, events, gates, journal, signatures, summaries, versions},
    workflow::Definition,
};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Runs in one bundle; more of a family are left out, which the summary says.
const FAMILY_MAX: usize = 64;

/// One run as it is shown.
pub(super) struct Told {
    pub run: summaries::Summary,
    pub event: Option<Value>,
    pub start: Value,
    /// The version it began with or was moved to, by its SHA-256.
    pub version: Option<String>,
    pub definition: Option<Value>,
    pub records: Vec<Record>,
    pub story: Vec<story::Line>,
    /// Questions and answers as they were sealed.
    pub gates: Value,
    /// The same as the database has them now.
    pub kept_gates: Value,
    pub agents: Value,
}

/// The run first, then those it was started by, then those it started.
pub(super) async fn family(db: &mut PgConnection, run: RunId) -> Result<Vec<Uuid>, StoreError> {
    let mut family = vec![run.0];
    let mut above = summaries::get(db, run).await?.and_then(|summary| summary.parent_run);
    while let Some(parent) = above.filter(|parent| !family.contains(parent) && family.len() < FAMILY_MAX) {
        family.push(parent);
        above = summaries::get(db, RunId(parent)).await?.and_then(|summary| summary.parent_run);
    }
    let mut open = vec![run.0];
    while let Some(parent) = open.pop() {
        for child in summaries::children(db, RunId(parent)).await? {
            if family.len() < FAMILY_MAX && !family.contains(&child.id) {
                family.push(child.id);
                open.push(child.id);
            }
        }
    }
    Ok(family)
}

impl Told {
    /// `None` when the run is in no list any more.
    pub(super) async fn load(
        db: &mut PgConnection,
        run: RunId,
        zone: Tz,
    ) -> Result<Option<Self>, StoreError> {
        let Some(summary) = summaries::get(db, run).await? else { return Ok(None) };
        let records = journal::load(db, run).await?;
        let event = match summary.event_id {
            Some(event) => events::get(db, event).await?.map(|event| event_json(&event)),
            None => None,
        };
        let start = records.iter().find_map(|record| match &record.change {
            Change::RunStarted(start) => serde_json::to_value(start).ok(),
            _ => None,
        });
        let version = records.iter().rev().find_map(|record| match &record.change {
            Change::Migrated { to, .. } => Some(to.clone()),
            Change::RunStarted(start) => Some(start.sha256.clone()),
            _ => None,
        });
        let bundle = match &version {
            Some(version) => versions::load(db, version).await?,
            None => None,
        };
        let definition = bundle.as_ref().and_then(|bundle| serde_json::to_value(bundle).ok());
        let compiled = bundle.and_then(|bundle| Definition::compile(bundle).ok());
        let story = compiled.map(|compiled| story::lines(&compiled.workflow, &records, zone));
        Ok(Some(Self {
            gates: Value::Array(Vec::new()),
            kept_gates: gates_json(db, run).await?,
            agents: agents_json(&records),
            story: story.unwrap_or_default(),
            start: start.unwrap_or(Value::Null),
            event,
            version,
            definition,
            records,
            run: summary,
        }))
    }

    /// Takes questions and answers from what was sealed; `Err` names what in the database says otherwise.
    pub(super) fn hold(&mut self, sealed: &Sealed<'_>) -> Result<(), Broken> {
        sealed.hold_gates(&self.kept_gates, "the database")?;
        sealed.hold_journal(&self.records, "the database")?;
        self.gates = sealed.gates(self.run.id);
        Ok(())
    }

    /// Its files, below a folder of its own.
    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut journal = String::new();
        for record in &self.records {
            journal.push_str(&serde_json::to_string(record).unwrap_or_default());
            journal.push('\n');
        }
        let run = json!({ "run": self.run, "start": self.start, "version": self.version });
        let folder = format!("runs/{}", self.run.id);
        let mut files = vec![
            (format!("{folder}/run.json"), pretty(&run)),
            (format!("{folder}/gates.json"), pretty(&self.gates)),
            (format!("{folder}/agents.json"), pretty(&self.agents)),
            (format!("{folder}/journal.jsonl"), journal.into_bytes()),
        ];
        if let Some(event) = &self.event {
            files.push((format!("{folder}/event.json"), pretty(event)));
        }
        if let Some(definition) = &self.definition {
            files.push((format!("{folder}/definition.json"), pretty(definition)));
        }
        files
    }
}

pub(super) fn pretty(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text.into_bytes()
}

fn event_json(event: &events::StoredEvent) -> Value {
    json!({
        "id": event.id, "source": event.source, "source_id": event.source_id, "type": event.r#type,
        "subject": event.subject, "received_at": event.received_at, "state": event.state, "data": event.data,
    })
}

/// Every question with what was shown, and every answer as it was given.
async fn gates_json(db: &mut PgConnection, run: RunId) -> Result<Value, StoreError> {
    let mut all = Vec::new();
    for gate in gates::of_run(db, run).await? {
        let votes = gates::votes(db, GateId(gate.id)).await?;
        let signed = signatures::of_gate(db, GateId(gate.id)).await?;
        let answers = votes.iter().map(|vote| {
            let mut answer = json!(vote);
            answer["signature"] = json!(signed.iter().find(|signature| signature.person == vote.person));
            answer
        });
        all.push(json!({ "question": gate, "answers": answers.collect::<Value>() }));
    }
    Ok(Value::Array(all))
}

/// By step what was asked of models and tools: digests of prompt, tools, requests and answers. The texts, masked as they
/// went out, are in the journal.
fn agents_json(records: &[Record]) -> Value {
    let mut steps: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in records {
        if let (Some(path), Change::Noted { note }) = (&record.path, &record.change)
            && let Some(entry) = agent_entry(note)
        {
            steps.entry(path.to_string()).or_default().push(entry);
        }
    }
    json!(steps)
}

fn agent_entry(note: &Value) -> Option<Value> {
    const KEPT: [&str; 21] = [
        "type",
        "at",
        "turn",
        "attempt",
        "index",
        "prompt_sha",
        "toolset_sha",
        "schema_sha",
        "policy_sha",
        "models",
        "model",
        "request_sha",
        "status",
        "ms",
        "class",
        "call_key",
        "tool",
        "version",
        "source",
        "output_sha",
        "why",
    ];
    let fields = note.as_object().filter(|fields| fields.get("type").is_some_and(Value::is_string))?;
    let mut entry = Map::new();
    for (name, value) in fields {
        if KEPT.contains(&name.as_str()) {
            entry.insert(name.clone(), value.clone());
        } else if ["body", "args", "output", "instructions"].contains(&name.as_str()) {
            entry.insert(format!("{name}_sha256"), digest_of(value).into());
        }
    }
    Some(Value::Object(entry))
}
