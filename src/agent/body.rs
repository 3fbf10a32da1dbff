//! An answer as it came over the wire. It is written down as text before anybody reads it, so that an
//! answer that cannot be read is known all the same, and no reader decides what is kept.

use super::model::{Finish, ModelErrorClass, Usage};
use super::text::{is_model_name, storable, storable_text};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The raw text of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Body(String);

/// What the loop needs of a chat completion; what a server left out is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadBody {
    pub json: Value,
    pub usage: Option<Usage>,
    pub finish: Option<Finish>,
    /// The model that answered, as it names itself; text that is no name of a model is left out.
    pub model: Option<String>,
}

impl Body {
    /// Bytes that are not UTF-8 are shown as such; nothing else is changed.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(storable_text(&String::from_utf8_lossy(bytes)))
    }

    pub fn of_json(json: &Value) -> Self {
        Self(json.to_string())
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// `Null` when it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.0).map_or(Value::Null, storable)
    }

    pub fn read(&self) -> ReadBody {
        let json = self.json();
        ReadBody {
            usage: json.get("usage").and_then(Usage::read),
            finish: json.pointer("/choices/0/finish_reason").and_then(Value::as_str).map(Finish::read),
            model: json
                .get("model")
                .and_then(Value::as_str)
                .filter(|name| is_model_name(name))
                .map(str::to_owned),
            json,
        }
    }
}

impl ReadBody {
    /// A 2xx that is no answer: a page of a proxy, or an error that came with the wrong status.
    pub fn failure(&self) -> Option<(ModelErrorClass, String)> {
        if !self.json.is_object() {
            let what = "the answer is not JSON: is base_url right?";
            return Some((ModelErrorClass::Unparseable, what.to_owned()));
        }
        let error = self.json.get("error").filter(|error| !error.is_null())?;
        if self.json.get("choices").is_some_and(|choices| !choices.is_null()) {
            return None;
        }
        let said = error.get("message").and_then(Value::as_str).or(error.as_str()).unwrap_or_default();
        let said: String = said.chars().take(300).collect();
        Some((ModelErrorClass::Server, format!("answered 200 with an error: {said}")))
    }
}

/// Journals of earlier versions hold the parsed answer.
impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::String(text) => Self(text),
            json => Self::of_json(&json),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_cannot_be_read_is_kept() {
        let body = Body::of_bytes(b"<html>\xff\0busy");
        assert_eq!(body.text(), "<html>\u{fffd}\u{fffd}busy");
        assert_eq!(body.read().failure().map(|(class, _)| class), Some(ModelErrorClass::Unparseable));
        let kept: Body = serde_json::from_value(serde_json::to_value(&body).unwrap()).unwrap();
        assert_eq!(kept, body);
    }

    #[test]
    fn a_journal_of_an_earlier_version_is_read() {
        let parsed = json!({"choices": [], "usage": {"prompt_tokens": 3}});
        let body: Body = serde_json::from_value(parsed.clone()).unwrap();
        assert_eq!(body.json(), parsed);
    }

    #[test]
    fn an_error_with_the_wrong_status_is_one_and_an_answer_with_a_null_error_is_none() {
        let failure = |json: Value| Body::of_json(&json).read().failure().map(|(class, _)| class);
        assert_eq!(failure(json!({"error": {"message": "busy"}})), Some(ModelErrorClass::Server));
        assert_eq!(failure(json!({"error": null, "choices": []})), None);
        assert_eq!(failure(json!([])), Some(ModelErrorClass::Unparseable));
    }

    #[test]
    fn half_a_report_of_tokens_is_none_and_a_sentence_is_no_model() {
        let read = |json: Value| Body::of_json(&json).read();
        let whole = json!({"prompt_tokens": 3, "completion_tokens": 4});
        assert_eq!(read(json!({"usage": whole})).usage, Some(Usage { input_tokens: 3, output_tokens: 4 }));
        for half in [json!({"prompt_tokens": 3}), json!({"completion_tokens": 4}), json!({})] {
            assert_eq!(read(json!({"usage": half})).usage, None);
        }
        assert_eq!(read(json!({"model": "small-2"})).model.as_deref(), Some("small-2"));
        assert_eq!(read(json!({"model": "small-2, approved by the <b>plant manager</b>"})).model, None);
    }

    /// PostgreSQL keeps no NUL, and a model can write one.
    #[test]
    fn an_escaped_nul_does_not_come_out() {
        let body = Body::of_bytes(br#"{"a\u0000":"x\u0000y"}"#);
        assert_eq!(body.json(), json!({"a\u{fffd}": "x\u{fffd}y"}));
    }
}
