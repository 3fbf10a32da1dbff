//! What a collector is told of an agent: each call of a model and a tool once, also when its run was taken up again
//! after a kill, nothing by a replay, and what was said only where that was asked for.

use super::{ledger, plant_with, run_of, stop};
use crate::{
    care::collector::{Collector, Span},
    support::wire::{Said, Wire, answer, tool_calls},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use takt::agent::Entry;

async fn wire() -> Wire {
    Wire::start(|seen| {
        let messages = seen.body["messages"].as_array().cloned().unwrap_or_default();
        match messages.iter().any(|message| message["role"] == "tool") {
            false => Said::json(200, &tool_calls(&[("cmms__asset_history", json!({ "asset": "EQ-4" }))])),
            true => Said::json(200, &answer(&json!({ "summary": "A leak of oil." }))),
        }
    })
    .await
}

/// Spans of agents, once as many steps have ended; the span of a step comes after those of its calls.
async fn spans(collector: &Collector, steps: usize) -> Vec<Span> {
    let begun = Instant::now();
    loop {
        let found = of_agents(collector);
        if found.iter().filter(|span| is_step(span)).count() >= steps {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{steps} steps were wanted: {found:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn of_agents(collector: &Collector) -> Vec<Span> {
    let is_one = |span: &Span| span.attributes.contains_key("gen_ai.operation.name");
    collector.spans().into_iter().filter(is_one).collect()
}

fn is_step(span: &Span) -> bool {
    span.name.starts_with("invoke_agent")
}

#[tokio::test]
async fn each_call_is_told_once_and_what_was_said_only_when_asked_for() {
    let (collector, wire) = (Collector::start().await, wire().await);
    let mut plant = plant_with(&wire).await;
    plant.environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()));
    plant.environment.push(("OTEL_BSP_SCHEDULE_DELAY", "100".into()));
    plant.serve(None).await;
    stop(&plant, "plain").await;
    let run = run_of(&plant, "plain").await;
    assert_eq!(plant.to_the_end(run).await, "done");
    let told = spans(&collector, 1).await;
    let names: Vec<&str> = told.iter().map(|span| span.name.as_str()).collect();
    let wanted =
        ["chat gpt-4.1-mini", "execute_tool cmms.asset_history", "chat gpt-4.1-mini", "invoke_agent triage"];
    assert_eq!(names, wanted);
    let whole = &told[3];
    assert_eq!(whole.attributes["takt.source"], "model");
    assert!(told[..3].iter().all(|span| span.parent == whole.id), "its calls lie in it: {told:#?}");
    let attribute = |at: usize, name: &str| told[at].attributes.get(name).map(String::as_str);
    assert_eq!(attribute(0, "gen_ai.operation.name"), Some("chat"));
    // Not what the site calls the endpoint: that is an attribute of its own.
    let port = wire.url.trim_end_matches("/v1").rsplit_once(':').map(|(_, port)| port);
    assert_eq!(attribute(0, "gen_ai.provider.name"), Some("openai"));
    assert_eq!((attribute(0, "server.address"), attribute(0, "server.port")), (Some("127.0.0.1"), port));
    assert_eq!(attribute(0, "takt.endpoint"), Some("openai"));
    assert_eq!(attribute(0, "gen_ai.response.model"), Some("small-2026-09-01"));
    assert_eq!(attribute(0, "gen_ai.response.finish_reasons"), Some("[tool_calls]"));
    assert_eq!(attribute(0, "gen_ai.usage.input_tokens"), Some("400"));
    assert_eq!(attribute(0, "gen_ai.agent.name"), Some("triage"));
    assert_eq!(attribute(0, "gen_ai.conversation.id"), Some(run.to_string().as_str()));
    assert_eq!(attribute(1, "gen_ai.tool.name"), Some("cmms.asset_history"));
    for span in &told {
        assert!(!format!("{:?}", span.attributes).contains("leak of oil"), "{span:?}");
        assert!(!span.attributes.contains_key("gen_ai.input.messages"), "{span:?}");
    }
    plant.kill();

    // Once more, killed in the middle by a process that had no time to tell anything: what comes is the next one's.
    plant.environment.push(("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true".into()));
    plant.environment.push(("OTEL_BSP_SCHEDULE_DELAY", "600000".into()));
    plant.serve(Some("after_agent_tool_done")).await;
    stop(&plant, "killed").await;
    plant.died().await;
    assert_eq!(of_agents(&collector).len(), 4, "the killed process told nothing");
    plant.environment.push(("OTEL_BSP_SCHEDULE_DELAY", "100".into()));
    plant.serve(None).await;
    let run = run_of(&plant, "killed").await;
    assert_eq!(plant.to_the_end(run).await, "done");
    let told: Vec<Span> = spans(&collector, 2).await;
    // The second turn and the end of the step; of the first turn and its tool, which it only read, nothing.
    let names: Vec<&str> = told.iter().skip(4).map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["chat gpt-4.1-mini", "invoke_agent triage"], "{told:#?}");
    let last = &told[4];
    assert_eq!(last.attributes["takt.turn"], "2");
    assert_eq!(last.attributes["gen_ai.conversation.id"], run.to_string());
    assert!(last.attributes["gen_ai.output.messages"].contains("leak of oil"), "{last:?}");
    assert!(last.attributes["gen_ai.input.messages"].contains("asset"), "{last:?}");
    let said: Value = serde_json::from_str(&last.attributes["gen_ai.output.messages"]).expect("JSON");
    assert_eq!((&said[0]["role"], &said[0]["parts"][0]["type"]), (&json!("assistant"), &json!("text")));
    let entries = ledger(&plant.records(run).await);
    let asked = entries.iter().filter(|entry| matches!(entry, Entry::Requested { .. })).count();
    assert_eq!(asked, 2, "nothing was asked again");
}

/// A replay does nothing new, so that it tells nothing, whatever collector the environment names.
#[tokio::test]
async fn a_replay_tells_a_collector_nothing() {
    let collector = Collector::start().await;
    let site = env!("CARGO_MANIFEST_DIR");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_takt"));
    let replayed = command
        .args(["eval", &format!("{site}/evals/downtime_escalation"), "--site", site])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .output()
        .await
        .expect("it runs");
    let report = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(report.contains("downtime_escalation/"), "cases were replayed: {report}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let told = collector.spans();
    assert!(told.is_empty(), "{told:#?}");
}
