//! Clicks in Slack: verified, acknowledged at once, answered through `gate::decide`.
//!
//! The message itself is changed by the outbox when the run has gone on; only a person whose click
//! was not taken is told here.

use super::{refuse, wall_clock};
use crate::{
    connector::slack::{
        client::SlackClient,
        interaction::{Click, Interaction, parse},
        modal, signature,
    },
    gate::{Answer, DecideError, Decision, decide, hash_of, late},
    http::{
        problem::{Cause, Problem},
        state::Shared,
    },
    notify::Button,
    run::GateId,
    store::gates,
};
use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// The name of this door in counters and in the audit.
const SOURCE: &str = "slack";

pub(in crate::http) async fn interactions(
    State(door): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    match read(&door, &headers, body) {
        Ok(Interaction::Click(click)) => take(&door, click).await,
        Ok(Interaction::Other) => Ok(StatusCode::OK.into_response()),
        Err(problem) => {
            refuse(&door, SOURCE, true, problem.cause).await?;
            Err(problem)
        }
    }
}

fn read(
    door: &Shared,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Interaction, Problem> {
    let undeclared = || Problem::new(Cause::UnknownSource, "there is no `slack` in takt.yaml");
    let slack = door.app.site.slack.as_ref().ok_or_else(undeclared)?;
    let body = body.map_err(|rejection| super::unread(&rejection, door.app.site.limits.event_bytes_max))?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let now = DateTime::<Utc>::from(wall_clock());
    let (time, given) = (header("x-slack-request-timestamp"), header("x-slack-signature"));
    signature::verify(&slack.signing_secret, time, given, &body, now).map_err(|error| {
        let cause = match &error {
            signature::SignatureError::Malformed => Cause::SignatureMissing,
            signature::SignatureError::Stale => Cause::SignatureTooOld,
            signature::SignatureError::Wrong => Cause::SignatureInvalid,
        };
        Problem::new(cause, error.to_string())
    })?;
    parse(&body).map_err(|error| Problem::new(Cause::Malformed, error.to_string()))
}

async fn take(door: &Shared, click: Click) -> Result<Response, Problem> {
    let mut db = door.app.store.connection().await?;
    let known = gates::by_token(&mut db, &hash_of(&click.gate_token)).await?;
    let gate = match known {
        Some(id) => gates::get(&mut db, id).await?,
        None => None,
    };
    drop(db);
    let Some(gate) = gate else {
        return Ok(tell(door, &click, "This question is no longer known."));
    };
    let Some(person) = door.app.site.person_by_slack(&click.slack_user) else {
        return Ok(tell(
            door,
            &click,
            "Takt does not know you: ask for your Slack id to be added to takt.yaml.",
        ));
    };
    if click.wants_reason() {
        if gate.state != "open" {
            return Ok(tell(door, &click, &over(door, &gate).await?));
        }
        open_dialog(door, &click, &gate.ask);
        return Ok(StatusCode::OK.into_response());
    }
    let answer = answer(&click, &gate.proposal_hash);
    match decide(&door.app.store, &door.app.site, GateId(gate.id), &person.id, &answer).await {
        Ok(_) => {
            door.app.hints.tell();
            Ok(accepted(&click))
        }
        Err(DecideError::Store(error)) => Err(error.into()),
        Err(DecideError::Late { words, .. }) => Ok(tell(door, &click, &format!("Too late. {words}"))),
        Err(error) => Ok(tell(door, &click, &format!("Not taken: {error}."))),
    }
}

/// Options and drafts are those of the gate that the button was made for.
fn answer(click: &Click, proposal_hash: &str) -> Answer {
    let decision = match click.button {
        Button::Acknowledge => Decision::Acknowledge,
        Button::Approve => Decision::Approve,
        Button::Choose => Decision::Choose,
        Button::Edit => Decision::Edit,
        Button::Reject => Decision::Reject,
    };
    Answer {
        choice: click.option,
        edited: click.text.clone().filter(|_| decision == Decision::Edit).map(Value::String),
        reason_code: click.reason_code.clone(),
        reason: click.reason.clone(),
        ..Answer::of(decision, SOURCE, proposal_hash)
    }
}

/// What became of a question that is no longer open.
async fn over(door: &Shared, gate: &gates::Gate) -> Result<String, Problem> {
    let mut db = door.app.store.connection().await?;
    Ok(match gates::vote(&mut db, GateId(gate.id)).await? {
        Some(vote) => format!("Too late. {}", late(&door.app.site, &vote)),
        None => "This question was closed without an answer.".to_owned(),
    })
}

/// An empty answer to a button; to a dialog, that it may close.
fn accepted(click: &Click) -> Response {
    if click.from_message {
        StatusCode::OK.into_response()
    } else {
        Json(json!({ "response_action": "clear" })).into_response()
    }
}

/// Tells only the person who clicked; the acknowledgement does not wait for Slack.
fn tell(door: &Shared, click: &Click, words: &str) -> Response {
    if !click.from_message {
        let errors = json!({ (modal::REASON): words });
        return Json(json!({ "response_action": "errors", "errors": errors })).into_response();
    }
    if let (Some(client), Some(channel)) = (door.slack.clone(), click.channel.clone()) {
        let (user, words) = (click.slack_user.clone(), words.to_owned());
        tokio::spawn(async move {
            if let Err(error) = client.post_ephemeral(&channel, &user, &words).await {
                tracing::warn!(%error, "somebody in Slack could not be told why their click was not taken");
            }
        });
    }
    StatusCode::OK.into_response()
}

/// The dialog must open within three seconds of the click, so nothing waits before it.
fn open_dialog(door: &Shared, click: &Click, ask: &Value) {
    let (Some(client), Some(trigger)) = (door.slack.clone(), click.trigger_id.clone()) else { return };
    let text = |field: &str| ask.get(field).and_then(Value::as_str);
    let title = text("title").unwrap_or("A question");
    let reasons = &door.app.site.answering.reasons;
    let (channel, ts) = (click.channel.as_deref(), click.ts.as_deref());
    let view = modal::reason(&click.press(), reasons, channel, ts, title, text("draft"));
    tokio::spawn(async move { open(&client, &trigger, &view).await });
}

async fn open(client: &SlackClient, trigger: &str, view: &crate::connector::slack::blocks::View) {
    if let Err(error) = client.open_view(trigger, view).await {
        tracing::warn!(%error, "a dialog could not be opened in Slack");
    }
}
