//! Every tool of the sample site's connector files, called against the plant simulator over HTTP.

use crate::sample_site::{registry, site};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use takt::{
    simulator::{Handle, Simulator, SimulatorConfig},
    tool::{Call, Effect, Lookup, Registry, ToolError, ToolErrorKind},
};
use uuid::Uuid;

/// Systems that Takt reaches over HTTP; the other tools are built in.
const SYSTEMS: [&str; 7] = ["andon", "cmms", "erp", "plex", "quality", "supplier", "tickets"];

struct Plant {
    simulator: Handle,
    tools: Registry,
    http: reqwest::Client,
}

impl Plant {
    async fn start() -> Self {
        let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
        let tools = registry(&site(Some(simulator.base_url.clone())));
        Self { simulator, tools, http: reqwest::Client::new() }
    }

    async fn call(&self, tool: &str, input: Value) -> Value {
        let key = Uuid::new_v4().to_string();
        let answer = self.call_with(tool, &key, input).await;
        answer.unwrap_or_else(|e| panic!("{tool}: {e} {:?}", e.detail))
    }

    async fn call_with(&self, tool: &str, key: &str, input: Value) -> Result<Value, ToolError> {
        let tool = self.tools.get(&tool.parse().unwrap()).unwrap_or_else(|| panic!("no tool {tool}"));
        tool.call(&context(key), input).await
    }

    async fn look_up(&self, tool: &str, key: &str, input: &Value) -> Lookup {
        let tool = self.tools.get(&tool.parse().unwrap()).unwrap();
        tool.look_up(&context(key), input).await.unwrap()
    }

    async fn fault(&self, fault: Value) {
        let url = format!("{}/sim/faults", self.simulator.base_url);
        self.http.post(url).json(&fault).send().await.unwrap().error_for_status().unwrap();
    }

    /// What the writes with one key did: applied, repeated, and targets changed twice.
    async fn effects(&self, key: &str) -> (u64, u64, u64) {
        let url = format!("{}/sim/writes/summary", self.simulator.base_url);
        let summary: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let keys = summary["keys"].as_array().unwrap();
        let entry = keys.iter().find(|entry| entry["takt_key"] == key).cloned().unwrap_or_default();
        let count = |field: &str| entry[field].as_u64().unwrap_or(0);
        (count("applied"), count("repeated"), count("duplicate_effects"))
    }

    /// The context that a downtime workflow collects.
    async fn downtime_context(&self) -> Value {
        json!({
            "orders": self.call("plex.orders_affected", json!({ "work_center": "PRESS-4" })).await,
            "routes": self.call("plex.alternate_routes", json!({ "work_center": "PRESS-4" })).await,
            "machines": self.call("plex.work_center_states", json!({})).await,
            "material": self.call("plex.inventory", json!({})).await,
            "crew": self.call("erp.certifications", json!({})).await,
            "tooling": self.call("cmms.tooling", json!({})).await,
            "upkeep": self.call("cmms.pm_windows", json!({})).await,
        })
    }

    /// The first operation that waits on PRESS-4 and may go to PRESS-6, as a move there in two hours.
    async fn some_move(&self) -> Value {
        let context = self.downtime_context().await;
        let board = &context["orders"]["board"];
        let routes = context["routes"]["routes"].as_array().unwrap();
        let goes_to_press_6 = |operation: &Value| {
            let route =
                routes.iter().find(|route| route["part_operation_id"] == operation["part_operation_id"])?;
            let approved = route["approved"].as_array()?;
            approved.iter().find(|place| place["work_center"] == "PRESS-6").cloned()
        };
        let operations = board["operations"].as_array().unwrap();
        let waiting =
            operations.iter().filter(|o| o["work_center"] == "PRESS-4" && o["status"] == "Scheduled");
        let (operation, place) = waiting.filter_map(|o| Some((o, goes_to_press_6(o)?))).next().unwrap();
        let jobs = board["jobs"].as_array().unwrap();
        let job = jobs.iter().find(|job| job["job_id"] == operation["job_id"]).unwrap();
        json!({
            "job": job["job"], "job_id": job["job_id"], "operation_id": operation["operation_id"],
            "work_center": "PRESS-6", "work_center_id": place["work_center_id"],
            "start": "2026-11-23T08:10:00-06:00", "minutes": 100,
        })
    }
}

fn context(key: &str) -> Call {
    Call {
        run: Uuid::nil(),
        step: "test".into(),
        attempt: 1,
        key: key.into(),
        timeout: Duration::from_secs(60),
        now: SimulatorConfig::demo_start(),
        trace: None,
        lease: Arc::default(),
    }
}

/// Each read tool with arguments and a JSON pointer that must hold a non-empty list or text.
fn reads() -> Vec<(&'static str, Value, &'static str)> {
    let since = json!({ "since": "2026-11-23T00:00:00Z" });
    vec![
        ("plex.orders_affected", json!({ "work_center": "PRESS-4" }), "/orders"),
        ("plex.alternate_routes", json!({ "work_center": "PRESS-4" }), "/here"),
        ("plex.inventory", json!({}), "/staged"),
        ("plex.crew", json!({ "shift": "current" }), "/people"),
        ("plex.work_center_states", json!({}), "/work_centers"),
        ("plex.job_positions", json!({}), "/due_soon"),
        ("plex.status_entries", since.clone(), "/stops"),
        ("plex.scrap", since, "/entries"),
        ("quality.open_holds", json!({}), "/holds"),
        ("plex.orders_using_part", json!({ "part": "FST-3050" }), "/orders"),
        ("plex.material_position", json!({ "part": "FST-3050" }), "/demand"),
        ("plex.order_position", json!({ "order": "SO-4001-1" }), "/customer"),
        ("cmms.asset_history", json!({ "asset": "EQ-4" }), "/past"),
        ("cmms.open_work_orders", json!({}), "/work_orders"),
        ("cmms.tooling", json!({}), "/tools"),
        ("cmms.pm_windows", json!({}), "/windows"),
        ("erp.certifications", json!({}), "/operators"),
        ("erp.approved_sources", json!({ "part": "FST-3050" }), "/sources"),
        ("erp.supplier_scorecard", json!({ "supplier": "S-104" }), "/name"),
        ("erp.open_pos", json!({ "part": "FST-3050" }), "/orders"),
        ("supplier.shipments", json!({ "po": "PO-7704" }), "/shipments"),
        ("andon.open_calls", json!({}), "/calls"),
        ("andon.recent_calls", json!({ "work_center": "PRESS-4" }), "/calls"),
    ]
}

/// Tools that the other tests of this file call.
const ELSEWHERE: [&str; 12] = [
    "cmms.create_work_order",
    "erp.cancel_requisition",
    "erp.create_requisition",
    "plex.handover_note",
    "plex.read_sequence",
    "plex.restore_sequence",
    "plex.unstaged",
    "plex.update_sequence",
    "supplier.send_message",
    "tickets.close",
    "tickets.create",
    "tickets.note",
];

#[tokio::test]
async fn every_read_tool_answers() {
    let plant = Plant::start().await;
    for (tool, input, pointer) in reads() {
        let output = plant.call(tool, input).await;
        let found = output.pointer(pointer).unwrap_or(&Value::Null);
        let is_empty = found.as_array().map(Vec::is_empty).or_else(|| found.as_str().map(str::is_empty));
        assert_eq!(is_empty, Some(false), "{tool} {pointer}: {output}");
    }
}

#[tokio::test]
async fn no_tool_is_forgotten_here() {
    let plant = Plant::start().await;
    let tested: BTreeSet<_> = reads().into_iter().map(|(tool, ..)| tool).chain(ELSEWHERE).collect();
    let declared: BTreeSet<_> = plant
        .tools
        .specs()
        .filter(|spec| SYSTEMS.contains(&spec.name.system()))
        .map(|spec| spec.name.as_str())
        .collect();
    assert_eq!(declared, tested);
    let writes = plant.tools.specs().filter(|spec| spec.effect == Effect::Write);
    assert!(
        writes.map(|spec| spec.name.as_str()).all(|name| !reads().iter().any(|(read, ..)| *read == name))
    );
}

#[tokio::test]
async fn what_does_not_exist_is_said_in_words() {
    let plant = Plant::start().await;
    for (tool, input, said) in [
        ("plex.orders_affected", json!({ "work_center": "PRESS-9" }), "Plex has no work center PRESS-9"),
        ("plex.material_position", json!({ "part": "NO-1" }), "Plex has no part NO-1"),
        ("plex.order_position", json!({ "order": "SO-1" }), "Plex has no open job for order SO-1"),
        ("cmms.asset_history", json!({ "asset": "EQ-99" }), "the CMMS has no such asset"),
        ("tickets.close", json!({ "number": "INC9" }), "there is no ticket INC9"),
        ("erp.supplier_scorecard", json!({ "supplier": "S-1" }), "the ERP has no scorecard of supplier S-1"),
    ] {
        let error = plant.call_with(tool, "k", input).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ToolErrorKind::NotFound, said), "{tool}");
    }
}

#[tokio::test]
async fn a_sequence_is_written_once_and_put_back() {
    let plant = Plant::start().await;
    let sequence = json!([plant.some_move().await]);
    let snapshot =
        plant.call("plex.read_sequence", json!({ "sequence": sequence })).await["snapshot"].clone();
    assert_eq!(snapshot[0]["work_center"], "PRESS-4");

    let write = json!({ "sequence": sequence, "reason": "test" });
    for _ in 0..2 {
        let written = plant.call_with("plex.update_sequence", "push-1", write.clone()).await.unwrap();
        assert_eq!(written["written"], 1);
    }
    assert_eq!(plant.effects("push-1").await, (1, 1, 0), "the repeat changed nothing");
    let after = plant.call("plex.read_sequence", json!({ "sequence": sequence })).await["snapshot"].clone();
    assert_eq!(
        (&after[0]["work_center"], &after[0]["start"]),
        (&json!("PRESS-6"), &json!("2026-11-23T14:10:00Z"))
    );

    plant.call("plex.restore_sequence", json!({ "snapshot": snapshot })).await;
    let restored =
        plant.call("plex.read_sequence", json!({ "sequence": sequence })).await["snapshot"].clone();
    assert_eq!(
        (&restored[0]["work_center"], &restored[0]["start"]),
        (&snapshot[0]["work_center"], &snapshot[0]["start"])
    );
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_not_doubled() {
    let plant = Plant::start().await;
    let sequence = json!([plant.some_move().await]);
    plant.fault(json!({ "system": "plex", "kind": "lost_reply", "path_contains": "operations-schedule", "times": 1 })).await;
    let write = json!({ "sequence": sequence, "reason": "test" });
    let lost = plant.call_with("plex.update_sequence", "push-2", write.clone()).await.unwrap_err();
    assert_eq!(lost.kind, ToolErrorKind::OutcomeUnknown, "{lost}");
    plant.call_with("plex.update_sequence", "push-2", write).await.unwrap();
    assert_eq!(plant.effects("push-2").await, (1, 1, 0));
}

#[tokio::test]
async fn tickets_are_looked_up_before_they_are_opened_again() {
    let plant = Plant::start().await;
    let input = json!({ "title": "PRESS-4 down", "urgency": "high", "work_center": "PRESS-4" });
    assert_eq!(plant.look_up("tickets.create", "open-1", &input).await, Lookup::Absent);
    plant.fault(json!({ "system": "tickets", "kind": "lost_reply", "method": "POST", "times": 1 })).await;
    let lost = plant.call_with("tickets.create", "open-1", input.clone()).await.unwrap_err();
    assert_eq!(lost.kind, ToolErrorKind::OutcomeUnknown, "{lost}");
    let Lookup::Found(ticket) = plant.look_up("tickets.create", "open-1", &input).await else {
        panic!("the ticket is there");
    };

    let note = json!({ "number": ticket["number"], "note": "plan written" });
    assert_eq!(plant.look_up("tickets.note", "note-1", &note).await, Lookup::Absent);
    plant.call_with("tickets.note", "note-1", note.clone()).await.unwrap();
    assert!(matches!(plant.look_up("tickets.note", "note-1", &note).await, Lookup::Found(_)));
    let closed =
        plant.call("tickets.close", json!({ "number": ticket["number"], "minutes_down": 181.0 })).await;
    assert_eq!(closed["state"], "resolved");
}

#[tokio::test]
async fn a_requisition_has_one_number_however_often_it_is_sent() {
    let plant = Plant::start().await;
    let input =
        json!({ "part": "FST-3050", "supplier": "S-105", "qty": 1000.0, "needed": "2026-11-26T12:10:00Z" });
    let first = plant.call_with("erp.create_requisition", "req-1", input.clone()).await.unwrap();
    let again = plant.call_with("erp.create_requisition", "req-1", input.clone()).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(plant.look_up("erp.create_requisition", "req-1", &input).await, Lookup::Found(first.clone()));
    let stopped = plant.call("erp.cancel_requisition", json!({ "number": first["number"] })).await;
    assert_eq!(stopped["status"], "Stopped");
}

#[tokio::test]
async fn a_message_and_a_note_are_sent_once() {
    let plant = Plant::start().await;
    let message = json!({ "supplier": "S-104", "po": "PO-7704", "subject": "late", "body": "When?" });
    let first = plant.call_with("supplier.send_message", "msg-1", message.clone()).await.unwrap();
    assert_eq!(plant.call_with("supplier.send_message", "msg-1", message).await.unwrap(), first);

    let note = json!({ "shift": "A", "note": "All quiet on this shift.", "approved_by": "ivo", "missing_sources": [] });
    let first = plant.call_with("plex.handover_note", "note-1", note.clone()).await.unwrap();
    assert_eq!(plant.call_with("plex.handover_note", "note-1", note).await.unwrap(), first);
    assert_eq!(plant.effects("note-1").await.2, 0);
}

#[tokio::test]
async fn a_work_order_carries_its_key() {
    let plant = Plant::start().await;
    let input = json!({ "asset": "EQ-4", "title": "Hose set", "description": "Replace", "priority": "HIGH" });
    assert_eq!(plant.look_up("cmms.create_work_order", "wo-1", &input).await, Lookup::Absent);
    let created = plant.call_with("cmms.create_work_order", "wo-1", input.clone()).await.unwrap();
    assert_eq!(plant.look_up("cmms.create_work_order", "wo-1", &input).await, Lookup::Found(created));
}

#[tokio::test]
async fn plans_for_a_press_that_is_down_can_be_written() {
    let plant = Plant::start().await;
    let context = plant.downtime_context().await;
    let question = json!({
        "down": "PRESS-4", "down_minutes": 180, "context": context, "lead_minutes": 45, "staging_minutes": 240,
        "budget_ms": 1500,
    });
    let plans = plant.call("schedule.resequence", question).await;
    let options = plans["options"].as_array().unwrap();
    assert!(!options.is_empty(), "{plans}");
    let before = plans["before"]["late_orders"].as_u64().unwrap();
    let sequence = &options[0]["sequence"];
    // A busy machine finds in its time no plan with fewer, only one that is less late.
    assert!(
        (options[0]["late_orders"].as_array().unwrap().len() as u64) <= before,
        "{}",
        options[0]["rationale"]
    );

    let soon: Vec<&Value> = sequence
        .as_array()
        .unwrap()
        .iter()
        .filter(|moved| moved["start"].as_str().unwrap() < "2026-11-23T09:10")
        .collect();
    assert!(!soon.is_empty());
    let missing = plant.call("plex.unstaged", json!({ "sequence": soon })).await;
    assert_eq!(missing["missing"], json!([]), "what starts within three hours is staged");

    let written = plant.call("plex.update_sequence", json!({ "sequence": soon, "reason": "test" })).await;
    assert_eq!(written["written"], soon.len());
}
