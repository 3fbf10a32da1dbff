//! Misbehaviour on demand: which of the next requests to a system fail, and how.

use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    #[serde(rename = "429")]
    Throttled,
    #[serde(rename = "500")]
    ServerError,
    /// Answers, but late.
    #[serde(rename = "slow")]
    Slow,
    /// The connection is dropped and nothing is applied.
    #[serde(rename = "down")]
    Down,
    /// The request is applied, then the connection is dropped: the caller cannot know.
    #[serde(rename = "lost_reply")]
    LostReply,
}

/// One order to misbehave. Narrowed by whatever is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub system: String,
    pub kind: FaultKind,
    /// How many more requests it hits; 0 means until cleared.
    #[serde(default)]
    pub times: u32,
    #[serde(default = "default_delay")]
    pub millis: u64,
    #[serde(default)]
    pub method: Option<String>,
    #[serde(default)]
    pub path_contains: Option<String>,
    #[serde(default)]
    pub key_contains: Option<String>,
}

fn default_delay() -> u64 {
    3_000
}

/// What a request looks like to a fault.
pub struct Victim<'a> {
    pub system: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub key: Option<&'a str>,
}

#[derive(Default)]
pub struct Faults {
    active: Vec<Fault>,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.active.push(fault);
    }

    pub fn clear(&mut self) {
        self.active.clear();
    }

    pub fn active(&self) -> &[Fault] {
        &self.active
    }

    /// The oldest fault that hits this request, counted down.
    pub fn strike(&mut self, victim: &Victim<'_>) -> Option<(FaultKind, Duration)> {
        let at = self.active.iter().position(|fault| fault.hits(victim))?;
        let fault = &mut self.active[at];
        let struck = (fault.kind, Duration::from_millis(fault.millis));
        match fault.times {
            0 => {}
            1 => drop(self.active.remove(at)),
            _ => fault.times -= 1,
        }
        Some(struck)
    }
}

impl Fault {
    fn hits(&self, victim: &Victim<'_>) -> bool {
        let within = |part: &Option<String>, whole: Option<&str>| {
            part.as_ref().is_none_or(|part| whole.is_some_and(|whole| whole.contains(part.as_str())))
        };
        self.system == victim.system
            && self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(victim.method))
            && within(&self.path_contains, Some(victim.path))
            && within(&self.key_contains, victim.key)
    }
}
