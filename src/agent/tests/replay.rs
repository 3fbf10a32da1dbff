//! A tape answers exactly the conversation it was made from, and says what changed otherwise.

use super::world::*;
use crate::agent::*;
use serde_json::{Value, json};

type Change = fn(&mut World);

fn script() -> Script {
    vec![
        fails(ModelErrorClass::RateLimited, Some(1)),
        calls(&[("cmms__asset_history", json!({"asset": "PRESS-4"}))]),
        says(&good()),
    ]
}

async fn replay(world: &World, tape: Tape) -> (Answer, Vec<Stale>) {
    let player = TapePlayer::new(tape);
    let (models, ledger) = (player.models(), Memory::new());
    let answer = world.to_the_end(&models, &[], &ledger, &Unlimited).await;
    (answer.unwrap(), player.stale())
}

async fn recorded() -> (Answer, Tape) {
    let (answer, entries) = World::new().run(&[Scripted::new("one", script())]).await;
    (answer, Tape::from_entries("triage", &entries))
}

#[tokio::test]
async fn a_replay_is_exact_and_repeatable() {
    let (answer, tape) = recorded().await;
    assert_eq!(tape.exchanges.len(), 3);
    for _ in 0..2 {
        assert_eq!(replay(&World::new(), tape.clone()).await, (answer.clone(), vec![]));
    }
}

/// A journal in Postgres does not keep the order of keys.
#[tokio::test]
async fn the_order_of_keys_does_not_matter() {
    fn reversed(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                Value::Object(fields.iter().rev().map(|(k, v)| (k.clone(), reversed(v))).collect())
            }
            Value::Array(items) => items.iter().map(reversed).collect(),
            scalar => scalar.clone(),
        }
    }
    let (answer, tape) = recorded().await;
    let mut world = World::new();
    world.task.input = reversed(&world.task.input);
    assert_eq!(replay(&world, tape).await, (answer, vec![]));
}

#[tokio::test]
async fn any_change_makes_the_tape_stale_and_is_named() {
    let (_, tape) = recorded().await;
    let changes: [(&str, Part, Change); 6] = [
        ("the prompt", Part::Prompt, |w| w.task.instructions.push('.')),
        ("the input data", Part::Input, |w| w.task.input["work_center"] = json!("PRESS-5")),
        ("tool plex__huge is gone", Part::Tool, |w| w.task.tools.retain(|t| t.as_str() != "plex.huge")),
        ("tool erp__open_pos is new", Part::Tool, |w| w.task.tools.push("erp.open_pos".parse().unwrap())),
        ("the answer's schema", Part::Schema, |w| {
            w.task.output["properties"]["summary"]["maxLength"] = json!(201)
        }),
        ("limits or settings", Part::Settings, |w| w.task.limits.answer_tokens += 1),
    ];
    for (named, part, change) in changes {
        let mut world = World::new();
        change(&mut world);
        let (answer, stale) = replay(&world, tape.clone()).await;
        assert_eq!(answer.source, Source::Rules);
        assert!(stale[0].part == part && stale[0].detail.contains(named), "{named}: {stale:?}");
        assert!(stale.iter().any(|s| s.part == Part::Unplayed), "{stale:?}");
    }
    let mut other_model = tape.clone();
    other_model.models[0].model = "newer".into();
    let (_, stale) = replay(&World::new(), other_model).await;
    assert!(stale[0].detail.contains("the model: one-1 → newer"), "{stale:?}");
}

fn parts(stale: &[Stale]) -> Vec<Part> {
    stale.iter().map(|stale| stale.part).collect()
}

#[tokio::test]
async fn one_answer_too_few_is_an_extra_question_and_one_too_many_is_unplayed() {
    let (_, tape) = recorded().await;
    let mut shorter = tape.clone();
    shorter.exchanges.pop();
    let (answer, stale) = replay(&World::new(), shorter).await;
    assert_eq!((answer.source, parts(&stale)), (Source::Rules, vec![Part::Extra]));
    let mut longer = tape.clone();
    longer.exchanges.extend(tape.exchanges.last().cloned());
    let (answer, stale) = replay(&World::new(), longer).await;
    assert_eq!((answer.source, parts(&stale)), (Source::Model, vec![Part::Unplayed]));
}

#[tokio::test]
async fn answers_in_another_order_are_not_given() {
    let (_, mut tape) = recorded().await;
    tape.exchanges.swap(1, 2);
    let (answer, stale) = replay(&World::new(), tape).await;
    assert_eq!(answer.source, Source::Rules);
    assert!(parts(&stale).contains(&Part::Order), "{stale:?}");
}

#[tokio::test]
async fn an_edited_answer_is_no_recording() {
    let (_, mut tape) = recorded().await;
    let Some(Played::Reply { body, .. }) = tape.exchanges.last_mut().map(|exchange| &mut exchange.outcome)
    else {
        panic!("the last exchange is an answer");
    };
    body["id"] = json!("edited");
    let (_, stale) = replay(&World::new(), tape).await;
    assert_eq!(parts(&stale), [Part::Tape]);
}

#[tokio::test]
async fn a_tape_survives_being_written_as_json() {
    let (_, tape) = recorded().await;
    let text = serde_json::to_string(&tape).unwrap();
    assert_eq!(serde_json::from_str::<Tape>(&text).unwrap(), tape);
}
