//! Orders from the console: only who may sees the buttons, and only their forms are taken.

use crate::support::{
    browser::{Browser, DESKTOP, PHONE},
    console::{Console, PASSWORD},
    seed,
};
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;
use takt::{
    run::{Change, Failure, RunId, StepPath},
    store::{audit, commits, control, journal, workers},
};

/// A run that failed at its first step.
async fn failed(console: &Console, title: &str) -> RunId {
    let trigger = json!({ "type": "plex.work_center_status", "subject": title, "work_center": title });
    let run = seed::run(console, "downtime_escalation", title, trigger).await;
    let failure = Failure::new("denied", "the ticket system does not let Takt in");
    let step = StepPath::root("incident");
    let records = vec![
        (1, "incident", Change::Started),
        (2, "incident", Change::Failed { failure: failure.clone() }),
        (2, "", Change::RunFailing { step: step.clone(), failure: failure.clone() }),
        (3, "", Change::RunEnded { outcome: "failed".into() }),
    ];
    seed::journal(console, run, records).await;
    let mut db = console.store.connection().await.expect("a connection");
    control::failed(&mut db, run, &step, &failure).await.expect("the failure");
    let worker = workers::register(&mut db, "seed", Duration::from_secs(60)).await.expect("a worker");
    let ended =
        commits::Ended { run: vec![run.0], at: vec![seed::at(3)], outcome: vec!["failed".to_owned()] };
    let settled = commits::Settled { untidy: ended.run.clone(), ended, ..commits::Settled::default() };
    let fence = commits::Fence { worker, epoch: 1 };
    commits::settle(&mut db, fence, &journal::Rows::default(), &settled).await.expect("the end");
    run
}

async fn target(console: &Console, run: RunId) -> control::Target {
    let mut db = console.store.connection().await.expect("a connection");
    control::look(&mut db, &[run.0]).await.expect("the run").pop().expect("the run")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_order_sees_no_buttons_and_is_refused() {
    let console = Console::start().await;
    let (run, _) = seed::three_plans(&console).await;
    let mut mia = console.signed_in("mia").await;
    let page = mia.get(&format!("/runs/{run}")).await;
    assert!(!page.text.contains("id=\"orders\""), "{}", page.text);
    assert!(!mia.get("/runs").await.text.contains("id=\"many\""));
    let csrf = page.field("csrf");
    for path in [format!("/runs/{run}/pause"), format!("/runs/{run}/cancel"), "/runs/bulk".to_owned()] {
        let fields = [("csrf", csrf.as_str()), ("reason", "x"), ("action", "cancel"), ("state", "open")];
        assert_eq!(mia.post(&path, &fields).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(target(&console, run).await.hold.is_none());
    let mut sam = console.signed_in("sam").await;
    let page = sam.get(&format!("/runs/{run}")).await;
    let csrf = page.field("csrf");
    assert!(page.text.contains(&format!("formaction=\"/runs/{run}/pause\"")), "{}", page.text);
    let paused = sam.post(&format!("/runs/{run}/pause"), &[("csrf", &csrf), ("reason", "looking")]).await;
    assert_eq!(paused.status, StatusCode::SEE_OTHER);
    assert_eq!(target(&console, run).await.hold.as_deref(), Some("paused"));
    let again = sam.post(&format!("/runs/{run}/pause"), &[("csrf", &csrf), ("reason", "looking")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("it is paused already"), "{}", again.text);
    let mut db = console.store.connection().await.expect("a connection");
    let rows = audit::recent(&mut db, 10).await.expect("the audit");
    let row = rows.iter().find(|row| row.action == "run.pause").expect("an audit row");
    assert_eq!((row.actor.as_str(), &row.detail["reason"]), ("sam", &json!("looking")));
    assert_eq!(row.object.as_deref(), Some(run.to_string().as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_retried_or_dismissed_from_the_list() {
    let console = Console::start().await;
    let (first, second) = (failed(&console, "PRESS-1").await, failed(&console, "PRESS-2").await);
    let mut sam = console.signed_in("sam").await;
    let page = sam.get("/attention").await;
    assert!(page.text.contains("the ticket system does not let Takt in"), "{}", page.text);
    let csrf = page.field("csrf");
    let fields = [("csrf", csrf.as_str()), ("reason", "let in again"), ("back", "/attention")];
    let answer = sam.post(&format!("/runs/{first}/retry"), &fields).await;
    assert_eq!((answer.status, answer.location.as_deref()), (StatusCode::SEE_OTHER, Some("/attention")));
    assert_eq!(target(&console, first).await.state.as_deref(), Some("ready"));
    sam.post(&format!("/runs/{second}/dismiss"), &fields).await;
    let page = sam.get("/attention").await;
    assert!(page.text.contains("Nothing."), "{}", page.text);
    let story = sam.get(&format!("/runs/{first}")).await.text;
    assert!(story.contains("sam let it go on from where it failed: let in again"), "{story}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_are_looked_at_before_they_are_changed() {
    let console = Console::start().await;
    let run = failed(&console, "PRESS-1").await;
    let mut sam = console.signed_in("sam").await;
    let csrf = sam.get("/runs").await.field("csrf");
    let fields = [("csrf", csrf.as_str()), ("action", "dismiss"), ("state", "failed"), ("reason", "known")];
    let look = sam.post("/runs/bulk", &fields).await;
    assert!(look.text.contains("1 run would be changed"), "{}", look.text);
    assert!(target(&console, run).await.dismissed_at.is_none());
    let really = [fields.as_slice(), &[("really", "yes")]].concat();
    let done = sam.post("/runs/bulk", &really).await;
    assert!(done.text.contains("1 run changed"), "{}", done.text);
    assert!(target(&console, run).await.dismissed_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_by_hand() {
    let console = Console::start().await;
    let mut mia = console.signed_in("mia").await;
    let page = mia.get("/runs").await;
    assert!(page.text.contains("action=\"/workflows/customer_order_risk/runs\""), "{}", page.text);
    assert!(!page.text.contains("/workflows/downtime_escalation/runs"), "its events start it: {}", page.text);
    let csrf = page.field("csrf");
    let path = "/workflows/customer_order_risk/runs";
    let wrong = [("csrf", csrf.as_str()), ("input-order", "SO-4001-1"), ("input-minutes_late", "soon")];
    let refused = mia.post(path, &wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("must be a number"), "{}", refused.text);
    assert!(refused.text.contains("value=\"SO-4001-1\""), "what was typed is kept: {}", refused.text);
    let right = [("csrf", csrf.as_str()), ("input-order", "SO-4001-1"), ("input-minutes_late", "30")];
    let started = mia.post(path, &right).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER);
    let id = started.location.expect("the run").replace("/runs/", "");
    let mut db = console.store.connection().await.expect("a connection");
    let records = journal::load(&mut db, id.parse().expect("an id")).await.expect("its journal");
    let Change::RunStarted(start) = &records[0].change else { panic!("{records:?}") };
    assert_eq!(start.started_by.as_deref(), Some("mia"));
    assert_eq!(start.inputs["minutes_late"], json!(30));
    let rows = audit::recent(&mut db, 10).await.expect("the audit");
    let row = rows.iter().find(|row| row.action == "run.start").expect("an audit row");
    assert_eq!((row.actor.as_str(), row.object.as_deref()), ("mia", Some(id.as_str())));
    let by_event = mia.post("/workflows/downtime_escalation/runs", &[("csrf", csrf.as_str())]).await;
    assert_eq!(by_event.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// Pictures in `target/tmp/pages/` for people to look at.
#[tokio::test(flavor = "multi_thread")]
async fn orders_fit_a_phone_and_a_desktop() {
    for (window, name) in [(PHONE, "control-phone"), (DESKTOP, "control-desktop")] {
        let console = Console::start().await;
        let run = failed(&console, "PRESS-1").await;
        failed(&console, "PRESS-2").await;
        let browser = Browser::open(&console.url, window).await;
        browser.go("/").await;
        browser.sign_in("sam", PASSWORD).await;
        let pages = [
            ("attention", "/attention".to_owned(), ""),
            ("run", format!("/runs/{run}"), "#orders summary"),
            ("runs", "/runs".into(), "#many summary"),
            ("start", "/runs".into(), "#start summary"),
        ];
        for (page, path, open) in pages {
            browser.go(&path).await;
            browser.see("h1").await;
            if !open.is_empty() {
                browser.tap(open).await;
            }
            browser.picture(&format!("{name}-{page}")).await;
            let sections = browser.places("nav.sections a").await;
            assert!(
                sections.len() == 6 && sections.iter().all(|one| one.top == sections[0].top),
                "{sections:?}"
            );
            let width = browser.page_width().await;
            assert!(width <= f64::from(window.width), "{page} is {width} wide");
        }
        browser.close().await;
    }
}
