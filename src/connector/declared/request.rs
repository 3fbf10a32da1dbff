//! From a declared request and the names in scope to what goes on the wire. Values never leave their
//! place: parts of a path, parameters and headers are encoded one by one.

use super::operation::{KeyPlace, Request};
use crate::expr::{EvalError, Scope};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;
use std::fmt::Write as _;

pub(super) struct Prepared {
    pub method: Method,
    /// Below the base URL, encoded; safe to show.
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Option<Value>,
    pub write: bool,
}

/// The idempotency key of one write, and what tells it from the other writes of the same call.
pub(super) struct WriteKey<'k> {
    pub key: &'k str,
    pub part: Option<String>,
}

impl WriteKey<'_> {
    /// The key for the system itself, which would take two parts with one key for a repeat.
    fn native(&self) -> String {
        match &self.part {
            Some(part) => format!("{}/{part}", self.key),
            None => self.key.to_owned(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    #[error(transparent)]
    Expression(#[from] EvalError),
    #[error("a part of the path is empty or leads elsewhere")]
    Path,
    #[error("header `{0}` would hold characters that no header may hold")]
    Header(String),
    #[error("`{0}` cannot be set: the body is not an object")]
    Body(String),
}

pub(super) fn prepare(
    request: &Request,
    scope: &Scope,
    place: &KeyPlace,
    key: Option<&WriteKey<'_>>,
) -> Result<Prepared, PrepareError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        if let Some(value) = text(&value.eval(scope)?) {
            insert(&mut headers, name.clone(), &value)?;
        }
    }
    let mut body = match &request.body {
        Some(body) => Some(body.eval(scope)?),
        None => None,
    };
    if request.drop_nulls {
        body.as_mut().into_iter().for_each(drop_nulls);
    }
    if let Some(key) = key {
        set_key(&mut headers, &mut body, place, key)?;
    }
    Ok(Prepared {
        method: request.method.clone(),
        path: path(request, scope)?,
        query: query(request, scope)?,
        headers,
        body,
        write: request.write,
    })
}

fn set_key(
    headers: &mut HeaderMap,
    body: &mut Option<Value>,
    place: &KeyPlace,
    key: &WriteKey<'_>,
) -> Result<(), PrepareError> {
    insert(headers, HeaderName::from_static("x-takt-key"), key.key)?;
    if let Some(part) = &key.part {
        insert(headers, HeaderName::from_static("x-takt-part"), part)?;
    }
    match place {
        KeyPlace::Nowhere => {}
        KeyPlace::Header(name) => insert(headers, name.clone(), &key.native())?,
        KeyPlace::Field(field) => match body {
            Some(Value::Object(body)) => drop(body.insert(field.clone(), key.native().into())),
            _ => return Err(PrepareError::Body(field.clone())),
        },
    }
    Ok(())
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), PrepareError> {
    let value = HeaderValue::from_str(value).map_err(|_| PrepareError::Header(name.to_string()))?;
    headers.insert(name, value);
    Ok(())
}

fn path(request: &Request, scope: &Scope) -> Result<String, PrepareError> {
    let mut path = String::new();
    for part in &request.path {
        let part = text(&part.eval(scope)?).unwrap_or_default();
        if part.is_empty() || part == "." || part == ".." {
            return Err(PrepareError::Path);
        }
        path.push('/');
        encode(&part, &mut path);
    }
    Ok(path)
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn encode(part: &str, into: &mut String) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

fn query(request: &Request, scope: &Scope) -> Result<Vec<(String, String)>, PrepareError> {
    let is_plain = |value: &Value| !value.is_array() && !value.is_object();
    let mut query = Vec::new();
    for (name, value) in &request.query {
        match value.eval(scope)? {
            Value::Array(items) if items.iter().all(is_plain) => {
                query.extend(items.iter().filter_map(text).map(|item| (name.clone(), item)));
            }
            value => query.extend(text(&value).map(|value| (name.clone(), value))),
        }
    }
    Ok(query)
}

/// As text: null is nothing, lists and objects are JSON.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, field| !field.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
