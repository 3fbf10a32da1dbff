use super::*;
use crate::{
    schedule::model::{Blocked, Model, Span, State},
    site::{Environment, Overrides},
};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// Monday 06:10 in UTC: shift A has begun.
const NOW: &str = "2026-11-23T06:10:00Z";

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

fn site() -> Arc<Site> {
    let yaml = r#"
name: Small
time_zone: UTC
shifts:
  - { id: A, starts: "06:00", ends: "14:00", days: [mon, tue, wed, thu, fri], overtime: [sat] }
  - { id: B, starts: "14:00", ends: "22:00", days: [mon, tue, wed, thu, fri] }
roles: { lead: { title: Lead } }
people: [{ id: ann, name: Ann, roles: [lead] }]
"#;
    Arc::new(Site::parse("takt.yaml", yaml, &Environment::default(), &Overrides::default()).unwrap())
}

fn approved(work_center: &str, family: &str, minutes_per_piece: f64, tool: Value) -> Value {
    json!({ "work_center": work_center, "work_center_id": format!("id-{work_center}"), "family": family,
            "setup_minutes": 30.0, "minutes_per_piece": minutes_per_piece, "tool": tool })
}

fn operation(job: &str, work_center: &str, start: &str, pieces: f64, status: &str) -> Value {
    json!({ "operation_id": format!("op-{job}"), "job_id": format!("id-{job}"), "number": 10,
            "part_operation_id": if job == "J-2" { "R-2" } else { "R-1" }, "work_center": work_center,
            "start": format!("2026-11-23T{start}:00Z"), "setup_minutes": if job == "J-2" { 30.0 } else { 0.0 },
            "run_minutes": pieces, "pieces_left": pieces, "status": status })
}

fn job(job: &str, tier: &str, due: &str) -> Value {
    json!({ "job_id": format!("id-{job}"), "job": job, "order": format!("SO-{job}"), "customer": "Acme", "tier": tier,
            "due": format!("2026-11-23T{due}:00Z"), "earliest_start": null })
}

/// PRESS-1 makes J-1 and then J-2, PRESS-2 is about to finish J-3. PRESS-2 may make everything but slower.
fn input() -> Value {
    json!({
        "down": "PRESS-1", "down_minutes": 240, "lead_minutes": 45, "staging_minutes": 120, "budget_ms": 150,
        "context": {
            "orders": { "board": {
                "jobs": [job("J-1", "A", "10:30"), job("J-2", "C", "12:00"), job("J-3", "B", "09:00")],
                "operations": [
                    operation("J-1", "PRESS-1", "07:30", 90.0, "Scheduled"),
                    operation("J-2", "PRESS-1", "09:00", 60.0, "Scheduled"),
                    operation("J-3", "PRESS-2", "06:00", 20.0, "In Process"),
                ],
            } },
            "routes": { "routes": [
                { "part_operation_id": "R-1", "part": "P-1", "approved": [
                    approved("PRESS-1", "A", 1.0, json!("T-1")), approved("PRESS-2", "A", 1.2, json!("T-2"))] },
                { "part_operation_id": "R-2", "part": "P-2", "approved": [
                    approved("PRESS-1", "B", 1.0, json!(null)), approved("PRESS-2", "B", 1.2, json!("T-3"))] },
            ] },
            "machines": { "work_centers": [
                { "work_center": "PRESS-1", "group": "PRESS", "part": "P-1" },
                { "work_center": "PRESS-2", "group": "PRESS", "part": "P-1" },
            ] },
            "material": null, "crew": null, "tooling": null, "upkeep": null,
        },
    })
}

fn parsed(input: Value) -> Input {
    serde_json::from_value(input).unwrap()
}

fn model(input: Value) -> Model {
    build::build(&parsed(input), &site(), now()).unwrap().model
}

async fn planned(input: Value) -> Output {
    plan(&site(), parsed(input), now()).await.unwrap()
}

fn op<'a>(model: &'a Model, job: &str) -> &'a crate::schedule::model::Op {
    &model.orders.iter().find(|order| order.id == job).unwrap().ops[0]
}

fn places<'a>(model: &'a Model, job: &str) -> Vec<&'a str> {
    op(model, job).alts.iter().map(|alt| alt.resource.as_str()).collect()
}

fn blocked<'a>(model: &'a Model, work_center: &str) -> &'a [Blocked] {
    &model.resources.iter().find(|resource| resource.id == work_center).unwrap().blocked
}

#[tokio::test]
async fn work_leaves_the_machine_that_is_down() {
    let output = planned(input()).await;
    assert_eq!(output.before.late_orders, 2, "J-1 and J-2 wait four hours");
    let best = &output.options[0];
    assert!(best.late_orders.len() < 2, "{:?}", best.late_orders);
    assert!(best.moves_priority_a);
    assert!(!best.sequence.is_empty());
    for moved in &best.sequence {
        assert_eq!(moved.work_center_id, format!("id-{}", moved.work_center));
        assert_eq!(moved.job_id, format!("id-{}", moved.job));
        assert!(moved.start.with_timezone(&Utc) >= now() + chrono::Duration::minutes(45), "{}", moved.start);
    }
    let first = best.sequence.iter().find(|moved| moved.job == "J-1").unwrap();
    assert_eq!((first.work_center.as_str(), first.minutes), ("PRESS-2", 108), "90 pieces, 1.2 minutes each");
}

#[tokio::test]
async fn people_can_compare_the_options() {
    let output = planned(input()).await;
    let labels = |choice: &options::Choice| choice.facts.iter().map(|f| f.label.clone()).collect::<Vec<_>>();
    for choice in &output.options {
        assert_eq!(labels(choice), labels(&output.options[0]));
        assert!(choice.rationale.chars().count() <= 200, "{}", choice.rationale);
        assert_ne!(choice.gantt.before, choice.gantt.after);
    }
    assert!(output.options[0].title.contains("PRESS-2"), "{}", output.options[0].title);
}

#[tokio::test]
async fn nothing_to_gain_is_no_option() {
    let mut input = input();
    input["down"] = json!(null);
    assert_eq!(planned(input).await.options.len(), 0);
}

#[test]
fn what_runs_stays_and_what_starts_soon_too() {
    let mut input = input();
    input["context"]["orders"]["board"]["operations"][0] =
        operation("J-1", "PRESS-2", "06:40", 90.0, "Scheduled");
    let model = model(input);
    let state = |job: &str| model.current.iter().find(|c| c.op == format!("{job}/10")).unwrap().state;
    assert_eq!((state("J-3"), state("J-1"), state("J-2")), (State::Running, State::Frozen, State::Planned));
    assert_eq!(op(&model, "J-1").material_at, None);
}

#[test]
fn what_is_left_of_a_running_operation_follows_from_its_pieces() {
    let mut input = input();
    input["context"]["orders"]["board"]["operations"][2]["run_minutes"] = json!(300.0);
    let model = model(input);
    let running = model.current.iter().find(|current| current.op == "J-3/10").unwrap();
    assert_eq!(running.remaining, Some(24), "20 pieces left, 1.2 minutes each, of 300 minutes in all");
}

#[test]
fn only_jobs_in_trouble_change_machines_and_begin_earlier() {
    let mut input = input();
    input["context"]["orders"]["board"]["operations"][1] =
        operation("J-2", "PRESS-2", "11:00", 60.0, "Scheduled");
    let model = model(input);
    assert_eq!(places(&model, "J-1"), ["PRESS-1", "PRESS-2"]);
    assert_eq!(places(&model, "J-2"), ["PRESS-2"]);
    assert_eq!(op(&model, "J-2").material_at, Some(290 + 30), "not before today's plan, its setup done");
}

#[test]
fn a_changeover_does_not_begin_in_the_lead_time() {
    let mut input = input();
    input["context"]["orders"]["board"]["operations"][1] =
        operation("J-2", "PRESS-1", "06:20", 60.0, "Scheduled");
    assert_eq!(
        op(&model(input), "J-2").material_at,
        Some(45),
        "not before today's plan, not within the lead time"
    );
    assert_eq!(op(&model(self::input()), "J-2").material_at, Some(75));
}

#[test]
fn a_tool_in_repair_or_out_of_calibration_is_not_used() {
    assert_eq!(places(&model(input()), "J-2"), ["PRESS-1", "PRESS-2"]);
    for tool in [
        json!({ "tool": "T-3", "status": "REPAIR", "calibrated_until": "2027-01-01T00:00:00Z" }),
        json!({ "tool": "T-3", "status": "AVAILABLE", "calibrated_until": "2026-11-22T00:00:00Z" }),
    ] {
        let mut input = input();
        input["context"]["tooling"] = json!({ "tools": [tool] });
        let model = model(input);
        assert_eq!(
            (places(&model, "J-1"), places(&model, "J-2")),
            (vec!["PRESS-1", "PRESS-2"], vec!["PRESS-1"])
        );
    }
}

#[test]
fn a_shift_without_a_certified_operator_is_closed() {
    let mut input = input();
    let operator = |id: &str, shift: &str, until: &str| json!({ "employee": id, "shift": shift, "certified": [{ "work_center": "PRESS-2", "until": until }] });
    input["context"]["crew"] =
        json!({ "operators": [operator("E1", "A", "2027-01-01"), operator("E2", "B", "2026-11-24")] });
    let model = model(input);
    let closed: Vec<_> =
        blocked(&model, "PRESS-2").iter().map(|b| (b.from, b.why.as_str())).take(2).collect();
    // Shift B of Monday and Tuesday is covered, then E2's certificate ends.
    let wednesday_b = (2 * 24 + 8) * 60 - 10;
    assert_eq!(closed[0], (wednesday_b, "no certified operator on shift B"));
    assert_eq!(blocked(&model, "PRESS-1")[1].why, "no certified operator on shift A");
    let pool = model.pools.iter().find(|pool| pool.id == "PRESS").unwrap();
    assert_eq!(pool.capacity, 1, "one operator for two presses");
    assert_eq!(op(&model, "J-1").needs[0].pool, "PRESS");
}

#[test]
fn components_go_to_who_is_planned_first() {
    let mut input = input();
    let line = |route: &str| json!({ "part_operation_id": route, "component": "COIL", "per_piece": 1.0 });
    input["context"]["orders"]["board"]["operations"][0]["start"] = json!("2026-11-23T12:00:00Z");
    input["context"]["material"] = json!({
        "components": [line("R-1"), line("R-2")],
        "staged": [{ "job": "J-3", "component": "COIL", "quantity": 20.0 }, { "job": "J-2", "component": "COIL", "quantity": 10.0 }],
        "free": [{ "component": "COIL", "quantity": 50.0 }],
        "inbound": [{ "component": "COIL", "quantity": 500.0, "due": "2026-11-23T09:10:00Z" }],
    });
    let first = model(input.clone());
    assert_eq!(op(&first, "J-2").material_at, Some(120), "free stock, two hours to stage");
    assert_eq!(op(&first, "J-1").material_at, Some(180 + 120), "only with the delivery");
    input["late_material"] = json!({ "component": "COIL", "until": "2026-11-23T11:00:00Z" });
    assert_eq!(op(&model(input), "J-1").material_at, Some(350), "and no later than today's plan has it");
}

#[test]
fn a_job_on_hold_is_left_alone_and_said() {
    let mut input = input();
    input["context"]["orders"]["board"]["operations"][1]["status"] = json!("Hold");
    let built = build::build(&parsed(input), &site(), now()).unwrap();
    assert_eq!(built.warnings, ["J-2 is on hold and stays as it is"]);
    assert!(built.model.orders.iter().all(|order| order.id != "J-2"));
}

#[test]
fn the_calendar_joins_shifts_and_knows_overtime() {
    let calendar = &model(input()).calendars[0];
    assert_eq!(calendar.open[0], Span(-10, 16 * 60 - 10), "Monday, both shifts");
    let saturday = 5 * 24 * 60 - 10;
    assert!(calendar.open.contains(&Span(saturday, saturday + 8 * 60)));
    assert!(!calendar.regular.as_ref().unwrap().iter().any(|span| span.0 == saturday));
    let sunday = saturday + 24 * 60;
    assert!(calendar.open.iter().all(|span| span.1 <= sunday || span.0 >= sunday + 24 * 60));
}

#[test]
fn maintenance_and_the_breakdown_are_closed_times() {
    let mut input = input();
    input["context"]["upkeep"] = json!({ "windows": [
        { "work_center": "PRESS-2", "title": "Lubrication", "starts": "2026-11-23T05:00:00Z", "ends": "2026-11-23T08:10:00Z" },
        { "work_center": "PRESS-2", "title": "Long past", "starts": "2026-11-20T05:00:00Z", "ends": "2026-11-20T08:10:00Z" },
    ] });
    let model = model(input);
    let spans: Vec<_> = blocked(&model, "PRESS-2").iter().map(|b| (b.from, b.to, b.why.as_str())).collect();
    assert_eq!(spans, [(0, 120, "Lubrication")]);
    assert_eq!((blocked(&model, "PRESS-1")[0].from, blocked(&model, "PRESS-1")[0].to), (0, 240));
}

#[tokio::test]
async fn mistakes_in_the_question_are_named() {
    for (field, value, said) in [
        ("down", json!("PRESS-9"), "no routing operation is approved for work center PRESS-9"),
        ("options", json!(0), "options must be 1 to 5"),
        ("down_minutes", json!(1e9), "down_minutes must be at most a week"),
        ("lead_minutes", json!(-1), "lead_minutes must be at most a day"),
        ("budget_ms", json!(0), "budget_ms must be 1 to 20000"),
    ] {
        let mut input = input();
        input[field] = value;
        let error = plan(&site(), parsed(input), now()).await.unwrap_err();
        assert!(error.message.contains(said), "{}", error.message);
        assert_eq!(error.kind, ToolErrorKind::Invalid);
    }
}

#[test]
fn a_cancelled_call_stops_the_search() {
    let cancelled = CancelOnDrop::default();
    let flag = Arc::clone(&cancelled.0);
    drop(cancelled);
    assert!(flag.load(Ordering::Relaxed));
}
