//! Answers that come in pieces while somebody looks on: the same answer as at once, the same failures, and on the run's
//! page what has come so far. Nothing of it is asked for, and nothing of it is kept, when nobody looks.

use super::{
    ledger,
    official::described,
    plant_with, run_of, stop,
    wire::{endpoint, error, good_answers, question, says},
};
use crate::support::{
    console::{PASSWORD, Visitor},
    plant::Serving,
    python,
    wire::{Said, Wire, answer, chunks, completion, events, tool_calls},
};
use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::postgres::PgListener;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use takt::{
    agent::{Entry, Finish, Model, ModelError, ModelErrorClass as Class, ModelReply, Screen, sha256_json},
    connector::openai::OpenAi,
    site::ModelServer,
};
use tokio::sync::Notify;

/// Keeps all that it is shown.
#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Screen for Kept {
    fn is_due(&self) -> bool {
        true
    }

    fn show(&self, so_far: &str) {
        self.0.lock().expect("texts").push(so_far.to_owned());
    }
}

async fn shown(model: &OpenAi, scenario: &str) -> (Result<ModelReply, ModelError>, Vec<String>) {
    let screen = Arc::new(Kept::default());
    let reply = model.complete_shown(&question(scenario), Duration::from_secs(5), screen.clone()).await;
    let texts = screen.0.lock().expect("texts").clone();
    (reply, texts)
}

async fn streamed(said: Said) -> (Result<ModelReply, ModelError>, Vec<String>) {
    let wire = Wire::start(move |_| said.clone()).await;
    shown(&OpenAi::new(&endpoint(&wire.url)).expect("a client"), "small").await
}

/// Two answers that are as long as the others are short.
fn answers() -> Vec<(&'static str, Value)> {
    let words = json!({ "summary": "Öl \"läuft\" aus.\nZeile 2 \u{1f527}".repeat(40) });
    let calls =
        [("cmms__asset_history", json!({ "asset": "EQ-4", "days": [1, 2, 3] })), ("plex__now", json!({}))];
    let mut all: Vec<(&str, Value)> =
        good_answers().into_iter().map(|(name, body, _)| (name, body)).collect();
    all.extend([("long", answer(&words)), ("mixed_calls", tool_calls(&calls))]);
    all
}

/// With the noise that the API adds to its chunks, so that nobody reads their lengths: always another one.
fn padded(chunks: &[Value]) -> Vec<Value> {
    let pad = |(number, chunk): (usize, &Value)| {
        let mut chunk = chunk.clone();
        chunk["obfuscation"] = json!("aZ09".repeat(number % 5));
        chunk
    };
    chunks.iter().enumerate().map(pad).collect()
}

#[test]
fn every_chunk_fits_the_description_of_the_api() {
    let validator = described("CreateChatCompletionStreamResponse");
    for (name, body) in answers() {
        for chunk in chunks(&body).iter().chain(&padded(&chunks(&body))) {
            let errors: Vec<String> = validator
                .iter_errors(chunk)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{name}: {chunk}: {errors:#?}");
        }
    }
    let good = || chunks(&completion(&says("{}"), "stop")).swap_remove(1);
    let broken = |pointer: &str, value: Value| {
        let mut chunk = good();
        *chunk.pointer_mut(pointer).expect("a place") = value;
        chunk
    };
    let bad = [
        broken("/choices/0/finish_reason", json!("")),
        broken("/choices/0/delta/content", json!(7)),
        broken("/choices/0/index", Value::Null),
        broken("/object", json!("chat.completion")),
        error("server_error", "server_error"),
    ];
    for chunk in bad {
        assert!(!validator.is_valid(&chunk), "{chunk} is no chunk by the description");
    }
}

#[tokio::test]
async fn an_answer_in_pieces_is_the_answer_at_once() {
    let wire = Wire::start(|seen| {
        let (_, body) =
            answers().into_iter().find(|(name, _)| seen.body["model"] == *name).expect("a scenario");
        match seen.body["stream"] == true {
            true => Said::stream(&body).with("x-request-id", "req_1"),
            false => Said::json(200, &body).with("x-request-id", "req_1"),
        }
    })
    .await;
    let model = OpenAi::new(&endpoint(&wire.url)).expect("a client");
    for (name, body) in answers() {
        let at_once = model.complete(&question(name), Duration::from_secs(5)).await.expect("an answer");
        let (in_pieces, texts) = shown(&model, name).await;
        let in_pieces = in_pieces.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(in_pieces.body.json(), body, "{name}");
        assert_eq!(in_pieces.body.read(), at_once.body.read(), "{name}");
        assert_eq!((in_pieces.status, in_pieces.headers), (at_once.status, at_once.headers), "{name}");
        assert!(!texts.is_empty(), "{name}");
        let seen: Vec<Value> = wire.seen().into_iter().rev().take(2).map(|seen| seen.body).collect();
        assert_eq!(seen[1], question(name), "{name}: nobody looks on");
        let mut asked = question(name);
        asked["stream"] = json!(true);
        asked["stream_options"] = json!({ "include_usage": true });
        assert_eq!(seen[0], asked, "{name}: somebody looks on");
    }
}

#[tokio::test]
async fn a_stream_that_is_no_answer_is_named_as_any_other_failure() {
    let body = || completion(&says("{\"a\": 1}"), "stop");
    let half = || chunks(&body())[..4].to_vec();
    let with_error = |error: &Value| {
        let mut all = half();
        all.push(error.clone());
        Said::events(&all)
    };
    let coded = |code: Value| json!({ "error": { "message": "no", "type": "x", "code": code } });
    let unread = |line: &str| Said::raw_events([&events(&half())[..], line.as_bytes()].concat());
    let mut cut_in_a_chunk = events(&chunks(&body()));
    cut_in_a_chunk.truncate(cut_in_a_chunk.len() / 2);
    let cases = [
        ("dropped", Said { is_cut: true, ..Said::raw_events(events(&half())) }, Class::Network, None),
        ("ends in the middle", Said::raw_events(events(&half())), Class::Network, Some(200)),
        ("ends in a chunk", Said::raw_events(cut_in_a_chunk), Class::Network, Some(200)),
        ("done without an end", Said::events(&half()), Class::Network, Some(200)),
        ("nothing at all", Said::raw_events(vec![]), Class::Network, Some(200)),
        (
            "only what it cost",
            Said::events(&[json!({ "choices": [], "usage": { "prompt_tokens": 1 } })]),
            Class::Network,
            Some(200),
        ),
        ("no JSON", unread("data: {\"choices\": [\n\n"), Class::Unparseable, Some(200)),
        ("no object", unread("data: 7\n\n"), Class::Unparseable, Some(200)),
        ("an error", with_error(&error("server_error", "server_error")), Class::Server, Some(200)),
        ("an error as text", with_error(&json!({ "error": "CUDA out of memory" })), Class::Server, Some(200)),
        ("an error of another shape", with_error(&coded(json!(500))), Class::Server, Some(200)),
        ("a bad request", with_error(&coded(json!(400))), Class::BadRequest, Some(200)),
        ("too many", with_error(&error("rate_limit_exceeded", "tokens")), Class::RateLimited, Some(200)),
        ("no quota", with_error(&error("insufficient_quota", "insufficient_quota")), Class::Quota, Some(200)),
        ("filtered", with_error(&error("content_filter", "")), Class::ContentFilter, Some(200)),
        (
            "refused before it began",
            Said::json(429, &error("rate_limit_exceeded", "")),
            Class::RateLimited,
            Some(429),
        ),
    ];
    for (name, said, class, status) in cases {
        let (reply, _) = streamed(said).await;
        let error = reply.expect_err(name);
        assert_eq!(error.class, class, "{name}: {error}");
        // Whether the status still came through before the connection was gone is up to the server.
        assert!(
            error.status == status || (name == "dropped" && error.status == Some(200)),
            "{name}: {error:?}"
        );
        // Whoever began to answer may bill it; who refused does not.
        assert_eq!(error.class.may_cost(error.status), status != Some(429), "{name}");
        assert!(error.message.starts_with("model endpoint `plant` "), "{name}: {error}");
    }
    let leaky = with_error(&json!({ "error": { "message": "key sk-very-secret is wrong" } }));
    let error = streamed(leaky).await.0.expect_err("an error");
    assert!(error.message.ends_with("key [redacted] is wrong"), "{error}");
}

#[tokio::test]
async fn what_servers_do_to_streams_is_taken() {
    let body = completion(&says("{}"), "stop");
    let finish = |reply: Result<ModelReply, ModelError>, name: &str| {
        let reply = reply.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(reply.body.json()["choices"][0]["message"]["content"], "{}", "{name}");
        reply.body.read().finish
    };
    let (reply, texts) = streamed(Said::events(&padded(&chunks(&body)))).await;
    assert_eq!(reply.expect("an answer").body.json(), body, "padding is no part of an answer");
    assert_eq!(texts.last().map(String::as_str), Some("{}"), "nor is it shown");
    let without_done = Said::raw_events(events(&chunks(&body)));
    assert_eq!(finish(streamed(without_done).await.0, "no [DONE]"), Some(Finish::Stop));
    let mut unended = events(&chunks(&body));
    unended.truncate(unended.len() - 2);
    assert_eq!(finish(streamed(Said::raw_events(unended)).await.0, "no empty line"), Some(Finish::Stop));
    let carriages = String::from_utf8(Said::stream(&body).body).expect("text").replace('\n', "\r\n");
    let commented = format!(": ping\r\n\r\nevent: message\r\n{carriages}data: after the end\r\n\r\n");
    assert_eq!(
        finish(streamed(Said::raw_events(commented.into_bytes())).await.0, "CR LF"),
        Some(Finish::Stop)
    );
    // It does not stream although it was asked to.
    assert_eq!(finish(streamed(Said::json(200, &body)).await.0, "at once"), Some(Finish::Stop));
    let mut empty = chunks(&body);
    let end = empty.len() - 2;
    empty[end]["choices"][0]["finish_reason"] = json!("");
    assert_eq!(finish(streamed(Said::events(&empty)).await.0, "an empty word"), Some(Finish::Aborted));
}

#[tokio::test]
async fn a_stream_is_bounded_in_bytes_and_in_time() {
    let long = completion(&says(&"x".repeat(64)), "stop");
    let mut flood: Vec<Value> = chunks(&long);
    flood[1]["choices"][0]["delta"]["content"] = json!("x".repeat(600 * 1024));
    flood[2] = flood[1].clone();
    let error = streamed(Said::events(&flood)).await.0.expect_err("too much");
    assert_eq!(error.class, Class::Unparseable, "{error}");

    let half = events(&chunks(&long)[..9]);
    let wire = Wire::start(move |_| Said { stalls: true, ..Said::raw_events(half.clone()) }).await;
    let mut endpoint = endpoint(&wire.url);
    endpoint.options.timeouts.total = Duration::from_millis(300);
    let begun = Instant::now();
    let (reply, texts) = shown(&OpenAi::new(&endpoint).expect("a client"), "small").await;
    assert_eq!(reply.expect_err("silence").class, Class::Timeout);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(texts.last().map(String::as_str), Some("xxxxxxxx"));
}

#[tokio::test]
async fn a_server_of_which_nothing_is_known_is_not_asked_to_stream() {
    let wire = Wire::start(|_| Said::json(200, &completion(&says("{}"), "stop"))).await;
    let asks = async |server, stream| {
        let mut endpoint = endpoint(&wire.url);
        endpoint.options.server = server;
        endpoint.options.stream = stream;
        let model = OpenAi::new(&endpoint).expect("a client");
        shown(&model, "small").await.0.expect("an answer");
        wire.seen().pop().expect("a request").body["stream"] == true
    };
    assert!(!asks(ModelServer::Compatible, None).await);
    assert!(asks(ModelServer::Compatible, Some(true)).await);
    assert!(asks(ModelServer::Vllm, None).await);
    assert!(!asks(ModelServer::OpenAi, Some(false)).await);
}

/// What the official client makes of the same streams.
#[tokio::test]
async fn the_official_client_puts_the_same_answers_together() {
    // It takes these for errors of its own.
    let own = |name: &str| !["length", "filtered"].contains(&name);
    let scenarios: Vec<(&str, Value)> = answers().into_iter().filter(|(name, _)| own(name)).collect();
    let known = scenarios.clone();
    let wire = Wire::start(move |seen| {
        let (_, body) = known.iter().find(|(name, _)| seen.body["model"] == *name).expect("a scenario");
        Said::events(&padded(&chunks(body)))
    })
    .await;
    let names: Vec<&str> = scenarios.iter().map(|(name, _)| *name).collect();
    let asked = json!({ "base_url": wire.url, "streams": names });
    let theirs = tokio::task::spawn_blocking(move || python::ask("openai_chat.py", &asked)).await;
    let theirs = theirs.expect("an answer");
    let model = OpenAi::new(&endpoint(&wire.url)).expect("a client");
    for name in names {
        let ours = shown(&model, name).await.0.expect("an answer").body.json();
        let (ours, theirs) = (&ours["choices"][0], &theirs["streams"][name]);
        assert!(theirs["finish_reason"].is_string(), "{name}: {theirs}");
        for field in ["content", "refusal"] {
            assert_eq!(ours["message"][field], theirs[field], "{name}: {field}");
        }
        assert_eq!(ours["finish_reason"], theirs["finish_reason"], "{name}");
        let calls = |calls: &Value| {
            let parts =
                |call: &Value| json!([call["id"], call["function"]["name"], call["function"]["arguments"]]);
            calls.as_array().into_iter().flatten().map(parts).collect::<Vec<_>>()
        };
        assert_eq!(calls(&ours["message"]["tool_calls"]), calls(&theirs["tool_calls"]), "{name}");
    }
}

/// Half an answer, and the rest when the test says so.
fn in_two(go_on: &Arc<Notify>) -> Said {
    let whole = Said::stream(&answer(&json!({ "summary": "<b>A leak</b> of oil at the pump." })));
    let (first, rest) = whole.body.split_at(whole.body.len() / 2);
    Said { then: Some((go_on.clone(), rest.to_vec())), ..Said::raw_events(first.to_vec()) }
}

/// Reads a run's live stream as a browser does until it shows what a model says, and gives that.
async fn until_saying(stream: reqwest::Response) -> String {
    let (mut pieces, mut text) = (stream.bytes_stream(), String::new());
    while let Some(piece) = pieces.next().await {
        text.push_str(&String::from_utf8_lossy(&piece.expect("a piece")));
        if let Some((_, event)) = text.split_once("event: saying\n")
            && let Some((data, _)) = event.split_once("\n\n")
        {
            return data
                .lines()
                .filter_map(|line| line.strip_prefix("data: "))
                .collect::<Vec<_>>()
                .join("\n");
        }
    }
    panic!("nothing was shown: {text}")
}

/// The worker is one process and the console another, as in a plant with several.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_page_open_reads_along_and_the_journal_has_the_whole() {
    let (first, rest) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (hold, go_on) = (first.clone(), rest.clone());
    let wire = Wire::start(move |seen| {
        let messages = seen.body["messages"].as_array().cloned().unwrap_or_default();
        let results = messages.iter().filter(|message| message["role"] == "tool").count();
        let call = tool_calls(&[("cmms__asset_history", json!({ "asset": format!("EQ-{}", results + 1) }))]);
        match (seen.body["stream"] == true, results) {
            (true, _) => in_two(&go_on),
            // Until somebody looks the model has nothing to say.
            (false, 0) => {
                let whole = Said::json(200, &call);
                Said { then: Some((hold.clone(), whole.body)), body: vec![], ..whole }
            }
            (false, 1..4) => Said::json(200, &call),
            (false, _) => Said::json(200, &answer(&json!({ "summary": "Nobody looked." }))),
        }
    })
    .await;
    let mut plant = plant_with(&wire).await;
    plant.arguments = vec!["--worker".to_owned(), "--intake".to_owned()];
    plant.serve(None).await;
    let console = Serving::start(&plant, &["--console"]).await;
    let mut heard = PgListener::connect(&plant.database.url).await.expect("a listener");
    heard.listen("takt").await.expect("listening");
    stop(&plant, "looked_at").await;
    let run = run_of(&plant, "looked_at").await;

    let mut sam = Visitor::new(&format!("http://{}", console.address));
    sam.sign_in("sam", PASSWORD).await;
    let page = sam.get(&format!("/runs/{}", run.0)).await;
    assert!(page.text.contains("sse-swap=\"saying\""), "{}", page.text);
    let stream = sam.stream(&format!("/live/runs/{}?seen=x", run.0)).await;
    assert_eq!(stream.status(), 200);
    while !heard.recv().await.expect("a word").payload().contains(&run.0.to_string()) {}
    first.notify_one();
    let shown = tokio::time::timeout(Duration::from_secs(60), until_saying(stream)).await.expect("in time");
    assert!(shown.contains("<strong>triage</strong>"), "{shown}");
    assert!(shown.contains("&lt;b&gt;A leak") && !shown.contains("<b>"), "{shown}");
    assert!(!shown.contains("pump"), "the rest has not come: {shown}");
    let entries = ledger(&plant.records(run).await);
    assert!(matches!(entries.last(), Some(Entry::Requested { .. })), "{entries:#?}");
    let journal = serde_json::to_string(&entries).expect("JSON");
    assert!(!journal.contains("A leak"), "half an answer is written down: {journal}");

    rest.notify_one();
    assert_eq!(plant.to_the_end(run).await, "done");
    let entries = ledger(&plant.records(run).await);
    let whole = answer(&json!({ "summary": "<b>A leak</b> of oil at the pump." }));
    let bodies: Vec<Value> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Responded { body, .. } => Some(body.json()),
            _ => None,
        })
        .collect();
    assert_eq!(bodies.last(), Some(&whole));
    for entry in &entries {
        if let Entry::Requested { request, request_sha, .. } = entry {
            assert!(request.get("stream").is_none_or(|stream| stream == false), "{request}");
            assert_eq!(*request_sha, sha256_json(request));
        }
    }
    let asked: Vec<bool> = wire.seen().iter().map(|seen| seen.body["stream"] == true).collect();
    assert_eq!((asked.first(), asked.last()), (Some(&false), Some(&true)), "{asked:?}");
}
