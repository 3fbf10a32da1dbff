use super::{Tool, ToolName, ToolSpec};
use std::{collections::BTreeMap, sync::Arc};

/// Every tool of a site, by name.
#[derive(Clone, Default)]
pub struct Registry {
    tools: BTreeMap<ToolName, Arc<dyn Tool>>,
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("two tools are called `{0}`: rename one of them")]
    Duplicate(ToolName),
}

impl Registry {
    pub fn add(&mut self, tool: Arc<dyn Tool>) -> Result<(), RegistryError> {
        let name = tool.spec().name.clone();
        if self.tools.contains_key(&name) {
            return Err(RegistryError::Duplicate(name));
        }
        self.tools.insert(name, tool);
        Ok(())
    }

    pub fn get(&self, name: &ToolName) -> Option<&Arc<dyn Tool>> {
        self.tools.get(name)
    }

    pub fn spec(&self, name: &ToolName) -> Option<&ToolSpec> {
        self.tools.get(name).map(|tool| tool.spec())
    }

    pub fn tools(&self) -> impl Iterator<Item = &Arc<dyn Tool>> {
        self.tools.values()
    }

    pub fn specs(&self) -> impl Iterator<Item = &ToolSpec> {
        self.tools.values().map(|tool| tool.spec())
    }
}
