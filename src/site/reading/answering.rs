//! `reasons`, `overrides` and `override_review` of takt.yaml.

use super::{Names, Reading};
use crate::site::{
    answering::{Answering, OTHER, Reason},
    file::{ReasonFile, Text},
    model::Role,
};
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};

/// Slack shows so many characters of an entry in a list.
const TITLE_CHARS_MAX: usize = 75;
/// More are not read by anybody between two machines.
const REASONS_MAX: usize = 12;

impl Reading<'_> {
    pub(super) fn answering(
        &mut self,
        reasons: Option<Vec<Spanned<ReasonFile>>>,
        overrides: Vec<Text>,
        review: Option<Text>,
        names: &Names,
        roles: &BTreeMap<String, Role>,
    ) -> Answering {
        let usual = Answering::default();
        overrides.iter().for_each(|role| self.known("role", role, &names.roles));
        if let Some(review) = &review {
            self.known("role", review, &names.roles);
            if overrides.iter().any(|role| role.value == review.value) {
                let message = "who may override does not review overrides: name another role";
                self.problem(review.referenced, message);
            }
            if roles.get(&review.value).is_some_and(|role| role.ladder.is_none()) {
                let message = format!(
                    "`{}` needs a `ladder`: a review that nobody does must be passed on",
                    review.value
                );
                self.problem(review.referenced, message);
            }
        }
        if let (Some(role), None) = (overrides.first(), &review) {
            let message = "`overrides` needs `override_review:` with the role that looks at each of them";
            self.problem(role.referenced, message);
        }
        Answering {
            reasons: reasons.map_or(usual.reasons, |reasons| self.reasons(reasons)),
            overrides: overrides.into_iter().map(|role| role.value).collect(),
            override_review: review.map(|role| role.value),
        }
    }

    fn reasons(&mut self, written: Vec<Spanned<ReasonFile>>) -> Vec<Reason> {
        let mut seen = BTreeSet::new();
        let mut reasons = Vec::new();
        if let Some(over) = written.get(REASONS_MAX) {
            self.problem(over.referenced, format!("at most {REASONS_MAX} reasons: nobody reads more"));
        }
        for reason in written {
            let at = reason.referenced;
            let ReasonFile { code, title } = reason.value;
            let is_word =
                |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
            if code.is_empty() || !code.chars().all(is_word) {
                let message = format!("`{code}` is no code: write lower-case letters, digits and `_`");
                self.problem(at, message);
            }
            if title.trim().is_empty() || title.chars().count() > TITLE_CHARS_MAX {
                self.problem(at, format!("a reason's title has 1 to {TITLE_CHARS_MAX} characters"));
            }
            if !seen.insert(code.clone()) {
                self.problem(at, format!("two reasons have the code `{code}`"));
            }
            reasons.push(Reason { code, title });
        }
        if !seen.contains(OTHER) {
            reasons.push(Reason { code: OTHER.to_owned(), title: "Other".to_owned() });
        }
        reasons
    }
}
