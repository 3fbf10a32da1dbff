//! Answering: each form, and every way in which an answer is not taken.

use crate::support::{
    console::{Console, Page, Visitor},
    seed::{self, Question},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use takt::{run::GateId, store::gates, workflow::GateForm};

async fn vote(console: &Console, gate: GateId) -> Option<gates::Vote> {
    let mut db = console.store.connection().await.expect("a connection");
    gates::vote(&mut db, gate).await.expect("asking")
}

/// Sends an answer with the tokens of the page, as its forms do.
async fn answer(visitor: &mut Visitor, gate: GateId, fields: &[(&str, &str)]) -> Page {
    let path = format!("/gates/{gate}");
    let page = visitor.get(&path).await;
    let (csrf, proposal) = (page.field("csrf"), "hash-of-the-proposal");
    let fields = [&[("csrf", csrf.as_str()), ("proposal", proposal)], fields].concat();
    visitor.post(&format!("{path}/answer"), &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_is_taken_once_and_late_clicks_learn_who_was_faster() {
    let console = Console::start().await;
    let (_, gate) = seed::three_plans(&console).await;
    let mut sam = console.signed_in("sam").await;
    let page = answer(&mut sam, gate, &[("decision", "choose"), ("choice", "2")]).await;
    assert_eq!(page.location, Some(format!("/gates/{gate}")));
    let first = vote(&console, gate).await.expect("an answer");
    assert_eq!((first.person.as_str(), &first.body["choice"]), ("sam", &json!(2)));

    let shown = sam.get(&format!("/gates/{gate}")).await.text;
    assert!(shown.contains("Sam Carter chose 2: Fewest moves") && !shown.contains("Choose 1"), "{shown}");
    let again = answer(&mut sam, gate, &[("decision", "choose"), ("choice", "2")]).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "a double tap is the same answer");
    let late = answer(&mut sam, gate, &[("decision", "choose"), ("choice", "1")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.text.contains("Sam Carter answered this at"), "{}", late.text);
    assert_eq!(vote(&console, gate).await.expect("an answer").body["choice"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_asked_can_look_but_not_answer() {
    let console = Console::start().await;
    let (_, gate) = seed::three_plans(&console).await;
    let mut mia = console.signed_in("mia").await;
    let page = mia.get(&format!("/gates/{gate}")).await;
    assert!(page.text.contains("Only Production supervisor can answer this"), "{}", page.text);
    assert!(!page.text.contains("Choose 1"));
    assert!(mia.get("/").await.text.contains("Nothing waits for you."));
    let page = answer(&mut mia, gate, &[("decision", "choose"), ("choice", "1")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(vote(&console, gate).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_proposal_and_a_missing_reason_are_not_taken() {
    let console = Console::start().await;
    let (_, gate) = seed::three_plans(&console).await;
    let mut sam = console.signed_in("sam").await;
    let csrf = sam.get("/").await.field("csrf");
    let stale = [("csrf", csrf.as_str()), ("proposal", "older"), ("decision", "choose"), ("choice", "1")];
    let page = sam.post(&format!("/gates/{gate}/answer"), &stale).await;
    assert!(page.text.contains("The proposal has changed since you saw it"), "{}", page.text);
    let page = answer(&mut sam, gate, &[("decision", "reject"), ("reason", "no")]).await;
    assert!(
        page.status == StatusCode::CONFLICT && page.text.contains("Say why with one of"),
        "{}",
        page.text
    );
    let blank = [("decision", "reject"), ("reason_code", "other"), ("reason", "  ")];
    let page = answer(&mut sam, gate, &blank).await;
    assert!(
        page.status == StatusCode::CONFLICT && page.text.contains("Say why in a few words."),
        "{}",
        page.text
    );
    assert!(vote(&console, gate).await.is_none());
    answer(
        &mut sam,
        gate,
        &[("decision", "reject"), ("reason_code", "facts_wrong"), ("reason", "The facts are wrong")],
    )
    .await;
    let vote = vote(&console, gate).await.expect("an answer");
    assert_eq!((vote.decision.as_str(), vote.reason.as_deref()), ("reject", Some("The facts are wrong")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_changed_field_by_field() {
    let console = Console::start().await;
    let gate = seed::handover(&console).await;
    let mut sam = console.signed_in("sam").await;
    let broken =
        [("decision", "edit"), ("draft.summary", "mine"), ("draft.people", "12,"), ("reason", "typo")];
    let page = answer(&mut sam, gate, &broken).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.text.contains("“People” is no longer the kind of value"), "{}", page.text);
    assert!(page.text.contains("mine</textarea>"), "what was typed is kept: {}", page.text);
    let standing = r#"<h3>Summary</h3><p class="body">PRESS-4 was down for 3 h.</p>"#;
    assert!(page.text.contains(standing), "what a yes agrees to is the draft as it stands: {}", page.text);
    let changed = [
        ("decision", "edit"),
        ("draft.summary", "Down for 2 h."),
        ("draft.open_points", "Seal kit\r\nOil\r\n"),
        ("reason_code", "other"),
        ("reason", "typo"),
    ];
    assert_eq!(answer(&mut sam, gate, &changed).await.status, StatusCode::SEE_OTHER);
    let vote = vote(&console, gate).await.expect("an answer");
    assert_eq!(
        vote.body["edited"],
        json!({ "summary": "Down for 2 h.", "open_points": ["Seal kit", "Oil"], "people": 12 })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_item_is_answered_or_the_person_is_asked_again() {
    let console = Console::start().await;
    let gate = seed::points(&console).await;
    let mut sam = console.signed_in("sam").await;
    let page = answer(&mut sam, gate, &[("decision", "acknowledge"), ("item-1", "on")]).await;
    assert!(page.status == StatusCode::CONFLICT && page.text.contains("Answer every item."), "{}", page.text);
    assert!(page.text.contains(r#"name="item-1" checked"#), "the first tick is kept: {}", page.text);
    assert_eq!(
        page.text.matches("Tick this, or write").count(),
        1,
        "only the second is missing: {}",
        page.text
    );
    let done = [("decision", "acknowledge"), ("item-1", "on"), ("note-2", "Which coil?")];
    assert_eq!(answer(&mut sam, gate, &done).await.status, StatusCode::SEE_OTHER);
    let items: Value = vote(&console, gate).await.expect("an answer").body["items"].clone();
    assert_eq!(
        items,
        json!([{ "acknowledged": true, "note": null }, { "acknowledged": false, "note": "Which coil?" }])
    );
    let shown = sam.get(&format!("/gates/{gate}")).await.text;
    assert!(shown.contains("✓ acknowledged") && shown.contains("Which coil?"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_words_are_shown_as_words() {
    let console = Console::start().await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=y>";
    let run =
        seed::run(&console, "downtime_escalation", evil, json!({ "subject": evil, "type": evil })).await;
    let option = json!({ "title": evil, "rationale": evil, "facts": [{ "label": evil, "value": evil }] });
    let ask = json!({ "title": evil, "body": evil, "why": evil, "options": [option], "items": [{ "title": evil }],
        "draft": evil, "allow": ["choose", "edit", "reject", "acknowledge", "approve"], "on_silence": evil, "role_title": evil });
    let gate = seed::ask(
        &console,
        run,
        Question { path: "approve", form: GateForm::Choose, role: "production_supervisor", ask, minutes: 15 },
    )
    .await;
    seed::tell(&console, run, "production_supervisor", evil, evil).await;
    seed::journal(&console, run, vec![(1, evil, takt::run::Change::Started)]).await;
    let mut sam = console.signed_in("sam").await;
    for path in ["/".to_owned(), "/runs".into(), format!("/runs/{run}"), format!("/gates/{gate}")] {
        let page = sam.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.text.contains("&lt;script&gt;"), "{path}");
        assert!(!page.text.contains("<script>") && !page.text.contains("<img"), "{path}: {}", page.text);
    }
}
