//! Schedules in the console, the API and the command line.

use crate::support::console::{API_TOKEN, Console, Page, start};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::{path::Path, process::Command, sync::Arc};
use takt::{
    engine::Hints,
    store::{
        audit,
        schedules::{self, FiringState},
    },
    trigger::Scheduler,
};

fn scheduler(console: &Console) -> Scheduler {
    Scheduler::new(
        console.store.clone(),
        console.definitions.clone(),
        Arc::clone(&console.site),
        Hints::default(),
    )
}

async fn call(
    console: &Console,
    path: &str,
    person: Option<&str>,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let client = reqwest::Client::new();
    let url = format!("{}/api/schedules{path}", console.url);
    let mut request = match &body {
        Some(body) => client.post(url).json(body),
        None => client.get(url),
    };
    request = request.bearer_auth(API_TOKEN);
    if let Some(person) = person {
        request = request.header("x-takt-person", person);
    }
    let page = Page::of(request.send().await.expect("an answer")).await;
    (page.status, serde_json::from_str(&page.text).unwrap_or_else(|_| panic!("JSON: {}", page.text)))
}

#[expect(clippy::too_many_lines, reason = "one visit, from page to page")]
#[tokio::test(flavor = "multi_thread")]
async fn people_see_schedules_and_press_buttons_without_scripts() {
    let console = Console::start().await;
    let mut scheduler = scheduler(&console);
    scheduler.pass().await.expect("a pass");
    let mut sam = console.signed_in("sam").await;
    let list = sam.get("/schedules").await;
    assert!(list.text.contains("Shift handover") && list.text.contains("next <time"), "{}", list.text);
    let page = sam.get("/schedules/shift_handover").await;
    assert_eq!(page.status, StatusCode::OK);
    for seen in ["45 5,13,21 * * 1-5 in America/Chicago", "It has not fired yet.", "13:45", "Trigger now"] {
        assert!(page.text.contains(seen), "{seen}: {}", page.text);
    }
    assert_eq!(sam.get("/schedules/downtime_escalation").await.status, StatusCode::NOT_FOUND);

    // Pressed twice on the same page, it is one firing.
    let (csrf, at) = (page.field("csrf"), page.field("at"));
    for _ in 0..2 {
        let done = sam.post("/schedules/shift_handover/trigger", &[("csrf", &csrf), ("at", &at)]).await;
        assert_eq!(
            (done.status, done.location.as_deref()),
            (StatusCode::SEE_OTHER, Some("/schedules/shift_handover"))
        );
    }
    assert!(sam.get("/schedules/shift_handover").await.text.contains("about to start"));
    scheduler.pass().await.expect("a pass");
    let page = sam.get("/schedules/shift_handover").await.text;
    assert!(page.contains("run is open") && page.contains("triggered by Sam Carter"), "{page}");

    let note = [("csrf", csrf.as_str()), ("note", "Line is being rebuilt")];
    assert_eq!(sam.post("/schedules/shift_handover/pause", &note).await.status, StatusCode::SEE_OTHER);
    let again = sam.post("/schedules/shift_handover/pause", &note).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("sam has paused it already"), "{}", again.text);
    let page = sam.get("/schedules/shift_handover").await.text;
    assert!(page.contains("by Sam Carter: Line is being rebuilt") && page.contains("Resume"), "{page}");
    assert!(sam.get("/schedules").await.text.contains("by Sam Carter: Line is being rebuilt"));
    let resumed = sam.post("/schedules/shift_handover/resume", &[("csrf", &csrf)]).await;
    assert_eq!(resumed.status, StatusCode::SEE_OTHER);
    assert_eq!(
        sam.post("/schedules/shift_handover/pause", &[("csrf", "guess")]).await.status,
        StatusCode::FORBIDDEN
    );

    // A look first, then the backfill; Friday's three handovers.
    let mut form = vec![
        ("csrf", csrf.as_str()),
        ("from", "2036-11-21T00:00"),
        ("to", "2036-11-21T23:59"),
        ("do", "look"),
    ];
    let looked = sam.post("/schedules/shift_handover/backfill", &form).await;
    assert_eq!(looked.status, StatusCode::OK);
    assert!(
        looked.text.contains("3 firings would start") && looked.text.contains("Start 3"),
        "{}",
        looked.text
    );
    form[3] = ("do", "start");
    assert_eq!(sam.post("/schedules/shift_handover/backfill", &form).await.status, StatusCode::SEE_OTHER);
    let page = sam.get("/schedules/shift_handover").await.text;
    assert_eq!(page.matches("waits for the open run").count(), 3, "{page}");
    form[1] = ("from", "yesterday");
    let refused = sam.post("/schedules/shift_handover/backfill", &form).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("is no time"), "{}", refused.text);

    let mut db = console.store.connection().await.expect("a connection");
    let entries = audit::recent(&mut db, 10).await.expect("the audit");
    let of_schedules = entries.iter().rev().filter(|entry| entry.action.starts_with("schedule."));
    let told: Vec<(&str, &str)> =
        of_schedules.map(|entry| (entry.actor.as_str(), entry.action.as_str())).collect();
    assert_eq!(
        told,
        [
            ("sam", "schedule.trigger"),
            ("sam", "schedule.pause"),
            ("sam", "schedule.resume"),
            ("sam", "schedule.backfill")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_do_the_same_and_are_told_why_not() {
    let console = Console::start().await;
    scheduler(&console).pass().await.expect("a pass");
    let (_, all) = call(&console, "", None, None).await;
    assert_eq!(all["schedules"][0]["workflow"], "shift_handover");
    assert_eq!(all["schedules"][0]["next"][0], "2036-11-24T19:45:00Z");
    assert_eq!(call(&console, "/nothing", None, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(call(&console, "/shift_handover/pause", None, Some(json!({}))).await.0, StatusCode::FORBIDDEN);

    let (status, view) =
        call(&console, "/shift_handover/pause", Some("sam"), Some(json!({ "note": "audit" }))).await;
    assert_eq!(
        (status, &view["pause"]["by"], &view["pause"]["note"]),
        (StatusCode::OK, &json!("sam"), &json!("audit"))
    );
    let (status, problem) = call(&console, "/shift_handover/pause", Some("sam"), Some(json!({}))).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("urn:takt:problem:conflict")));
    let (status, view) = call(&console, "/shift_handover/resume", Some("sam"), Some(json!({}))).await;
    assert_eq!((status, &view["pause"]), (StatusCode::OK, &Value::Null));
    assert_eq!(
        call(&console, "/shift_handover/resume", Some("sam"), Some(json!({}))).await.0,
        StatusCode::CONFLICT
    );

    let at = json!({ "at": start() });
    let (status, asked) = call(&console, "/shift_handover/trigger", Some("sam"), Some(at.clone())).await;
    assert_eq!((status, asked["nominal"].as_str()), (StatusCode::ACCEPTED, Some("2036-11-24T12:10:00Z")));
    assert_eq!(
        call(&console, "/shift_handover/trigger", Some("sam"), Some(at)).await.0,
        StatusCode::CONFLICT
    );

    let range = |dry_run: bool| json!({ "from": "2036-11-21T06:00:00Z", "to": "2036-11-22T05:59:00Z", "dry_run": dry_run });
    let backfill = "/shift_handover/backfill";
    let (_, planned) = call(&console, backfill, Some("sam"), Some(range(true))).await;
    let mut db = console.store.connection().await.expect("a connection");
    assert_eq!(schedules::buffered(&mut db, "shift_handover").await.expect("a count"), 0);
    let (_, done) = call(&console, backfill, Some("sam"), Some(range(false))).await;
    assert_eq!(done["starts"], planned["starts"]);
    assert_eq!(done["starts"].as_array().map(Vec::len), Some(3));
    let (_, again) = call(&console, backfill, Some("sam"), Some(range(false))).await;
    assert_eq!((&again["starts"], &again["taken"]), (&json!([]), &done["starts"]));
    let reversed = json!({ "from": "2036-11-22T06:00:00Z", "to": "2036-11-21T06:00:00Z" });
    let (status, problem) = call(&console, backfill, Some("sam"), Some(reversed)).await;
    assert_eq!((status, &problem["type"]), (StatusCode::BAD_REQUEST, &json!("urn:takt:problem:malformed")));
    let (status, _) = call(&console, backfill, Some("sam"), Some(json!({ "form": 1 }))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let firings = schedules::recent(&mut db, "shift_handover", 10).await.expect("firings");
    let buffered = firings.iter().filter(|firing| firing.state == FiringState::Buffered).count();
    assert_eq!((firings.len(), buffered), (4, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_works_on_the_database() {
    let database = crate::support::pg::database().await;
    let takt = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_takt"))
            .arg("cron")
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", &database.url)
            .env("TAKT_SITE", Path::new(env!("CARGO_MANIFEST_DIR")))
            .env("USER", "mia")
            .output()
            .expect("takt runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (ok, list, errors) = takt(&["list"]);
    assert!(
        ok && list.contains("shift_handover  45 5,13,21 * * 1-5") && list.contains("next "),
        "{list}{errors}"
    );
    let (ok, paused, errors) = takt(&["pause", "shift_handover", "--note", "rebuild"]);
    assert!(ok && paused.contains("shift_handover is paused"), "{paused}{errors}");
    let (ok, _, errors) = takt(&["pause", "shift_handover"]);
    assert!(!ok && errors.contains("mia has paused it already"), "{errors}");
    let (_, shown, _) = takt(&["show", "shift_handover"]);
    assert!(shown.contains("by mia: rebuild"), "{shown}");
    let (ok, resumed, errors) = takt(&["resume", "shift_handover"]);
    assert!(ok && resumed.contains("it fires next at"), "{resumed}{errors}");
    let range = ["shift_handover", "--from", "2026-01-05", "--to", "2026-01-05"];
    let (ok, dry, errors) = takt(&[&["backfill"], &range[..], &["--dry-run"]].concat());
    assert!(ok && dry.matches("would start").count() == 3, "{dry}{errors}");
    assert!(dry.contains("Mon 2026-01-05 05:45 CST"), "{dry}");
    let (_, done, _) = takt(&[&["backfill"], &range[..]].concat());
    assert_eq!(done.matches("starts  ").count(), 3, "{done}");
    let (_, again, _) = takt(&[&["backfill"], &range[..]].concat());
    assert!(again.contains("nothing to start") && again.matches("has fired").count() == 3, "{again}");
    let (ok, fired, errors) = takt(&["trigger", "shift_handover"]);
    assert!(ok && fired.contains("as soon as a server looks"), "{fired}{errors}");
    let (ok, _, errors) = takt(&["trigger", "shift_handovr"]);
    assert!(!ok && errors.contains("there is no schedule `shift_handovr`"), "{errors}");
    let (_, shown, _) = takt(&["show", "shift_handover", "--format", "json"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let states: Vec<&str> =
        shown["firings"].as_array().expect("firings").iter().filter_map(|f| f["state"].as_str()).collect();
    assert_eq!(states, ["asked", "buffered", "buffered", "buffered"]);
    let actors: Vec<String> =
        sqlx::query_scalar("select distinct actor from audit where action like 'schedule.%'")
            .fetch_all(&database.pool)
            .await
            .expect("the audit");
    assert_eq!(actors, ["mia"]);
}
