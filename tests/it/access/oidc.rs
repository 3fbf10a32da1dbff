//! Single sign-on against an identity provider made of Authlib, in another process.

use super::{newest, provider, release};
use crate::support::{
    console::{Console, Page, Visitor},
    python::{interpreter, script},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::process::Stdio;
use takt::{
    site::Claim,
    store::{gates, signatures},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

pub(super) struct Provider {
    pub url: String,
    _child: Child,
    _stdin: tokio::process::ChildStdin,
}

impl Provider {
    pub(super) async fn start() -> Self {
        let python = tokio::task::spawn_blocking(interpreter).await.expect("an interpreter");
        let mut child = Command::new(python)
            .arg(script("oidc_provider.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the provider starts");
        let mut stdin = child.stdin.take().expect("piped");
        let settings = json!({ "client_id": "takt", "client_secret": "a secret: 100%" });
        stdin.write_all(format!("{settings}\n").as_bytes()).await.expect("the provider reads");
        let mut said = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = said.next_line().await.expect("a line").expect("the provider says where it is");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        Self { url: said["url"].as_str().expect("an address").to_owned(), _child: child, _stdin: stdin }
    }
}

pub(super) async fn console_with(issuer: &str, claim: Claim) -> Console {
    Console::with(|site| site.access.sign_in.oidc = Some(provider(issuer, claim))).await
}

/// The rest of an address after its origin.
pub(super) fn path_of(location: &str) -> String {
    let (_, rest) = location.split_once("://").expect("a whole address");
    rest[rest.find('/').expect("a path")..].to_owned()
}

/// Follows a person through the provider's page; gives our answer to the callback.
async fn through(browser: &mut Visitor, at_provider: &mut Visitor, start: &str, user: &str) -> Page {
    let sent = browser.get(start).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let authorize = path_of(&sent.location.expect("the provider's address"));
    let page = at_provider.get(&authorize).await;
    let back = if page.status == StatusCode::OK {
        assert!(page.text.contains("password"), "{}", page.text);
        at_provider.post(&authorize, &[("username", user), ("password", "sso")]).await
    } else {
        page
    };
    let back = back.location.unwrap_or_else(|| panic!("nothing leads back: {}", back.text));
    browser.get(&path_of(&back)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_at_the_provider_and_only_those_of_takt_yaml() {
    let provider = Provider::start().await;
    let console = console_with(&provider.url, Claim::Email).await;
    let mut browser = console.visitor();
    let page = browser.get("/sign-in?next=/runs").await;
    assert!(page.text.contains("Sign in with Plant SSO") && page.text.contains("Password"), "{}", page.text);

    let mut at_provider = Visitor::new(&provider.url);
    let start = "/sign-in/oidc?next=/runs";
    let page = through(&mut browser, &mut at_provider, start, "sam").await;
    assert_eq!(
        (page.status, page.location.as_deref()),
        (StatusCode::SEE_OTHER, Some("/runs")),
        "{}",
        page.text
    );
    assert_eq!(newest(&console).await, ("sam".into(), "sign_in".into(), json!({ "via": "oidc" })));
    assert!(browser.get("/").await.text.contains("Sam Carter"));

    // Known at the provider, not here.
    let (mut other, mut at_provider) = (console.visitor(), Visitor::new(&provider.url));
    let page = through(&mut other, &mut at_provider, start, "zoe").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(
        page.text.contains("knows you as zoe@plant1.example") && page.text.contains("takt.yaml"),
        "{}",
        page.text
    );
    assert!(other.cookies.iter().all(|(name, _)| name != "takt_session"));
    let (actor, action, detail) = newest(&console).await;
    assert_eq!((actor.as_str(), action.as_str()), ("nobody", "sign_in.refused"));
    assert_eq!(detail["cause"], "unknown-person");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_counts_once_and_only_in_the_browser_it_was_begun_in() {
    let provider = Provider::start().await;
    let console = console_with(&provider.url, Claim::Email).await;
    let (mut browser, mut at_provider) = (console.visitor(), Visitor::new(&provider.url));
    let sent = browser.get("/sign-in/oidc").await;
    let authorize = path_of(&sent.location.expect("an address"));
    let back = at_provider.post(&authorize, &[("username", "sam"), ("password", "sso")]).await;
    let back = path_of(&back.location.expect("the way back"));

    let mut thief = console.visitor();
    assert_eq!(thief.get(&back).await.status, StatusCode::UNAUTHORIZED, "another browser");
    let forged = back.replace("state=", "state=x");
    assert_eq!(browser.get(&forged).await.status, StatusCode::UNAUTHORIZED, "another state");
    assert_eq!(newest(&console).await.2["cause"], "state");
    assert_eq!(browser.get(&back).await.status, StatusCode::SEE_OTHER, "its own");
    assert_eq!(browser.get(&back).await.status, StatusCode::UNAUTHORIZED, "a second time");
    assert_eq!(newest(&console).await.1, "sign_in", "the cause stands in the trail once a minute");
    // The code alone, with a new state of ours: the provider knows that it was used.
    let sent = browser.get("/sign-in/oidc").await.location.expect("an address");
    let state = sent.split("state=").nth(1).and_then(|rest| rest.split('&').next()).expect("a state");
    let code = back.split("code=").nth(1).and_then(|rest| rest.split('&').next()).expect("a code");
    let replayed = browser.get(&format!("/sign-in/callback?code={code}&state={state}")).await;
    assert_eq!(replayed.status, StatusCode::UNAUTHORIZED);
    assert_eq!(newest(&console).await.2["cause"], "code-refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_needs_a_new_sign_in_even_where_the_provider_knows_the_browser() {
    let provider = Provider::start().await;
    let console = console_with(&provider.url, Claim::Email).await;
    let gate = release(&console).await;
    let (mut browser, mut at_provider) = (console.visitor(), Visitor::new(&provider.url));
    through(&mut browser, &mut at_provider, "/sign-in/oidc", "sam").await;

    let page = browser.get(&format!("/gates/{gate}")).await;
    let (csrf, answer) = (page.field("csrf"), format!("/gates/{gate}/answer"));
    let fields = [("csrf", csrf.as_str()), ("proposal", "hash-of-the-proposal"), ("decision", "approve")];
    let dialog = browser.post(&answer, &fields).await;
    assert_eq!(dialog.status, StatusCode::OK);
    assert!(dialog.text.contains("Sign in again with Plant SSO"), "{}", dialog.text);
    let mut db = console.store.connection().await.expect("a connection");
    assert!(gates::vote(&mut db, gate).await.expect("asking").is_none(), "nothing is decided yet");

    let sign = format!("/gates/{gate}/sign");
    // Somebody else at the same browser cannot sign for Sam.
    let page = through(&mut browser, &mut at_provider, &sign, "mia").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    assert_eq!(newest(&console).await.2["cause"], "other-person");
    let page = through(&mut browser, &mut at_provider, &sign, "sam").await;
    assert_eq!(page.location, Some(format!("/gates/{gate}")), "{}", page.text);
    assert!(gates::vote(&mut db, gate).await.expect("asking").is_none(), "a GET decides nothing");

    let page = browser.post(&answer, &fields).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let signed = signatures::of_gate(&mut db, gate).await.expect("signatures").pop().expect("one");
    assert_eq!((signed.name.as_str(), signed.method.as_str()), ("Sam Carter", "oidc"));
    assert_eq!(signed.meaning, "I release this lot for shipment");
}
