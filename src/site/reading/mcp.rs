//! Reads the section `mcp:`.

use super::Reading;
use crate::site::mcp::{McpFile, McpServer, ToolPattern};

const REQUESTS_PER_MINUTE: u32 = 120;

impl Reading<'_> {
    pub(super) fn mcp(&mut self, file: McpFile) -> McpServer {
        let mut tools = Vec::new();
        for written in &file.tools {
            match ToolPattern::read(&written.value) {
                Some(pattern) => tools.push(pattern),
                None => {
                    let message = format!(
                        "`{}` names no tools: write `system.action`, `system.*` for all of one system, or `*`",
                        written.value
                    );
                    self.problem(written.referenced, message);
                }
            }
        }
        for origin in &file.origins {
            let rest = origin.value.strip_prefix("https://").or_else(|| origin.value.strip_prefix("http://"));
            if rest.is_none_or(|host| host.is_empty() || host.contains('/')) {
                let message =
                    format!("`{}` is no origin: write https://host or https://host:port", origin.value);
                self.problem(origin.referenced, message);
            }
        }
        McpServer {
            tools,
            mask: file.mask,
            origins: file.origins.into_iter().map(|origin| origin.value).collect(),
            requests_per_minute: file.requests_per_minute.unwrap_or(REQUESTS_PER_MINUTE).max(1),
        }
    }
}
