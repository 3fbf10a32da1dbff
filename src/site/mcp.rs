//! What outside assistants may use of this site over MCP: the section `mcp:` of `takt.yaml`.

use super::file::Text;
use crate::tool::ToolName;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct McpFile {
    pub tools: Vec<Text>,
    #[serde(default = "masked")]
    pub mask: bool,
    #[serde(default)]
    pub origins: Vec<Text>,
    pub requests_per_minute: Option<u32>,
}

/// Who knows nothing of a site's data sends none of it in the clear.
fn masked() -> bool {
    true
}

/// Absent, the site has no MCP server.
#[derive(Debug, Clone)]
pub struct McpServer {
    pub tools: Vec<ToolPattern>,
    /// Confidential fields and known names become tokens, as they do for models.
    pub mask: bool,
    /// Web pages of other origins that may ask.
    pub origins: Vec<String>,
    /// Of one caller.
    pub requests_per_minute: u32,
}

/// `*`, `plex.*` or `plex.inventory`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolPattern {
    All,
    System(String),
    One(ToolName),
}

impl ToolPattern {
    pub(super) fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        match text.strip_suffix(".*") {
            Some(system) => {
                format!("{system}.any").parse::<ToolName>().ok().map(|_| Self::System(system.to_owned()))
            }
            None => text.parse().ok().map(Self::One),
        }
    }

    pub fn fits(&self, name: &ToolName) -> bool {
        match self {
            Self::All => true,
            Self::System(system) => name.system() == system,
            Self::One(one) => one == name,
        }
    }
}
