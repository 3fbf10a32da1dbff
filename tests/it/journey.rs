//! Whole journeys through the real binary: chat, bad input, and what people are told when something is wrong.

use crate::support::{plant::Plant, slack};
use serde_json::{Value, json};
use takt::{
    run::{Change, RunId, StepPath},
    store::{events, gates, outbox, summaries},
};

fn slack_of(plant: &mut Plant, workspace: &slack::Workspace) {
    plant.arguments = vec!["--slack-url".into(), format!("{}/api", workspace.base_url)];
    plant.environment = vec![
        ("SLACK_BOT_TOKEN", slack::BOT_TOKEN.into()),
        ("SLACK_SIGNING_SECRET", slack::SIGNING_SECRET.into()),
    ];
}

fn has_buttons(message: &Value) -> bool {
    message["blocks"].as_array().is_some_and(|blocks| {
        blocks
            .iter()
            .flat_map(|b| b["elements"].as_array().into_iter().flatten())
            .any(|e| !e["value"].is_null())
    })
}

#[tokio::test]
async fn a_supervisor_answers_in_slack_and_the_card_says_so() {
    let mut plant = Plant::new().await;
    let callback = format!("http://{}/slack/interactions", plant.address);
    let workspace = slack::Workspace::start(Some(callback)).await;
    slack_of(&mut plant, &workspace);
    plant.serve(None).await;
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    plant.wait_for_gate("approve").await;
    let messages = format!("{}/messages", workspace.base_url);
    let card = plant
        .until("a card about the options", async || {
            let cards = plant.get(&messages).await;
            let cards = cards.as_array().cloned().unwrap_or_default();
            cards.into_iter().find(|card| has_buttons(card) && card.to_string().contains("Choose 1"))
        })
        .await;
    let click = format!("{}/click", workspace.base_url);
    let supervisor = plant.on_shift("production_supervisor").await;
    // Mia is asked about other things: her click is refused, and nothing happens.
    let refused =
        plant.post(&click, &json!({ "ts": card["ts"], "user": "U0MIA", "button": "Choose 1" })).await;
    assert_eq!(refused["status"], json!(200), "Slack is always answered: {refused}");
    let open =
        gates::of_run(&mut plant.store.connection().await.expect("a connection"), run).await.expect("gates");
    assert!(open.iter().any(|gate| gate.path == "approve" && gate.state == "open"), "{open:#?}");
    let accepted = plant
        .post(&click, &json!({ "ts": card["ts"], "user": supervisor.slack_id, "button": "Choose 1" }))
        .await;
    assert_eq!(accepted["status"], json!(200), "{accepted}");
    let changed = plant
        .until("the card to lose its buttons", async || {
            let cards = plant.get(&messages).await;
            let same = cards.as_array()?.iter().find(|other| other["ts"] == card["ts"]).cloned()?;
            (!has_buttons(&same)).then_some(same)
        })
        .await;
    assert!(changed.to_string().contains(&supervisor.name), "{changed:#}");
    assert_eq!(plant.to_the_end(run).await, "done");
    let by = plant.records(run).await.into_iter().find_map(|record| match record.change {
        Change::Done { output } if record.path == Some(StepPath::root("approve")) => Some(output),
        _ => None,
    });
    assert_eq!(by.map(|output| output["channel"].clone()), Some(json!("slack")));
}

#[tokio::test]
async fn an_unknown_work_center_fails_in_words_and_people_are_told() {
    let mut plant = Plant::new().await;
    plant.serve(None).await;
    let event = json!({
        "specversion": "1.0", "id": "evt-unknown", "source": "/plant", "type": "plex.work_center_status",
        "subject": "PRESS-99", "data": {
            "work_center": "PRESS-99", "work_center_id": "01970000-0000-7000-8000-000000000099", "status": "DOWN", "planned": false, "criticality": "A",
            "equipment_id": "EQ-99", "reason_text": "unknown", "area": "press", "since": "2026-11-23T12:10:00Z",
        },
    });
    plant.store_event(&event).await;
    let run = plant.run_of("downtime_escalation").await;
    assert_eq!(plant.to_the_end(run).await, "failed");
    let told = plant
        .until("a message to the production supervisor", async || {
            let mut db = plant.store.connection().await.expect("a connection");
            let roles = ["production_supervisor".to_owned()];
            outbox::notices(&mut db, &roles, "", 10).await.expect("notices").into_iter().next()
        })
        .await;
    assert!(told.message.to_string().contains("PRESS-99"), "{:#}", told.message);
    let writes = plant.writes().await;
    assert!(!writes.to_string().contains("job-operation"), "nothing was scheduled: {writes:#}");
}

#[tokio::test]
async fn an_event_that_an_expression_cannot_read_is_kept_and_can_be_fired_again() {
    let mut plant = Plant::new().await;
    // It describes no events, so nothing but the expression finds out.
    plant.own_site();
    plant.serve(None).await;
    // `planned` is missing, so the trigger's condition has nothing to look at.
    let event = json!({
        "specversion": "1.0", "id": "evt-short", "source": "/plant", "type": "plex.work_center_status",
        "subject": "PRESS-4", "data": { "work_center": "PRESS-4", "status": "DOWN" },
    });
    plant.store_event(&event).await;
    let failed = plant
        .until("the event to fail visibly", async || {
            let mut db = plant.store.connection().await.expect("a connection");
            events::list(&mut db, true, 10).await.expect("events").into_iter().next()
        })
        .await;
    let note = failed.note.unwrap_or_default();
    assert!(note.contains("downtime_escalation") && note.contains("planned"), "{note}");
    let mut db = plant.store.connection().await.expect("a connection");
    assert!(events::fire_again(&mut db, takt::run::EventId(failed.id)).await.expect("firing again"));
}

#[tokio::test]
async fn a_broken_workflow_file_leaves_the_last_good_version_in_force() {
    let mut plant = Plant::new().await;
    let site = plant.own_site();
    plant.serve(None).await;
    let file = site.join("workflows/downtime_escalation.yaml");
    let good = std::fs::read_to_string(&file).expect("the workflow");
    std::fs::write(&file, good.replace("event.status == 'DOWN'", "event.status = 'DOWN'"))
        .expect("breaking it");
    plant
        .until("the server to say where the file is broken", async || {
            plant.log().contains("workflows/downtime_escalation.yaml:8:").then_some(())
        })
        .await;
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    assert_eq!(plant.to_the_end(run).await, "done");
}

#[tokio::test]
async fn in_shadow_nothing_is_written_and_nobody_hears_of_it() {
    let mut plant = Plant::new().await;
    let file = plant.own_site().join("workflows/downtime_escalation.yaml");
    let asks = std::fs::read_to_string(&file).expect("the workflow");
    std::fs::write(&file, asks.replace("autonomy: assist", "autonomy: shadow"))
        .expect("putting it in shadow");
    plant.serve(None).await;
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    assert_eq!(plant.to_the_end(run).await, "done");
    let writes = plant.get(&format!("{}/sim/writes", plant.simulator.base_url)).await;
    assert_eq!(writes["writes"], json!([]));
    let mut db = plant.store.connection().await.expect("a connection");
    assert!(gates::of_run(&mut db, run).await.expect("gates").is_empty());
    let messages: i64 =
        sqlx::query_scalar("select count(*) from outbox").fetch_one(&mut *db).await.expect("a count");
    assert_eq!(messages, 0);
    let kept = plant.records(run).await.into_iter().find_map(|record| match record.change {
        Change::Done { output } if record.path == Some(StepPath::root("push")) => Some(output),
        _ => None,
    });
    let kept = kept.expect("the write that was not made");
    assert!(!kept["not_written"]["sequence"].as_array().expect("a plan").is_empty(), "{kept:#}");
}

const OUTER: &str = "workflow: outer
owner: me
autonomy: shadow
trigger: manual
steps:
  - { id: apart, run: inner, detach: true }
  - { id: within, run: inner }
on_failure:
  - { id: failed, call: notify.role, with: { role: production_supervisor, message: messages/run_failed.hbs } }
";

const INNER: &str = "workflow: inner
owner: me
autonomy: assist
trigger: manual
steps:
  - { id: ticket, call: tickets.create, with: { title: A test, urgency: low, work_center: PRESS-4 } }
  - { id: ask, gate: approve, ask: production_supervisor, expires: 1h, on_expire: fail }
  - { id: tell, call: notify.role, with: { role: production_supervisor, message: messages/a_test.hbs } }
on_failure:
  - { id: failed, call: notify.role, with: { role: production_supervisor, message: messages/run_failed.hbs } }
";

/// Its own workflow would ask and write.
#[tokio::test]
async fn what_a_run_in_shadow_starts_is_in_shadow_too() {
    let mut plant = Plant::new().await;
    let site = plant.own_site();
    std::fs::write(site.join("workflows/outer.yaml"), OUTER).expect("written");
    std::fs::write(site.join("workflows/inner.yaml"), INNER).expect("written");
    std::fs::write(site.join("messages/a_test.hbs"), "It goes on.\n").expect("written");
    plant.arguments = vec!["--api-token".into(), "a-token-of-this-test".into()];
    plant.serve(None).await;
    let url = format!("http://{}/api/workflows/outer/runs", plant.address);
    let request = reqwest::Client::new().post(&url).bearer_auth("a-token-of-this-test");
    let answer = request.header("x-takt-person", "sam").json(&json!({})).send().await.expect("an answer");
    assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
    let inner = summaries::Filter { workflow: Some("inner".to_owned()), ..summaries::Filter::default() };
    let children = plant.until("two children", async || {
        let mut db = plant.store.connection().await.expect("a connection");
        let runs = summaries::list(&mut db, &inner, 3).await.expect("runs");
        (runs.len() == 2).then(|| runs.into_iter().map(|run| RunId(run.id)))
    });
    let mut db = plant.store.connection().await.expect("a connection");
    for child in children.await {
        assert_eq!(plant.to_the_end(child).await, "done");
        assert!(gates::of_run(&mut db, child).await.expect("gates").is_empty());
    }
    let writes = plant.get(&format!("{}/sim/writes", plant.simulator.base_url)).await;
    assert_eq!(writes["writes"], json!([]));
    let messages: i64 =
        sqlx::query_scalar("select count(*) from outbox").fetch_one(&mut *db).await.expect("a count");
    assert_eq!(messages, 0);
}
