use super::*;
use serde_json::json;

fn facts() -> serde_json::Value {
    json!({
        "machines": { "work_centers": [
            { "work_center": "PRESS-1", "status": "Production", "since": "2026-11-23T12:00:00Z" },
            { "work_center": "WELD-2", "status": "Unplanned Downtime", "since": "2026-11-23T18:40:00Z" },
        ] },
        "stops": { "minutes_down": 95.0, "stops": [
            { "work_center": "PRESS-3", "status": "Waiting for Material", "at": "2026-11-23T14:00:00Z", "minutes": 12.0, "note": null },
            { "work_center": "WELD-2", "status": "Unplanned Downtime", "at": "2026-11-23T18:40:00Z", "minutes": 95.0, "note": "tip dressing" },
        ] },
        "scrap": { "pieces": 14.0, "entries": [
            { "work_center": "WELD-2", "part": "BR-2100", "reason": "weak weld", "quantity": 14.0 },
        ] },
        "calls": { "calls": [
            { "id": "AND-31", "work_center": "WELD-2", "category": "quality", "raised_at": "2026-11-23T18:42:00Z", "line_stop": true, "text": "peel test failed" },
        ] },
        "holds": { "holds": [{ "deviation": "D-17", "reason": "weak welds", "pieces": 220.0 }] },
        "positions": { "due_soon": [
            { "order": "SO-4001-1", "job": "J-1001", "tier": "A", "due": "2026-11-23T22:00:00Z", "quantity": 480.0, "done": 40.0 },
            { "order": "SO-4002-1", "job": "J-1002", "tier": "C", "due": "2026-11-24T10:00:00Z", "quantity": 100.0, "done": 100.0 },
        ] },
        "maintenance": { "work_orders": [
            { "work_order": "WO005020", "asset": "PRESS-2", "title": "Lubrication", "priority": "LOW", "status": "IN_PROGRESS" },
        ] },
    })
}

fn drafted(facts: serde_json::Value) -> Draft {
    draft("A", &serde_json::from_value(facts).unwrap(), chrono_tz::America::Chicago)
}

#[test]
fn every_fact_is_in_the_note_once() {
    insta::assert_snapshot!(drafted(facts()).note);
}

#[test]
fn what_needs_a_word_is_a_point_to_answer() {
    let items = drafted(facts()).items;
    let titles: Vec<_> = items.iter().map(|item| item.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "WELD-2 is not running",
            "Andon call AND-31 at WELD-2",
            "Quality hold D-17",
            "SO-4001-1 (J-1001), tier A",
            "WO005020 on PRESS-2"
        ]
    );
}

#[test]
fn a_source_that_is_down_is_named() {
    let mut facts = facts();
    facts["calls"] = json!(null);
    facts["scrap"] = json!(null);
    let draft = drafted(facts);
    assert_eq!(draft.missing_sources, ["andon board", "scrap records"]);
    assert!(draft.note.contains("Not available: andon board, scrap records"));
    assert!(!draft.note.contains("Open andon calls"), "a missing source must not read as an empty one");
    assert!(draft.items.iter().any(|item| item.title == "Not available: andon board"));
}

#[test]
fn with_every_source_down_the_note_still_says_so() {
    let draft = draft("B", &Facts::default(), chrono_tz::UTC);
    assert_eq!(draft.missing_sources.len(), 7);
    assert_eq!(draft.items.len(), 7);
}

#[test]
fn long_lists_are_counted() {
    let mut facts = facts();
    let hold = facts["holds"]["holds"][0].clone();
    facts["holds"]["holds"] = std::iter::repeat_n(hold, 30).collect();
    assert!(drafted(facts).note.contains("- and 18 more"));
}
