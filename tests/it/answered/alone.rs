//! Who decides alone is looked at: within a day, by others, and if those are silent, by whoever is asked next.

use super::{TOKEN, answer, begin, gate_now, open, plant_with, replaced, told};
use crate::support::plant::Plant;
use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use takt::{
    gate::review_of,
    run::{Change, RunId},
    store::{audit, gates},
};

const RELEASE: &str = "
workflow: release
title: Release
owner: test
trigger: { event: test.ask }
steps:
  - id: agree
    gate: approve
    ask: maintenance_on_call
    expires: 30m
    on_expire: reject
";

/// The plant manager may decide alone, and holds the role that looks at it: only what he did keeps him out.
fn site(yaml: String) -> String {
    replaced(&yaml, "roles: [plant_manager]", "roles: [plant_manager, production_supervisor]")
        + "overrides: [plant_manager]\noverride_review: production_supervisor\n"
}

async fn is_refused(plant: &Plant, gate: &gates::Gate, person: &str) {
    let (status, said) = answer(plant, TOKEN, gate, person, json!({ "decision": "acknowledge" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{person}: {said}");
    assert!(said.contains("you already answered or requested this"), "{said}");
}

fn names(gate: &Value) -> Vec<&str> {
    gate["people"].as_array().into_iter().flatten().filter_map(|person| person["id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_alone_is_reviewed_by_others_and_climbs_after_a_day() {
    let mut plant = plant_with(RELEASE, site).await;
    plant.serve(None).await;
    begin(&plant, "lot 7").await;
    let asked = open(&plant, "the question", |gate| gate.path == "agree").await;
    let alone = json!({ "decision": "approve", "override": true, "reason": "The customer's line stands" });
    let (status, said) = answer(&plant, TOKEN, &asked, "gus", alone).await;
    assert_eq!(status, StatusCode::OK, "{said}");

    let run = review_of(RunId(asked.run_id), asked.id);
    let review = open(&plant, "the review", |gate| gate.run_id == run.0).await;
    assert_eq!(review.role.as_deref(), Some("production_supervisor"));
    let time = review.expires_at - review.opened_at;
    assert!(time <= TimeDelta::hours(24) && time > TimeDelta::minutes(23 * 60 + 59), "{time}");
    assert!(review.ask["title"].as_str().is_some_and(|title| title.starts_with("Gus Meyer decided alone: ")));
    assert!(review.ask["body"].to_string().contains("The customer's line stands"), "{:#}", review.ask);
    assert!(!names(&review.ask).contains(&"gus"), "{:#}", review.ask);
    is_refused(&plant, &review, "gus").await;

    // Nobody looks: they are reminded after eight hours, and after a day the next ones are asked.
    plant.advance(Duration::from_secs(8 * 3600)).await;
    plant
        .until("a reminder", async || {
            let messages = told(&plant.store, &review).await;
            let is_reminder = |message: &&Value| {
                message["title"].as_str().is_some_and(|title| title.starts_with("Still open: "))
            };
            messages.iter().find(is_reminder).map(|_| ())
        })
        .await;
    assert_eq!(gate_now(&plant.store, &review).await.rung, 0);
    plant.advance(Duration::from_secs(16 * 3600)).await;
    let passed_on = open(&plant, "the next rung", |gate| gate.id == review.id && gate.rung == 1).await;
    assert_eq!(passed_on.role.as_deref(), Some("plant_scheduler"));
    is_refused(&plant, &passed_on, "gus").await;
    // The last rung is the plant manager by name: also there he does not review himself.
    plant.advance(Duration::from_secs(15 * 60)).await;
    let last = open(&plant, "the last rung", |gate| gate.id == review.id && gate.rung == 2).await;
    assert_eq!(last.person.as_deref(), Some("gus"));
    is_refused(&plant, &last, "gus").await;
    plant.advance(Duration::from_secs(30 * 60)).await;
    let outcome = plant
        .until("the review to end", async || match &plant.records(run).await.last()?.change {
            Change::RunEnded { outcome } => Some(outcome.clone()),
            _ => None,
        })
        .await;
    assert_eq!(outcome, "failed", "a review that nobody made is no review");

    // Where somebody looks, that ends it.
    begin(&plant, "lot 8").await;
    let asked = open(&plant, "another question", |gate| gate.path == "agree").await;
    let alone = json!({ "decision": "approve", "override": true, "reason": "once more" });
    assert_eq!(answer(&plant, TOKEN, &asked, "gus", alone).await.0, StatusCode::OK);
    let run = review_of(RunId(asked.run_id), asked.id);
    let review = open(&plant, "its review", |gate| gate.run_id == run.0).await;
    plant.advance(Duration::from_secs(24 * 3600)).await;
    let review = open(&plant, "its next rung", |gate| gate.id == review.id && gate.rung == 1).await;
    let (status, said) = answer(&plant, TOKEN, &review, "lee", json!({ "decision": "acknowledge" })).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    plant
        .until("the review to end", async || match &plant.records(run).await.last()?.change {
            Change::RunEnded { outcome } => (outcome == "done").then_some(()),
            _ => None,
        })
        .await;
    let mut db = plant.store.connection().await.expect("a connection");
    let looked = audit::Filter { action: Some("gate.acknowledge".to_owned()), ..audit::Filter::default() };
    let [looked] =
        audit::list(&mut db, &looked, 10).await.expect("the trail").try_into().expect("one record");
    assert_eq!((looked.actor.as_str(), looked.run_id), ("lee", Some(run.0)));
}
