//! Which era of the protocol a server speaks, and asking it one thing in that era.
//!
//! Found out once: `server/discover` is asked as of 2026-07-28, and whoever does not know it is greeted with
//! `initialize`. Both hold until the server no longer answers to them.

use super::{
    headers::{Param, encode},
    server::{Server, Way},
    wire::{Heard, Post, Reply, post},
};
use crate::tool::{Lease, ToolError, ToolErrorKind};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

pub const MODERN: &str = "2026-07-28";
/// Newest first: the first is what is offered in a handshake.
pub const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

const UNSUPPORTED_VERSION: i64 = -32022;
/// Only a server of the new era says these two: headers do not fit, a capability is missing.
const MODERN_REFUSALS: [i64; 2] = [-32020, -32021];
const INVALID_PARAMS: i64 = -32602;
const INTERNAL: i64 = -32603;
/// Greetings are short.
const GREETING_BYTES_MAX: usize = 256 * 1024;
/// A program that has not answered the first greeting by then is greeted the older way.
const SILENCE: Duration = Duration::from_secs(5);
const INITIALIZED: &str = "notifications/initialized";
/// A cancelled call is mentioned to the server for no longer than this.
const GOODBYE: Duration = Duration::from_secs(2);
const SAID_CHARS_MAX: usize = 300;

#[derive(Debug, Clone)]
pub(super) enum Era {
    Modern,
    Legacy { version: HeaderValue, session: Option<HeaderValue> },
}

/// One request, in words that are the same in both eras.
pub(super) struct Ask<'a> {
    pub method: &'static str,
    pub params: Value,
    /// Arguments that are repeated as headers.
    pub mirrored: &'a [Param],
    pub trace: Option<&'a str>,
    /// May change something over there, under this lease.
    pub write: Option<&'a Arc<Lease>>,
    pub deadline: Instant,
    pub bytes_max: usize,
}

impl Server {
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Value, ToolError> {
        let mut again = true;
        loop {
            let (life, era) = self.era(ask.deadline).await?;
            let id = self.ids.fetch_add(1, Ordering::Relaxed);
            let reply = match self.put((life, &era), ask, Some(id)).await {
                Ok(reply) => reply,
                Err(error) => {
                    self.gave_up(&era, id, &error).await;
                    return Err(error);
                }
            };
            if reply.list_changed {
                self.forget_offer().await;
            }
            // The session has ended, or another server stands there now: nothing was done, greet it anew.
            if again && (reply.is_another || is_strange(&era, &reply)) {
                again = false;
                self.forget_era().await;
                continue;
            }
            return match reply.heard {
                Heard::Result(result) => Ok(result),
                ref refused => {
                    self.forget_offer().await;
                    Err(self.refused(ask, &reply, refused))
                }
            };
        }
    }

    async fn era(&self, deadline: Instant) -> Result<(u64, Era), ToolError> {
        let mut known = timeout_at(deadline, self.era.lock()).await.map_err(|_| self.late())?;
        let life = match &self.way {
            Way::Http(_) => 0,
            Way::Program(program) => program.life(deadline).await?,
        };
        if let Some((greeted, era)) = known.as_ref().filter(|(greeted, _)| *greeted == life) {
            return Ok((*greeted, era.clone()));
        }
        let era = self.greet(life, deadline).await?;
        *known = Some((life, era.clone()));
        Ok((life, era))
    }

    async fn forget_era(&self) {
        *self.era.lock().await = None;
    }

    async fn greet(&self, life: u64, deadline: Instant) -> Result<Era, ToolError> {
        let ask = |method, params| Ask {
            method,
            params,
            mirrored: &[],
            trace: None,
            write: None,
            deadline,
            bytes_max: GREETING_BYTES_MAX,
        };
        let mut discover = ask("server/discover", json!({}));
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        if matches!(self.way, Way::Program(_)) {
            // An old one may pass over in silence what it does not know, and has no status to say so.
            discover.deadline = deadline.min(Instant::now() + SILENCE);
        }
        let reply = match self.put((life, &Era::Modern), &discover, Some(id)).await {
            Err(_) if discover.deadline < deadline && Instant::now() >= discover.deadline => {
                return self
                    .shake_hands(life, &ask("initialize", hello()), &ask(INITIALIZED, json!({})))
                    .await;
            }
            reply => reply?,
        };
        match &reply.heard {
            Heard::Result(found) if speaks(&found["supportedVersions"], &[MODERN]) => return Ok(Era::Modern),
            Heard::Error { code: UNSUPPORTED_VERSION, data, .. } if !speaks(&data["supported"], &LEGACY) => {
                let message = format!("{} speaks no version of MCP that Takt speaks", self.system.name);
                return Err(ToolError::new(ToolErrorKind::Permanent, message));
            }
            Heard::Error { code, .. } if MODERN_REFUSALS.contains(code) => {
                return Err(self.refused(&discover, &reply, &reply.heard));
            }
            // A wrong key or an outage says nothing about the era.
            _ if matches!(reply.status.as_u16(), 401 | 403 | 407 | 408 | 429 | 500..) => {
                return Err(self.refused(&discover, &reply, &reply.heard));
            }
            _ => {}
        }
        self.shake_hands(life, &ask("initialize", hello()), &ask(INITIALIZED, json!({}))).await
    }

    async fn shake_hands(&self, life: u64, hello: &Ask<'_>, thanks: &Ask<'_>) -> Result<Era, ToolError> {
        let offered = Era::Legacy { version: HeaderValue::from_static(LEGACY[0]), session: None };
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let reply = self.put((life, &offered), hello, Some(id)).await?;
        let found = match &reply.heard {
            Heard::Result(found) => found,
            // A program that was slow to start has heard the first greeting meanwhile, and keeps to it.
            Heard::Error { code: UNSUPPORTED_VERSION, data, .. } if speaks(&data["supported"], &[MODERN]) => {
                return Ok(Era::Modern);
            }
            refused => return Err(self.refused(hello, &reply, refused)),
        };
        let version = found["protocolVersion"].as_str().unwrap_or_default();
        let Some(version) = LEGACY.into_iter().find(|known| *known == version) else {
            let message = format!("{} speaks no version of MCP that Takt speaks", self.system.name);
            return Err(ToolError::new(ToolErrorKind::Permanent, message));
        };
        let era = Era::Legacy { version: HeaderValue::from_static(version), session: reply.session.clone() };
        let taken = self.put((life, &era), thanks, None).await?;
        if !taken.status.is_success() {
            return Err(self.refused(thanks, &taken, &taken.heard));
        }
        Ok(era)
    }

    async fn put(
        &self,
        (life, era): (u64, &Era),
        ask: &Ask<'_>,
        id: Option<u64>,
    ) -> Result<Reply, ToolError> {
        let mut body = json!({ "jsonrpc": "2.0", "method": ask.method });
        if let Some(id) = id {
            body["id"] = json!(id);
        }
        body["params"] = ask.params.clone();
        let mut meta = json!({});
        if let Some(trace) = ask.trace {
            meta["traceparent"] = json!(trace);
        }
        if matches!(era, Era::Modern) {
            meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            meta["io.modelcontextprotocol/clientInfo"] = client_info();
        }
        if meta != json!({}) {
            body["params"]["_meta"] = meta;
        }
        let request = Post {
            what: ask.method,
            headers: headers(era, ask),
            body: &body,
            id,
            write: ask.write,
            deadline: ask.deadline,
            bytes_max: ask.bytes_max,
            life,
        };
        post(&self.system, &self.way, &request).await
    }

    /// In the older era a closed connection is not yet a cancelled request, and a program has none: the server is told.
    async fn gave_up(&self, era: &Era, id: u64, error: &ToolError) {
        let is_told = matches!(era, Era::Legacy { .. }) || matches!(self.way, Way::Program(_));
        if !is_told || matches!(error.kind, ToolErrorKind::Permanent) {
            return;
        }
        let body = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": { "requestId": id, "reason": "no answer in time" } });
        let url = match &self.way {
            Way::Http(url) => url,
            Way::Program(program) => return program.mention(&body).await,
        };
        let mut headers = self.system.headers.clone();
        add_era(&mut headers, era);
        let goodbye = self.system.client.post(url).timeout(GOODBYE).headers(headers).json(&body);
        tokio::spawn(goodbye.send());
    }

    fn late(&self) -> ToolError {
        let message = format!("no time was left to ask {}", self.system.name);
        ToolError::new(ToolErrorKind::Transient, message)
    }

    fn refused(&self, ask: &Ask<'_>, reply: &Reply, heard: &Heard) -> ToolError {
        let (name, method, status) = (&self.system.name, ask.method, reply.status.as_u16());
        let unsure =
            if ask.write.is_some() { ToolErrorKind::OutcomeUnknown } else { ToolErrorKind::Transient };
        let kind = match (status, heard) {
            (401 | 403, _) => ToolErrorKind::Denied,
            (429, _) => ToolErrorKind::RateLimited { retry_after: reply.retry_after },
            (503, _) if reply.retry_after.is_some() => {
                ToolErrorKind::RateLimited { retry_after: reply.retry_after }
            }
            (408 | 500.., _) | (_, Heard::Error { code: INTERNAL, .. }) => unsure,
            (_, Heard::Error { code: INVALID_PARAMS, .. }) => ToolErrorKind::Invalid,
            _ => ToolErrorKind::Permanent,
        };
        let message = match heard {
            Heard::Error { code, message, .. } => {
                format!("{name} refused {method} ({code}): {}", shorten(message))
            }
            _ if kind == ToolErrorKind::Denied => {
                format!("{name} refused {method}: check the credentials in takt.yaml")
            }
            _ => format!("{name} answered {status} to {method}"),
        };
        ToolError::new(kind, self.system.redactor.redact(&message))
    }
}

fn speaks(versions: &Value, wanted: &[&str]) -> bool {
    let mut versions = versions.as_array().into_iter().flatten().filter_map(Value::as_str);
    versions.any(|version| wanted.contains(&version))
}

/// The request was turned away before anybody looked at what it asks.
fn is_strange(era: &Era, reply: &Reply) -> bool {
    match era {
        Era::Legacy { session, .. } => session.is_some() && reply.status == 404,
        Era::Modern => {
            matches!(reply.heard, Heard::Nothing) && matches!(reply.status.as_u16(), 400 | 404 | 405)
                || matches!(reply.heard, Heard::Error { code: UNSUPPORTED_VERSION, .. })
        }
    }
}

fn headers(era: &Era, ask: &Ask<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    add_era(&mut headers, era);
    if matches!(era, Era::Modern) {
        headers.insert(HeaderName::from_static("mcp-method"), HeaderValue::from_static(ask.method));
        if let Some(name) = ask.params.get("name").and_then(Value::as_str) {
            headers.insert(HeaderName::from_static("mcp-name"), encode(name));
        }
        headers.extend(ask.mirrored.iter().filter_map(|param| param.header(&ask.params["arguments"])));
    }
    if let Some(trace) = ask.trace.and_then(|trace| HeaderValue::from_str(trace).ok()) {
        headers.insert(HeaderName::from_static("traceparent"), trace);
    }
    headers
}

fn add_era(headers: &mut HeaderMap, era: &Era) {
    let version = HeaderName::from_static("mcp-protocol-version");
    match era {
        Era::Modern => drop(headers.insert(version, HeaderValue::from_static(MODERN))),
        Era::Legacy { version: spoken, session } => {
            headers.insert(version, spoken.clone());
            if let Some(session) = session {
                headers.insert(HeaderName::from_static("mcp-session-id"), session.clone());
            }
        }
    }
}

fn hello() -> Value {
    json!({ "protocolVersion": LEGACY[0], "capabilities": {}, "clientInfo": client_info() })
}

fn client_info() -> Value {
    json!({ "name": "takt", "version": env!("CARGO_PKG_VERSION") })
}

/// What a server says is shown to people, cut and without what cannot be seen.
pub(super) fn shorten(text: &str) -> String {
    let text = crate::agent::visible(text);
    match text.char_indices().nth(SAID_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
