use super::*;
use crate::run::{Failure, StepPath};
use crate::tool::ToolName;
use chrono::{DateTime, TimeDelta};
use serde_json::json;

fn record(seq: u32, minutes: i64, path: Option<&str>, change: Change) -> Record {
    let at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
    Record { seq, at, path: path.map(StepPath::root), attempt: 1, change }
}

fn call(step: &str, tool: &str, effect: Effect, args: Value) -> MadeCall {
    let tool: ToolName = tool.parse().unwrap();
    MadeCall { step: step.into(), tool, effect, args }
}

fn replayed() -> Replayed {
    let failure = Failure::new("transient", "busy");
    let finished = json!({"type": "finished", "at": "2026-11-23T12:00:00Z", "source": "rules",
        "output": {"severity": "high"}, "why": {"reason": "no_model", "detail": "no model"}});
    Replayed {
        records: vec![
            record(0, 0, Some("incident"), Change::Started),
            record(1, 0, Some("incident"), Change::Done { output: json!({"number": "INC-1"}) }),
            record(2, 0, Some("history"), Change::Started),
            record(3, 0, Some("history"), Change::Failed { failure }),
            record(4, 0, Some("triage"), Change::Started),
            record(5, 0, Some("triage"), Change::Noted { note: finished }),
            record(6, 0, Some("triage"), Change::Done { output: json!({"severity": "high"}) }),
            record(7, 0, Some("approve"), Change::Started),
            record(8, 9, Some("approve"), Change::Done { output: json!({"decision": "choose"}) }),
            record(9, 180, None, Change::RunEnded { outcome: "done".into() }),
        ],
        calls: vec![
            call("incident", "tickets.create", Effect::Write, json!({"title": "PRESS-4 down", "n": 1})),
            call("history", "cmms.asset_history", Effect::Read, json!({})),
        ],
        schemas: [("triage".to_owned(), json!({"required": ["severity"]}))].into(),
        ..Replayed::default()
    }
}

fn expect() -> Expect {
    serde_json::from_value(json!({
        "outcome": "done",
        "path": ["incident", "history!", "triage", "approve"],
        "writes": [{"tool": "tickets.create", "with": {"title": "PRESS-4 down"}}],
        "gates": {"approve": "choose"},
        "agents": {"triage": {"source": "rules", "output": {"severity": "high"}}},
        "minutes_max": 200,
    }))
    .unwrap()
}

fn failing(replayed: &Replayed, expect: &Expect) -> Vec<String> {
    let checks = score(replayed, expect).checks;
    checks
        .into_iter()
        .filter(|(_, check)| !check.holds)
        .map(|(name, c)| format!("{name}: {}", c.detail))
        .collect()
}

#[test]
fn a_replay_as_expected_holds_every_check() {
    let score = score(&replayed(), &expect());
    assert!(score.checks.values().all(|check| check.holds), "{:#?}", score.checks);
    assert_eq!(score.outcome, "done");
    assert_eq!(score.metrics.minutes, 180.0);
    assert_eq!((score.metrics.fallbacks, score.metrics.tool_calls), (1, 2));
}

#[test]
fn each_difference_fails_its_own_check() {
    let changed = |change: fn(&mut Expect)| {
        let mut expect = expect();
        change(&mut expect);
        failing(&replayed(), &expect)
    };
    assert_eq!(changed(|e| e.outcome = "x".into()), ["outcome: expected `x`, got `done`"]);
    assert_eq!(
        changed(|e| e.path = vec!["incident".into()]),
        ["path: `history!` is new; `triage` is new; `approve` is new"]
    );
    assert_eq!(changed(|e| e.path.swap(0, 2)), ["path: another order: incident, history!, triage, approve"]);
    assert_eq!(
        changed(|e| e.writes[0].with = json!({"title": "x", "more": 1})),
        [
            "writes: tickets.create.title: expected \"x\", got \"PRESS-4 down\"; tickets.create.more is missing"
        ]
    );
    assert_eq!(
        changed(|e| e.writes.clear()),
        ["writes: tickets.create was called by `incident`, unexpectedly"]
    );
    assert_eq!(
        changed(|e| e.never.push("cmms.asset_history".parse().unwrap())),
        ["never: cmms.asset_history was called by `history`"]
    );
    assert_eq!(
        changed(|e| e.gates = [("approve".to_owned(), "reject".to_owned())].into()),
        ["gates: `approve`: expected reject, got choose"]
    );
    assert_eq!(changed(|e| e.starts.push("child".into())), ["starts: expected `child`, got ``"]);
    assert_eq!(changed(|e| e.minutes_max = Some(10.0)), ["minutes: 180.0 of at most 10"]);
    let model = changed(|e| {
        if let Some(triage) = e.agents.get_mut("triage") {
            triage.source = Source::Model;
        }
    });
    assert_eq!(model, ["agent.triage.answer: source: expected Model, got Some(Rules) no model"]);
}

#[test]
fn a_run_that_hangs_says_what_it_waits_for() {
    let mut replayed = replayed();
    replayed.records.pop();
    replayed.waiting_for = Some("back_up".into());
    assert_eq!(failing(&replayed, &expect()), ["outcome: expected `done`, got `waiting for back_up`"]);
}

#[test]
fn an_answer_against_its_schema_is_found() {
    let mut replayed = replayed();
    replayed.schemas.insert("triage".into(), json!({"required": ["cause"]}));
    assert!(failing(&replayed, &expect())[0].starts_with("agent.triage.schema"));
}
