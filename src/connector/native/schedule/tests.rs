use super::*;
use crate::{
    site::{Environment, Overrides, Site},
    tool::{Call, ToolName},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

fn model() -> Value {
    let order = |id: &str| {
        json!({"id": id, "due": 100, "ops": [{"id": "10", "alts": [
            {"resource": "P1", "minutes": 60}, {"resource": "P2", "minutes": 80}]}]})
    };
    json!({
        "epoch": "2026-11-23T06:00:00Z", "horizon": 3000,
        "resources": [{"id": "P1"}, {"id": "P2"}], "orders": [order("A"), order("B")],
        "current": [{"op": "A/10", "resource": "P1", "start": 0, "end": 60},
                    {"op": "B/10", "resource": "P1", "start": 60, "end": 120}],
        "policy": {"evaluations": 200},
    })
}

fn plan(start: i64) -> Value {
    json!({"ops": [{"op": "A/10", "resource": "P1", "start": 0, "end": 60},
                   {"op": "B/10", "resource": "P1", "start": start, "end": start + 60}]})
}

async fn call(name: &str, input: Value) -> Result<Value, ToolError> {
    let yaml = "name: S\ntime_zone: UTC\nshifts: [{ id: A, starts: \"06:00\", ends: \"14:00\", days: [mon] }]\n\
                roles: { lead: { title: Lead } }\npeople: [{ id: ann, name: Ann, roles: [lead] }]\n";
    let site = Site::parse("takt.yaml", yaml, &Environment::default(), &Overrides::default()).unwrap();
    let name: ToolName = name.parse().unwrap();
    let tools = super::super::tools(&site).unwrap();
    let tool = tools.iter().find(|tool| tool.spec().name == name).expect("the tool is registered");
    assert_ne!(tool.spec().effect, Effect::Write);
    let schema = &tool.spec().input;
    assert!(jsonschema::is_valid(schema, &input), "the input does not fit the tool's own schema");
    let call = Call {
        run: uuid::Uuid::nil(),
        step: "s".into(),
        attempt: 1,
        key: "k".into(),
        timeout: Duration::from_secs(30),
        now: "2026-11-23T06:00:00Z".parse().unwrap(),
        trace: None,
        lease: Arc::default(),
    };
    let answer = tool.call(&call, input).await?;
    assert!(
        jsonschema::is_valid(&tool.spec().output, &answer),
        "the answer does not fit the tool's own schema"
    );
    Ok(answer)
}

#[tokio::test]
async fn a_plan_is_judged_and_read() {
    let verdict = call("schedule.validate", json!({"model": model(), "plan": plan(60)})).await.unwrap();
    assert_eq!((verdict["valid"].clone(), verdict["kpis"]["late_orders"].clone()), (json!(true), json!(1)));
    let verdict = call("schedule.validate", json!({"model": model(), "plan": plan(59)})).await.unwrap();
    assert_eq!(verdict["violations"][0]["rule"], json!(6));
    assert_eq!(
        verdict["violations"][0]["message"],
        json!("begins at 59 (Mon 06:59) on P1, which is busy until 60 (Mon 07:00)")
    );
    let figures = call("schedule.kpis", json!({"model": model(), "plan": plan(60)})).await.unwrap();
    assert_eq!(
        figures["usage"][0],
        json!({"resource": "P1", "work_minutes": 120, "changeover_minutes": 0,
        "open_minutes": 120, "utilisation": 1.0})
    );
    let error = call(
        "schedule.kpis",
        json!({"model": {"epoch": "2026-11-23T06:00:00Z", "horizon": 0,
        "resources": [], "orders": []}, "plan": {"ops": []}}),
    )
    .await
    .unwrap_err();
    assert!(error.message.starts_with("horizon: 0 is not allowed"), "{}", error.message);
}

#[tokio::test]
async fn a_breakdown_is_repaired_and_a_question_answered() {
    let change = json!({"down": {"resource": "P1", "from": 0, "to": 500}});
    let repaired = call("schedule.repair", json!({"model": model(), "changes": [change]})).await.unwrap();
    assert_eq!(repaired["plan"]["ops"][0]["resource"], json!("P2"));
    assert!(repaired["text"].as_str().unwrap().starts_with("If P1 is down for 500 min: "));
    let asked = json!({"model": model(), "plan": plan(60), "change": {"remove": {"order": "A"}}});
    let answer = call("schedule.what_if", asked).await.unwrap();
    assert_eq!(answer["after"]["late_orders"], json!(0));
    let asked = json!({"model": model(), "change": {"remove": {"order": "Z"}}});
    let error = call("schedule.what_if", asked).await.unwrap_err();
    assert!(error.message.contains("there is no order `Z`"), "{}", error.message);
}

#[tokio::test]
async fn people_and_jobs_are_brought_together() {
    let day = json!({"from": "2026-11-23T06:00:00Z", "to": "2026-11-23T14:00:00Z"});
    let asked = json!({
        "jobs": [{"id": "WELD-1", "skill": "weld", "from": day["from"], "to": day["to"]}],
        "operators": [{"id": "E-1", "certified": [{"skill": "weld"}], "present": [day]}],
    });
    let found = call("resource.assign", asked).await.unwrap();
    assert_eq!(found["assigned"][0]["operator"], json!("E-1"));
    let jobs = json!([{"id": "J-1", "weight": 4, "minutes": 60, "due": "2026-11-23T08:00:00Z"},
                      {"id": "J-2", "weight": 1, "minutes": 60, "due": "2026-11-23T08:00:00Z"}]);
    let ranked = call("priority.score", json!({"jobs": jobs})).await.unwrap();
    assert_eq!(ranked["jobs"][0]["job"], json!("J-1"));
    let jobs = json!([{"id": "J-1", "work_center": "M1", "score": 1, "minutes": 30, "missing": ["COIL"]}]);
    let list = call("dispatch.list", json!({"jobs": jobs, "work_centers": [{"id": "M1"}]})).await.unwrap();
    assert_eq!(list["held"][0]["rule"], json!("components_missing"));
    let wrong = json!({"jobs": [{"id": "J", "weight": 0, "minutes": 1, "due": "2026-11-23T08:00:00Z"}]});
    assert!(call("priority.score", wrong).await.unwrap_err().message.contains("J: weight is 0"));
}
