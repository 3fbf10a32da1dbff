//! What keeps a model from seeing what it must not see, and from naming what does not exist.

mod answer_path;
mod claims;
mod confidential;
mod dlp;
mod echo;
mod findings;
mod grounding;
mod ids;
pub mod masked;
mod phrases;
mod taken;

use regex::Regex;

pub(super) use confidential::{as_tokens, confidential_fields};
pub(super) use dlp::Masker;
pub(super) use echo::repeated;
pub(super) use findings::FINDINGS_MAX;
pub(super) use grounding::Corpus;
pub use masked::masked;

/// The guards' patterns are constants; a test compiles each.
fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|e| unreachable!("{pattern}: {e}"))
}
