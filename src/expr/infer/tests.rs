use super::*;
use serde_json::json;

fn types() -> Types {
    let plans = json!({
        "type": "object",
        "properties": {
            "options": { "type": "array", "items": { "type": "object", "properties": {
                "title": { "type": "string" },
                "overtime_hours": { "type": "number" },
                "moves_priority_a": { "type": "boolean" },
                "due": { "type": ["string", "null"], "format": "date-time" },
                "late_orders": { "type": "array", "items": { "$ref": "#/$defs/order" } },
            }, "required": ["title"] } },
            "evaluated": { "type": "integer" },
            "extra": { "type": "object" },
            "kind": { "enum": ["low", "high"] },
        },
        "$defs": { "order": { "type": "object", "properties": {
            "order": { "type": "string" }, "tier": { "oneOf": [{ "const": "A" }, { "const": "B" }] } } } },
    });
    let steps = Type::object([("plans", Type::from_schema(&plans))]);
    let trigger = Type::open([("id", Type::String), ("time", Type::String)]);
    Types::from([
        ("steps".to_owned(), steps),
        ("trigger".to_owned(), trigger),
        ("now".to_owned(), Type::String),
    ])
}

#[track_caller]
fn is(source: &str, expected: Type) {
    let (kind, problems) = Expr::parse(source).expect(source).infer(&types());
    assert_eq!((kind, problems), (expected, vec![]), "{source}");
}

#[track_caller]
fn wrong(source: &str, expected: &str) {
    let (_, problems) = Expr::parse(source).expect(source).infer(&types());
    let drawn: Vec<String> =
        problems.iter().map(|p| format!("{}:{} {}; {}", p.line, p.column, p.message, p.fix)).collect();
    assert_eq!(drawn.join(" | "), expected, "{source}");
}

#[test]
fn types_follow_the_schema() {
    let order = Type::Object(Shape {
        fields: [
            ("order".to_owned(), super::super::Field { kind: Type::String, required: false }),
            (
                "tier".to_owned(),
                super::super::Field { kind: Type::Word(vec!["A".into(), "B".into()]), required: false },
            ),
        ]
        .into(),
        rest: None,
    });
    is("steps.plans.options[0].late_orders.filter(o, o.tier == 'A')", Type::list(order));
    is("steps.plans.options.map(o, o.title)", Type::list(Type::String));
    is("steps.plans.options.exists(o, o.overtime_hours > 4.0)", Type::Bool);
    is("steps.plans.options.exists_one(o, o.moves_priority_a)", Type::Bool);
    is("sum(steps.plans.options.map(o, o.overtime_hours))", Type::Number);
    is("steps.plans.extra.anything.goes > 3", Type::Bool);
    is("trigger.work_center == 'PRESS-4' && !trigger.planned", Type::Bool);
    is("steps.plans.evaluated * 1.5", Type::Number);
    is("round(steps.plans.evaluated / 3.0, 0)", Type::Int);
    is("round(1.25, 1)", Type::Number);
    is("timestamp(trigger.time) + duration('2h')", Type::Timestamp);
    is("timestamp(now) - timestamp(trigger.time) > duration('1h')", Type::Bool);
    is("steps.plans.?kind.orValue('low')", Type::Word(vec!["low".into(), "high".into()]));
    is("steps.plans.options[?3].title.orValue('')", Type::String);
    is("trigger.x ? 'a' : 'b'", Type::Word(vec!["a".into(), "b".into()]));
    is("has(steps.plans.extra.x) || 'a' in ['a']", Type::Bool);
    is("math.greatest(1, 2) + 1", Type::Any);
    is("lists.range(3).map(i, i * 2)", Type::list(Type::Int));
    is("{'a': 1}.a + size('x')", Type::Int);
    is("steps.plans.options.sortBy(o, o.title)[0].title", Type::Any);
}

#[test]
fn what_does_not_exist_is_named_at_its_place() {
    wrong("steps.plan.options", "1:7 no such field `plan` in `steps`; it has: plans");
    wrong(
        "true &&\n  steps.plans.options.exists(o, o.titel == '')",
        "2:35 no such field `titel` in `o`; it has: due, late_orders, moves_priority_a, overtime_hours, title",
    );
    wrong(
        "steps.plans.options[0].late_orders[1].teir",
        "1:39 no such field `teir` in `steps.plans.options[…].late_orders[…]`; it has: order, tier",
    );
    wrong("event.x", "1:1 unknown name `event`; there is: now, steps, trigger");
    wrong("totl([1])", "1:1 there is no function `totl`; the language reference lists the functions");
    wrong("now.x", "1:5 `now` is a text, so it has no field `x`; use the value itself");
}

#[test]
fn what_does_not_fit_is_told() {
    wrong(
        "steps.plans.evaluated == 'x'",
        "1:23 `==` compares a whole number with the text `x`; compare values of one type",
    );
    wrong("steps.plans.kind == 'hihg'", "1:18 it is never `hihg`; it is one of low, high");
    wrong(
        "timestamp(now) > trigger.time",
        "1:16 `>` compares a time with a text; make both times: timestamp(x)",
    );
    wrong(
        "now + 1",
        "1:5 `+` does not work on a text and a whole number; convert one of them: string(x), int(x), double(x)",
    );
    wrong(
        "steps.plans.evaluated && true",
        "1:13 true or false is needed here, this is a whole number; compare it with something: `x > 0`, `x == 'a'`",
    );
    wrong(
        "!now",
        "1:2 true or false is needed here, this is a text; compare it with something: `x > 0`, `x == 'a'`",
    );
}

#[test]
fn misfits_name_the_path() {
    let wanted = Type::from_schema(&json!({
        "type": "object",
        "properties": { "severity": { "enum": ["low", "high"] }, "minutes": { "type": "integer" },
            "evidence": { "type": "array", "items": { "type": "object", "properties": { "source": { "type": "string" } }, "required": ["source"] } } },
        "required": ["severity"],
    }));
    let misfit = |value| Type::of(&value).misfit(&wanted).map(|m| (m.path.join("."), m.message));
    assert_eq!(misfit(json!({ "severity": "low", "minutes": 3, "evidence": [] })), None);
    assert_eq!(misfit(json!({ "severity": "low", "more": 1 })), None);
    assert_eq!(misfit(json!({})), Some((String::new(), "`severity` is missing".into())));
    assert_eq!(
        misfit(json!({ "severity": "hi" })),
        Some(("severity".into(), "`hi` is not one of low, high".into()))
    );
    assert_eq!(
        misfit(json!({ "severity": "low", "minutes": 1.5 })),
        Some(("minutes".into(), "a whole number is needed, this is a number".into()))
    );
    assert_eq!(
        misfit(json!({ "severity": "low", "evidence": [{}] })),
        Some(("evidence.[…]".into(), "`source` is missing".into()))
    );
    assert_eq!(misfit(json!([])), Some((String::new(), "an object is needed, this is a list".into())));
}
