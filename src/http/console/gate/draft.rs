//! A draft that people may change: one field of a form for each field of the draft.

use super::answer::{Mistake, Typed};
use crate::{
    http::auth::Fields,
    notify::{draft_fields, draft_label, draft_lines, draft_text},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// Where a draft is one text, this is its field's name.
const WHOLE: &str = "draft";
const ROWS_MAX: usize = 24;
/// Characters of a line on a phone, to guess how high a field must be.
const LINE_CHARS: usize = 44;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct DraftField {
    pub name: String,
    pub label: String,
    pub value: String,
    pub rows: usize,
    /// Neither a text nor a list of lines: kept as JSON.
    pub is_json: bool,
}

/// The fields to show, with what was typed before where there is something.
pub(super) fn fields(draft: Option<&Value>, typed: &Typed) -> Vec<DraftField> {
    let field = |name: String, label: String, value: &Value| {
        let text = typed.of(&name).map_or_else(|| draft_text(value), str::to_owned);
        let rows = text.lines().map(|line| 1 + line.chars().count() / LINE_CHARS).sum::<usize>();
        DraftField {
            name,
            label,
            rows: (rows + 1).clamp(2, ROWS_MAX),
            is_json: !value.is_string() && draft_lines(value).is_none(),
            value: text,
        }
    };
    if draft.is_none_or(Value::is_null) {
        return vec![field(WHOLE.into(), "What should happen instead".into(), &Value::from(""))];
    }
    let parts = draft_fields(draft).into_iter();
    parts.map(|part| field(name_of(part.name), part.label, part.value)).collect()
}

fn name_of(key: Option<&str>) -> String {
    key.map_or_else(|| WHOLE.to_owned(), |key| format!("{WHOLE}.{key}"))
}

/// The changed draft, of the same shape as the one that was asked about.
pub(super) fn read(sent: &Fields, draft: Option<&Value>) -> Result<Value, Mistake> {
    match draft {
        Some(Value::Object(parts)) => {
            let changed = parts.iter().map(|(key, value)| {
                let (name, label) = (name_of(Some(key.as_str())), draft_label(Some(key.as_str())));
                Ok((key.clone(), changed(sent, &name, &label, value)?))
            });
            changed.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        other => changed(sent, WHOLE, &draft_label(None), other.unwrap_or(&Value::Null)),
    }
}

fn changed(sent: &Fields, name: &str, label: &str, before: &Value) -> Result<Value, Mistake> {
    let Some(text) = sent.get(name) else { return Ok(before.clone()) };
    // Browsers send CRLF.
    let text = text.replace("\r\n", "\n");
    if matches!(before, Value::String(_) | Value::Null) {
        return Ok(Value::String(text));
    }
    if draft_lines(before).is_some() {
        return Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).collect());
    }
    serde_json::from_str(&text)
        .map_err(|error| Mistake::Draft { field: label.to_owned(), problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sent(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn an_object_is_edited_field_by_field_and_keeps_its_shape() {
        let draft = json!({ "summary": "one\ntwo", "open_points": ["a", "b"], "count": 2 });
        let shown = fields(Some(&draft), &Typed::default());
        let names: Vec<_> = shown.iter().map(|field| (field.label.as_str(), field.is_json)).collect();
        assert_eq!(names, [("Summary", false), ("Open points", false), ("Count", true)]);
        let back: Vec<_> = shown.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        assert_eq!(read(&sent(&back), Some(&draft)), Ok(draft.clone()));
        let changed = read(&sent(&[("draft.summary", "one\r\nthree")]), Some(&draft)).unwrap();
        assert_eq!(changed["summary"], "one\nthree");
        let fewer = read(&sent(&[("draft.open_points", " b \r\n\r\nc")]), Some(&draft)).unwrap();
        assert_eq!(fewer["open_points"], json!(["b", "c"]));
        assert_eq!(changed["count"], 2);
    }

    #[test]
    fn a_text_stays_a_text_and_broken_json_is_named() {
        assert_eq!(read(&sent(&[("draft", "{ not json")]), Some(&json!("note"))), Ok(json!("{ not json")));
        let broken = read(&sent(&[("draft.points", "[1,")]), Some(&json!({ "points": [1] })));
        assert!(matches!(broken, Err(Mistake::Draft { field, .. }) if field == "Points"));
    }

    #[test]
    fn what_was_typed_is_shown_again() {
        let typed = Typed { fields: sent(&[("draft", "mine")]), ..Typed::default() };
        assert_eq!(fields(Some(&json!("theirs")), &typed)[0].value, "mine");
    }
}
