//! A tool as its server offers it, cut down to what is pinned, and whether it is one that a person can accept at all.

use super::headers::{self, Param};
use crate::agent::{sha256_json, too_deep, visible};
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

/// What a tool is; everything else of an offer (icons, `_meta`) may change freely.
const PINNED: [&str; 6] = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"];
const BYTES_MAX: usize = 64 * 1024;
const NAME_CHARS_MAX: usize = 128;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Definition {
    name: String,
    value: Value,
}

/// Why nobody can accept a tool as it is offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it is not described by a JSON object with a name")]
    Shapeless,
    #[error(
        "its name holds other characters than a-z, A-Z, 0-9, `_`, `-` and `.`, or has more than 128 of them"
    )]
    Name,
    #[error("two tools of the server have this name")]
    Twice,
    #[error("its description has {0} bytes, more than {BYTES_MAX}")]
    TooLarge(usize),
    #[error("its description: {0}")]
    TooDeep(String),
    #[error("its description holds characters that nobody can see")]
    Invisible,
    #[error("its {0} is not a JSON Schema that can be used: {1}")]
    Schema(&'static str, String),
    #[error("a header it asks for: {0}")]
    Header(String),
}

impl Definition {
    pub(super) fn of(offered: &Value) -> Result<Self, Unfit> {
        let fields = offered.as_object().ok_or(Unfit::Shapeless)?;
        let name = name_of(offered).ok_or(Unfit::Shapeless)?.to_owned();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(allowed) {
            return Err(Unfit::Name);
        }
        let kept = PINNED.iter().filter_map(|key| {
            let value = fields.get(*key).filter(|value| !value.is_null())?;
            Some(((*key).to_owned(), value.clone()))
        });
        let value = Value::Object(kept.collect::<Map<_, _>>());
        let bytes = value.to_string().len();
        if bytes > BYTES_MAX {
            return Err(Unfit::TooLarge(bytes));
        }
        if let Some(why) = too_deep(&value) {
            return Err(Unfit::TooDeep(why));
        }
        if has_invisible(&value) {
            return Err(Unfit::Invisible);
        }
        let definition = Self { name, value };
        definition.schemas()?;
        definition.params()?;
        Ok(definition)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// Over the sorted keys, so that a server may write them in any order.
    pub(super) fn sha256(&self) -> String {
        sha256_json(&self.value)
    }

    pub(super) fn input(&self) -> &Value {
        &self.value["inputSchema"]
    }

    pub(super) fn output(&self) -> Option<&Value> {
        self.value.get("outputSchema")
    }

    /// The parts in which another definition differs.
    pub(super) fn differs_in(&self, other: &Self) -> Vec<&'static str> {
        let differs = |key: &&str| {
            let (own, its) = (self.value.get(*key), other.value.get(*key));
            own.map(sha256_json) != its.map(sha256_json)
        };
        PINNED.into_iter().filter(differs).collect()
    }

    /// What arguments and results are held against.
    pub(super) fn schemas(&self) -> Result<(Validator, Option<Validator>), Unfit> {
        if self.input()["type"] != "object" {
            return Err(Unfit::Schema("inputSchema", "its type is not `object`".to_owned()));
        }
        let input = validator(self.input()).map_err(|why| Unfit::Schema("inputSchema", why))?;
        let output = self.output().map(validator).transpose();
        Ok((input, output.map_err(|why| Unfit::Schema("outputSchema", why))?))
    }

    /// Arguments that the server wants as headers, too.
    pub(super) fn params(&self) -> Result<Vec<Param>, Unfit> {
        headers::params(self.input()).map_err(Unfit::Header)
    }
}

pub(super) fn name_of(offered: &Value) -> Option<&str> {
    offered.get("name").and_then(Value::as_str)
}

/// Patterns run in linear time: a schema from outside must not stop a worker.
fn validator(schema: &Value) -> Result<Validator, String> {
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    options.build(schema).map_err(|error| error.to_string())
}

fn has_invisible(value: &Value) -> bool {
    let hides = |text: &str| {
        let text = text.replace("\r\n", "\n");
        visible(&text) != text
    };
    match value {
        Value::String(text) => hides(text),
        Value::Array(items) => items.iter().any(has_invisible),
        Value::Object(fields) => fields.iter().any(|(name, value)| hides(name) || has_invisible(value)),
        _ => false,
    }
}
