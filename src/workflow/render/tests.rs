use super::*;
use serde_json::json;

fn render(text: &str, data: Value) -> Result<String, String> {
    let mut templates = Templates::default();
    templates.add("messages/m.hbs", text).map_err(|problem| {
        format!("{} {}:{} {}", problem.code, problem.place.line, problem.place.column, problem.message)
    })?;
    templates.render("messages/m.hbs", &data).map_err(|error| error.message)
}

#[test]
fn helpers_write_what_people_read() {
    let data = json!({ "site": { "time_zone": "America/Chicago" }, "now": "2026-11-23T14:00:00Z", "m": 125, "x": 2.345, "o": { "a": [1] } });
    let gives = |text: &str, expected: &str| {
        assert_eq!(render(text, data.clone()), Ok(expected.to_owned()), "{text}")
    };
    gives("{{minutes m}} {{minutes 60}} {{minutes 5.4}} {{minutes 0}}", "2 h 5 min 1 h 5 min 0 min");
    gives("{{round x 1}} {{round x}} {{round m 2}}", "2.3 2 125.00");
    gives(
        "{{time now}}, {{time '2026-11-24T05:30:00Z'}}, {{time '2026-11-24T06:30:00Z'}}",
        "08:00, 23:30, Tue 24 Nov 00:30",
    );
    gives("{{json o.a}}", "[\n  1\n]");
    gives("{{#if m}}yes{{else}}no{{/if}} {{#each o.a}}{{@index}}:{{this}}{{/each}}", "yes 0:1");
}

#[test]
fn text_is_not_escaped_and_not_rendered_twice() {
    let data = json!({ "text": "<b>{{m}}</b> & 'x'" });
    assert_eq!(render("{{text}}", data), Ok("<b>{{m}}</b> & 'x'".to_owned()));
}

#[test]
fn what_is_missing_is_an_error_unless_it_is_asked_for() {
    let missing = |text: &str| render(text, json!({ "a": {} })).unwrap_err();
    assert_eq!(missing("one\n{{a.b}}"), "line 2: `a.b` is not there");
    assert_eq!(missing("{{time a.b}}"), "line 1: time: `a.b` is not there");
    assert_eq!(
        render("{{#if a.b}}x{{a.b.c}}{{/if}}{{#unless b}}y{{/unless}}", json!({ "a": {} })),
        Ok("y".to_owned())
    );
    assert_eq!(missing("{{#each a.list}}x{{/each}}"), "line 1: `a.list` is not there");
    assert_eq!(
        render("{{#if a.list}}{{#each a.list}}x{{/each}}{{/if}}", json!({ "a": {} })),
        Ok(String::new())
    );
}

#[test]
fn a_broken_template_has_a_place() {
    insta::assert_debug_snapshot!([
        render("one\n{{#if a}} two", json!({})),
        render("{{a", json!({})),
        render("{{nope a}}", json!({ "a": 1 })),
        render("{{minutes 'x'}}", json!({})),
        render("{{time 'yesterday'}}", json!({})),
    ]);
}

#[test]
fn what_is_no_template_is_told_where_it_stands() {
    let told = |text: &str| {
        let found = Templates::default().add("m.hbs", text).expect_err(text);
        (found.place.line, found.place.column, found.message, found.fix.unwrap_or_default())
    };
    let (line, column, message, fix) = told("one\n{{#if trigger.criticality == 'A'}}x{{/if}}");
    assert_eq!((line, column, message.as_str()), (2, 27, "a template knows no `==`"));
    assert!(
        fix.starts_with("write `{{#if (eq trigger.criticality 'A')}}`, or let the workflow compute"),
        "{fix}"
    );
    let open = |name: &str| {
        (format!("this `{{{{#{name}}}}}` is not closed"), format!("write `{{{{/{name}}}}}` where it ends"))
    };
    let (line, column, message, fix) = told("{{! {{#if x}} }}\n {{#each l}}\n{{#if a}}x{{/if}}\n");
    assert_eq!(((line, column), (message, fix)), ((2, 2), open("each")));
    // Nothing in a raw block is a tag.
    let raw = "{{{{raw}}}}{{#if a == b}}{{{{/raw}}}}\n{{#each l}}\n";
    let (line, column, message, fix) = told(raw);
    assert_eq!(((line, column), (message, fix)), ((2, 1), open("each")));
    let (line, column, message, fix) = told("{{#each l}}\n{{#if a}}x\n{{/each}}\n");
    assert_eq!(((line, column), (message, fix)), ((2, 1), open("if")));
}

#[test]
fn names_are_checked_against_the_types_of_the_data() {
    use crate::expr::Type;
    let item = Type::object([("title", Type::String), ("facts", Type::list(Type::String))]);
    let crate::expr::Type::Object(mut plans) = Type::object([
        ("options", Type::list(item)),
        ("kind", Type::Word(vec!["low".to_owned(), "high".to_owned()])),
        ("cost", Type::Number),
    ]) else {
        return;
    };
    plans.fields.insert("wait".to_owned(), crate::expr::Field { kind: Type::String, required: false });
    let steps = Type::object([("plans", Type::Object(plans))]);
    let types = Types::from([
        ("steps".to_owned(), steps),
        ("trigger".to_owned(), Type::open([("id", Type::String)])),
    ]);
    let check = |text: &str| {
        let mut templates = Templates::default();
        templates.add("m", text).expect("parses");
        let drawn = templates
            .check("m", &types, &crate::expr::Origin::default())
            .0
            .into_iter()
            .map(|p| format!("{}:{} {}; {}", p.line, p.column, p.message, p.fix));
        drawn.collect::<Vec<_>>().join(" | ")
    };
    let good = [
        "{{trigger.anything}} {{steps.plans.options.[0].title}} {{steps.plans.options.length}}",
        "{{#each steps.plans.options}}{{title}} {{this.title}} {{@index}} {{#each facts}}{{this}}{{../title}}{{/each}}{{/each}}",
        "{{#if failure}}{{failure.message}}{{/if}}{{#if (eq trigger.id 'x')}}y{{/if}}",
        "{{#each steps.plans.options as |option|}}{{option.title}}{{/each}}",
        "{{#with steps.plans}}{{options.length}}{{/with}} {{minutes trigger.m}} {{json steps}} {{round (len steps.plans.options) 0}}",
    ];
    let good = good.into_iter().chain([
        "{{#each steps.plans.options as |option index|}}{{index}}{{option.title}}{{/each}}",
        "{{#unless steps.plans.wait}}x{{else}}{{steps.plans.wait}}{{/unless}}{{#if (eq steps.plans.kind 'low')}}y{{/if}}",
        "{{lookup steps.plans 'kind'}} {{#each steps.plans}}{{@key}}{{/each}} {{time trigger.at}} {{#if trigger.x}}y{{/if}}",
        "costs ${{steps.plans.cost}} {{#if (or steps.plans.wait failure)}}z{{/if}}",
    ]);
    for text in good {
        assert_eq!(check(text), "", "{text}");
    }
    insta::assert_debug_snapshot!([
        check("one\n two {{steps.plan.options}}"),
        check("{{#each steps.plans.options}}\n{{titel}}{{/each}}"),
        check("{{failure.message}}"),
        check("{{minuts trigger.m}}"),
        check("{{#iff trigger.m}}x{{/iff}}"),
        check("{{time steps.plans.at}}"),
    ]);
    insta::assert_debug_snapshot!(
        "slips_in_a_template",
        [
            check(
                "{{time steps.plans.cost}} {{minutes steps.plans.kind}} {{round steps.plans.kind 1}} {{time 'noon'}}"
            ),
            check("{{#each steps.plans.options as |p|}}{{p.titel}}{{/each}}"),
            check("{{lookup steps.plans 'kidn'}} {{lookup steps.plans}}"),
            check("{{#if (eq steps.plans.kind)}}x{{/if}}"),
            check("{{#each steps.plans.kind}}x{{/each}}"),
            check("{{@foo}} {{@index}}"),
            check(
                "{{#if steps.plans.kidn}}x{{/if}} {{#unless steps.plans.optoins}}x{{else if steps.plans.whatever}}y{{/unless}}"
            ),
            check("{{#if (eq steps.plans.kind 'lwo')}}x{{/if}} {{#if (eq steps.plans.cost 'low')}}x{{/if}}"),
            check("it is ${{steps.plans.kind}}"),
            check("{{#unless steps.plans.wait}}{{steps.plans.wait}}{{/unless}}"),
        ]
    );
}

#[test]
fn a_template_ends_and_includes_nothing() {
    let refused = |text: &str| render(text, json!({ "a": [1], "now": "2026-11-23T14:00:00Z" })).unwrap_err();
    let includes = "T019 2:3 a template cannot include another, or declare a part of itself";
    for text in [
        "one\n  {{#*inline \"a\"}}{{> a}}{{/inline}}{{> a}}",
        "one\n  {{> messages/m.hbs}}",
        "one\n  {{~#> messages/m.hbs}}x{{/messages/m.hbs}}",
        "one\n  {{* inline}}",
    ] {
        assert_eq!(refused(text), includes, "{text}");
    }
    let deep = [
        format!("{}{}", "{{#if a}}".repeat(3000), "{{/if}}".repeat(3000)),
        format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if a}}".repeat(3000)),
        format!("{{{{time {}now{}}}}}", "(time ".repeat(2000), ")".repeat(2000)),
        format!("{}{}", "{{^a}}".repeat(3000), "{{/a}}".repeat(3000)),
    ];
    for text in deep {
        assert!(refused(&text).ends_with("the template is nested too deeply"), "{}", &text[..40]);
    }
    assert!(refused(&"x".repeat(70_000)).contains("64 KiB"));
    // What a comment says, and how often something stands beside something, is no depth.
    let wide = format!("{{{{!-- {{{{> x}}}} --}}}}{{{{! }}}}{}", "{{#if a}}y{{else}}n{{/if}}".repeat(500));
    assert_eq!(render(&wide, json!({ "a": 1 })), Ok("y".repeat(500)));
}

#[test]
fn a_comment_ends_where_the_parser_says_and_hides_nothing() {
    for text in ["{{!", "{{!·", "{{!--", "{{!--·", "a{{!}", "{{{!·}}}"] {
        assert!(render(text, json!({})).is_err(), "{text}");
    }
    for text in ["{{!}}", "{{!·}}", "{{!--}}", "{{!----}}", "{{!-- }} --}}", "{{! -- }}"] {
        assert_eq!(render(&format!("a{text}b"), json!({})).as_deref(), Ok("ab"), "{text}");
        let includes = render(&format!("{text}{{{{> x}}}}"), json!({})).unwrap_err();
        assert!(includes.contains("cannot include another"), "{text}: {includes}");
        let deep = format!("{text}{}{}", "{{#if a}}".repeat(3000), "{{/if}}".repeat(3000));
        assert!(render(&deep, json!({})).unwrap_err().contains("nested too deeply"), "{text}");
    }
}

#[test]
fn a_loop_ends_and_a_text_is_bounded() {
    let list: Vec<u32> = (0..40).collect();
    let nested = |inside: &str| {
        let (open, close) = ("{{#each @root.l}}".repeat(6), "{{/each}}".repeat(6));
        render(&format!("{open}{inside}{close}"), json!({ "l": list, "t": "x".repeat(40_000) })).unwrap_err()
    };
    assert!(nested("").contains("go round more than 100000 times"), "{}", nested(""));
    let long =
        render("{{#each l}}{{@root.t}}{{/each}}", json!({ "l": list, "t": "x".repeat(40_000) })).unwrap_err();
    assert!(long.contains("longer than 1 MiB"), "{long}");
    let fair = render(
        "{{#each l as |x|}}{{#each ../l}}{{@index}}{{x}}{{/each}}{{else}}none{{/each}}",
        json!({ "l": list }),
    );
    assert!(fair.unwrap().starts_with("001020"));
}

#[test]
fn what_is_no_time_is_not_written_as_one() {
    let event = crate::expr::Type::object([
        ("since", crate::expr::Type::Time),
        ("name", crate::expr::Type::String),
        ("until", crate::expr::Type::Timestamp),
    ]);
    let types = Types::from([("trigger".to_owned(), event)]);
    let told = |text: &str| {
        let mut templates = Templates::default();
        templates.add("m.hbs", text).expect(text);
        let (found, _) = templates.check("m.hbs", &types, &crate::expr::Origin::default());
        found.into_iter().map(|p| (p.line, p.column, p.message)).collect::<Vec<_>>()
    };
    assert_eq!(told("{{time trigger.since}} {{time trigger.until}} {{time '2026-11-24T05:30:00Z'}}"), vec![]);
    let name = (2, 9, "`time` takes a time, this is a text".to_owned());
    assert_eq!(told("Since\né {{time trigger.name}}"), vec![(2, 10, name.2)]);
    let missing = |line, column| vec![(line, column, "no such name `nam` in `trigger.nam`".to_owned())];
    assert_eq!(told("é 🔧 {{trigger.nam}}"), missing(1, 15));
    assert_eq!(told("{{#if trigger.nam}}x{{/if}}"), missing(1, 15));
    assert_eq!(told("{{json\n  trigger.nam}}"), missing(2, 11));
}
