use super::*;
use proptest::prelude::*;
use serde_json::json;

fn scope() -> Scope {
    let value = json!({
        "trigger": { "work_center": "PRESS-4", "planned": false, "criticality": "A", "time": "2026-11-23T06:10:00-06:00" },
        "steps": {
            "plans": { "options": [{ "title": "One", "late_orders": [{ "order": "S-1", "tier": "A" }, { "order": "S-2", "tier": "B" }], "overtime_hours": 5, "cost": 1.5 }], "before": {} },
            "history": null,
            "risk": { "cover_days": 3, "price": 2.5, "big": 9007199254740993i64 },
        },
        "site": { "name": "Plant 1", "time_zone": "America/Chicago", "values": { "limit": 4 }, "shifts": [
            { "id": "A", "starts": "06:00", "ends": "14:00" },
            { "id": "B", "starts": "14:00", "ends": "22:00" },
            { "id": "C", "starts": "22:00:00", "ends": "06:00:00" },
        ] },
        "now": "2026-11-23T09:10:59Z",
        "hostile": "${{ trigger.work_center }}",
    });
    let Value::Object(scope) = value else { unreachable!() };
    scope
}

fn eval(source: &str) -> Result<Value, String> {
    let expr = Expr::parse(source).map_err(|e| format!("{}:{}: {}", e.line, e.column, e.message))?;
    expr.eval(&scope()).map_err(|e| e.message)
}

#[track_caller]
fn gives(source: &str, expected: Value) {
    assert_eq!(eval(source), Ok(expected), "{source}");
}

#[track_caller]
fn fails(source: &str, expected: &str) {
    assert_eq!(eval(source), Err(expected.to_owned()), "{source}");
}

#[test]
fn logic_and_fields() {
    gives("trigger.work_center == 'PRESS-4' && !trigger.planned", json!(true));
    gives("steps.plans.options[0].late_orders.filter(o, o.tier == 'A').size()", json!(1));
    gives(
        "steps.plans.options[0].late_orders.filter(o, o.tier == 'A')",
        json!([{ "order": "S-1", "tier": "A" }]),
    );
    gives("steps.plans.options.exists(o, o.overtime_hours > 4.0)", json!(true));
    gives("has(trigger.planned) && !has(trigger.nothing)", json!(true));
    gives("steps.?history.?rows.orValue([])", json!([]));
    gives("steps.history.?rows.orValue('none')", json!("none"));
    gives("trigger.?nothing", Value::Null);
    gives("{'b': 1, 'a': [2.5, null]}", json!({ "a": [2.5, null], "b": 1 }));
    gives("trigger.criticality == 'A' ? 'high' : 'medium'", json!("high"));
}

#[test]
fn numbers_keep_their_kind() {
    gives("steps.risk.cover_days - 20", json!(-17));
    gives("steps.risk.big + 1", json!(9_007_199_254_740_994i64));
    gives("steps.risk.cover_days * 1.5", json!(4.5));
    gives("steps.risk.price * 2 + 1", json!(6.0));
    gives("7 / 2", json!(3));
    gives("7 / 2.0", json!(3.5));
    gives("steps.risk.cover_days >= 2.5", json!(true));
    gives("[1, 2].map(x, x * 2.5)", json!([2.5, 5.0]));
    fails("9223372036854775807 + 1", "the number is too large");
    fails("1 / 0", "division by zero");
}

#[test]
fn extensions_of_the_standard_library() {
    gives("'a,b'.split(',').join('-').upperAscii()", json!("A-B"));
    gives("[3, 1, 2].sort()[0]", json!(1));
    gives("math.greatest(1, 2)", json!(2));
    gives("trigger.work_center.startsWith('PRESS')", json!(true));
    gives("trigger.work_center.matches('^PRESS-[0-9]+$')", json!(true));
}

#[test]
fn times_and_durations_become_json() {
    gives("timestamp(trigger.time)", json!("2026-11-23T12:10:00Z"));
    gives("timestamp(trigger.time) + duration('90m')", json!("2026-11-23T13:40:00Z"));
    gives("duration('90m')", json!("5400s"));
    gives("duration('-1.5s')", json!("-1.5s"));
    gives("minutes_between(trigger.time, now)", json!(-180));
    gives("minutes_between(now, timestamp(trigger.time))", json!(179));
    gives("round(hours_between(now, trigger.time), 1)", json!(3.0));
    fails(
        "minutes_between('yesterday', now)",
        "minutes_between: `yesterday` is not a time: write it like 2026-11-23T06:10:00-06:00",
    );
}

#[test]
fn numbers_over_lists() {
    gives("sum([1, 2, 3])", json!(6));
    gives("sum([1, 2.5])", json!(3.5));
    gives("sum([])", json!(0));
    gives("avg([1, 2])", json!(1.5));
    gives("min([2, 1.5])", json!(1.5));
    gives("max(steps.plans.options.map(o, o.overtime_hours))", json!(5));
    gives("round(2.5)", json!(3));
    gives("round(2.345, 2)", json!(2.35));
    gives("round(12, 0)", json!(12));
    fails("avg([])", "avg: the list is empty: an average needs at least one item");
    fails("sum('a')", "sum: it takes one list: sum(list)");
    fails("max([1, 'a'])", "max: string and int do not compare");
}

#[test]
fn shifts_cross_midnight() {
    gives("shift_at('2026-11-23T06:00:00-06:00')", json!("A"));
    gives("shift_at('2026-11-23T05:59:59-06:00')", json!("C"));
    gives("shift_at('2026-11-24T04:30:00Z')", json!("C"));
    gives(
        "in_shift('2026-11-23T23:00:00-06:00', 'C') && in_shift('2026-11-24T01:00:00-06:00', 'C')",
        json!(true),
    );
    gives("in_shift(now, 'A')", json!(false));
    fails("in_shift(now, 'D')", "in_shift: no such shift `D`; the site has: A, B, C");
}

#[test]
fn shifts_follow_the_clocks_of_the_site() {
    // Clocks go from 02:00 back to 01:00 on 1 November 2026 and from 02:00 to 03:00 on 8 March 2026.
    gives("shift_at('2026-11-01T11:59:59Z')", json!("C"));
    gives("shift_at('2026-11-01T12:00:00Z')", json!("A"));
    gives("shift_at('2026-03-08T10:59:59Z')", json!("C"));
    gives("shift_at('2026-03-08T11:00:00Z')", json!("A"));
    gives("site_time('2026-03-08T08:00:00Z')", json!("2026-03-08T03:00:00-05:00"));
}

#[test]
fn what_rules_of_a_plant_look_like() {
    let scope = json!({
        "now": "2026-11-23T12:00:00Z",
        "site": { "time_zone": "America/Chicago", "values": { "frozen": 30, "budget": 500 }, "shifts": [
            { "id": "A", "starts": "06:00", "ends": "14:00" }, { "id": "B", "starts": "14:00", "ends": "06:00" } ] },
        "write": { "qty": 12, "edited": null, "sequence": [
            { "job": "J1", "work_center": "P1", "start": "2026-11-23T12:20:00Z" },
            { "job": "J2", "work_center": "P2", "start": "2026-11-23T15:00:00Z" },
            { "job": "J2", "work_center": "P2", "start": "2026-11-23T16:00:00Z" } ] },
        "reads": { "crew": { "operators": [
            { "shift": "A", "certified": [{ "work_center": "P1", "until": "2026-11-22" }, { "work_center": "P2", "until": null }] } ] },
            "sources": [{ "id": "S1", "unit_price": 40.5 }] },
    });
    let Value::Object(scope) = scope else { unreachable!() };
    let gives = |source: &str, expected: Value| {
        assert_eq!(Expr::parse(source).expect(source).eval(&scope), Ok(expected), "{source}");
    };
    let certified = "reads.crew.operators.exists(o, o.shift == shift_at(s.start) && o.certified.exists(c, c.work_center == s.work_center && (c.until == null || c.until >= s.start.substring(0, 10))))";
    gives(&format!("write.sequence.all(s, {certified})"), json!(false));
    gives(
        &format!("write.sequence.filter(s, !{certified}).map(s, s.work_center).distinct().join(', ')"),
        json!("P1"),
    );
    gives(
        "write.sequence.filter(s, minutes_between(now, s.start) < site.values.frozen).map(s, {'job': s.job})",
        json!([{ "job": "J1" }]),
    );
    gives("reads.sources.exists(s, s.unit_price * write.qty <= double(site.values.budget))", json!(true));
    gives("write.?edited.orValue(null) != null ? write.edited : 'draft'", json!("draft"));
    gives("timestamp(now) - duration(string(8) + 'h')", json!("2026-11-23T04:00:00Z"));
    gives("shift_at(timestamp(now) - duration('30m'))", json!("B"));
}

#[test]
fn a_name_of_a_loop_hides_the_one_outside() {
    gives(
        "[{'work_center': 'X'}].map(trigger, trigger.work_center)[0] + trigger.work_center",
        json!("XPRESS-4"),
    );
    gives("[1, 2].map(now, now * 2)", json!([2, 4]));
}

#[test]
fn errors_name_what_exists() {
    fails("steps.plans.foo", "no such field `foo` in `steps.plans`; it has: before, options");
    fails(
        "steps.plans.options[0].foo == 1",
        "no such field `foo` in `steps.plans.options[…]`; it has: cost, late_orders, overtime_hours, title",
    );
    fails(
        "steps.history.rows",
        "`steps.history` is null, so it has no field `rows`; `.?rows.orValue(…)` gives a default",
    );
    fails("trigger.work_center.id", "`trigger.work_center` is a text, so it has no field `id`");
    fails("plans.options", "unknown name `plans`; there is: trigger, steps, site, now, hostile");
    fails("total(1)", "there is no function `total`");
    fails("trigger.work_center > 4", "`>` does not work on a text and a whole number");
    fails("trigger.work_center + 4", "`+` does not work on a text and a whole number");
    fails("steps.plans.options[3]", "the list has no such item: test `size(list)` first");
    fails("!trigger.work_center", "`!` does not work on a text");
}

#[test]
fn a_condition_is_a_bool() {
    let message = |source| Expr::parse(source).unwrap().test(&scope()).unwrap_err().to_string();
    assert_eq!(
        message("trigger.work_center"),
        "`trigger.work_center`: a condition must be true or false, this is a text: compare it with something"
    );
    assert_eq!(Expr::parse("1 < 2").unwrap().test(&scope()), Ok(true));
}

#[test]
fn parse_errors_have_a_place_and_advice() {
    fails("", "1:1: the expression is empty");
    fails("a = 1", "1:3: `=` is not an operator: compare with `==`");
    fails("a and b", "1:3: write `&&` for and");
    fails("a ==", "1:5: the expression ends too early: `a ==`");
    fails("(a", "1:3: the expression ends too early: `(a`");
    fails("a &&\n  b ==== 1", "2:7: `==` was not expected here");
    fails("größe = 1", "1:3: `ö` does not belong here");
    fails("'ö' = 1", "1:5: `=` is not an operator: compare with `==`");
    fails("Order{id: 1}", "1:1: types cannot be constructed here: write a map `{'key': value}`");
    fails("[1].map(2, 3)", "1:9: argument must be a simple name");
}

fn template(raw: Value) -> Result<Value, String> {
    let template = ValueTemplate::parse(raw)
        .map_err(|(at, e)| format!("{at} {}:{}: {}", e.line, e.column, e.message))?;
    template.eval(&scope()).map_err(|e| e.to_string())
}

#[test]
fn a_whole_expression_keeps_its_type() {
    assert_eq!(template(json!("${{ steps.risk.cover_days }}")), Ok(json!(3)));
    assert_eq!(template(json!("${{ steps.plans.before }}")), Ok(json!({})));
    assert_eq!(template(json!({ "a": ["${{ 1 + 1 }}", true] })), Ok(json!({ "a": [2, true] })));
    assert_eq!(template(json!("${{ {'a': {'b': '}}'}} }}")), Ok(json!({ "a": { "b": "}}" } })));
    assert_eq!(template(json!(r"${{ r'\' + 'x' }}")), Ok(json!("\\x")));
}

#[test]
fn text_around_an_expression_makes_text() {
    let text = "${{ trigger.work_center }} down ${{ steps.risk.cover_days }} d, ${{ 2.0 }} ${{ 2.5 }} ${{ true }}${{ null }} ${{ [1] }}";
    assert_eq!(template(json!(text)), Ok(json!("PRESS-4 down 3 d, 2 2.5 true [1]")));
}

#[test]
fn errors_of_templates_have_a_pointer_and_a_place() {
    assert_eq!(
        template(json!({ "a/b": ["x", "ab ${{ 1 + }}"] })),
        Err("/a~1b/1 1:12: the expression ends too early: ` 1 +`".into())
    );
    assert_eq!(
        template(json!("one\ntwo ${{ x")),
        Err(" 2:5: `${{` is never closed: write `${{ expression }}`".into())
    );
    assert_eq!(
        template(json!("${{ nobody.x }}")),
        Err("` nobody.x `: unknown name `nobody`; there is: trigger, steps, site, now, hostile".into())
    );
}

#[test]
fn expressions_of_a_template_are_listed_with_their_place() {
    let template = ValueTemplate::parse(json!({ "a": "é ${{ x.y }}", "b": ["${{ z }}"] })).unwrap();
    let found: Vec<_> = template
        .expressions()
        .iter()
        .map(|e| (e.pointer.clone(), e.offset, e.expr.source().to_owned()))
        .collect();
    assert_eq!(found, [("/a".into(), 5, " x.y ".into()), ("/b/0".into(), 3, " z ".into())]);
}

#[test]
fn data_that_looks_like_an_expression_is_inert() {
    assert_eq!(template(json!("${{ hostile }}")), Ok(json!("${{ trigger.work_center }}")));
    assert_eq!(template(json!("see ${{ hostile }}")), Ok(json!("see ${{ trigger.work_center }}")));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        "[ -~äß$\\{\\}]{0,12}".prop_map(Value::from),
        "\\$\\{\\{ [a-z.]{1,8} \\}\\}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z$\\{]{1,4}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_passes_through_cel_unchanged(value in any_json()) {
        let scope = Scope::from_iter([("v".to_owned(), value.clone())]);
        // `[v][0]` is no plain path, so it goes through CEL and back; `==` ignores the order of keys.
        prop_assert_eq!(Expr::parse("[v][0]").unwrap().eval(&scope).unwrap(), value.clone());
        let whole = ValueTemplate::parse(json!({ "x": "${{ v }}" })).unwrap();
        prop_assert_eq!(whole.eval(&scope).unwrap(), json!({ "x": value }));
    }

    #[test]
    fn text_from_outside_is_never_evaluated(text in "[a-z$\\{\\} .']{0,30}") {
        let scope = Scope::from_iter([("v".to_owned(), json!(text))]);
        let mixed = ValueTemplate::parse(json!("<${{ v }}>")).unwrap();
        prop_assert_eq!(mixed.eval(&scope).unwrap(), json!(format!("<{text}>")));
    }

    #[test]
    fn no_source_makes_the_parser_panic(source in "[a-z0-9 .?!=&|'\"(){}\\[\\],+*/<>$:\\\\\n-]{0,40}") {
        if let Ok(expr) = Expr::parse(&source) {
            let _ = expr.eval(&scope());
        }
        let _ = ValueTemplate::parse(json!(format!("a ${{{{{source}}}}} b")));
    }
}

#[test]
fn what_nests_without_end_needs_no_large_stack() {
    let texts = [
        "(".repeat(8_000),
        "{".repeat(140),
        format!("{}1", "1 ? 1 : ".repeat(900)),
        format!("{}true", "!".repeat(8_000)),
        format!("1{}", "+1".repeat(4_000)),
        format!("a{}", ".b".repeat(4_000)),
        format!("a{}", "[0]".repeat(2_500)),
    ];
    // A worker's thread has two megabytes.
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let parsing = small.spawn(move || texts.iter().filter(|text| Expr::parse(text).is_ok()).count());
    // A row of negations is no nesting.
    assert_eq!(parsing.expect("a thread").join().expect("no overflow"), 1);
}

#[test]
fn what_is_as_deep_as_may_be_is_inferred_and_evaluated_on_a_small_stack() {
    let each = "[1].map(x, [1].map(y, [x, y]))";
    let texts = [
        format!("size(steps{})", format!("[0].map(x, {each})").repeat(40)),
        format!("size({each}{})", "[0].map(x, [x])".repeat(40)),
        format!("1{} == 1", "+1".repeat(140)),
        format!("{}true", "true ? true : ".repeat(40)),
        format!("trigger.minutes == 1{}", " || trigger.minutes == 1".repeat(60)),
    ];
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let thread = small.spawn(move || {
        for text in texts {
            let expr = Expr::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let _ = expr.eval(&scope());
            expr.infer(&Types::new());
            expr.narrow(&mut Types::new(), true);
            expr.origin(&infer::Types::new(), &Origin::default(), &|_| true);
            let _ = (expr.roots(), expr.paths(), expr.conjuncts());
        }
    });
    thread.expect("a thread").join().expect("no overflow");
}

/// Each of these took all the time or all the memory there is.
#[test]
fn an_evaluation_ends_and_stays_small() {
    let endless = [
        "lists.range(100000).map(x, lists.range(100000).map(y, x * y)).size() > 0",
        "lists.range(1000).map(x, lists.range(1000000)).size() > 0",
        "lists.range(20).map(x, 'aaaaaaaaaa').join('').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa').replace('a', 'aaaaaaaaaa') == ''",
        "lists.range(1000000).distinct().size() > 0",
    ];
    for source in endless {
        let refused = eval(source).unwrap_err();
        assert!(refused.contains("takes more steps than an expression may"), "{source}: {refused}");
    }
    let deep = (0..15).fold("true".to_owned(), |inner, n| format!("[1, 2, 3].all(x{n}, {inner})"));
    assert!(eval(&deep).unwrap_err().contains("more steps"), "{deep}");
    let doubled = format!("['aaaaaaaaaaaaaaaa']{}.size() > 0", ".map(x, x + x)".repeat(60));
    assert!(eval(&doubled).unwrap_err().contains("more steps"), "{doubled}");
    let joined = "[lists.range(100000).map(x, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').join('')].map(t, lists.range(1000).all(i, t.contains('b') || i >= 0))";
    assert!(eval(joined).unwrap_err().contains("more steps"), "{joined}");
}

/// What a plant's data asks for is far from the limit.
#[test]
fn a_fair_amount_of_work_is_done() {
    gives("lists.range(500).map(x, lists.range(500).filter(y, y == x).size()).size()", json!(500));
    gives("lists.range(500).filter(x, x in lists.range(500)).size()", json!(500));
    gives("['a', 'b'].join('-').replace('a', 'c').replace('b', 'd', -1)", json!("c-d"));
    gives("'aaa'.replace('a', 'b', 2) + 'x'.replace('x', 'y', 0)", json!("bbax"));
    gives("[1, 1, 2].distinct()", json!([1, 2]));
}

#[test]
fn whole_and_fractional_numbers_are_sorted_and_rounded_alike() {
    let runs = |source: &str| Expr::parse(source).expect(source).eval(&Scope::new());
    for source in [
        "[30, 12.5, 20].sort() == [12.5, 20, 30]",
        "[{'m': 30}, {'m': 12.5}].sortBy(x, x.m)[0].m == 12.5",
        "['b', 'a'].sort() == ['a', 'b']",
        "[timestamp('2026-12-01T00:00:00Z'), timestamp('2026-12-01T00:30:00+02:00')].sort()[0] == timestamp('2026-11-30T22:30:00Z')",
        "math.ceil(5) == 5 && math.floor(5) == 5 && math.round(5) == 5 && math.trunc(5) == 5",
        "math.ceil(4.2) == 5.0 && math.floor(4.8) == 4.0 && math.round(4.5) == 5.0 && math.trunc(4.8) == 4.0",
        "!math.isNaN(5) && math.isFinite(5) && !math.isInf(0.5)",
        "[[3, 1], [2]].exists(x, x.sort()[0] == 1)",
    ] {
        assert_eq!(runs(source), Ok(serde_json::json!(true)), "{source}");
    }
    let error = runs("[1, 'a'].sort()").expect_err("no order").message;
    assert_eq!(error, "sort: values of int and string have no order: sort values of one type");
    assert!(runs("math.ceil('a')").is_err());
}
