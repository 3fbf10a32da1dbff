//! What a transition wants written beside its records; the commit that writes them is the engine's.

use super::{AuditRecord, Failure, GateId, Parent, RunId, StepPath, Turn};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    OpenGate(Box<NewGate>),
    /// Only an open gate can be handed on or closed: if a person was faster, the whole transition is void.
    Reassign(Reassign),
    CloseGate(GateId),
    Subscribe {
        path: StepPath,
        event: String,
        /// Only events about it.
        subject: Option<String>,
    },
    Unsubscribe {
        path: StepPath,
    },
    StartRun(Box<NewRun>),
    /// What the run failed at, for lists of what needs attention.
    NoteFailure {
        step: StepPath,
        failure: Failure,
    },
    Send(Box<OutboxMessage>),
    /// What the audit trail keeps of the transition.
    Audit(Box<AuditRecord>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewGate {
    pub id: GateId,
    pub path: StepPath,
    pub form: crate::workflow::GateForm,
    pub role: Option<String>,
    pub person: Option<String>,
    /// People who may not answer: the requester, the first of two.
    pub excluded: Vec<String>,
    /// How many people have to give the same answer.
    pub quorum: i16,
    /// What is shown: title, body, options, items, draft, allow, on_silence.
    pub ask: Value,
    pub proposal_hash: String,
    pub token_hash: String,
    pub expires_at: DateTime<Utc>,
}

/// One of those who are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedPerson {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Reassign {
    pub gate: GateId,
    pub role: Option<String>,
    pub person: Option<String>,
    /// Who that is at this time, by shift, duty and place.
    pub people: Vec<AskedPerson>,
    pub rung: i16,
    pub expires_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    pub id: RunId,
    pub workflow: String,
    pub title: String,
    pub subject: Option<String>,
    pub key: Option<String>,
    pub sha256: String,
    pub trigger: Value,
    pub inputs: Value,
    pub parent: Option<Parent>,
    pub approved: bool,
    pub shadow: bool,
    /// Who started it by hand; may not approve it.
    pub started_by: Option<String>,
    pub event: Option<Uuid>,
    pub trace: Option<String>,
    pub turn: Turn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A question with buttons.
    Ask,
    /// An information.
    Tell,
    /// The outcome of a question; replaces its buttons.
    Decided,
}

/// One message to people. `ordinal` tells several messages of one step apart.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxMessage {
    pub path: StepPath,
    pub ordinal: u64,
    pub kind: MessageKind,
    pub gate: Option<GateId>,
    pub role: Option<String>,
    pub person: Option<String>,
    /// `title`, `body`, and for a question what its card shows.
    pub message: Value,
}
