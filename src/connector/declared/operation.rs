//! A connector file after compilation: one [`System`] with its [`Operation`]s, every expression parsed.

use super::file;
use crate::{
    connector::{breaker::Breaker, redact::Redactor},
    expr::{Expr, ValueTemplate},
    tool::{Idempotency, ToolSpec},
};
use governor::DefaultDirectRateLimiter;
use jsonschema::Validator;
use reqwest::{
    Client, Method,
    header::{HeaderMap, HeaderName},
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, time::Duration};

/// What all tools of one file share.
pub(in crate::connector) struct System {
    pub name: String,
    pub client: Client,
    /// Without a slash at the end.
    pub base_url: String,
    /// Authentication (marked sensitive) and fixed headers.
    pub headers: HeaderMap,
    pub rate: Option<DefaultDirectRateLimiter>,
    pub breaker: Breaker,
    pub retry: Retry,
    pub redactor: Redactor,
    /// `site` as expressions see it.
    pub site: Value,
}

/// For reads, inside one call.
#[derive(Debug, Clone, Copy)]
pub(in crate::connector) struct Retry {
    pub times: u32,
    pub wait: Duration,
}

pub(super) struct Operation {
    pub spec: ToolSpec,
    pub input: Validator,
    pub output: Validator,
    pub defaults: Map<String, Value>,
    pub key: KeyPlace,
    pub requests: Vec<Request>,
    pub values: Vec<(String, ValueTemplate)>,
    pub returns: ValueTemplate,
    pub errors: BTreeMap<u16, ErrorRule>,
    pub look_up: Option<LookUp>,
}

/// Where the other system looks for the idempotency key, besides `X-Takt-Key`.
pub(super) enum KeyPlace {
    Nowhere,
    Header(HeaderName),
    Field(String),
}

pub(super) struct ErrorRule {
    pub kind: file::ErrorKind,
    pub message: Option<ValueTemplate>,
}

pub(super) struct LookUp {
    pub requests: Vec<Request>,
    pub found: Expr,
    pub returns: ValueTemplate,
}

pub(super) struct Request {
    pub id: String,
    pub method: Method,
    /// The parts between slashes; each is encoded on its own.
    pub path: Vec<ValueTemplate>,
    pub query: Vec<(String, ValueTemplate)>,
    pub headers: Vec<(HeaderName, ValueTemplate)>,
    pub body: Option<ValueTemplate>,
    pub drop_nulls: bool,
    pub each: Option<Each>,
    pub condition: Option<Expr>,
    /// Empty means any 2xx.
    pub expect: Vec<u16>,
    pub success: Option<Expr>,
    pub write: bool,
}

pub(super) struct Each {
    pub list: ValueTemplate,
    pub item: String,
}

impl Operation {
    /// A repeat of the whole call leaves one effect.
    pub(super) fn is_repeatable(&self) -> bool {
        self.spec.idempotency != Idempotency::Unsafe
    }

    /// One call makes more than one write, so that they have to be told apart.
    pub(super) fn has_parts(&self) -> bool {
        let mut writes = self.requests.iter().filter(|request| request.write);
        match (writes.next(), writes.next()) {
            (Some(only), None) => only.each.is_some(),
            (first, _) => first.is_some(),
        }
    }
}
