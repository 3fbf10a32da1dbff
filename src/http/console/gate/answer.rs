//! From the fields of a form to an answer.

use super::{draft, form};
use crate::{
    gate::{Answer, Decision, ItemAnswer},
    http::auth::Fields,
};
use serde::Serialize;
use serde_json::Value;

/// What a person had typed, to be shown again when the answer was not taken.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Typed {
    pub decision: Option<String>,
    pub reason_code: Option<String>,
    pub reason: Option<String>,
    pub overrides: bool,
    #[serde(skip)]
    pub fields: Fields,
}

impl Typed {
    pub(super) fn read(fields: &Fields) -> Self {
        Self {
            decision: fields.text("decision"),
            reason_code: fields.text("reason_code"),
            reason: fields.text("reason"),
            overrides: fields.get("override").is_some(),
            fields: fields.clone(),
        }
    }

    /// What was typed into a named field, if the form was sent before.
    pub(super) fn of(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mistake {
    #[error("The form did not say what you decided. Try again.")]
    NoDecision,
    #[error("“{field}” is no longer the kind of value it was: {problem}.")]
    Draft { field: String, problem: String },
}

pub(super) fn read(fields: &Fields, ask: &Value) -> Result<Answer, Mistake> {
    let decision = match fields.get("decision") {
        Some("acknowledge") => Decision::Acknowledge,
        Some("approve") => Decision::Approve,
        Some("choose") => Decision::Choose,
        Some("edit") => Decision::Edit,
        Some("reject") => Decision::Reject,
        _ => return Err(Mistake::NoDecision),
    };
    let edited = match decision {
        Decision::Edit => Some(draft::read(fields, ask.get("draft"))?),
        _ => None,
    };
    let items = ask.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    let schema = ask.get("fields").filter(|schema| schema.is_object());
    Ok(Answer {
        choice: fields
            .get("choice")
            .filter(|_| decision == Decision::Choose)
            .and_then(|choice| choice.parse().ok()),
        edited,
        items: if decision == Decision::Acknowledge { read_items(fields, items) } else { Vec::new() },
        fields: schema.filter(|_| decision == Decision::Approve).map(|schema| form::read(fields, schema)),
        reason_code: fields.text("reason_code"),
        reason: fields.text("reason"),
        overrides: fields.get("override").is_some(),
        ..Answer::of(decision, "web", fields.get("proposal").unwrap_or_default())
    })
}

fn read_items(fields: &Fields, count: usize) -> Vec<ItemAnswer> {
    let item = |number| ItemAnswer {
        acknowledged: fields.get(&format!("item-{number}")).is_some(),
        note: fields.text(&format!("note-{number}")),
    };
    (1..=count).map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_tap_on_an_option_is_a_choice() {
        let tapped = fields(&[("decision", "choose"), ("choice", "2"), ("proposal", "abc")]);
        let answer = read(&tapped, &json!({})).unwrap();
        assert_eq!(
            (answer.decision, answer.choice, answer.proposal_hash.as_str()),
            (Decision::Choose, Some(2), "abc")
        );
        assert_eq!(answer.channel, "web");
    }

    #[test]
    fn every_item_gets_an_answer() {
        let ask = json!({ "items": [{ "title": "a" }, { "title": "b" }, { "title": "c" }] });
        let sent =
            fields(&[("decision", "acknowledge"), ("item-1", "on"), ("note-2", " unclear "), ("note-3", "")]);
        let items = read(&sent, &ask).unwrap().items;
        assert_eq!(items.iter().map(|item| item.acknowledged).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(items[1].note.as_deref(), Some("unclear"));
        assert_eq!(items[2].note, None);
    }

    #[test]
    fn an_unknown_word_is_no_decision() {
        assert_eq!(read(&fields(&[("decision", "maybe")]), &json!({})).unwrap_err(), Mistake::NoDecision);
    }
}
