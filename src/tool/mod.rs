//! What a tool is: the trait every connector and algorithm implements, its declared effect and
//! idempotency, its schemas, its errors, how long its caller may act, and the registry the engine, the checker and the agent read.
//!
//! Nothing here knows a vendor, a workflow or a database.

mod error;
mod fit;
mod lease;
mod registry;
mod spec;
mod stand_in;
mod strict;
mod typed;

pub use error::{ToolError, ToolErrorKind};
pub use fit::misfits;
pub use lease::Lease;
pub use registry::{Registry, RegistryError};
pub use spec::{DataClass, Effect, Idempotency, PATTERN, ToolName, ToolNameError, ToolSpec};
pub use stand_in::stand_in;
pub use strict::{NotStrict, strict, without_absent};
pub use typed::{Typed, schema_of};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// One call of a tool, as the engine makes it. The key is the same for every attempt of one step,
/// so that the other side can recognise a repeat.
#[derive(Debug, Clone)]
pub struct Call {
    pub run: Uuid,
    pub step: String,
    pub attempt: u32,
    pub key: String,
    pub timeout: Duration,
    /// The run's recorded time, never the wall clock.
    pub now: DateTime<Utc>,
    /// W3C `traceparent`, passed on to the other system.
    pub trace: Option<String>,
    /// Nothing may be changed for the caller once it is over.
    pub lease: Arc<Lease>,
}

/// What a read-back after an unknown outcome found.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// The effect is there; this is the output it would have had.
    Found(Value),
    /// The effect is not there: the call may be made again.
    Absent,
    /// The other system cannot tell: a person decides.
    Unknown,
}

#[async_trait]
pub trait Tool: Send + Sync {
    fn spec(&self) -> &ToolSpec;

    async fn call(&self, call: &Call, input: Value) -> Result<Value, ToolError>;

    /// Whether the other side still is what this tool was declared against; asked once when Takt starts.
    async fn check(&self) -> Result<(), ToolError> {
        Ok(())
    }

    /// Whether [`Tool::look_up`] can tell anything.
    fn can_look_up(&self) -> bool {
        false
    }

    /// Reads back whether an earlier call with this key took effect.
    async fn look_up(&self, _call: &Call, _input: &Value) -> Result<Lookup, ToolError> {
        Ok(Lookup::Unknown)
    }
}
