//! The process dies at every entry; the next one goes on from what was written down.

use super::world::*;
use crate::agent::*;
use crate::tool::{DataClass, Effect, ToolSpec};
use serde_json::json;
use std::sync::Arc;

fn script() -> Script {
    vec![
        fails(ModelErrorClass::Server, None),
        calls(&[("cmms__asset_history", json!({"asset": "PRESS-4"})), ("plex__nothing", json!({}))]),
        calls(&[
            ("plex__status", json!({"asset": "PRESS-4"})),
            ("material__simulate", json!({"asset": "PRESS-4"})),
        ]),
        says(&good()),
    ]
}

/// The rest of the script as a new process would get it: what was answered is not asked again.
fn rest(past: &[Entry]) -> Arc<Scripted> {
    let answered = past.iter().filter(|e| matches!(e, Entry::Responded { .. })).count();
    let failed = past
        .iter()
        .filter(|e| matches!(e, Entry::Failed { class, .. } if *class != ModelErrorClass::Lost))
        .count();
    Scripted::new("one", script().split_off(answered + failed))
}

fn count(entries: &[Entry], wanted: fn(&Entry) -> bool) -> usize {
    entries.iter().filter(|entry| wanted(entry)).count()
}

/// The result of the tool that proposes.
fn is_proposal(entry: &Entry) -> bool {
    matches!(entry, Entry::ToolDone { output, .. } if output.get("short_days").is_some())
}

#[tokio::test]
async fn every_prefix_resumes_to_the_same_answer() {
    let world = World::proposing();
    let model = Scripted::new("one", script());
    let (expected, whole) = world.run(std::slice::from_ref(&model)).await;
    assert!(whole.len() >= 16, "{} entries", whole.len());
    for cut in 0..=whole.len() {
        let world = World::proposing();
        let past = &whole[..cut];
        let model = rest(past);
        let ledger = Memory::new();
        let answer = world.resume(std::slice::from_ref(&model), past, &ledger).await.unwrap();
        assert_eq!(answer.output, expected.output, "cut at {cut}");
        assert_eq!(answer.source, expected.source, "cut at {cut}");
        assert_eq!(answer.turns, expected.turns, "cut at {cut}");

        let mut all = past.to_vec();
        all.extend(ledger.entries.into_inner().unwrap());
        let lost = count(&all, |e| matches!(e, Entry::Failed { class: ModelErrorClass::Lost, .. }));
        assert!(lost <= 1, "cut at {cut}: more than one lost request");
        let responded = count(&all, |e| matches!(e, Entry::Responded { .. }));
        assert_eq!(responded, 3, "cut at {cut}: an answered turn was asked again");
        let requested = count(&all, |e| matches!(e, Entry::Requested { .. }));
        assert_eq!(requested, 4 + lost, "cut at {cut}");
        let tools = count(&all, |e| matches!(e, Entry::ToolDone { .. } | Entry::ToolFailed { .. }));
        assert_eq!(tools, 3, "cut at {cut}: a finished tool call was made again");
        assert_eq!(world.write.count(), 0);
        let proposed = past.iter().any(is_proposal);
        assert_eq!(world.propose.count(), usize::from(!proposed), "cut at {cut}");
    }
}

/// It changes nothing outside. What has a result is not called again.
#[tokio::test]
async fn an_open_call_of_a_tool_that_proposes_is_made_again() {
    let (_, whole) = World::proposing().run(&[Scripted::new("one", script())]).await;
    let requested = whole.iter().position(is_proposal).unwrap() - 1;
    let (open, closed) = (&whole[..=requested], &whole[..=requested + 1]);
    for (past, called) in [(open, 1), (closed, 0)] {
        let (world, ledger) = (World::proposing(), Memory::new());
        let answer = world.resume(&[rest(past)], past, &ledger).await.unwrap();
        assert_eq!(answer.source, Source::Model);
        assert_eq!(world.propose.count(), called);
        let mut all = past.to_vec();
        all.extend(ledger.entries.into_inner().unwrap());
        assert_eq!(all.get(requested..=requested + 1), whole.get(requested..=requested + 1));
        assert_eq!(count(&all, |e| matches!(e, Entry::ToolRequested { .. })), 3, "it is the same call");
    }
}

/// The requests after a resume are byte for byte those of the run that was not interrupted.
#[tokio::test]
async fn a_resumed_conversation_sends_the_same_requests() {
    let world = World::proposing();
    let (_, whole) = world.run(&[Scripted::new("one", script())]).await;
    let requests = |entries: &[Entry]| -> Vec<String> {
        let requested = entries.iter().filter_map(|e| match e {
            Entry::Requested { request, .. } => Some(request.to_string()),
            _ => None,
        });
        requested.collect()
    };
    for (cut, entry) in whole.iter().enumerate() {
        // A lost answer is charged to the budget, which shrinks later answers.
        if matches!(entry, Entry::Responded { .. } | Entry::Failed { .. }) {
            continue;
        }
        let ledger = Memory::new();
        World::proposing().resume(&[rest(&whole[..cut])], &whole[..cut], &ledger).await.unwrap();
        let mut all = whole[..cut].to_vec();
        all.extend(ledger.entries.into_inner().unwrap());
        assert_eq!(requests(&all), requests(&whole), "cut at {cut}");
    }
}

/// The key of the tokens is the step's, not the worker's; one of another step gives other tokens.
#[tokio::test]
async fn a_resumed_step_keeps_its_tokens() {
    let mut world = World::proposing();
    world.task.mask_key = MaskKey::random();
    let model = Scripted::new("one", script());
    let (_, whole) = world.run(std::slice::from_ref(&model)).await;
    let sent = model.sent.lock().unwrap().clone();
    assert!(sent[1].to_string().contains("EMP_"), "{}", sent[1]);
    for cut in [1, 4, 8] {
        let mut later = World::proposing();
        later.task.mask_key = MaskKey::random();
        let rest = rest(&whole[..cut]);
        later.resume(std::slice::from_ref(&rest), &whole[..cut], &Memory::new()).await.unwrap();
        assert_eq!(rest.sent.lock().unwrap().last(), sent.last(), "cut at {cut}");
    }
    let (mut other, model) = (World::proposing(), Scripted::new("one", script()));
    other.task.mask_key = MaskKey::random();
    other.run(std::slice::from_ref(&model)).await;
    assert_ne!(model.sent.lock().unwrap()[0]["messages"], sent[0]["messages"]);
}

/// Descriptions, bounds and classes are part of what a step begins with, as its tools are.
#[tokio::test]
async fn a_tool_that_declares_something_else_changes_nothing_in_a_step_under_way() {
    let world = World::proposing();
    let model = Scripted::new("one", script());
    let (_, whole) = world.run(std::slice::from_ref(&model)).await;
    let sent = model.sent.lock().unwrap().clone();
    let described: fn(&mut ToolSpec) = |spec| {
        spec.description = "Something else.".into();
        spec.timeout *= 2;
        spec.result_bytes_max *= 2;
    };
    let classed: fn(&mut ToolSpec) = |spec| {
        spec.description = "Something else.".into();
        spec.input["properties"]["depth"] = json!({"type": "integer"});
        spec.classes = [("note".to_owned(), DataClass::Secret)].into();
    };
    let is_result = |e: &Entry| matches!(e, Entry::ToolDone { .. } | Entry::ToolFailed { .. });
    let all_called = whole.iter().rposition(is_result).unwrap() + 1;
    for (cut, change) in [(1, described), (4, described), (8, described), (all_called, classed)] {
        let later = World::proposing().redeclared(change);
        let rest = rest(&whole[..cut]);
        later.resume(std::slice::from_ref(&rest), &whole[..cut], &Memory::new()).await.unwrap();
        assert_eq!(rest.sent.lock().unwrap().last(), sent.last(), "cut at {cut}");
    }
}

#[tokio::test]
async fn a_closed_ledger_stops_before_the_effect() {
    for closes_at in 0..8 {
        let world = World::proposing();
        let model = Scripted::new("one", script());
        let ledger = Memory::closing_at(closes_at);
        assert_eq!(world.resume(std::slice::from_ref(&model), &[], &ledger).await, Err(LedgerClosed));
        let entries = ledger.entries.into_inner().unwrap();
        assert_eq!(model.calls(), count(&entries, |e| matches!(e, Entry::Requested { .. })));
        let tools = world.history.count() + world.broken.count();
        assert_eq!(tools, count(&entries, |e| matches!(e, Entry::ToolRequested { .. })));
    }
}

#[tokio::test]
async fn entries_survive_being_written_as_json() {
    let world = World::proposing();
    let (expected, whole) = world.run(&[Scripted::new("one", script())]).await;
    let text = serde_json::to_string(&whole).unwrap();
    let read: Vec<Entry> = serde_json::from_str(&text).unwrap();
    assert_eq!(read, whole);
    let answer = world.resume(&[Scripted::new("one", script())], &read, &Memory::new()).await.unwrap();
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn tools_deployed_in_the_middle_change_nothing_and_removed_ones_are_named() {
    let world = World::proposing();
    let (_, whole) = world.run(&[Scripted::new("one", script())]).await;
    let after_start = &whole[..1];
    let mut bare = World::proposing();
    bare.registry = crate::tool::Registry::default();
    let ledger = Memory::new();
    let model = Scripted::new("one", script());
    let answer = bare.resume(std::slice::from_ref(&model), after_start, &ledger).await.unwrap();
    assert_eq!(answer.source, Source::Model);
    let entries = ledger.entries.into_inner().unwrap();
    assert_eq!(retired(&entries), 3);
    let tools = model.sent.lock().unwrap()[0]["tools"].as_array().unwrap().len();
    assert_eq!(tools, 4, "the offered tools are those of the start");
    assert_eq!(world.huge.count(), 0);
}

fn retired(entries: &[Entry]) -> usize {
    count(entries, |e| matches!(e, Entry::ToolFailed { class, .. } if class == "retired"))
}

fn called(world: &World) -> usize {
    world.history.count() + world.broken.count() + world.propose.count()
}

/// Another schema under the same version number: arguments that were written for the one are not given to the other.
#[tokio::test]
async fn tools_that_changed_under_their_version_are_not_called_with_arguments_of_before() {
    let (_, whole) = World::proposing().run(&[Scripted::new("one", script())]).await;
    let open = whole.iter().position(|e| matches!(e, Entry::ToolRequested { .. })).unwrap() + 1;
    type Redeclare = fn(&mut ToolSpec);
    let changes: [(&str, Redeclare); 4] = [
        ("input", |spec| spec.input["properties"]["asset"] = json!({"type": "string", "maxLength": 20})),
        ("output", |spec| spec.output = json!({"type": "object", "required": ["unit"]})),
        ("classes", |spec| spec.classes = [("note".to_owned(), DataClass::Employee)].into()),
        ("effect", |spec| {
            spec.effect = if spec.effect == Effect::Read { Effect::Propose } else { Effect::Read };
        }),
    ];
    for (what, change) in changes {
        for cut in [1, open] {
            let (later, ledger) = (World::proposing().redeclared(change), Memory::new());
            let answer = later.resume(&[rest(&whole[..cut])], &whole[..cut], &ledger).await.unwrap();
            assert_eq!(answer.source, Source::Model, "{what}, cut at {cut}");
            assert_eq!(retired(&ledger.entries.into_inner().unwrap()), 3, "{what}, cut at {cut}");
            assert_eq!(called(&later), 0, "{what}, cut at {cut}");
        }
    }
}

/// Journals that were begun before the hash was kept are held to the version alone.
#[tokio::test]
async fn a_step_that_began_without_hashes_goes_on() {
    let (_, whole) = World::proposing().run(&[Scripted::new("one", script())]).await;
    let mut started = serde_json::to_value(&whole[0]).unwrap();
    for tool in started["tools"].as_array_mut().unwrap() {
        assert!(tool.as_object_mut().unwrap().remove("spec_sha").is_some());
    }
    let past: [Entry; 1] = [serde_json::from_value(started).unwrap()];
    let (later, ledger) = (World::proposing().redeclared(|spec| spec.output = json!(true)), Memory::new());
    later.resume(&[rest(&past)], &past, &ledger).await.unwrap();
    assert_eq!(retired(&ledger.entries.into_inner().unwrap()), 0);
    assert_eq!(called(&later), 3);
}
