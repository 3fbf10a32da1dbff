use super::support::{compile, draw, findings_of_loading, registry, site, with_steps};
use crate::{expr::Expr, workflow::*};
use proptest::prelude::*;
use serde_json::json;
use std::{path::Path, time::Duration};

const DOWNTIME: &str = include_str!("site/workflows/downtime_escalation.yaml");
const SUPPLIER: &str = include_str!("site/workflows/supplier_delay.yaml");

/// Named cases; each is a whole file, or steps where it begins with two spaces.
const CASES: &[(&str, &str)] = &[
    ("T001 negation is a tag", "  - { id: a, if: !event.planned, end: x }"),
    ("T001 another column", "  - id: a\n   end: x"),
    ("T001 too far", "  - id: a\n      end: x"),
    ("T001 no space behind the colon", "  - id: a\n    end:x"),
    ("T001 a quote left open", "  - id: a\n    if: \"trigger.a == 'x\n    end: x"),
    ("T001 no-break space", "  - id: a\n   \u{a0}end: x"),
    ("T001 turned around", "  - id: a\n    end: x # \u{202e}yhw"),
    ("T002 nothing behind a key", "workflow:\nowner: ~\ntrigger: manual\nsteps:\n  - { id: , end: x }"),
    ("T001 a dash is missing", "  - id: a\n    wait: 1m\n    id: b\n    end: x"),
    ("T001 braces without a dollar", "  - { id: a, call: tickets.create, with: { title: {{ trigger.x }} } }"),
    ("T001 anchor", "  - &a { id: a, end: x }"),
    (
        "T001 alias",
        "  - { id: a, call: x.y, retry: &often { times: 3 } }\n  - { id: b, call: x.y, retry: *often }\n  - { id: c, if: &open a, end: x }",
    ),
    ("T002 unknown key", "  - id: a\n    call: plex.inventory\n    wiht: { x: 1 }"),
    ("T002 key of another kind", "  - id: a\n    end: x\n    rules: [staged]"),
    ("T002 unknown kind", "  - id: a\n    cal: plex.inventory"),
    ("T002 no kind", "  - id: a\n    timeout: 3s"),
    ("T002 two kinds", "  - id: a\n    call: plex.inventory\n    end: x"),
    ("T002 agent and call", "  - id: a\n    agent: prompts/p.hbs\n    call: plex.inventory"),
    ("T002 no id", "  - call: plex.inventory"),
    ("T002 duration", "  - id: a\n    call: plex.inventory\n    timeout: 3 minutes"),
    ("T002 wait in words", "  - { id: a, wait: 30 minutes }"),
    (
        "T002 timeout in words",
        "  - id: a\n    wait: erp.goods_receipt\n    timeout: 3 weeks\n    on_timeout: { end: x }",
    ),
    ("T002 retry", "  - id: a\n    call: plex.inventory\n    retry: { tims: 3, wait: 2s, on: [slow] }"),
    ("T002 word", "  - id: a\n    call: plex.inventory\n    on_error: contniue"),
    ("T001 braces for a text", "  - id: a\n    run: other\n    with: { x: {{ y }} }"),
    ("T002 else is last", "  - id: a\n    choose:\n      - else: { end: x }\n      - { if: 'true', end: y }"),
    ("T002 empty branch", "  - id: a\n    choose:\n      - { if: 'true' }"),
    ("T002 each does nothing", "  - id: a\n    each: ${{ [1] }}\n    as: n"),
    ("T002 on_timeout without timeout", "  - id: a\n    wait: erp.goods_receipt\n    on_timeout: { end: x }"),
    (
        "T002 gate in parallel",
        "  - id: a\n    parallel:\n      one: { gate: approve, ask: lead, expires: 1h, on_expire: fail }",
    ),
    ("T002 on", "workflow: w\nowner: me\non: { event: a.b }\nsteps: [{ id: a, end: x }]"),
    ("T002 header", "workflw: w\ntitle: A\ntrigger: manual\nsteps: []"),
    ("T003 twice", "  - { id: a, end: x }\n  - id: b\n    choose:\n      - { else: [{ id: a, end: y }] }"),
    (
        "T003 reserved",
        "  - { id: in, end: x }\n  - { id: undo, end: x }\n  - { id: trigger, end: x }\n  - { id: Push-it, end: x }",
    ),
    ("T004 plain", "  - { id: a, if: trigger.x = 1, end: x }"),
    ("T004 quoted", "  - id: a\n    if: 'trigger.x == ''a'' and true'\n    end: x"),
    (
        "T004 block scalar",
        "  - id: a\n    if: |\n      trigger.x == 1\n        && trigger.y === 2\n    end: x",
    ),
    (
        "T004 folded scalar",
        "  - id: a\n    if: >-\n      trigger.x == 1 &&\n      trigger.y or true\n    end: x",
    ),
    (
        "T004 inside with",
        "  - id: a\n    call: tickets.create\n    with:\n      title: down ${{ trigger.x }} since ${{ now + }}\n      list: ['${{ a b }}', '${{ ok']",
    ),
    ("T004 cut by a comma", "  - { id: a, if: round(trigger.x, 1) > 2, end: x }"),
    ("T005 in if", "  - { id: a, if: \"${{ trigger.x }} == 'y'\", end: x }"),
    ("T005 in a key", "  - id: a\n    call: tickets.create\n    with: { '${{ x }}': 1 }"),
    ("T009 tool name", "  - { id: a, call: inventory }"),
    ("T012 gate", "  - { id: a, gate: approve }"),
    ("T012 silence", "  - { id: a, gate: approve, ask: lead, expires: 1h, on_expire: approve }"),
    ("T002 choose without options", "  - { id: a, gate: choose, ask: lead, expires: 1h, on_expire: fail }"),
    (
        "T025 limits",
        "workflow: w\nowner: me\ntrigger: { event: a.b }\nflow:\n  concurrency: { key: event.x, limit: 0 }\n  singleton: { then: skip }\n  throttle: { limit: 5000 per 1m }\n  rate: { limit: often }\n  debounce: { wait: 5m, at_most: 30s }\n  batch: { size: 1, within: 5m }\n  urgency: 3\nsteps: [{ id: a, end: x }]",
    ),
    (
        "T025 events only",
        "workflow: w\nowner: me\ntrigger: manual\nflow: { rate: { limit: 1 per 1m }, batch: { size: 5 } }\nsteps: [{ id: a, end: x }]",
    ),
    ("T017 agent", "  - { id: a, agent: prompts/p.hbs }"),
    (
        "T017 no such schema",
        "  - { id: a, agent: prompts/p.hbs, output: schemas/nope.json, limits: {}, fallback: {} }",
    ),
    (
        "T019 no such message",
        "  - { id: a, gate: approve, ask: lead, message: messages/nope.hbs, expires: 1h, on_expire: fail }",
    ),
    (
        "T019 outside",
        "  - { id: a, gate: approve, ask: lead, message: ../m.hbs, expires: 1h, on_expire: fail }",
    ),
    ("T006 no such rule", "  - { id: a, call: plex.inventory, rules: [stagd] }"),
    (
        "T020 cron",
        "workflow: w\nowner: me\ntrigger: { cron: '0 25 * * *', time_zone: America/Chicgo }\nsteps: [{ id: a, end: x }]",
    ),
    (
        "T020 cron without zone",
        "workflow: w\nowner: me\ntrigger: { cron: 0 6 * * *, overlap: skp }\nsteps: [{ id: a, end: x }]",
    ),
    (
        "T020 never",
        "workflow: w\nowner: me\ntrigger: { cron: 0 6 31 6 *, time_zone: UTC }\nsteps: [{ id: a, end: x }]",
    ),
    (
        "T020 day and weekday",
        "workflow: w\nowner: me\ntrigger: { cron: 0 6 13 * 5, time_zone: UTC }\nsteps: [{ id: a, end: x }]",
    ),
    (
        "T020 catch_up",
        "workflow: w\nowner: me\ntrigger: { cron: 0 6 * * *, time_zone: UTC, catch_up: all within soon }\nsteps: [{ id: a, end: x }]",
    ),
    (
        "T002 overlap",
        "workflow: w\nowner: me\ntrigger: { cron: 0 6 * * *, time_zone: UTC, catch_up: lst, overlap: bufer_one }\nsteps: [{ id: a, end: x }]",
    ),
    (
        "T020 jitter",
        "workflow: w\nowner: me\ntrigger: { cron: 0 6 * * *, time_zone: UTC, jitter: 2d }\nsteps: [{ id: a, end: x }]",
    ),
    (
        "T020 on_closed",
        "workflow: w\nowner: me\ntrigger: { cron: 0 6 * * *, time_zone: UTC, on_closed: next }\nsteps: [{ id: a, end: x }]",
    ),
    ("T002 look_back of a time", "  - { id: a, wait: 30m, look_back: 10m }"),
    ("T004 subject", "  - { id: a, wait: x.y, subject: trigger., timeout: 1h }"),
    ("T020 no event", "workflow: w\nowner: me\ntrigger: { where: 'true' }\nsteps: [{ id: a, end: x }]"),
    (
        "T020 event type",
        "workflow: w\nowner: me\ntrigger: { any: [{ event: Down }, { event: a.b, were: x }], flood: 10 }\nsteps: [{ id: a, end: x }]",
    ),
    (
        "T020 hold without where",
        "workflow: w\nowner: me\ntrigger: { event: a.b, hold: 2m }\nsteps: [{ id: a, end: x }]",
    ),
    (
        "T023 surprises",
        "  - id: a\n    call: tickets.create\n    with: { part: 010, rev: 1.10, done: NO, ok: 1.5, text: 'NO' }",
    ),
    (
        "T023 comment",
        "  - id: a\n    call: tickets.create\n    with:\n      title: Press #4 down\n      other: x # a remark",
    ),
    (
        "several at once",
        "  - { id: a, call: Nope }\n  - { id: b, if: a and b, end: x }\n  - { id: c, gate: approv }",
    ),
];

#[test]
fn every_finding_at_its_place() {
    let mut all = String::new();
    for (name, text) in CASES {
        let yaml = if text.starts_with("  ") { with_steps(text) } else { (*text).to_owned() };
        all += &format!("\n=== {name}\n{}\n", findings_of_loading(&yaml));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_case_finds_the_code_it_is_named_after() {
    for (name, text) in CASES.iter().filter(|(name, _)| name.starts_with('T')) {
        let yaml = if text.starts_with("  ") { with_steps(text) } else { (*text).to_owned() };
        let problems = compile(&yaml).map_or_else(|problems| problems, |definition| definition.warnings);
        assert!(problems.iter().any(|problem| problem.code == &name[..4]), "{name}");
    }
}

fn decode(yaml: &str) -> Workflow {
    let document = source::Document::parse("w.yaml", yaml).expect("is YAML");
    let decoded = decode::workflow("w.yaml", &document);
    assert_eq!(decoded.problems, []);
    decoded.workflow.expect("loads")
}

#[test]
fn the_examples_load() {
    let downtime = decode(DOWNTIME);
    let Trigger::Events(trigger) = &downtime.trigger else { panic!("an event trigger") };
    assert_eq!(trigger.patterns[0].event, "plex.work_center_status");
    assert_eq!(
        trigger.condition.as_ref().map(Expr::source),
        Some("event.status == 'DOWN' && !event.planned")
    );
    assert_eq!(trigger.hold, Some(Duration::from_secs(120)));
    assert_eq!(trigger.flood, Some(Rate { count: 10, within: Duration::from_secs(600) }));
    let ids: Vec<&str> = downtime.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "incident",
            "ack",
            "context",
            "triage",
            "short_stop",
            "plans",
            "approve",
            "rejected",
            "push",
            "customers",
            "back_up",
            "close"
        ]
    );
    assert_eq!(downtime.steps[1].place, Place { line: 24, column: 5 });
    let StepKind::Gate(approve) = &downtime.steps[6].kind else { panic!("a gate") };
    assert_eq!(approve.allow, [Allow::Choose, Allow::Edit, Allow::Reject]);
    assert_eq!(approve.second.as_ref().map(|second| second.ask.as_str()), Some("plant_scheduler"));
    assert_eq!(decode(&DOWNTIME.replace('\n', "\r\n")).steps.len(), 12);
    assert_eq!(decode(SUPPLIER).inputs["cover_days"].default, Some(json!(2)));
}

#[test]
fn a_schedule_has_all_its_parts() {
    let workflow = decode(
        "workflow: w\nowner: me\ntrigger:\n  cron: 0 6 * * 1-5\n  time_zone: America/Chicago\n  catch_up: all within 12h\n  overlap: buffer_one\n  jitter: 30s\n  calendar: production_days\n  on_closed: next\nsteps: [{ id: a, end: x }]\n",
    );
    let Trigger::Cron(trigger) = &workflow.trigger else { panic!("a cron trigger") };
    assert_eq!(trigger.catch_up, CatchUp::All { within: Some(Duration::from_secs(43_200)) });
    assert_eq!(
        (trigger.catch_up.to_string(), trigger.overlap.to_string()),
        ("all within 12h".into(), "buffer_one".into())
    );
    assert_eq!(trigger.jitter, Some(Duration::from_secs(30)));
    let calendar = OnCalendar { name: "production_days".into(), on_closed: OnClosed::Next };
    assert_eq!(trigger.calendar, Some(calendar));
    let plain = decode(
        "workflow: w\nowner: me\ntrigger: { cron: 0 6 * * *, time_zone: UTC, catch_up: last }\nsteps: [{ id: a, end: x }]\n",
    );
    let Trigger::Cron(plain) = &plain.trigger else { panic!("a cron trigger") };
    assert_eq!((plain.catch_up, plain.overlap), (CatchUp::Last { within: None }, Overlap::Skip));
}

#[test]
fn a_wait_looks_back_to_the_start_unless_told_otherwise() {
    let workflow = decode(&with_steps(
        "  - { id: a, wait: x.y, subject: trigger.subject, timeout: 1h }\n  - { id: b, wait: x.y, look_back: 10m, timeout: 1h }\n",
    ));
    let wait = |index: usize| match &workflow.steps[index].kind {
        StepKind::Wait(WaitStep { until: WaitFor::Event(wait), .. }) => wait,
        _ => panic!("a wait for an event"),
    };
    assert_eq!(wait(0).subject.as_ref().map(Expr::source), Some("trigger.subject"));
    assert_eq!(wait(0).look_back, LookBack::ToStart);
    assert_eq!(wait(1).look_back, LookBack::Within(Duration::from_secs(600)));
}

#[test]
fn parallel_children_take_over_timeout_and_retry() {
    let workflow = decode(&with_steps(
        "  - id: context\n    timeout: 60s\n    retry: { times: 4, wait: 2s }\n    parallel:\n      one: { call: a.b }\n      two: { call: a.c, timeout: 5s, on_error: continue }\n",
    ));
    let step = &workflow.steps[0];
    let StepKind::Parallel(children) = &step.kind else { panic!("parallel") };
    assert!(step.timeout.is_none() && step.retry.is_empty());
    assert_eq!(children[0].timeout, Some(Duration::from_secs(60)));
    assert_eq!(children[1].timeout, Some(Duration::from_secs(5)));
    assert_eq!(children[1].retry.first().map(|retry| (retry.times, retry.backoff)), Some((4, 2.0)));
    assert!(matches!(children[1].on_error, OnError::Continue));
}

#[test]
fn inner_steps_have_the_ids_the_interpreter_walks() {
    let workflow = decode(&with_steps(
        "  - { id: a, wait: x.y, timeout: 1h, on_timeout: { call: notify.role, with: {} } }\n  - { id: b, each: '${{ [1] }}', run: child }\n  - { id: c, choose: [{ if: 'true', end: done }, { else: [{ id: d, end: other }] }] }\n  - { id: e, call: x.y, on_error: { steps: [{ id: f, end: failed }] } }\n  - { id: g, until: timestamp(now) }\n  - { id: h, wait: 30m }\n",
    ));
    let mut ids = Vec::new();
    walk::every_step(&workflow, &mut |step| ids.push(step.id.clone()));
    assert_eq!(ids, ["a", "call", "b", "run", "c", "end", "d", "e", "f", "g", "h", "told"]);
    let wait = |index: usize| match &workflow.steps[index].kind {
        StepKind::Wait(wait) => &wait.until,
        _ => panic!("a wait"),
    };
    assert!(matches!(wait(0), WaitFor::Event(_)));
    assert!(matches!(wait(4), WaitFor::Until(_)));
    assert!(matches!(wait(5), WaitFor::Duration(d) if d.as_secs() == 1800));
}

#[test]
fn a_definition_holds_what_the_workflow_names() {
    let yaml = with_steps(
        "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, fallback: { severity: low } }\n  - { id: b, gate: approve, ask: lead, message: messages/m.hbs, expires: 1h, on_expire: fail }\n  - { id: c, call: plex.update_sequence, rules: [staged] }\n",
    );
    let definition = compile(&yaml).expect("compiles");
    assert_eq!(definition.schemas.keys().collect::<Vec<_>>(), ["schemas/s.json"]);
    assert_eq!(definition.rules["staged"].reads[0].0, "stock");
    let data = json!({
        "trigger": { "work_center": "PRESS-4 <b>", "time": "2026-11-23T12:10:00Z" },
        "site": { "time_zone": "America/Chicago" },
        "now": "2026-11-23T14:00:00Z",
    });
    assert_eq!(definition.render("messages/m.hbs", &data).unwrap(), "PRESS-4 <b> is down since 06:10.");
    let error = definition.render("messages/m.hbs", &json!({ "trigger": {} })).unwrap_err();
    assert_eq!(error.to_string(), "messages/m.hbs: line 1: `trigger.work_center` is not there");
}

#[test]
fn the_hash_is_of_everything_a_run_depends_on() {
    let yaml = with_steps("  - { id: a, end: x }\n");
    let bundle = super::support::bundle(&yaml);
    let mut other = bundle.clone();
    other.files.insert("messages/m.hbs".to_owned(), "changed".to_owned());
    assert_eq!(bundle.sha256(), bundle.clone().sha256());
    assert_ne!(bundle.sha256(), other.sha256());
    assert_eq!(bundle.sha256().len(), 64);
}

fn real(path: &str) -> Bundle {
    Bundle::collect(Path::new(env!("CARGO_MANIFEST_DIR")), path).expect("the sample site has it")
}

proptest! {
    /// Whatever a slip of the hand does to a file of the sample site, loading and checking it ends with a
    /// model or with problems.
    #[test]
    fn a_mutated_file_never_panics(
        cuts in prop::collection::vec((0usize..6000, 0usize..12, "[ -~\n\tä]{0,4}"), 1..3),
        supplier in any::<bool>(),
    ) {
        let path = if supplier { "workflows/supplier_delay.yaml" } else { "workflows/downtime_escalation.yaml" };
        let mut bundle = real(path);
        let mut text: Vec<char> = bundle.files[path].chars().collect();
        for (at, length, insert) in cuts {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, insert.chars());
        }
        let lines = text.iter().filter(|c| **c == '\n').count() as u32 + 1;
        bundle.files.insert(path.to_owned(), text.into_iter().collect());
        let problems = match Definition::compile(bundle.clone()) {
            Ok(definition) => check(&definition, &registry(), &site(), &Events::default()),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                problems
            }
        };
        let own = problems.iter().filter(|problem| problem.path == path);
        prop_assert!(own.map(|problem| problem.place.line).all(|line| (1..=lines + 1).contains(&line)), "{problems:?}");
        draw(&problems, &bundle);
    }
}
