//! The trail in the console, and what a refused answer leaves.

use super::{SITE, ZONE, fill, key, purge, seal};
use crate::support::{
    browser::{Browser, DESKTOP, PHONE},
    console::{Console, PASSWORD},
    seed,
};
use reqwest::StatusCode;
use takt::{
    audit::{Keeper, Retention, take_checkpoint},
    gate::{Answer, Decision, decide},
    store::{audit, clock, upkeep},
};
use tokio_util::sync::CancellationToken;

fn answer(decision: Decision, choice: Option<usize>, hash: &str) -> Answer {
    Answer { choice, reason: Some("it fits".into()), ..Answer::of(decision, "web", hash) }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_and_every_refusal_leaves_a_record() {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    let give = async |person: &str, answer: Answer| {
        decide(&console.store, &console.site, gate, person, &answer).await
    };
    assert!(give("mia", answer(Decision::Choose, Some(1), "hash-of-the-proposal")).await.is_err());
    assert!(give("sam", answer(Decision::Choose, Some(1), "another")).await.is_err());
    assert!(give("nobody-at-all", answer(Decision::Choose, Some(1), "x")).await.is_err());
    assert!(give("sam", answer(Decision::Choose, Some(2), "hash-of-the-proposal")).await.is_ok());
    // The same again is the same answer, and stands there as such.
    assert!(give("sam", answer(Decision::Choose, Some(2), "hash-of-the-proposal")).await.is_ok());
    let mut db = console.store.connection().await.expect("a connection");
    let filter = audit::Filter { action: Some("gate".into()), ..audit::Filter::default() };
    let mut all = audit::list(&mut db, &filter, 20).await.expect("the trail");
    all.reverse();
    let told: Vec<(&str, &str, &str)> = all
        .iter()
        .map(|entry| (entry.actor.as_str(), entry.action.as_str(), entry.actor_kind.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("mia", "gate.refused", "person"),
            ("sam", "gate.refused", "person"),
            ("nobody-at-all", "gate.refused", "unknown"),
            ("sam", "gate.choose", "person"),
            ("sam", "gate.repeated", "person"),
        ]
    );
    assert!(
        all[1].detail["because"].as_str().is_some_and(|because| because.contains("has changed")),
        "{:?}",
        all[1]
    );
    let taken = &all[3];
    assert_eq!((taken.run_id, taken.auth.as_deref()), (Some(run.0), Some("web")));
    assert_eq!(taken.detail["overridden"], true, "the second option is not the one that stood first");
    assert!(taken.detail["chosen"]["title"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_for_those_who_may_order_and_finds_by_person_action_and_run() {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    let given = answer(Decision::Choose, Some(1), "hash-of-the-proposal");
    decide(&console.store, &console.site, gate, "sam", &given).await.expect("an answer");
    let mut mia = console.signed_in("mia").await;
    assert_eq!(mia.get("/audit").await.status, StatusCode::FORBIDDEN);
    assert!(!mia.get("/status").await.text.contains("/audit"));
    assert!(!mia.get(&format!("/runs/{run}")).await.text.contains("/audit"));
    let mut sam = console.signed_in("sam").await;
    let link = format!("/audit?run={run}");
    assert!(sam.get(&format!("/runs/{run}")).await.text.contains(&link));
    assert!(sam.get("/status").await.text.contains("href=\"/audit\""));
    let rows = |text: &str| text.matches("<li class=\"row\">").count();
    let of_run = sam.get(&link).await.text;
    assert!(rows(&of_run) == 1 && of_run.contains("chose"), "{of_run}");
    let sign_ins = sam.get("/audit?action=sign_in&actor=mia").await.text;
    assert!(rows(&sign_ins) == 1 && sign_ins.contains("signed in"), "{sign_ins}");
    assert_eq!(rows(&sam.get("/audit?q=no-such-thing").await.text), 0);
    assert_eq!(rows(&sam.get("/audit?until=2020-01-01").await.text), 0);
    assert!(rows(&sam.get("/audit?from=2020-01-01&until=").await.text) > 2);
    // More than a page: the next one goes on where this one ends.
    let mut db = console.store.connection().await.expect("a connection");
    fill(&mut db, 1, 60).await;
    let first = sam.get("/audit?actor=sam&action=gate").await.text;
    let next = first
        .split("href=\"/audit?before")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a next page");
    let next = format!("/audit?before{next}").replace("&amp;", "&").replace("&#x3D;", "=");
    assert_eq!((rows(&first), rows(&sam.get(&next).await.text)), (50, 11));
}

/// Pictures in `target/tmp/pages/` for people to look at.
#[tokio::test(flavor = "multi_thread")]
async fn the_trail_fits_a_phone_and_a_desktop() {
    let console = Console::start().await;
    let mut db = console.store.connection().await.expect("a connection");
    fill(&mut db, 1, 1).await;
    seal(&mut db).await;
    let now = clock::now(&mut db).await.expect("the time");
    assert_eq!(purge(&mut db, now).await, 1);
    let (_, gate) = seed::three_plans(&console).await;
    let given = answer(Decision::Choose, Some(2), "hash-of-the-proposal");
    assert!(decide(&console.store, &console.site, gate, "mia", &given).await.is_err());
    decide(&console.store, &console.site, gate, "sam", &given).await.expect("an answer");
    take_checkpoint(&mut db, SITE, ZONE, &key().0, None).await.expect("a checkpoint");
    for (window, name) in [(PHONE, "audit-phone"), (DESKTOP, "audit-desktop")] {
        let browser = Browser::open(&console.url, window).await;
        browser.go("/audit").await;
        browser.sign_in("sam", PASSWORD).await;
        browser.see("ul.trail").await;
        assert!(browser.page_width().await <= f64::from(window.width), "{name} scrolls sideways");
        browser.picture(name).await;
        browser.close().await;
    }
}

/// What the nightly check finds is told wherever people and programs look.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_chain_is_told_everywhere() {
    let console = Console::start().await;
    let mut db = console.store.connection().await.expect("a connection");
    fill(&mut db, 1, 3).await;
    seal(&mut db).await;
    let mut tx = console.store.begin().await.expect("a transaction");
    let forged =
        "set local session_replication_role = replica; update audit_record set actor = 'eve' where id = 6";
    sqlx::raw_sql(forged).execute(&mut *tx).await.expect("forging");
    tx.commit().await.expect("forging");
    let keeper = Keeper {
        store: console.store.clone(),
        site: SITE.into(),
        zone: ZONE,
        key: None,
        folder: None,
        details: None,
        retention: Retention::ForGood,
    };
    let stop = CancellationToken::new();
    let keeper = tokio::spawn(keeper.run(stop.clone()));
    let begun = std::time::Instant::now();
    let found = loop {
        let last = upkeep::last(&mut db).await.expect("the tasks");
        let verify = last.into_iter().find(|last| last.task == "verify").expect("the task");
        if verify.done_at.is_some() {
            break verify.findings();
        }
        assert!(begun.elapsed().as_secs() < 60, "nobody checked the trail");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    stop.cancel();
    keeper.await.expect("the keeper ends");
    let sentence = "The audit trail is broken: record 6 was changed";
    assert!(found[0].sentence.starts_with(sentence), "{found:?}");
    let mut sam = console.signed_in("sam").await;
    for page in ["/status", "/audit", "/health"] {
        let text = sam.get(page).await.text;
        assert!(text.contains(sentence), "{page}: {text}");
    }
}
