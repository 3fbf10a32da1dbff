//! What Takt sends, what its tapes answer and what the scenarios of `wire.rs` are, judged by others: the API's own
//! description, and the official client, which sends our requests to a server that plays our tapes.

use super::wire::{failures, good_answers, lenient_answers, server};
use crate::{
    eval::{plant, replay_offline},
    eval_stale::requests,
    support::{
        python,
        wire::{Said, Wire},
    },
};
use serde_json::{Value, json};
use takt::{
    agent::{Exchange, Played, request_key},
    eval::Case,
    simulator::model,
};
use tokio::sync::OnceCell;

const EVALS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/evals");

/// A case, whether the server of its tape keeps to the protocol, every request, and what the tape holds.
type Asked = (String, bool, Vec<Value>, Vec<Exchange>);

/// All of the bundled cases, replayed once for every test here.
async fn asked() -> &'static [Asked] {
    static ASKED: OnceCell<Vec<Asked>> = OnceCell::const_new();
    ASKED.get_or_init(replay_all).await
}

async fn replay_all() -> Vec<Asked> {
    let (plant, mut found) = (plant(None), Vec::new());
    for path in Case::find(&[EVALS.into()]).expect("cases") {
        let case = Case::load(&path).expect("a case");
        if !case.expect.stale.is_empty() {
            continue;
        }
        let is_good = case.tags.iter().any(|tag| tag == "good");
        for tape in case.load_tapes(&path).expect("tapes") {
            let world = case.load_world(&path).expect("a world");
            let replayed = replay_offline(&plant, &case, world, tape.clone()).await;
            found.push((case.id(), is_good, requests(&replayed), tape.exchanges));
        }
    }
    found
}

#[tokio::test]
async fn every_request_fits_the_description_of_the_api() {
    let validator = described("CreateChatCompletionRequest");
    let mut tried = 0;
    for (case, _, requests, _) in asked().await {
        for request in requests {
            let errors: Vec<String> = validator
                .iter_errors(request)
                .map(|error| format!("{}: {error}", error.instance_path()).chars().take(300).collect())
                .collect();
            assert!(errors.is_empty(), "{case}: {errors:#?}");
            tried += 1;
        }
    }
    assert!(tried >= 100, "{tried} requests");
    let bad = json!({ "model": "m", "messages": [{ "role": "nobody", "content": "x" }] });
    assert!(!validator.is_valid(&bad), "the description refuses something");
}

#[tokio::test]
async fn the_official_client_sends_our_requests_and_takes_what_our_tapes_answer() {
    let good = asked().await.iter().filter(|(_, is_good, ..)| *is_good);
    let (mut asked, mut tapes) = (Vec::new(), Vec::new());
    for (_, _, requests, exchanges) in good {
        asked.extend(requests.clone());
        tapes.extend(exchanges.clone());
    }
    let wire = Wire::start(move |seen| {
        // A client that changed one byte of a request would not be answered.
        let known = tapes.iter().find(|exchange| exchange.request_sha == request_key(&seen.body));
        match known.map(|exchange| &exchange.outcome) {
            Some(Played::Reply { status, body, .. }) => Said::json(*status, body),
            Some(Played::Error { status, .. }) => Said::json(status.unwrap_or(500), &json!({ "error": {} })),
            None => Said::json(404, &json!({ "error": { "message": "not on the tape" } })),
        }
    })
    .await;
    let count = asked.len();
    let question = json!({ "base_url": wire.url, "requests": asked });
    let answers = python_asks(question).await;
    let valid = answers.iter().filter(|answer| **answer == json!({ "valid": true })).count();
    assert!(valid >= 12 && valid == count, "{valid} of {count}: {answers:?}");
}

/// The endpoint of `takt demo --model authored`, as a program of somebody else sees it.
#[tokio::test]
async fn the_official_client_takes_what_the_authored_endpoint_answers() {
    let transcripts = std::path::Path::new(EVALS).join("transcripts");
    let transcripts = model::Transcripts::load(&transcripts).expect("transcripts");
    let endpoint =
        model::start("127.0.0.1:0".parse().expect("an address"), transcripts).await.expect("a server");
    let first =
        asked().await.iter().filter(|(case, is_good, ..)| *is_good && case.starts_with("supplier_delay/"));
    let first: Vec<&Value> = first.filter_map(|(_, _, requests, _)| requests.first()).collect();
    let question = json!({ "base_url": endpoint.base_url, "requests": first });
    let answers = python_asks(question).await;
    endpoint.stop().await;
    assert!(answers.contains(&json!({ "valid": true })), "{answers:?}");
    // Whoever is not answered is refused with a status that the client reads.
    assert!(answers.iter().all(|answer| answer["valid"] == true || answer["status"].is_u64()), "{answers:?}");
}

async fn python_asks(question: Value) -> Vec<Value> {
    python_answers(question).await["requests"].as_array().cloned().expect("a list")
}

async fn python_answers(question: Value) -> Value {
    let answers = tokio::task::spawn_blocking(move || python::ask("openai_chat.py", &question)).await;
    answers.expect("an answer")
}

#[tokio::test]
async fn the_official_client_takes_the_good_answers_and_not_the_others() {
    let wire = server().await;
    let good = good_answers().into_iter().map(|(name, ..)| name);
    let names: Vec<&str> = good.chain(lenient_answers().into_iter().map(|(name, ..)| name)).collect();
    let answers = python_answers(json!({ "base_url": wire.url, "scenarios": names })).await;
    for (name, ..) in good_answers() {
        assert_eq!(answers[name], json!({ "valid": true }), "{name}");
    }
    for (name, body, _) in lenient_answers() {
        let answer = &answers[name];
        assert_eq!(answer["valid"], json!(false), "{name}: {answer}");
        // What its models refuse, its reader takes as leniently as ours.
        let (choice, message) = (&body["choices"][0], &body["choices"][0]["message"]);
        let calls = message["tool_calls"].as_array().into_iter().flatten();
        let calls: Vec<Value> =
            calls.map(|call| json!([call["function"]["name"], call["function"]["arguments"]])).collect();
        let read = json!({ "finish_reason": choice["finish_reason"], "content": message["content"], "calls": calls });
        assert_eq!(answer["read"], read, "{name}");
    }
    // The client's own request reached the same path as ours.
    let paths: std::collections::BTreeSet<String> =
        wire.seen().iter().map(|seen| seen.uri.path().to_owned()).collect();
    assert_eq!(paths, ["/v1/chat/completions".to_owned()].into());
}

/// The client's own name for an error with this status.
fn kind(status: u16) -> &'static str {
    match status {
        400 => "BadRequestError",
        401 => "AuthenticationError",
        403 => "PermissionDeniedError",
        404 => "NotFoundError",
        409 => "ConflictError",
        422 => "UnprocessableEntityError",
        429 => "RateLimitError",
        500.. => "InternalServerError",
        _ => "APIStatusError",
    }
}

/// What the client gives as the body of an error: what stands under `error`, or all of it.
fn body_of(sent: &[u8]) -> Value {
    let json: Option<Value> = serde_json::from_slice(sent).ok();
    let text = || json!(String::from_utf8_lossy(sent));
    json.map_or_else(text, |json| json.get("error").cloned().unwrap_or(json))
}

#[tokio::test]
async fn the_official_client_reads_every_failure_with_its_status_and_its_body() {
    let wire = server().await;
    // A redirect it follows, to a page that nobody serves; we do not.
    let failures: Vec<_> = failures().into_iter().filter(|(_, said, _)| said.status != 302).collect();
    let names: Vec<&str> = failures.iter().map(|(name, ..)| *name).collect();
    let answers = python_answers(json!({ "base_url": wire.url, "scenarios": names })).await;
    for (name, said, _) in &failures {
        let answer = &answers[*name];
        if said.status == 200 {
            assert_eq!(
                (&answer["valid"], &answer["read"]),
                (&json!(false), &Value::Null),
                "{name}: {answer}"
            );
            continue;
        }
        let wanted = json!({ "status": said.status, "kind": kind(said.status), "body": body_of(&said.body) });
        assert_eq!(*answer, wanted, "{name}");
    }
    assert!(failures.len() >= 40, "{} failures", failures.len());
    assert_eq!(wire.seen().len(), failures.len(), "each was asked once");
}

/// The API's own description of a part.
pub fn described(name: &str) -> jsonschema::Validator {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openai/chat_completions_subset.openapi.json");
    let text = std::fs::read_to_string(path).expect("the description");
    let mut document = with_nulls(&serde_json::from_str(&text).expect("JSON"));
    document["$ref"] = json!(format!("#/components/schemas/{name}"));
    jsonschema::validator_for(&document).expect("a schema")
}

/// OpenAPI 3.0 says `nullable: true` where JSON Schema has a type.
fn with_nulls(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let inner: serde_json::Map<String, Value> = fields
                .iter()
                .filter(|(name, _)| *name != "nullable")
                .map(|(name, value)| (name.clone(), with_nulls(value)))
                .collect();
            let inner = Value::Object(inner);
            match fields.get("nullable") {
                Some(Value::Bool(true)) => json!({ "anyOf": [inner, { "type": "null" }] }),
                _ => inner,
            }
        }
        Value::Array(items) => items.iter().map(with_nulls).collect(),
        scalar => scalar.clone(),
    }
}

#[test]
fn the_good_answers_fit_the_description_of_the_api() {
    let validator = described("CreateChatCompletionResponse");
    for (name, body, _) in good_answers() {
        let errors: Vec<String> =
            validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
    let bad =
        lenient_answers().into_iter().filter(|(name, ..)| ["no_id", "abort", "no_call_id"].contains(name));
    for (name, body, _) in bad {
        assert!(!validator.is_valid(&body), "{name} is no answer by the description");
    }
}
