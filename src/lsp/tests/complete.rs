use super::ask::{ask, changed, steps};
use crate::lsp::complete::complete;
use gen_lsp_types::{CompletionItem, CompletionItemTextEdit};

const DOWNTIME: &str = "workflows/downtime_escalation.yaml";
const NEW: &str = "workflows/new.yaml";

fn items(path: &str, text: &str) -> Vec<CompletionItem> {
    ask(path, text, complete)
}

fn labels(path: &str, text: &str) -> Vec<String> {
    items(path, text).into_iter().map(|item| item.label).collect()
}

/// These are offered, the others are not.
fn offers(path: &str, text: &str, wanted: &[&str], unwanted: &[&str]) {
    let found = labels(path, text);
    for name in wanted {
        assert!(
            found.iter().any(|label| label == name),
            "`{name}` is not offered at\n{}\n{found:?}",
            line(text)
        );
    }
    for name in unwanted {
        assert!(
            !found.iter().any(|label| label == name),
            "`{name}` is offered at\n{}\n{found:?}",
            line(text)
        );
    }
}

fn line(text: &str) -> &str {
    text.lines().find(|line| line.contains('¦')).unwrap_or_default()
}

#[test]
fn keys_are_those_of_the_place() {
    for (text, wanted, unwanted) in [
        ("¦", &["workflow", "owner", "trigger", "steps"][..], &["call"][..]),
        ("workflow: w\nown¦\nsteps:\n  - id: a\n", &["owner"], &["workflow", "steps", "gate"]),
        (&steps("  - id: a\n    ¦\n"), &["call", "gate", "agent", "if"], &["id", "workflow"]),
        (
            &steps("  - id: a\n    gate: approve\n    ¦\n"),
            &["ask", "expires", "on_expire"],
            &["with", "call", "gate"],
        ),
        (
            &steps("  - id: a\n    call: tickets.close\n    with:\n      ¦\n"),
            &["number", "minutes_down"],
            &["id", "call"],
        ),
        (
            &steps("  - id: a\n    call: tickets.close\n    with: { number: x, ¦ }\n"),
            &["minutes_down"],
            &["number"],
        ),
        (
            &steps("  - id: a\n    parallel:\n      b: { call: plex.inventory, ¦ }\n"),
            &["on_error", "retry"],
            &["gate"],
        ),
        (&steps("  - id: a\n    wait: 5m\n    on_timeout: { ¦ }\n"), &["call", "id"], &["workflow"]),
        ("workflow: w\ntrigger:\n  ¦\n", &["event", "where", "cron"], &["steps"]),
        (
            "workflow: w\ntrigger:\n  event: plex.work_center_status\n  ¦\n",
            &["key", "hold"],
            &["cron", "event"],
        ),
        (&steps("  - ¦\n"), &["id", "call"], &["workflow"]),
        (&steps("  - { id: a, ¦ }\n"), &["call"], &["id"]),
    ] {
        offers(NEW, text, wanted, unwanted);
    }
}

#[test]
fn values_are_those_of_the_site() {
    for (text, wanted, unwanted) in [
        (&steps("  - id: a\n    call: ¦\n"), &["tickets.create", "notify.role"][..], &["approve"][..]),
        (&steps("  - id: a\n    call: tick¦ets.clos\n"), &["tickets.close"], &[]),
        (
            &steps("  - id: a\n    agent: prompts/x.hbs\n    tools: [¦]\n"),
            &["cmms.asset_history"],
            &["plex.update_sequence"],
        ),
        (&steps("  - id: a\n    agent: ¦\n"), &["prompts/downtime_triage.hbs"], &["messages/no_plan.hbs"]),
        (&steps("  - id: a\n    gate: ¦\n"), &["approve", "choose"], &["tickets.create"]),
        (
            &steps("  - id: a\n    gate: approve\n    ask: ¦\n"),
            &["production_supervisor"],
            &["production_ladder"],
        ),
        (
            &steps("  - id: a\n    gate: approve\n    escalate: p¦\n"),
            &["production_ladder"],
            &["plant_scheduler"],
        ),
        (
            &steps("  - id: a\n    gate: approve\n    on_expire: \"¦\"\n"),
            &["escalate", "reject", "fail"],
            &["approve"],
        ),
        (&steps("  - id: a\n    gate: approve\n    background: ¦\n"), &["true", "false"], &[]),
        (
            &steps("  - id: a\n    call: plex.update_sequence\n    rules: [outside_frozen_zone, ¦]\n"),
            &["operator_certified"],
            &[],
        ),
        (&steps("  - id: a\n    wait: ¦\n"), &["erp.goods_receipt"], &[]),
        (&steps("  - id: a\n    run: ¦\n"), &["job_resequencing"], &["a"]),
        (&steps("  - id: a\n    call: notify.role\n    with: { role: ¦ }\n"), &["plant_manager"], &[]),
        (
            &steps("  - id: a\n    call: notify.role\n    with:\n      message: ¦\n"),
            &["messages/still_down.hbs"],
            &[],
        ),
        (&"workflow: w\ntrigger: { cron: 0 5 * * *, calendar: ¦ }\n".to_owned(), &["production_days"], &[]),
        (&"workflow: w\nsla:\n  - { step: ¦ }\nsteps:\n  - id: ack\n".to_owned(), &["ack"], &[]),
        (&"workflow: w\nautonomy: ¦\n".to_owned(), &["shadow", "assist", "auto"], &[]),
    ] {
        offers(NEW, text, wanted, unwanted);
    }
}

#[test]
fn expressions_know_the_names_and_types_of_their_step() {
    let condition = "if: steps.triage.expected_minutes < 15 && steps.triage.severity != 'high'";
    let case = |new: &str, wanted: &[&str], unwanted: &[&str]| {
        offers(DOWNTIME, &changed(DOWNTIME, condition, new), wanted, unwanted);
    };
    case(
        "if: ¦",
        &["steps", "trigger", "inputs", "now", "size", "minutes_between", "math"],
        &["trim", "event"],
    );
    case("if: steps.¦", &["incident", "context", "triage"], &["plans", "approve"]);
    case("if: steps.triage.¦ < 15", &["severity", "expected_minutes", "used_fallback"], &["orders"]);
    case("if: steps.context.orders.orders.¦", &["filter", "exists", "sortBy"], &["trim", "order", "sort"]);
    case("if: steps.context.orders.orders.exists(o, o.¦", &["tier", "due", "order"], &["orders"]);
    case("if: size(steps.context.orders.orders.filter(o, ¦", &["o", "steps"], &[]);
    case("if: steps.triage.severity == '¦'", &["high", "medium", "low"], &["critical"]);
    case("if: \"steps.triage.severity in ['high', '¦", &["low"], &[]);
    case("if: trigger.¦", &["work_center", "criticality", "time"], &["steps"]);
    case("if: trigger.work_center.¦", &["startsWith", "contains"], &["filter", "sum"]);
    case("if: math.¦", &["abs", "ceil"], &["range", "trim"]);
    case("if: |\n      steps.triage.severity == 'high' &&\n      steps.tri¦", &["triage"], &[]);
    let wait = "where: event.work_center == trigger.work_center && event.status == 'RUNNING'";
    offers(DOWNTIME, &changed(DOWNTIME, wait, "where: event.¦"), &["work_center", "status"], &["steps"]);
    let key = "key: event.work_center ";
    offers(DOWNTIME, &changed(DOWNTIME, key, "key: event.¦ "), &["work_center"], &["steps"]);
    let second = "if: answer.chosen.moves_priority_a || answer.chosen.overtime_hours > 4.0";
    offers(
        DOWNTIME,
        &changed(DOWNTIME, second, "if: answer.chosen.¦"),
        &["moves_priority_a", "overtime_hours"],
        &[],
    );
    let value = "number: ${{ steps.incident.number }}";
    offers(DOWNTIME, &changed(DOWNTIME, value, "number: ${{ steps.incident.¦"), &["number"], &["steps"]);
    offers(
        DOWNTIME,
        &changed(DOWNTIME, value, "number: INC ${{ steps.¦ }} x"),
        &["incident", "approve"],
        &[],
    );
    // What another workflow puts out, and how it can end.
    let run = "  - { id: r, run: customer_order_risk, with: { order: x } }\n  - { id: x, if: \"steps.r.¦\", end: over }\n";
    offers(NEW, &steps(run), &["position", "outcome", "run"], &["r"]);
    offers(NEW, &steps(&run.replace("steps.r.¦", "steps.r.outcome == '¦'")), &["on_time"], &["r"]);
}

/// The rest of the file does not compile, so the last version that did has to tell.
#[test]
fn a_file_that_is_broken_elsewhere_is_completed_all_the_same() {
    let broken = changed(DOWNTIME, "gate: acknowledge", "gat: acknowledge");
    for (from, to, wanted, unwanted) in [
        ("if: failure.class != 'rule'", "if: ¦", "steps", "x"),
        ("if: size(steps.plans.options) == 0", "if: steps.plans.¦", "options", "severity"),
        (
            "  - id: rejected\n    if: steps.approve.decision == 'reject'",
            "  - id: brand_new\n    if: steps.approve.¦\n  - id: rejected\n    if: true",
            "decision",
            "severity",
        ),
    ] {
        assert_eq!(broken.matches(from).count(), 1, "{from}");
        offers(DOWNTIME, &broken.replace(from, to), &[wanted], &[unwanted]);
    }
}

/// A new file that never compiled: the steps above the cursor tell, except those that are wrong themselves.
#[test]
fn a_file_that_never_compiled_is_completed_all_the_same() {
    let new = steps(
        "  - id: lines\n    call: plex.orders_affected\n  - id: wrong\n    cal: x\n  - { id: note, call: tickets.create, with: { title: x } }\n  - id: ask\n    gate: approve\n    if: steps.¦\n",
    );
    offers(NEW, &new, &["lines", "note"], &["wrong", "ask"]);
    offers(NEW, &new.replace("steps.¦", "steps.lines.orders.exists(o, o.¦"), &["tier"], &["orders"]);
    offers(NEW, &new.replace("steps.¦", "trigger.¦"), &["work_center"], &["steps"]);
}

#[test]
fn rules_and_templates_are_completed_by_who_uses_them() {
    let rule = "rules/outside_frozen_zone.yaml";
    let text = std::fs::read_to_string(super::ask::PLANT.site.folder.join(rule)).expect("the rule");
    let check = text.lines().find(|line| line.starts_with("check:")).expect("a check");
    offers(rule, &text.replace(check, "check: ¦"), &["write", "reads", "site"], &["event"]);
    offers(rule, &text.replace(check, "check: write.¦"), &["sequence"], &[]);
    let message = "messages/downtime_approve.hbs";
    offers(message, "Title {{trigger.¦}}", &["work_center"], &["steps"]);
    offers(message, "{{#each options}}{{¦", &["title", "trigger", "time"], &["number"]);
    offers(message, "{{steps.triage.¦", &["severity", "cause"], &[]);
    offers(message, "no tag ¦", &[], &["trigger"]);
    offers("prompts/downtime_triage.hbs", "{{ ¦", &["trigger", "steps"], &["options"]);
}

#[test]
fn an_item_replaces_the_word_at_the_cursor() {
    let text = steps("  - id: ü😀\n    ca¦ll: tickets.create\n");
    let item = items(NEW, &text).into_iter().find(|item| item.label == "agent").expect("offered");
    let Some(CompletionItemTextEdit::TextEdit(edit)) = item.text_edit else { panic!("an edit") };
    assert_eq!((edit.range.start.line, edit.range.start.character, edit.range.end.character), (5, 4, 8));
    assert_eq!(edit.new_text, "agent");
    let text = steps("  - { id: ü😀, if: trigger.wo¦ == 'x' }\n");
    let item = items(NEW, &text).into_iter().find(|item| item.label == "work_center").expect("offered");
    let Some(CompletionItemTextEdit::TextEdit(edit)) = item.text_edit else { panic!("an edit") };
    assert_eq!((edit.range.start.character, edit.range.end.character), (27, 29));
}

#[test]
fn remarks_texts_and_ids_are_left_alone() {
    for text in [
        steps("  - id: a # ¦\n    call: tickets.create\n"),
        "# ¦\nworkflow: w\n".to_owned(),
        "workflow: ¦\n".to_owned(),
        "owner: ¦\n".to_owned(),
    ] {
        assert_eq!(labels(NEW, &text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_cannot_stand_behind_a_dot_is_not_offered_there() {
    use crate::expr::{Type, Types};
    let event = Type::object([("order-no", Type::String), ("in", Type::Int), ("order", Type::String)]);
    let (_, offers) =
        crate::lsp::complete::in_expression("event.", &Types::from([("event".to_owned(), event)]));
    assert_eq!(offers.iter().map(|offer| offer.label.as_str()).collect::<Vec<_>>(), ["order"]);
}
