//! An agent's conversation as its ledger has it: what was asked, what it said, the tools it called, what it cost.

use super::steps::shown;
use crate::{
    agent::{Body, Charge, Entry, Hold, ModelProfile, Reserve, Source},
    http::console::when::Clock,
};
use regex::Regex;
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeSet, sync::LazyLock};

/// A token as the model sees it where something confidential stands.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:EMP|CUST|PROP|MASK|MAIL|TEL)_[0-9A-Z]{4,16}\b").unwrap_or_else(|e| unreachable!("{e}"))
});
const EXAMPLE: &str = "EMP_7F3A";

/// Of an answer that cannot be read; the journal has the rest.
const RAW_CHARS_MAX: usize = 600;

#[derive(Default, Serialize)]
pub(super) struct Transcript {
    models: Vec<String>,
    /// A model that plays hand-written answers took part.
    authored: bool,
    /// Who the answer is from, in words.
    source: Option<&'static str>,
    why_fallback: Option<String>,
    tokens: u64,
    cost: Option<String>,
    tool_calls: usize,
    withheld: Vec<String>,
    /// Models that this step's data may not go to, with the reason.
    barred: Vec<String>,
    /// What stood as a token where the model read it, in words.
    masked: Vec<String>,
    entries: Vec<Line>,
}

/// One thing that happened in the conversation.
#[derive(Serialize)]
struct Line {
    /// `asked`, `said`, `tool`, `result`, `trouble`, `end`.
    kind: &'static str,
    heading: String,
    meta: Option<String>,
    text: Option<String>,
    json: Option<String>,
}

/// `None` when the notes are not those of an agent.
pub(super) fn read(notes: &[Value], clock: &Clock) -> Option<Transcript> {
    let entries: Vec<Entry> =
        notes.iter().cloned().map(serde_json::from_value).collect::<Result<_, _>>().ok()?;
    if entries.is_empty() {
        return None;
    }
    let mut reader = Reader {
        transcript: Transcript::default(),
        profiles: Vec::new(),
        model: 0,
        reserve: Reserve::default(),
        cost: 0.0,
        is_estimated: false,
        tokens: BTreeSet::new(),
        clock,
    };
    for entry in &entries {
        reader.entry(entry);
    }
    let mut transcript = reader.transcript;
    transcript.masked = masked(&reader.tokens);
    let estimated = if reader.is_estimated { ", partly estimated" } else { "" };
    transcript.cost = (reader.cost > 0.0).then(|| format!("{:.4} USD{estimated}", reader.cost));
    Some(transcript)
}

struct Reader<'a> {
    transcript: Transcript,
    profiles: Vec<ModelProfile>,
    /// The model asked last.
    model: usize,
    /// What was set aside for its answer.
    reserve: Reserve,
    cost: f64,
    /// A part of what was charged is not what a server said.
    is_estimated: bool,
    /// Tokens that stood in what was sent.
    tokens: BTreeSet<String>,
    clock: &'a Clock,
}

impl Reader<'_> {
    fn line(&mut self, kind: &'static str, heading: impl Into<String>) -> &mut Line {
        let entries = &mut self.transcript.entries;
        entries.push(Line { kind, heading: heading.into(), meta: None, text: None, json: None });
        let last = entries.len() - 1;
        &mut entries[last]
    }

    fn entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Started { models, withheld, barred, .. } => {
                self.profiles.clone_from(models);
                let told = barred.iter().map(|one| format!("{} ({}): {}", one.model, one.endpoint, one.why));
                self.transcript.barred = told.collect();
                self.transcript.withheld = withheld.iter().map(ToString::to_string).collect();
            }
            Entry::Requested { at, turn, attempt, model, request, reserve, .. } => {
                (self.model, self.reserve) = (*model, *reserve);
                let wire = request.get("messages").map(Value::to_string).unwrap_or_default();
                self.tokens.extend(TOKEN.find_iter(&wire).map(|found| found.as_str().to_owned()));
                self.requested(self.clock.exact(*at), *turn, *attempt, request);
            }
            Entry::Responded { status, body, ms, .. } => self.responded(*status, body, *ms),
            Entry::Held { model, until, by, .. } => self.held(*model, self.clock.exact(*until), *by),
            Entry::Failed { class, status, message, .. } => {
                let charge = Charge::of_failure(*class, *status, &self.reserve);
                let status = status.map_or_else(String::new, |status| format!(", HTTP {status}"));
                let charged = self.charged(charge).map_or_else(String::new, |tokens| format!(" · {tokens}"));
                let class = word(class);
                self.line("trouble", format!("The model did not answer: {message}")).meta =
                    Some(format!("{class}{status}{charged}"));
            }
            Entry::Rejected { rejection, .. } => {
                let kind = word(&rejection.kind);
                let line = self.line("trouble", "The answer was not accepted");
                line.meta = Some(kind);
                line.text = Some(rejection.message.clone());
            }
            Entry::ToolRequested { tool, args, .. } => {
                self.transcript.tool_calls += 1;
                self.line("tool", format!("Called {tool}")).json = shown(args);
            }
            Entry::ToolDone { output, ms, .. } => {
                let line = self.line("result", "It gave");
                line.meta = Some(format!("{ms} ms"));
                line.json = shown(output);
            }
            Entry::ToolFailed { class, message, ms, .. } => {
                self.line("trouble", format!("It failed: {message}")).meta =
                    Some(format!("{class} · {ms} ms"));
            }
            Entry::Finished { source, why, .. } => self.finished(*source, why.as_ref()),
        }
    }

    fn requested(&mut self, at: String, turn: u32, attempt: u32, request: &Value) {
        let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
        let name = self.profiles.get(self.model).map_or("the model", |profile| &profile.model).to_owned();
        let messages =
            request.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // Later turns repeat the conversation; only the first shows what it began with.
        let opening: Vec<String> =
            if turn <= 1 { messages.iter().filter_map(spoken).collect() } else { Vec::new() };
        let line = self.line("asked", format!("Turn {turn}{again}: asked {name}"));
        line.meta = Some(at);
        line.json = (!opening.is_empty()).then(|| opening.join("\n\n"));
    }

    fn held(&mut self, model: usize, until: String, by: Hold) {
        let name = self.profiles.get(model).map_or("the model", |profile| &profile.model);
        let why = match by {
            Hold::RateLimited => "it asked to be left alone",
            Hold::Paced => "requests go out one after the other",
            Hold::Circuit => "it failed again and again",
            Hold::Quota => "its account has no quota left",
        };
        let heading = format!("Did not ask {name}: {why}");
        self.line("trouble", heading).meta = Some(format!("until {until}"));
    }

    /// Counts what the budget was charged with, and says it.
    fn charged(&mut self, charge: Option<Charge>) -> Option<String> {
        let charge = charge?;
        let tokens = charge.usage.total();
        self.transcript.tokens = self.transcript.tokens.saturating_add(tokens);
        self.cost += charge.cost_usd;
        self.is_estimated |= charge.is_estimated;
        Some(format!("{tokens} tokens{}", if charge.is_estimated { ", estimated" } else { "" }))
    }

    fn responded(&mut self, status: u16, body: &Body, ms: u64) {
        let read = body.read();
        let charge = self
            .profiles
            .get(self.model)
            .and_then(|profile| Charge::of_answer(&read, status, &self.reserve, profile));
        let tokens = self.charged(charge).unwrap_or_else(|| "0 tokens".to_owned());
        if let Some((class, message)) = read.failure() {
            let line = self.line("trouble", format!("The model did not answer: {message}"));
            line.meta = Some(format!("{}, HTTP {status} · {tokens}", class.word()));
            line.text = Some(body.text().chars().take(RAW_CHARS_MAX).collect());
            return;
        }
        let body = &read.json;
        let profile = self.profiles.get(self.model);
        let authored = profile.is_some_and(|profile| profile.authored);
        let name = profile.map_or_else(|| "the model".to_owned(), |profile| profile.model.clone());
        self.transcript.authored |= authored;
        if !self.transcript.models.contains(&name) {
            self.transcript.models.push(name.clone());
        }
        let message = body.pointer("/choices/0/message");
        let content = message.and_then(|message| message.get("content")).and_then(Value::as_str);
        let calls = message
            .and_then(|message| message.get("tool_calls"))
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        let heading = match (content, calls) {
            (Some(text), _) if !text.trim().is_empty() => format!("{name} answered"),
            (_, 1) => format!("{name} asked for a tool"),
            (_, calls) => format!("{name} asked for {calls} tools"),
        };
        // An answer that is JSON is laid out as such.
        let parsed =
            content.and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object);
        let text = content.filter(|text| parsed.is_none() && !text.trim().is_empty()).map(str::to_owned);
        let line = self.line("said", heading);
        line.meta = Some(format!("{tokens} · {ms} ms{}", if authored { " · authored" } else { "" }));
        line.json = parsed.as_ref().and_then(shown);
        line.text = text;
    }

    fn finished(&mut self, source: Source, why: Option<&crate::agent::Why>) {
        let words = match source {
            Source::Model => "the model",
            Source::FallbackModel => "the second model",
            Source::Rules => "the workflow’s own fallback",
        };
        self.transcript.source = Some(words);
        self.transcript.why_fallback =
            why.map(|why| format!("{}: {}", word(&why.reason).replace('_', " "), why.detail));
    }
}

/// How many of each kind. The rules that every model is given name one as an example.
fn masked(tokens: &BTreeSet<String>) -> Vec<String> {
    let kinds = [
        ("EMP_", "employee"),
        ("CUST_", "customer"),
        ("PROP_", "proprietary value"),
        ("MASK_", "masked field"),
        ("MAIL_", "mail address"),
        ("TEL_", "phone number"),
    ];
    let counted = kinds.into_iter().map(|(prefix, words)| {
        let of_kind = |token: &&String| token.starts_with(prefix) && *token != EXAMPLE;
        (tokens.iter().filter(of_kind).count(), words)
    });
    let plural = |(count, words)| format!("{count} {words}{}", if count == 1 { "" } else { "s" });
    counted.filter(|(count, _)| *count > 0).map(plural).collect()
}

/// An enum's word as the ledger has it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A message of the opening request, with who speaks.
fn spoken(message: &Value) -> Option<String> {
    let role = message.get("role")?.as_str()?;
    let content = message.get("content")?;
    let content = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
    Some(format!("{role}:\n{content}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};
    use serde_json::json;

    fn transcript(notes: &[Value]) -> Transcript {
        let clock = Clock { zone: chrono_tz::UTC, now: DateTime::<Utc>::UNIX_EPOCH };
        read(notes, &clock).expect("a transcript")
    }

    fn started(barred: &Value) -> Value {
        let limits = serde_json::to_value(crate::agent::Limits::default()).expect("limits");
        json!({ "type": "started", "at": "2026-11-23T12:00:00Z", "prompt_sha": "a", "toolset_sha": "b", "schema_sha": "c",
            "tools": [], "withheld": [], "limits": limits, "barred": barred,
            "models": [{ "endpoint": "plant", "model": "small", "authored": false,
                         "usd_per_million_input": 1.0, "usd_per_million_output": 2.0 }] })
    }

    fn requested(content: &str) -> Value {
        json!({ "type": "requested", "at": "2026-11-23T12:00:01Z", "turn": 1, "attempt": 1, "model": 0, "request_sha": "f",
            "request": { "messages": [{ "role": "user", "content": content }] },
            "reserve": { "input_tokens": 1, "output_tokens": 1, "cost_usd": 0.0 } })
    }

    #[test]
    fn what_was_masked_and_who_was_not_asked_is_told() {
        let barred = json!([{ "endpoint": "cloud", "model": "large", "why": "this step has employee data" }]);
        let sent = "EMP_K2M9 and EMP_K2M9 for CUST_AB12, words like EMP_7F3A";
        let told = transcript(&[started(&barred), requested(sent)]);
        assert_eq!(told.masked, ["1 employee", "1 customer"]);
        assert_eq!(told.barred, ["large (cloud): this step has employee data"]);
    }

    #[test]
    fn an_answer_that_is_none_is_shown_as_it_came_and_a_hold_says_why() {
        let held = json!({ "type": "held", "at": "2026-11-23T12:00:00Z", "turn": 1, "model": 0,
            "until": "2026-11-23T12:00:09Z", "by": "rate_limited" });
        let page = json!({ "type": "responded", "at": "2026-11-23T12:00:10Z", "turn": 1, "attempt": 1, "status": 200,
            "body": "<html>Login</html>", "ms": 12 });
        let finished = json!({ "type": "finished", "at": "2026-11-23T12:00:11Z", "source": "rules", "output": {},
            "why": { "reason": "model_down", "detail": "not JSON" } });
        let told = transcript(&[started(&json!([])), held, requested("x"), page, finished]);
        let headings: Vec<&str> = told.entries.iter().map(|line| line.heading.as_str()).collect();
        assert_eq!(headings[0], "Did not ask small: it asked to be left alone");
        assert!(headings[2].starts_with("The model did not answer: the answer is not JSON"), "{headings:?}");
        assert_eq!(told.entries[2].text.as_deref(), Some("<html>Login</html>"));
        assert_eq!(told.why_fallback.as_deref(), Some("model down: not JSON"));
        // Nobody says what the page cost: what was set aside for it is gone.
        assert_eq!(told.tokens, 2);
        assert_eq!(told.entries[2].meta.as_deref(), Some("unparseable, HTTP 200 · 2 tokens, estimated"));
    }

    /// The figures are the budget's: what was said where it was, and else what was set aside.
    #[test]
    fn what_was_charged_is_told_and_what_of_it_is_an_estimate() {
        let request = |turn: u32| {
            let mut requested = requested("x");
            requested["turn"] = json!(turn);
            requested["reserve"] = json!({ "input_tokens": 900, "output_tokens": 400, "cost_usd": 0.0017 });
            requested
        };
        let answered = |usage: Value| {
            let body = json!({ "choices": [{ "message": { "content": "yes" } }], "usage": usage });
            json!({ "type": "responded", "at": "2026-11-23T12:00:02Z", "turn": 1, "attempt": 1, "status": 200,
                "body": body.to_string(), "ms": 5 })
        };
        let failed = |class: &str, status: Value| {
            json!({ "type": "failed", "at": "2026-11-23T12:00:02Z", "turn": 1, "attempt": 1, "class": class,
                "status": status, "retry_after_ms": null, "message": "no" })
        };
        let told = transcript(&[
            started(&json!([])),
            request(1),
            answered(json!({ "prompt_tokens": 800, "completion_tokens": 20 })),
            request(2),
            failed("network", Value::Null),
            request(2),
            failed("rate_limited", json!(429)),
        ]);
        let meta = |at: usize| told.entries[at].meta.clone().unwrap_or_default();
        assert_eq!(meta(1), "820 tokens · 5 ms");
        assert_eq!(meta(3), "network · 1300 tokens, estimated");
        assert_eq!(meta(5), "rate_limited, HTTP 429");
        assert_eq!((told.tokens, told.cost.as_deref()), (2_120, Some("0.0025 USD, partly estimated")));

        let told = transcript(&[started(&json!([])), request(1), answered(Value::Null)]);
        assert!(told.tokens > 900 && told.tokens <= 1_300, "{}", told.tokens);
        assert!(told.entries[1].meta.as_deref().unwrap_or_default().contains("tokens, estimated"));
    }
}
