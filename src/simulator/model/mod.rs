//! A local chat-completions endpoint that plays hand-written transcripts, and says so: the model it
//! names is `authored/<transcript>`. It is not a language model and measures nothing about one.
//!
//! It enforces what the real API enforces (key, answered tool calls, strict schemas), and refuses a
//! conversation that no transcript knows instead of making something up.

mod rules;
mod transcript;

pub use transcript::{Transcript, TranscriptError, Transcripts, fill};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The model name that requests ask for.
pub const MODEL: &str = "authored";
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
const BYTES_PER_TOKEN: usize = 4;

/// A running endpoint; dropping it stops it.
pub struct ModelHandle {
    pub addr: SocketAddr,
    /// What goes into `takt.yaml` as `base_url`: `http://127.0.0.1:…/v1`.
    pub base_url: String,
    server: JoinHandle<()>,
    stop: DropGuard,
}

impl ModelHandle {
    /// Finishes requests in flight.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the authored model ended badly");
        }
    }
}

/// Serves transcripts; any non-empty bearer key is accepted.
pub async fn start(listen: SocketAddr, transcripts: Transcripts) -> io::Result<ModelHandle> {
    let listener = TcpListener::bind(listen).await?;
    let addr = listener.local_addr()?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let server = tokio::spawn(async move {
        let serving = axum::serve(listener, router(transcripts))
            .with_graceful_shutdown(async move { stopped.cancelled().await });
        if let Err(error) = serving.await {
            tracing::error!(%error, "the authored model stopped serving");
        }
    });
    Ok(ModelHandle { addr, base_url: format!("http://{addr}/v1"), server, stop: stop.drop_guard() })
}

pub fn router(transcripts: Transcripts) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/v1/models", get(models))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(transcripts))
}

/// An error body as OpenAI sends it.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    param: Option<String>,
    message: String,
}

impl Refusal {
    fn invalid(code: &'static str, param: &str, message: impl Into<String>) -> Self {
        let param = Some(param.to_owned());
        Self { status: StatusCode::BAD_REQUEST, code, param, message: message.into() }
    }

    fn unknown(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, code, param: None, message: message.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({
            "message": self.message, "type": "invalid_request_error", "param": self.param, "code": self.code,
        });
        (self.status, Json(json!({"error": error}))).into_response()
    }
}

async fn complete(
    State(transcripts): State<Arc<Transcripts>>,
    headers: HeaderMap,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Json<Value>, Refusal> {
    authorize(&headers)?;
    let Json(request) = body.map_err(|e| Refusal::invalid("invalid_json", "body", e.body_text()))?;
    rules::check(&request)?;
    let (transcript, message) =
        transcripts.reply(&request).map_err(|e| Refusal::unknown(e.code(), e.to_string()))?;
    let finish = if message.get("tool_calls").is_some() { "tool_calls" } else { "stop" };
    let request_text = request.to_string();
    let (input, output) = (tokens(&request_text), tokens(&message.to_string()));
    let digest = hex::encode(Sha256::digest(request_text.as_bytes()));
    Ok(Json(json!({
        "id": format!("chatcmpl-authored-{}", &digest[..16]),
        "object": "chat.completion",
        "created": transcript.created(),
        "model": format!("{MODEL}/{}", transcript.transcript),
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": null}],
        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output},
    })))
}

async fn models(
    State(transcripts): State<Arc<Transcripts>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    authorize(&headers)?;
    let created = transcripts.iter().map(Transcript::created).max().unwrap_or(0);
    let model = json!({"id": MODEL, "object": "model", "created": created, "owned_by": "authored"});
    Ok(Json(json!({"object": "list", "data": [model]})))
}

fn authorize(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(key) if !key.trim().is_empty() => Ok(()),
        _ => Err(Refusal {
            status: StatusCode::UNAUTHORIZED,
            code: "invalid_api_key",
            param: None,
            message: "You didn't provide an API key: send `Authorization: Bearer …`.".to_owned(),
        }),
    }
}

/// No tokenizer here: a plausible number that is always the same for the same text.
fn tokens(text: &str) -> usize {
    text.len().div_ceil(BYTES_PER_TOKEN)
}

#[cfg(test)]
mod tests;
