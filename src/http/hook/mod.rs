//! Signed requests of other systems: webhooks that become events, clicks in chats and links in mails that become answers.
//!
//! A request that is not signed as declared leaves a count and an audit line, and nothing else.

pub(super) mod answering;
mod cloudevent;
mod receive;
mod slack;
mod teams;

pub(super) use receive::receive;
pub(super) use slack::interactions;
pub use slack::listen;
pub(super) use teams::messages;

use super::{
    problem::{Cause, Problem},
    state::Shared,
};
use crate::store::{StoreError, audit, events};
use axum::{extract::rejection::BytesRejection, http::StatusCode};
use serde_json::json;
use std::time::SystemTime;

/// A name of a source as it is audited; longer ones are somebody's guesses.
const SOURCE_NAME_MAX: usize = 64;

#[expect(
    clippy::disallowed_methods,
    reason = "a signature ages in real time, also where the plant's clock was moved"
)]
pub(super) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// Counts and audits a refusal. Sources that are not declared are one count, whatever they call themselves.
async fn refuse(door: &Shared, source: &str, is_declared: bool, cause: Cause) -> Result<(), Problem> {
    let counted = if is_declared { source } else { "unknown" };
    let mut tx = door.app.store.begin().await?;
    events::count_rejection(&mut tx, counted, cause.word()).await?;
    let named: String = source.chars().take(SOURCE_NAME_MAX).filter(|letter| !letter.is_control()).collect();
    audit::add(&mut tx, "webhook", "event.refused", Some(&named), &json!({ "cause": cause.word() })).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(())
}

/// Why a body could not be read.
fn unread(rejection: &BytesRejection, bytes_max: usize) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Cause::TooLarge, format!("a request here may have {bytes_max} bytes"))
        }
        _ => Problem::new(Cause::Malformed, "the body did not arrive whole"),
    }
}
