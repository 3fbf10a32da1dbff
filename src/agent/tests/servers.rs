//! Servers that can less, may see less, or are left alone; and what no journal can keep.

use super::adversarial::outcome;
use super::world::*;
use crate::agent::*;
use serde_json::{Value, json};

const HISTORY: &str = "cmms__asset_history";

fn press_4() -> Value {
    json!({"asset": "PRESS-4"})
}

/// Data that an endpoint may not be sent keeps it from being asked at all.
#[tokio::test]
async fn a_model_is_only_asked_with_data_of_the_classes_it_may_see() {
    use crate::tool::DataClass;
    let with = |endpoint: &str, classes: &[DataClass]| {
        let mut model = Scripted::alone(endpoint, vec![says(&good())]);
        model.profile.capabilities.data = classes.iter().copied().collect();
        std::sync::Arc::new(model)
    };
    // The tools give an operator's name.
    let outside = with("outside", &[DataClass::Proprietary]);
    let inside = with("inside", &[DataClass::Employee, DataClass::Proprietary]);
    let (answer, entries) = World::new().run(&[outside.clone(), inside.clone()]).await;
    assert_eq!((outside.calls(), inside.calls()), (0, 1));
    assert_eq!(answer.source, Source::Model);
    let Entry::Started { barred, policy_sha, .. } = &entries[0] else { panic!("{:?}", entries[0]) };
    assert_eq!(barred[0].why, "this step has employee data");
    assert_eq!(policy_sha.len(), 64);

    let (answer, _) = World::new().run(std::slice::from_ref(&outside)).await;
    let why = answer.why_fallback.unwrap();
    assert_eq!(why.reason, Reason::NoModel);
    assert!(why.detail.contains("employee data"), "{}", why.detail);
}

/// What a server cannot do is not asked of it.
#[tokio::test]
async fn a_request_fits_what_the_server_can() {
    let mut model = Scripted::alone("small", vec![calls(&[(HISTORY, press_4())]), says(&good())]);
    model.profile.capabilities = Capabilities {
        strict: false,
        json_schema: false,
        tool_choice: false,
        max_completion_tokens: false,
        store: false,
        ..Capabilities::default()
    };
    let model = std::sync::Arc::new(model);
    World::new().run(std::slice::from_ref(&model)).await;
    let sent = model.sent.lock().unwrap();
    for request in sent.iter() {
        for unknown in ["max_completion_tokens", "store", "tool_choice", "parallel_tool_calls"] {
            assert!(request.get(unknown).is_none(), "{unknown}");
        }
        assert!(request["max_tokens"].as_u64().unwrap() > 0);
        assert_eq!(request["response_format"], json!({"type": "json_object"}));
        assert!(request["messages"][0]["content"].as_str().unwrap().contains("\"severity\""));
        assert!(request["tools"][0]["function"].get("strict").is_none());
    }
}

/// llama.cpp leaves the second of two calls where the model wrote it: there it is neither a call nor an answer.
#[tokio::test]
async fn a_call_that_was_left_in_the_text_is_not_made_and_the_one_beside_it_is() {
    let left = json!({"name": HISTORY, "arguments": {"asset": "EQ-9"}});
    let mut both = calls(&[(HISTORY, press_4())]).unwrap();
    both["choices"][0]["message"]["content"] = json!(format!("<tool_call>\n{left}\n</tool_call>"));
    let (world, model) = (World::new(), Scripted::new("one", vec![Ok(both), says(&good())]));
    let (answer, _) = world.run(std::slice::from_ref(&model)).await;
    assert_eq!((answer.source, answer.tool_calls, world.history.count()), (Source::Model, 1, 1));
    let sent = model.sent.lock().unwrap();
    let said = &sent[1]["messages"][2];
    assert_eq!((&said["content"], said["tool_calls"].as_array().map(Vec::len)), (&Value::Null, Some(1)));
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

/// PostgreSQL keeps no NUL and no endless nesting; neither may come from a model or a tool into the journal.
#[tokio::test]
async fn what_a_journal_cannot_keep_does_not_get_there() {
    let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let deep = format!("{{\"severity\":\"high\",\"summary\":{nested}}}");
    let nul = r#"{"severity":"high","summary":"a\u0000b"}"#;
    let deep_call = calls(&[(HISTORY, json!(format!("{{\"asset\":{nested}}}")))]);
    for bad in [says_text(&deep), deep_call] {
        assert_eq!(outcome(vec![bad, says(&good())]).await, (None, 2, 0));
    }
    let world = World::new();
    let (answer, entries) = world.run(&[Scripted::new("one", vec![says_text(nul)])]).await;
    assert_eq!(answer.output["summary"], "a\u{fffd}b");
    assert!(entries.iter().all(|entry| !holds_nul(&serde_json::to_value(entry).unwrap())));
}

/// An endpoint that is left alone is waited for when it names a time, and passed over when it is broken.
#[tokio::test]
async fn held_endpoints_are_waited_for_or_passed_over() {
    use std::sync::{Arc, Mutex};

    struct Held(Mutex<Vec<Hold>>);

    #[async_trait::async_trait]
    impl Endpoints for Held {
        async fn admit(&self, wanted: &Wanted<'_>, now: chrono::DateTime<chrono::Utc>) -> Admission {
            match self.0.lock().unwrap().pop().filter(|_| wanted.endpoint == "one") {
                Some(by) => Admission::Later { until: now + chrono::TimeDelta::seconds(10), by },
                None => Admission::Go(Box::new(())),
            }
        }

        async fn tell(&self, _: &str, _: Told, _: u64, _: chrono::DateTime<chrono::Utc>) {}
    }

    for (by, source, passed) in [
        (Hold::RateLimited, Source::Model, 10),
        (Hold::Paced, Source::Model, 10),
        (Hold::Circuit, Source::FallbackModel, 0),
        (Hold::Quota, Source::FallbackModel, 0),
    ] {
        let world = World::new();
        let models: Vec<Arc<dyn Model>> =
            vec![Scripted::new("one", vec![says(&good())]), Scripted::new("two", vec![says(&good())])];
        let endpoints = Held(Mutex::new(vec![by]));
        let ledger = Memory::new();
        let answer = world.to_the_end(&models, &[], &ledger, &endpoints).await.unwrap();
        assert_eq!(answer.source, source, "{by:?}");
        assert_eq!(world.clock.passed().num_seconds(), passed, "{by:?}");
    }
}
