use super::*;
use serde_json::json;

mod held;
mod items;
mod parts;

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
                "note": { "type": "string" },
            }, "required": ["title", "overtime_hours", "moves_priority_a", "late_orders"] } },
            "evaluated": { "type": "integer" },
            "rest": { "type": "object", "properties": { "cost": { "type": "number" } } },
            "extra": { "type": "object" },
            "kind": { "enum": ["low", "high"] },
        },
        "$defs": { "order": { "type": "object", "properties": {
            "order": { "type": "string" }, "tier": { "oneOf": [{ "const": "A" }, { "const": "B" }] } } } },
        "required": ["options", "evaluated", "extra", "kind"],
    });
    let steps = Type::object([("plans", Type::of_output(&plans))]);
    let trigger = Type::open([("id", Type::String), ("time", Type::Time)]);
    Types::from([
        ("steps".to_owned(), steps),
        ("trigger".to_owned(), trigger),
        ("now".to_owned(), Type::Time),
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
        fields: vec![
            ("order".to_owned(), super::super::Field { kind: Type::String, required: true }),
            (
                "tier".to_owned(),
                super::super::Field { kind: Type::Word(vec!["A".into(), "B".into()]), required: true },
            ),
        ]
        .into(),
        ..Shape::default()
    });
    is("steps.plans.options[0].late_orders.filter(o, o.tier == 'A')", Type::list(order));
    is("steps.plans.options.map(o, o.title)", Type::list(Type::String));
    is("steps.plans.options.exists(o, o.overtime_hours > 4.0)", Type::Bool);
    is("steps.plans.options.exists_one(o, o.moves_priority_a)", Type::Bool);
    is("sum(steps.plans.options.map(o, o.overtime_hours))", Type::Number);
    is("steps.plans.extra.anything.goes > 3", Type::Bool);
    is("trigger.work_center == 'PRESS-4' && !trigger.planned", Type::Bool);
    is("double(steps.plans.evaluated) * 1.5", Type::Double);
    is("steps.plans.options[0].overtime_hours * 2 + 1.5", Type::Double);
    is("round(double(steps.plans.evaluated) / 3.0, 0)", Type::Int);
    is("round(1.25, 1)", Type::Double);
    is("timestamp(trigger.time) + duration('2h')", Type::Timestamp);
    is("timestamp(now) - timestamp(trigger.time) > duration('1h')", Type::Bool);
    is("steps.plans.?kind.orValue('low')", Type::Word(vec!["low".into(), "high".into()]));
    is("steps.plans.options[?3].title.orValue('')", Type::String);
    is("trigger.x ? 'a' : 'b'", Type::Word(vec!["a".into(), "b".into()]));
    is("has(steps.plans.extra.x) || 'a' in ['a']", Type::Bool);
    is("math.greatest(1, 2) + 1", Type::Int);
    is("math.least(steps.plans.options.map(o, 1.5))", Type::Double);
    is("math.abs(steps.plans.evaluated)", Type::Int);
    is("math.ceil(1.5) > 1.0 && math.isNaN(0.5)", Type::Bool);
    is("lists.range(3)", Type::list(Type::Int));
    is("strings.quote(now)", Type::String);
    is("['a', 'b'].join(', ') + now", Type::String);
    is("steps.plans.options.map(o, o.title).sort()", Type::list(Type::String));
    is("lists.range(3).map(i, i * 2)", Type::list(Type::Int));
    is("{'a': 1}.a + size('x')", Type::Int);
    is("steps.plans.options.sortBy(o, o.title)[0].title", Type::String);
}

#[test]
fn what_does_not_exist_is_named_at_its_place() {
    wrong("steps.plan.options", "1:7 no such field `plan` in `steps`; it has: plans");
    wrong(
        "true &&\n  steps.plans.options.exists(o, o.titel == '')",
        "2:35 no such field `titel` in `o`; it has: due, late_orders, moves_priority_a, note, overtime_hours, title",
    );
    wrong(
        "steps.plans.options[0].late_orders[1].teir",
        "1:39 no such field `teir` in `steps.plans.options[…].late_orders[…]`; it has: order, tier",
    );
    wrong("event.x", "1:1 unknown name `event`; there is: now, steps, trigger");
    wrong("totl([1])", "1:1 there is no function `totl`; the language reference lists the functions");
    wrong("now.x", "1:5 `now` is a time as text, so it has no field `x`; use the value itself");
}

#[test]
fn what_does_not_fit_is_told() {
    wrong(
        "steps.plans.evaluated == 'x'",
        "1:26 `==` compares a whole number with the text `x`; compare values of one type",
    );
    wrong(
        "site_time(steps.plans.kind)",
        "1:23 `site_time` needs a time here, this is one of low, high; times are RFC 3339 text like 2026-11-23T06:10:00-06:00; timestamp(x) reads one",
    );
    wrong("steps.plans.kind == 'hihg'", "1:21 it is never `hihg`; it is one of low, high");
    wrong(
        "timestamp(now) > trigger.time",
        "1:16 `>` compares a time with a time as text; make both times: timestamp(x)",
    );
    wrong(
        "now + 1",
        "1:5 `+` does not work on a time as text and a whole number; convert one of them: string(x), int(x), double(x), timestamp(x)",
    );
    wrong(
        "steps.plans.evaluated && true",
        "1:13 true or false is needed here, this is a whole number; compare it with something: `x > 0`, `x == 'a'`",
    );
    wrong(
        "!now",
        "1:2 true or false is needed here, this is a time as text; compare it with something: `x > 0`, `x == 'a'`",
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
    assert_eq!(misfit(json!({})), Some(("severity".into(), "it is missing".into())));
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
        Some(("evidence.[…].source".into(), "it is missing".into()))
    );
    assert_eq!(misfit(json!([])), Some((String::new(), "an object is needed, this is a list".into())));
}

#[test]
fn what_may_be_null_or_absent_is_asked_for_first() {
    is("steps.plans.options.all(o, o.due != null && timestamp(o.due) > timestamp(now))", Type::Bool);
    is("steps.plans.options.all(o, o.due == null || timestamp(o.due) < timestamp(now))", Type::Bool);
    is("steps.plans.options.map(o, o.due != null ? o.due : now)", Type::list(Type::Time));
    is("steps.plans.options.all(o, !has(o.note) || o.note.contains('x'))", Type::Bool);
    is("steps.plans.options.map(o, o.?note.orValue(''))", Type::list(Type::String));
    is("has(steps.plans.rest) && steps.plans.rest.cost > 3", Type::Bool);
    is("steps.plans.options[0].due == '2026-11-23T12:10:00Z'", Type::Bool);
    wrong(
        "steps.plans.options.all(o, o.due > now)",
        "1:30 `o.due` may be null, and `>` does not work then; ask before: `o.due != null`, or write `o.due != null ? o.due : …` | 1:34 `>` compares times as texts, letter by letter; make both times: timestamp(x)",
    );
    wrong(
        "steps.plans.options.all(o, o.note.contains('x'))",
        "1:30 the field `note` of `o` may be absent; give a default, `.?note.orValue(…)`, or ask `has(…)` before",
    );
    wrong(
        "steps.plans.rest.cost > 3",
        "1:13 the field `rest` of `steps.plans` may be absent; give a default, `.?rest.orValue(…)`, or ask `has(…)` before",
    );
    wrong(
        "has(steps.plans.rst)",
        "1:17 no such field `rst` in `steps.plans`; it has: evaluated, extra, kind, options, rest",
    );
    wrong(
        "steps.plans.?rst.orValue({}) == {}",
        "1:14 no such field `rst` in `steps.plans`; it has: evaluated, extra, kind, options, rest",
    );
}

#[test]
fn functions_say_what_they_take() {
    wrong(
        "minutes_between(now) > 1",
        "1:1 `minutes_between` takes 2 arguments, these are 1; write `minutes_between(a, b)`",
    );
    wrong(
        "minutes_between(now, steps.plans.evaluated) > 1",
        "1:34 `minutes_between` needs a time here, this is a whole number; times are RFC 3339 text like 2026-11-23T06:10:00-06:00; timestamp(x) reads one",
    );
    wrong(
        "duration('2x') > duration('1h')",
        "1:10 `2x` is not a duration; durations are written '90s', '30m', '2h'",
    );
    wrong(
        "sum(steps.plans.kind) > 1",
        "1:17 `sum` needs a list of numbers here, this is one of low, high; give it numbers: x.map(item, item.minutes)",
    );
    wrong(
        "sum(steps.plans.options) > 1",
        "1:17 `sum` needs a list of numbers here, this is a list; give it numbers: x.map(item, item.minutes)",
    );
    wrong(
        "max(steps.plans.options) == 1",
        "1:17 `max` needs a list of what has an order here, this is a list; give it a list of numbers, texts or times: x.map(item, item.due)",
    );
    wrong(
        "[1, 2].join(',') == now",
        "1:1 `join` needs a list of texts here, this is a list; make its items texts: x.map(item, string(item))",
    );
    wrong(
        "math.abs(now) > 1",
        "1:10 `math.abs` needs a number here, this is a time as text; make it a number: int(x), double(x)",
    );
    wrong(
        "math.greatest(now, 1) > 1",
        "1:15 `math.greatest` needs a number here, this is a time as text; make it a number: int(x), double(x)",
    );
    wrong(
        "math.abz(1) > 1",
        "1:6 there is no function `math.abz`; `math` has ceil, floor, round, trunc, isInf, isNaN, isFinite, abs, sign, sqrt, greatest, least, bitAnd, bitOr, bitXor, bitNot, bitShiftLeft, bitShiftRight",
    );
    wrong(
        "math.bitAnd(1) > 1",
        "1:6 `math.bitAnd` takes 2 arguments, these are 1; write `math.bitAnd(a, b)`",
    );
    wrong(
        "strings.quote(1) == ''",
        "1:15 `strings.quote` needs a text here, this is a whole number; make it a text: string(x)",
    );
    wrong(
        "now.exists(n, n == 'x')",
        "1:1 a list is needed here, this is a time as text; `filter`, `map`, `all` and `exists` go through a list",
    );
    wrong(
        "'high' in steps.plans.kind",
        "1:8 `in` looks into a list, this is one of low, high; write `x in ['a', 'b']`, or `text.contains('a')`",
    );
    wrong("steps.plans.kind in ['low', 'hihg']", "1:18 it is never `hihg`; it is one of low, high");
    wrong("contains(now, 'x')", "1:1 `contains` is not called like this; write `x.contains()`");
    wrong("[1] < [2]", "1:5 `<` does not order a list; compare numbers, texts or times");
}

fn people() -> Types {
    let person = Type::object([("name", Type::String), ("shift", Type::String)]);
    Types::from([("p".to_owned(), Type::open([("list", Type::list(person))]))])
}

#[test]
fn a_constant_in_brackets_is_a_field() {
    is("steps['plans'].options[0]['title'] == 'a'", Type::Bool);
    is("steps.plans['kind']", Type::Word(vec!["low".into(), "high".into()]));
    is("steps.plans[?'rest'].cost.orValue(0.5)", Type::Number);
    is("has(steps.plans.rest) && steps.plans['rest'].cost > 3", Type::Bool);
    wrong("steps['histry']", "1:7 no such field `histry` in `steps`; it has: plans");
    wrong("steps.plans['kind'] == 'hihg'", "1:24 it is never `hihg`; it is one of low, high");
    wrong(
        "steps.plans.options['0'].title == 'a'",
        "1:21 `steps.plans.options` is a list, so it has no field `0`; ask for an item by its number, `[0]`, or go through it: `exists`, `map`",
    );
    wrong(
        "steps.plans.options[now].title == 'a'",
        "1:21 an item of a list is asked for by its number, this is a time as text; write `list[0]`, or look with `exists`, `filter`",
    );
    wrong(
        "steps.plans[?'rst'].orValue({}) == {}",
        "1:14 no such field `rst` in `steps.plans`; it has: evaluated, extra, kind, options, rest",
    );
    assert_eq!(
        Expr::parse("steps['a'].b == now").expect("parses").paths(),
        [vec!["steps", "a", "b"], vec!["now"]]
    );
}

#[test]
fn what_is_asked_for_with_a_question_mark_is_no_value_yet() {
    wrong(
        "steps.plans.?kind == 'low'",
        "1:12 `steps.plans.kind` is asked for with `?`, and without a default it is equal to nothing; give a default: `.orValue('')`",
    );
    wrong(
        "steps.plans.?evaluated > 3",
        "1:12 `steps.plans.evaluated` is asked for with `?`, and without a default it is equal to nothing; give a default: `.orValue(0)`",
    );
    wrong(
        "steps.plans.?kind in ['low', 'high']",
        "1:12 `steps.plans.kind` is asked for with `?`, and without a default it is in no list; give a default: `.orValue(…)`",
    );
    wrong(
        "trigger.?planned == true && true",
        "1:8 `trigger.planned` is asked for with `?`, and without a default it is equal to nothing; give a default: `.orValue(false)`",
    );
    // As it is when it runs.
    let scope = json!({ "a": { "b": "x" } }).as_object().cloned().expect("an object");
    let runs = |source: &str| Expr::parse(source).expect(source).eval(&scope);
    assert_eq!(runs("a.?b == 'x' || a.?b in ['x'] || a.?c == null"), Ok(json!(false)));
    assert!(runs("a.?b < 'z'").is_err());
}

#[test]
fn columns_count_characters() {
    wrong(
        "'Störung 🔧' != trigger.id && now.x",
        "1:34 `now` is a time as text, so it has no field `x`; use the value itself",
    );
    wrong("'🔧' == nuw", "1:8 unknown name `nuw`; there is: now, steps, trigger");
    let error = Expr::parse("'🔧ü' == = 1").expect_err("no expression");
    assert_eq!((error.line, error.column), (1, 9));
    let error = Expr::parse("has(a)").expect_err("no field");
    assert_eq!(error.message, "`has` asks for a field: write `has(a.b)`");
}

#[test]
fn a_condition_that_never_changes_is_known() {
    let constant = |source: &str| Expr::parse(source).expect(source).constant(&types());
    for source in [
        "true",
        "1 == 1",
        "trigger.a == 'DOWN' || trigger.a != 'DOWN'",
        "size(trigger.a) >= 0",
        "trigger.a == trigger.a",
        "steps.plans.kind == 'low' || steps.plans.kind == 'high'",
        "trigger.planned || !trigger.planned",
        "0 <= trigger.a.size()",
        "trigger.n < 3 || trigger.n >= 3",
        "trigger.a == 'x' || trigger.a != 'x' || trigger.a == trigger.b",
        "trigger.a in [trigger.b, 'x'] || trigger.a != 'x'",
    ] {
        assert_eq!(constant(source), Some(true), "{source}");
    }
    for source in [
        "false",
        "trigger.a == 'DOWN' && trigger.a == 'RUNNING'",
        "trigger['a'] == 'DOWN' && trigger.a == 'RUNNING'",
        "size(trigger.a) < 0",
        "trigger.n > 5 && trigger.n < 3",
        "trigger.a == 'x' && trigger.a == 'y' && trigger.unknown.exists(x, x == 1)",
        "trigger.a in ['x'] && trigger.a == 'y'",
        "trigger.a == 'x' && trigger.a == 'y' && trigger.a == trigger.b && trigger.b == 'z'",
        "trigger.n > 5 && trigger.m > 5 && trigger.n < 3 && trigger.n < trigger.m",
    ] {
        assert_eq!(constant(source), Some(false), "{source}");
    }
    for source in [
        "trigger.a == 'DOWN' || trigger.b != 'DOWN'",
        "steps.plans.?kind.orValue('none') == 'none'",
        "steps.plans.?kind.orValue(now) == 'low' || steps.plans.kind == 'high'",
        "trigger.a == 'DOWN'",
        "trigger.n > 2 && trigger.n < 3",
        "trigger.planned",
        "trigger.list.exists(x, true)",
        "size(trigger.a) > 0",
        "trigger.a == null || trigger.a == 'x'",
        // Each of two values may be what no text in the condition is, and these may differ.
        "trigger.a == 'x' || trigger.b == 'y' || trigger.a == trigger.b",
        "trigger.a != 'x' && trigger.b != 'y' && trigger.a != trigger.b",
        "trigger.n > 0 && trigger.m > 0 && trigger.n < trigger.m",
        "trigger.nul != null && trigger.nul != trigger.a && trigger.a != 'x'",
        "trigger.a != 'x' && trigger.b != 'y' && trigger.a in [trigger.b]",
        "trigger.a != 'x' && trigger.?b.orValue('y') != 'y' && trigger.a == trigger.?b.orValue('y')",
        // Between two numbers lie others.
        "trigger.n > 0 && trigger.n < 0.3",
        "trigger.n > 0.7 && trigger.n < 0.9",
    ] {
        assert_eq!(constant(source), None, "{source}");
    }
}

#[test]
fn origins_are_the_names_that_are_read() {
    let parse = |source: &str| Expr::parse(source).expect(source);
    assert_eq!(parse("a.b.exists(x, x == c) && now > ''").roots(), ["a", "c", "now"]);
    let paths = parse("a.b.?c.orValue(1) + d[0].e").paths();
    assert_eq!(paths, [vec!["a", "b", "c"], vec!["d"]]);
    let leaks = |source: &str| {
        let origin = parse(source).origin(&people(), &Origin::default(), &|field| field == "name");
        let mut found = origin.leaks(&|field| field == "name");
        found.dedup();
        found.into_iter().map(|leak| (leak.field, leak.column)).collect::<Vec<_>>()
    };
    assert_eq!(leaks("p.name"), [("name".to_owned(), 3)]);
    assert_eq!(leaks("p.list.map(x, x.name)"), [("name".to_owned(), 17)]);
    assert_eq!(leaks("p.list.map(x, {'who': x.name})"), [("name".to_owned(), 25)]);
    assert_eq!(leaks("'by ' + p.?name.orValue('')"), [("name".to_owned(), 12)]);
    assert_eq!(leaks("p.list[0]['name']"), [("name".to_owned(), 11)]);
    assert_eq!(leaks("p.list.map(x, x['name'])"), [("name".to_owned(), 17)]);
    assert_eq!(leaks("'%s'.format([p.list])"), [("name".to_owned(), 12)]);
    assert_eq!(leaks("string(p.list[0])"), [("name".to_owned(), 7)]);
    assert_eq!(leaks("p.list[0].map(key, p.list[0][key])"), [("name".to_owned(), 29)]);
    for harmless in [
        "p",
        "p.list.filter(x, x.name == 'a')",
        "p.list.map(x, {'name': x.name})",
        "p.list.sortBy(x, x.name)",
        "optional.of(p.list[0]).optMap(x, x.shift)",
        "size(p.list.map(x, x.name))",
        "p.list.exists(x, x.name.contains('a'))",
        "p.name == 'a' ? 1 : 2",
        "string(p.list) == ''",
        "'%s'.format([p.list.size()])",
    ] {
        assert_eq!(leaks(harmless), [], "{harmless}");
    }
}

#[test]
fn a_text_that_is_a_time_is_no_text_to_be_compared() {
    let shown = |source: &str| {
        let at = Type::from_schema(&json!({ "type": "string", "format": "date-time" }));
        let trigger = Type::object([("since", at), ("name", Type::String)]);
        let types = Types::from([("trigger".to_owned(), trigger), ("now".to_owned(), Type::Time)]);
        let (kind, problems) = Expr::parse(source).expect(source).infer(&types);
        (kind, problems.into_iter().map(|p| (p.column, p.message, p.fix)).collect::<Vec<_>>())
    };
    let as_texts = |column, operator: &str| {
        let message = format!("`{operator}` compares times as texts, letter by letter");
        (Type::Bool, vec![(column, message, "make both times: timestamp(x)".to_owned())])
    };
    assert_eq!(shown("now > trigger.since"), as_texts(5, ">"));
    assert_eq!(shown("'2026-01-01' < trigger.since"), as_texts(14, "<"));
    assert_eq!(shown("trigger.name <= '2026-01-01T00:00:00Z'"), as_texts(14, "<="));
    let never = ("it is never `DOWN`".to_owned(), "it is a time, like 2026-11-23T12:10:00Z".to_owned());
    assert_eq!(shown("trigger.since == 'DOWN'"), (Type::Bool, vec![(18, never.0, never.1)]));
    for right in [
        "timestamp(now) > timestamp(trigger.since)",
        "trigger.since == now",
        "trigger.since != '2026-01-01T00:00:00Z'",
        "'a' < trigger.name",
        "minutes_between(trigger.since, now) > 5",
    ] {
        assert_eq!(shown(right), (Type::Bool, vec![]), "{right}");
    }
    assert_eq!(shown("string(timestamp(now) + duration('1h'))"), (Type::Time, vec![]));
}

#[test]
fn whole_and_fractional_numbers_are_told_apart_where_that_is_known() {
    let mixed = |at: &str, operator: &str| {
        format!(
            "{at} `{operator}` does not mix a whole number with a fractional one; write 2.0 for 2, and double(x) for what is counted"
        )
    };
    wrong("steps.plans.evaluated * 1.5", &mixed("1:23", "*"));
    wrong("size(steps.plans.options) + 0.5", &mixed("1:27", "+"));
    wrong("hours_between(now, now) * 60", &mixed("1:25", "*"));
    wrong("2 - avg([1, 2])", &mixed("1:3", "-"));
    let drops = "`/` drops the rest where both are whole, and these may be: 7 / 2 is 3; say which it is: double(a) / double(b), or int(a) / int(b)";
    wrong("steps.plans.options[0].overtime_hours / 2", &format!("1:39 {drops}"));
    wrong("1 / steps.plans.options[0].overtime_hours", &format!("1:3 {drops}"));
    let whole = "`%` takes whole numbers only; make both whole: int(x)";
    wrong("steps.plans.options[0].overtime_hours % 2", &format!("1:39 {whole}"));
    // Which a JSON number is, is not known: it mixes with both. Comparing is no arithmetic.
    is("steps.plans.options[0].overtime_hours * 2", Type::Number);
    is("steps.plans.options[0].overtime_hours / 2.0", Type::Double);
    is("steps.plans.evaluated / 2", Type::Int);
    is("steps.plans.evaluated > 1.5 && steps.plans.evaluated in [1.0]", Type::Bool);
    is("steps.plans.evaluated > 2 ? 1 : 0.5", Type::Number);
    is("{'a': 1.5}.a * 2", Type::Number);
}

#[test]
fn what_is_formatted_fits_its_place() {
    let clauses =
        "%s takes anything, %d %.2f %e take numbers, %b %o %x whole numbers, and %% is a percent sign";
    is("'%d of %.1f, %s, 5 %%'.format([size(now), 1, steps.plans])", Type::String);
    is("trigger.text.format([1])", Type::String);
    wrong("'%d'.format([now])", &format!("1:14 `%d` does not take a time as text; {clauses}"));
    wrong("'%y'.format([now])", &format!("1:1 `%y` is nothing that `format` knows; {clauses}"));
    wrong(
        "'%s and %s'.format([now])",
        "1:1 the text has 2 of `%s` and the like, and 1 values; give one value for each, in their order; a percent sign is `%%`",
    );
    wrong(
        "'%s'.format([steps.plans.nope])",
        "1:26 no such field `nope` in `steps.plans`; it has: evaluated, extra, kind, options, rest",
    );
    wrong(
        "lists.range(size(steps.plans.optoins))",
        "1:30 no such field `optoins` in `steps.plans`; it has: evaluated, extra, kind, options, rest",
    );
}
