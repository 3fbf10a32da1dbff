//! What happened in a run, in plain words: one line for each thing a person would tell another.

use super::{Change, Record, StepPath};
use crate::workflow::{Branch, OnError, Step, StepKind, WaitFor, Workflow, duration_words};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::Value;

/// What a line is about, for icons and colours; never the only carrier of meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    Began,
    Fact,
    Thought,
    Asked,
    Answered,
    Wrote,
    Waits,
    Trouble,
    Ended,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub seq: u32,
    pub at: DateTime<Utc>,
    pub path: Option<StepPath>,
    pub mark: Mark,
    pub text: String,
}

/// Tells a run's records; `zone` is the site's.
pub fn lines(workflow: &Workflow, records: &[Record], zone: Tz) -> Vec<Line> {
    let teller = Teller { workflow, zone };
    records
        .iter()
        .filter_map(|record| {
            let (mark, text) = teller.tell(record)?;
            Some(Line { seq: record.seq, at: record.at, path: record.path.clone(), mark, text })
        })
        .collect()
}

struct Teller<'a> {
    workflow: &'a Workflow,
    zone: Tz,
}

impl Teller<'_> {
    fn tell(&self, record: &Record) -> Option<(Mark, String)> {
        match &record.change {
            Change::RunStarted(start) => {
                let about = start.trigger["subject"].as_str().map_or(String::new(), |s| format!(" for {s}"));
                let why = match start.trigger["type"].as_str() {
                    Some("cron") => "on schedule".to_owned(),
                    Some("manual") => {
                        format!("by {}", start.started_by.as_deref().unwrap_or("hand"))
                    }
                    Some(event) => format!("by {event}"),
                    None => "by another run".to_owned(),
                };
                Some((Mark::Began, format!("{} began{about}, started {why}", self.workflow.title)))
            }
            Change::SlaBreached { step, ladder } => {
                Some((Mark::Trouble, format!("`{step}` is late: {ladder} told")))
            }
            Change::RunFailing { step, failure } => {
                Some((Mark::Trouble, format!("`{step}` failed for good: {}", failure.message)))
            }
            Change::CancelRequested { by, reason } => {
                Some((Mark::Trouble, format!("{by} cancelled the run: {reason}")))
            }
            Change::Paused { by, reason } => Some((Mark::Waits, format!("{by} paused the run: {reason}"))),
            Change::Resumed { by, reason } => Some((Mark::Began, format!("{by} let it go on: {reason}"))),
            Change::Reopened { by, reason, from: None } => {
                Some((Mark::Began, format!("{by} let it go on from where it failed: {reason}")))
            }
            Change::Reopened { by, reason, from: Some(step) } => {
                Some((Mark::Began, format!("{by} let it run again from `{step}`: {reason}")))
            }
            Change::Migrated { by, reason, to, .. } => {
                let to: String = to.chars().take(12).collect();
                Some((Mark::Fact, format!("{by} moved it to version {to}: {reason}")))
            }
            Change::Released { by, reason, was } => {
                Some((Mark::Began, format!("{by} let it be tried again ({was}): {reason}")))
            }
            Change::RunEnded { outcome } => {
                Some((Mark::Ended, format!("Ended: {}", outcome.replace('_', " "))))
            }
            change => {
                let path = record.path.as_ref()?;
                self.tell_step(path, change)
            }
        }
    }

    fn tell_step(&self, path: &StepPath, change: &Change) -> Option<(Mark, String)> {
        let step = find(self.workflow, path);
        match change {
            Change::Retrying { failure, wake_at } => Some((
                Mark::Trouble,
                format!("{path}: {} Trying again at {}", sentence(&failure.message), self.time(*wake_at)),
            )),
            Change::Deferred { system, wake_at } => Some((
                Mark::Waits,
                // The journal has only the first of a wait: each may be put off again, and none is made earlier.
                format!(
                    "{path}: {system} has had enough retries, held back until {} at the earliest",
                    self.time(*wake_at)
                ),
            )),
            Change::Failed { failure } => Some((Mark::Trouble, format!("{path}: {}", failure.message))),
            Change::Noted { note } => self.tell_note(path, note),
            Change::Waiting { .. } => match &step?.kind {
                StepKind::Wait(wait) => {
                    Some((Mark::Waits, format!("Waiting for {}", waited_for(&wait.until))))
                }
                _ => None,
            },
            Change::Done { output } => self.tell_done(path, step, output),
            _ => None,
        }
    }

    fn tell_note(&self, path: &StepPath, note: &Value) -> Option<(Mark, String)> {
        for opened in ["opened", "second_opened"] {
            if let Some(gate) = note.get(opened) {
                let title = gate["ask"]["title"].as_str().unwrap_or_default();
                let role = gate["ask"]["role_title"].as_str().unwrap_or_default();
                let by = gate["expires_at"].as_str().and_then(|at| at.parse().ok());
                let by = by.map_or(String::new(), |at| format!(", answer by {}", self.time(at)));
                return Some((Mark::Asked, format!("{title}: {} asked{by}", lower(role))));
            }
        }
        if let Some(again_at) = note.get("not_there").and_then(|not_there| not_there["again_at"].as_str()) {
            let again_at = again_at.parse().ok()?;
            return Some((
                Mark::Waits,
                format!(
                    "{path}: what was sent before is not there yet, looking again at {}",
                    self.time(again_at)
                ),
            ));
        }
        if let Some(escalated) = note.get("escalated") {
            let to = escalated["role"].as_str().or(escalated["person"].as_str()).unwrap_or_default();
            return Some((Mark::Trouble, format!("{path}: nobody answered, passed on to {to}")));
        }
        if note.get("reminded").is_some() {
            return Some((Mark::Asked, format!("{path}: reminded")));
        }
        let rules = note.get("rules")?.as_array()?;
        let broken = rules.iter().find(|rule| rule["holds"] == Value::Bool(false));
        Some(match broken {
            Some(rule) => {
                let because = rule["because"].as_str().unwrap_or_default();
                (
                    Mark::Trouble,
                    format!("Rule {} does not hold: {because}", rule["rule"].as_str().unwrap_or_default()),
                )
            }
            None => {
                let names: Vec<&str> = rules.iter().filter_map(|rule| rule["rule"].as_str()).collect();
                (Mark::Fact, format!("Rules checked on live data, all hold: {}", names.join(", ")))
            }
        })
    }

    fn tell_done(&self, path: &StepPath, step: Option<&Step>, output: &Value) -> Option<(Mark, String)> {
        if path.leaf() == "undo" {
            return Some((Mark::Wrote, format!("Undone: {path}")));
        }
        match &step?.kind {
            StepKind::Call(call) if output["shadow"] == Value::Bool(true) => {
                let what = match (output["role"].as_str(), output["title"].as_str()) {
                    (Some(role), Some(title)) => format!("Not told, in shadow: {role}, {title}"),
                    _ => format!("Not written, in shadow: {}", call.tool),
                };
                let refused = output["refused"].as_str();
                Some((
                    Mark::Fact,
                    refused.map_or(what.clone(), |why| format!("{what}, and it would not be: {why}")),
                ))
            }
            StepKind::Call(call) => {
                let mark = if call.rules.is_empty() { Mark::Fact } else { Mark::Wrote };
                let size = size_of(output).map_or(String::new(), |size| format!(": {size}"));
                let verb = if call.rules.is_empty() { "" } else { "Written: " };
                Some((mark, format!("{verb}{}{size}", call.tool)))
            }
            StepKind::Agent(_) => {
                let summary = output["summary"].as_str().unwrap_or("answered");
                let source = match output["source"].as_str() {
                    Some("rules") => match output["why_fallback"]["reason"].as_str() {
                        Some(reason) => format!("by the workflow's rules, {}", reason.replace('_', " ")),
                        None => "by the workflow's rules".to_owned(),
                    },
                    _ => format!("by {}", output["model"].as_str().unwrap_or("the model")),
                };
                Some((Mark::Thought, format!("{path} ({source}): {summary}")))
            }
            StepKind::Gate(_) => Some((Mark::Answered, answered(output))),
            StepKind::Wait(wait) => {
                let what = waited_for(&wait.until);
                if matches!(wait.until, WaitFor::Duration(_)) {
                    return Some((Mark::Fact, format!("Waited {what}")));
                }
                Some(if output["timed_out"] == Value::Bool(true) {
                    (Mark::Trouble, format!("{what} did not come in time"))
                } else {
                    let about = output["subject"].as_str().map_or(String::new(), |s| format!(" for {s}"));
                    (Mark::Fact, format!("Came: {what}{about}"))
                })
            }
            StepKind::Run(run) => Some((
                Mark::Fact,
                match output["outcome"].as_str() {
                    Some(outcome) => format!("{} ended: {}", run.workflow, outcome.replace('_', " ")),
                    None => format!("{} started", run.workflow),
                },
            )),
            _ => None,
        }
    }

    fn time(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).format("%H:%M").to_string()
    }
}

fn answered(output: &Value) -> String {
    if output["decision"] == "shadow" {
        let chosen = output["chosen"]["title"].as_str();
        let option = chosen
            .map_or(String::new(), |title| format!("; it goes on with option {}: {title}", output["choice"]));
        return format!("Nobody is asked, in shadow{option}");
    }
    let name = output["by_name"].as_str().unwrap_or_default();
    let alone = if output["overridden"] == true { ", alone" } else { "" };
    let second = output["second_by"].as_str().map_or(String::new(), |by| format!(", confirmed by {by}"));
    let reason = output["reason"].as_str().map_or(String::new(), |reason| format!(" ({reason})"));
    let did = match output["decision"].as_str().unwrap_or_default() {
        "acknowledge" => "acknowledged".to_owned(),
        "approve" => "approved".to_owned(),
        "edit" => "approved with changes".to_owned(),
        "reject" => "rejected".to_owned(),
        "choose" => match output["chosen"]["title"].as_str() {
            Some(title) => format!("chose option {}: {title}", output["choice"]),
            None => format!("chose option {}", output["choice"]),
        },
        other => format!("decided {other}"),
    };
    let signed = output["signatures"].as_array().into_iter().flatten().map(|one| {
        let part = |field: &str| one[field].as_str().unwrap_or_default();
        let at = part("at").get(..16).unwrap_or_default().replace('T', " ");
        format!("; signed by {} at {at} UTC: {}", part("name"), part("meaning"))
    });
    format!("{name} {did}{alone}{reason}{second}{}", signed.collect::<String>())
}

fn waited_for(until: &WaitFor) -> String {
    match until {
        WaitFor::Event(wait) => wait.event.clone(),
        WaitFor::Duration(pause) => duration_words(*pause),
        WaitFor::Until(expression) => expression.source().to_owned(),
    }
}

fn size_of(output: &Value) -> Option<String> {
    match output {
        Value::Array(rows) => Some(format!("{} rows", rows.len())),
        Value::Object(fields) => {
            if let Some(number) = fields.get("number").and_then(Value::as_str) {
                return Some(number.to_owned());
            }
            let (name, rows) = fields.iter().find_map(|(name, value)| Some((name, value.as_array()?)))?;
            // Only a plural says what was found.
            let found = if name.ends_with('s') { name.as_str() } else { "found" };
            Some(format!("{} {found}", rows.len()))
        }
        _ => None,
    }
}

fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

fn lower(role: &str) -> String {
    let mut letters = role.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

/// The step of a workflow that stands at a path of a run.
pub fn find<'a>(workflow: &'a Workflow, path: &StepPath) -> Option<&'a Step> {
    let ids: Vec<&str> = path.as_str().split('.').map(|id| id.split('[').next().unwrap_or(id)).collect();
    match ids.as_slice() {
        ["on_failure", rest @ ..] if !rest.is_empty() => find_in(&workflow.on_failure, rest),
        ids => find_in(&workflow.steps, ids),
    }
}

fn find_in<'a>(steps: &'a [Step], ids: &[&str]) -> Option<&'a Step> {
    let (id, rest) = ids.split_first()?;
    let step = steps.iter().find(|step| step.id == *id)?;
    match rest {
        [] | ["undo"] => Some(step),
        ["on_error", rest @ ..] => match &step.on_error {
            OnError::Steps(steps) => find_in(steps, rest),
            _ => None,
        },
        ["on_timeout", rest @ ..] => match &step.kind {
            StepKind::Wait(wait) => find_in(&wait.on_timeout, rest),
            _ => None,
        },
        rest => match &step.kind {
            StepKind::Parallel(children) => find_in(children, rest),
            StepKind::Each(each) => find_in(&each.steps, rest),
            StepKind::Choose(branches) => {
                branches.iter().find_map(|branch: &Branch| find_in(&branch.steps, rest))
            }
            _ => None,
        },
    }
}
