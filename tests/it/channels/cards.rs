//! Cards follow their gate whatever became of it, also where no step says so: an answer whose worker is gone, a question
//! that was passed on, a run that was cancelled.

use super::{delivery, queue, queue_nth};
use crate::support::{
    console::Console,
    seed::{self, Question},
    slack::Workspace,
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use takt::{
    connector::slack::SlackNotifier,
    gate::{Answer, Decision, HandOver, decide, hand_over},
    run::{GateId, Reassign},
    store::{clock, gates},
    workflow::GateForm,
};

/// Delivers to the console's Slack until it stops.
fn deliver(console: &Console) {
    let settings = console.site.slack.as_ref().expect("Slack");
    let notifier = SlackNotifier::new(settings, console.site.time_zone).expect("a notifier");
    let running = delivery(console, Arc::new(notifier));
    tokio::spawn(running.run(console.hints.subscribe(), console.stop.clone()));
}

async fn cards(workspace: &Workspace) -> Vec<Value> {
    let read = reqwest::get(format!("{}/messages", workspace.base_url)).await.expect("an answer");
    read.json().await.expect("JSON")
}

/// Waits until the card with this title says something, and gives how long that took.
async fn says(workspace: &Workspace, title: &str, words: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let all = cards(workspace).await;
        let card = all.iter().find(|card| card.to_string().contains(title));
        if card.is_some_and(|card| card.to_string().contains(words)) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{title} does not say {words}: {all:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_became_of_a_question_its_card_says_so_without_a_step() {
    let workspace = Workspace::start(None).await;
    let own = workspace.settings();
    let console = Console::with(|site| site.slack = Some(own)).await;
    let (run, _) = seed::three_plans(&console).await;
    let mut asked: Vec<GateId> = Vec::new();
    for (path, title) in [("a", "Lot 7"), ("b", "Lot 8"), ("c", "Lot 9")] {
        let ask = json!({ "title": title, "allow": ["approve"], "role_title": "Production supervisor",
            "on_silence": "Without an answer it counts as rejected." });
        let question =
            Question { path, form: GateForm::Approve, role: "production_supervisor", ask, minutes: 15 };
        let gate = seed::ask(&console, run, question).await;
        queue(&console, run, gate, "slack").await;
        asked.push(gate);
    }
    deliver(&console);
    for title in ["Lot 7", "Lot 8", "Lot 9"] {
        says(&workspace, title, ":approve").await;
    }

    let answer = Answer::of(Decision::Approve, "mail", "hash-of-the-proposal");
    decide(&console.store, &console.site, asked[0], "sam", &answer).await.expect("taken");
    let took = says(&workspace, "Lot 7", "Sam Carter approved at ").await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    let mut db = console.store.connection().await.expect("a connection");
    let to = Reassign {
        gate: asked[1],
        role: None,
        person: Some("gus".into()),
        people: Vec::new(),
        rung: 1,
        expires_at: seed::at(3600),
    };
    gates::reassign(&mut db, &to, seed::at(60)).await.expect("passed on");
    gates::close(&mut db, &[asked[2].0]).await.expect("closed");
    let passed = says(&workspace, "Lot 8", "passed on to Gus Meyer at ").await;
    let closed = says(&workspace, "Lot 9", "nobody has to answer this any more").await;
    assert!(passed + closed < Duration::from_secs(3), "{passed:?} {closed:?}");
    let all = cards(&workspace).await;
    assert!(all.iter().all(|card| !card["blocks"].to_string().contains(":approve")), "{all:#?}");
    assert_eq!(all.len(), 3, "changed in place");
}

/// A card in Slack that Sam and Lee have to agree on.
async fn of_two(workspace: &Workspace) -> (Console, GateId) {
    let own = workspace.settings();
    let console = Console::with(|site| {
        site.slack = Some(own);
        let lee = site.people.iter_mut().find(|person| person.id == "lee").expect("Lee");
        lee.roles.push("production_supervisor".into());
    })
    .await;
    let (run, gate) = seed::three_plans(&console).await;
    let two = sqlx::query("update gate set quorum = 2 where id = $1").bind(gate.0);
    two.execute(console.store.pool()).await.expect("a quorum");
    queue(&console, run, gate, "slack").await;
    deliver(&console);
    says(workspace, "PRESS-4", "Choose 1").await;
    (console, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_says_how_far_it_is_answered_and_keeps_its_buttons_until_enough_agree() {
    let workspace = Workspace::start(None).await;
    let (console, gate) = of_two(&workspace).await;

    let answer = Answer { choice: Some(1), ..Answer::of(Decision::Choose, "mail", "hash-of-the-proposal") };
    let first = decide(&console.store, &console.site, gate, "sam", &answer).await.expect("taken");
    assert_eq!(first.progress.as_deref(), Some("1 of 2 chose 1: Sam Carter"));
    says(&workspace, "PRESS-4", "1 of 2 chose 1: Sam Carter").await;
    let card = cards(&workspace).await.into_iter().find(|card| card.to_string().contains("PRESS-4"));
    assert!(card.expect("the card").to_string().contains("Choose 2"), "its buttons are still there");

    let second = decide(&console.store, &console.site, gate, "lee", &answer).await.expect("taken");
    assert_eq!(second.progress, None);
    says(&workspace, "PRESS-4", "Lee Tanaka chose 1 at ").await;
    let card = cards(&workspace).await.into_iter().find(|card| card.to_string().contains("PRESS-4"));
    assert!(!card.expect("the card").to_string().contains("Choose 2"), "nothing is left to press");
}

/// A vote changes every card, and each stays the card it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_was_handed_over_keeps_its_words_and_gives_them_to_no_other() {
    let workspace = Workspace::start(None).await;
    let (console, gate) = of_two(&workspace).await;
    let mut db = console.store.connection().await.expect("a connection");
    let until = clock::now(&mut db).await.expect("the time") + chrono::TimeDelta::days(1);
    drop(db);
    let sam = console.site.person("sam").expect("Sam").clone();
    let wish = HandOver { delegate: "mia".into(), role: None, until, via: "web".into(), named_by: None };
    hand_over(&console.store, &console.site, &sam, &wish).await.expect("handed over");
    console.hints.tell();
    says(&workspace, "Sam Carter has handed this to you", "Choose 1").await;

    let answer = Answer { choice: Some(1), ..Answer::of(Decision::Choose, "mail", "hash-of-the-proposal") };
    decide(&console.store, &console.site, gate, "lee", &answer).await.expect("taken");
    says(&workspace, "Sam Carter has handed this to you", "1 of 2 chose 1: Lee Tanaka").await;
    let all = cards(&workspace).await;
    let with = |words: &str| all.iter().filter(|card| card.to_string().contains(words)).count();
    assert_eq!((with("has handed this to you"), with("PRESS-4 down")), (1, 2), "{all:#?}");
    decide(&console.store, &console.site, gate, "mia", &answer).await.expect("taken");
    says(&workspace, "PRESS-4 down", "Mia Novak for Sam Carter chose 1 at ").await;
    let begun = Instant::now();
    while cards(&workspace).await.iter().any(|card| card.to_string().contains("Choose 2")) {
        assert!(begun.elapsed() < Duration::from_secs(3), "both have nothing left to press");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// As the step writes it: whoever is asked next can answer where they read it, with the word of the first card.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_a_question_is_passed_on_to_gets_its_buttons() {
    let workspace = Workspace::start(None).await;
    let own = workspace.settings();
    let console = Console::with(|site| site.slack = Some(own)).await;
    let (run, gate) = seed::three_plans(&console).await;
    queue(&console, run, gate, "slack").await;
    deliver(&console);
    says(&workspace, "PRESS-4 down", ":choose.1").await;

    let mut db = console.store.connection().await.expect("a connection");
    let role = Some("plant_scheduler".to_owned());
    let to = Reassign { gate, role, person: None, people: Vec::new(), rung: 1, expires_at: seed::at(3600) };
    gates::reassign(&mut db, &to, seed::at(60)).await.expect("passed on");
    let title = json!("Passed on to Plant scheduler: PRESS-4");
    queue_nth(&console, run, gate, "slack", 1, |message| message["title"] = title).await;
    console.hints.tell();
    says(&workspace, "Passed on to Plant scheduler", &format!("{}:choose.1", seed::button_token(gate))).await;
    says(&workspace, "PRESS-4 down", "passed on to Plant scheduler at ").await;
    let answer = Answer { choice: Some(1), ..Answer::of(Decision::Choose, "slack", "hash-of-the-proposal") };
    decide(&console.store, &console.site, gate, "lee", &answer).await.expect("taken");
    says(&workspace, "Passed on to Plant scheduler", "Lee Tanaka chose 1 at ").await;
}
