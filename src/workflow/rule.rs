//! Named, versioned business rules in `rules/*.yaml`, checked on live data right before a write.

use crate::expr::{Expr, ValueTemplate};
use crate::tool::ToolName;

/// `rule`, `version`, `title`, `reads`, `check`, `because`.
#[derive(Debug, Clone)]
pub struct Rule {
    pub id: String,
    pub version: u32,
    pub title: String,
    /// Read tools called first, in order; results are `reads.<name>`. `write` is the write's arguments.
    pub reads: Vec<(String, ToolName, ValueTemplate)>,
    pub check: Expr,
    /// The sentence people see when the check is false; may hold `${{ }}`.
    pub because: ValueTemplate,
}
