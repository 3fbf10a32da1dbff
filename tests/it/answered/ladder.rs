//! Reminders and a whole ladder, to its end, on the two nights on which the clocks change: what was promised in minutes
//! comes after so many minutes, and goes to whoever is there then. Who comes on shift gets the question itself, and who
//! went home before it was passed on is not asked.

use super::{TOKEN, answer, begin, open, plant_with, replaced};
use crate::support::{peer::Peer, plant::Plant};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use takt::{
    run::{Change, RunId},
    store::{audit, clock, gates, hints},
};

const REMIND_MINUTES: i64 = 20;
const ASKED: &str = "Lot: agree: answer by ";
const REMINDED: &str = "Still open: Lot: agree";

fn asks(expires: &str) -> String {
    format!(
        "
workflow: lot
title: Lot
owner: test
trigger: {{ event: test.ask }}
steps:
  - id: agree
    gate: approve
    ask: production_supervisor
    remind: {REMIND_MINUTES}m
    expires: {expires}
    on_expire: escalate
"
    )
}

/// The night shift ends at half past two: in March half an hour of it is never on the clock, in November an hour of it
/// twice. Kai leads it; Sam is the supervisor of the morning, and Ivo its shift lead.
fn site(yaml: &str, mail: &Value) -> String {
    let days = "days: [mon, tue, wed, thu, fri]";
    let week = [
        (
            format!("starts: \"06:00\", ends: \"14:00\", {days}, overtime: [sat]"),
            "starts: \"02:30\", ends: \"14:00\"",
        ),
        (
            format!("starts: \"14:00\", ends: \"22:00\", {days}, overtime: [sat]"),
            "starts: \"14:00\", ends: \"22:00\"",
        ),
        (format!("starts: \"22:00\", ends: \"06:00\", {days}"), "starts: \"22:00\", ends: \"02:30\""),
    ];
    let yaml = week.iter().fold(yaml.to_owned(), |yaml, (from, to)| replaced(&yaml, from, to));
    let ladder = "production_ladder:\n    - { ask: plant_scheduler, within: 15m }";
    let yaml = replaced(&yaml, ladder, "production_ladder:\n    - { ask: shift_lead, within: 45m }");
    let server = "  host: ${env:SMTP_HOST}\n  user: ${env:SMTP_USER}\n  password: ${env:SMTP_PASSWORD}\n";
    replaced(&yaml, server, &format!("  host: 127.0.0.1\n  port: \"{mail}\"\n  encryption: none\n"))
}

async fn set(plant: &Plant, to: DateTime<Utc>) {
    let mut db = plant.store.connection().await.expect("a connection");
    clock::set(&mut db, to).await.expect("the clock is set");
    hints::send(&plant.store).await.expect("a hint");
}

/// Kind, and minutes after the question, of everything that was said about it.
async fn said(plant: &Plant, gate: &gates::Gate) -> Vec<(String, TimeDelta)> {
    let said = "select message ->> 'kind', created_at from outbox where gate_id = $1 and channel = 'console'
                order by created_at";
    let said: Vec<(String, DateTime<Utc>)> =
        sqlx::query_as(said).bind(gate.id).fetch_all(plant.store.pool()).await.expect("messages");
    said.into_iter().map(|(kind, at)| (kind, at - gate.opened_at)).collect()
}

/// A link for each answer.
fn has_links(text: &str, gate: &gates::Gate) -> bool {
    let has = |word: &str| text.contains(&format!("?answer={word}"));
    text.contains(&format!("/answer/{}/", gate.id)) && has("approve") && has("reject")
}

/// Kai leads the shift that was on when it was first asked: the shift lead was asked only after its end.
async fn is_not_asked(plant: &Plant, gate: &gates::Gate, person: &str) {
    let (status, said) = answer(plant, TOKEN, gate, person, json!({ "decision": "approve" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
    assert!(said.contains("only Shift lead can answer this"), "{said}");
}

/// Asks at this time, and then moves the clock to each of these minutes: who is written to, and how it begins.
async fn night(asked_at: &str, expires: &str, then: &[(i64, &str, &str)], ends_after: i64) {
    let mut mails = Peer::start("mail_server.py").await;
    let mut plant = plant_with(&asks(expires), |yaml| site(&yaml, &mails.ready)).await;
    set(&plant, asked_at.parse().expect("a time")).await;
    plant.serve(None).await;
    begin(&plant, "lot 7").await;
    let gate = open(&plant, "the question", |_| true).await;
    let mut heard = async |minutes: i64, person: &str, begins: &str| {
        let mail = mails.line().await;
        assert_eq!(
            mail["to"],
            serde_json::json!([format!("{person}@plant1.example")]),
            "+{minutes}: {mail:#}"
        );
        let subject = mail["subject"].as_str().unwrap_or_default();
        assert!(subject.starts_with(begins), "+{minutes}: {subject}");
        let text = mail["text"].as_str().unwrap_or_default();
        assert_eq!(has_links(text, &gate), begins != REMINDED, "+{minutes}: {text}");
        let names_others = person == "sam" && text.contains("Kai Lindqvist");
        assert!(!names_others, "+{minutes}: {text}");
    };
    heard(0, "kai", ASKED).await;
    for (minutes, person, begins) in then {
        set(&plant, gate.opened_at + TimeDelta::minutes(*minutes)).await;
        heard(*minutes, person, begins).await;
        if begins.starts_with("Passed on to Shift lead") {
            is_not_asked(&plant, &gate, "kai").await;
        }
    }
    set(&plant, gate.opened_at + TimeDelta::minutes(ends_after)).await;
    let outcome = plant
        .until("the run to end", async || match &plant.records(RunId(gate.run_id)).await.last()?.change {
            Change::RunEnded { outcome } => Some(outcome.clone()),
            _ => None,
        })
        .await;
    assert_eq!(outcome, "failed", "nobody answered, and silence approves nothing");

    let mut db = plant.store.connection().await.expect("a connection");
    let filter = audit::Filter { action: Some("gate.escalated".into()), ..audit::Filter::default() };
    let mut trail = audit::list(&mut db, &filter, 10).await.expect("the trail");
    drop(db);
    trail.reverse();
    let ids = |entry: &audit::Entry| {
        let people = entry.detail["people"].as_array().into_iter().flatten();
        people.map(|person| person["id"].clone()).collect()
    };
    let sealed: Vec<Vec<Value>> = trail.iter().map(ids).collect();
    let passed_on = then.iter().filter(|(.., begins)| begins.starts_with("Passed on"));
    let wanted: Vec<Vec<Value>> = passed_on.map(|(_, person, _)| vec![Value::from(*person)]).collect();
    assert_eq!(sealed, wanted, "whom it was passed on to is sealed");

    let said = said(&plant, &gate).await;
    // The step says nothing at the change of the shift, and what it reminds of comes as the question to who has come.
    let steps: Vec<_> = then
        .iter()
        .filter(|(minutes, _, begins)| *begins != ASKED || minutes % REMIND_MINUTES == 0)
        .collect();
    let expected = |begins: &str| if begins.starts_with("Passed on") { "ask" } else { "tell" };
    let kinds: Vec<&str> = said.iter().map(|(kind, _)| kind.as_str()).collect();
    let wanted: Vec<&str> =
        std::iter::once("ask").chain(steps.iter().map(|(.., begins)| expected(begins))).collect();
    assert_eq!(kinds, wanted, "once each, and nothing else: {said:#?}");
    for ((_, after), (minutes, ..)) in said.iter().skip(1).zip(steps) {
        let early = *after - TimeDelta::minutes(*minutes);
        assert!((TimeDelta::zero()..TimeDelta::minutes(5)).contains(&early), "+{minutes}: {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_night_that_is_an_hour_shorter_the_morning_shift_is_reminded_at_three() {
    // 01:40 in Chicago; twenty minutes later it is three o'clock, and the night shift has gone home. Sam, who has come,
    // has nothing to be reminded of yet.
    let then = [
        (20, "sam", ASKED),
        (40, "sam", REMINDED),
        (50, "ivo", "Passed on to Shift lead: Lot: agree"),
        (60, "ivo", REMINDED),
        (80, "ivo", REMINDED),
        (95, "gus", "Passed on to Gus Meyer: Lot: agree"),
        (100, "gus", REMINDED),
        (120, "gus", REMINDED),
    ];
    night("2027-03-14T07:40:00Z", "50m", &then, 125).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_night_that_is_an_hour_longer_the_night_shift_is_reminded_until_its_end() {
    // 01:40 in Chicago for the first time; the night shift ends an hour and fifty minutes later.
    let then = [
        (20, "kai", REMINDED),
        (40, "kai", REMINDED),
        (60, "kai", REMINDED),
        (80, "kai", REMINDED),
        (100, "kai", REMINDED),
        (110, "sam", ASKED),
        (120, "sam", REMINDED),
        (130, "ivo", "Passed on to Shift lead: Lot: agree"),
        (140, "ivo", REMINDED),
        (160, "ivo", REMINDED),
        (175, "gus", "Passed on to Gus Meyer: Lot: agree"),
        (180, "gus", REMINDED),
        (200, "gus", REMINDED),
    ];
    night("2027-11-07T06:40:00Z", "130m", &then, 205).await;
}
