//! A server that speaks the wire of chat completions: what it answers is the test's to say, and it writes down
//! what it was asked and when.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, Uri},
};
use futures::StreamExt;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Instant,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Value,
}

/// What goes back.
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Before the first byte.
    pub after: Duration,
    /// Announces more than it sends, then drops the connection.
    pub is_cut: bool,
    /// Headers at once, the body never.
    pub stalls: bool,
    /// Follows the body once the test says so.
    pub then: Option<(Arc<Notify>, Vec<u8>)>,
}

impl Said {
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes(), ..Self::default() }
    }

    /// The same answer as the API streams it.
    pub fn stream(body: &Value) -> Self {
        Self::events(&chunks(body))
    }

    /// These chunks, and the word that there are no more.
    pub fn events(chunks: &[Value]) -> Self {
        let mut body = events(chunks);
        body.extend_from_slice(b"data: [DONE]\n\n");
        Self::raw_events(body)
    }

    pub fn raw_events(body: Vec<u8>) -> Self {
        let headers = vec![("content-type".to_owned(), "text/event-stream; charset=utf-8".to_owned())];
        Self { status: 200, headers, body, ..Self::default() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

type Answer = Arc<dyn Fn(&Seen) -> Said + Send + Sync>;

#[derive(Clone)]
struct Inner {
    answer: Answer,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub struct Wire {
    /// Ends in `/v1`.
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Wire {
    pub async fn start(answer: impl Fn(&Seen) -> Said + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let inner = Inner { answer: Arc::new(answer), seen: seen.clone() };
        let router = Router::new().fallback(receive).with_state(inner);
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { url, seen, task }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("the requests").clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(State(inner): State<Inner>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let seen = Seen { at: Instant::now(), uri, headers, body: json };
    let said = {
        let mut all = inner.seen.lock().expect("the requests");
        let said = (inner.answer)(&seen);
        all.push(seen);
        said
    };
    tokio::time::sleep(said.after).await;
    let mut response = Response::builder().status(said.status);
    for (name, value) in &said.headers {
        response = response.header(name, value);
    }
    let body = if said.is_cut {
        response = response.header("content-length", said.body.len() + 100);
        let error = std::io::Error::other("cut");
        Body::from_stream(futures::stream::iter([Ok(Bytes::from(said.body)), Err(error)]))
    } else if let Some((go_on, rest)) = said.then {
        let first = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(said.body))]);
        let rest = futures::stream::once(async move {
            go_on.notified().await;
            Ok(Bytes::from(rest))
        });
        Body::from_stream(first.chain(rest))
    } else if said.stalls {
        let first = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(said.body))]);
        Body::from_stream(first.chain(futures::stream::pending()))
    } else {
        Body::from(said.body)
    };
    response.body(body).expect("a response")
}

/// A chat completion as the API's description has it.
pub fn completion(message: &Value, finish: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "small-2026-09-01",
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish }],
        "usage": { "prompt_tokens": 400, "completion_tokens": 40, "total_tokens": 440 },
    })
}

pub fn answer(content: &Value) -> Value {
    completion(&json!({ "role": "assistant", "content": content.to_string(), "refusal": null }), "stop")
}

pub fn tool_calls(calls: &[(&str, Value)]) -> Value {
    let calls: Vec<Value> = calls
        .iter()
        .enumerate()
        .map(|(index, (name, arguments))| {
            json!({ "id": format!("call_{index}"), "type": "function",
                    "function": { "name": name, "arguments": arguments.to_string() } })
        })
        .collect();
    let message = json!({ "role": "assistant", "content": null, "refusal": null, "tool_calls": calls });
    completion(&message, "tool_calls")
}

/// What of a completion goes into each of its chunks.
fn chunk(body: &Value, choices: &Value) -> Value {
    let mut chunk = body.clone();
    let fields = chunk.as_object_mut().expect("an object");
    fields.remove("usage");
    fields.remove("prompt_filter_results");
    fields.insert("object".to_owned(), json!("chat.completion.chunk"));
    fields.insert("choices".to_owned(), choices.clone());
    chunk
}

/// A completion in the pieces that the API streams: texts by the letter, calls by fragments that mix, the end in a chunk
/// of its own, and what it cost in the last.
pub fn chunks(body: &Value) -> Vec<Value> {
    let choice = &body["choices"][0];
    let message = &choice["message"];
    let piece =
        |delta: Value| json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": null }]);
    let mut deltas = vec![json!({ "role": "assistant", "refusal": null })];
    for field in ["content", "refusal"] {
        let letters = message[field].as_str().unwrap_or_default().chars();
        deltas.extend(letters.map(|letter| json!({ field: letter.to_string() })));
    }
    let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
    let whole = |call: &Value| call["function"]["arguments"].as_str().unwrap_or_default().to_owned();
    for (index, call) in calls.iter().enumerate() {
        let function = json!({ "name": call["function"]["name"], "arguments": "" });
        deltas.push(json!({ "tool_calls": [{ "index": index, "id": call["id"], "type": call["type"], "function": function }] }));
    }
    for at in 0..calls.iter().map(|call| whole(call).len()).max().unwrap_or_default() {
        for (index, call) in calls.iter().enumerate() {
            if let Some(letter) = whole(call).chars().nth(at) {
                deltas.push(json!({ "tool_calls": [{ "index": index, "function": { "arguments": letter.to_string() } }] }));
            }
        }
    }
    let mut all = Vec::new();
    if let Some(filtered) = body.get("prompt_filter_results") {
        let mut first = chunk(&json!({ "id": "", "created": 0, "model": "" }), &json!([]));
        first["prompt_filter_results"] = filtered.clone();
        all.push(first);
    }
    all.extend(deltas.into_iter().map(|delta| chunk(body, &piece(delta))));
    let mut last =
        json!({ "index": 0, "delta": {}, "logprobs": null, "finish_reason": choice["finish_reason"] });
    if let Some(filtered) = choice.get("content_filter_results") {
        last["content_filter_results"] = filtered.clone();
    }
    all.push(chunk(body, &json!([last])));
    if let Some(usage) = body.get("usage") {
        let mut end = chunk(body, &json!([]));
        end["usage"] = usage.clone();
        all.push(end);
    }
    all
}

pub fn events(chunks: &[Value]) -> Vec<u8> {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>().into_bytes()
}
