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
    refusals::note,
    state::Shared,
};
use crate::{
    run::{Actor, AuditRecord},
    store::events,
};
use axum::{extract::rejection::BytesRejection, http::StatusCode};
use serde_json::json;
use std::time::SystemTime;

#[expect(
    clippy::disallowed_methods,
    reason = "a signature ages in real time, also where the plant's clock was moved"
)]
pub(super) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// Counts and audits a refusal. Sources that are not declared are one, whatever they call themselves.
async fn refuse(door: &Shared, source: &str, is_declared: bool, cause: Cause) -> Result<(), Problem> {
    let counted = if is_declared { source } else { "unknown" };
    events::count_rejection(&mut *door.app.store.connection().await?, counted, cause.word()).await?;
    let record = AuditRecord::new(Actor::webhook(), "event.refused");
    let record = record.object(counted);
    note(door, record.detail(json!({ "cause": cause.word() }))).await?;
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
