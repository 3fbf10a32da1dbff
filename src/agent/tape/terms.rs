//! What was agreed before a conversation began and stands in no request: guards of schemas, what tools declare, limits
//! and masks. A recording that was made on other terms says nothing of today's.

use super::parts::{Part, Stale};
use crate::agent::{
    digest::sha256_json,
    ledger::{Entry, Limits},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// The terms of one agent step, as hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The answer's schema with every keyword, also those that are not sent.
    pub schema: String,
    /// Version, effect, arguments, classes and bounds of each tool.
    pub tools: BTreeMap<String, String>,
    /// Limits and masks.
    pub policy: String,
}

impl Terms {
    /// Those that an entry fixes, if it is the one that does.
    pub fn of(entry: &Entry) -> Option<Self> {
        let Entry::Started { schema_sha, tools, limits, masking, .. } = entry else { return None };
        let masked = masking.as_ref().map(|masking| masking.fields.as_slice()).unwrap_or_default();
        let declared = tools.iter().map(|tool| {
            let declared = json!([
                tool.version,
                tool.effect,
                tool.input,
                tool.classes,
                tool.timeout,
                tool.result_bytes_max
            ]);
            (tool.tool.to_string(), sha256_json(&declared))
        });
        Some(Self {
            schema: schema_sha.clone(),
            tools: declared.collect(),
            policy: sha256_json(&json!([agreed(limits), masked])),
        })
    }

    /// What is different now, part by part.
    pub fn changes(&self, now: &Self) -> Vec<Stale> {
        let mut changes = Vec::new();
        if self.schema != now.schema {
            let what = "the answer's schema has other guards or limits than it was recorded with";
            changes.push(Stale::new(Part::Schema, what));
        }
        for (name, hash) in &now.tools {
            if self.tools.get(name).is_some_and(|was| was != hash) {
                let what = format!("tool {name} declares another version, effect, class, bound or argument");
                changes.push(Stale::new(Part::Tool, what));
            }
        }
        if self.policy != now.policy {
            changes.push(Stale::new(Part::Settings, "the step has other limits or masks"));
        }
        changes
    }
}

/// A call that only the step's time and its endpoint bound has a time of the site's, which says nothing of a
/// recording: it counts as the one that every call had when there was no other.
fn agreed(limits: &Limits) -> Limits {
    match limits.call_time < limits.time {
        true => *limits,
        false => Limits { call_time: Limits::default().call_time, ..*limits },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_call_without_a_limit_of_its_own_is_the_same_term_in_every_version() {
        let agreed = |time: u64, call_time: u64| {
            let (time, call_time) = (Duration::from_secs(time), Duration::from_secs(call_time));
            agreed(&Limits { time, call_time, ..Limits::default() })
        };
        // Recorded when every call had a minute.
        assert_eq!(agreed(90, 90), agreed(90, 60));
        assert_eq!(agreed(30, 30), agreed(30, 60));
        assert_ne!(agreed(90, 90), agreed(90, 20));
    }
}
