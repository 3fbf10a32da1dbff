use super::{Caller, Method, SimulatorConfig, StatusCode, Value, json};
use crate::simulator::{MemoryFile, Simulator, StartError};
use std::{io::Write, path::PathBuf};

/// A path of this test's own, removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("takt-simulator-{name}-{}.jsonl", std::process::id())))
    }

    fn config(&self, resume: bool) -> SimulatorConfig {
        let memory = Some(MemoryFile { path: self.0.clone(), resume });
        SimulatorConfig { memory, ..SimulatorConfig::default() }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What of the plant must be there again.
async fn state(caller: &Caller) -> Value {
    let (_, machines) = caller.post("/plex/production/v1/control/workcenter-setups", json!({})).await;
    let stopped: Vec<&Value> = machines
        .as_array()
        .expect("machines")
        .iter()
        .filter(|machine| machine["statusDescription"] == "Unplanned Downtime")
        .map(|machine| &machine["code"])
        .collect();
    let operations = caller.list("/plex/scheduling/v1/job-operations?jobOperationStatus=Scheduled").await;
    let schedule: Vec<_> = operations
        .iter()
        .map(|row| {
            (&row["jobOperationId"], &row["workcenterCode"], &row["scheduledStartDate"], &row["setupTime"])
        })
        .collect();
    json!({
        "stopped": stopped, "schedule": schedule,
        "incidents": caller.get("/tickets/api/now/table/incident?sysparm_fields=number,correlation_id,sys_id").await,
        "messages": caller.get("/portal/api/messages").await["messages"].as_array().map(Vec::len),
        "events": caller.get("/sim/events").await["events"][0]["event_id"],
        "effects": caller.get("/sim/writes/summary").await["applied"],
    })
}

async fn live_a_little(caller: &Caller) {
    caller.post("/sim/fire", json!({"event": "machine_down", "work_center": "PRESS-4"})).await;
    let movable = caller.movable().await;
    caller.post(&movable.path(), movable.body(&movable.to, "2026-11-23T15:00:00Z", 155)).await;
    let incident = json!({"short_description": "PRESS-4 down", "correlation_id": "run-1"});
    caller.post("/tickets/api/now/table/incident", incident).await;
    let message = json!({"supplier": "S-104", "body": "Please expedite."});
    let send =
        caller.request(Method::POST, "/portal/api/messages").header("Idempotency-Key", "k-1").json(&message);
    assert_eq!(send.send().await.expect("a reply").status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_plant_goes_on_after_a_restart() {
    let scratch = Scratch::new("restart");
    let first = Caller::with(scratch.config(false)).await;
    live_a_little(&first).await;
    let before = state(&first).await;
    first.plant.stop().await;

    // A process that was killed in the middle of a line.
    let mut file = std::fs::OpenOptions::new().append(true).open(&scratch.0).expect("the memory");
    file.write_all(b"{\"at\":\"2026-11-23T12:1").expect("a torn line");
    let mut later = scratch.config(true);
    later.start += chrono::TimeDelta::minutes(20);
    let second = Caller::with(later.clone()).await;
    assert!(second.get("/sim/clock").await["now"].as_str().expect("now").starts_with("2026-11-23T12:30"));
    let after = state(&second).await;
    for part in ["stopped", "incidents", "messages", "events", "effects"] {
        assert_eq!(after[part], before[part], "{part}");
    }
    // The same message again is known, and what is new is remembered too.
    let message = json!({"supplier": "S-104", "body": "Please expedite."});
    let again =
        second.request(Method::POST, "/portal/api/messages").header("Idempotency-Key", "k-1").json(&message);
    assert!(again.send().await.expect("a reply").headers().contains_key("idempotency-replayed"));
    second.post("/sim/fire", json!({"event": "machine_up", "work_center": "PRESS-4"})).await;
    second.plant.stop().await;
    let third = Caller::with(later).await;
    assert_eq!(state(&third).await["stopped"], json!([]));
    third.plant.stop().await;

    let anew = Caller::with(scratch.config(false)).await;
    assert_eq!(state(&anew).await["incidents"]["result"], json!([]), "begun anew, all is forgotten");
}

#[tokio::test]
async fn a_memory_that_cannot_be_used_is_named() {
    let scratch = Scratch::new("unreadable");
    std::fs::write(&scratch.0, "not a plant\n").expect("a file");
    let error = Simulator::start(scratch.config(true)).await.err().expect("an error");
    assert!(matches!(error, StartError::Memory(_)));
    assert!(error.to_string().contains(scratch.0.to_str().expect("path")), "{error}");
}
