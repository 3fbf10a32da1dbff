//! Values that are written out, against what their schema says beyond the type: the least, the longest, a pattern.

use super::Checker;
use crate::workflow::{AgentLimits, AgentStep, Place, source::Node};
use serde_json::{Map, Value};
use std::time::Duration;

/// How deep schemas are followed.
const DEPTH_MAX: usize = 16;
const CONSTRAINTS: [&str; 11] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
];

impl<'c> Checker<'c> {
    /// `node` holds `value`; what an expression gives is judged when it runs.
    pub(super) fn within_bounds(
        &mut self,
        code: &'static str,
        value: &Value,
        schema: &Value,
        node: Option<&'c Node>,
    ) {
        let mut found = Vec::new();
        bounds(value, schema, schema, node, 0, &mut found);
        for (place, message) in found {
            self.error(code, place, message, "write a value that the schema allows");
        }
    }

    /// T017: an agent that may do nothing answers nothing.
    pub(super) fn limits_leave_room(&mut self, agent: &AgentStep, node: Option<&'c Node>) {
        let limits = &agent.limits;
        let at = |name: &str| node.and_then(|node| node.get(name)).map(|node| node.place);
        for (name, is_nothing) in [
            ("turns", limits.turns == 0),
            ("time", limits.time == Duration::ZERO),
            ("tokens", limits.tokens == 0),
            ("llm_call", limits.llm_call == Some(Duration::ZERO)),
            ("same_call", limits.same_call == 0 && !agent.tools.is_empty()),
            ("answer_tokens", limits.answer_tokens == 0),
        ] {
            if let (true, Some(place)) = (is_nothing, at(name)) {
                let message = format!("with `{name}` of nothing the agent only ever falls back");
                self.error("T017", place, message, "give it room, or write the values without an agent");
            }
        }
        for (part, whole, is_more) in [
            ("llm_call", "time", limits.llm_call.is_some_and(|call| call > limits.time)),
            ("answer_tokens", "tokens", limits.answer_tokens > limits.tokens),
        ] {
            if let (true, Some(place)) = (is_more, at(part)) {
                let message = format!("`{part}` is more than `{whole}` allows for the whole step");
                self.error("T017", place, message, format!("raise `{whole}`, or lower `{part}`"));
            }
        }
        let least = AgentLimits::ANSWER_TOKENS_MIN;
        if let (true, Some(place)) = ((1..least).contains(&limits.answer_tokens), at("answer_tokens")) {
            let message = format!("a model is not asked for answers of less than {least} tokens");
            self.error("T017", place, message, format!("allow at least {least}"));
        }
    }
}

fn bounds(
    value: &Value,
    schema: &Value,
    root: &Value,
    node: Option<&Node>,
    depth: usize,
    found: &mut Vec<(Place, String)>,
) {
    if depth > DEPTH_MAX {
        return;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#')) {
        if let Some(schema) = root.pointer(target) {
            bounds(value, schema, root, node, depth + 1, found);
        }
        return;
    }
    let inner = |path: &str| node.and_then(|node| node.at(path));
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(schema) = schema.get("properties").and_then(|properties| properties.get(name)) {
                    bounds(field, schema, root, node.and_then(|node| node.get(name)), depth + 1, found);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    bounds(item, schema, root, inner(&format!("/{index}")), depth + 1, found);
                }
            }
        }
        Value::String(text) if text.contains("${{") => return,
        _ => {}
    }
    let own = CONSTRAINTS.iter().filter_map(|word| Some(((*word).to_owned(), schema.get(word)?.clone())));
    let own: Map<String, Value> = own.collect();
    if own.is_empty() {
        return;
    }
    let Ok(validator) = jsonschema::validator_for(&Value::Object(own)) else { return };
    if let (Some(node), Some(error)) = (node, validator.iter_errors(value).next()) {
        found.push((node.place, error.to_string()));
    }
}
