//! What programs get, and how they are told that something is wrong.

use crate::support::{
    console::{API_TOKEN, Console, Page, Visitor},
    seed,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn call(
    console: &Console,
    path: &str,
    person: Option<&str>,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let client = reqwest::Client::new();
    let url = format!("{}{path}", console.url);
    let mut request = match &body {
        Some(body) => client.post(url).json(body),
        None => client.get(url),
    };
    request = request.bearer_auth(API_TOKEN);
    if let Some(person) = person {
        request = request.header("x-takt-person", person);
    }
    let page = Page::of(request.send().await.expect("an answer")).await;
    (page.status, serde_json::from_str(&page.text).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_the_story_and_answers_for_a_person() {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    let (_, runs) = call(&console, "/api/runs?show=open", None, None).await;
    assert_eq!(
        (runs["runs"][0]["id"].as_str(), &runs["next"]),
        (Some(run.to_string().as_str()), &Value::Null)
    );
    let (_, shown) = call(&console, &format!("/api/runs/{run}"), None, None).await;
    let story: Vec<&str> =
        shown["story"].as_array().expect("lines").iter().filter_map(|line| line["text"].as_str()).collect();
    assert!(
        story.iter().any(|line| line.contains("production supervisor asked, answer by 06:25")),
        "{story:?}"
    );
    assert_eq!(shown["gates"][0]["id"], json!(gate));

    let (_, asked) = call(&console, &format!("/api/gates/{gate}"), None, None).await;
    let answer = json!({ "decision": "choose", "choice": 1, "proposal_hash": asked["proposal_hash"] });
    let path = format!("/api/gates/{gate}/answer");
    let (status, problem) = call(&console, &path, None, Some(answer.clone())).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (StatusCode::FORBIDDEN, Some("urn:takt:problem:no-such-person"))
    );
    let (status, problem) = call(&console, &path, Some("mia"), Some(answer.clone())).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("urn:takt:problem:answer-refused"))
    );
    let (status, taken) = call(&console, &path, Some("sam"), Some(answer)).await;
    assert_eq!((status, taken["vote"]["channel"].as_str()), (StatusCode::OK, Some("api")));
    let other = json!({ "decision": "reject", "reason": "no", "proposal_hash": asked["proposal_hash"] });
    let (status, problem) = call(&console, &path, Some("sam"), Some(other)).await;
    assert_eq!((status, problem["vote"]["person"].as_str()), (StatusCode::CONFLICT, Some("sam")));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_problem_bodies() {
    let console = Console::start().await;
    let (_, gate) = seed::three_plans(&console).await;
    let missing = uuid::Uuid::nil();
    for path in
        [format!("/api/runs/{missing}"), format!("/api/gates/{missing}"), "/api/runs/not-an-id".into()]
    {
        let (status, problem) = call(&console, &path, None, None).await;
        assert_eq!((status, &problem["status"]), (StatusCode::NOT_FOUND, &json!(404)), "{path}");
    }
    let path = format!("/api/gates/{gate}/answer");
    let (status, problem) = call(&console, &path, Some("sam"), Some(json!({ "decision": "approve" }))).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (StatusCode::BAD_REQUEST, Some("urn:takt:problem:malformed"))
    );
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("proposal_hash")), "{problem}");
    let response =
        reqwest::Client::new().get(format!("{}/api/runs", console.url)).bearer_auth("guess").send().await;
    assert_eq!(response.expect("an answer").status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_s_script_needs_its_token_to_answer() {
    let console = Console::start().await;
    let (_, gate) = seed::three_plans(&console).await;
    let mut sam = console.signed_in("sam").await;
    let csrf = sam.get("/").await.field("csrf");
    let cookie =
        sam.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let send = |token: &str| {
        let answer = json!({ "decision": "choose", "choice": 1, "proposal_hash": "hash-of-the-proposal" });
        let request = reqwest::Client::new().post(format!("{}/api/gates/{gate}/answer", console.url));
        request.header("cookie", &cookie).header("x-csrf-token", token).json(&answer).send()
    };
    assert_eq!(send("").await.expect("an answer").status(), StatusCode::FORBIDDEN);
    assert_eq!(send(&csrf).await.expect("an answer").status(), StatusCode::OK);
}

/// The stream that a page listens to.
async fn listen(console: &Console, visitor: &mut Visitor, path: &str) -> reqwest::Response {
    let page = visitor.get(path).await.text;
    let stream = page.split("sse-connect=\"").nth(1).and_then(|rest| rest.split('"').next());
    let stream = stream.expect("a stream").replace("&amp;", "&").replace("&#x3D;", "=");
    let cookies: Vec<_> = visitor.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = reqwest::Client::new().get(format!("{}{stream}", console.url));
    let response = request.header("cookie", cookies.join("; ")).send().await.expect("a stream");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn open_pages_are_told_of_an_answer() {
    let console = Console::start().await;
    let (_, gate) = seed::three_plans(&console).await;
    // The first of two: the question stays open, and says how far it is answered.
    let two = sqlx::query("update gate set quorum = 2 where id = $1").bind(gate.0);
    two.execute(console.store.pool()).await.expect("a quorum");
    let mut sam = console.signed_in("sam").await;
    // Mia stands in for Sam: the question is in her inbox, too.
    let given = json!({ "delegate": "mia", "until": "2036-12-01T00:00:00Z" });
    assert_eq!(call(&console, "/api/delegations", Some("sam"), Some(given)).await.0, StatusCode::CREATED);
    let mut mia = console.signed_in("mia").await;
    let streams = [
        listen(&console, &mut sam, &format!("/gates/{gate}")).await,
        listen(&console, &mut sam, "/").await,
        listen(&console, &mut mia, "/").await,
    ];
    let answer = json!({ "decision": "choose", "choice": 1, "proposal_hash": "hash-of-the-proposal" });
    call(&console, &format!("/api/gates/{gate}/answer"), Some("sam"), Some(answer)).await;
    for mut response in streams {
        let mut heard = String::new();
        while !heard.contains("event: changed") {
            let chunk = response.chunk().await.expect("the stream goes on").expect("more of it");
            heard.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_started_one_by_one_or_many_at_once_and_never_half() {
    let console = Console::start().await;
    let path = "/api/workflows/customer_order_risk/runs";
    let (status, problem) = call(&console, path, None, Some(json!({}))).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (StatusCode::FORBIDDEN, Some("urn:takt:problem:no-such-person"))
    );
    let (status, _) = call(&console, "/api/workflows/nothing/runs", Some("sam"), Some(json!({}))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let good = json!({ "inputs": { "order": "SO-4001-1" } });
    let unknown = json!({ "runs": [good, { "inputs": { "nonsense": 1 } }] });
    let (status, problem) = call(&console, path, Some("sam"), Some(unknown)).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (StatusCode::BAD_REQUEST, Some("urn:takt:problem:malformed")),
        "{problem}"
    );
    let (_, runs) = call(&console, "/api/runs", None, None).await;
    assert_eq!(runs["runs"], json!([]), "none of them began");

    let (status, one) = call(&console, path, Some("sam"), Some(good.clone())).await;
    assert_eq!((status, one["runs"].as_array().map(Vec::len)), (StatusCode::CREATED, Some(1)));
    let (status, many) = call(&console, path, Some("sam"), Some(json!({ "runs": vec![good; 30] }))).await;
    assert_eq!((status, many["runs"].as_array().map(Vec::len)), (StatusCode::CREATED, Some(30)));
    let (_, runs) = call(&console, "/api/runs?show=open", None, None).await;
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(31));
    let (status, _) =
        call(&console, path, Some("sam"), Some(json!({ "runs": vec![json!({}); 1_001] }))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}
