//! A request as it travels: headers, JSON-RPC, the era it belongs to; and what is said when one of them is wrong.

use crate::connector::mcp::{LEGACY, MODERN};
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";
const VERSION_HEADER: &str = "mcp-protocol-version";

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const NO_METHOD: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const INTERNAL: i64 = -32603;
const HEADER_MISMATCH: i64 = -32020;
const UNSUPPORTED_VERSION: i64 = -32022;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Every request says its version; 2026-07-28.
    Modern,
    /// A handshake came first; we keep nothing of it.
    Legacy,
}

pub(super) enum Incoming {
    Request(Request),
    /// Nothing that could be notified changes anything here.
    Notification,
}

#[derive(Debug)]
pub(super) struct Request {
    pub id: Value,
    pub era: Era,
    pub method: String,
    pub params: Value,
}

#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: i64,
    message: String,
    data: Option<Box<Value>>,
    id: Value,
}

pub(super) fn versions() -> Vec<&'static str> {
    std::iter::once(MODERN).chain(LEGACY).collect()
}

/// For the handshake.
pub(super) fn agreed(wanted: &str) -> &'static str {
    LEGACY.into_iter().find(|known| *known == wanted).unwrap_or(LEGACY[0])
}

pub(super) fn server_info() -> Value {
    json!({ "name": "takt", "version": env!("CARGO_PKG_VERSION") })
}

/// JSON in, JSON out.
pub(super) fn negotiate(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kinds = |text: &str| -> Vec<String> {
        text.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim().to_lowercase()).collect()
    };
    if kinds(text(header::CONTENT_TYPE)) != ["application/json"] {
        return Err(Refusal::of_transport(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
    }
    let accepted = kinds(text(header::ACCEPT));
    let takes_json =
        |kind: &String| matches!(kind.as_str(), "" | "*/*" | "application/*" | "application/json");
    if !accepted.iter().any(takes_json) {
        return Err(Refusal::of_transport(StatusCode::NOT_ACCEPTABLE, "answers are application/json"));
    }
    Ok(())
}

pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Incoming, Refusal> {
    let bad = |code, message: &str| Refusal::new(code, message);
    let message: Value = serde_json::from_slice(body)
        .map_err(|error| bad(PARSE_ERROR, &format!("it is not JSON: {error}")))?;
    let one = || bad(INVALID_REQUEST, "send one JSON-RPC 2.0 request or notification");
    let Value::Object(mut message) = message else { return Err(one()) };
    let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
    let (Some(method), Some("2.0")) = (method, message.get("jsonrpc").and_then(Value::as_str)) else {
        return Err(one());
    };
    let version = the_only(headers, VERSION_HEADER)?;
    let Some(id) = message.remove("id") else {
        let known = version.is_none_or(|version| versions().contains(&version));
        return if known {
            Ok(Incoming::Notification)
        } else {
            Err(unsupported(version.unwrap_or_default()))
        };
    };
    if !id.is_string() && !id.is_i64() && !id.is_u64() {
        return Err(one());
    }
    let params = message.remove("params").unwrap_or_else(|| Value::Object(Map::new()));
    let era =
        era(headers, version, &method, &params).map_err(|refusal| Refusal { id: id.clone(), ..refusal })?;
    if !params.is_object() {
        return Err(Refusal { id, ..bad(INVALID_PARAMS, "`params` is an object") });
    }
    Ok(Incoming::Request(Request { id, era, method, params }))
}

/// Which era a request belongs to, and whether it keeps that era's rules.
fn era(headers: &HeaderMap, version: Option<&str>, method: &str, params: &Value) -> Result<Era, Refusal> {
    let meta = params.get("_meta").and_then(Value::as_object);
    let said = meta.and_then(|meta| meta.get(VERSION_KEY));
    if said.is_none() && version != Some(MODERN) {
        return match version {
            Some(version) if method != "initialize" && !LEGACY.contains(&version) => {
                Err(unsupported(version))
            }
            _ => Ok(Era::Legacy),
        };
    }
    let missing = [VERSION_KEY, CAPABILITIES_KEY]
        .into_iter()
        .find(|key| meta.is_none_or(|meta| !meta.contains_key(*key)));
    if let Some(key) = missing {
        return Err(Refusal::new(INVALID_PARAMS, &format!("`params._meta` has no `{key}`")));
    }
    let said = said.and_then(Value::as_str).unwrap_or_default();
    let mismatch =
        |what: &str| Refusal::new(HEADER_MISMATCH, &format!("{what} is missing or does not fit the body"));
    if version != Some(said) {
        return Err(mismatch("the header MCP-Protocol-Version"));
    }
    if the_only(headers, "mcp-method")? != Some(method) {
        return Err(mismatch("the header Mcp-Method"));
    }
    let name = match method {
        "tools/call" | "prompts/get" => params.get("name"),
        "resources/read" => params.get("uri"),
        _ => None,
    };
    if let Some(name) = name.and_then(Value::as_str)
        && the_only(headers, "mcp-name")?.and_then(decoded).as_deref() != Some(name)
    {
        return Err(mismatch("the header Mcp-Name"));
    }
    if said == MODERN { Ok(Era::Modern) } else { Err(unsupported(said)) }
}

/// A header twice is two stories.
fn the_only<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(Some)
            .map_err(|_| Refusal::new(HEADER_MISMATCH, &format!("the header {name} holds no text"))),
        _ => Err(Refusal::new(HEADER_MISMATCH, &format!("the header {name} stands there twice"))),
    }
}

fn decoded(value: &str) -> Option<String> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(value.to_owned());
    };
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

fn unsupported(requested: &str) -> Refusal {
    let mut refusal = Refusal::new(UNSUPPORTED_VERSION, "this version of MCP is not spoken here");
    refusal.data = Some(Box::new(json!({ "supported": versions(), "requested": requested })));
    refusal
}

impl Request {
    pub(super) fn answer(&self, mut result: Value) -> impl IntoResponse + use<> {
        if self.era == Era::Modern {
            result["resultType"] = json!("complete");
            result["_meta"] = json!({ (SERVER_KEY): server_info() });
        }
        let body = json!({ "jsonrpc": "2.0", "id": self.id, "result": result });
        ([(header::CONTENT_TYPE, "application/json")], body.to_string())
    }
}

impl Refusal {
    fn new(code: i64, message: &str) -> Self {
        let status = match code {
            NO_METHOD => StatusCode::NOT_FOUND,
            INTERNAL => StatusCode::OK,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, code, message: message.to_owned(), data: None, id: Value::Null }
    }

    pub(super) fn of_transport(status: StatusCode, message: &str) -> Self {
        Self { status, ..Self::new(INVALID_REQUEST, message) }
    }

    pub(super) fn no_method(method: &str) -> Self {
        Self::new(NO_METHOD, &format!("there is no method `{method}` here"))
    }

    pub(super) fn params(message: &str) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    pub(super) fn internal(message: &str) -> Self {
        Self::new(INTERNAL, message)
    }

    /// In the older era the answer to a request is an answer, whatever it says.
    pub(super) fn to(mut self, request: &Request) -> Self {
        self.id = request.id.clone();
        if request.era == Era::Legacy {
            self.status = StatusCode::OK;
        }
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = self.data {
            error["data"] = *data;
        }
        let body = json!({ "jsonrpc": "2.0", "id": self.id, "error": error });
        (self.status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}
