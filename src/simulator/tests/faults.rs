use super::{Caller, Method, StatusCode, json};
use std::time::{Duration, Instant};

const TENANTS: &str = "/plex/mdm/v1/tenants";

#[tokio::test]
async fn faults_strike_so_often_and_no_more() {
    let caller = Caller::start().await;
    for (kind, status) in [("429", StatusCode::TOO_MANY_REQUESTS), ("500", StatusCode::INTERNAL_SERVER_ERROR)]
    {
        let (ordered, _) =
            caller.post("/sim/faults", json!({"system": "plex", "kind": kind, "times": 2})).await;
        assert_eq!(ordered, StatusCode::OK);
        for _ in 0..2 {
            let reply = caller.request(Method::GET, TENANTS).send().await.expect("a reply");
            assert_eq!(reply.status(), status);
            assert_eq!(reply.headers().contains_key("retry-after"), kind == "429");
        }
        caller.get(TENANTS).await;
    }
    caller.get("/cmms/assets").await;
    let (status, body) = caller.post("/sim/faults", json!({"system": "plexx", "kind": "500"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["error"].as_str().expect("error").contains("plexx"));
}

#[tokio::test]
async fn a_slow_system_answers_late() {
    let caller = Caller::start().await;
    caller.post("/sim/faults", json!({"system": "plex", "kind": "slow", "millis": 400, "times": 1})).await;
    let asked = Instant::now();
    caller.get(TENANTS).await;
    assert!(asked.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_system_that_is_down_drops_the_connection_until_it_is_cleared() {
    let caller = Caller::start().await;
    caller.post("/sim/faults", json!({"system": "erp", "kind": "down"})).await;
    for _ in 0..3 {
        let reply = caller.request(Method::GET, "/erp/api/resource/Supplier").send().await;
        assert!(reply.is_err(), "there is no reply: {reply:?}");
    }
    let cleared = caller.request(Method::DELETE, "/sim/faults").send().await.expect("a reply");
    assert_eq!(cleared.status(), StatusCode::OK);
    caller.get("/erp/api/resource/Supplier").await;
}

#[tokio::test]
async fn a_lost_reply_was_applied_and_the_repeat_changes_nothing() {
    let caller = Caller::start().await;
    let movable = caller.movable().await;
    let body = movable.body(&movable.to, "2026-11-23T15:00:00Z", 155);
    let fault = json!({"system": "plex", "kind": "lost_reply", "times": 1, "method": "POST",
        "path_contains": "operations-schedule", "key_contains": "k-7"});
    caller.post("/sim/faults", fault).await;
    let send = |key: &str| {
        caller.request(Method::POST, &movable.path()).header("X-Takt-Key", key.to_owned()).json(&body).send()
    };
    assert!(send("run-1/k-7").await.is_err(), "the caller cannot know");
    assert_eq!(send("run-1/k-7").await.expect("a reply").status(), StatusCode::OK);
    let writes = caller.get("/sim/writes?system=plex&key=run-1/k-7").await;
    let effects: Vec<_> =
        writes["writes"].as_array().expect("writes").iter().map(|write| &write["effect"]).collect();
    assert_eq!(effects, [&json!("applied"), &json!("repeated")]);
    assert_eq!(writes["writes"][0]["body"], body);
    assert_eq!(caller.get("/sim/writes/summary").await["duplicate_effects"], 0);
}
