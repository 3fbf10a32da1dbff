//! What strangers can use up, bodies that are too large, and answers that come after a cancel.

use super::call;
use crate::support::{
    console::{API_TOKEN, Console, PASSWORD},
    seed,
};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use takt::store::gates;

/// Tries to sign in, as a proxy of the site passes it on from an address.
struct Stranger {
    client: reqwest::Client,
    url: String,
    cookie: String,
    proof: String,
    address: &'static str,
}

impl Stranger {
    async fn at(console: &Console, address: &'static str) -> Self {
        let page = console.visitor().get("/sign-in").await;
        let cookie = page.headers[header::SET_COOKIE].to_str().expect("a cookie");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let url = format!("{}/sign-in", console.url);
        Self { client: client.expect("a client"), url, cookie, proof: page.field("proof"), address }
    }

    async fn tries(&self, name: &str, password: &str) -> StatusCode {
        let fields = [("proof", self.proof.as_str()), ("next", "/"), ("name", name), ("password", password)];
        let request = self.client.post(&self.url).header(header::COOKIE, &self.cookie);
        let request = request.header("x-forwarded-for", format!("192.0.2.77, {}", self.address));
        request.form(&fields).send().await.expect("an answer").status()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_with_invented_names_lock_nobody_out() {
    let console =
        Console::with(|site| site.access.sign_in.proxies = vec!["127.0.0.1".parse().expect("an address")])
            .await;
    let stranger = Stranger::at(&console, "203.0.113.9").await;
    let plant = Stranger::at(&console, "198.51.100.1").await;
    for _ in 0..5 {
        assert_eq!(stranger.tries("sam", "wrong").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(stranger.tries("sam", "wrong").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        stranger.tries("nobody", "wrong").await,
        StatusCode::UNAUTHORIZED,
        "another name, another count"
    );
    for name in ["sam", "mia"] {
        assert_eq!(plant.tries(name, PASSWORD).await, StatusCode::SEE_OTHER, "{name} sits somewhere else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_or_too_deep_is_named_as_that() {
    let console = Console::start().await;
    let (_, gate) = seed::three_plans(&console).await;
    let path = format!("/api/gates/{gate}/answer");
    let answer = |fields: Value| {
        let body = json!({ "decision": "choose", "choice": 1, "proposal_hash": "x", "fields": fields });
        call(&console, "POST", &path, API_TOKEN, Some("sam"), body)
    };
    let large = answer(json!("x".repeat(300 * 1024))).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", large.text);
    assert!(large.text.contains("urn:takt:problem:too-large"), "{}", large.text);
    let deep = (0..200).fold(json!(1), |value, _| json!({ "a": value }));
    let deep = answer(deep).await;
    assert_eq!(deep.status, StatusCode::BAD_REQUEST, "{}", deep.text);
    assert!(deep.text.len() < 600 && !deep.text.contains(&".a".repeat(50)), "{}", deep.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_once_the_run_was_cancelled() {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    let order = format!("/api/runs/{run}/cancel");
    let cancelled = call(&console, "POST", &order, API_TOKEN, Some("sam"), json!({ "reason": "off" }));
    let cancelled = cancelled.await;
    assert_eq!(cancelled.status, StatusCode::OK, "{}", cancelled.text);
    let body = json!({ "decision": "choose", "choice": 1, "proposal_hash": "hash-of-the-proposal" });
    let late =
        call(&console, "POST", &format!("/api/gates/{gate}/answer"), API_TOKEN, Some("sam"), body).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", late.text);
    assert!(late.text.contains("the run was cancelled"), "{}", late.text);
    let mut db = console.store.connection().await.expect("a connection");
    assert!(gates::votes(&mut db, gate).await.expect("votes").is_empty());
}
