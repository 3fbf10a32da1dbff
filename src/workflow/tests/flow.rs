//! `flow:` as the loader reads it, and what the checker finds in its expressions.

use super::support::{compile, findings};
use crate::workflow::{Concurrency, Excess, Gather, Rate};
use std::time::Duration;

fn with_flow(flow: &str) -> String {
    format!(
        "workflow: w\nowner: me\ntrigger: {{ event: a.b }}\ninputs: {{ level: {{ type: integer, default: 1 }} }}\n\
         flow:\n{flow}\nsteps: [{{ id: a, end: x }}]"
    )
}

#[test]
fn every_part_is_read() {
    let yaml = with_flow(
        "  singleton: { key: event.x, then: cancel_other }\n  throttle: { limit: 10 per 1m }\n  \
         rate: { limit: 100 per 1h }\n  batch: { size: 50, within: 5m }\n  priority: inputs.level\n  fair: event.line",
    );
    let definition = compile(&yaml).expect("it loads");
    let flow = &definition.workflow.flow;
    assert!(matches!(
        flow.concurrency,
        Some(Concurrency { limit: 1, excess: Excess::CancelOther, key: Some(_) })
    ));
    let throttle = flow.throttle.as_ref().expect("a throttle");
    assert_eq!(throttle.limit, Rate { count: 10, within: Duration::from_secs(60) });
    assert!(matches!(flow.gather, Some(Gather::Batch { size: 50, .. })));
    assert!(flow.priority.is_some() && flow.fair.is_some());
}

#[test]
fn its_expressions_are_checked_where_they_stand() {
    let cases = [
        "  concurrency: { key: inputs.machine, limit: 2 }",
        "  singleton: { key: trigger.machine, then: skip }",
        "  throttle: { key: steps.a, limit: 1 per 1m }",
        "  debounce: { key: inputs.level, wait: 1s, at_most: 1m }",
        "  priority: event.plant",
        "  priority: inputs.level * 10\n  fair: event.plant\n  rate: { key: site.name, limit: 1 per 1m }",
        "  fair: '[event.plant]'",
    ];
    let found = cases.map(|flow| format!("=== {flow}\n{}\n", findings(&with_flow(flow)).1));
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_batch_has_its_events() {
    let yaml = with_flow("  batch: { size: 5, within: 1m }").replace(
        "steps: [{ id: a, end: x }]",
        "steps: [{ id: a, if: \"trigger.events.exists(e, e.plant == 'north')\", end: x }]",
    );
    assert!(!findings(&yaml).1.contains("error["), "{}", findings(&yaml).1);
    let wrong = yaml.replace("trigger.events.exists(e, e.plant == 'north')", "trigger.events > 3");
    assert!(findings(&wrong).1.contains("T007"), "{}", findings(&wrong).1);
}
