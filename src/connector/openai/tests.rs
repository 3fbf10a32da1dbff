use super::*;
use crate::site::{EndpointOptions, ModelServer};
use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, header, method, path},
};

fn model(base_url: &str) -> OpenAi {
    let endpoint = ModelEndpoint {
        name: "plant".to_owned(),
        base_url: format!("{base_url}/v1/"),
        model: "small".to_owned(),
        api_key: SecretString::from("sk-very-secret".to_owned()),
        authored: false,
        usd_per_million_input: 1.0,
        usd_per_million_output: 2.0,
        options: EndpointOptions::default(),
    };
    OpenAi::new(&endpoint).expect("a client")
}

fn request() -> Value {
    json!({ "model": "small", "messages": [{ "role": "user", "content": "hello" }] })
}

async fn complete(template: ResponseTemplate) -> (Result<ModelReply, ModelError>, usize) {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(template).mount(&server).await;
    let reply = model(&server.uri()).complete(&request(), Duration::from_secs(2)).await;
    (reply, server.received_requests().await.expect("recorded").len())
}

#[tokio::test]
async fn sends_the_request_as_it_is_and_keeps_the_answer_as_it_came() {
    let server = MockServer::start().await;
    // No id, no `created`, arguments as an object: typed parsing would refuse this.
    let body = json!({
        "model": "small-2026",
        "choices": [{ "finish_reason": "tool_calls", "message": { "role": "assistant", "content": null,
            "tool_calls": [{ "function": { "name": "t", "arguments": { "a": 1 } } }] } }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 3 },
    });
    Mock::given(method("POST"))
        .and(path("/v1/chat/completions"))
        .and(header("authorization", "Bearer sk-very-secret"))
        .and(body_json(request()))
        .respond_with(ResponseTemplate::new(200).set_body_json(&body))
        .expect(1)
        .mount(&server)
        .await;
    let reply = model(&server.uri()).complete(&request(), Duration::from_secs(2)).await.expect("a reply");
    assert_eq!((reply.status, reply.body.json()), (200, body));
    let read = reply.body.read();
    assert_eq!(read.usage.map(crate::agent::Usage::total), Some(10));
    assert_eq!(read.model.as_deref(), Some("small-2026"));
}

#[tokio::test]
async fn every_error_answer_has_its_class_and_is_asked_once() {
    use ModelErrorClass as Class;
    let error = |code: &str, kind: &str| json!({ "error": { "message": "no", "type": kind, "code": code } });
    let cases = [
        (400, error("context_length_exceeded", "invalid_request_error"), Class::BadRequest),
        (400, error("content_filter", ""), Class::ContentFilter),
        (400, json!({ "error": { "message": "no", "code": 400 } }), Class::BadRequest),
        (401, error("invalid_api_key", ""), Class::Auth),
        (403, json!({ "detail": "country" }), Class::Auth),
        (404, json!({ "detail": "Not Found" }), Class::NotFound),
        (408, json!(null), Class::Server),
        (409, json!(null), Class::Server),
        (422, json!([{ "loc": ["body"] }]), Class::BadRequest),
        (429, error("rate_limit_exceeded", "tokens"), Class::RateLimited),
        (429, json!({ "message": "slow down" }), Class::RateLimited),
        (429, error("insufficient_quota", "x"), Class::Quota),
        (429, error("", "insufficient_quota"), Class::Quota),
        (500, error("server_error", ""), Class::Server),
        (503, error("server_is_overloaded", "service_unavailable_error"), Class::Server),
    ];
    for (status, body, class) in cases {
        let (reply, asked) = complete(ResponseTemplate::new(status).set_body_json(&body)).await;
        let error = reply.expect_err("a failure");
        assert_eq!((error.class, error.status, asked), (class, Some(status), 1), "{status} {body}: {error}");
        assert!(error.message.starts_with(&format!("model endpoint `plant` answered {status}")), "{error}");
    }
}

#[tokio::test]
async fn the_server_says_when_and_whether_to_ask_again() {
    let patient = ResponseTemplate::new(429).insert_header("retry-after-ms", "1500");
    let error = complete(patient).await.0.expect_err("a failure");
    assert_eq!(error.retry_after, Some(Duration::from_millis(1500)));
    for (status, says, class) in [
        (429, "false", ModelErrorClass::Quota),
        (500, "false", ModelErrorClass::BadRequest),
        (400, "true", ModelErrorClass::Server),
    ] {
        let template = ResponseTemplate::new(status).insert_header("x-should-retry", says);
        assert_eq!(complete(template).await.0.expect_err("a failure").class, class, "{status} {says}");
    }
}

#[tokio::test]
async fn no_secret_in_an_error() {
    let body = json!({ "error": { "message": "Incorrect API key provided: sk-very-secret" } });
    let error = complete(ResponseTemplate::new(401).set_body_json(body)).await.0.expect_err("a failure");
    assert!(error.message.ends_with("Incorrect API key provided: [redacted]"), "{error}");
}

/// A server that sends the begin of an answer with this status and is gone.
async fn breaking_off(status: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut asked = Vec::new();
        while !asked.ends_with(b"}") {
            stream.read_buf(&mut asked).await.expect("a request");
        }
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("a head");
        stream.write_all(b"{\"id\": ").await.expect("half a body");
    });
    url
}

#[tokio::test]
async fn an_answer_that_breaks_off_keeps_its_status_and_may_cost() {
    for (status, code, may_cost) in [("200 OK", 200, true), ("503 Service Unavailable", 503, false)] {
        let url = breaking_off(status).await;
        let error =
            model(&url).complete(&request(), Duration::from_secs(5)).await.expect_err("half an answer");
        assert_eq!((error.class, error.status), (ModelErrorClass::Network, Some(code)), "{error}");
        assert_eq!(error.class.may_cost(error.status), may_cost, "{status}");
    }
}

#[tokio::test]
async fn silence_a_page_and_nobody_are_told_apart() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(9)).set_body_json(json!({}));
    Mock::given(method("POST")).respond_with(slow).mount(&server).await;
    let error = model(&server.uri()).complete(&request(), Duration::from_millis(100)).await;
    assert_eq!(error.expect_err("silence").class, ModelErrorClass::Timeout);

    let page = ResponseTemplate::new(200).set_body_raw("<html>", "text/html");
    let kept = complete(page).await.0.expect("a page is kept as it came");
    assert_eq!(kept.body.text(), "<html>");
    assert_eq!(kept.body.read().failure().map(|(class, _)| class), Some(ModelErrorClass::Unparseable));

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = model(&nobody).complete(&request(), Duration::from_secs(1)).await.expect_err("nobody");
    assert_eq!(error.class, ModelErrorClass::Unreachable);
    assert!(!error.class.may_cost(error.status), "nothing was sent");
}

#[test]
fn who_answers_is_named_by_kind_and_told_apart_by_address() {
    let named = |base_url: &str, server| {
        let provider = server::provider(base_url, server);
        (provider.name, provider.address, provider.port)
    };
    let at = |host: &str| Some(host.to_owned());
    let public = named("https://api.openai.com/v1", ModelServer::OpenAi);
    assert_eq!(public, ("openai", at("api.openai.com"), Some(443)));
    let azure = named("https://plant.openai.azure.com/openai/v1/", ModelServer::Azure);
    assert_eq!(azure, ("azure.ai.openai", at("plant.openai.azure.com"), Some(443)));
    let local = named("http://user:secret@gpu.plant.example:8000/v1", ModelServer::Vllm);
    assert_eq!(local, ("openai", at("gpu.plant.example"), Some(8000)));
    assert_eq!(named("http://[::1]/v1", ModelServer::Compatible), ("openai", at("::1"), Some(80)));
    assert_eq!(named("nowhere", ModelServer::Ollama), ("openai", None, None));
}
