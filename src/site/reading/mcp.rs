//! Reads the section `mcp:`.

use super::{Reading, address::is_origin};
use crate::site::{
    Mentioned,
    mcp::{McpFile, McpServer, ToolPattern},
};

use serde_saphyr::Location;

const REQUESTS_PER_MINUTE: u32 = 120;

impl Reading<'_> {
    pub(super) fn mcp(&mut self, file: McpFile) -> McpServer {
        let mut tools = Vec::new();
        for written in &file.tools {
            match ToolPattern::read(&written.value) {
                Some(pattern) => {
                    self.mention(written, Mentioned::Tools(pattern.clone()));
                    tools.push(pattern);
                }
                None => {
                    let message = format!(
                        "`{}` names no tools: write `system.action`, `system.*` for all of one system, or `*`",
                        written.value
                    );
                    self.problem(written.referenced, message);
                }
            }
        }
        if file.requests_per_minute == Some(0) {
            let at = file.tools.first().map_or(Location::UNKNOWN, |tool| tool.referenced);
            self.problem(at, "`requests_per_minute: 0` answers nobody: leave `mcp` out, or write at least 1");
        }
        for origin in &file.origins {
            if origin.value.contains('*') || !is_origin(&origin.value) {
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
