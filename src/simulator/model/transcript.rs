//! Transcripts: which conversation one answers, and its replies in order.

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fs, io, path::Path};

const SUFFIX: &str = ".authored.yaml";

/// One hand-written conversation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    /// Its name; answers come from the model `authored/<transcript>`.
    pub transcript: String,
    /// Who wrote it.
    pub authored_by: String,
    pub written: NaiveDate,
    /// The system message must contain this text.
    pub marker: String,
    /// Values that the conversation's data must have, by JSON pointer.
    #[serde(default)]
    pub when: BTreeMap<String, Value>,
    /// The reply of each turn.
    pub replies: Vec<TurnReply>,
}

/// Strings that are exactly `{data:/pointer}` or `{result:N:/pointer}` are replaced by that value of
/// the conversation: the data of the user message, or the Nth tool result (from 0).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, untagged)]
pub enum TurnReply {
    Calls {
        calls: Vec<ToolCall>,
    },
    Answer {
        answer: Value,
    },
    /// Text as it is: to write a model that misbehaves.
    Text {
        text: String,
    },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// As workflows write it: `cmms.asset_history`.
    pub tool: String,
    #[serde(default)]
    pub with: Map<String, Value>,
}

#[derive(Debug, Clone, Default)]
pub struct Transcripts(Vec<Transcript>);

#[derive(Debug, thiserror::Error)]
pub enum TranscriptError {
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("{path}: {message}")]
    Parse { path: String, message: String },
    #[error("{path}: `{pointer}` in `when` is no JSON pointer: write it like /event/status")]
    Pointer { path: String, pointer: String },
}

/// Why there is no reply; nothing is made up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("no authored transcript fits this conversation: none has a marker and `when` that match")]
    NoTranscript,
    #[error("the authored transcript `{transcript}` ends after {turns} turns")]
    NoTurn { transcript: String, turns: usize },
    #[error("the authored transcript `{transcript}` calls `{tool}`, which the request does not offer")]
    NotOffered { transcript: String, tool: String },
    #[error(
        "the authored transcript `{transcript}` refers to `{reference}`, which the conversation does not have"
    )]
    NoValue { transcript: String, reference: String },
}

impl Mismatch {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NoTranscript => "no_transcript",
            Self::NoTurn { .. } => "transcript_ended",
            Self::NotOffered { .. } => "tool_not_offered",
            Self::NoValue { .. } => "value_not_found",
        }
    }
}

impl Transcript {
    pub fn parse(path: &str, text: &str) -> Result<Self, TranscriptError> {
        let transcript: Self = serde_saphyr::from_str(text)
            .map_err(|e| TranscriptError::Parse { path: path.to_owned(), message: e.to_string() })?;
        if let Some(pointer) = transcript.when.keys().find(|pointer| !pointer.starts_with('/')) {
            return Err(TranscriptError::Pointer { path: path.to_owned(), pointer: pointer.clone() });
        }
        Ok(transcript)
    }

    /// Midnight of the day it was written, in Unix seconds.
    pub fn created(&self) -> i64 {
        self.written.and_time(chrono::NaiveTime::MIN).and_utc().timestamp()
    }
}

impl Transcripts {
    /// Every `*.authored.yaml` of a folder, in the order of their names. Earlier ones win.
    pub fn load(folder: &Path) -> Result<Self, TranscriptError> {
        let unreadable = |source| TranscriptError::Read { path: folder.display().to_string(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SUFFIX)) {
                paths.push(path);
            }
        }
        paths.sort();
        let read = |path: &std::path::PathBuf| {
            let shown = path.display().to_string();
            let text = fs::read_to_string(path)
                .map_err(|source| TranscriptError::Read { path: shown.clone(), source })?;
            Transcript::parse(&shown, &text)
        };
        Ok(Self(paths.iter().map(read).collect::<Result<_, _>>()?))
    }

    pub fn from_transcripts(transcripts: Vec<Transcript>) -> Self {
        Self(transcripts)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Transcript> {
        self.0.iter()
    }

    /// The assistant message of the next turn.
    pub(super) fn reply(&self, request: &Value) -> Result<(&Transcript, Value), Mismatch> {
        let conversation = Conversation::read(request);
        let transcript = self.0.iter().find(|t| conversation.fits(t)).ok_or(Mismatch::NoTranscript)?;
        let name = || transcript.transcript.clone();
        let reply = transcript
            .replies
            .get(conversation.turn)
            .ok_or_else(|| Mismatch::NoTurn { transcript: name(), turns: transcript.replies.len() })?;
        let filled = |value: &Value| {
            conversation.fill(value).map_err(|reference| Mismatch::NoValue { transcript: name(), reference })
        };
        let message = match reply {
            TurnReply::Text { text } => json!({"role": "assistant", "content": text, "refusal": null}),
            TurnReply::Answer { answer } => {
                json!({"role": "assistant", "content": filled(answer)?.to_string(), "refusal": null})
            }
            TurnReply::Calls { calls } => {
                let mut list = Vec::with_capacity(calls.len());
                for (i, call) in calls.iter().enumerate() {
                    let wire_name = call.tool.replace('.', "__");
                    if !conversation.offered.contains(&wire_name.as_str()) {
                        return Err(Mismatch::NotOffered { transcript: name(), tool: call.tool.clone() });
                    }
                    let arguments = filled(&Value::Object(call.with.clone()))?.to_string();
                    let id = format!("call_{}_{i}", conversation.turn);
                    list.push(json!({"id": id, "type": "function",
                        "function": {"name": wire_name, "arguments": arguments}}));
                }
                json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": list})
            }
        };
        Ok((transcript, message))
    }
}

/// Puts values of a conversation into a hand-written reply; `Err` is the reference that has none.
pub fn fill(request: &Value, reply: &Value) -> Result<Value, String> {
    Conversation::read(request).fill(reply)
}

/// What a transcript may look at in a request.
struct Conversation<'a> {
    system: &'a str,
    data: Value,
    results: Vec<Value>,
    offered: Vec<&'a str>,
    /// Answers given so far.
    turn: usize,
}

impl<'a> Conversation<'a> {
    fn read(request: &'a Value) -> Self {
        let messages = request.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let of = |role: &'static str| {
            messages.iter().filter(move |m| m.get("role").and_then(Value::as_str) == Some(role))
        };
        let text = |message: &'a Value| message.get("content").and_then(Value::as_str).unwrap_or_default();
        let content = |message: &'a Value| serde_json::from_str::<Value>(text(message)).unwrap_or_default();
        let tools = request.get("tools").and_then(Value::as_array).into_iter().flatten();
        Self {
            system: of("system").next().map_or("", text),
            data: of("user").next().map(content).unwrap_or_default(),
            results: of("tool").map(content).collect(),
            offered: tools.filter_map(|t| t.pointer("/function/name").and_then(Value::as_str)).collect(),
            turn: of("assistant").count(),
        }
    }

    fn fits(&self, transcript: &Transcript) -> bool {
        self.system.contains(&transcript.marker)
            && transcript.when.iter().all(|(pointer, wanted)| self.data_at(pointer) == Some(wanted))
    }

    fn data_at(&self, pointer: &str) -> Option<&Value> {
        self.data.get("data").and_then(|data| data.pointer(pointer))
    }

    /// `Err` is the reference that has no value.
    fn fill(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::Object(fields) => {
                let filled = fields.iter().map(|(k, v)| Ok((k.clone(), self.fill(v)?)));
                filled.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::String(text) => self.fill_text(text),
            scalar => Ok(scalar.clone()),
        }
    }

    /// A string that is one reference keeps the value's type; inside text it becomes text.
    fn fill_text(&self, text: &str) -> Result<Value, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = [rest.find("{data:"), rest.find("{result:")].into_iter().flatten().min() {
            let (before, from) = rest.split_at(at);
            let end = from.find('}').ok_or_else(|| from.to_owned())?;
            let (reference, after) = from.split_at(end + 1);
            let value = self.look_up(reference).ok_or_else(|| reference.to_owned())?;
            if reference.len() == text.len() {
                return Ok(value.clone());
            }
            filled.push_str(before);
            filled.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            rest = after;
        }
        filled.push_str(rest);
        Ok(Value::from(filled))
    }

    fn look_up(&self, reference: &str) -> Option<&Value> {
        let inner = reference.strip_prefix('{')?.strip_suffix('}')?;
        if let Some(pointer) = inner.strip_prefix("data:") {
            return self.data_at(pointer);
        }
        let (index, pointer) = inner.strip_prefix("result:")?.split_once(':')?;
        self.results.get(index.parse::<usize>().ok()?)?.get("result")?.pointer(pointer)
    }
}
