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
    assert_eq!(refused(of(json!({"not": {"type": "string"}}))), "the schema at `/properties/x` uses `not`");
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
