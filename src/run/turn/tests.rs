use super::*;
use crate::workflow::{Bundle, Definition};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

fn workflow(flow: &str) -> Definition {
    let yaml = format!(
        "workflow: w\nowner: me\ntrigger: {{ event: a.b }}\nflow: {flow}\nsteps: [{{ id: a, end: x }}]"
    );
    let files = BTreeMap::from([("workflows/w.yaml".to_owned(), yaml)]);
    Definition::compile(Bundle { path: "workflows/w.yaml".to_owned(), files }).expect("it loads")
}

fn turn(flow: &str, event: Value) -> Result<Turn, TurnError> {
    let inputs = json!({ "level": 3 });
    Turn::of(&workflow(flow).workflow, &event, &inputs, &json!({ "name": "Plant 1" }), DateTime::UNIX_EPOCH)
}

#[test]
fn keys_see_event_inputs_and_site() {
    let flow = "{ concurrency: { key: event.machine, limit: 2 }, throttle: { limit: 10 per 1m }, \
                 priority: inputs.level * 10, fair: site.name }";
    let found = turn(flow, json!({ "machine": "PRESS-4", "plant": "north" })).expect("a turn");
    assert_eq!(found.priority, 30);
    assert_eq!(found.fair, number_of("Plant 1"));
    assert_eq!(found.lane, Some(LaneKey { key: "PRESS-4".into(), limit: 2, excess: Excess::Wait }));
    assert_eq!(found.throttle.expect("a throttle").key, "");
}

#[test]
fn without_a_word_the_plant_decides_whose_turn_it_is() {
    let found = turn("{ concurrency: { limit: 2 } }", json!({ "plant": "north" })).expect("a turn");
    assert_eq!(found.fair, number_of("north"));
    assert_ne!(number_of("north"), number_of("south"));
}

#[test]
fn what_is_no_key_or_priority_is_told() {
    let error = |flow, event| turn(flow, event).expect_err("no turn").to_string();
    insta::assert_snapshot!(
        [
            error("{ concurrency: { key: event.machine, limit: 1 } }", json!({})),
            error("{ concurrency: { key: event.machine, limit: 1 } }", json!({ "machine": null })),
            error("{ concurrency: { key: event.machine, limit: 1 } }", json!({ "machine": "x".repeat(300) })),
            error("{ priority: event.level }", json!({ "level": 101 })),
            error("{ priority: event.level }", json!({ "level": "high" })),
        ]
        .join("\n")
    );
}

fn seconds(at: &[i64]) -> Vec<DateTime<Utc>> {
    at.iter().map(|s| DateTime::UNIX_EPOCH + TimeDelta::seconds(*s)).collect()
}

fn limits() -> impl Strategy<Value = Rate> {
    (1u32..6, 1u64..50).prop_map(|(count, within)| Rate { count, within: Duration::from_secs(within) })
}

/// Most starts that lie in one span.
fn busiest(starts: &[DateTime<Utc>], limit: Rate) -> usize {
    let within =
        |from: DateTime<Utc>| starts.iter().filter(|at| **at >= from && **at < from + span(limit)).count();
    starts.iter().map(|from| within(*from)).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn no_span_holds_more_starts_than_a_throttle_lets_through(
        limit in limits(),
        gaps in prop::collection::vec(0i64..20, 1..60),
    ) {
        let (mut kept, mut booked, mut now) = (Vec::new(), Vec::new(), 0);
        for gap in gaps {
            now += gap;
            let at = book(&mut kept, limit, seconds(&[now])[0]);
            prop_assert!(at >= seconds(&[now])[0]);
            prop_assert!(booked.last().is_none_or(|last| *last <= at), "out of order");
            booked.push(at);
            prop_assert!(kept.len() <= limit.count as usize);
        }
        prop_assert!(busiest(&booked, limit) <= limit.count as usize, "{booked:?}");
    }

    #[test]
    fn a_throttle_makes_nobody_wait_without_need(limit in limits(), first in 0i64..100) {
        let mut kept = Vec::new();
        let now = seconds(&[first])[0];
        for _ in 0..limit.count {
            prop_assert_eq!(book(&mut kept, limit, now), now);
        }
        prop_assert_eq!(book(&mut kept, limit, now), now + span(limit));
    }

    #[test]
    fn a_lower_limit_holds_from_the_next_start_on(
        limit in limits(),
        gaps in prop::collection::vec(0i64..5, 10..40),
    ) {
        let (mut kept, mut after, mut now) = (Vec::new(), Vec::new(), 0);
        let wide = Rate { count: limit.count + 3, within: limit.within };
        for (index, gap) in gaps.into_iter().enumerate() {
            now += gap;
            let at = book(&mut kept, if index < 5 { wide } else { limit }, seconds(&[now])[0]);
            if index >= 5 {
                after.push(at);
            }
        }
        prop_assert!(busiest(&after, limit) <= limit.count as usize, "{after:?}");
    }

    #[test]
    fn a_rate_admits_up_to_its_limit_in_any_span(
        limit in limits(),
        gaps in prop::collection::vec(0i64..20, 1..60),
    ) {
        let (mut kept, mut admitted, mut now) = (Vec::new(), Vec::new(), 0);
        for gap in gaps {
            now += gap;
            let at = seconds(&[now])[0];
            let recent = admitted.iter().filter(|start| **start + span(limit) > at).count();
            let is_admitted = admit(&mut kept, limit, at);
            prop_assert_eq!(is_admitted, recent < limit.count as usize);
            if is_admitted {
                admitted.push(at);
            }
        }
    }
}
