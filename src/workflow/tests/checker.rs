use super::support::{bundle, draw, findings, with_steps};
use crate::workflow::problem::Problem;

/// An approval that may be rejected, and a look at the answer.
const APPROVED: &str = "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: steps.ok.decision == 'reject', end: stopped }\n";
const WRITE: &str = "  - { id: w, call: plex.update_sequence, with: { sequence: [{ job: J1 }] } }\n";

/// Named cases of steps. The name begins with the code that must be found, or with `ok`.
#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(&'static str, String)> {
    let plans = "  - id: plans\n    call: schedule.resequence\n    with: { down: PRESS-4 }\n";
    let own = |text: &str| text.to_owned();
    let after_plans = |text: &str| format!("{plans}{text}");
    let gate = |rest: &str| format!("  - {{ id: g, gate: approve, expires: 1h, {rest} }}\n");
    let agent = |rest: &str| {
        format!(
            "  - id: a\n    agent: prompts/p.hbs\n    output: schemas/s.json\n    limits: {{ turns: 3 }}\n{rest}"
        )
    };
    vec![
        ("ok names", after_plans("  - { id: x, if: \"steps.plans.options.exists(o, o.overtime_hours > 4.0)\", end: done }\n")),
        ("T006 field of an output", after_plans("  - id: x\n    if: |\n      size(steps.plans.options) > 0 &&\n        steps.plans.optons[0].title == 'x'\n    end: done\n")),
        ("T006 field in a loop", after_plans("  - { id: x, if: \"steps.plans.options.exists(o, o.overtime > 4.0)\", end: done }\n")),
        ("T006 field inside text", after_plans("  - id: x\n    call: tickets.create\n    with:\n      title: >-\n        see ${{ steps.plans.options[0].titel }}\n        now\n")),
        ("T006 no such step", after_plans("  - { id: x, if: size(steps.plan.options) == 0, end: done }\n")),
        ("T006 no such name", own("  - { id: x, if: event.status == 'DOWN', end: done }\n")),
        ("T006 no such input", own("  - { id: x, if: inputs.cover > 2, end: done }\n")),
        ("T006 no such site value", own("  - { id: x, if: site.values.frozen > 2, end: done }\n")),
        ("ok site value", own("  - { id: x, if: site.values.frozen_minutes > 2, end: done }\n")),
        ("T006 no such function", own("  - { id: x, if: 'minutes_betwen(now, now) > 2', end: done }\n")),
        ("T006 gate output", format!("{APPROVED}  - {{ id: x, if: steps.ok.answer == 'reject', end: done }}\n")),
        ("T007 decision that does not exist", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - { id: no, if: steps.ok.decision == 'rejected', end: stopped }\n".to_owned()),
        ("T006 answer in second", after_plans("  - id: g\n    gate: choose\n    ask: lead\n    options: ${{ steps.plans.options }}\n    second: { if: answer.chosen.overtime > 4.0, ask: supervisor }\n    expires: 1h\n    on_expire: fail\n")),
        ("ok chosen option", after_plans("  - id: g\n    gate: choose\n    ask: lead\n    options: ${{ steps.plans.options }}\n    second: { if: answer.chosen.overtime_hours > 4.0, ask: supervisor }\n    auto_if: '!steps.plans.options[0].moves_priority_a'\n    expires: 1h\n    on_expire: fail\n  - { id: no, if: steps.g.decision == 'reject', end: stopped }\n  - { id: w, call: plex.update_sequence, with: { sequence: '${{ steps.g.chosen.sequence }}' } }\n")),
        ("ok loop variable", after_plans("  - { id: e, each: '${{ steps.plans.options[0].late_orders }}', as: order, steps: [{ id: t, call: tickets.create, with: { title: '${{ order.order }} at ${{ steps.plans.options[0].title }}' } }] }\n")),
        ("T006 loop variable", after_plans("  - { id: e, each: '${{ steps.plans.options[0].late_orders }}', as: order, run: w, with: { x: '${{ order.number }}' } }\n")),
        ("T006 loop variable outside", after_plans("  - { id: e, each: '${{ steps.plans.options }}', as: one, steps: [{ id: t, call: tickets.create, with: { title: '${{ one.title }}' } }] }\n  - { id: x, if: one.title == '', end: done }\n")),
        ("T007 each over no list", after_plans("  - { id: e, each: '${{ steps.plans }}', as: one, run: w }\n")),
        ("ok wait", own("  - { id: b, wait: x.y, where: event.po == trigger.po, timeout: 1h }\n  - { id: x, if: steps.b.timed_out || steps.b.po == '', end: done }\n")),
        ("ok subject", own("  - { id: b, wait: x.y, subject: trigger.subject, look_back: 10m, timeout: 1h }\n")),
        ("T007 subject", own("  - { id: b, wait: x.y, subject: 1 + 2, timeout: 1h }\n")),
        ("T006 subject of the event", own("  - { id: b, wait: x.y, subject: event.subject, timeout: 1h }\n")),
        ("T007 until", own("  - { id: b, until: 1 + 2 }\n")),
        ("T006 failure outside", own("  - { id: x, if: failure.class == 'rule', end: done }\n")),
        ("ok failure", own("  - id: x\n    call: cmms.asset_history\n    on_error:\n      - { id: y, if: failure.class == 'denied', end: done }\n")),
        ("T008 later step", own("  - { id: x, if: steps.y.free > 1, end: done }\n  - { id: y, call: plex.inventory, with: { work_center: P } }\n")),
        ("T008 sibling in parallel", own("  - id: p\n    parallel:\n      one: { call: plex.inventory, with: { work_center: P } }\n      two: { call: tickets.create, with: { title: 'x ${{ steps.one.free }}' } }\n")),
        ("ok parallel", own("  - id: p\n    parallel:\n      one: { call: plex.inventory, with: { work_center: P } }\n      two: { call: plex.orders_affected }\n  - { id: x, if: \"steps.p.one.free > 1 && steps.p.two.all(o, o.tier != 'A')\", end: done }\n")),
        ("T006 parallel", own("  - id: p\n    parallel:\n      one: { call: plex.inventory, with: { work_center: P } }\n  - { id: x, if: steps.p.one.fre > 1, end: done }\n")),
        ("ok branch output", own("  - id: c\n    choose:\n      - { if: trigger.a == 1, steps: [{ id: y, call: plex.inventory, with: { work_center: P } }] }\n  - { id: x, if: 'steps.?y.?free.orValue(0) > 1', end: done }\n")),
        ("T007 condition", after_plans("  - { id: x, if: steps.plans.options, end: done }\n")),
        ("T007 text against number", after_plans("  - { id: x, if: 'steps.plans.options[0].title > 3', end: done }\n")),
        ("T007 word", own("  - { id: p, call: plex.orders_affected }\n  - { id: x, if: \"steps.p.exists(o, o.tier == 'D')\", end: done }\n")),
        ("T009 no such tool", own("  - { id: x, call: plex.inventry, with: { work_center: P } }\n")),
        ("T009 no such system", own("  - { id: x, call: sap.orders }\n")),
        ("T009 missing argument", own("  - { id: x, call: plex.inventory }\n")),
        ("T009 extra argument", own("  - id: x\n    call: plex.inventory\n    with:\n      work_center: P\n      workcenter: P\n")),
        ("T009 literal of another type", own("  - { id: x, call: plex.inventory, with: { work_center: 4 } }\n")),
        ("T009 literal not in the list", own("  - { id: x, call: schedule.resequence, with: { down: P, objective: [due_dates, setups] } }\n")),
        ("T009 expression of another type", after_plans("  - { id: x, call: plex.inventory, with: { work_center: '${{ size(steps.plans.options) }}' } }\n")),
        ("T009 fraction for a whole number", own("  - { id: x, call: schedule.resequence, with: { down: P, down_minutes: '${{ hours_between(now, now) * 60 }}' } }\n")),
        ("T009 object below", format!("{APPROVED}  - {{ id: w, call: plex.update_sequence, with: {{ sequence: [{{ jb: J1 }}] }} }}\n")),
        ("T009 undo", format!("{APPROVED}  - {{ id: w, call: plex.update_sequence, with: {{ sequence: [] }}, undo: {{ call: plex.restore_sequence, with: {{ snapshott: '${{{{ steps.w.snapshot }}}}' }} }} }}\n")),
        ("ok undo", format!("{APPROVED}  - {{ id: w, call: plex.update_sequence, with: {{ sequence: [] }}, undo: {{ call: plex.restore_sequence, with: {{ snapshot: '${{{{ steps.w.snapshot }}}}' }} }} }}\n")),
        ("T010 no gate", own(WRITE)),
        ("ok gate", format!("{APPROVED}{WRITE}")),
        ("ok record-keeping write", own("  - { id: t, call: tickets.create, with: { title: x } }\n")),
        ("T010 gate that may be skipped", format!("  - {{ id: ok, if: trigger.big == true, gate: approve, ask: lead, expires: 1h, on_expire: fail }}\n{WRITE}")),
        ("T010 background gate", format!("  - {{ id: ok, gate: approve, allow: [approve], background: true, ask: lead, expires: 1h, on_expire: fail }}\n{WRITE}")),
        ("T010 acknowledged only", format!("  - {{ id: ok, gate: acknowledge, ask: lead, expires: 1h, on_expire: fail }}\n{WRITE}")),
        ("T010 rejected", format!("  - {{ id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }}\n{WRITE}")),
        ("T010 gate in one branch", format!("  - id: c\n    choose:\n      - {{ if: trigger.a == 1, steps: [{{ id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }}] }}\n      - {{ else: [{{ id: t, call: tickets.create, with: {{ title: x }} }}] }}\n{WRITE}")),
        ("ok other branch ends", format!("  - id: c\n    choose:\n      - {{ if: trigger.a == 1, steps: [{{ id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }}] }}\n      - {{ else: {{ end: done }} }}\n{WRITE}")),
        ("ok write in a branch after the decision", "  - { id: ok, gate: approve, ask: lead, expires: 1h, on_expire: fail }\n  - id: c\n    choose:\n      - { if: steps.ok.decision == 'reject', end: no }\n      - { else: [{ id: w, call: plex.update_sequence, with: { sequence: [] } }] }\n".to_owned()),
        ("T010 gate inside each", format!("  - {{ id: e, each: '${{{{ [1] }}}}', as: n, steps: [{{ id: ok, gate: approve, allow: [approve], ask: lead, expires: 1h, on_expire: fail }}] }}\n{WRITE}")),
        ("T010 on timeout", own("  - { id: b, wait: x.y, timeout: 1h, on_timeout: { call: plex.update_sequence, with: { sequence: [] } } }\n")),
        ("T010 in on_failure", "  - { id: x, end: done }\non_failure:\n  - { id: w, call: plex.update_sequence, with: { sequence: [] } }\n".to_owned()),
        ("T011 write tool of an agent", agent("    tools: [plex.inventory, plex.update_sequence]\n    fallback: { severity: low }\n")),
        ("T009 tool of an agent", agent("    tools: [plex.inventri]\n    fallback: { severity: low }\n")),
        ("ok agent", agent("    tools: [plex.inventory]\n    check: [output.severity != '', size(output.severity) < 9]\n    fallback: { severity: low, minutes: '${{ size(trigger.id) }}' }\n  - { id: x, if: steps.a.used_fallback && steps.a.?minutes.orValue(0) > 5, end: done }\n")),
        ("T006 check of an agent", agent("    check: output.severty != ''\n    fallback: { severity: low }\n")),
        ("T017 fallback lacks a field", agent("    fallback: { minutes: 3 }\n")),
        ("T017 fallback of another type", agent("    fallback: { severity: low, minutes: soon }\n")),
        ("T017 fallback with a stranger", agent("    fallback: { severity: low, minute: 3 }\n")),
        ("T012 no such role", gate("ask: led, on_expire: fail")),
        ("T012 nobody has the role", gate("ask: empty, on_expire: fail")),
        ("T012 not in every shift", gate("ask: supervisor, on_expire: escalate")),
        ("T012 no ladder", gate("ask: lead, on_expire: escalate")),
        ("T012 no such ladder", gate("ask: lead, on_expire: escalate, escalate: goood")),
        ("T012 role of a second", gate("ask: lead, second: { ask: leed }, on_expire: fail")),
        ("T012 role that is told", own("  - { id: n, call: notify.role, with: { role: leads, message: messages/m.hbs } }\n")),
        ("T006 rule", format!("{APPROVED}  - {{ id: w, call: tickets.create, with: {{ title: x }}, rules: [staged] }}\n")),
        ("ok rule", format!("{APPROVED}  - {{ id: w, call: plex.update_sequence, with: {{ sequence: [], work_center: P }}, rules: [staged] }}\n")),
    ]
}

#[test]
fn every_finding_of_the_checker() {
    let (mut all, mut wrong) = (String::new(), String::new());
    for (name, steps) in cases() {
        let yaml = with_steps(&steps);
        let (problems, drawn) = findings(&yaml);
        match name.strip_prefix("ok") {
            // What is not used or not told of is not what these cases are about.
            Some(_) if !problems.iter().any(Problem::is_error) => {}
            None if problems.iter().any(|problem| problem.code == &name[..4]) => {
                let named: Vec<Problem> =
                    problems.into_iter().filter(|problem| problem.code == &name[..4]).collect();
                all.push_str(&format!("\n=== {name}\n{}\n", draw(&named, &bundle(&yaml))));
            }
            _ => wrong.push_str(&format!("\n=== {name}\n{drawn}\n")),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    insta::assert_snapshot!(all);
}

#[test]
fn heads_of_workflows() {
    let file = |head: &str| format!("workflow: w\nowner: me\n{head}\nsteps:\n  - {{ id: x, end: done }}\n");
    let all: Vec<String> = [
        "trigger: { event: a.b, where: trigger.x == 1, key: event.id }",
        "trigger: { event: a.b, where: event.time, key: evnt.id }",
        "trigger:\n  any: [{ event: a.b, where: nope }, { event: a.c }]",
        "trigger: manual\ninputs: { days: { type: number, default: two } }",
        "trigger: { cron: 0 6 * * *, time_zone: UTC, calendar: production_day }",
        "trigger: { cron: 0 6 * * *, time_zone: UTC, calendar: early, on_closed: next }",
        "trigger: { cron: 0 6 * * *, time_zone: UTC, calendar: production_days, on_closed: next }",
        "trigger: manual\nsla: [{ step: y, within: 5m, escalate: godo }]",
    ]
    .iter()
    .map(|head| findings(&file(head)).1)
    .collect();
    insta::assert_snapshot!(all.join("\n\n----\n\n"));
}

#[test]
fn a_warning_is_no_error() {
    let steps = "  - { id: g, gate: approve, ask: supervisor, expires: 1h, on_expire: escalate }\n";
    let (problems, _) = findings(&with_steps(steps));
    assert!(!problems.iter().any(Problem::is_error), "{problems:?}");
}

#[test]
fn a_slip_of_the_hand_offers_one_change() {
    let steps = "  - { id: history, call: cmms.asset_history, with: { asset: A } }\n  - { id: x, if: steps.histry.open == 1, end: done }\n";
    let (problems, drawn) = findings(&with_steps(steps));
    let offered = problems
        .iter()
        .filter(|problem| problem.fix.as_deref().is_some_and(|fix| fix.starts_with("did you mean")));
    assert_eq!(offered.map(|problem| problem.code).collect::<Vec<_>>(), ["T006"], "{drawn}");
}

#[test]
fn a_mistake_in_a_rule_is_told_in_the_rule_once_and_a_wrong_write_at_the_write() {
    let told = |steps: &str| -> Vec<String> {
        let (problems, _) = findings(&with_steps(steps));
        let named = problems.into_iter().filter(|problem| problem.code == "T006");
        let drawn = named.map(|problem| {
            format!("{}:{}:{} {}", problem.path, problem.place.line, problem.place.column, problem.message)
        });
        drawn.collect()
    };
    let ticket = |id: &str| {
        format!("  - id: {id}\n    call: tickets.create\n    with: {{ title: x }}\n    rules: [staged]\n")
    };
    let in_rule = |steps: &str| {
        format!(
            "rules/staged.yaml:5:66 no such field `work_center` in `write`, for {steps} of workflows/w.yaml"
        )
    };
    assert_eq!(told(&ticket("t")), [in_rule("`t`")]);
    assert_eq!(told(&(ticket("t") + &ticket("u"))), [in_rule("`t` and `u`")]);
    // The rule serves another write, so that what does not fit is that this one names it.
    let fits = format!(
        "{APPROVED}  - {{ id: w, call: plex.update_sequence, with: {{ sequence: [], work_center: P }}, rules: [staged] }}\n"
    );
    assert_eq!(
        told(&(fits + &ticket("t"))),
        [
            "workflows/w.yaml:11:13 the rule `staged` does not fit this write: no such field `work_center` in `write` (rules/staged.yaml:5)"
        ]
    );
}

#[test]
fn on_a_terminal_findings_are_coloured() {
    let steps = with_steps("  - { id: x, call: plex.inventry, with: { work_center: P } }\n");
    let (found, _) = findings(&steps);
    let drawn = |colour| crate::workflow::report(&found[0], Some(&steps), colour);
    assert!(drawn(true).contains("\u{1b}[") && drawn(true).contains("there is no tool"), "{}", drawn(true));
    assert!(!drawn(false).contains('\u{1b}'), "{}", drawn(false));
}
