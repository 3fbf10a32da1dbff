use super::*;
use axum::{body::Body, http::Request};
use tower::ServiceExt as _;

const TRIAGE: &str = r#"
transcript: triage
authored_by: tests
written: 2026-11-22
marker: triage of a stopped machine
when: { /event/status: DOWN }
replies:
  - calls: [{ tool: cmms.asset_history, with: { asset: "{data:/event/asset}" } }]
  - answer: { severity: high, minutes: "{result:0:/minutes}", summary: "{data:/event/asset} leaks" }
"#;

fn transcripts() -> Transcripts {
    Transcripts::from_transcripts(vec![Transcript::parse("t", TRIAGE).unwrap()])
}

fn request(messages: Value) -> Value {
    let parameters = json!({"type": "object", "properties": {"asset": {"type": "string"}},
        "required": ["asset"], "additionalProperties": false});
    let tool = json!({"name": "cmms__asset_history", "strict": true, "parameters": parameters});
    json!({"model": "authored", "messages": messages, "tools": [{"type": "function", "function": tool}]})
}

fn opening() -> Vec<Value> {
    let data = json!({"data": {"event": {"status": "DOWN", "asset": "EQ-4"}}}).to_string();
    vec![
        json!({"role": "system", "content": "You do the triage of a stopped machine."}),
        json!({"role": "user", "content": data}),
    ]
}

async fn send(body: &Value) -> (StatusCode, Value) {
    let request = Request::post("/v1/chat/completions")
        .header("authorization", "Bearer x")
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = router(transcripts()).oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// Validates against the published description of the real API.
fn conforms(schema: &str, body: &Value) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openai/chat_completions_subset.openapi.json");
    let mut document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    document["$ref"] = json!(format!("#/components/schemas/{schema}"));
    let validator = jsonschema::validator_for(&document).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(body).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}\n{body:#}");
}

#[tokio::test]
async fn a_conversation_is_played_turn_by_turn_in_the_official_shape() {
    let mut messages = opening();
    let first = request(json!(messages));
    conforms("CreateChatCompletionRequest", &first);
    let (status, reply) = send(&first).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    conforms("CreateChatCompletionResponse", &reply);
    assert_eq!(reply["model"], "authored/triage");
    let choice = &reply["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], r#"{"asset":"EQ-4"}"#);

    messages.push(choice["message"].clone());
    let result = json!({"ok": true, "result": {"minutes": 180}}).to_string();
    let id = &choice["message"]["tool_calls"][0]["id"];
    messages.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
    let (_, reply) = send(&request(json!(messages))).await;
    conforms("CreateChatCompletionResponse", &reply);
    let answer = reply["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(answer, r#"{"severity":"high","minutes":180,"summary":"EQ-4 leaks"}"#);

    messages.push(reply["choices"][0]["message"].clone());
    let (status, error) = send(&request(json!(messages))).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::NOT_FOUND, &json!("transcript_ended")));
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer() {
    let request = request(json!(opening()));
    assert_eq!(send(&request).await, send(&request).await);
}

#[tokio::test]
async fn what_the_real_api_refuses_is_refused() {
    let good = request(json!(opening()));
    let with = |pointer: &str, value: Value| {
        let mut request = good.clone();
        *request.pointer_mut(pointer).unwrap() = value;
        request
    };
    let parameters = "/tools/0/function/parameters";
    let unanswered = json!([
        opening()[0],
        {"role": "assistant", "content": null, "tool_calls": [{"id": "a", "type": "function",
            "function": {"name": "x", "arguments": "{}"}}]},
        {"role": "user", "content": "go on"},
    ]);
    for (request, status, code) in [
        (with("/model", json!("gpt-x")), 404, "model_not_found"),
        (with("/messages", json!([])), 400, "invalid_type"),
        (with("/messages", unanswered), 400, "invalid_value"),
        (with("/messages/0/role", json!("robot")), 400, "invalid_value"),
        (with("/messages/0/content", json!("Something else.")), 404, "no_transcript"),
        (with("/messages/1/content", json!("{\"data\": {}}")), 404, "no_transcript"),
        (with("/tools/0/function/name", json!("cmms.asset_history")), 400, "invalid_value"),
        (with("/tools/0/function/name", json!("other")), 404, "tool_not_offered"),
        (with(&format!("{parameters}/required"), json!([])), 400, "invalid_schema"),
        (with(&format!("{parameters}/additionalProperties"), json!(true)), 400, "invalid_schema"),
    ] {
        let (given, error) = send(&request).await;
        conforms("ErrorResponse", &error);
        assert_eq!((given.as_u16(), error["error"]["code"].as_str()), (status, Some(code)), "{error}");
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_answered() {
    for path in ["/v1/models", "/v1/chat/completions"] {
        let method = if path == "/v1/models" { "GET" } else { "POST" };
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = router(transcripts()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn the_list_of_models_has_the_official_shape() {
    let request = Request::get("/v1/models").header("authorization", "Bearer x").body(Body::empty()).unwrap();
    let response = router(transcripts()).oneshot(request).await.unwrap();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    conforms("ListModelsResponse", &serde_json::from_slice(&bytes).unwrap());
}

#[test]
fn a_broken_transcript_says_where() {
    let error = Transcript::parse("evals/x.authored.yaml", "transcript: x\nauthored_by: y\n").unwrap_err();
    assert!(error.to_string().starts_with("evals/x.authored.yaml: "), "{error}");
    let relative = TRIAGE.replace("/event/status", "event/status");
    assert!(Transcript::parse("t", &relative).unwrap_err().to_string().contains("JSON pointer"));
}
