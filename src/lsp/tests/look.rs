use super::ask::{PLANT, ask, changed, steps};
use crate::{
    lsp::{define::definition, hover::hover, symbols::symbols, text::Text},
    workflow::problem::Problem,
};
use gen_lsp_types::{Contents, DocumentSymbol};

const DOWNTIME: &str = "workflows/downtime_escalation.yaml";

fn words(path: &str, text: &str, problems: &[Problem]) -> String {
    match ask(path, text, |context, offset| hover(context, offset, problems)).map(|hover| hover.contents) {
        Some(Contents::MarkupContent(markup)) => markup.value,
        other => format!("{other:?}"),
    }
}

#[test]
fn hover_says_what_stands_there() {
    for (from, to, said) in [
        (
            "on_expire: escalate             #",
            "on_ex¦pire: escalate #",
            "What silence means. There is no `approve`.",
        ),
        ("call: tickets.close", "call: tick¦ets.close", "Takes\n- `number`: a text"),
        ("lead_minutes: ${{ site", "lead_min¦utes: ${{ site", "lead_minutes"),
        (
            "if: steps.approve.decision == 'reject'",
            "if: steps.appr¦ove.decision == 'reject'",
            "`steps.approve`: { agreed: a list of a text, answered_at: a text",
        ),
        (
            "if: steps.approve.decision == 'reject'",
            "if: steps.approve.deci¦sion == 'reject'",
            "one of choose, reject, shadow",
        ),
        ("if: size(steps.plans.options) == 0", "if: si¦ze(steps.plans.options) == 0", "How many items"),
        (
            "minutes_down: ${{ minutes_between(trigger.time, now) }}",
            "minutes_down: ${{ minutes_be¦tween(trigger.time, now) }}",
            "`minutes_between(a, b)`",
        ),
        (".filter(o, o.tier == 'A')", ".filter(o, o.ti¦er == 'A')", "`o.tier`: a text"),
        ("autonomy: assist ", "autonomy: ass¦ist ", "How much it may do alone"),
    ] {
        let text = changed(DOWNTIME, from, to);
        let found = words(DOWNTIME, &text, &[]);
        assert!(found.contains(said), "{to}: {found}");
    }
    let found = words("messages/downtime_approve.hbs", "{{trigger.work_c¦enter}}", &[]);
    assert!(found.contains("a text"), "{found}");
}

#[test]
fn hover_on_a_finding_explains_its_rule() {
    let text = steps("  - id: a\n    call: tickets.creat\n    with: { title: x }\n");
    let problems = PLANT.library.findings("workflows/new.yaml", &text, &PLANT.tools, &PLANT.site);
    let cursor = text.replace("tickets.creat\n", "tickets.cre¦at\n");
    let found = words("workflows/new.yaml", &cursor, &problems);
    assert!(found.contains("**T009** an unknown tool"), "{found}");
    assert!(found.contains("did you mean `tickets.create`?"), "{found}");
}

/// Path and text of the line that is gone to.
fn target(path: &str, text: &str) -> Option<(String, String)> {
    let target = ask(path, text, definition)?;
    let inside =
        target.path.strip_prefix(&PLANT.site.folder).expect("in the site").to_string_lossy().into_owned();
    let text = match inside == path {
        true => text.replace('¦', ""),
        false => std::fs::read_to_string(&target.path).expect("the file"),
    };
    let line = text.lines().nth(target.range.start.line as usize).unwrap_or_default().trim().to_owned();
    Some((inside, line))
}

#[test]
fn a_name_leads_to_where_it_is_declared() {
    for (from, to, path, line) in [
        ("call: tickets.close", "call: tickets.cl¦ose", "connectors/tickets.yaml", "tickets.close:"),
        ("[cmms.asset_history,", "[cmms.asset_hi¦story,", "connectors/cmms.yaml", "cmms.asset_history:"),
        (
            "agent: prompts/downtime_triage.hbs",
            "agent: prompts/down¦time_triage.hbs",
            "prompts/downtime_triage.hbs",
            "",
        ),
        ("output: schemas/triage.json", "output: schemas/tri¦age.json", "schemas/triage.json", "{"),
        (
            "message: messages/downtime_approve.hbs",
            "message: messages/downtime_appr¦ove.hbs",
            "messages/downtime_approve.hbs",
            "",
        ),
        (
            "operator_certified, outside",
            "operator_cer¦tified, outside",
            "rules/operator_certified.yaml",
            "rule: operator_certified",
        ),
        ("run: customer_order_risk", "run: customer_or¦der_risk", "workflows/customer_order_risk.yaml", ""),
        ("ask: plant_scheduler", "ask: plant_sch¦eduler", "takt.yaml", "plant_scheduler:"),
        ("{ step: ack,  ", "{ step: a¦ck,  ", DOWNTIME, "- id: ack"),
        ("if: steps.approve.decision", "if: steps.appro¦ve.decision", DOWNTIME, "- id: approve"),
        ("if: steps.approve.decision", "if: steps.approve.dec¦ision", DOWNTIME, "- id: approve"),
        (
            "wait: plex.work_center_status",
            "wait: plex.work_cen¦ter_status",
            "events/plex.work_center_status.json",
            "{",
        ),
        ("escalate: maintenance_ladder", "escalate: mainten¦ance_ladder", "takt.yaml", "maintenance_ladder:"),
    ] {
        let found = target(DOWNTIME, &changed(DOWNTIME, from, to)).unwrap_or_else(|| panic!("nowhere: {to}"));
        assert_eq!(found.0, path, "{to}");
        assert!(found.1.starts_with(line), "{to}: {}", found.1);
    }
    assert_eq!(
        target(DOWNTIME, &changed(DOWNTIME, "call: schedule.resequence", "call: schedule.rese¦quence")),
        None
    );
}

#[test]
fn a_name_leads_into_what_stands_side_by_side_and_into_other_workflows() {
    let found = |path: &str, from: &str, to: &str| {
        target(path, &changed(path, from, to)).unwrap_or_else(|| panic!("nowhere: {to}"))
    };
    let delay = "workflows/supplier_delay.yaml";
    let (path, line) =
        found(delay, "where: event.po_number == trigger", "where: event.po_num¦ber == trigger");
    assert_eq!((path.as_str(), line.as_str()), ("events/erp.goods_receipt.json", "{"));
    // Of several events the first that is described.
    let (path, _) = found(delay, "where: event.days_late", "where: event.days¦_late");
    assert_eq!(path, "events/supplier.asn_delayed.json");
    let text = steps(
        "  - id: both\n    parallel:\n      one: { call: plex.crew, with: { shift: current } }\n  - { id: x, if: steps.both.on¦e != null, end: over }\n",
    );
    assert_eq!(
        target("workflows/new.yaml", &text).map(|found| found.1),
        Some("one: { call: plex.crew, with: { shift: current } }".to_owned())
    );
    let text = steps(
        "  - { id: r, run: customer_order_risk }\n  - { id: x, if: steps.r.NAME¦ != null, end: over }\n",
    );
    let child = PLANT.library.get("customer_order_risk").expect("bundled");
    let step = &child.workflow.steps[0].id;
    let (path, line) = target("workflows/new.yaml", &text.replace("NAME", step)).expect("a place");
    assert_eq!((path, line), (child.bundle.path.clone(), format!("- id: {step}")));
}

#[test]
fn symbols_are_the_steps_with_those_inside() {
    fn drawn(symbols: &[DocumentSymbol], depth: usize, into: &mut String) {
        for symbol in symbols {
            let detail = symbol.detail.as_deref().unwrap_or("-");
            into.push_str(&format!("{}{} · {detail}\n", "  ".repeat(depth), symbol.name));
            drawn(symbol.children.as_deref().unwrap_or_default(), depth + 1, into);
        }
    }
    let text = std::fs::read_to_string(PLANT.site.folder.join(DOWNTIME)).expect("the file");
    let mut found = String::new();
    drawn(&symbols(&Text::new(text)), 0, &mut found);
    insta::assert_snapshot!(found);
}

#[test]
fn nothing_is_wrong_with_what_is_bundled() {
    use crate::workflow::cases::{TestFile, check_cases};
    let found: Vec<_> = PLANT.library.problems().collect();
    assert!(found.is_empty(), "{found:?}");
    for definition in PLANT.library.definitions() {
        let path = definition.bundle.path.replace(".yaml", ".test.yaml");
        let text = std::fs::read_to_string(PLANT.site.folder.join(&path)).expect("its test");
        let (file, warnings) = TestFile::parse(&path, &text).expect("it parses");
        let found = check_cases(&file, definition, &PLANT.tools, &PLANT.site, PLANT.library.events());
        assert!(warnings.is_empty() && found.is_empty(), "{warnings:?} {found:?}");
    }
}
