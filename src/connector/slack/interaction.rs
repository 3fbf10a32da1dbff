//! What people did in Slack: the form that Slack posts, read into a typed click. Call `signature::verify`
//! first; this trusts nothing but the shape.

use super::modal::{CALLBACK, CODE, Carried, DRAFT, REASON};
use crate::notify::{Button, Press, PressError};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// Somebody pressed a button, or sent the dialog that a button opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// Stands for the gate; look it up by its hash.
    pub gate_token: String,
    pub button: Button,
    /// Number of the option, from 1.
    pub option: Option<usize>,
    /// Slack's id of the person.
    pub slack_user: String,
    pub channel: Option<String>,
    /// Of the message with the buttons.
    pub ts: Option<String>,
    /// Opens a dialog within three seconds.
    pub trigger_id: Option<String>,
    /// From the dialog: one of the site's reasons.
    pub reason_code: Option<String>,
    /// From the dialog, in words.
    pub reason: Option<String>,
    /// From the dialog: the changed text of a draft.
    pub text: Option<String>,
    /// True for a button, false for a sent dialog.
    pub from_message: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is not kept")]
pub enum Interaction {
    Click(Click),
    /// Nothing to answer: a link button, a dialog closed.
    Other,
}

#[derive(Debug, thiserror::Error)]
pub enum InteractionError {
    #[error("the form has no field `payload`")]
    NoPayload,
    #[error("the payload is not what Slack sends: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("a button carries something that Takt did not put there")]
    Press(#[from] PressError),
}

impl Click {
    /// A rejection needs a reason first: open the dialog instead of answering.
    pub fn wants_reason(&self) -> bool {
        self.from_message && matches!(self.button, Button::Reject | Button::Edit)
    }

    pub fn press(&self) -> Press {
        Press { token: self.gate_token.clone(), button: self.button, option: self.option }
    }
}

/// Reads the body of an interactivity request (`application/x-www-form-urlencoded`, one field `payload`).
pub fn parse(body: &[u8]) -> Result<Interaction, InteractionError> {
    read(&payload(body).ok_or(InteractionError::NoPayload)?)
}

/// Reads the payload, whichever door it came through.
pub fn read(payload: &str) -> Result<Interaction, InteractionError> {
    let kind: Kind = serde_json::from_str(payload)?;
    match kind.kind.as_str() {
        "block_actions" => pressed(serde_json::from_str(payload)?),
        "view_submission" => submitted(serde_json::from_str(payload)?),
        _ => Ok(Interaction::Other),
    }
}

fn payload(body: &[u8]) -> Option<String> {
    let form = std::str::from_utf8(body).ok()?;
    let mut url = Url::parse("form:/").ok()?;
    url.set_query(Some(form));
    url.query_pairs().find(|(name, _)| name == "payload").map(|(_, value)| value.into_owned())
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

#[derive(Deserialize)]
struct BlockActions {
    user: User,
    trigger_id: Option<String>,
    container: Option<Container>,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Container {
    message_ts: Option<String>,
    channel_id: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct ViewSubmission {
    user: User,
    trigger_id: Option<String>,
    view: SentView,
}

#[derive(Deserialize)]
struct SentView {
    callback_id: String,
    private_metadata: String,
    state: SentState,
}

#[derive(Deserialize)]
struct SentState {
    values: HashMap<String, HashMap<String, Value>>,
}

fn pressed(payload: BlockActions) -> Result<Interaction, InteractionError> {
    let ours = |action: &&Action| action.action_id.starts_with("takt.") && action.value.is_some();
    let Some(value) = payload.actions.iter().find(ours).and_then(|action| action.value.as_deref()) else {
        return Ok(Interaction::Other);
    };
    let press: Press = value.parse()?;
    let (channel, ts) = payload.container.map_or((None, None), |at| (at.channel_id, at.message_ts));
    Ok(Interaction::Click(Click {
        gate_token: press.token,
        button: press.button,
        option: press.option,
        slack_user: payload.user.id,
        channel,
        ts,
        trigger_id: payload.trigger_id,
        reason_code: None,
        reason: None,
        text: None,
        from_message: true,
    }))
}

fn submitted(payload: ViewSubmission) -> Result<Interaction, InteractionError> {
    if payload.view.callback_id != CALLBACK {
        return Ok(Interaction::Other);
    }
    let carried: Carried = serde_json::from_str(&payload.view.private_metadata)?;
    let press: Press = carried.value.parse()?;
    let values = payload.view.state.values;
    let given = |block: &str, pointer: &str| {
        let value = values.get(block)?.get(block)?.pointer(pointer)?.as_str()?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    Ok(Interaction::Click(Click {
        gate_token: press.token,
        button: press.button,
        option: press.option,
        slack_user: payload.user.id,
        channel: carried.channel,
        ts: carried.ts,
        trigger_id: payload.trigger_id,
        reason_code: given(CODE, "/selected_option/value"),
        reason: given(REASON, "/value"),
        text: given(DRAFT, "/value"),
        from_message: false,
    }))
}
