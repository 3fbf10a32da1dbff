//! What Takt sends and what its tapes answer, judged by others: the API's own description, and the official client,
//! which sends our requests to a server that plays our tapes.

use super::wire::described;
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
    let answers = tokio::task::spawn_blocking(move || python::ask("openai_chat.py", &question)).await;
    answers.expect("an answer")["requests"].as_array().cloned().expect("a list")
}
