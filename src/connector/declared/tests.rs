use super::load::read;
use crate::{
    connector::http,
    site::{Environment, Overrides, Site, System},
    tool::{Call, Effect, Idempotency, Lease, Lookup, Tool, ToolError, ToolErrorKind},
};
use chrono::{TimeZone, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, header, method, path, query_param},
};

const ERP: &str = r#"
system: erp
auth: { token: { key: api_key, secret: api_secret } }
retry: { times: 2, wait: 1ms }
breaker: { failures: 50, cool_down: 30s }
tools:
  erp.open_pos:
    description: Open purchase orders of a part.
    effect: read
    classes: { supplier: proprietary }
    input:
      part: string
      limit?: integer = 20
    output:
      orders: [{ number: string, qty: number }]
    requests:
      - id: list
        method: GET
        path: api/resource/Purchase Order/${{ input.part }}
        query:
          filters: [[item_code, "=", "${{ input.part }}"]]
          limit: ${{ input.limit }}
          status: [Open, Late]
          none: null
    returns:
      orders: "${{ responses.list.data.map(o, {'number': o.name, 'qty': o.qty}) }}"
    errors:
      404: { kind: not_found, message: "the ERP has no part ${{ input.part }}" }
  erp.create_requisition:
    description: Creates a material request.
    effect: write
    idempotency: { field: custom_takt_key }
    input: { part: string, note?: string }
    output: { number: string }
    requests:
      - id: created
        method: POST
        path: api/resource/Material Request
        body: { item_code: "${{ input.part }}", note: "${{ input.note }}" }
        drop_nulls: true
    returns: { number: "${{ responses.created.data.name }}" }
  erp.note:
    description: Writes a note per part.
    effect: write
    idempotency: unsafe
    input: { parts: [string] }
    output: { count: integer }
    timeout: 500ms
    requests:
      - id: notes
        method: POST
        path: api/notes
        each: ${{ input.parts }}
        as: part
        if: part != 'skip'
        body: { part: "${{ part }}", key: "${{ call.key }}" }
        success: body.ok
    returns: { count: "${{ size(responses.notes) }}" }
    look_up:
      requests:
        - { id: hits, method: GET, path: api/notes, query: { key: "${{ call.key }}" } }
      found: size(responses.hits) == size(input.parts)
      returns: { count: "${{ size(responses.hits) }}" }
"#;

fn site(base_url: &str) -> Site {
    let takt = r#"{ name: Plant 1, time_zone: America/Chicago, shifts: [{ id: A, starts: "06:00", ends: "14:00" }],
        roles: { lead: { title: Lead, ladder: up } }, people: [{ id: ann, name: Ann, roles: [lead] }],
        ladders: { up: [{ person: ann, within: 5m }] } }"#;
    let mut site = Site::parse("takt.yaml", takt, &Environment::of([]), &Overrides::default()).expect("site");
    let secrets = [("api_key", "key-1234"), ("api_secret", "secret-5678")];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), SecretString::from(value.to_owned())));
    let system =
        System { base_url: base_url.to_owned(), command: None, secrets: secrets.into(), simulator: true };
    site.systems.insert("erp".to_owned(), system);
    site
}

fn tools(text: &str, base_url: &str) -> Result<Vec<Arc<dyn Tool>>, Vec<String>> {
    let client = http::client().expect("client");
    read(Path::new("connectors/erp.yaml"), text, &site(base_url), &client)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn tool(name: &str, base_url: &str) -> Arc<dyn Tool> {
    let tools = tools(ERP, base_url).expect("no problems");
    tools.into_iter().find(|tool| tool.spec().name.as_str() == name).expect("declared")
}

fn call() -> Call {
    Call {
        run: Uuid::nil(),
        step: "s".to_owned(),
        attempt: 1,
        key: "k-1".to_owned(),
        timeout: Duration::from_secs(5),
        now: Utc.with_ymd_and_hms(2026, 11, 23, 12, 10, 0).single().expect("a time"),
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        lease: Arc::default(),
    }
}

async fn answer(server: &MockServer, verb: &str, template: ResponseTemplate) {
    Mock::given(method(verb)).respond_with(template).mount(server).await;
}

async fn failure(server: &MockServer, name: &str, input: Value) -> ToolError {
    tool(name, &server.uri()).call(&call(), input).await.expect_err("a failure")
}

#[tokio::test]
async fn a_read_sends_what_is_declared_and_projects_the_answer() {
    let server = MockServer::start().await;
    let data = json!({ "data": [{ "name": "PO-1", "qty": 5, "extra": true }] });
    Mock::given(method("GET"))
        .and(path("/api/resource/Purchase%20Order/A%2FB"))
        .and(query_param("filters", r#"[["item_code","=","A/B"]]"#))
        .and(query_param("limit", "20"))
        .and(header("authorization", "token key-1234:secret-5678"))
        .respond_with(ResponseTemplate::new(200).set_body_json(data))
        .expect(1)
        .mount(&server)
        .await;
    let tool = tool("erp.open_pos", &server.uri());
    let output = tool.call(&call(), json!({ "part": "A/B" })).await.expect("orders");
    assert_eq!(output, json!({ "orders": [{ "number": "PO-1", "qty": 5 }] }));
    let sent = &server.received_requests().await.expect("recorded")[0];
    assert_eq!(sent.url.query_pairs().filter(|(name, _)| name == "status").count(), 2);
    assert!(sent.url.query_pairs().all(|(name, _)| name != "none"));
    assert!(!sent.headers.contains_key("x-takt-key"), "a read carries no key");
    assert!(sent.headers.contains_key("traceparent"));
}

#[tokio::test]
async fn a_value_cannot_leave_its_place_in_the_path() {
    let server = MockServer::start().await;
    for part in ["..", ".", ""] {
        let error = failure(&server, "erp.open_pos", json!({ "part": part })).await;
        assert_eq!(error.kind, ToolErrorKind::Invalid, "{part:?}: {error}");
    }
    assert_eq!(server.received_requests().await.expect("recorded").len(), 0);
}

#[tokio::test]
async fn a_keyed_write_carries_its_key_and_drops_nulls() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(header("x-takt-key", "k-1"))
        .and(body_json(json!({ "item_code": "A", "custom_takt_key": "k-1" })))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "data": { "name": "MR-1" } })))
        .expect(1)
        .mount(&server)
        .await;
    let tool = tool("erp.create_requisition", &server.uri());
    assert_eq!(tool.call(&call(), json!({ "part": "A" })).await.expect("made"), json!({ "number": "MR-1" }));
    assert_eq!(tool.spec().idempotency, Idempotency::Keyed);
    assert_eq!(tool.spec().effect, Effect::Write);
}

#[tokio::test]
async fn several_writes_of_one_call_are_told_apart_and_a_repeat_has_the_same_parts() {
    let server = MockServer::start().await;
    answer(&server, "POST", ResponseTemplate::new(200).set_body_json(json!({ "ok": true }))).await;
    let tool = tool("erp.note", &server.uri());
    let output = tool.call(&call(), json!({ "parts": ["A", "skip", "B"] })).await.expect("noted");
    assert_eq!(output, json!({ "count": 2 }));
    tool.call(&call(), json!({ "parts": ["B"] })).await.expect("noted");
    let sent = server.received_requests().await.expect("recorded");
    let part = |at: usize| sent[at].headers["x-takt-part"].to_str().expect("text").to_owned();
    assert_eq!(sent.len(), 3);
    assert_ne!(part(0), part(1));
    assert_eq!(part(1), part(2), "the same item has the same part in a shorter list");
    assert_eq!(sent[0].headers["x-takt-key"], sent[1].headers["x-takt-key"]);
}

#[tokio::test]
async fn wrong_arguments_and_wrong_answers_are_named_without_their_values() {
    let server = MockServer::start().await;
    let error = failure(&server, "erp.open_pos", json!({ "limit": "many", "prt": "A" })).await;
    assert_eq!(error.kind, ToolErrorKind::Invalid);
    assert!(error.message.contains("limit") && error.message.contains("part"), "{error}");
    assert!(!error.message.contains("many"), "{error}");

    let data = json!({ "data": [{ "name": "PO-1", "qty": "confidential" }] });
    answer(&server, "GET", ResponseTemplate::new(200).set_body_json(data)).await;
    let error = failure(&server, "erp.open_pos", json!({ "part": "A" })).await;
    assert_eq!(error.kind, ToolErrorKind::Permanent);
    assert!(error.message.contains("orders/0/qty"), "{error}");
    assert!(!error.message.contains("confidential"), "{error}");
}

#[tokio::test]
async fn an_error_says_which_system_answered_what_without_secrets() {
    let server = MockServer::start().await;
    let body = json!({ "message": "bad token key-1234:secret-5678" });
    answer(&server, "GET", ResponseTemplate::new(403).set_body_json(body)).await;
    let error = failure(&server, "erp.open_pos", json!({ "part": "A" })).await;
    assert_eq!(error.kind, ToolErrorKind::Denied);
    let said = "erp answered 403 to GET /api/resource/Purchase%20Order/A: bad token [redacted]";
    assert_eq!(error.message, said);
    assert!(!error.detail.expect("the body").contains("5678"));
}

#[tokio::test]
async fn the_file_may_say_what_a_status_means() {
    let server = MockServer::start().await;
    answer(&server, "GET", ResponseTemplate::new(404)).await;
    let error = failure(&server, "erp.open_pos", json!({ "part": "A-7" })).await;
    assert_eq!((error.kind, error.message.as_str()), (ToolErrorKind::NotFound, "the ERP has no part A-7"));
}

#[tokio::test]
async fn a_read_is_tried_again_and_a_write_is_not() {
    let server = MockServer::start().await;
    let failing = ResponseTemplate::new(500);
    Mock::given(method("GET")).respond_with(failing.clone()).up_to_n_times(2).mount(&server).await;
    answer(&server, "GET", ResponseTemplate::new(200).set_body_json(json!({ "data": [] }))).await;
    let reader = tool("erp.open_pos", &server.uri());
    assert_eq!(reader.call(&call(), json!({ "part": "A" })).await.expect("empty"), json!({ "orders": [] }));

    answer(&server, "POST", failing).await;
    let keyed = failure(&server, "erp.create_requisition", json!({ "part": "A" })).await;
    assert_eq!(keyed.kind, ToolErrorKind::Transient, "a keyed write may be made again");
    let unsafe_ = failure(&server, "erp.note", json!({ "parts": ["A"] })).await;
    assert_eq!(unsafe_.kind, ToolErrorKind::OutcomeUnknown);
    let requests = server.received_requests().await.expect("recorded");
    assert_eq!(requests.iter().filter(|request| request.method == "POST").count(), 2);
}

#[tokio::test]
async fn patience_is_reported_to_the_engine() {
    let server = MockServer::start().await;
    answer(&server, "POST", ResponseTemplate::new(429).insert_header("retry-after", "7")).await;
    let error = failure(&server, "erp.create_requisition", json!({ "part": "A" })).await;
    assert_eq!(error.kind, ToolErrorKind::RateLimited { retry_after: Some(Duration::from_secs(7)) });
}

#[tokio::test]
async fn a_lost_answer_of_a_write_is_an_unknown_outcome_and_can_be_looked_up() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(5));
    answer(&server, "POST", slow).await;
    answer(&server, "GET", ResponseTemplate::new(200).set_body_json(json!([{ "key": "k-1" }]))).await;
    let input = json!({ "parts": ["A"] });
    let error = failure(&server, "erp.note", input.clone()).await;
    assert_eq!(error.kind, ToolErrorKind::OutcomeUnknown);
    let tool = tool("erp.note", &server.uri());
    let found = tool.look_up(&call(), &input).await.expect("an answer");
    assert_eq!(found, Lookup::Found(json!({ "count": 1 })));
    let absent = tool.look_up(&call(), &json!({ "parts": ["A", "B"] })).await.expect("an answer");
    assert_eq!(absent, Lookup::Absent);
}

#[tokio::test]
async fn a_connection_lost_after_a_write_is_an_unknown_outcome() {
    use tokio::io::AsyncReadExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            // The request arrives, and no answer follows.
            let _ = connection.read(&mut [0_u8; 4096]).await;
        }
    });
    let write = tool("erp.create_requisition", &address).call(&call(), json!({ "part": "A" })).await;
    assert_eq!(write.expect_err("lost").kind, ToolErrorKind::OutcomeUnknown);
    let read = tool("erp.open_pos", &address).call(&call(), json!({ "part": "A" })).await;
    assert_eq!(read.expect_err("lost").kind, ToolErrorKind::Transient);
}

#[tokio::test]
async fn a_call_ends_with_its_time_and_a_rate_is_kept() {
    let server = MockServer::start().await;
    answer(&server, "GET", ResponseTemplate::new(200).set_body_json(json!({ "data": [] }))).await;
    let slow = ERP.replace("retry:", "rate: 1 per 1h\nretry:");
    let tools = tools(&slow, &server.uri()).expect("no problems");
    let tool = tools.iter().find(|tool| tool.spec().name.as_str() == "erp.open_pos").expect("declared");
    tool.call(&call(), json!({ "part": "A" })).await.expect("the first");
    let error = tool.call(&call(), json!({ "part": "A" })).await.expect_err("the second");
    let ToolErrorKind::RateLimited { retry_after: Some(wait) } = error.kind else { panic!("{error:?}") };
    assert!(wait > Duration::from_secs(3000), "{wait:?}");
    assert_eq!(server.received_requests().await.expect("recorded").len(), 1);
}

#[tokio::test]
async fn nothing_happened_where_nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = tool("erp.note", &address).call(&call(), json!({ "parts": ["A"] })).await.expect_err("down");
    assert_eq!(error.kind, ToolErrorKind::Transient);
    assert!(error.message.starts_with(&format!("cannot reach erp at {address}")), "{error}");
}

#[tokio::test]
async fn a_refusal_inside_200_is_a_failure_and_counts_what_came_before() {
    let server = MockServer::start().await;
    let yes = ResponseTemplate::new(200).set_body_json(json!({ "ok": true }));
    Mock::given(method("POST")).respond_with(yes).up_to_n_times(1).mount(&server).await;
    let no = json!({ "ok": false, "error": "locked" });
    answer(&server, "POST", ResponseTemplate::new(200).set_body_json(no)).await;
    let error = failure(&server, "erp.note", json!({ "parts": ["A", "B"] })).await;
    assert_eq!(error.kind, ToolErrorKind::OutcomeUnknown, "an unsafe call was half done");
    assert!(error.message.contains("locked") && error.message.contains("after 1 of"), "{error}");
}

#[tokio::test]
async fn a_page_in_place_of_json_and_a_flood_are_refused() {
    let server = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_raw("<html>login</html>", "text/html");
    Mock::given(method("GET")).respond_with(page).up_to_n_times(1).mount(&server).await;
    let error = failure(&server, "erp.open_pos", json!({ "part": "A" })).await;
    assert_eq!(error.kind, ToolErrorKind::Permanent);
    assert!(error.message.contains("not JSON"), "{error}");

    answer(&server, "GET", ResponseTemplate::new(200).set_body_string("x".repeat(2 << 20))).await;
    assert_eq!(failure(&server, "erp.open_pos", json!({ "part": "A" })).await.kind, ToolErrorKind::TooLarge);
}

#[test]
fn every_mistake_of_a_file_is_reported_with_its_place() {
    let broken = ERP
        .replace("item_code, \"=\", \"${{ input.part }}\"", "item_code, \"=\", \"${{ input.part + }}\"")
        .replace("if: part != 'skip'", "if: ${{ part }} != 'skip'")
        .replace("idempotency: unsafe", "")
        .replace("{ number: string }", "{ number: strng }")
        .replace("secret: api_secret", "secret: api_pass");
    let problems = tools(&broken, "http://localhost").err().expect("problems");
    insta::assert_snapshot!(problems.join("\n"));
}

#[test]
fn yaml_surprises_are_refused() {
    let refused = |from: &str, to: &str| {
        let problems = tools(&ERP.replace(from, to), "http://localhost").err().expect("refused");
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].clone()
    };
    insta::assert_snapshot!(
        [
            refused("if: part != 'skip'", "if: !part && true"),
            refused("part: string", "part: &p string"),
            refused("effect: read", "efect: read"),
            refused("effect: read", "effect: readd"),
            refused("system: erp", "system: erpp"),
            refused("method: GET\n", "method: FETCH\n"),
        ]
        .join("\n")
    );
}

#[test]
fn a_name_that_is_not_there_is_found_before_the_first_call() {
    let problem = |from: &str, to: &str| {
        assert!(ERP.contains(from), "{from}");
        tools(&ERP.replacen(from, to, 1), "http://localhost").err().unwrap_or_default().join("\n")
    };
    let unknown = [
        ("note: \"${{ input.note }}\"", "note: \"${{ args.note }}\"", "args"),
        ("note: \"${{ input.note }}\"", "note: \"${{ input.nota }}\"", "nota"),
        ("limit: ${{ input.limit }}", "limit: ${{ responses.list.count }}", "list"),
        ("responses.created.data.name", "responses.creatd.data.name", "creatd"),
        ("if: part != 'skip'", "if: prt != 'skip'", "prt"),
        ("no part ${{ input.part }}", "no part ${{ args.part }}", "args"),
    ];
    for (from, to, name) in unknown {
        let problem = problem(from, to);
        assert!(problem.contains(&format!("`{name}`")), "{to}: {problem}");
    }
}

#[test]
fn a_tool_that_only_reads_asks_by_get_or_says_so() {
    let problem = |request: &str| {
        let broken = ERP.replacen(
            "        method: GET\n        path: api/resource/Purchase",
            &format!("        {request}\n        path: api/resource/Purchase"),
            1,
        );
        assert_ne!(broken, ERP);
        tools(&broken, "http://localhost").err().unwrap_or_default().join("\n")
    };
    let post = "a tool that only reads sends a POST: say `effect: read` on the request where it only asks, or make the tool `effect: write`";
    let changes =
        |verb: &str| format!("{verb} changes something, and this tool only reads: make it `effect: write`");
    for (request, why) in [
        ("method: POST", post.to_owned()),
        ("method: PUT", changes("PUT")),
        ("method: PATCH\n        effect: read", changes("PATCH")),
        ("method: DELETE", changes("DELETE")),
    ] {
        assert!(problem(request).ends_with(&why), "{request}: {}", problem(request));
    }
    assert_eq!(problem("method: POST\n        effect: read"), "");
}

#[test]
fn a_class_whose_field_is_mistyped_is_told() {
    let wrong = |from: &str, to: &str| {
        assert!(ERP.contains(from), "{from}");
        tools(&ERP.replace(from, to), "http://localhost").err().unwrap_or_default().join("\n")
    };
    let told = "3:19: no field is called `numbr`, so that nothing is masked: did you mean `number`?";
    let found = wrong("system: erp", "system: erp\nclasses: { numbr: proprietary }");
    assert!(found.ends_with(told), "{found}");
    let found =
        wrong("classes: { supplier: proprietary }", "classes: { prt: proprietary, part: proprietary }");
    assert!(found.contains("no field is called `prt`") && found.ends_with("did you mean `part`?"), "{found}");
    // A class that is of use elsewhere, or of none, harms nobody.
    assert_eq!(wrong("system: erp", "system: erp\nclasses: { customer: customer, number: public }"), "");
}

#[tokio::test]
async fn a_write_that_waits_for_its_connection_is_not_sent_after_its_lease() {
    let server = MockServer::start().await;
    answer(&server, "POST", ResponseTemplate::new(200).set_body_json(json!({ "data": { "name": "MR-1" } })))
        .await;
    let tool = tool("erp.create_requisition", &server.uri());
    let lease = Arc::new(Lease::until(Instant::now() + Duration::from_secs(3600)));
    let call = Call { lease: lease.clone(), ..call() };
    tool.call(&call, json!({ "part": "P-1" })).await.expect("a requisition");
    // The connection is open now: the second request is handed to its task at once, and waits there for its turn.
    let mut second = tool.call(&call, json!({ "part": "P-2" }));
    assert!(futures::poll!(&mut second).is_pending());
    lease.renew(Instant::now());
    let error = second.await.expect_err("its lease is over");
    let sent = server.received_requests().await.expect("requests").len();
    assert_eq!((sent, error.kind), (1, ToolErrorKind::OutcomeUnknown), "{error}");
}
