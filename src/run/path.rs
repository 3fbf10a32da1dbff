use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a step stands in a run: `context.orders`, `customers[2].run`, `push.undo`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepPath(String);

impl StepPath {
    pub fn root(id: &str) -> Self {
        Self(id.to_owned())
    }

    pub fn child(&self, id: &str) -> Self {
        Self(format!("{}.{id}", self.0))
    }

    pub fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This path as the ids of keys, gates and children are made of: one for each time the step is done anew.
    pub fn of_generation(&self, generation: u32) -> Self {
        if generation == 0 { self.clone() } else { Self(format!("{}#{generation}", self.0)) }
    }

    /// What of this path lies below another step: `.orders` of `context.orders` below `context`.
    pub fn below(&self, step: &Self) -> Option<&str> {
        self.0.strip_prefix(step.as_str()).filter(|rest| rest.starts_with(['.', '[']))
    }

    /// The id of the step itself, without its parents: `orders` of `context.orders`.
    pub fn leaf(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or(&self.0)
    }
}

impl From<String> for StepPath {
    fn from(path: String) -> Self {
        Self(path)
    }
}

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
