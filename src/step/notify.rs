//! `notify.role`: a message to people. It is written with the step's own record and delivered by the outbox,
//! so it goes out exactly when the step is done.

use crate::{
    engine::{Outcome, StepContext},
    run::{Intent, MessageKind, OutboxMessage},
    tool::{Call, Effect, Idempotency, Tool, ToolError, ToolName, ToolSpec, schema_of},
    workflow::Autonomy,
};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const NAME: &str = "notify.role";

/// What `notify.role` is told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Notification {
    /// The role that is told, as `takt.yaml` names it.
    role: String,
    /// Path of the message template.
    message: String,
    /// More values for the template, beside the run's own names.
    #[serde(default)]
    data: Option<Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Notified {
    /// The role that was told.
    role: String,
    /// The first line of the message.
    title: String,
}

pub(super) fn is_notification(tool: &ToolName) -> bool {
    tool.as_str() == NAME
}

pub(super) fn send(input: &Value, context: &StepContext) -> Result<Outcome, String> {
    let notification: Notification =
        serde_json::from_value(input.clone()).map_err(|error| format!("{NAME}: {error}"))?;
    let mut data = Value::Object((*context.scope).clone());
    if let (Some(Value::Object(more)), Some(fields)) = (&notification.data, data.as_object_mut()) {
        fields.extend(more.clone());
    }
    let text = context.definition.render(&notification.message, &data).map_err(|e| e.to_string())?;
    let (title, body) = split_title(&text);
    let output = serde_json::to_value(Notified { role: notification.role.clone(), title: title.to_owned() })
        .map_err(|error| error.to_string())?;
    // In shadow nobody hears of a run.
    if context.definition.workflow.autonomy == Autonomy::Shadow {
        let mut output = output;
        output["shadow"] = json!(true);
        return Ok(Outcome::done(output));
    }
    let message = OutboxMessage {
        path: context.path.clone(),
        ordinal: 0,
        kind: MessageKind::Tell,
        gate: None,
        role: Some(notification.role),
        person: None,
        message: json!({ "title": title, "body": body }),
    };
    Ok(Outcome::Done { output, intents: vec![Intent::Send(Box::new(message))] })
}

/// A message's first line is its title.
pub(super) fn split_title(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (title, body) = text.split_once('\n').unwrap_or((text, ""));
    (title.trim_start_matches('#').trim(), body.trim())
}

/// The tool as the checker and the registry know it.
pub fn notify_role() -> Result<Arc<dyn Tool>, crate::tool::ToolNameError> {
    Ok(Arc::new(NotifyRole {
        spec: ToolSpec {
            name: NAME.parse()?,
            version: 1,
            description: "Tells everybody in a role something, in the console and in chat.".into(),
            input: schema_of::<Notification>(),
            output: schema_of::<Notified>(),
            effect: Effect::Write,
            idempotency: Idempotency::Keyed,
            ungated: Some("it informs people and changes nothing in another system".into()),
            timeout: Duration::from_secs(5),
            scopes: Vec::new(),
            classes: BTreeMap::new(),
            result_bytes_max: 4096,
        },
    }))
}

struct NotifyRole {
    spec: ToolSpec,
}

#[async_trait]
impl Tool for NotifyRole {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, _call: &Call, _input: Value) -> Result<Value, ToolError> {
        Err(ToolError::invalid("notify.role goes through the outbox and is only called by a workflow step"))
    }
}
