//! A connector file as it is written: the YAML structs, and reading them with their places.
//! What the words mean is decided in `compile`.

use super::problem::Problem;
use crate::{
    site,
    tool::{DataClass, Effect},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use serde_saphyr::{
    Spanned,
    granit_parser::{Event, Parser},
};
use std::{collections::BTreeMap, path::Path};

/// The class of each field, by its name.
pub(in crate::connector) type Classes = BTreeMap<String, Spanned<DataClass>>;

/// `T` is a tool as this kind of file writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connector) struct File<T> {
    pub system: Spanned<String>,
    /// Its tools are those of an MCP server; see `connector::mcp`.
    pub mcp: Option<Spanned<Mcp>>,
    #[serde(default)]
    pub auth: Auth,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub rate: Option<Spanned<String>>,
    pub timeout: Option<Spanned<String>>,
    pub retry: Option<Retry>,
    pub breaker: Option<Breaker>,
    pub result_bytes_max: Option<usize>,
    #[serde(default)]
    pub classes: Classes,
    #[serde(default)]
    pub errors: BTreeMap<u16, Spanned<ErrorRule>>,
    pub tools: BTreeMap<String, Spanned<T>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connector) struct Mcp {
    /// Below the system's `base_url`; left out, that is the endpoint.
    pub path: Option<String>,
    /// How old what is known of the server's tools may be when a tool that reads is called.
    pub check_every: Option<Spanned<String>>,
}

/// Values name secrets of the system in `takt.yaml`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::connector) enum Auth {
    #[default]
    None,
    Header {
        name: Spanned<String>,
        secret: Spanned<String>,
    },
    Bearer(Spanned<String>),
    Basic {
        user: Spanned<String>,
        password: Spanned<String>,
    },
    Token {
        key: Spanned<String>,
        secret: Spanned<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connector) struct Retry {
    pub times: u32,
    pub wait: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connector) struct Breaker {
    pub failures: u32,
    pub cool_down: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connector) struct ErrorRule {
    pub kind: ErrorKind,
    pub message: Option<String>,
}

/// The failures that a file may name; the rest follow from what happened on the wire.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::connector) enum ErrorKind {
    Invalid,
    NotFound,
    Denied,
    RateLimited,
    Transient,
    OutcomeUnknown,
    Permanent,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    pub description: String,
    pub effect: Effect,
    pub idempotency: Option<Idempotency>,
    pub ungated: Option<String>,
    #[serde(default = "first_version")]
    pub version: u32,
    pub timeout: Option<Spanned<String>>,
    pub result_bytes_max: Option<usize>,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub classes: Classes,
    #[serde(default)]
    pub errors: BTreeMap<u16, Spanned<ErrorRule>>,
    #[serde(default)]
    pub input: Option<Spanned<Value>>,
    pub output: Spanned<Value>,
    pub requests: Vec<Spanned<Request>>,
    /// A map whose order counts.
    #[serde(default)]
    pub values: Option<Spanned<Map<String, Value>>>,
    pub returns: Spanned<Value>,
    pub look_up: Option<Spanned<LookUp>>,
}

fn first_version() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Idempotency {
    Read,
    Idempotent,
    Unsafe,
    Header(String),
    Field(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub id: Spanned<String>,
    pub method: Method,
    pub path: Spanned<String>,
    #[serde(default)]
    pub query: Option<Spanned<Map<String, Value>>>,
    #[serde(default)]
    pub headers: Option<Spanned<Map<String, Value>>>,
    #[serde(default)]
    pub body: Option<Spanned<Value>>,
    #[serde(default)]
    pub drop_nulls: bool,
    pub each: Option<Spanned<Value>>,
    #[serde(rename = "as")]
    pub item: Option<String>,
    #[serde(rename = "if")]
    pub condition: Option<Spanned<String>>,
    pub expect: Option<Vec<u16>>,
    pub success: Option<Spanned<String>>,
    pub effect: Option<RequestEffect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RequestEffect {
    Read,
    Write,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookUp {
    pub requests: Vec<Spanned<Request>>,
    pub found: Spanned<String>,
    pub returns: Option<Spanned<Value>>,
}

pub(in crate::connector) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<File<T>, Problem> {
    refuse_references(path, text)?;
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map_or((1, 1), |place| (place.line(), place.column()));
        let message = site::words_of(&error);
        Problem::new(path, place, message)
    })
}

/// Tags, anchors and aliases: `if: !a && b` would silently lose its first half.
fn refuse_references(path: &Path, text: &str) -> Result<(), Problem> {
    for event in Parser::new_from_str(text) {
        // A syntax error is reported by the deserializer, in better words.
        let Ok((event, span)) = event else { return Ok(()) };
        let what = match &event {
            Event::Alias(_) | Event::UnresolvedAlias(_) => "an alias (*)",
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, _, Some(_))
            | Event::MappingStart(_, _, Some(_)) => "a tag (!)",
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(_, anchor, _)
            | Event::MappingStart(_, anchor, _)
                if *anchor > 0 =>
            {
                "an anchor (&)"
            }
            _ => continue,
        };
        let place = (span.start.line() as u64, span.start.col() as u64 + 1);
        return Err(Problem::new(path, place, format!("{what} is not allowed here: put the text in quotes")));
    }
    Ok(())
}
