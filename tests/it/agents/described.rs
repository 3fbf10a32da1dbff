//! What a sender adds to an event without anybody having described it stays in the plant.

use super::{plant_with, run_of, stop_with};
use crate::support::wire::{Said, Wire, answer};
use serde_json::json;
use std::sync::{Arc, Mutex};

const EVENT: &str = r#"{ "type": "object", "required": ["ref"], "properties": {
  "ref": { "type": "string" },
  "lines": { "type": "array", "items": { "properties": { "qty": { "type": "integer" } } } } } }"#;

#[tokio::test]
async fn a_model_sees_no_field_that_nobody_described() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let bodies = sent.clone();
    let wire = Wire::start(move |seen| {
        bodies.lock().expect("whole").push(seen.body.to_string());
        Said::json(200, &answer(&json!({ "summary": "A leak of oil." })))
    })
    .await;
    let mut plant = plant_with(&wire).await;
    let site = plant.own_folder();
    let workflow = std::fs::read_to_string(site.join("workflows/agent_sample.yaml")).expect("there");
    let whole = workflow.replace(
        r#"marker: "${{ trigger.ref }}""#,
        r#"marker: "${{ trigger.ref }}", event: "${{ trigger }}""#,
    );
    assert_ne!(whole, workflow);
    std::fs::write(site.join("workflows/agent_sample.yaml"), whole).expect("written");
    std::fs::create_dir_all(site.join("events")).expect("a folder");
    std::fs::write(site.join("events/test.stop.json"), EVENT).expect("written");
    plant.serve(None).await;
    let data = json!({
        "ref": "added", "badge_holder": "Zdenka", "lines": [{ "qty": 7, "by": "Zdenka" }], "extra": { "who": "Zdenka" },
    });
    stop_with(&plant, "added", data).await;
    let run = run_of(&plant, "added").await;
    assert_eq!(plant.to_the_end(run).await, "done");
    let sent = sent.lock().expect("whole");
    assert!(!sent.is_empty());
    for body in sent.iter() {
        assert!(!body.contains("Zdenka") && !body.contains("badge_holder"), "{body}");
        assert!(body.contains("\\\"qty\\\":7"), "{body}");
    }
}
