//! Questions and answers as they were sealed, and what contradicts them: rows of the database before a bundle is made,
//! files of a bundle when it is checked. What a bundle shows of both comes from here.

use super::Detail;
use crate::{
    audit::verify::Broken,
    run::{Change, Record, SignalKind},
    store::seals::SealedRecord,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What an answer has in the columns of its record, and what in its detail. The names are those of a vote.
const IN_RECORD: [&str; 5] = ["gate_id", "person", "decision", "channel", "proposal_hash"];
const IN_DETAIL: [&str; 7] =
    ["body", "reason", "reason_code", "on_behalf_of", "overrides", "signature", "named_by"];

/// The records of a bundle, each with its detail where it is kept.
pub(super) struct Sealed<'a>(Vec<(&'a SealedRecord, Option<Value>)>);

impl<'a> Sealed<'a> {
    pub(super) fn of(records: &'a [SealedRecord], details: &[Detail]) -> Self {
        let bodies: std::collections::BTreeMap<i64, &str> =
            details.iter().map(|detail| (detail.seq, detail.body.as_str())).collect();
        let with_detail = |record: &'a SealedRecord| {
            let body = bodies.get(&record.seq);
            (record, body.and_then(|body| serde_json::from_str(body).ok()))
        };
        Self(records.iter().map(with_detail).collect())
    }

    /// The questions of a run with their answers. Where retention took a detail out, only what the record itself says.
    pub(super) fn gates(&self, run: Uuid) -> Value {
        let asked = self.0.iter().filter(|(record, _)| is_question(record) && record.run == Some(run));
        let shown = asked.map(|(record, detail)| {
            let gate = record.object.as_deref().unwrap_or_default();
            json!({ "question": self.question(record, detail.as_ref()), "answers": self.answers(gate) })
        });
        shown.collect()
    }

    fn question(&self, record: &SealedRecord, detail: Option<&Value>) -> Value {
        let gate = record.object.as_deref().unwrap_or_default();
        let detail = detail.unwrap_or(&Value::Null);
        let mut question = json!({
            "id": gate, "run_id": record.run, "path": record.step, "opened_at": record.at, "record": record.seq,
            "proposal_hash": record.correlation, "handed_on": self.handed_on(gate),
        });
        for field in ["form", "role", "person", "excluded", "quorum", "ask", "expires_at"] {
            question[field] = detail[field].clone();
        }
        question
    }

    fn handed_on(&self, gate: &str) -> Vec<Value> {
        let of_gate = self.0.iter().filter(|(record, _)| {
            record.action == "gate.escalated" && record.object.as_deref() == Some(gate)
        });
        let told = of_gate.map(|(record, detail)| {
            let detail = detail.as_ref().unwrap_or(&Value::Null);
            let mut told = json!({ "at": record.at, "record": record.seq });
            for field in ["role", "person", "people"] {
                told[field] = detail[field].clone();
            }
            told
        });
        told.collect()
    }

    /// The answers to a question that counted, first to last.
    pub(super) fn answers(&self, gate: &str) -> Vec<Value> {
        let of_gate =
            self.0.iter().filter(|(record, _)| is_answer(record) && record.object.as_deref() == Some(gate));
        of_gate.map(|(record, detail)| answer(record, detail.as_ref())).collect()
    }

    /// Holds questions with their answers against what was sealed; `source` is where they stand.
    pub(super) fn hold_gates(&self, gates: &Value, source: &str) -> Result<(), Broken> {
        for gate in gates.as_array().into_iter().flatten() {
            let id = gate["question"]["id"].as_str().unwrap_or_default();
            self.hold_question(&gate["question"], id, source)?;
            match gate["answers"].as_array() {
                Some(given) => self.hold_answers(id, given, true, source)?,
                // Bundles once showed only the answer that settled a question.
                None if gate["answer"].is_object() => {
                    self.hold_answers(id, std::slice::from_ref(&gate["answer"]), false, source)?;
                }
                None => {}
            }
        }
        Ok(())
    }

    fn hold_question(&self, given: &Value, gate: &str, source: &str) -> Result<(), Broken> {
        let asked: Vec<_> = self
            .0
            .iter()
            .filter(|(record, _)| is_question(record) && record.object.as_deref() == Some(gate))
            .collect();
        let Some((last, _)) = asked.last() else {
            return Err(Broken::file(
                source,
                format!("has the question {gate}, of which nothing was sealed"),
            ));
        };
        let is_held = asked.iter().any(|(record, detail)| {
            let shown = detail.as_ref().is_none_or(|detail| same(&detail["ask"], &given["ask"]));
            shown && json!(record.correlation) == given["proposal_hash"]
        });
        if !is_held {
            return Err(Broken::record(
                last.seq,
                format!("is the question {gate}, and {source} shows another"),
            ));
        }
        // The database's own rows know no record, and have moved on since.
        let Some(seq) = given["record"].as_i64() else { return Ok(()) };
        let Some((record, detail)) = asked.iter().find(|(record, _)| record.seq == seq) else {
            return Err(Broken::file(
                source,
                format!("has the question {gate} from record {seq}, which asks nothing"),
            ));
        };
        let sealed = self.question(record, detail.as_ref());
        let differs = |(field, value): &(&String, &Value)| match field.as_str() {
            "handed_on" => !handed_on_as(&sealed["handed_on"], value),
            field => !same(&sealed[field], value),
        };
        match given.as_object().into_iter().flatten().find(differs) {
            Some((field, _)) => Err(Broken::record(
                seq,
                format!("is the question {gate}, and {source} has another `{field}`"),
            )),
            None => Ok(()),
        }
    }

    fn hold_answers(&self, gate: &str, given: &[Value], all: bool, source: &str) -> Result<(), Broken> {
        let mut sealed = self.answers(gate);
        for given in given {
            if let Some(at) = sealed.iter().position(|sealed| difference(sealed, given).is_none()) {
                sealed.remove(at);
                continue;
            }
            let nearest = sealed.iter().find(|sealed| sealed["person"] == given["person"]).or(sealed.first());
            let Some(nearest) = nearest else {
                let person = given["person"].as_str().unwrap_or_default();
                let why = format!("has an answer of {person} to the question {gate} that was never sealed");
                return Err(Broken::file(source, why));
            };
            let why = difference(nearest, given).unwrap_or_default();
            return Err(Broken::record(seq_of(nearest), format!("{why} in {source}")));
        }
        match sealed.first().filter(|_| all) {
            Some(left) => {
                Err(Broken::record(seq_of(left), format!("is an answer that is missing in {source}")))
            }
            None => Ok(()),
        }
    }

    /// Holds what a run's journal says of its answers against what was sealed.
    pub(super) fn hold_journal(&self, records: &[Record], source: &str) -> Result<(), Broken> {
        for record in records {
            let Change::Signalled(signal) = &record.change else { continue };
            let Some(gate) = signal.body["gate"].as_str().filter(|_| signal.kind == SignalKind::Answer)
            else {
                continue;
            };
            if signal.body["by"].is_null() {
                continue;
            }
            self.hold_answers(gate, &[of_signal(gate, &signal.body)], false, source)?;
        }
        Ok(())
    }
}

fn is_question(record: &SealedRecord) -> bool {
    record.action == "gate.pending"
}

fn is_answer(record: &SealedRecord) -> bool {
    let decided = record.decision.as_deref().filter(|_| record.object.is_some());
    decided.is_some_and(|decision| record.action.strip_prefix("gate.") == Some(decision))
}

fn answer(record: &SealedRecord, detail: Option<&Value>) -> Value {
    let mut answer = json!({
        "gate_id": record.object, "person": record.actor, "decision": record.decision, "channel": record.auth,
        "proposal_hash": record.correlation, "at": record.at, "record": record.seq,
    });
    if let Some(detail) = detail {
        for (field, kept_as) in [("body", "answer"), ("overrides", "alone"), ("at", "answered_at")] {
            answer[field] = detail[kept_as].clone();
        }
        for field in ["reason", "reason_code", "on_behalf_of"] {
            answer[field] = detail[field].clone();
        }
        // Earlier versions did not seal them with the answer.
        for field in ["signature", "named_by"] {
            if let Some(sealed) = detail.get(field) {
                answer[field] = sealed.clone();
            }
        }
    }
    answer
}

/// A journal has the words of a reason where an answer has its code, so neither is looked at.
fn of_signal(gate: &str, said: &Value) -> Value {
    let mut body = Map::new();
    for field in ["choice", "edited", "items", "fields"] {
        body.insert(field.to_owned(), said[field].clone());
    }
    if let Some(hash) = said.get("edited_hash") {
        body.insert("edited_hash".to_owned(), hash.clone());
    }
    json!({
        "gate_id": gate, "person": said["by"], "decision": said["decision"], "channel": said["channel"],
        "proposal_hash": said["proposal_hash"], "body": body, "overrides": said["overridden"],
    })
}

fn seq_of(answer: &Value) -> i64 {
    answer["record"].as_i64().unwrap_or_default()
}

/// How an answer differs from the sealed one, as the beginning of the end of a sentence.
fn difference(sealed: &Value, given: &Value) -> Option<String> {
    let differs = |field: &&&str| !same(&sealed[**field], &given[**field]);
    if let Some(field) = IN_RECORD.iter().find(differs) {
        let text = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
        let (sealed, given) = (text(&sealed[*field]), text(&given[*field]));
        return Some(format!("was sealed with {field} `{sealed}`, and has `{given}`"));
    }
    let is_kept = |field: &&&str| sealed.get(**field).is_some() && given.get(**field).is_some();
    let field = IN_DETAIL.iter().filter(is_kept).find(differs)?;
    Some(format!("was sealed with another {field} than it has"))
}

/// Item by item, as far as it is told: bundles once left out who it was.
fn handed_on_as(sealed: &Value, given: &Value) -> bool {
    let (Some(sealed), Some(given)) = (sealed.as_array(), given.as_array()) else { return false };
    let is_same = |(sealed, given): (&Value, &Value)| {
        given.as_object().is_some_and(|given| given.iter().all(|(field, value)| same(&sealed[field], value)))
    };
    sealed.len() == given.len() && sealed.iter().zip(given).all(is_same)
}

/// The same JSON; a number may have gone through a database that writes it in another way.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let has_same =
                |(name, value): (&String, &Value)| other.get(name).is_some_and(|other| same(value, other));
            one.len() == other.len() && one.iter().all(has_same)
        }
        _ => one == other,
    }
}
