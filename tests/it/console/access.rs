//! Who gets in, and what a form must carry.

use crate::support::{console::Console, seed};
use reqwest::StatusCode;
use takt::store::{audit, gates};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_open_to_the_world_but_sign_in_health_and_assets() {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    let mut visitor = console.visitor();
    let pages =
        ["/".to_owned(), "/runs".into(), "/events".into(), "/status".into(), "/live/inbox?seen=x".into()];
    for path in pages.into_iter().chain([format!("/runs/{run}"), format!("/gates/{gate}")]) {
        let page = visitor.get(&path).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
        assert!(page.location.is_some_and(|to| to.starts_with("/sign-in?next=")), "{path}");
    }
    for path in ["/api/runs", "/api/events", "/api/nothing"] {
        let page = visitor.get(path).await;
        let status = if path == "/api/nothing" { StatusCode::NOT_FOUND } else { StatusCode::UNAUTHORIZED };
        assert_eq!(
            (page.status, page.headers["content-type"].to_str().ok()),
            (status, Some("application/problem+json"))
        );
    }
    for path in ["/sign-in", "/health", "/assets/console.css", "/assets/vendor/htmx-2.0.11.min.js"] {
        assert_eq!(visitor.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(visitor.get("/assets/../Cargo.toml").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signed_out_is_told_of_no_more_changes() {
    let console = Console::start().await;
    let mut sam = console.signed_in("sam").await;
    let mut stream = sam.stream("/live/runs?seen=x").await;
    let first = stream.chunk().await.expect("a stream").expect("the page is not as it was");
    assert!(String::from_utf8_lossy(&first).contains("changed"));
    let csrf = sam.get("/me").await.field("csrf");
    assert_eq!(sam.post("/sign-out", &[("csrf", &csrf)]).await.status, StatusCode::SEE_OTHER);
    seed::three_plans(&console).await;
    while let Some(more) = stream.chunk().await.expect("a stream") {
        assert!(!String::from_utf8_lossy(&more).contains("changed"), "told after the sign-out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_and_out() {
    let console = Console::start().await;
    let mut visitor = console.visitor();
    let wrong = visitor.sign_in("sam", "not-it").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.text.contains("do not go together"), "{}", wrong.text);
    let nobody = visitor.sign_in("nobody", "takt-demo").await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);

    let right = visitor.sign_in("Sam", "takt-demo").await;
    assert_eq!((right.status, right.location.as_deref()), (StatusCode::SEE_OTHER, Some("/")));
    let cookie = right.headers.get_all("set-cookie").iter().find_map(|cookie| cookie.to_str().ok());
    assert!(cookie.is_some_and(|cookie| cookie.contains("HttpOnly; SameSite=Lax")), "{cookie:?}");
    let inbox = visitor.get("/").await;
    assert_eq!(inbox.status, StatusCode::OK);

    let csrf = inbox.field("csrf");
    let stolen = visitor.cookies.clone();
    assert_eq!(visitor.post("/sign-out", &[("csrf", &csrf)]).await.location.as_deref(), Some("/sign-in"));
    visitor.cookies = stolen;
    assert_eq!(visitor.get("/").await.status, StatusCode::SEE_OTHER, "the session is over on the server too");

    let mut db = console.store.connection().await.expect("a connection");
    let trail = audit::recent(&mut db, 10).await.expect("the audit").into_iter();
    let actions: Vec<_> =
        trail.map(|entry| entry.action).filter(|action| action.starts_with("sign_in")).collect();
    assert_eq!(actions, ["sign_in", "sign_in.refused", "sign_in.refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_passwords_is_slowed_down() {
    let console = Console::start().await;
    let mut visitor = console.visitor();
    // A slow machine wins a guess back every twelve seconds, so the fifth need not be the last.
    let mut guesses = 0;
    while visitor.sign_in("lee", "guess").await.status == StatusCode::UNAUTHORIZED {
        guesses += 1;
        assert!(guesses < 30, "guessing goes on and on");
    }
    assert!(guesses >= 5, "{guesses} guesses");
    assert_eq!(visitor.sign_in("lee", "takt-demo").await.status, StatusCode::TOO_MANY_REQUESTS);
    let other = visitor.sign_in("sam", "takt-demo").await;
    assert_eq!(other.status, StatusCode::SEE_OTHER, "others are not locked out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_back_after_sign_in_but_never_elsewhere() {
    let console = Console::start().await;
    let mut visitor = console.visitor();
    for (next, led) in
        [("/runs?show=open", "/runs?show=open"), ("//evil.example", "/"), ("https://evil.example", "/")]
    {
        let form = visitor.get("/sign-in").await;
        let proof = form.field("proof");
        let fields = [("proof", proof.as_str()), ("next", next), ("name", "sam"), ("password", "takt-demo")];
        let page = visitor.post("/sign-in", &fields).await;
        assert_eq!(page.location.as_deref(), Some(led));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_page_changes_nothing() {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    let mut sam = console.signed_in("sam").await;
    let choice = [("decision", "choose"), ("choice", "1"), ("proposal", "hash-of-the-proposal")];
    let guess = "0".repeat(48);
    let forged = [choice.as_slice(), &[("csrf", guess.as_str())]].concat();
    for fields in [choice.as_slice(), forged.as_slice()] {
        let page = sam.post(&format!("/gates/{gate}/answer"), fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(
        sam.post(&format!("/runs/{run}/cancel"), &[("reason", "x")]).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(sam.post("/sign-out", &[]).await.status, StatusCode::FORBIDDEN);
    let mut db = console.store.connection().await.expect("a connection");
    assert!(gates::vote(&mut db, gate).await.expect("asking").is_none());
    // Signing in as somebody else behind a person's back needs a form of ours too.
    let page = console.visitor().post("/sign-in", &[("name", "sam"), ("password", "takt-demo")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_carry_no_script_and_no_style_of_their_own() {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    let mut sam = console.signed_in("sam").await;
    let paths = [
        "/".to_owned(),
        "/runs".into(),
        "/events".into(),
        "/status".into(),
        format!("/runs/{run}"),
        format!("/gates/{gate}"),
    ];
    for path in paths {
        let page = sam.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let policy = page.headers["content-security-policy"].to_str().expect("a policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["cache-control"], "no-store");
        for forbidden in ["<script>", "<style", " style=", " onclick=", "javascript:"] {
            assert!(!page.text.contains(forbidden), "{path} has {forbidden}");
        }
    }
}
