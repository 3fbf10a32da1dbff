//! How people answer in this plant: the reasons they can give for a no or a change, and who may decide alone in an
//! emergency.

use serde::{Deserialize, Serialize};

/// The reason that needs words of its own; every list has it.
pub const OTHER: &str = "other";

/// Why somebody rejects or changes a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub code: String,
    pub title: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answering {
    /// In the order they are offered, `other` last unless the site says otherwise.
    pub reasons: Vec<Reason>,
    /// Roles whose people may decide an open question alone.
    pub overrides: Vec<String>,
    /// The role that reviews every such decision; there is one where there are `overrides`.
    pub override_review: Option<String>,
}

impl Answering {
    pub fn reason(&self, code: &str) -> Option<&Reason> {
        self.reasons.iter().find(|reason| reason.code == code)
    }
}

impl Default for Answering {
    fn default() -> Self {
        let usual = [
            ("facts_wrong", "Facts are wrong"),
            ("better_by_hand", "Better plan by hand"),
            ("too_costly", "Too much setup or overtime"),
            ("not_now", "Not now"),
            (OTHER, "Other"),
        ];
        let reason = |(code, title): (&str, &str)| Reason { code: code.to_owned(), title: title.to_owned() };
        Self { reasons: usual.map(reason).to_vec(), overrides: Vec::new(), override_review: None }
    }
}
