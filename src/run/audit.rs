//! What is to be kept in the audit trail of one thing that was done; `store` writes it, `audit` chains and checks it.

use super::RunId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the actor's name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    Person,
    /// A program from outside.
    Service,
    /// Takt itself.
    System,
    /// Somebody who did not prove to be anybody.
    Unknown,
}

impl ActorKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of a name that comes without one.
    fn of(actor: &str) -> Self {
        match actor {
            "webhook" => Self::Service,
            TAKT => Self::System,
            "nobody" => Self::Unknown,
            _ => Self::Person,
        }
    }
}

/// The name under which Takt itself acts.
pub const TAKT: &str = "takt";

/// One record. What may hold a person's words or values of the plant belongs into `detail`, of which the chain keeps
/// only a salted digest: retention may take it out.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    pub actor: String,
    pub actor_kind: ActorKind,
    /// The door that vouched for the actor: `web`, `api`, `slack`, `password`, …
    pub auth: Option<String>,
    /// `gate.pending`, `write.done`, `run.cancel`, …
    pub action: String,
    pub object: Option<String>,
    pub run: Option<RunId>,
    pub step: Option<String>,
    /// Left out, they are those of the run when the record is written.
    pub workflow: Option<String>,
    pub version: Option<String>,
    /// The other system, and what it calls what was written there.
    pub system: Option<String>,
    pub external_id: Option<String>,
    pub request_hash: Option<String>,
    pub response_hash: Option<String>,
    pub decision: Option<String>,
    /// What this belongs to beyond the run: an idempotency key, an event.
    pub correlation: Option<String>,
    pub detail: Value,
}

impl AuditRecord {
    pub fn new(actor: &str, action: &str) -> Self {
        Self {
            actor: actor.to_owned(),
            actor_kind: ActorKind::of(actor),
            auth: None,
            action: action.to_owned(),
            object: None,
            run: None,
            step: None,
            workflow: None,
            version: None,
            system: None,
            external_id: None,
            request_hash: None,
            response_hash: None,
            decision: None,
            correlation: None,
            detail: Value::Null,
        }
    }

    #[must_use]
    pub fn of_run(mut self, run: RunId, step: Option<&str>) -> Self {
        self.run = Some(run);
        self.step = step.map(str::to_owned);
        self
    }

    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}
