use super::*;
use crate::tool::schema_of;
use schemars::JsonSchema;

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Plan {
    /// Which one.
    #[schemars(length(min = 1, max = 40))]
    title: String,
    minutes: u32,
    due: Option<chrono::DateTime<chrono::Utc>>,
    kind: Kind,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum Kind {
    Expedite,
    Split,
}

#[test]
fn a_derived_schema_becomes_strict_and_keeps_what_was_dropped_as_words() {
    let strict = strict(&schema_of::<Plan>()).unwrap();
    insta::assert_json_snapshot!(strict);
}

#[test]
fn shapes_that_strict_cannot_express_are_refused_with_their_place() {
    let refused = |schema: Value| strict(&schema).unwrap_err().to_string();
    let of = |property: Value| json!({"type": "object", "properties": {"x": property}});
    assert_eq!(refused(json!({"type": "array"})), "the schema at `` is not an object at its root");
    assert_eq!(refused(of(json!(true))), "the schema at `/properties/x` allows anything");
    assert_eq!(refused(of(json!({}))), "the schema at `/properties/x` allows anything");
    assert_eq!(
        refused(of(json!({"type": "object", "additionalProperties": {"type": "string"}}))),
        "the schema at `/properties/x` is a map: with `additionalProperties` its keys are not fixed"
    );
    assert_eq!(refused(of(json!({"type": "array"}))), "the schema at `/properties/x` is a list of anything");
    assert_eq!(
        refused(of(json!({"not": {"type": "string"}}))),
        "the schema at `/properties/x` uses `not`, which has no strict form"
    );
}

/// The field of an object, and why it is refused.
fn refused(property: Value) -> String {
    let schema = json!({"type": "object", "properties": {"x": property}, "$defs": {"a": {"type": "string"}}});
    let refused = strict(&schema).unwrap_err();
    assert_eq!(refused.pointer, "/properties/x", "{refused}");
    refused.why
}

#[test]
fn a_keyword_that_nobody_knows_is_refused_and_not_dropped() {
    for keyword in [
        "allOf",
        "if",
        "contains",
        "minContains",
        "maxContains",
        "prefixItems",
        "unevaluatedItems",
        "unevaluatedProperties",
        "additionalItems",
        "patternProperties",
        "propertyNames",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "$anchor",
        "$dynamicRef",
        "$defs",
        "nullable",
        "maxLenght",
    ] {
        let why = refused(json!({"type": "string", keyword: 1}));
        assert_eq!(why, format!("uses `{keyword}`, which has no strict form"));
        let schema = json!({"type": "object", "properties": {"x": {"type": "string", keyword: 1}}});
        assert_eq!(strict(&schema).unwrap_err().keyword.as_deref(), Some(keyword));
    }
}

#[test]
fn annotations_are_left_out() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://plant.example/answer",
        "title": "Answer",
        "type": "object",
        "required": ["x"],
        "properties": {"x": {"type": "string", "title": "X", "default": "a", "examples": ["b"],
            "x-takt-entity": true, "readOnly": true, "deprecated": false, "$comment": "c"}},
    });
    let expected = json!({"type": "object", "required": ["x"], "additionalProperties": false,
        "properties": {"x": {"type": "string"}}});
    assert_eq!(strict(&schema).unwrap(), expected);
}

#[test]
fn a_reference_stands_alone_and_stays_inside() {
    let beside = "beside `$ref`, which stands alone in a strict schema";
    for sibling in ["description", "type", "minLength", "properties"] {
        let why = refused(json!({"$ref": "#/$defs/a", sibling: "x"}));
        assert_eq!(why, format!("has `{sibling}` {beside}"));
    }
    for target in ["#/$defs/b", "https://plant.example/a.json", "a.json#/x"] {
        let schema = json!({"type": "object", "required": ["x"], "properties": {"x": {"$ref": target}}});
        let refused = strict(&schema).unwrap_err().to_string();
        assert_eq!(
            refused,
            format!("the schema at `/properties/x` refers to \"{target}\", which is not part of it")
        );
    }
    let recursive = json!({
        "type": "object",
        "required": ["next", "part"],
        "properties": {
            "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
            "part": {"$ref": "#/$defs/part", "title": "Part"},
        },
        "$defs": {"part": {"type": "string"}},
    });
    let strict = strict(&recursive).unwrap();
    assert_eq!(strict["properties"]["part"], json!({"$ref": "#/$defs/part"}));
}

#[test]
fn look_around_in_a_pattern_is_refused() {
    for pattern in ["^(?=A)", "^(?!PO-)", "(?<=-)[0-9]", "(?<!-)[0-9]", "[(](?=x)", "\\\\(?=x)"] {
        let why = refused(json!({"type": "string", "pattern": pattern}));
        assert_eq!(why, "has a `pattern` with look-around, which has no strict form", "{pattern}");
    }
    for pattern in ["^PO-[0-9]+$", "(?:a|b)", "[(?=]", "\\(?=", "(?<year>[0-9]{4})"] {
        let schema = json!({"type": "object", "properties": {"x": {"type": "string", "pattern": pattern}}});
        assert!(strict(&schema).is_ok(), "{pattern}");
    }
}

#[test]
fn what_would_be_lost_between_two_keywords_is_refused() {
    let string = json!({"type": "string"});
    assert_eq!(refused(json!({"anyOf": [string], "oneOf": [string]})), "has `oneOf` beside `anyOf`");
    assert_eq!(refused(json!({"anyOf": string})), "has an `anyOf` that is no list");
    assert_eq!(
        refused(json!({"anyOf": [string], "required": ["a"]})),
        "is an object without declared properties"
    );
    assert_eq!(
        refused(json!({"type": "object", "properties": {"a": string}, "required": ["b"]})),
        "requires `b`, which is not among its `properties`"
    );
    for keyword in ["anyOf", "oneOf"] {
        let schema = json!({"type": "object", "properties": {"x": string}, keyword: [{"type": "object"}]});
        let refused = strict(&schema).unwrap_err().to_string();
        assert_eq!(refused, format!("the schema at `` has `{keyword}` at its root"));
    }
}

/// A list in a list, so many levels deep.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}))
}

#[test]
fn a_schema_has_so_much_and_no_more() {
    let of = |properties: Value, definitions: Value| {
        let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
        let schema = json!({"type": "object", "required": required, "properties": properties,
            "$defs": definitions});
        strict(&schema).map(|_| ()).map_err(|refused| refused.to_string())
    };
    let fields = |count: usize, of: Value| -> Value {
        Value::Object((0..count).map(|i| (format!("f{i}"), of.clone())).collect())
    };
    let words = |count: usize, length: usize| -> Value {
        json!({"enum": (0..count).map(|i| format!("{i:0length$}")).collect::<Vec<_>>()})
    };
    let none = || json!({});

    assert_eq!(of(json!({"x": nested(10)}), none()), Ok(()));
    let place = format!("/properties/x{}", "/items".repeat(10));
    let deep = format!("the schema at `{place}` is nested more than 10 levels deep");
    assert_eq!(of(json!({"x": nested(11)}), none()), Err(deep));
    assert_eq!(of(json!({"x": {"$ref": "#/$defs/a"}}), json!({"a": nested(10)})), Ok(()));
    assert!(of(json!({"x": {"$ref": "#/$defs/a"}}), json!({"a": nested(11)})).is_err());

    let flag = json!({"type": "boolean"});
    assert_eq!(of(fields(5_000, flag.clone()), none()), Ok(()));
    let many = "the schema at `` has 5001 properties, more than 5000".to_owned();
    assert_eq!(of(fields(5_001, flag), none()), Err(many));

    assert_eq!(of(fields(5, words(200, 4)), none()), Ok(()));
    let many = "the schema at `` has 1200 values of `enum`, more than 1000".to_owned();
    assert_eq!(of(fields(6, words(200, 4)), none()), Err(many));

    let long = json!({"const": "x".repeat(59_000)});
    assert_eq!(of(fields(2, long.clone()), none()), Ok(()));
    let many = "the schema at `` has 177006 characters in its names and in the values of `enum` and `const`, \
                more than 120000";
    assert_eq!(of(fields(3, long), none()), Err(many.to_owned()));

    assert_eq!(of(json!({"x": words(250, 100)}), none()), Ok(()));
    let many = of(json!({"x": words(251, 100)}), none()).unwrap_err();
    assert!(many.ends_with("an `enum` of 251 values with 25100 characters, more than 15000"), "{many}");
}

#[test]
fn nulls_for_left_out_fields_are_removed_and_declared_nulls_stay() {
    let schema = json!({
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": ["string", "null"]},
            "b": {"type": "integer"},
            "c": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "string"}}}},
        },
    });
    let pruned = without_absent(json!({"a": null, "b": null, "c": [{"d": null}, {"d": "x"}]}), &schema);
    assert_eq!(pruned, json!({"a": null, "c": [{}, {"d": "x"}]}));
}
