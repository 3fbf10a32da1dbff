//! A declared tool: input checked, requests made in order, output projected and checked.

use super::{
    exchange::Exchange,
    operation::{Operation, System},
};
use crate::tool::{Call, Lookup, Tool, ToolError, ToolErrorKind, ToolSpec, misfits};
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;

pub(super) struct DeclaredTool {
    system: Arc<System>,
    operation: Operation,
}

impl DeclaredTool {
    pub(super) fn new(system: Arc<System>, operation: Operation) -> Self {
        Self { system, operation }
    }

    /// The input with every declared field, missing ones at their default or null.
    fn accept(&self, input: &Value) -> Result<Value, ToolError> {
        let name = &self.operation.spec.name;
        if let Some(wrong) = misfits(&self.operation.input, input) {
            return Err(ToolError::invalid(format!("{name}: wrong arguments: {wrong}")));
        }
        let mut fields = self.operation.defaults.clone();
        match input {
            Value::Object(given) => fields.extend(given.clone()),
            Value::Null => {}
            _ => return Err(ToolError::invalid(format!("{name}: arguments are a map of fields"))),
        }
        Ok(Value::Object(fields))
    }

    fn check(&self, output: Value, written: bool) -> Result<Value, ToolError> {
        let Some(wrong) = misfits(&self.operation.output, &output) else { return Ok(output) };
        let name = &self.operation.spec.name;
        let before = if written { "the change was made, but " } else { "" };
        let message = format!("{name}: {before}the answer of {} does not fit: {wrong}", self.system.name);
        Err(ToolError::new(ToolErrorKind::Permanent, message))
    }
}

#[async_trait]
impl Tool for DeclaredTool {
    fn spec(&self) -> &ToolSpec {
        &self.operation.spec
    }

    async fn call(&self, call: &Call, input: Value) -> Result<Value, ToolError> {
        let input = self.accept(&input)?;
        let mut exchange = Exchange::new(&self.system, &self.operation, call, input);
        for request in &self.operation.requests {
            exchange.perform(request).await?;
        }
        exchange.compute(&self.operation.values)?;
        let output = exchange.project(&self.operation.returns)?;
        self.check(output, exchange.has_written())
    }

    fn can_look_up(&self) -> bool {
        self.operation.look_up.is_some()
    }

    async fn look_up(&self, call: &Call, input: &Value) -> Result<Lookup, ToolError> {
        let Some(look_up) = &self.operation.look_up else { return Ok(Lookup::Unknown) };
        let input = self.accept(input)?;
        let mut exchange = Exchange::new(&self.system, &self.operation, call, input);
        for request in &look_up.requests {
            exchange.perform(request).await?;
        }
        if !exchange.test(&look_up.found)? {
            return Ok(Lookup::Absent);
        }
        let output = exchange.project(&look_up.returns)?;
        Ok(Lookup::Found(self.check(output, true)?))
    }
}
