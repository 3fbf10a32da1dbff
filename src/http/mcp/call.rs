//! `tools/call`: written into the audit trail, then made; the result checked against its schema and masked.

use super::{
    Desk, access,
    envelope::Refusal,
    own::{self, list_open_gates},
};
use crate::{
    agent::{masked, sha256_json, storable, too_deep},
    http::{auth::Caller, state::Shared},
    run::Actor,
    store::{StoreError, audit, clock},
    telemetry::metrics,
    tool::{Call, Tool, ToolError, ToolErrorKind, ToolSpec, misfits},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration, time::Instant};
use uuid::Uuid;

/// Answers within the time that every route has.
const TIME_MAX: Duration = Duration::from_secs(25);

/// Who asks what, as it is written down.
struct Asked<'a> {
    door: &'a Shared,
    actor: Actor,
    channel: &'static str,
    tool: &'a str,
    arguments_sha: String,
}

pub(super) async fn call(
    door: &Shared,
    desk: &Desk,
    caller: &Caller,
    trace: Option<String>,
    params: &Value,
) -> Result<Value, Refusal> {
    let name = params["name"].as_str().ok_or_else(|| Refusal::params("`params.name` names the tool"))?;
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => json!({}),
        Some(arguments) if arguments.is_object() => arguments.clone(),
        Some(_) => return Err(Refusal::params("`params.arguments` is an object")),
    };
    let asked = Asked {
        door,
        actor: access::actor(caller),
        channel: caller.channel,
        tool: name,
        arguments_sha: sha256_json(&arguments),
    };
    let tool = name.parse().ok().and_then(|name| door.app.tools.get(&name));
    let tool = tool.filter(|tool| access::may_use(desk, caller, tool.spec()));
    // What is not for this caller and what does not exist are the same to it.
    if tool.is_none() && !(own::is_open_gates(name) && access::may_list_gates(caller)) {
        asked.record("mcp.refused", json!({})).await?;
        return Err(Refusal::params("there is no tool of this name for you: ask `tools/list`"));
    }
    let now = asked.record("mcp.call", json!({})).await?;
    let begun = Instant::now();
    let (spec, made) = match tool {
        Some(tool) => (tool.spec().clone(), make(tool, arguments, trace, now).await),
        None => (own::open_gates(), own_gates(door, &arguments).await),
    };
    let made = made.and_then(|output| checked(&spec, output));
    metrics::tool_called(
        spec.name.as_str(),
        made.as_ref().map_or_else(ToolError::class, |_| "ok"),
        begun.elapsed(),
    );
    let mask = |value: &Value| match desk.settings.mask {
        true => masked(value, &spec.classes, &door.app.site.known_words(), key(desk, asked.actor.name())),
        false => value.clone(),
    };
    match made {
        Ok(output) => {
            let output = mask(&output);
            let mut result =
                json!({ "content": [{ "type": "text", "text": output.to_string() }], "isError": false });
            if output.is_object() {
                result["structuredContent"] = output;
            }
            Ok(result)
        }
        Err(error) => {
            asked.record("mcp.failed", json!({ "class": error.class() })).await?;
            let text = mask(&json!(error.message));
            Ok(json!({ "content": [{ "type": "text", "text": text }], "isError": true }))
        }
    }
}

async fn make(
    tool: &Arc<dyn Tool>,
    arguments: Value,
    trace: Option<String>,
    now: DateTime<Utc>,
) -> Result<Value, ToolError> {
    let spec = tool.spec();
    if let Some(why) = wrong(&spec.input, &arguments) {
        return Err(ToolError::invalid(format!("{}: wrong arguments: {why}", spec.name)));
    }
    let run = Uuid::now_v7();
    let timeout = spec.timeout.min(TIME_MAX);
    let call = Call {
        run,
        step: "mcp".to_owned(),
        attempt: 1,
        key: run.to_string(),
        timeout,
        now,
        trace,
        // It only reads.
        lease: Arc::default(),
    };
    match tokio::time::timeout(timeout, tool.call(&call, storable(arguments))).await {
        Ok(made) => made,
        Err(_) => {
            let message = format!("{} gave no answer within {} s", spec.name, timeout.as_secs());
            Err(ToolError::new(ToolErrorKind::Transient, message))
        }
    }
}

async fn own_gates(door: &Shared, arguments: &Value) -> Result<Value, ToolError> {
    if let Some(why) = wrong(&own::open_gates().input, arguments) {
        return Err(ToolError::invalid(format!("wrong arguments: {why}")));
    }
    list_open_gates(door).await.map_err(|error| {
        tracing::error!(%error, "the open gates cannot be listed");
        ToolError::new(ToolErrorKind::Transient, "the database could not be asked; try again")
    })
}

fn checked(spec: &ToolSpec, output: Value) -> Result<Value, ToolError> {
    let output = storable(output);
    if let Some(why) = too_deep(&output) {
        let message = format!("the result of {} cannot be sent: {why}", spec.name);
        return Err(ToolError::new(ToolErrorKind::TooLarge, message));
    }
    let bytes = output.to_string().len();
    if bytes > spec.result_bytes_max {
        let message = format!(
            "the result of {} has {bytes} bytes, more than {}: ask for less",
            spec.name, spec.result_bytes_max
        );
        return Err(ToolError::new(ToolErrorKind::TooLarge, message));
    }
    match wrong(&spec.output, &output) {
        Some(why) => {
            let message = format!("the result of {} does not fit its schema: {why}", spec.name);
            Err(ToolError::new(ToolErrorKind::Permanent, message))
        }
        None => Ok(output),
    }
}

/// The same value is the same token for one caller, and another one for the next.
fn key(desk: &Desk, actor: &str) -> [u8; 32] {
    Sha256::new().chain_update(desk.mask_key).chain_update(actor).finalize().into()
}

impl Asked<'_> {
    /// Nothing is called, and nothing told, that could not be written down; gives the time back.
    async fn record(&self, action: &str, more: Value) -> Result<DateTime<Utc>, Refusal> {
        let mut detail = json!({ "channel": self.channel, "arguments_sha256": self.arguments_sha });
        if let (Value::Object(detail), Value::Object(more)) = (&mut detail, more) {
            detail.extend(more);
        }
        // A name from outside: cut, and without what the database cannot hold.
        let tool: String = self.tool.chars().filter(|c| !c.is_control()).take(128).collect();
        let written = async {
            let mut db = self.door.app.store.connection().await?;
            audit::add(&mut db, &self.actor, action, Some(&tool), &detail).await?;
            clock::now(&mut db).await
        };
        written.await.map_err(|error: StoreError| {
            tracing::error!(%error, "a call over MCP could not be written down");
            Refusal::internal("the call could not be written down, so it was not made; ask again later")
        })
    }
}

fn wrong(schema: &Value, value: &Value) -> Option<String> {
    match jsonschema::validator_for(schema) {
        Ok(validator) => misfits(&validator, value),
        Err(error) => Some(format!("the schema is broken: {error}")),
    }
}
