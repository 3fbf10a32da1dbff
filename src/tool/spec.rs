use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

/// `system.action`, both snake_case: `plex.update_sequence`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolName(String);

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a tool name: write `system.action` in lower case, like `tickets.create`")]
pub struct ToolNameError(String);

impl FromStr for ToolName {
    type Err = ToolNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let word = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        match name.split_once('.') {
            Some((system, action)) if word(system) && word(action) => Ok(Self(name.to_owned())),
            _ => Err(ToolNameError(name.to_owned())),
        }
    }
}

impl TryFrom<String> for ToolName {
    type Error = ToolNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<ToolName> for String {
    fn from(name: ToolName) -> Self {
        name.0
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ToolName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The system a tool belongs to: `plex` of `plex.inventory`.
    pub fn system(&self) -> &str {
        self.0.split_once('.').map_or(self.0.as_str(), |(system, _)| system)
    }
}

/// What a tool does to the world. Agents are offered `Read` and `Propose` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Read,
    Propose,
    Write,
}

/// What may be done when the outcome of a call is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Idempotency {
    /// Changes nothing.
    Read,
    /// The same call twice leaves the same state.
    Idempotent,
    /// The other system recognises the idempotency key.
    Keyed,
    /// A repeat is a second effect: read back, or ask a person.
    Unsafe,
}

/// Begins what is a pattern among words of a class: no text that is kept holds this character.
pub const PATTERN: char = '\0';

/// Who may see a field. Anything but `Public` is masked before it reaches an external model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataClass {
    Public,
    Employee,
    Customer,
    Proprietary,
    Secret,
}

impl DataClass {
    pub fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Employee => "employee",
            Self::Customer => "customer",
            Self::Proprietary => "proprietary",
            Self::Secret => "secret",
        }
    }
}

/// What the checker, the agent and the console know of a tool.
#[derive(Debug, Clone, Serialize)]
pub struct ToolSpec {
    pub name: ToolName,
    pub version: u32,
    pub description: String,
    /// JSON Schema of the arguments.
    pub input: Value,
    /// JSON Schema of the result.
    pub output: Value,
    pub effect: Effect,
    pub idempotency: Idempotency,
    /// Why this write needs no gate, in words; `None` means that only a gate or `auto_if` leads to it.
    pub ungated: Option<String>,
    pub timeout: Duration,
    pub scopes: Vec<String>,
    /// Class of each field of the input or output, by field name; a field not listed is public.
    pub classes: BTreeMap<String, DataClass>,
    pub result_bytes_max: usize,
}
