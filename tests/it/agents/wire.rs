//! What servers send, good and bad: the endpoint layer reads each once, with its status, and says what it is. The
//! good answers are good to the official client and to the API's own description, too, and the bad ones are not:
//! that is what makes the table worth something (`official.rs`).

use crate::support::wire::{Said, Wire, completion, tool_calls};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::time::Duration;
use takt::{
    agent::{Finish, Model, ModelError, ModelErrorClass as Class, ModelReply},
    connector::openai::OpenAi,
    site::{EndpointOptions, ModelEndpoint, ModelServer},
};

/// What is to become of a scenario.
pub enum Expected {
    /// An answer that also the official client takes.
    Good(Finish),
    /// An answer of a server that is not exact; it is read all the same.
    Lenient(Option<Finish>),
    /// A failure of this class; the status is the one that was sent.
    Failed(Class),
    /// A failure that names a time.
    Wait(Class, Duration),
}

use Expected::{Failed, Good, Lenient, Wait};

pub fn error(code: &str, kind: &str) -> Value {
    json!({ "error": { "message": "no", "type": kind, "param": null, "code": code } })
}

pub fn says(text: &str) -> Value {
    json!({ "role": "assistant", "content": text, "refusal": null })
}

fn changed(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).expect("a place") = value;
    body
}

fn without(mut body: Value, parent: &str, field: &str) -> Value {
    body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(field);
    body
}

pub fn good_answers() -> Vec<(&'static str, Value, Finish)> {
    let plain = || completion(&says("{}"), "stop");
    let refusal = json!({ "role": "assistant", "content": null, "refusal": "I cannot help with that." });
    let mut counted = plain();
    counted["usage"]["prompt_tokens_details"] = json!({ "cached_tokens": 100, "audio_tokens": 0 });
    counted["usage"]["completion_tokens_details"] = json!({ "reasoning_tokens": 20, "audio_tokens": 0,
        "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0 });
    let mut azure = plain();
    azure["prompt_filter_results"] = json!([{ "prompt_index": 0, "content_filter_results": {} }]);
    azure["choices"][0]["content_filter_results"] =
        json!({ "hate": { "filtered": false, "severity": "safe" } });
    let mut tiered = plain();
    tiered["service_tier"] = json!("default");
    tiered["system_fingerprint"] = json!("fp_1");
    let parallel = [("a", json!({ "x": 1 })), ("b", json!({}))];
    // llama.cpp: of two calls it understood the first, and left the second where it stood.
    let left = json!("<tool_call>\n{\"name\": \"b\", \"arguments\": {}}\n</tool_call>");
    vec![
        ("plain", plain(), Finish::Stop),
        ("tool_call", tool_calls(&[("cmms__asset_history", json!({ "asset": "EQ-4" }))]), Finish::ToolCalls),
        ("parallel_calls", tool_calls(&parallel), Finish::ToolCalls),
        (
            "call_left_in_content",
            changed(tool_calls(&parallel[..1]), "/choices/0/message/content", left),
            Finish::ToolCalls,
        ),
        ("refusal", completion(&refusal, "stop"), Finish::Stop),
        ("length", completion(&says("{\"a\":"), "length"), Finish::Length),
        (
            "filtered",
            completion(&json!({ "role": "assistant", "content": null, "refusal": null }), "content_filter"),
            Finish::ContentFilter,
        ),
        ("counted", counted, Finish::Stop),
        ("azure", azure, Finish::Stop),
        ("tiered", tiered, Finish::Stop),
        ("without_usage", without(plain(), "", "usage"), Finish::Stop),
    ]
}

pub fn lenient_answers() -> Vec<(&'static str, Value, Option<Finish>)> {
    let plain = || completion(&says("{}"), "stop");
    let call = || tool_calls(&[("t", json!({ "a": 1 }))]);
    let first = "/choices/0/message/tool_calls/0";
    let parts = json!([{ "type": "text", "text": "{}" }]);
    vec![
        ("no_call_id", without(call(), first, "id"), Some(Finish::ToolCalls)),
        ("no_call_type", without(call(), first, "type"), Some(Finish::ToolCalls)),
        (
            "arguments_as_object",
            changed(call(), &format!("{first}/function/arguments"), json!({ "a": 1 })),
            Some(Finish::ToolCalls),
        ),
        ("content_as_parts", changed(plain(), "/choices/0/message/content", parts), Some(Finish::Stop)),
        ("no_id", without(plain(), "", "id"), Some(Finish::Stop)),
        ("no_created", without(plain(), "", "created"), Some(Finish::Stop)),
        ("created_as_float", changed(plain(), "/created", json!(1_790_000_000.5)), Some(Finish::Stop)),
        ("partial_usage", changed(plain(), "/usage", json!({ "prompt_tokens": 4 })), Some(Finish::Stop)),
        ("empty_finish", changed(plain(), "/choices/0/finish_reason", json!("")), Some(Finish::Aborted)),
        ("abort", changed(plain(), "/choices/0/finish_reason", json!("abort")), Some(Finish::Aborted)),
        ("eos_token", changed(plain(), "/choices/0/finish_reason", json!("eos_token")), Some(Finish::Other)),
        ("no_finish", changed(plain(), "/choices/0/finish_reason", Value::Null), None),
        (
            "unknown_tier",
            {
                let mut body = plain();
                body["service_tier"] = json!("turbo");
                body
            },
            Some(Finish::Stop),
        ),
    ]
}

pub type Scenarios = Vec<(&'static str, Said, Expected)>;

pub fn failures() -> Scenarios {
    [bad_requests(), refusals(), broken_servers(), empty_accounts()].into_iter().flatten().collect()
}

fn of(status: u16, body: &Value) -> Said {
    Said::json(status, body)
}

pub fn page(status: u16) -> Said {
    Said { status, body: b"<html>busy</html>".to_vec(), ..Said::default() }
}

/// Asking again does not help.
fn bad_requests() -> Scenarios {
    vec![
        (
            "context",
            of(400, &error("context_length_exceeded", "invalid_request_error")),
            Failed(Class::BadRequest),
        ),
        (
            "schema",
            of(
                400,
                &json!({ "error": { "message": "no", "type": "invalid_request_error", "param": "tools[0].function.parameters", "code": "invalid_function_parameters" } }),
            ),
            Failed(Class::BadRequest),
        ),
        (
            "azure_filter",
            of(
                400,
                &json!({ "error": { "message": "filtered", "code": "content_filter", "status": 400, "innererror": { "code": "ResponsibleAIPolicyViolation" } } }),
            ),
            Failed(Class::ContentFilter),
        ),
        (
            "vllm_code",
            of(400, &json!({ "object": "error", "message": "no", "type": "BadRequestError", "code": 400 })),
            Failed(Class::BadRequest),
        ),
        ("key", of(401, &error("invalid_api_key", "invalid_request_error")), Failed(Class::Auth)),
        (
            "country",
            of(403, &error("unsupported_country_region_territory", "request_forbidden")),
            Failed(Class::Auth),
        ),
        ("no_model", of(404, &error("model_not_found", "invalid_request_error")), Failed(Class::NotFound)),
        ("fastapi_404", of(404, &json!({ "detail": "Not Found" })), Failed(Class::NotFound)),
        ("timeout_408", of(408, &Value::Null), Failed(Class::Server)),
        ("conflict", of(409, &Value::Null), Failed(Class::Server)),
        ("too_large", page(413), Failed(Class::BadRequest)),
        (
            "fastapi_422",
            of(422, &json!({ "detail": [{ "loc": ["body"], "msg": "no" }] })),
            Failed(Class::BadRequest),
        ),
    ]
}

/// Too many requests, and when to come back.
fn refusals() -> Scenarios {
    let limited = || of(429, &error("rate_limit_exceeded", "requests"));
    let seconds = Duration::from_secs;
    vec![
        ("limited", limited(), Failed(Class::RateLimited)),
        ("limited_page", page(429), Failed(Class::RateLimited)),
        ("limited_plain", of(429, &json!({ "message": "slow down" })), Failed(Class::RateLimited)),
        ("slow_down", of(429, &error("slow_down", "rate_limit_error")), Failed(Class::RateLimited)),
        ("limited_seconds", limited().with("retry-after", "2"), Wait(Class::RateLimited, seconds(2))),
        (
            "limited_float",
            limited().with("retry-after", "1.5"),
            Wait(Class::RateLimited, Duration::from_millis(1500)),
        ),
        (
            "limited_ms",
            limited().with("retry-after-ms", "250").with("retry-after", "9"),
            Wait(Class::RateLimited, Duration::from_millis(250)),
        ),
        (
            "limited_date",
            limited()
                .with("date", "Mon, 23 Nov 2026 12:10:00 GMT")
                .with("retry-after", "Mon, 23 Nov 2026 12:10:07 GMT"),
            Wait(Class::RateLimited, seconds(7)),
        ),
        ("limited_hour", limited().with("retry-after", "3600"), Wait(Class::RateLimited, seconds(3600))),
        ("limited_nonsense", limited().with("retry-after", "soon"), Failed(Class::RateLimited)),
        ("limited_for_good", limited().with("x-should-retry", "false"), Failed(Class::Quota)),
    ]
}

/// What comes of servers in trouble, and of what stands before them.
fn broken_servers() -> Scenarios {
    let seconds = Duration::from_secs;
    vec![
        ("bad_but_retry", of(400, &error("", "")).with("x-should-retry", "true"), Failed(Class::Server)),
        (
            "broken_for_good",
            of(500, &error("server_error", "")).with("x-should-retry", "false"),
            Failed(Class::BadRequest),
        ),
        ("broken", of(500, &error("server_error", "server_error")), Failed(Class::Server)),
        ("gateway", page(502), Failed(Class::Server)),
        (
            "overloaded",
            of(503, &error("server_is_overloaded", "service_unavailable_error")).with("retry-after", "4"),
            Wait(Class::Server, seconds(4)),
        ),
        ("gateway_timeout", page(504), Failed(Class::Server)),
        ("cloudflare", page(529), Failed(Class::Server)),
        ("moved", page(302).with("location", "/login"), Failed(Class::BadRequest)),
        ("error_in_200", of(200, &error("internal", "server_error")), Failed(Class::Server)),
        ("page_in_200", page(200), Failed(Class::Unparseable)),
        ("empty_200", Said { status: 200, ..Said::default() }, Failed(Class::Unparseable)),
        (
            "text_in_200",
            Said { status: 200, body: b"data: {}\n\n".to_vec(), ..Said::default() },
            Failed(Class::Unparseable),
        ),
    ]
}

/// No money or quota is left, however it is said.
fn empty_accounts() -> Scenarios {
    vec![
        ("quota_code", of(429, &error("insufficient_quota", "x")), Failed(Class::Quota)),
        ("quota_type", of(429, &error("", "insufficient_quota")), Failed(Class::Quota)),
        ("quota_credit", of(429, &error("credit_balance_exhausted", "")), Failed(Class::Quota)),
        (
            "quota_organization",
            of(429, &error("organization_spend_limit_exceeded", "")),
            Failed(Class::Quota),
        ),
        ("quota_project", of(429, &error("project_spend_limit_exceeded", "")), Failed(Class::Quota)),
        ("quota_usage", of(429, &error("organization_usage_limit_exceeded", "")), Failed(Class::Quota)),
        ("payment", of(402, &json!({ "error": "pay" })), Failed(Class::Quota)),
    ]
}

pub fn endpoint(url: &str) -> ModelEndpoint {
    ModelEndpoint {
        name: "plant".to_owned(),
        base_url: url.to_owned(),
        model: "small".to_owned(),
        api_key: SecretString::from("sk-very-secret".to_owned()),
        authored: false,
        usd_per_million_input: 1.0,
        usd_per_million_output: 2.0,
        options: EndpointOptions::default(),
    }
}

fn model(url: &str) -> OpenAi {
    OpenAi::new(&endpoint(url)).expect("a client")
}

pub fn question(scenario: &str) -> Value {
    json!({ "model": scenario, "messages": [{ "role": "user", "content": "hello" }] })
}

async fn ask(url: &str, scenario: &str) -> Result<ModelReply, ModelError> {
    model(url).complete(&question(scenario), Duration::from_secs(5)).await
}

/// Answers each question with the scenario that its model names.
pub async fn server() -> Wire {
    let mut said: Vec<(&'static str, Said)> = Vec::new();
    said.extend(good_answers().into_iter().map(|(name, body, _)| (name, Said::json(200, &body))));
    said.extend(lenient_answers().into_iter().map(|(name, body, _)| (name, Said::json(200, &body))));
    said.extend(failures().into_iter().map(|(name, said, _)| (name, said)));
    Wire::start(move |seen| {
        let found = said.iter().find(|(name, _)| seen.body["model"] == *name);
        found.map_or_else(|| Said::json(404, &error("model_not_found", "")), |(_, said)| said.clone())
    })
    .await
}

fn check(name: &str, status: u16, came: Result<ModelReply, ModelError>, expected: &Expected) {
    let told = |class: &Class, error: &ModelError| {
        assert_eq!((&error.class, error.status), (class, Some(status)), "{name}: {error}");
        assert!(!error.message.contains("sk-very-secret"), "{name}: {error}");
    };
    match (expected, came) {
        (Good(finish), Ok(reply)) => {
            assert_eq!((reply.status, reply.body.read().finish), (200, Some(*finish)), "{name}");
            assert!(reply.body.read().failure().is_none(), "{name}");
        }
        (Lenient(finish), Ok(reply)) => assert_eq!(reply.body.read().finish, *finish, "{name}"),
        // A failure with a good status is read after it was written down.
        (Failed(class), Ok(reply)) => {
            assert_eq!(reply.body.read().failure().map(|(class, _)| class), Some(*class), "{name}");
            assert_eq!(reply.status, status, "{name}");
        }
        (Failed(class), Err(error)) => {
            told(class, &error);
            assert_eq!(error.retry_after, None, "{name}");
        }
        (Wait(class, wait), Err(error)) => {
            told(class, &error);
            assert_eq!(error.retry_after, Some(*wait), "{name}");
        }
        (_, came) => panic!("{name}: {came:?}"),
    }
}

#[tokio::test]
async fn everything_a_server_may_send_is_read_once_and_named() {
    let wire = server().await;
    let mut scenarios: Vec<(&str, u16, Expected)> = Vec::new();
    scenarios.extend(good_answers().into_iter().map(|(name, _, finish)| (name, 200, Good(finish))));
    scenarios.extend(lenient_answers().into_iter().map(|(name, _, finish)| (name, 200, Lenient(finish))));
    scenarios.extend(failures().into_iter().map(|(name, said, expected)| (name, said.status, expected)));
    for (name, status, expected) in &scenarios {
        let before = wire.seen().len();
        let came = ask(&wire.url, name).await;
        assert_eq!(wire.seen().len(), before + 1, "{name}: one attempt");
        check(name, *status, came, expected);
    }
    assert!(scenarios.len() >= 60, "{} scenarios", scenarios.len());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    let cut =
        Wire::start(|_| Said { is_cut: true, ..Said::json(200, &completion(&says("{}"), "stop")) }).await;
    let error = ask(&cut.url, "x").await.expect_err("half an answer");
    assert_eq!(error.class, Class::Network, "{error}");
}

#[tokio::test]
async fn who_has_nothing_left_says_for_how_long() {
    let wire = Wire::start(|_| {
        Said::json(200, &completion(&says("{}"), "stop"))
            .with("x-request-id", "req_1")
            .with("x-ratelimit-remaining-requests", "0")
            .with("x-ratelimit-reset-requests", "1m2s")
    })
    .await;
    let reply = ask(&wire.url, "x").await.expect("an answer");
    assert_eq!(reply.pause, Some(Duration::from_secs(60)), "a minute at most");
    assert_eq!(reply.headers["x-request-id"], "req_1");
}

#[tokio::test]
async fn each_kind_of_server_is_addressed_its_own_way() {
    let wire = Wire::start(|_| Said::json(200, &completion(&says("{}"), "stop"))).await;
    let base = wire.url.trim_end_matches("/v1").to_owned();
    let with = |server, api_version: Option<&str>, url: &str| {
        let mut endpoint = endpoint(url);
        endpoint.options.server = server;
        endpoint.options.api_version = api_version.map(str::to_owned);
        OpenAi::new(&endpoint).expect("a client")
    };
    let cases = [
        (with(ModelServer::OpenAi, None, &wire.url), "/v1/chat/completions", "authorization"),
        (with(ModelServer::Vllm, None, &wire.url), "/v1/chat/completions", "authorization"),
        (
            with(ModelServer::Azure, None, &format!("{base}/openai/v1/")),
            "/openai/v1/chat/completions",
            "api-key",
        ),
        (
            with(ModelServer::Azure, Some("2024-10-21"), &base),
            "/openai/deployments/small/chat/completions?api-version=2024-10-21",
            "api-key",
        ),
    ];
    for (model, path, key) in cases {
        model.complete(&question("small"), Duration::from_secs(5)).await.expect("an answer");
        let seen = wire.seen().pop().expect("a request");
        assert_eq!(seen.uri.path_and_query().expect("a path").as_str(), path);
        let keys: Vec<&str> = ["authorization", "api-key"]
            .into_iter()
            .filter(|name| seen.headers.contains_key(*name))
            .collect();
        assert_eq!(keys, [key], "{path}");
    }
}
