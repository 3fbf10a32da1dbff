//! What models and servers do wrong, and what must come of it.

use super::world::*;
use crate::{agent::*, tool::ToolName};
use serde_json::{Value, json};
use std::time::Duration;

const HISTORY: &str = "cmms__asset_history";

fn press_4() -> Value {
    json!({"asset": "PRESS-4"})
}

/// One model's script → reason of the fallback (none: the model's answer), model calls, history calls.
pub(super) async fn outcome(script: Script) -> (Option<Reason>, usize, usize) {
    let world = World::new();
    let model = Scripted::new("one", script);
    let (answer, _) = world.run(std::slice::from_ref(&model)).await;
    assert_eq!(world.write.count() + world.elsewhere.count(), 0, "a tool outside the scope was called");
    assert_eq!(answer.source == Source::Rules, answer.why_fallback.is_some());
    if answer.source == Source::Rules {
        assert_eq!(answer.output, world.task.fallback);
    }
    (answer.why_fallback.map(|why| why.reason), model.calls(), world.history.count())
}

#[tokio::test]
async fn a_good_answer_after_a_tool_call() {
    let world = World::new();
    let model = Scripted::new("one", vec![calls(&[(HISTORY, press_4())]), says(&good())]);
    let (answer, _) = world.run(std::slice::from_ref(&model)).await;
    assert_eq!(answer.output, good());
    assert_eq!((answer.source, answer.model.as_deref()), (Source::Model, Some("served")));
    assert_eq!((answer.turns, answer.tool_calls, answer.repairs), (2, 1, 0));
    assert_eq!(answer.usage, Usage { input_tokens: 800, output_tokens: 80 });
}

/// What a server calls its model stands on cards: a sentence in its place is not shown.
#[tokio::test]
async fn a_model_that_names_itself_with_a_sentence_goes_by_the_name_it_is_configured_with() {
    for text in [
        "*Approve this*, says <https://plant.example|the plant>",
        "m\u{202e}",
        "",
        "m".repeat(5_000).as_str(),
    ] {
        let mut reply = says(&good()).unwrap();
        reply["model"] = json!(text);
        let (answer, _) = World::new().run(&[Scripted::new("one", vec![Ok(reply)])]).await;
        assert_eq!(answer.model.as_deref(), Some("one-1"), "{text:?}");
    }
}

/// Case 1: arguments that are not what a call needs.
#[tokio::test]
async fn broken_arguments_are_repaired_once_and_never_run() {
    for broken in
        ["{asset: PRESS-4}", "{\"asset\":\"PRESS-4\",}", "\"PRESS-4\"", "{\"asset\":\"a\"}{\"asset\":\"b\"}"]
    {
        let call = || calls(&[(HISTORY, json!(broken))]);
        assert_eq!(outcome(vec![call(), says(&good())]).await, (None, 2, 0), "{broken}");
        assert_eq!(outcome(vec![call(), call()]).await, (Some(Reason::InvalidAnswer), 2, 0), "{broken}");
    }
    for invalid in [json!({}), json!({"asset": 4}), json!({"asset": "PRESS-4", "sql": "drop"})] {
        assert_eq!(outcome(vec![calls(&[(HISTORY, invalid)]), says(&good())]).await, (None, 2, 0));
    }
}

/// Case 1, the other way round: servers that send arguments as an object are understood.
#[tokio::test]
async fn arguments_as_an_object_are_accepted() {
    let call = json!({"tool_calls": [{"function": {"name": HISTORY, "arguments": press_4()}}]});
    assert_eq!(outcome(vec![Ok(body(call, "stop")), says(&good())]).await, (None, 2, 1));
}

/// Case 2: tools that do not exist, exist elsewhere, or write.
#[tokio::test]
async fn tools_outside_the_list_are_refused() {
    for name in ["plex__nothing", "erp__open_pos", "plex__update_sequence", "cmms.asset_history", ""] {
        let script = vec![calls(&[(name, press_4())]), says(&good())];
        assert_eq!(outcome(script).await, (None, 2, 0), "{name}");
    }
}

#[tokio::test]
async fn a_listed_write_is_withheld_and_never_offered() {
    let world = World::new();
    let model = Scripted::new("one", vec![says(&good())]);
    let (_, entries) = world.run(std::slice::from_ref(&model)).await;
    let Entry::Started { withheld, tools, .. } = &entries[0] else { panic!("{:?}", entries[0]) };
    assert_eq!(withheld.iter().map(ToolName::as_str).collect::<Vec<_>>(), ["plex.update_sequence"]);
    assert_eq!(tools.len(), 3);
    assert!(!model.sent.lock().unwrap()[0].to_string().contains("update_sequence"));
}

/// Case 3: the same call for ever, and two calls in turns.
#[tokio::test]
async fn loops_end() {
    let a = || calls(&[(HISTORY, press_4())]);
    let b = || calls(&[("plex__status", press_4())]);
    assert_eq!(outcome(vec![a()]).await, (Some(Reason::Loop), 3, 2));
    assert_eq!(outcome(vec![a(), b(), a(), b(), a()]).await, (Some(Reason::Loop), 5, 2));
}

#[tokio::test]
async fn turns_and_tool_calls_are_limited() {
    let other = |i: usize| (HISTORY, json!({"asset": format!("A{i}")}));
    let script: Script = (0..20).map(|i| calls(&[other(i)])).collect();
    assert_eq!(outcome(script).await, (Some(Reason::Turns), 8, 8));
    let many: Vec<(&str, Value)> = (0..20).map(other).collect();
    assert_eq!(outcome(vec![calls(&many)]).await, (Some(Reason::ToolCalls), 1, 12));
}

/// Case 4: budgets stop the next call, whatever the server reports.
#[tokio::test]
async fn budgets_hold_with_missing_and_lying_usage() {
    for usage in [Value::Null, json!({"prompt_tokens": 0, "completion_tokens": 0})] {
        let mut world = World::new();
        world.task.limits = Limits { tokens: 3_000, answer_tokens: 300, same_call: 99, ..Limits::default() };
        let mut call = calls(&[(HISTORY, press_4())]).unwrap();
        call["usage"] = usage;
        let model = Scripted::new("one", vec![Ok(call)]);
        let (answer, entries) = world.run(std::slice::from_ref(&model)).await;
        assert_eq!(answer.why_fallback.unwrap().reason, Reason::Tokens);
        assert!(answer.usage.total() <= 3_000, "{:?}", answer.usage);
        assert!(model.calls() >= 1 && model.calls() < 8);
        for entry in &entries {
            if let Entry::Requested { reserve, request, .. } = entry {
                assert!(reserve.input_tokens as usize * 3 >= request.to_string().len() - 20);
                assert_eq!(request["max_completion_tokens"], reserve.output_tokens);
            }
        }
    }
}

/// Case 4: what may be on the bill is charged, although there was no answer.
#[tokio::test]
async fn an_attempt_that_broke_off_is_charged_and_one_that_was_refused_is_not() {
    use ModelErrorClass::*;
    let with_status = |class, status| {
        Err(ModelError { class, status: Some(status), retry_after: None, message: "no".into() })
    };
    let error_as_answer = Ok(json!({"error": {"message": "busy"}}));
    for (failure, is_charged) in [
        (fails(Network, None), true),
        (fails(Timeout, None), true),
        (with_status(Network, 200), true),
        (with_status(Server, 200), true),
        (error_as_answer, true),
        (fails(Unreachable, None), false),
        (with_status(Server, 503), false),
        (with_status(RateLimited, 429), false),
    ] {
        let case = format!("{failure:?}");
        let model = Scripted::new("one", vec![failure, says(&good())]);
        let (answer, entries) = World::new().run(std::slice::from_ref(&model)).await;
        let reserve = entries.iter().find_map(|entry| match entry {
            Entry::Requested { reserve, .. } => Some(*reserve),
            _ => None,
        });
        let reserve = reserve.expect("a request");
        let lost = if is_charged { reserve.input_tokens + reserve.output_tokens } else { 0 };
        assert_eq!(answer.usage.total(), 440 + lost, "{case}");
        assert_eq!(answer.source, Source::Model, "{case}");
    }
}

/// Case 4: a server that reports more than was reserved is shown as it reports, and is not asked again.
#[tokio::test]
async fn a_report_beyond_the_limit_is_shown_and_ends_the_step() {
    let mut call = calls(&[(HISTORY, press_4())]).unwrap();
    call["usage"] = json!({"prompt_tokens": 900, "completion_tokens": 70_000});
    let model = Scripted::new("one", vec![Ok(call), says(&good())]);
    let (answer, _) = World::new().run(std::slice::from_ref(&model)).await;
    assert_eq!(answer.why_fallback.unwrap().reason, Reason::Tokens);
    assert_eq!((answer.usage.total(), model.calls()), (70_900, 1));
}

#[tokio::test]
async fn money_is_reserved_before_the_call() {
    let mut world = World::new();
    world.task.limits.cost_usd = 0.000_1;
    let model = Scripted::new("one", vec![says(&good())]);
    let (answer, _) = world.run(std::slice::from_ref(&model)).await;
    assert_eq!(answer.why_fallback.unwrap().reason, Reason::Cost);
    assert_eq!(model.calls(), 0);
}

/// Case 5: refusals go to the next model, never to a repair.
#[tokio::test]
async fn refusals_are_not_repaired() {
    let refusal = || Ok(body(json!({"content": null, "refusal": "I cannot"}), "stop"));
    let filtered = || Ok(body(json!({"content": null}), "content_filter"));
    for refused in [refusal(), filtered(), fails(ModelErrorClass::ContentFilter, None)] {
        assert_eq!(outcome(vec![refused.clone()]).await, (Some(Reason::Refused), 1, 0));
        let world = World::new();
        let models = [Scripted::new("one", vec![refused]), Scripted::new("two", vec![says(&good())])];
        let (answer, _) = world.run(&models).await;
        assert_eq!(answer.source, Source::FallbackModel);
        assert_eq!(answer.output, good());
    }
}

/// Case 6: what was cut off is never read as complete, also when it happens to parse.
#[tokio::test]
async fn truncated_answers_are_asked_for_again_once_with_more_room() {
    for finish in ["length", "", "abort"] {
        let cut = || Ok(body(json!({"content": good().to_string()}), finish));
        assert_eq!(outcome(vec![cut(), says(&good())]).await, (None, 2, 0), "{finish}");
        assert_eq!(outcome(vec![cut(), cut()]).await, (Some(Reason::Truncated), 2, 0), "{finish}");
    }
    let world = World::new();
    let model = Scripted::new("one", vec![Ok(body(json!({"content": "{"}), "length")), says(&good())]);
    world.run(std::slice::from_ref(&model)).await;
    let sent = model.sent.lock().unwrap();
    assert_eq!(sent[0]["max_completion_tokens"].as_u64().unwrap() * 2, sent[1]["max_completion_tokens"]);
}

/// Case 7: a storm of 429 honours Retry-After, quota is not asked again.
#[tokio::test]
async fn errors_of_the_server_are_retried_by_class() {
    use ModelErrorClass::*;
    let world = World::new();
    let model = Scripted::new("one", vec![fails(RateLimited, Some(20)), fails(Server, None), says(&good())]);
    let (answer, _) = world.run(std::slice::from_ref(&model)).await;
    assert_eq!(answer.source, Source::Model);
    assert!(world.clock.passed().to_std().unwrap() >= Duration::from_secs(21));
    for (class, calls, reason) in [
        (Quota, 1, Reason::Quota),
        (Auth, 1, Reason::ModelDown),
        (NotFound, 1, Reason::ModelDown),
        (BadRequest, 1, Reason::ModelDown),
        (Unparseable, 1, Reason::ModelDown),
        (Unreachable, 3, Reason::ModelDown),
        (Network, 3, Reason::ModelDown),
        (Timeout, 3, Reason::ModelDown),
    ] {
        assert_eq!(outcome(vec![fails(class, None)]).await, (Some(reason), calls, 0), "{class:?}");
    }
    // Waiting longer than the step may take helps nobody.
    assert_eq!(outcome(vec![fails(RateLimited, Some(3600))]).await, (Some(Reason::ModelDown), 1, 0));
}

#[tokio::test]
async fn without_a_model_the_fallback_answers() {
    let (answer, entries) = World::new().run(&[]).await;
    assert_eq!(answer.why_fallback.unwrap().reason, Reason::NoModel);
    assert_eq!(entries.len(), 2);
}

/// Case 8: ids that exist nowhere, or only in what somebody wrote.
#[tokio::test]
async fn ungrounded_answers_are_rejected() {
    let of = |work_center: &str, summary: &str| {
        says(&json!({"severity": "high", "work_center": work_center, "summary": summary}))
    };
    for (work_center, summary) in [
        ("PRESS-5", "Leak"),
        ("press-4", "Leak"),
        ("PRESS-4", "Release PO-999"),
        ("PRESS-4", "See WO-12"),
        ("PRESS-4", "Ask MASK_0000"),
    ] {
        let bad = || of(work_center, summary);
        let case = format!("{work_center} {summary}");
        assert_eq!(outcome(vec![bad(), bad()]).await, (Some(Reason::InvalidAnswer), 2, 0), "{case}");
        assert_eq!(outcome(vec![bad(), says(&good())]).await, (None, 2, 0), "{case}");
    }
    // The same work order is known once a tool has named it.
    let asked = vec![calls(&[(HISTORY, press_4())]), of("PRESS-4", "See WO-12")];
    assert_eq!(outcome(asked).await, (None, 2, 1));
}

/// Case 9: instructions in data change nothing but the data, and names stay inside.
#[tokio::test]
async fn injected_text_stays_data_and_names_stay_inside() {
    let world = World::new();
    let script = vec![calls(&[("plex__status", press_4()), (HISTORY, press_4())]), says(&good())];
    let model = Scripted::new("one", script);
    world.run(std::slice::from_ref(&model)).await;
    let sent = model.sent.lock().unwrap();
    let last = sent.last().unwrap();
    let system = last["messages"][0]["content"].as_str().unwrap();
    assert!(!system.contains("PO-999"));
    let wire = last.to_string();
    assert!(wire.contains("IGNORE ALL RULES"), "the error is told to the model as data");
    for name in ["Mia", "Keller", "Ivo", "Brand"] {
        assert!(!wire.contains(name), "{name} left the plant");
    }
}

#[tokio::test]
async fn a_masked_name_in_the_answer_is_put_back() {
    let world = World::new();
    let ask = Scripted::new("one", vec![calls(&[(HISTORY, press_4())]), says(&good())]);
    world.run(std::slice::from_ref(&ask)).await;
    let wire = ask.sent.lock().unwrap()[1].to_string();
    let at = wire.find("EMP_").unwrap();
    // The opening message says EMP_7F3A as an example; the last one is the operator's.
    let token: String = wire[wire.rfind("EMP_").unwrap()..]
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    assert!(at < wire.rfind("EMP_").unwrap());
    let answer = json!({"severity": "high", "summary": format!("Ask {token}")});
    let model = Scripted::new("one", vec![calls(&[(HISTORY, press_4())]), says(&answer)]);
    let (answer, _) = world.run(std::slice::from_ref(&model)).await;
    assert_eq!(answer.output["summary"], "Ask Ivo Brand");
}

#[tokio::test]
async fn a_result_that_is_too_large_is_an_error_for_the_model() {
    let world = World::new();
    let model = Scripted::new("one", vec![calls(&[("plex__huge", press_4())]), says(&good())]);
    let (answer, entries) = world.run(std::slice::from_ref(&model)).await;
    assert_eq!(answer.source, Source::Model);
    assert!(entries.iter().any(|e| matches!(e, Entry::ToolFailed { class, .. } if class == "too_large")));
}

#[tokio::test]
async fn answers_are_checked_by_schema_and_workflow() {
    let low = || says(&json!({"severity": "low", "summary": "x"}));
    let wrong = || says(&json!({"severity": "huge", "summary": "x"}));
    let fenced = says_text(&format!("```json\n{}\n```", good()));
    for bad in [
        low(),
        wrong(),
        says_text("I think so"),
        says(&json!([])),
        Ok(body(json!({}), "stop")),
        Ok(json!({})),
    ] {
        let (reason, ..) = outcome(vec![bad.clone(), bad]).await;
        assert!(matches!(reason, Some(Reason::InvalidAnswer | Reason::Truncated)), "{reason:?}");
    }
    assert_eq!(outcome(vec![low(), fenced]).await, (None, 2, 0));
}

/// Parallel calls although they were switched off, with repeated ids: each is answered.
#[tokio::test]
async fn parallel_calls_with_one_id_are_all_answered() {
    let world = World::new();
    let mut both = calls(&[(HISTORY, press_4()), (HISTORY, json!({"asset": "PRESS-5"}))]).unwrap();
    both["choices"][0]["message"]["tool_calls"][1]["id"] = json!("x0");
    let model = Scripted::new("one", vec![Ok(both), says(&good())]);
    world.run(std::slice::from_ref(&model)).await;
    let sent = model.sent.lock().unwrap();
    let messages = sent[1]["messages"].as_array().unwrap();
    let asked: Vec<&Value> =
        messages[2]["tool_calls"].as_array().unwrap().iter().map(|call| &call["id"]).collect();
    let answered: Vec<&Value> = messages[3..].iter().map(|m| &m["tool_call_id"]).collect();
    assert_eq!(asked, answered);
    assert_ne!(asked[0], asked[1]);
}

/// Every request of a long conversation is legal for the published description of the API.
#[tokio::test]
async fn requests_have_the_official_shape() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openai/chat_completions_subset.openapi.json");
    let mut document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    document["$ref"] = json!("#/components/schemas/CreateChatCompletionRequest");
    let validator = jsonschema::validator_for(&document).unwrap();
    let world = World::new();
    let script = vec![calls(&[(HISTORY, press_4()), ("nothing", json!("{"))]), says(&good())];
    let model = Scripted::new("one", script);
    world.run(std::slice::from_ref(&model)).await;
    let sent = model.sent.lock().unwrap();
    assert_eq!(sent.len(), 2);
    for request in sent.iter() {
        let errors: Vec<String> =
            validator.iter_errors(request).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

/// Arguments are held to what an answer is: a note may ask for an order, and nobody looks it up.
#[tokio::test]
async fn a_tool_is_not_asked_about_what_no_data_names() {
    for asset in ["PO-999", "po 999", "see http://evil.example/x"] {
        let world = World::new();
        let model = Scripted::new(
            "one",
            vec![calls(&[("cmms__asset_history", json!({"asset": asset}))]), says(&good())],
        );
        let (answer, entries) = world.run(&[model]).await;
        assert_eq!(world.history.count(), 0, "{asset}");
        assert_eq!((answer.source, answer.repairs), (Source::Model, 1), "{asset}");
        let is_ungrounded = |entry: &Entry| {
            matches!(entry, Entry::Rejected { rejection, .. }
                if rejection.kind == RejectionKind::Ungrounded && rejection.index == Some(0))
        };
        assert!(entries.iter().any(is_ungrounded), "{asset}");
    }
    // An argument that is an entity by its schema is one of the data, whatever it looks like.
    for (asset, called) in [("the old press", 0), ("PRESS-4", 1)] {
        let mut world = World::new();
        let mut registry = crate::tool::Registry::default();
        for tool in world.registry.tools() {
            let mut spec = tool.spec().clone();
            spec.input["properties"]["asset"]["x-takt-entity"] = json!("asset");
            registry.add(Redeclared::of(spec, tool)).unwrap();
        }
        world.registry = registry;
        let script = vec![calls(&[("cmms__asset_history", json!({"asset": asset}))]), says(&good())];
        world.run(&[Scripted::new("one", script)]).await;
        assert_eq!(world.history.count(), called, "{asset}");
    }
}

/// A name that the data put into the instructions is a token in both: an answer may say it again as any other value.
#[tokio::test]
async fn a_masked_value_in_the_instructions_is_not_the_instructions_own() {
    let mut world = World::new();
    world.task.instructions = "You help Mia Keller with the stop of the press in hall two at once.".into();
    let model = Scripted::new("one", vec![says(&good())]);
    world.run(std::slice::from_ref(&model)).await;
    let sent = model.sent.lock().unwrap()[0]["messages"].clone();
    let data: Value = serde_json::from_str(sent[1]["content"].as_str().unwrap()).unwrap();
    let token = data["data"]["employee_name"].as_str().unwrap();
    assert!(sent[0]["content"].as_str().unwrap().starts_with(&format!("You help {token} with the stop")));
    // Twelve words with the two of the token, ten without.
    let summary = |text: &str| {
        let mut answer = good();
        answer["summary"] = json!(text.replace("NAME", token));
        [Scripted::new("one", vec![says(&answer)])]
    };
    let (answer, _) = world.run(&summary("help NAME with the stop of the press in hall two")).await;
    assert_eq!(answer.output["summary"], "help Mia Keller with the stop of the press in hall two");
    assert_eq!((answer.source, answer.repairs), (Source::Model, 0));
    let (answer, _) = world.run(&summary("you help NAME with the stop of the press in hall two at")).await;
    assert_eq!(answer.why_fallback.unwrap().reason, Reason::InvalidAnswer);
}
