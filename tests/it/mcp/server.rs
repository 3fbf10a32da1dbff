//! Our server: the official client in both eras, and by hand what that client never does.

use crate::support::{
    console::{API_TOKEN, Console},
    python::ask,
    seed,
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use takt::{
    site::{McpServer, ToolPattern},
    store::audit,
};

const MODERN: &str = "2026-07-28";

async fn console(change: impl FnOnce(&mut McpServer)) -> Console {
    let mut mcp = McpServer {
        tools: vec![ToolPattern::System("docs".to_owned()), ToolPattern::System("tickets".to_owned())],
        mask: true,
        origins: vec!["https://assistant.example".to_owned()],
        requests_per_minute: 1_000,
    };
    change(&mut mcp);
    Console::with(|site| site.mcp = Some(mcp)).await
}

fn request(console: &Console) -> RequestBuilder {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    client.post(format!("{}/mcp", console.url)).bearer_auth(API_TOKEN).header("x-takt-person", "sam")
}

fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({ "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {} });
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

/// As a client of the newer era sends it.
fn fitting(console: &Console, body: &Value) -> RequestBuilder {
    let mut request = request(console).json(body).header("mcp-protocol-version", MODERN);
    request = request.header("mcp-method", body["method"].as_str().expect("a method"));
    match body["params"]["name"].as_str() {
        Some(name) => request.header("mcp-name", name),
        None => request,
    }
}

async fn said(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    (status, serde_json::from_str(&answer.text().await.expect("a body")).unwrap_or_default())
}

async fn call(console: &Console, name: &str, arguments: Value) -> Value {
    let body = modern("tools/call", json!({ "name": name, "arguments": arguments }));
    said(fitting(console, &body)).await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_lists_and_calls_in_both_eras() {
    let console = console(|_| ()).await;
    let (run, gate) = seed::three_plans(&console).await;
    let url = format!("{}/mcp", console.url);
    let answers = tokio::task::spawn_blocking(move || {
        let calls = json!([
            { "name": "docs.work_instructions", "arguments": { "query": "press hydraulic" } },
            { "name": "takt.open_gates", "arguments": {} },
            { "name": "docs.work_instructions", "arguments": { "words": 1 } },
            { "name": "tickets.create", "arguments": { "title": "x" } },
        ]);
        let modes = ["auto", "legacy", MODERN];
        ask(
            "mcp_client.py",
            &json!({ "url": url, "token": API_TOKEN, "person": "sam", "modes": modes, "calls": calls }),
        )
    })
    .await
    .expect("answers");
    for (mode, version) in [("auto", MODERN), ("legacy", "2025-11-25"), (MODERN, MODERN)] {
        let answer = &answers[mode];
        assert_eq!(answer["version"], version, "{mode}: {answers}");
        let tools = answer["tools"].as_array().expect("tools");
        assert!(
            tools.contains(&json!("docs.work_instructions")) && tools.contains(&json!("takt.open_gates"))
        );
        // A write stands in no list, though the site opened the whole system.
        assert!(!tools.contains(&json!("tickets.create")), "{tools:?}");
        let mut sorted = tools.clone();
        sorted.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        assert_eq!(&sorted, tools);
        let results = &answer["results"];
        assert_eq!(results[0]["structured"]["instructions"][0]["id"], "WI-112-press-hydraulics", "{results}");
        let asked = &results[1]["structured"]["gates"][0];
        assert_eq!((&asked["gate"], &asked["run"]), (&json!(gate), &json!(run)), "{asked}");
        assert_eq!(results[2]["is_error"], true, "{results}");
        assert_eq!(results[3]["refused"], -32602, "{results}");
    }
    assert_eq!(answers["auto"]["server"], "takt");

    let mut db = console.store.connection().await.expect("a connection");
    let written = audit::recent(&mut db, 50).await.expect("the audit trail");
    let count = |action: &str, tool: &str| {
        let is_it = |entry: &&audit::Entry| {
            entry.action == action && entry.object.as_deref() == Some(tool) && entry.actor == "sam"
        };
        written.iter().filter(is_it).count()
    };
    assert_eq!(count("mcp.call", "docs.work_instructions"), 6);
    assert_eq!(count("mcp.failed", "docs.work_instructions"), 3);
    assert_eq!(count("mcp.refused", "tickets.create"), 3);
}

fn legacy(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": params })
}

/// What is wrong with a request, and how it is told: status, and code of the error.
fn refusals(console: &Console) -> Vec<(RequestBuilder, u16, i64)> {
    let list = modern("tools/list", json!({}));
    let raw = |body: &'static str| request(console).header("content-type", "application/json").body(body);
    let unknown = modern("resources/list", json!({}));
    let other_version = {
        let mut body = list.clone();
        body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
        body
    };
    let call =
        modern("tools/call", json!({ "name": "docs.work_instructions", "arguments": { "query": "x" } }));
    vec![
        (raw("{"), 400, -32700),
        (raw("[]"), 400, -32600),
        (raw(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#), 400, -32600),
        (raw(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), 400, -32600),
        (request(console).json(&list), 400, -32020),
        (request(console).json(&list).header("mcp-protocol-version", MODERN), 400, -32020),
        (fitting(console, &list).header("mcp-method", "tools/list"), 400, -32020),
        (fitting(console, &list).header("mcp-protocol-version", "2025-11-25"), 400, -32020),
        (
            request(console)
                .json(&call)
                .header("mcp-protocol-version", MODERN)
                .header("mcp-method", "tools/call"),
            400,
            -32020,
        ),
        (
            request(console).json(&legacy("tools/list", json!({}))).header("mcp-protocol-version", MODERN),
            400,
            -32602,
        ),
        (
            request(console)
                .json(&other_version)
                .header("mcp-protocol-version", "2099-01-01")
                .header("mcp-method", "tools/list"),
            400,
            -32022,
        ),
        (
            request(console)
                .json(&legacy("tools/list", json!({})))
                .header("mcp-protocol-version", "1900-01-01"),
            400,
            -32022,
        ),
        (fitting(console, &unknown), 404, -32601),
        (request(console).json(&legacy("resources/list", json!({}))), 200, -32601),
        (fitting(console, &modern("tools/list", json!({ "cursor": "x" }))), 400, -32602),
        (request(console).json(&list).header("origin", "https://evil.example"), 403, -32600),
        (request(console).body("x").header("content-type", "text/plain"), 415, -32600),
        (fitting(console, &list).header("accept", "text/html"), 406, -32600),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_keep_the_protocol_is_refused_with_its_code() {
    let console = console(|_| ()).await;
    let list = modern("tools/list", json!({}));
    let call =
        modern("tools/call", json!({ "name": "docs.work_instructions", "arguments": { "query": "x" } }));
    for (index, (request, status, code)) in refusals(&console).into_iter().enumerate() {
        let (answered, body) = said(request).await;
        assert_eq!(
            (answered.as_u16(), body["error"]["code"].as_i64()),
            (status, Some(code)),
            "case {index}: {body}"
        );
    }
    let (status, answer) = said(fitting(&console, &list).header("origin", "https://assistant.example")).await;
    assert_eq!((status, &answer["result"]["resultType"]), (StatusCode::OK, &json!("complete")), "{answer}");
    assert_eq!((&answer["id"], &answer["result"]["cacheScope"]), (&json!(7), &json!("private")));
    let encoded = request(&console)
        .json(&call)
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "tools/call");
    let (status, _) = said(encoded.header("mcp-name", "=?base64?ZG9jcy53b3JrX2luc3RydWN0aW9ucw==?=")).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_era_has_its_greeting_and_nothing_has_a_session() {
    let console = console(|_| ()).await;
    let list = modern("tools/list", json!({}));
    // The older era: a version that both know, a notification, a ping.
    for (wanted, agreed) in [("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")] {
        let hello =
            legacy("initialize", json!({ "protocolVersion": wanted, "capabilities": {}, "clientInfo": {} }));
        let (status, answer) = said(request(&console).json(&hello)).await;
        assert_eq!((status, &answer["result"]["protocolVersion"]), (StatusCode::OK, &json!(agreed)));
        assert_eq!(answer["result"]["resultType"], Value::Null);
    }
    let (status, _) =
        said(request(&console).json(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })))
            .await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(said(request(&console).json(&legacy("ping", json!({})))).await.1["result"], json!({}));

    let client = reqwest::Client::new();
    let (status, body) = said(client.post(format!("{}/mcp", console.url)).json(&list)).await;
    assert_eq!((status, &body["type"]), (StatusCode::UNAUTHORIZED, &json!("urn:takt:problem:not-signed-in")));
    for method in [Method::GET, Method::DELETE] {
        let answer = client.request(method, format!("{}/mcp", console.url)).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    let without = Console::start().await;
    assert_eq!(said(request(&without).json(&list)).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_asks_only_so_often() {
    let console = console(|mcp| mcp.requests_per_minute = 3).await;
    let list = modern("tools/list", json!({}));
    for _ in 0..3 {
        assert_eq!(said(fitting(&console, &list)).await.0, StatusCode::OK);
    }
    let refused = fitting(&console, &list).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let other =
        client.post(format!("{}/mcp", console.url)).bearer_auth(API_TOKEN).header("x-takt-person", "lee");
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    assert_eq!(said(other.json(&ping)).await.0, StatusCode::OK, "another caller is not held up");
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_the_site_has_not_opened_do_not_exist() {
    let nothing = console(|mcp| mcp.tools = vec![]).await;
    let refused = call(&nothing, "docs.work_instructions", json!({ "query": "x" })).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let listed = said(fitting(&nothing, &modern("tools/list", json!({})))).await.1;
    assert_eq!(listed["result"]["tools"].as_array().map(Vec::len), Some(1), "{listed}");
}
