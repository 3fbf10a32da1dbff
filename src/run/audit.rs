//! What is to be kept in the audit trail of one thing that was done; `store` writes it, `audit` chains and checks it.

use super::{GateId, RunId};
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
}

/// The name under which Takt itself acts.
pub const TAKT: &str = "takt";
const WEBHOOK: &str = "webhook";
const NOBODY: &str = "nobody";
const SERVICE: &str = "service:";
const PARTNER: &str = "partner/";

/// Who did something. Its name is what the trail and other records keep; no id of takt.yaml can be taken for a name of
/// another kind (`site` refuses those), so a name that was kept says its kind too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    name: String,
    kind: ActorKind,
    /// The door or the service account that vouches for them.
    auth: Option<String>,
}

impl Actor {
    fn of(name: impl Into<String>, kind: ActorKind) -> Self {
        Self { name: name.into(), kind, auth: None }
    }

    pub fn person(id: &str) -> Self {
        Self::of(id, ActorKind::Person)
    }

    /// A service account of takt.yaml, in its own name.
    pub fn service(id: &str) -> Self {
        Self::of(format!("{SERVICE}{id}"), ActorKind::Service)
    }

    /// Whoever has a partner's link.
    pub fn partner(id: &str) -> Self {
        Self::of(format!("{PARTNER}{id}"), ActorKind::Service)
    }

    pub fn takt() -> Self {
        Self::of(TAKT, ActorKind::System)
    }

    pub fn webhook() -> Self {
        Self::of(WEBHOOK, ActorKind::Service)
    }

    pub fn nobody() -> Self {
        Self::of(NOBODY, ActorKind::Unknown)
    }

    /// Somebody who is called so, and proved nothing.
    pub fn stranger(name: &str) -> Self {
        Self::of(name, ActorKind::Unknown)
    }

    /// Whose name was kept.
    pub fn named(name: &str) -> Self {
        let kind = match name {
            TAKT => ActorKind::System,
            WEBHOOK => ActorKind::Service,
            NOBODY => ActorKind::Unknown,
            name if name.starts_with(SERVICE) || name.starts_with(PARTNER) => ActorKind::Service,
            _ => ActorKind::Person,
        };
        Self::of(name, kind)
    }

    #[must_use]
    pub fn vouched_by(mut self, auth: Option<String>) -> Self {
        self.auth = auth;
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kind(&self) -> ActorKind {
        self.kind
    }

    pub fn auth(&self) -> Option<&str> {
        self.auth.as_deref()
    }
}

impl From<&str> for Actor {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl From<&String> for Actor {
    fn from(name: &String) -> Self {
        Self::named(name)
    }
}

impl From<&Actor> for Actor {
    fn from(actor: &Actor) -> Self {
        actor.clone()
    }
}

/// One record. What may hold a person's words or values of the plant belongs into `detail`, of which the chain keeps
/// only a salted digest: retention may take it out.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    pub actor: String,
    pub actor_kind: ActorKind,
    /// Who vouched for the actor: a door (`web`, `slack`, `password`, …), or `service:` and the account that named them.
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
    pub fn new(actor: impl Into<Actor>, action: &str) -> Self {
        let Actor { name, kind, auth } = actor.into();
        Self {
            actor: name,
            actor_kind: kind,
            auth,
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

    /// A question that too few answered: in time (`EXPIRED`), or before its run went on without it (`CLOSED`).
    pub fn gate_closed(run: RunId, step: Option<&str>, gate: GateId, decision: &str) -> Self {
        let record = Self::new(TAKT, "gate.closed").of_run(run, step).object(gate.to_string());
        Self { decision: Some(decision.to_owned()), ..record }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_name_says_its_kind() {
        let all = [
            Actor::person("sam"),
            Actor::service("mes"),
            Actor::partner("acme"),
            Actor::takt(),
            Actor::webhook(),
            Actor::nobody(),
        ];
        for actor in all {
            assert_eq!(Actor::named(actor.name()), actor);
        }
    }
}
