//! A tool of an MCP server: held against its pin before each call, arguments and results checked, and of a result only
//! what the site's file gives a class.

use super::{
    definition::Definition,
    fields::Classes,
    headers::Param,
    server::Server,
    session::{Ask, shorten},
};
use crate::{
    agent::{storable, too_deep},
    tool::{Call, Effect, Tool, ToolError, ToolErrorKind, ToolSpec, misfits},
};
use async_trait::async_trait;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

pub(super) struct McpTool {
    pub server: Arc<Server>,
    pub spec: ToolSpec,
    pub pin: Definition,
    pub input: Validator,
    pub output: Option<Validator>,
    pub mirrored: Vec<Param>,
    pub classes: Classes,
}

#[async_trait]
impl Tool for McpTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: &Call, input: Value) -> Result<Value, ToolError> {
        let input = if input.is_null() { json!({}) } else { input };
        if let Some(wrong) = misfits(&self.input, &input) {
            return Err(ToolError::invalid(format!("{}: wrong arguments: {wrong}", self.spec.name)));
        }
        let deadline = Instant::now() + call.timeout.min(self.spec.timeout);
        let is_write = self.spec.effect == Effect::Write;
        // Before something changes, the server is asked what the tool is now.
        let age_max = if is_write { Duration::ZERO } else { self.server.check_every };
        self.server.verify(&self.pin, age_max, deadline).await?;
        let ask = Ask {
            method: "tools/call",
            params: json!({ "name": self.pin.name(), "arguments": input }),
            mirrored: &self.mirrored,
            trace: call.trace.as_deref(),
            write: is_write.then_some(&call.lease),
            deadline,
            bytes_max: self.spec.result_bytes_max,
        };
        let result = self.server.ask(&ask).await?;
        self.output_of(result, is_write)
    }

    async fn check(&self) -> Result<(), ToolError> {
        self.server.verify(&self.pin, self.server.check_every, Instant::now() + self.spec.timeout).await
    }
}

impl McpTool {
    fn output_of(&self, result: Value, is_write: bool) -> Result<Value, ToolError> {
        let (name, system) = (&self.spec.name, &self.server.system);
        let wrong = |why: String| {
            let before = if is_write { "the call was made, but " } else { "" };
            let message = format!("{name}: {before}what {} answered cannot be used: {why}", system.name);
            ToolError::new(ToolErrorKind::Permanent, message)
        };
        match result.get("resultType").map(|kind| kind.as_str().unwrap_or_default()) {
            None | Some("complete") => {}
            Some("input_required") => {
                let asks = result["inputRequests"].as_object().into_iter().flatten();
                let asks: Vec<String> =
                    asks.filter_map(|(_, ask)| ask["method"].as_str()).map(shorten).collect();
                let message = format!(
                    "{name}: {} wants to be answered first ({}), and nobody answers a tool: a person has to use it",
                    system.name,
                    asks.join(", ")
                );
                return Err(ToolError::new(ToolErrorKind::Permanent, message));
            }
            Some(other) => return Err(wrong(format!("`{}` is no kind of result", shorten(other)))),
        }
        let result = storable(result);
        if let Some(why) = too_deep(&result) {
            return Err(ToolError::new(ToolErrorKind::TooLarge, format!("{name}: {}", wrong(why).message)));
        }
        let text = text_of(&result["content"]);
        if result["isError"] == true {
            let said = system.redactor.redact(&shorten(&text));
            let message = format!("{name}: {} says: {said}", system.name);
            return Err(ToolError::new(ToolErrorKind::Permanent, message));
        }
        let Some(output) = &self.output else { return Ok(self.classes.project(json!({ "text": text }))) };
        let Some(structured) = result.get("structuredContent") else {
            return Err(wrong("it has no structured content, which the tool's schema promises".to_owned()));
        };
        if let Some(found) = misfits(output, structured) {
            return Err(wrong(found));
        }
        let value = if structured.is_object() { structured.clone() } else { json!({ "value": structured }) };
        Ok(self.classes.project(value))
    }
}

/// Texts one after the other; of what is no text only that it was there.
fn text_of(content: &Value) -> String {
    let block = |block: &Value| match block["type"].as_str() {
        Some("text") => block["text"].as_str().unwrap_or_default().to_owned(),
        Some("resource") if block["resource"]["text"].is_string() => {
            block["resource"]["text"].as_str().unwrap_or_default().to_owned()
        }
        kind @ Some("image" | "audio" | "resource" | "resource_link") => {
            format!("[{}, left out]", kind.unwrap_or_default().replace('_', " "))
        }
        _ => "[something else, left out]".to_owned(),
    };
    let blocks: Vec<String> = content.as_array().into_iter().flatten().map(block).collect();
    blocks.join("\n")
}
