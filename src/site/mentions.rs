//! What `takt.yaml` says of other files of the site. Whether those have it is known once they are loaded.

use super::ToolPattern;

/// One word of the file, at its place; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    pub of: Mentioned,
    pub line: u64,
    pub column: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mentioned {
    /// By its id.
    Workflow(String),
    Tools(ToolPattern),
}
