//! `tools/list`: what this caller may use, in the order of the names.

use super::{Desk, access, envelope::Era, envelope::Refusal, own};
use crate::{
    http::{auth::Caller, state::Shared},
    tool::{Effect, Idempotency, ToolSpec},
};
use serde_json::{Value, json};

/// The list changes with the site's files, and those are read when Takt starts.
pub(super) const TTL_MS: u32 = 60_000;

pub(super) fn list(
    door: &Shared,
    desk: &Desk,
    caller: &Caller,
    era: Era,
    params: &Value,
) -> Result<Value, Refusal> {
    if params.get("cursor").is_some_and(|cursor| !cursor.is_null()) {
        return Err(Refusal::params("there is one page only: no `cursor` was given out"));
    }
    let specs = door.app.tools.specs().filter(|spec| access::may_use(desk, caller, spec));
    let mut tools: Vec<Value> = specs.map(|spec| described(desk, spec)).collect();
    if access::may_list_gates(caller) {
        tools.push(described(desk, &own::open_gates()));
    }
    tools.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    let mut listed = json!({ "tools": tools });
    if era == Era::Modern {
        listed["ttlMs"] = json!(TTL_MS);
        listed["cacheScope"] = json!("private");
    }
    Ok(listed)
}

fn described(desk: &Desk, spec: &ToolSpec) -> Value {
    let mut tool = json!({
        "name": spec.name,
        "description": spec.description,
        "inputSchema": object(&spec.input),
        "annotations": {
            "readOnlyHint": spec.effect == Effect::Read,
            "destructiveHint": false,
            "idempotentHint": spec.idempotency != Idempotency::Unsafe,
        },
    });
    // A token may stand where the schema wants a number.
    if !desk.settings.mask && spec.output["type"] == "object" {
        tool["outputSchema"] = spec.output.clone();
    }
    tool
}

/// The protocol wants a type at the top.
fn object(schema: &Value) -> Value {
    let mut schema = if schema.is_object() { schema.clone() } else { json!({}) };
    schema["type"] = json!("object");
    schema
}
