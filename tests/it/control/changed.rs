//! What was approved is what is written: a proposal that reads otherwise once the run goes on lets nothing out.

use super::{clear_faults, ended, fault, order, plant_with, post, start, state, waits_at};
use crate::support::plant::Plant;
use reqwest::StatusCode;
use serde_json::{Value, json};
use takt::{
    gate::edited_hash,
    run::{GateId, RunId, StepPath, digest_of, machine::Status},
    store::{audit, gates},
};

/// A ticket that can be undone, a question about it, a read that can be made to fail, and what was asked for.
const ABOUT_A_TICKET: &str = r#"workflow: about_a_ticket
title: About a ticket
owner: tests
autonomy: assist
trigger: { event: test.go, key: event.name }
steps:
  - id: ticket
    call: tickets.create
    with: { title: "${{ trigger.name }}" }
    undo: { call: tickets.close, with: { number: "${{ steps.ticket.number }}", minutes_down: 0 } }
  - id: ask
    gate: approve
    ask: production_supervisor
    draft: "Repair as in ticket ${{ steps.ticket.number }}"
    allow: [approve, edit, reject]
    expires: 12h
    on_expire: fail
  - id: history
    call: cmms.asset_history
    with: { asset: EQ-4 }
    retry: { times: 0 }
  - id: repair
    if: steps.ask.decision != 'reject'
    call: cmms.create_work_order
    with: { asset: EQ-4, title: "${{ trigger.name }}", description: "${{ steps.ask.edited }}", priority: LOW }
on_failure:
  - id: told
    call: notify.role
    with: { role: production_supervisor, message: messages/run_failed.hbs }
"#;

async fn asked(plant: &Plant, run: RunId) -> gates::Gate {
    plant
        .until("a question", async || {
            let mut db = plant.store.connection().await.expect("a connection");
            let gates = gates::of_run(&mut db, run).await.expect("gates");
            gates.into_iter().find(|gate| gate.state == "open")
        })
        .await
}

/// As a supervisor: a decision, and more that goes with it.
async fn answer(plant: &Plant, gate: &gates::Gate, decision: &str, more: Value) {
    let mut body = json!({ "decision": decision, "proposal_hash": gate.proposal_hash });
    body.as_object_mut().expect("fields").extend(more.as_object().cloned().unwrap_or_default());
    let path = format!("/api/gates/{}/answer", gate.id);
    let (status, answer) = post(plant, &path, &plant.on_shift("production_supervisor").await.id, &body).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
}

async fn work_orders(plant: &Plant) -> usize {
    let written = plant.get(&format!("{}/sim/writes?system=cmms", plant.simulator.base_url)).await;
    written["writes"].as_array().expect("what was written").len()
}

#[tokio::test]
async fn a_proposal_that_changed_since_it_was_approved_is_not_written() {
    let mut plant = plant_with(&[("about_a_ticket.yaml", ABOUT_A_TICKET)]).await;
    plant.serve(None).await;
    fault(&plant, json!({ "system": "cmms", "kind": "500" })).await;
    let run = start(&mut plant, "seal").await;
    waits_at(&plant, run, "ask").await;
    let first = asked(&plant, run).await;
    answer(&plant, &first, "approve", json!({})).await;
    assert_eq!(
        ended(&plant, run).await,
        "failed",
        "the history could not be read, and the ticket was closed"
    );
    clear_faults(&plant).await;

    // The retry opens another ticket, so the answer was to something else.
    assert_eq!(order(&plant, run, "retry", json!({})).await.0, StatusCode::OK);
    assert_eq!(ended(&plant, run).await, "failed");
    let repair = state(&plant, run).await.step(&StepPath::root("repair")).expect("it came to it").clone();
    let failure = repair.failure.expect("it failed");
    assert_eq!(failure.class, "not_approved", "{}", failure.message);
    assert!(failure.message.contains("what was approved at `ask` has changed since"), "{}", failure.message);
    assert_eq!(work_orders(&plant).await, 0);

    // Asked about the ticket there is now, they approve that.
    assert_eq!(order(&plant, run, "rerun", json!({ "from": "ask" })).await.0, StatusCode::OK);
    let second = asked(&plant, run).await;
    assert_ne!((&second.ask["draft"], &second.proposal_hash), (&first.ask["draft"], &first.proposal_hash));
    answer(&plant, &second, "approve", json!({})).await;
    assert_eq!(ended(&plant, run).await, "done");
    assert_eq!(work_orders(&plant).await, 1);
}

/// `proposal_hash` says what somebody looked at; what they made of it has a hash of its own, wherever it is kept.
#[tokio::test]
async fn a_changed_draft_has_its_own_hash_in_answer_trail_and_step() {
    let mut plant = plant_with(&[("about_a_ticket.yaml", ABOUT_A_TICKET)]).await;
    plant.serve(None).await;
    let run = start(&mut plant, "seal").await;
    waits_at(&plant, run, "ask").await;
    let gate = asked(&plant, run).await;
    let edit = json!({ "edited": "Repair on Friday", "reason_code": "other", "reason": "no parts before" });
    answer(&plant, &gate, "edit", edit).await;
    assert_eq!(ended(&plant, run).await, "done");

    let mut changed = gate.ask.clone();
    changed["draft"] = json!("Repair on Friday");
    let hash = digest_of(&changed);
    assert_eq!(hash, edited_hash(&gate.ask, &json!("Repair on Friday")));
    assert_ne!(hash, edited_hash(&gate.ask, &json!("Repair on Monday")));
    let mut db = plant.store.connection().await.expect("a connection");
    let vote = gates::vote(&mut db, GateId(gate.id)).await.expect("asking").expect("a vote");
    assert_eq!((&vote.body["edited_hash"], &vote.proposal_hash), (&json!(hash), &gate.proposal_hash));
    let filter = audit::Filter { action: Some("gate.edit".to_owned()), ..audit::Filter::default() };
    let [sealed] =
        audit::list(&mut db, &filter, 10).await.expect("the trail").try_into().expect("one answer");
    assert_eq!(sealed.detail["answer"]["edited_hash"], json!(hash));
    let output = state(&plant, run).await.step(&StepPath::root("ask")).expect("answered").output.clone();
    assert_eq!((&output["edited"], &output["edited_hash"]), (&json!("Repair on Friday"), &json!(hash)));
}

/// The write keeps its key, and what it wrote stands: neither is the old one taken for the new, nor written over.
#[tokio::test]
async fn what_was_approved_otherwise_is_not_taken_for_what_was_written_before() {
    let mut plant = plant_with(&[("about_a_ticket.yaml", ABOUT_A_TICKET)]).await;
    plant.serve(None).await;
    let run = start(&mut plant, "seal").await;
    let first = asked(&plant, run).await;
    answer(&plant, &first, "approve", json!({})).await;
    assert_eq!(ended(&plant, run).await, "done");
    assert_eq!(work_orders(&plant).await, 1);

    assert_eq!(order(&plant, run, "rerun", json!({ "from": "ask" })).await.0, StatusCode::OK);
    let again = asked(&plant, run).await;
    answer(&plant, &again, "approve", json!({})).await;
    assert_eq!(ended(&plant, run).await, "done", "the same again: it is there already");

    for attempt in ["Repair on Friday", "Repair on Monday"] {
        assert_eq!(order(&plant, run, "rerun", json!({ "from": "ask" })).await.0, StatusCode::OK);
        let other = asked(&plant, run).await;
        let edit = json!({ "edited": attempt, "reason_code": "other", "reason": "no parts before" });
        answer(&plant, &other, "edit", edit).await;
        assert_eq!(ended(&plant, run).await, "failed");
        let repair = state(&plant, run).await.step(&StepPath::root("repair")).expect("it came to it").clone();
        let failure = repair.failure.expect("it failed");
        assert_eq!(failure.class, "not_approved", "{}", failure.message);
        assert!(
            failure.message.contains("differs from what this step has sent before"),
            "{}",
            failure.message
        );
    }
    assert_eq!(work_orders(&plant).await, 1);
}

/// A ticket that is opened and can be closed; whether it was opened is not known for an hour.
const IN_DOUBT: &str = r#"workflow: in_doubt
owner: tests
autonomy: assist
trigger: { event: test.go, key: event.name }
steps:
  - id: ticket
    call: tickets.create
    with: { title: "${{ trigger.name }}" }
    retry: { times: 3, wait: 1h }
    undo: { call: tickets.close, with: { number: "${{ steps.ticket.number }}", minutes_down: 0 } }
on_failure:
  - id: told
    call: notify.role
    with: { role: production_supervisor, message: messages/run_failed.hbs }
"#;

#[tokio::test]
async fn a_write_in_doubt_is_looked_up_and_undone_when_its_run_is_cancelled() {
    let mut plant = plant_with(&[("in_doubt.yaml", IN_DOUBT)]).await;
    plant.serve(None).await;
    for (name, kind, wanted) in [
        ("arrived", "lost_reply", json!(["started", "retrying", "started", "done", "started", "done"])),
        // What is not there may still arrive until the call's time limit is over.
        ("never", "down", json!(["started", "retrying", "started", "noted", "waiting", "noted", "failed"])),
    ] {
        fault(&plant, json!({ "system": "tickets", "kind": kind, "method": "POST", "times": 1 })).await;
        let run = start(&mut plant, name).await;
        plant
            .until("the answer to be lost", async || {
                (state(&plant, run).await.status(&StepPath::root("ticket")) == Status::Backoff).then_some(())
            })
            .await;
        assert_eq!(order(&plant, run, "cancel", json!({})).await.0, StatusCode::OK);
        assert_eq!(ended(&plant, run).await, "cancelled", "{name}");
        let records = plant.records(run).await;
        let of_steps = records.iter().filter(|record| record.path.is_some());
        let kinds: Vec<&str> = of_steps.map(|record| record.change.kind()).collect();
        assert_eq!(json!(kinds), wanted, "{name}");
    }
}
