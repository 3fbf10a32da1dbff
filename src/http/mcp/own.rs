//! Tools of the engine itself that no workflow needs and an assistant does: what people are being asked.

use crate::{
    http::state::Shared,
    store::{StoreError, gates},
    tool::{Effect, Idempotency, ToolName, ToolSpec},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, str::FromStr, time::Duration};

const OPEN_GATES: &str = "takt.open_gates";

pub(super) fn is_open_gates(name: &str) -> bool {
    name == OPEN_GATES
}

/// Answering is for people: the link leads them there.
pub(super) fn open_gates() -> ToolSpec {
    let text = || json!({ "type": "string" });
    let gate = json!({
        "type": "object",
        "required": ["gate", "run", "title", "asked", "form", "opened_at", "expires_at", "link"],
        "properties": {
            "gate": text(), "run": text(), "workflow": { "type": ["string", "null"] }, "title": text(),
            "asked": text(), "form": text(), "opened_at": text(), "expires_at": text(), "link": text(),
        },
    });
    ToolSpec {
        name: ToolName::from_str(OPEN_GATES).unwrap_or_else(|error| unreachable!("{error}")),
        version: 1,
        description: "Questions of workflows that wait for a person, due first, with links to answer them."
            .to_owned(),
        input: json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        output: json!({
            "type": "object", "required": ["gates"],
            "properties": { "gates": { "type": "array", "items": gate } },
        }),
        effect: Effect::Read,
        idempotency: Idempotency::Read,
        ungated: None,
        timeout: Duration::from_secs(10),
        scopes: Vec::new(),
        classes: BTreeMap::new(),
        result_bytes_max: 1024 * 1024,
    }
}

pub(super) async fn list_open_gates(door: &Shared) -> Result<Value, StoreError> {
    let mut db = door.app.store.connection().await?;
    let open = gates::list_open(&mut db, None, None).await?;
    let gates: Vec<Value> = open
        .iter()
        .map(|gate| {
            json!({
                "gate": gate.id,
                "run": gate.run_id,
                "workflow": gate.ask["workflow"].as_str(),
                "title": gate.ask["title"].as_str().unwrap_or_default(),
                "asked": gate.person.as_ref().or(gate.role.as_ref()).map_or("", String::as_str),
                "form": gate.form,
                "opened_at": gate.opened_at,
                "expires_at": gate.expires_at,
                "link": format!("{}/gates/{}", door.app.base_url, gate.id),
            })
        })
        .collect();
    Ok(json!({ "gates": gates }))
}
