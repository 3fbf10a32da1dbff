//! MCP servers of others as tools: files in `connectors/` with `mcp:`. Both eras of the protocol, over HTTP and to a program
//! that Takt starts: 2026-07-28, which knows no sessions, and the handshake of 2025-11-25 and before.
//!
//! A server is not trusted. What its tools may do, and what their fields hold, is said in the site's file; what a tool is
//! stands pinned in a lock file beside it, and a tool that is no longer that is refused. See `docs/mcp.md`.

mod accept;
mod definition;
mod diff;
mod fields;
mod file;
mod headers;
mod lock;
mod program;
mod server;
mod session;
#[cfg(test)]
mod tests;
mod tool;
mod wire;

pub use accept::{Desk, DeskError, Line, Pinned};
pub(super) use file::{form, is_mcp, read};
pub use session::{LEGACY, MODERN};
