//! The few Web API methods Takt needs. Success is `ok` in the body, not the status.

use super::{
    blocks::{Block, View},
    card::Card,
    failure,
};
use crate::{
    connector::{http, pace::Pace, redact::Redactor},
    notify::NotifyError,
    site,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use uuid::Uuid;

const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Slack takes about one post a second in each channel, and short bursts.
const POST_EVERY: Duration = Duration::from_secs(1);
const POSTS_AT_ONCE: u32 = 4;
/// How far back a message whose answer was lost is looked for.
const LOST_MESSAGES_MAX: u32 = 20;
/// `metadata.event_type` of every message of Takt.
const EVENT_TYPE: &str = "takt_message";

pub struct SlackClient {
    http: reqwest::Client,
    base_url: String,
    token: SecretString,
    /// Opens connections of Socket Mode.
    app_token: Option<SecretString>,
    redactor: Redactor,
    /// Of posts to a channel, and of methods that had too many calls.
    pace: Pace,
    /// Ids of channels that were written to by name: only posting takes names.
    ids: Mutex<HashMap<String, String>>,
}

/// Where a card goes.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub channel: &'a str,
    /// The card below which it goes.
    pub thread: Option<&'a str>,
}

/// What tells one post from all others.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// The same at every attempt.
    pub id: Uuid,
    pub gate: Option<Uuid>,
    /// An earlier attempt may have arrived.
    pub tried: bool,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    pub channel: String,
    pub ts: String,
}

/// A call that gave no usable answer.
enum Failure {
    Refused(NotifyError),
    /// Sent, but the answer is missing.
    Lost(NotifyError),
}

impl SlackClient {
    pub fn new(slack: &site::Slack) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: http::client()?,
            base_url: slack.base_url.trim_end_matches('/').to_owned(),
            token: slack.bot_token.clone(),
            app_token: slack.app_token.clone(),
            redactor: Redactor::new(
                [Some(&slack.bot_token), slack.signing_secret.as_ref(), slack.app_token.as_ref()]
                    .into_iter()
                    .flatten(),
            ),
            pace: Pace::new(POST_EVERY, POSTS_AT_ONCE),
            ids: Mutex::default(),
        })
    }

    /// Posts a card. Its id goes along as metadata, so that one whose answer was lost is found again and not
    /// repeated: Slack has no idempotency key.
    pub async fn post(&self, at: Place<'_>, card: &Card, mark: Mark) -> Result<Posted, NotifyError> {
        let known = self.ids.lock().unwrap_or_else(PoisonError::into_inner).get(at.channel).cloned();
        let at = Place { channel: known.as_deref().unwrap_or(at.channel), ..at };
        if mark.tried
            && let Some(posted) = self.find(at, mark.id).await?
        {
            return Ok(posted);
        }
        self.pace.turn(at.channel).await.map_err(NotifyError::waits)?;
        let mut body = json!({
            "channel": at.channel,
            "text": card.text,
            "blocks": card.blocks,
            "metadata": { "event_type": EVENT_TYPE, "event_payload": { "id": mark.id, "gate": mark.gate } },
            "unfurl_links": false,
            "unfurl_media": false,
        });
        if let Some(thread) = at.thread {
            body["thread_ts"] = json!(thread);
        }
        match self.call("chat.postMessage", &body).await {
            Ok(answer) => {
                let posted = posted(&answer).ok_or_else(|| incomplete("chat.postMessage"))?;
                if at.channel.starts_with('#') {
                    let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
                    ids.insert(at.channel.to_owned(), posted.channel.clone());
                }
                Ok(posted)
            }
            Err(Failure::Refused(error)) => {
                // Only this channel waits; the others go on.
                if let Some(pause) = error.retry_after.filter(|_| error.retryable) {
                    self.pace.hold(at.channel, pause);
                }
                Err(error)
            }
            Err(Failure::Lost(error)) => match self.find(at, mark.id).await {
                Ok(Some(posted)) => Ok(posted),
                Ok(None) | Err(_) => Err(error),
            },
        }
    }

    pub async fn update(&self, at: &Posted, text: &str, blocks: &[Block]) -> Result<(), NotifyError> {
        let body = json!({ "channel": at.channel, "ts": at.ts, "text": text, "blocks": blocks });
        self.ask("chat.update", &body).await.map(drop)
    }

    /// Says something to one person in a channel; nobody else sees it, and it is gone after a reload.
    pub async fn post_ephemeral(&self, channel: &str, user: &str, text: &str) -> Result<(), NotifyError> {
        let body = json!({ "channel": channel, "user": user, "text": text });
        self.ask("chat.postEphemeral", &body).await.map(drop)
    }

    /// Slack's id of the person with this mail address.
    pub async fn user_by_email(&self, email: &str) -> Result<String, NotifyError> {
        let answer = self.get("users.lookupByEmail", &[("email", email)]).await?;
        let id = answer.pointer("/user/id").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| incomplete("users.lookupByEmail"))
    }

    /// The mail address that Slack knows of a user, where it tells.
    pub async fn address_of(&self, user: &str) -> Result<Option<String>, NotifyError> {
        let answer = self.get("users.info", &[("user", user)]).await?;
        Ok(answer.pointer("/user/profile/email").and_then(Value::as_str).map(str::to_owned))
    }

    /// Opens a dialog; `trigger_id` is good for three seconds.
    pub async fn open_view(&self, trigger_id: &str, view: &View) -> Result<(), NotifyError> {
        self.ask("views.open", &json!({ "trigger_id": trigger_id, "view": view })).await.map(drop)
    }

    /// The address that Socket Mode connects to; good for one connection.
    pub async fn open_connection(&self) -> Result<String, NotifyError> {
        let method = "apps.connections.open";
        let token =
            self.app_token.as_ref().ok_or_else(|| NotifyError::lasting("slack.app_token is missing"))?;
        let request = self.http.post(self.url(method)).body(Vec::new());
        let answer = self.exchange(method, request, token).await.map_err(Failure::into_error)?;
        let url = answer.get("url").and_then(Value::as_str);
        url.map(str::to_owned).ok_or_else(|| incomplete(method))
    }

    /// A message of ours by its id, among the latest of its place. Without the permission to read there, it counts as
    /// not arrived: a card twice is better than none.
    async fn find(&self, at: Place<'_>, id: Uuid) -> Result<Option<Posted>, NotifyError> {
        let limit = LOST_MESSAGES_MAX.to_string();
        // What was said to a person stands in the conversation with them.
        let channel = if at.channel.starts_with(['U', 'W']) {
            match self.conversation_with(at.channel).await {
                Err(error) if !error.retryable => return Ok(None),
                found => found?,
            }
        } else {
            at.channel.to_owned()
        };
        let mut query =
            vec![("channel", channel.as_str()), ("limit", &limit), ("include_all_metadata", "true")];
        let method = match at.thread {
            Some(thread) => {
                query.push(("ts", thread));
                "conversations.replies"
            }
            None => "conversations.history",
        };
        let answer = match self.get(method, &query).await {
            Err(error) if !error.retryable => {
                tracing::warn!(%error, "it cannot be looked up whether a message arrived in Slack");
                return Ok(None);
            }
            answer => answer?,
        };
        let messages = answer.get("messages").and_then(Value::as_array);
        let id = id.to_string();
        let ours = |message: &&Value| {
            message.pointer("/metadata/event_payload/id").and_then(Value::as_str) == Some(id.as_str())
        };
        let ts = messages.and_then(|all| all.iter().find(ours)?.get("ts")?.as_str());
        Ok(ts.map(|ts| Posted { channel, ts: ts.to_owned() }))
    }

    async fn conversation_with(&self, user: &str) -> Result<String, NotifyError> {
        let answer = self.ask("conversations.open", &json!({ "users": user })).await?;
        let id = answer.pointer("/channel/id").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| incomplete("conversations.open"))
    }

    async fn ask(&self, method: &str, body: &impl Serialize) -> Result<Value, NotifyError> {
        self.pace.open(method).map_err(NotifyError::waits)?;
        let asked = self.call(method, body).await.map_err(Failure::into_error);
        if let Err(NotifyError { retryable: true, retry_after: Some(pause), .. }) = &asked {
            self.pace.hold(method, *pause);
        }
        asked
    }

    async fn call(&self, method: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.exchange(method, self.http.post(self.url(method)).json(body), &self.token).await
    }

    async fn get(&self, method: &str, query: &[(&str, &str)]) -> Result<Value, NotifyError> {
        let request = self.http.get(self.url(method)).query(query);
        self.exchange(method, request, &self.token).await.map_err(Failure::into_error)
    }

    fn url(&self, method: &str) -> String {
        format!("{}/{method}", self.base_url)
    }

    async fn exchange(
        &self,
        method: &str,
        request: reqwest::RequestBuilder,
        token: &SecretString,
    ) -> Result<Value, Failure> {
        let sent = request.bearer_auth(token.expose_secret()).timeout(TIMEOUT).send().await;
        let response = sent.map_err(|error| self.unanswered(method, &error))?;
        let (status, retry_after) = (response.status(), http::retry_after(response.headers()));
        if !status.is_success() {
            return Err(Failure::Refused(failure::status(method, status.as_u16(), retry_after)));
        }
        let body = http::read_body(response, ANSWER_BYTES_MAX).await;
        let answer: Option<Value> = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
        let Some(answer) = answer else { return Err(Failure::Lost(incomplete(method))) };
        if answer.get("ok") == Some(&Value::Bool(true)) {
            return Ok(answer);
        }
        let error = answer.get("error").and_then(Value::as_str).unwrap_or("no error named");
        Err(Failure::Refused(failure::refused(method, &self.redactor.redact(error), retry_after)))
    }

    fn unanswered(&self, method: &str, error: &reqwest::Error) -> Failure {
        if error.is_connect() {
            let message = format!("cannot reach slack at {}", self.base_url);
            return Failure::Refused(NotifyError::passing(message));
        }
        if error.is_builder() {
            let message = format!("{} is no address: check slack.base_url", self.base_url);
            return Failure::Refused(NotifyError::lasting(message));
        }
        Failure::Lost(NotifyError::passing(format!("slack did not answer {method}")))
    }
}

impl Failure {
    fn into_error(self) -> NotifyError {
        match self {
            Self::Refused(error) | Self::Lost(error) => error,
        }
    }
}

fn posted(answer: &Value) -> Option<Posted> {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Posted { channel: text("channel")?, ts: text("ts")? })
}

fn incomplete(method: &str) -> NotifyError {
    NotifyError::passing(format!("slack's answer to {method} is incomplete"))
}
