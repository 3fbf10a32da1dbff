//! Clicks in Slack, by HTTP or by Socket Mode: acknowledged within three seconds, answered through `gate::decide`.
//!
//! The message itself is changed by the outbox when the run has gone on; only a person whose click
//! was not taken is told here.

use super::{
    answering::{self, Said, answer_of},
    refuse, wall_clock,
};
use crate::{
    connector::slack::{
        CHANNEL as SOURCE,
        client::SlackClient,
        interaction::{Click, Interaction, parse, read as read_payload},
        modal, signature,
        socket::{self, Clicks},
    },
    gate::{Answer, hash_of, stranger_refused},
    http::{
        problem::{Cause, Problem},
        refusals::note,
        state::{Door, Shared},
    },
    notify::Button,
    run::GateId,
    site::Person,
    store::gates,
};
use async_trait::async_trait;
use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Slack shows people an error after three seconds; an answer that takes longer goes on behind its acknowledgement.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_millis(2500);

pub(in crate::http) async fn interactions(
    State(door): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    match read(&door, &headers, body) {
        Ok(interaction) => {
            let said = in_time(&door, interaction).await?;
            Ok(said.map_or_else(|| StatusCode::OK.into_response(), |said| Json(said).into_response()))
        }
        Err(problem) => {
            refuse(&door, SOURCE, true, problem.cause).await?;
            Err(problem)
        }
    }
}

/// Takes clicks by Socket Mode until the application stops, where `takt.yaml` has an app token.
pub async fn listen(door: Arc<Door>) {
    let stop = door.app.stop.clone();
    if door.app.site.slack.as_ref().is_none_or(|slack| slack.app_token.is_none()) {
        return;
    }
    let Some(client) = door.slack.clone() else { return };
    socket::listen(client, Arc::new(Listener(door)), stop).await;
}

struct Listener(Shared);

#[async_trait]
impl Clicks for Listener {
    async fn take(&self, payload: &str) -> Option<Value> {
        let interaction = match read_payload(payload) {
            Ok(interaction) => interaction,
            Err(error) => {
                tracing::warn!(%error, "a click by Socket Mode cannot be read");
                let _ = refuse(&self.0, SOURCE, true, Cause::Malformed).await;
                return None;
            }
        };
        match in_time(&self.0, interaction).await {
            Ok(said) => said,
            // Ours: it has been logged, and the person may click again.
            Err(problem) => {
                tracing::warn!(cause = problem.cause.word(), "a click by Socket Mode was not taken");
                None
            }
        }
    }
}

/// What the acknowledgement says, in time whatever the database does.
async fn in_time(door: &Shared, interaction: Interaction) -> Result<Option<Value>, Problem> {
    let Interaction::Click(click) = interaction else { return Ok(None) };
    let is_dialog = !click.from_message;
    let (channel, user) = (click.channel.clone(), click.slack_user.clone());
    let (own, other) = (door.clone(), door.clone());
    let mut taken = tokio::spawn(async move { take(&own, click).await });
    match timeout(ACKNOWLEDGE_WITHIN, &mut taken).await {
        Ok(Ok(said)) => said,
        Ok(Err(_)) => Err(Problem::new(Cause::Internal, "this click hit a bug; it has been logged")),
        Err(_) => {
            tokio::spawn(async move {
                let words = match taken.await {
                    Ok(Ok(Some(said))) => said["errors"][modal::REASON].as_str().map(str::to_owned),
                    Ok(Ok(None)) => None,
                    _ => Some("Your answer could not be taken: try again.".to_owned()),
                };
                if let (Some(words), Some(channel)) = (words, channel) {
                    whisper(&other, channel, user, words);
                }
            });
            Ok(is_dialog.then(|| json!({ "response_action": "clear" })))
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
    // By Socket Mode alone nothing is posted here.
    let secret = slack.signing_secret.as_ref().ok_or_else(undeclared)?;
    let body = body.map_err(|rejection| super::unread(&rejection, door.app.site.limits.event_bytes_max))?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let now = DateTime::<Utc>::from(wall_clock());
    let (time, given) = (header("x-slack-request-timestamp"), header("x-slack-signature"));
    signature::verify(secret, time, given, &body, now).map_err(|error| {
        let cause = match &error {
            signature::SignatureError::Malformed => Cause::SignatureMissing,
            signature::SignatureError::Stale => Cause::SignatureTooOld,
            signature::SignatureError::Wrong => Cause::SignatureInvalid,
        };
        Problem::new(cause, error.to_string())
    })?;
    parse(&body).map_err(|error| Problem::new(Cause::Malformed, error.to_string()))
}

async fn take(door: &Shared, click: Click) -> Result<Option<Value>, Problem> {
    let mut db = door.app.store.connection().await?;
    let known = gates::by_token(&mut db, &hash_of(&click.gate_token)).await?;
    let gate = match known {
        Some(id) => gates::get(&mut db, id).await?,
        None => None,
    };
    drop(db);
    let Some(gate) = gate else {
        note(door, stranger_refused(SOURCE, &click.slack_user, None, "no_such_gate")).await?;
        return Ok(tell(door, &click, "This question is no longer known."));
    };
    let id = GateId(gate.id);
    let Some(person) = whose(door, &click.slack_user).await else {
        note(door, stranger_refused(SOURCE, &click.slack_user, Some(id), "no_such_person")).await?;
        return Ok(tell(
            door,
            &click,
            "Takt does not know you: ask for your Slack id or mail address to be added to takt.yaml.",
        ));
    };
    if click.wants_reason() && gate.state == "open" {
        open_dialog(door, &click, &gate.ask);
        return Ok(None);
    }
    match answering::answer(door, &gate, &person.id, &answer(&click, &gate.proposal_hash)).await? {
        Ok(_) => Ok((!click.from_message).then(|| json!({ "response_action": "clear" }))),
        Err(not_taken) => Ok(tell(door, &click, &not_taken.words)),
    }
}

/// By the id, or by the address through which somebody without one was asked: it takes a question to Slack.
async fn whose<'a>(door: &'a Shared, user: &str) -> Option<&'a Person> {
    let site = &door.app.site;
    if let Some(person) = site.person_by_slack(user) {
        return Some(person);
    }
    let is_asked_by_mail = |person: &Person| person.slack_id.is_none() && person.email.is_some();
    let client = door.slack.as_ref().filter(|_| site.people.iter().any(is_asked_by_mail))?;
    match client.address_of(user).await {
        Ok(address) => site.person_by_slack_address(&address?),
        Err(error) => {
            tracing::warn!(%error, "Slack does not tell who clicked");
            None
        }
    }
}

/// Options and drafts are those of the gate that the button was made for.
fn answer(click: &Click, proposal_hash: &str) -> Answer {
    let said = Said {
        choice: click.option,
        edited: click.text.clone().filter(|_| click.button == Button::Edit),
        code: click.reason_code.clone(),
        reason: click.reason.clone(),
    };
    answer_of(click.button, said, SOURCE, proposal_hash)
}

/// Tells only the person who clicked; the acknowledgement does not wait for Slack.
fn tell(door: &Shared, click: &Click, words: &str) -> Option<Value> {
    if !click.from_message {
        let errors = json!({ (modal::REASON): words });
        return Some(json!({ "response_action": "errors", "errors": errors }));
    }
    if let Some(channel) = click.channel.clone() {
        whisper(door, channel, click.slack_user.clone(), words.to_owned());
    }
    None
}

fn whisper(door: &Shared, channel: String, user: String, words: String) {
    let Some(client) = door.slack.clone() else { return };
    tokio::spawn(async move {
        if let Err(error) = client.post_ephemeral(&channel, &user, &words).await {
            tracing::warn!(%error, "somebody in Slack could not be told why their click was not taken");
        }
    });
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
