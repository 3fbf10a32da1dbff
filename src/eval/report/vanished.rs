//! What a case no longer demands. A check that is gone cannot fail: that is a regression until somebody accepts it.

use super::{super::case::Case, BaselineCase};
use crate::eval::score::Score;
use serde_json::Value;
use std::collections::BTreeSet;

/// Where each expectation of a case stands, and each of its tapes.
pub(super) fn expectations(case: &Case) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    places(&serde_json::to_value(&case.expect).unwrap_or_default(), "expect", &mut found);
    found.extend((1..=case.tapes.len()).map(|trial| format!("trial {trial}")));
    found
}

/// Checks and expectations of the baseline that there are no more.
pub(super) fn vanished(was: &BaselineCase, score: &Score, expects: &BTreeSet<String>) -> Vec<String> {
    let checks = was.checks.keys().filter(|name| !score.checks.contains_key(*name));
    let checks: Vec<String> = checks.map(|name| format!("`{name}` is no longer checked")).collect();
    let gone = was.expects.difference(expects).map(|place| format!("`{place}` is no longer expected"));
    checks.into_iter().chain(gone).collect()
}

fn places(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                places(value, &format!("{at}.{name}"), found);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                places(item, &format!("{at}[{n}]"), found);
            }
        }
        Value::Null => {}
        _ => {
            found.insert(at.to_owned());
        }
    }
}
