//! A second approval: by another person, not by the word of the program that named the first one, and passed on without
//! the first one.

use super::{MES, TOKEN, answer, begin, gate_now, open, plant_with, replaced, told};
use reqwest::StatusCode;
use serde_json::json;
use std::time::Duration;
use takt::store::audit;

const RELEASE: &str = "
workflow: release
title: Release
owner: test
trigger: { event: test.ask }
steps:
  - id: agree
    gate: approve
    ask: maintenance_on_call
    second: { ask: purchasing_manager }
    escalate: upkeep
    expires: 30m
    on_expire: escalate
";

/// Mia and Lee are on call for maintenance, who are asked next as well.
fn site(yaml: String) -> String {
    let yaml = replaced(&yaml, "roles: [plant_scheduler]", "roles: [plant_scheduler, maintenance_on_call]");
    let ladder = "ladders:\n  upkeep:\n    - { ask: maintenance_on_call, within: 30m }\n    - { person: gus, within: 30m }\n";
    replaced(&yaml, "ladders:\n", ladder)
        + "service_accounts:\n  mes: { title: MES, token_hash: \"${env:MES_TOKEN_HASH}\", scopes: [\"gates:answer\"] }\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_one_is_another_person_named_by_somebody_else() {
    let mut plant = plant_with(RELEASE, site).await;
    plant.serve(None).await;
    begin(&plant, "lot 7").await;
    let yes = || json!({ "decision": "approve" });
    let first = open(&plant, "the first question", |gate| gate.ask["first"].is_null()).await;
    let (status, said) = answer(&plant, MES, &first, "mia", yes()).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let second = open(&plant, "the second question", |gate| gate.ask["first"]["by"] == "mia").await;
    let (status, said) = answer(&plant, MES, &second, "pat", yes()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
    assert!(said.contains("the program `mes` has spoken for somebody else here already"), "{said}");
    let mut db = plant.store.connection().await.expect("a connection");
    let refused = audit::Filter { action: Some("gate.refused".to_owned()), ..audit::Filter::default() };
    let [refused] =
        audit::list(&mut db, &refused, 10).await.expect("the trail").try_into().expect("one record");
    assert_eq!((refused.actor.as_str(), &refused.detail["via"]), ("pat", &json!("service:mes")));
    drop(db);

    // Passed on to the role of the first one: who gave the first answer is not named, and is refused.
    plant.advance(Duration::from_secs(30 * 60)).await;
    let passed_on = open(&plant, "the next rung", |gate| gate.id == second.id && gate.rung == 1).await;
    assert_eq!(passed_on.role.as_deref(), Some("maintenance_on_call"));
    let messages = told(&plant.store, &second).await;
    let asked = messages.last().expect("a message")["asked"].clone();
    assert_eq!(asked, json!("Maintenance on call: Lee Tanaka"), "{messages:#?}");
    let (status, said) = answer(&plant, TOKEN, &passed_on, "mia", yes()).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && said.contains("a second person must"), "{said}");
    let (status, said) = answer(&plant, TOKEN, &passed_on, "lee", yes()).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_eq!(gate_now(&plant.store, &second).await.state, "answered");
}
