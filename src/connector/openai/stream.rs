//! An answer that comes as a stream of events: read within bounds, shown to who looks on, and given back whole. A
//! stream that ends before its answer is a lost connection; nothing of it is used.

use super::{ANSWER_BYTES_MAX, chunks::Chunks, failure};
use crate::{
    agent::{Body, ModelErrorClass, Screen, visible},
    connector::events::Events,
};
use reqwest::{Response, header::CONTENT_TYPE};
use serde_json::{Value, json};

/// Each chunk repeats what stands around a word or two, and some servers pad it.
const STREAM_BYTES_MAX: usize = 64 * ANSWER_BYTES_MAX;
const DONE: &[u8] = b"[DONE]";

pub(super) enum Broken {
    Lost(reqwest::Error),
    Said { class: ModelErrorClass, what: String },
}

impl Broken {
    fn said(class: ModelErrorClass, what: &str) -> Self {
        Self::Said { class, what: what.to_owned() }
    }

    fn off() -> Self {
        Self::said(ModelErrorClass::Network, "broke its answer off before the end")
    }

    fn too_large() -> Self {
        Self::said(ModelErrorClass::Unparseable, &format!("streamed more than {ANSWER_BYTES_MAX} bytes"))
    }
}

/// Asks for the answer in pieces, with what it cost at the end. Everything else is the question as it was written down.
pub(super) fn streamed(request: &Value) -> Value {
    let mut request = request.clone();
    request["stream"] = json!(true);
    request["stream_options"] = json!({ "include_usage": true });
    request
}

/// Whoever does not stream although it was asked to answers as always.
pub(super) fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

pub(super) async fn read(mut response: Response, screen: &dyn Screen) -> Result<Body, Broken> {
    let (mut events, mut chunks, mut read) = (Events::default(), Chunks::default(), 0);
    let mut is_done = false;
    while !is_done && let Some(piece) = response.chunk().await.map_err(Broken::Lost)? {
        read += piece.len();
        if read > STREAM_BYTES_MAX || events.waiting() > ANSWER_BYTES_MAX {
            return Err(Broken::too_large());
        }
        events.feed(&piece);
        while let Some(data) = events.next() {
            is_done = take(&mut chunks, &data)?;
            if is_done {
                break;
            }
        }
        if chunks.bytes() > ANSWER_BYTES_MAX {
            return Err(Broken::too_large());
        }
        if screen.is_due() {
            screen.show(&visible(&chunks.so_far()));
        }
    }
    // The last event may lack the empty line after it. Half of one is the mark of a stream that was cut.
    if !is_done && let Some(data) = events.rest() {
        take(&mut chunks, &data).map_err(|_| Broken::off())?;
    }
    chunks.whole().map(|answer| Body::of_json(&answer)).ok_or_else(Broken::off)
}

/// One event; true after the last.
fn take(chunks: &mut Chunks, data: &[u8]) -> Result<bool, Broken> {
    if data.trim_ascii() == DONE {
        return Ok(true);
    }
    let chunk: Value = serde_json::from_slice(data)
        .map_err(|_| Broken::said(ModelErrorClass::Unparseable, "sent a chunk that is not JSON"))?;
    if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
        let failure = failure::in_stream(error);
        return Err(Broken::Said { class: failure.class, what: failure.what });
    }
    if !chunk.is_object() {
        return Err(Broken::said(ModelErrorClass::Unparseable, "sent a chunk that is no object"));
    }
    chunks.take(&chunk);
    Ok(false)
}
