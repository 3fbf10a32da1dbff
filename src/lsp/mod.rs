//! The door for editors: the Language Server Protocol over standard input and output.
//!
//! `server` speaks, `check` checks in a thread of its own; the rest are pure functions of a text, a place in it and
//! what is known of the site. Finds nothing wrong by itself: that is `workflow`'s business.

mod answers;
mod cel;
mod check;
mod complete;
mod context;
mod define;
mod findings;
mod hover;
mod keys;
mod outline;
mod plant;
mod scope;
mod server;
mod sites;
mod symbols;
mod template;
mod text;
mod uri;
mod wire;
mod words;

pub use plant::{Load, Plant, SiteFinding};
pub use server::{Ended, serve};

/// Stands where the cursor is while a half typed text is read; no author writes it.
const MARKER: &str = "takt_cursor_1";

#[cfg(test)]
mod tests;
