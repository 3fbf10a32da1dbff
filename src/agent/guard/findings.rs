//! What in an answer is grounded in nothing, one sentence each: as many as are told to a model, first in order, however
//! many there are.

use super::answer_path::AnswerPath;
use std::{collections::BTreeSet, fmt};

/// Findings told to a model at once; more would not be repaired in one turn either.
pub(in crate::agent) const FINDINGS_MAX: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Findings(BTreeSet<String>);

impl Findings {
    pub(super) fn add(&mut self, finding: String) {
        self.0.insert(finding);
        if self.0.len() > FINDINGS_MAX {
            self.0.pop_last();
        }
    }

    pub(super) fn add_absent(&mut self, at: &AnswerPath<'_>, what: impl fmt::Display) {
        self.add(format!("{at}: {what} is not in the data"));
    }

    pub(super) fn into_vec(self) -> Vec<String> {
        self.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_in_order_are_kept_whenever_they_are_found() {
        let mut findings = Findings::default();
        for number in [7, 3, 9, 1, 5, 3, 8, 2, 6, 4] {
            findings.add_absent(&AnswerPath::Root, number);
            assert!(findings.0.len() <= FINDINGS_MAX);
        }
        assert_eq!(
            findings.into_vec(),
            [1, 2, 3, 4, 5].map(|number| format!(": {number} is not in the data"))
        );
    }
}
