//! Runs and questions put into the database through the store's own functions.

use super::console::{Console, start};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::time::Duration;
use takt::{
    gate::hash_of,
    run::{Change, GateId, MessageKind, NewGate, NewRun, OutboxMessage, Record, RunId, StartedRun, StepPath},
    store::{commits, gates, journal, outbox, workers},
    workflow::GateForm,
};

/// A question to be asked.
pub struct Question<'q> {
    pub path: &'q str,
    pub form: GateForm,
    pub role: &'q str,
    pub ask: Value,
    pub minutes: i64,
}

/// Starts a run of a sample workflow; its records go on with `journal`.
pub async fn run(console: &Console, workflow: &str, title: &str, trigger: Value) -> RunId {
    let definition = console.definitions.current(workflow).expect("a sample workflow");
    let id = RunId::new();
    let subject = trigger["subject"].as_str().map(str::to_owned);
    let new = NewRun {
        id,
        workflow: workflow.to_owned(),
        title: title.to_owned(),
        subject,
        key: None,
        sha256: definition.sha256.clone(),
        trigger: trigger.clone(),
        inputs: json!({}),
        parent: None,
        approved: false,
        shadow: false,
        started_by: None,
        event: None,
        trace: None,
        turn: takt::run::Turn::default(),
    };
    let started = Change::RunStarted(Box::new(StartedRun {
        workflow: workflow.to_owned(),
        sha256: definition.sha256.clone(),
        trigger,
        inputs: json!({}),
        parent: None,
        approved: false,
        shadow: false,
        started_by: None,
        trace: None,
        rank: takt::run::Rank::default(),
    }));
    let mut db = console.store.connection().await.expect("a connection");
    let first = Record { seq: 0, at: start(), path: None, attempt: 0, change: started };
    let mut starts = commits::Starts::default();
    starts.add(&new, start(), &[first], commits::Place::default(), None).expect("columns");
    let begun = commits::start(&mut db, None, &starts).await.expect("a run");
    assert!(begun.runs.contains(&id.0));
    id
}

/// Records with their seconds after the start.
pub async fn journal(console: &Console, run: RunId, records: Vec<(i64, &str, Change)>) {
    let mut db = console.store.connection().await.expect("a connection");
    let known = journal::load(&mut db, run).await.expect("the journal").len();
    let records: Vec<Record> = records
        .into_iter()
        .enumerate()
        .map(|(index, (second, path, change))| Record {
            seq: u32::try_from(known + index).expect("few records"),
            at: at(second),
            path: (!path.is_empty()).then(|| StepPath::from(path.to_owned())),
            attempt: u32::from(!matches!(change, Change::Skipped)),
            change,
        })
        .collect();
    let records: Vec<_> = records.iter().map(|record| (run, record)).collect();
    journal::append(&mut db, &records).await.expect("records");
}

pub fn at(second: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(second)
}

/// Opens a question; half a minute more than asked, so that a slow test still sees the full minute.
pub async fn ask(console: &Console, run: RunId, question: Question<'_>) -> GateId {
    let path = StepPath::from(question.path.to_owned());
    let id = GateId::of(run, &path);
    let mut ask = question.ask;
    let asked = console.site.people_in_role(question.role, start());
    ask["people"] = asked.iter().map(|person| json!({ "id": person.id, "name": person.name })).collect();
    let gate = NewGate {
        id,
        path,
        form: question.form,
        role: Some(question.role.to_owned()),
        person: None,
        excluded: Vec::new(),
        quorum: 1,
        ask,
        proposal_hash: "hash-of-the-proposal".to_owned(),
        token_hash: hash_of(&button_token(id)),
        expires_at: at(question.minutes * 60 + 30),
    };
    let mut db = console.store.connection().await.expect("a connection");
    gates::open(&mut db, run, &gate, start()).await.expect("a gate");
    id
}

/// What the buttons of a seeded question carry.
pub fn button_token(gate: GateId) -> String {
    format!("token-of-{gate}")
}

pub async fn tell(console: &Console, run: RunId, role: &str, title: &str, body: &str) {
    let message = OutboxMessage {
        path: StepPath::root("tell"),
        ordinal: 0,
        kind: MessageKind::Tell,
        gate: None,
        role: Some(role.to_owned()),
        person: None,
        message: json!({ "title": title, "body": body }),
    };
    let mut db = console.store.connection().await.expect("a connection");
    outbox::queue(&mut db, run, &message, &["console".to_owned()]).await.expect("a message");
}

/// PRESS-4 went down and three plans wait for the production supervisor.
pub async fn three_plans(console: &Console) -> (RunId, GateId) {
    let trigger = json!({
        "work_center": "PRESS-4", "status": "DOWN", "planned": false, "criticality": "A",
        "equipment_id": "EQ-PRESS-4", "reason_text": "hydraulic leak", "area": "Press shop",
        "id": "0195", "type": "plex.work_center_status", "subject": "PRESS-4",
        "time": "2036-11-24T12:10:00.000Z"
    });
    let run = run(console, "downtime_escalation", "PRESS-4 down", trigger).await;
    let options = plans();
    let ask_json = json!({
        "title": "PRESS-4 down · hydraulic leak · about 3 h",
        "body": "If nothing changes 4 orders miss their date, 1 of them tier A.\nTwo similar leaks (12 May, 30 August) took 160 and 205 minutes.\n- parts in store: seal kit SK-88, 2 pieces\n- confidence 0.83 · ticket INC0010001",
        "options": options, "items": [], "draft": null, "allow": ["choose", "reject"],
        "on_silence": "Without an answer Plant manager is asked. Silence never approves.",
        "workflow": "downtime_escalation", "step": "approve", "role_title": "Production supervisor"
    });
    journal(console, run, downtime_records(&options, &ask_json)).await;
    let question = Question {
        path: "approve",
        form: GateForm::Choose,
        role: "production_supervisor",
        ask: ask_json,
        minutes: 15,
    };
    let gate = ask(console, run, question).await;
    (run, gate)
}

fn plans() -> Value {
    let facts = |late: &str, weighted: &str, moved: &str, changeovers: &str, overtime: &str| {
        json!([
            { "label": "Late orders", "value": late },
            { "label": "Weighted minutes late", "value": weighted },
            { "label": "Moved operations", "value": moved },
            { "label": "Changeovers", "value": changeovers },
            { "label": "Overtime", "value": overtime },
        ])
    };
    let bar = |resource: &str, job: &str, start: i64, minutes: i64, late: bool, moved: bool| {
        json!({ "resource": resource, "job": job, "op": "10", "start": start, "end": start + minutes,
                "late": late, "moved": moved, "tier": "B" })
    };
    let plan = |bars: Value| {
        json!({ "epoch": "2036-11-24T06:00:00-06:00", "now": 10, "resources": ["PRESS-4", "PRESS-6"],
                "bars": bars,
                "down": [{ "resource": "PRESS-4", "from": 10, "to": 190, "why": "hydraulic leak", "breakdown": true }] })
    };
    let before = plan(json!([
        bar("PRESS-4", "J-1188", 190, 90, true, false),
        bar("PRESS-4", "J-1192", 280, 60, true, false),
        bar("PRESS-6", "J-1201", 30, 120, false, false),
    ]));
    let after = plan(json!([
        bar("PRESS-6", "J-1188", 30, 90, false, true),
        bar("PRESS-4", "J-1192", 190, 60, false, true),
        bar("PRESS-6", "J-1201", 120, 120, false, true),
    ]));
    let gantt = json!({ "before": before, "after": after });
    json!([
        { "title": "Least late", "gantt": gantt,
          "rationale": "0 late orders (doing nothing: 4); 0 weighted min late (1840); 3 operations moved, 3 to another machine; 385 min changeover (350).",
          "facts": facts("0", "0", "3, 3 to another machine", "15, 385 min", "0 min"),
          "moves_priority_a": false, "overtime_hours": 0.0, "sequence": [], "late_orders": [] },
        { "title": "Fewest moves", "gantt": gantt,
          "rationale": "1 late order (doing nothing: 4); 95 weighted min late (1840); 1 operation moved, 1 to another machine.",
          "facts": facts("1 (C 1)", "95", "1, 1 to another machine", "14, 360 min", "90 min"),
          "moves_priority_a": false, "overtime_hours": 1.5, "sequence": [], "late_orders": [] },
        { "title": "Wait for the repair", "gantt": gantt,
          "rationale": "4 late orders; 1840 weighted min late; nothing moved.",
          "facts": facts("4 (A 1, B 2, C 1)", "1840", "0, 0 to another machine", "14, 350 min", "0 min"),
          "moves_priority_a": false, "overtime_hours": 0.0, "sequence": [], "late_orders": [] },
    ])
}

fn downtime_records<'a>(options: &Value, ask: &Value) -> Vec<(i64, &'a str, Change)> {
    let done = |output: Value| Change::Done { output };
    let opened = |ask: &Value, minutes: i64| Change::Noted {
        note: json!({ "opened": {
            "gate": uuid::Uuid::nil(), "role": ask["role"], "person": null, "opened_at": at(1),
            "expires_at": at(minutes * 60 + 30), "rung": 0, "reminded": 0, "ask": ask,
        }}),
    };
    let acknowledge =
        json!({ "title": "PRESS-4 is down: hydraulic leak", "role_title": "Maintenance on call" });
    let mut records = vec![
        (0, "incident", Change::Started),
        (1, "incident", done(json!({ "number": "INC0010001", "sys_id": "5137" }))),
        (1, "ack", Change::Started),
        (1, "ack", opened(&acknowledge, 30)),
        (1, "ack", Change::Waiting { wake_at: Some(at(1800)) }),
    ];
    let context = [
        ("context.orders", json!({ "orders": [{ "job": "J-1188" }, { "job": "J-1192" }] })),
        ("context.routes", json!({ "here": [{ "operation": "J-1188/10", "work_center": "PRESS-6" }] })),
        ("context.history", json!({ "work_orders": [{ "id": 881, "title": "Hydraulic leak" }] })),
    ];
    for (path, _) in &context {
        records.push((1, *path, Change::Started));
    }
    for (path, output) in context {
        records.push((2, path, done(output)));
    }
    records.push((2, "triage", Change::Started));
    for note in agent_notes() {
        records.push((5, "triage", Change::Noted { note }));
    }
    records.push((
        6,
        "triage",
        done(json!({
            "severity": "high", "cause": "hydraulic leak", "expected_minutes": 180, "confidence": 0.83,
            "summary": "Third hydraulic leak this year on PRESS-4; the earlier two took about 3 hours.",
            "evidence": ["Work order 881: seal replaced, 205 min"], "source": "model", "model": "takt-authored-1",
            "authored": true, "used_fallback": false, "why_fallback": null
        })),
    ));
    records.extend([
        (6, "short_stop", Change::Skipped),
        (6, "plans", Change::Started),
        (
            9,
            "plans",
            done(json!({ "options": options, "before": { "late_orders": 4 }, "evaluated": 18_240 })),
        ),
        (9, "approve", Change::Started),
        (9, "approve", opened(ask, 15)),
        (9, "approve", Change::Waiting { wake_at: Some(at(930)) }),
    ]);
    records
}

/// An agent that asked for one tool and answered, played by hand-written answers.
pub fn agent_notes() -> Vec<Value> {
    let key = "0195f000-0000-7000-8000-000000000001";
    let limits = serde_json::to_value(takt::agent::Limits::default()).expect("limits");
    let request = json!({ "model": "takt-authored-1", "messages": [
        { "role": "system", "content": "You triage an unplanned stop of a machine. Facts only." },
        { "role": "user", "content": "PRESS-4 is down: hydraulic leak. Operator: person_1." },
    ]});
    let asked_tool = json!({ "choices": [{ "message": { "content": null, "tool_calls": [
        { "id": "c1", "type": "function", "function": { "name": "cmms_asset_history", "arguments": "{\"asset\":\"EQ-PRESS-4\"}" } }
    ]}}]});
    let answered = json!({ "choices": [{ "message": { "content":
        "{\"severity\":\"high\",\"cause\":\"hydraulic leak\",\"expected_minutes\":180,\"confidence\":0.83}" }}]});
    let requested = |turn: u32| {
        json!({ "type": "requested", "at": at(2 + i64::from(turn)), "turn": turn, "attempt": 1,
        "model": 0, "request_sha": "f".repeat(64), "request": request,
        "reserve": { "input_tokens": 900, "output_tokens": 400, "cost_usd": 0.01 } })
    };
    let responded = |turn: u32, body: &Value, input: u64, output: u64| {
        let mut body = body.clone();
        body["model"] = json!("takt-authored-1");
        body["usage"] = json!({ "prompt_tokens": input, "completion_tokens": output });
        json!({ "type": "responded", "at": at(3 + i64::from(turn)), "turn": turn, "attempt": 1, "status": 200,
            "body": body.to_string(), "ms": 640 })
    };
    vec![
        json!({ "type": "started", "at": at(2), "prompt_sha": "a".repeat(64), "toolset_sha": "b".repeat(64),
                "schema_sha": "c".repeat(64), "tools": [], "withheld": ["tickets.create"], "limits": limits,
                "models": [{ "endpoint": "authored", "model": "takt-authored-1", "authored": true,
                             "usd_per_million_input": 0.4, "usd_per_million_output": 1.6 }] }),
        requested(1),
        responded(1, &asked_tool, 812, 24),
        json!({ "type": "tool_requested", "turn": 1, "index": 0, "call_key": key, "tool": "cmms.asset_history",
                "version": 1, "args": { "asset": "EQ-PRESS-4" } }),
        json!({ "type": "tool_done", "call_key": key, "ms": 31,
                "output": { "work_orders": [{ "id": 881, "title": "Hydraulic leak", "minutes": 205 }] } }),
        requested(2),
        responded(2, &answered, 1_015, 142),
        json!({ "type": "finished", "at": at(5), "source": "model", "output": {}, "why": null }),
    ]
}

/// A handover note to be approved, changed or rejected.
pub async fn handover(console: &Console) -> GateId {
    let id = run(console, "shift_handover", "Shift handover A", json!({ "type": "cron" })).await;
    let content = json!({
        "title": "Handover note of shift A", "body": "Read it, correct what is wrong, and approve it.",
        "options": [], "items": [], "draft": { "summary": "PRESS-4 was down for 3 h.", "open_points": ["Seal kit"], "people": 12 },
        "allow": ["approve", "edit", "reject"], "role_title": "Production supervisor",
        "on_silence": "Without an answer Plant manager is asked."
    });
    ask(
        console,
        id,
        Question {
            path: "approve",
            form: GateForm::Approve,
            role: "production_supervisor",
            ask: content,
            minutes: 45,
        },
    )
    .await
}

/// Points of a handover that are acknowledged one by one.
pub async fn points(console: &Console) -> GateId {
    let id = run(console, "shift_handover", "Shift handover A", json!({ "type": "cron" })).await;
    let items = json!([
        { "title": "PRESS-4 runs at 80 % speed", "detail": "Until the new seal kit is in." },
        { "title": "Order SO-4001 waits for coil 7" },
    ]);
    let content = json!({
        "title": "Taking over from shift A", "body": "", "options": [], "items": items, "draft": null,
        "allow": ["acknowledge"], "role_title": "Production supervisor", "on_silence": ""
    });
    ask(
        console,
        id,
        Question {
            path: "accept",
            form: GateForm::Acknowledge,
            role: "production_supervisor",
            ask: content,
            minutes: 60,
        },
    )
    .await
}

/// The first option is chosen and written: the rest of the story.
pub async fn finish(console: &Console, run: RunId, gate: GateId) {
    let vote = gates::Vote {
        gate_id: gate.0,
        person: "sam".to_owned(),
        on_behalf_of: None,
        reason_code: None,
        overrides: false,
        decision: "choose".to_owned(),
        body: json!({ "choice": 1, "edited": null, "items": [] }),
        reason: None,
        channel: "slack".to_owned(),
        proposal_hash: "hash-of-the-proposal".to_owned(),
        named_by: None,
        at: at(420),
    };
    let mut db = console.store.connection().await.expect("a connection");
    gates::add_vote(&mut db, &vote).await.expect("a vote");
    gates::settle(&mut db, gate).await.expect("settled");
    let worker = workers::register(&mut db, "seed", Duration::from_secs(60)).await.expect("a worker");
    let ended = commits::Ended { run: vec![run.0], at: vec![at(424)], outcome: vec!["done".to_owned()] };
    let settled = commits::Settled { untidy: ended.run.clone(), ended, ..commits::Settled::default() };
    let fence = commits::Fence { worker, epoch: 1 };
    commits::settle(&mut db, fence, &journal::Rows::default(), &settled).await.expect("the end");
    let done = |output: Value| Change::Done { output };
    let records = vec![
        (
            420,
            "approve",
            done(json!({
                "decision": "choose", "by": "sam", "by_name": "Sam Carter", "choice": 1,
                "chosen": { "title": "Least late" }, "second_by": null, "reason": null
            })),
        ),
        (421, "push", Change::Started),
        (
            421,
            "push",
            Change::Noted {
                note: json!({ "rules": [
                    { "rule": "operator_certified", "holds": true, "because": "" },
                    { "rule": "outside_frozen_zone", "holds": true, "because": "" },
                ]}),
            },
        ),
        (423, "push", done(json!({ "snapshot": "S-1", "updated": 3 }))),
        (424, "", Change::RunEnded { outcome: "done".to_owned() }),
    ];
    journal(console, run, records).await;
}
