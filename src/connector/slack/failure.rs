//! Slack's words for failures: which of them pass, and what people can do about the others.

use crate::notify::NotifyError;
use std::time::Duration;

/// Worth another try later; everything else stays wrong until somebody changes something.
const PASSING: [&str; 6] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
];

/// A 200 with `ok: false`.
pub(super) fn refused(method: &str, error: &str, retry_after: Option<Duration>) -> NotifyError {
    let hint = match error {
        "channel_not_found" => ": does the channel exist, and is the app in it?",
        "not_in_channel" => ": invite the app to the channel",
        "is_archived" => ": the channel is archived",
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            ": check slack.bot_token in takt.yaml"
        }
        "missing_scope" => ": the app lacks a permission, see docs/slack.md",
        "users_not_found" => ": nobody in Slack has this mail address",
        "expired_trigger_id" => ": the dialog came too late",
        _ => "",
    };
    let retryable = PASSING.contains(&error);
    let message = format!("slack refused {method}: {error}{hint}");
    NotifyError { retryable, retry_after, message, waits: false }
}

/// Any other status than 200.
pub(super) fn status(method: &str, status: u16, retry_after: Option<Duration>) -> NotifyError {
    let retryable = status == 429 || status == 408 || status >= 500;
    let message = format!("slack answered {status} to {method}");
    NotifyError { retryable, retry_after, message, waits: false }
}
