//! The pages' HTML as it stands, with ids and tokens made equal. Read the snapshots like pages.

use crate::support::{
    console::{Console, start},
    seed,
};
use reqwest::StatusCode;
use serde_json::json;
use takt::{
    run::EventId,
    store::events,
    workflow::{
        Place,
        problem::{Problem, Severity},
    },
};

/// Only what people see: without the frame, ids as `[id]`.
fn body(html: &str) -> String {
    let main = html.split("<main").nth(1).and_then(|rest| rest.split("</main>").next()).expect("a page");
    let words: Vec<&str> = main.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut text = words.join("\n");
    for (pattern, name) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]"),
        (r#"name="csrf" value="[0-9a-f]+""#, r#"name="csrf" value="[csrf]""#),
        ("seen(=|&#x3D;)[0-9a-f]{16}", "seen=[mark]"),
        ("<code>[0-9a-f]{12}</code>", "<code>[sha]</code>"),
        (r#"data-seconds-left="[0-9]+""#, r#"data-seconds-left="[seconds]""#),
        // The test's clock starts at ten past six and goes on while the test runs.
        (r#"datetime="2036-11-24T12:1[0-2]:[0-9]{2}Z""#, r#"datetime="[soon]""#),
    ] {
        text = regex::Regex::new(pattern).expect("a pattern").replace_all(&text, name).into_owned();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_before_and_after_its_answer() {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    seed::tell(&console, run, "production_supervisor", "PRESS-2 runs again", "Down for 14 minutes.").await;
    let mut sam = console.signed_in("sam").await;
    insta::assert_snapshot!("inbox", body(&sam.get("/").await.text));
    let page = sam.get(&format!("/gates/{gate}")).await;
    insta::assert_snapshot!("gate_open", body(&page.text));
    let csrf = page.field("csrf");
    let answer = [
        ("csrf", csrf.as_str()),
        ("proposal", "hash-of-the-proposal"),
        ("decision", "reject"),
        ("reason_code", "not_now"),
    ];
    assert_eq!(sam.post(&format!("/gates/{gate}/answer"), &answer).await.status, StatusCode::SEE_OTHER);
    insta::assert_snapshot!("gate_rejected", body(&sam.get(&format!("/gates/{gate}")).await.text));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_run() {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    seed::finish(&console, run, gate).await;
    let mut sam = console.signed_in("sam").await;
    insta::assert_snapshot!("run_ended", body(&sam.get(&format!("/runs/{run}")).await.text));
    insta::assert_snapshot!("runs", body(&sam.get("/runs").await.text));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_found_and_paged() {
    let console = Console::start().await;
    for number in 0..60 {
        seed::run(
            &console,
            "downtime_escalation",
            &format!("PRESS-{number:02} down"),
            json!({ "subject": "x" }),
        )
        .await;
    }
    let mut sam = console.signed_in("sam").await;
    let count = |page: &str| page.matches("class=\"row\"").count();
    let first = sam.get("/runs").await.text;
    assert_eq!(count(&first), 50);
    let older = first
        .split("<a class=\"button quiet\" href=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a link");
    let second = sam.get(&older.replace("&amp;", "&").replace("&#x3D;", "=")).await.text;
    assert_eq!(count(&second), 10);
    assert_eq!(count(&sam.get("/runs?q=press-07").await.text), 1);
    assert_eq!(count(&sam.get("/runs?show=ended").await.text), 0);
    assert_eq!(count(&sam.get("/runs?workflow=shift_handover").await.text), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_failed_can_be_fired_again() {
    let console = Console::start().await;
    let event = events::NewEvent {
        id: EventId::new(),
        source: "plex".into(),
        source_id: "msg-1".into(),
        kind: "plex.work_center_status".into(),
        subject: Some("PRESS-4".into()),
        time: Some(start()),
        data: json!({ "work_center": "PRESS-4" }),
        trace: None,
        plant: None,
    };
    let mut db = console.store.connection().await.expect("a connection");
    events::insert(&mut db, &event).await.expect("an event");
    events::mark(&mut db, event.id.0, "failed", Some("downtime_escalation: no such key: status"))
        .await
        .expect("failed");
    let mut sam = console.signed_in("sam").await;
    let page = sam.get("/events?show=failed").await;
    insta::assert_snapshot!("events_failed", body(&page.text));
    let csrf = page.field("csrf");
    let fired = sam.post(&format!("/events/{}/fire-again", event.id), &[("csrf", &csrf)]).await;
    assert_eq!(fired.status, StatusCode::SEE_OTHER);
    let event = events::get(&mut db, event.id.0).await.expect("asking").expect("the event");
    assert_eq!((event.state.as_str(), event.note), ("new", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_for_probes_and_for_people() {
    let console = Console::start().await;
    let finding = Problem {
        code: "T009",
        severity: Severity::Error,
        path: "workflows/downtime_escalation.yaml".into(),
        place: Place { line: 12, column: 5 },
        message: "there is no tool `plex.order`".into(),
        fix: Some("did you mean `plex.orders_affected`?".into()),
    };
    console.problems.lock().expect("problems").push(finding);
    let mut db = console.store.connection().await.expect("a connection");
    events::count_rejection(&mut db, "plant", "signature-invalid").await.expect("a count");
    let probe = console.visitor().get("/health").await;
    let health: serde_json::Value = serde_json::from_str(&probe.text).expect("JSON");
    assert_eq!((probe.status, health["status"].as_str()), (StatusCode::OK, Some("degraded")));
    assert_eq!((&health["workers"], &health["intake_rejections"]), (&json!(0), &json!(1)));
    let mut sam = console.signed_in("sam").await;
    insta::assert_snapshot!("status", body(&sam.get("/status").await.text));
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_are_listed_and_drawn() {
    let console = Console::start().await;
    let mut sam = console.signed_in("sam").await;
    insta::assert_snapshot!("workflows", body(&sam.get("/workflows").await.text));
    let page = sam.get("/workflows/downtime_escalation").await.text;
    for shown in
        ["<svg", "asks production_supervisor + plan", "plex.update_sequence", "a step failed for good"]
    {
        assert!(page.contains(shown), "no {shown} in {page}");
    }
    assert_eq!(sam.get("/workflows/no_such").await.status, StatusCode::NOT_FOUND);
}
