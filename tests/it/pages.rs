//! The console in a real Chromium: on a phone and on a desktop, with scripts and without.
//!
//! Every journey leaves pictures in `target/tmp/pages/` for people to look at.

use crate::support::{
    browser::{Browser, DESKTOP, PHONE, Window},
    console::{Console, PASSWORD},
    seed,
};
use std::time::{Duration, Instant};
use takt::{
    gate::{Answer, Decision, decide},
    run::GateId,
    workflow::{
        Place,
        problem::{Problem, Severity},
    },
};

/// Longer than any journey takes on a slow machine.
const JOURNEY_MAX: Duration = Duration::from_secs(180);

async fn answer_a_question(window: Window, name: &str) {
    let journey = tokio::time::timeout(JOURNEY_MAX, journey(window, name));
    journey.await.expect("the journey comes to its end");
}

/// Signs in, opens the question from the inbox, compares the options and chooses the first.
async fn journey(window: Window, name: &str) {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    seed::tell(&console, run, "production_supervisor", "PRESS-2 runs again", "Down for 14 minutes.").await;
    let browser = Browser::open(&console.url, window).await;
    browser.go("/").await;
    browser.picture(&format!("{name}-1-sign-in")).await;
    browser.sign_in("sam", PASSWORD).await;
    let question = browser.see("a.question").await;
    assert!(question.contains("PRESS-4 down") && question.contains("15 min left"), "{question}");
    assert_eq!(
        browser.texts("noscript meta").await.is_empty(),
        window.scripts,
        "scripts are as they should be"
    );
    browser.picture(&format!("{name}-2-inbox")).await;
    browser.go(&format!("/runs/{run}")).await;
    let headline = browser.see(".headline").await;
    assert_eq!(headline, "Waiting for Sam (production supervisor), 15 min left");
    browser.picture(&format!("{name}-3-run")).await;
    browser.go("/").await;
    browser.tap("a.question").await;
    see_three_options(&browser, window).await;
    browser.picture(&format!("{name}-4-gate")).await;
    browser.tap(".option:first-child button").await;
    let answered = browser.see(".answered").await;
    assert!(answered.contains("Sam Carter chose 1: Least late"), "{answered}");
    assert!(answered.contains("in the console"), "{answered}");
    assert!(browser.texts(".option button").await.is_empty(), "the buttons are gone");
    browser.picture(&format!("{name}-5-answered")).await;
    assert_answered(&console, gate).await;
    browser.close().await;
}

async fn see_three_options(browser: &Browser, window: Window) {
    browser.see(".options").await;
    let titles = browser.texts(".option h2").await;
    assert_eq!(titles, ["Least late", "Fewest moves", "Wait for the repair"]);
    let places = browser.places(".option").await;
    for pair in places.windows(2) {
        let beside = pair[1].left >= pair[0].left + pair[0].width - 1.0;
        assert!(beside && (pair[1].top - pair[0].top).abs() < 1.0, "options stand side by side: {places:?}");
    }
    let last = places[2];
    assert!(last.left + last.width <= f64::from(window.width), "nothing is cut off: {places:?}");
    for button in browser.places(".option button").await {
        assert!(button.height >= 44.0 && button.width >= 44.0, "too small to tap: {button:?}");
    }
}

/// Every page at the width of a phone, light and dark.
async fn leaf_through(window: Window, name: &str) {
    let console = Console::start().await;
    let (run, gate) = seed::three_plans(&console).await;
    let (note, points) = (seed::handover(&console).await, seed::points(&console).await);
    let finding = Problem {
        code: "T009",
        severity: Severity::Error,
        path: "workflows/downtime_escalation.yaml".into(),
        place: Place { line: 70, column: 11 },
        message: "there is no tool `schedule.resequenze`".into(),
        fix: Some("did you mean `schedule.resequence`?".into()),
    };
    console.problems.lock().expect("problems").push(finding);
    let browser = Browser::open(&console.url, window).await;
    browser.go("/").await;
    browser.sign_in("sam", PASSWORD).await;
    seed::finish(&console, run, gate).await;
    let pages = [
        ("inbox", "/".to_owned()),
        ("runs", "/runs".into()),
        ("run", format!("/runs/{run}#step-triage")),
        ("gate", format!("/gates/{gate}")),
        ("note", format!("/gates/{note}")),
        ("points", format!("/gates/{points}")),
        ("events", "/events".into()),
        ("health", "/status".into()),
        ("nothing", "/runs/none".into()),
    ];
    for (page, path) in pages {
        browser.go(&path).await;
        browser.see("h1").await;
        for summary in ["#step-triage summary", "#edit summary", "#chart-2 summary"] {
            if !browser.texts(summary).await.is_empty() {
                browser.tap(summary).await;
            }
        }
        browser.picture(&format!("{name}-{page}")).await;
        let width = browser.page_width().await;
        assert!(width <= f64::from(window.width), "{page} is {width} wide");
    }
    browser.close().await;
}

async fn assert_answered(console: &Console, gate: GateId) {
    let mut db = console.store.connection().await.expect("a connection");
    let vote = takt::store::gates::vote(&mut db, gate).await.expect("the vote").expect("an answer");
    assert_eq!(
        (vote.person.as_str(), vote.decision.as_str(), vote.channel.as_str()),
        ("sam", "choose", "web")
    );
    assert_eq!(vote.body["choice"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_on_a_phone() {
    answer_a_question(PHONE, "phone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_on_a_desktop() {
    answer_a_question(DESKTOP, "desktop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_phone() {
    let pages = tokio::time::timeout(JOURNEY_MAX, leaf_through(PHONE, "leaf"));
    pages.await.expect("the last page is reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_small_phone_in_the_dark() {
    let small = Window { width: 360, dark: true, ..PHONE };
    let pages = tokio::time::timeout(JOURNEY_MAX, leaf_through(small, "dark"));
    pages.await.expect("the last page is reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_without_scripts() {
    answer_a_question(Window { scripts: false, ..PHONE }, "no-scripts").await;
}

/// Answered in a chat, while the page is open on a phone: it changes by itself, and says who answered where.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_changes_within_three_seconds_when_somebody_answers_elsewhere() {
    let console = Console::start().await;
    let (_, gate) = seed::three_plans(&console).await;
    let browser = Browser::open(&console.url, PHONE).await;
    browser.go("/").await;
    browser.sign_in("sam", PASSWORD).await;
    browser.go(&format!("/gates/{gate}")).await;
    browser.see(".options").await;
    let answer = Answer { choice: Some(1), ..Answer::of(Decision::Choose, "slack", "hash-of-the-proposal") };
    let begun = Instant::now();
    decide(&console.store, &console.site, gate, "sam", &answer).await.expect("taken");
    let answered = browser.see(".answered").await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(answered.contains("Sam Carter chose 1") && answered.contains("Slack"), "{answered}");
    browser.close().await;
}
