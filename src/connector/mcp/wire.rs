//! One question to an MCP server and the one message that answers it: a POST, answered as JSON or as a stream of events, or
//! a line to a program (`program`). Whatever comes is read within bounds; redirects are not followed.

use super::server::Way;
use crate::{
    connector::{declared::System, events::Events, http},
    tool::{Lease, ToolError, ToolErrorKind},
};
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

const ERROR_BYTES_MAX: usize = 64 * 1024;
pub(super) const LIST_CHANGED: &str = "notifications/tools/list_changed";

pub(super) struct Post<'a> {
    /// For messages to people.
    pub what: &'a str,
    pub headers: HeaderMap,
    pub body: &'a Value,
    /// Of a request; a notification has none, and no answer.
    pub id: Option<u64>,
    /// What is sent may change something over there, and leaves only under this lease.
    pub write: Option<&'a Arc<Lease>>,
    pub deadline: Instant,
    pub bytes_max: usize,
    /// Of a program: the process that was greeted.
    pub life: u64,
}

pub(super) struct Reply {
    pub status: StatusCode,
    pub session: Option<HeaderValue>,
    pub retry_after: Option<Duration>,
    pub heard: Heard,
    /// The server mentioned on the way that its list of tools is another now.
    pub list_changed: bool,
    /// Another process is there than the one that was greeted: it was not asked.
    pub is_another: bool,
}

#[derive(Debug)]
pub(super) enum Heard {
    Result(Value),
    Error {
        code: i64,
        message: String,
        data: Value,
    },
    /// A status without a message of the protocol.
    Nothing,
}

/// Sends it once. `Err` is what no message can say: nothing came, or nothing that can be read.
pub(super) async fn post(system: &System, way: &Way, post: &Post<'_>) -> Result<Reply, ToolError> {
    system.turn(post.deadline).await?;
    system.admitted()?;
    let result = match way {
        Way::Http(url) => exchange(system, url, post).await,
        Way::Program(program) => program.exchange(system, post).await,
    };
    let now = Instant::now().into_std();
    match &result {
        Ok(reply) if reply.status.is_server_error() => system.breaker.failed(now),
        Ok(_) => system.breaker.succeeded(),
        Err(error) if matches!(error.kind, ToolErrorKind::Transient | ToolErrorKind::OutcomeUnknown) => {
            system.breaker.failed(now);
        }
        Err(_) => {}
    }
    result
}

async fn exchange(system: &System, url: &str, post: &Post<'_>) -> Result<Reply, ToolError> {
    let left = post.deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        let message = format!("no time was left to ask {} ({})", system.name, post.what);
        return Err(ToolError::new(ToolErrorKind::Transient, message));
    }
    let lost = |error| system.not_answered(post.what, post.write.is_some(), error, left);
    let request = system.client.post(url).timeout(left).headers(system.headers.clone());
    let request = request.headers(post.headers.clone()).header(ACCEPT, "application/json, text/event-stream");
    let response = http::with_json(request, post.body, post.write).send().await.map_err(lost)?;
    let status = response.status();
    if status.is_redirection() {
        let message = format!(
            "{} answered {status} to {}: it sends to another address, which is not followed; put the right one in takt.yaml",
            system.name, post.what
        );
        return Err(ToolError::new(ToolErrorKind::Permanent, message));
    }
    let mut reply = Reply {
        status,
        session: response.headers().get("mcp-session-id").cloned(),
        retry_after: http::retry_after(response.headers()),
        heard: Heard::Nothing,
        list_changed: false,
        is_another: false,
    };
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if status.is_success() && kind.starts_with("text/event-stream") {
        events(system, post, response, &mut reply).await?;
    } else if status.is_success() && post.id.is_some() {
        let body = http::read_body(response, post.bytes_max).await.map_err(|error| match error {
            http::BodyError::Lost(error) => lost(error),
            http::BodyError::TooLarge { .. } => too_large(system, post),
        })?;
        hear(system, post, &body, &mut reply)?;
    } else if !status.is_success() {
        let body = http::read_body(response, ERROR_BYTES_MAX).await.unwrap_or_default();
        // What is not a message of the protocol is judged by its status.
        let _ = hear(system, post, &body, &mut reply);
    }
    if status.is_success() && post.id.is_some() && matches!(reply.heard, Heard::Nothing) {
        return Err(unreadable(system, post, "it holds no answer"));
    }
    Ok(reply)
}

/// Reads events until the one with the answer; what else the server tells meanwhile is passed over.
async fn events(
    system: &System,
    post: &Post<'_>,
    mut response: Response,
    reply: &mut Reply,
) -> Result<(), ToolError> {
    let left = post.deadline.saturating_duration_since(Instant::now());
    let (mut events, mut read) = (Events::default(), 0);
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| system.not_answered(post.what, post.write.is_some(), error, left))?
    {
        read += chunk.len();
        if read > post.bytes_max {
            return Err(too_large(system, post));
        }
        events.feed(&chunk);
        while let Some(data) = events.next() {
            hear(system, post, &data, reply)?;
            if !matches!(reply.heard, Heard::Nothing) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Takes one message: the answer to this request, or something else on the way to it.
pub(super) fn hear(
    system: &System,
    post: &Post<'_>,
    body: &[u8],
    reply: &mut Reply,
) -> Result<(), ToolError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let message: Value = serde_json::from_slice(body).map_err(|error| {
        let deep = error.to_string().contains("recursion limit");
        let mut wrong =
            unreadable(system, post, if deep { "it is nested too deep" } else { "it is not JSON" });
        if deep {
            wrong.kind = lost_or(post, ToolErrorKind::TooLarge);
        }
        wrong
    })?;
    if let Some(method) = message.get("method").and_then(Value::as_str) {
        reply.list_changed |= method == LIST_CHANGED;
        return Ok(());
    }
    let id = message.get("id").unwrap_or(&Value::Null);
    // An error may come without the id: then the request could not be read over there.
    let is_ours = post.id.is_some_and(|own| *id == own) || (id.is_null() && message.get("error").is_some());
    if !is_ours {
        return Err(unreadable(system, post, "it belongs to another question"));
    }
    reply.heard = match (message.get("result"), message.get("error")) {
        (Some(result), None) => Heard::Result(result.clone()),
        (None, Some(error)) => Heard::Error {
            code: error["code"].as_i64().unwrap_or_default(),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            data: error["data"].clone(),
        },
        _ => return Err(unreadable(system, post, "it is neither a result nor an error")),
    };
    Ok(())
}

/// After a write nobody knows what an answer that cannot be read would have said.
pub(super) fn lost_or(post: &Post<'_>, kind: ToolErrorKind) -> ToolErrorKind {
    if post.write.is_some() { ToolErrorKind::OutcomeUnknown } else { kind }
}

fn unreadable(system: &System, post: &Post<'_>, why: &str) -> ToolError {
    let message = format!("what {} answered to {} cannot be used: {why}", system.name, post.what);
    ToolError::new(lost_or(post, ToolErrorKind::Permanent), message)
}

pub(super) fn too_large(system: &System, post: &Post<'_>) -> ToolError {
    let message = format!("{} answered {} with more than {} bytes", system.name, post.what, post.bytes_max);
    ToolError::new(lost_or(post, ToolErrorKind::TooLarge), message)
}
