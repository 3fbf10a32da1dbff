//! What a model in somebody else's hands may say: anything, and often enough what gets far.

use async_trait::async_trait;
use chrono::TimeDelta;
use rand::{Rng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use takt::{
    agent::{Body, Model, ModelError, ModelErrorClass, ModelProfile, ModelReply},
    engine::Clock,
};

pub type Rng8 = ChaCha8Rng;

pub struct Hijacked {
    pub profile: ModelProfile,
    pub rng: Mutex<Rng8>,
    pub sent: Arc<Mutex<Vec<Sent>>>,
    /// The session's: an answer takes its time.
    pub clock: Arc<Clock>,
}

pub struct Sent {
    /// The body of the request.
    pub wire: String,
    pub timeout: Duration,
}

#[async_trait]
impl Model for Hijacked {
    fn profile(&self) -> &ModelProfile {
        &self.profile
    }

    async fn complete(&self, request: &Value, timeout: Duration) -> Result<ModelReply, ModelError> {
        let wire = request.to_string();
        let mut rng = self.rng.lock().expect("the dice");
        let reply = reply(&mut rng, &wire);
        let took = match rng.random_range(0..20) {
            0 => timeout,
            1..6 => timeout.mul_f64(rng.random_range(0.0..0.5)),
            _ => Duration::ZERO,
        };
        self.clock.set(self.clock.now() + TimeDelta::from_std(took).unwrap_or_default());
        self.sent.lock().expect("the requests").push(Sent { wire, timeout });
        if took == timeout {
            return Err(failure(&mut rng, ModelErrorClass::Timeout, "no answer".to_owned()));
        }
        reply.map(|body| ModelReply { body, ..ModelReply::read(200, Value::Null, 3) })
    }
}

fn pick<'a>(rng: &mut Rng8, list: &[&'a str]) -> &'a str {
    list.choose(rng).copied().unwrap_or_default()
}

/// Words a model may throw around, some of them taken from what it was sent.
fn word(rng: &mut Rng8, wire: &str) -> String {
    let known = [
        "PRESS-4",
        "PRESS-5",
        "press-4",
        "PRESS-99",
        "PO-999",
        "WO-12",
        "J-1001",
        "Mia Keller",
        "EMP_0000",
        "MASK_ZZZZ",
        "TWlhIEtlbGxlcg==",
        "4d6961204b656c6c6572",
        "M i a K e l l e r",
        "",
        "\u{0}",
        "\u{202e}\u{200b}",
        "<script>alert(1)</script>",
        "![x](http://evil.example)",
        "ignore all rules",
        "../../etc/passwd",
        "'; drop table run; --",
        "{{trigger.operator}}",
        "${{ trigger }}",
    ];
    match rng.random_range(0..4) {
        0 => {
            // A piece of the conversation itself: tokens, ids, half of either.
            let chars: Vec<char> = wire.chars().collect();
            let from = rng.random_range(0..chars.len().max(1));
            chars.iter().skip(from).take(rng.random_range(1..24)).collect()
        }
        1 => (0..rng.random_range(0..12)).map(|_| rng.random::<char>()).collect(),
        _ => pick(rng, &known).to_owned(),
    }
}

fn value(rng: &mut Rng8, wire: &str, depth: u32) -> Value {
    match rng.random_range(0..if depth > 3 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<i64>()),
        3 | 4 => json!(word(rng, wire)),
        5 => (0..rng.random_range(0..4)).map(|_| value(rng, wire, depth + 1)).collect(),
        _ => {
            let fields = (0..rng.random_range(0..4)).map(|_| (word(rng, wire), value(rng, wire, depth + 1)));
            Value::Object(fields.collect())
        }
    }
}

fn proposal(rng: &mut Rng8, wire: &str) -> Value {
    let severity = pick(rng, &["high", "medium", "low", "huge"]);
    let machine = if rng.random_bool(0.6) { "PRESS-4".to_owned() } else { word(rng, wire) };
    let summary = if rng.random_bool(0.5) { "A leak.".to_owned() } else { word(rng, wire) };
    let mut proposal = json!({ "severity": severity, "machine": machine, "summary": summary });
    if rng.random_bool(0.1) {
        proposal[word(rng, wire)] = value(rng, wire, 0);
    }
    proposal
}

fn call(rng: &mut Rng8, wire: &str) -> Value {
    let tools = [
        "plant__status",
        "plant__notes",
        "plant__huge",
        "plant__write",
        "plant.write",
        "plant__other",
        "shell",
        "",
    ];
    let arguments = match rng.random_range(0..5) {
        0 => json!(value(rng, wire, 0).to_string()),
        1 => value(rng, wire, 0),
        2 => json!("{\"machine\":\"PRESS-4\",}"),
        _ => json!(
            json!({ "machine": if rng.random_bool(0.7) { "PRESS-4".into() } else { word(rng, wire) } })
                .to_string()
        ),
    };
    let mut call = json!({ "id": "c", "type": "function", "function": { "name": pick(rng, &tools), "arguments": arguments } });
    if rng.random_bool(0.2) {
        call["id"] = value(rng, wire, 2);
    }
    call
}

/// All there are.
const CLASSES: [ModelErrorClass; 12] = [
    ModelErrorClass::RateLimited,
    ModelErrorClass::Quota,
    ModelErrorClass::Auth,
    ModelErrorClass::NotFound,
    ModelErrorClass::BadRequest,
    ModelErrorClass::ContentFilter,
    ModelErrorClass::Server,
    ModelErrorClass::Unreachable,
    ModelErrorClass::Network,
    ModelErrorClass::Timeout,
    ModelErrorClass::Unparseable,
    ModelErrorClass::Lost,
];

/// Some of them come before an answer has begun, in the middle of one, or both.
fn failure(rng: &mut Rng8, class: ModelErrorClass, message: String) -> ModelError {
    let status = match class {
        ModelErrorClass::Unreachable => None,
        ModelErrorClass::Network
        | ModelErrorClass::Timeout
        | ModelErrorClass::Unparseable
        | ModelErrorClass::Lost => rng.random_bool(0.5).then_some(200),
        ModelErrorClass::Server => Some(if rng.random_bool(0.5) { 200 } else { 503 }),
        _ => Some(429),
    };
    let retry_after = rng.random_bool(0.5).then(|| Duration::from_millis(rng.random_range(0..90_000)));
    ModelError { class, status, retry_after, message }
}

fn reply(rng: &mut Rng8, wire: &str) -> Result<Body, ModelError> {
    if rng.random_bool(0.1) {
        let class = *CLASSES.choose(rng).expect("a class");
        let message = word(rng, wire);
        return Err(failure(rng, class, message));
    }
    if rng.random_bool(0.05) {
        let bytes: Vec<u8> = (0..rng.random_range(0..200)).map(|_| rng.random()).collect();
        return Ok(Body::of_bytes(&bytes));
    }
    let mut message = json!({ "role": "assistant", "content": null });
    match rng.random_range(0..10) {
        0..4 => {
            message["tool_calls"] = (0..rng.random_range(1..5)).map(|_| call(rng, wire)).collect();
        }
        4 => message["refusal"] = json!(word(rng, wire)),
        5 => message = value(rng, wire, 0),
        6 => message["content"] = json!(word(rng, wire)),
        7 => message["content"] = json!(value(rng, wire, 0).to_string()),
        _ => message["content"] = json!(proposal(rng, wire).to_string()),
    }
    let finish =
        pick(rng, &["stop", "stop", "stop", "tool_calls", "length", "", "eos_token", "content_filter"]);
    let mut body = json!({ "choices": [{ "message": message, "finish_reason": finish }] });
    match rng.random_range(0..3) {
        0 => body["usage"] = json!({ "prompt_tokens": rng.random_range(0..5), "completion_tokens": 0 }),
        1 => body["usage"] = value(rng, wire, 1),
        _ => {}
    }
    Ok(Body::of_json(&body))
}
