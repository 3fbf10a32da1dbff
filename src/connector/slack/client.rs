//! The few Web API methods Takt needs. Success is `ok` in the body, not the status.

use super::{
    blocks::{Block, View},
    card::Card,
    failure,
};
use crate::{
    connector::{http, redact::Redactor},
    notify::NotifyError,
    site,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How far back a message whose answer was lost is looked for.
const LOST_MESSAGES_MAX: u32 = 20;
/// `metadata.event_type` of every message of Takt.
const EVENT_TYPE: &str = "takt_message";

pub struct SlackClient {
    http: reqwest::Client,
    base_url: String,
    token: SecretString,
    redactor: Redactor,
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
            redactor: Redactor::new([&slack.bot_token, &slack.signing_secret]),
        })
    }

    /// Posts a card. An id of the post goes along as metadata, so that one whose answer was lost is found
    /// again and not repeated: Slack has no idempotency key.
    pub async fn post(&self, channel: &str, card: &Card, gate: Option<Uuid>) -> Result<Posted, NotifyError> {
        let id = Uuid::new_v4();
        let body = json!({
            "channel": channel,
            "text": card.text,
            "blocks": card.blocks,
            "metadata": { "event_type": EVENT_TYPE, "event_payload": { "id": id, "gate": gate } },
            "unfurl_links": false,
            "unfurl_media": false,
        });
        let answer = match self.call("chat.postMessage", &body).await {
            Ok(answer) => answer,
            Err(Failure::Refused(error)) => return Err(error),
            Err(Failure::Lost(error)) => {
                return match self.find(channel, id).await {
                    Ok(Some(posted)) => Ok(posted),
                    Ok(None) | Err(_) => Err(error),
                };
            }
        };
        posted(&answer).ok_or_else(|| incomplete("chat.postMessage"))
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

    /// Opens a dialog; `trigger_id` is good for three seconds.
    pub async fn open_view(&self, trigger_id: &str, view: &View) -> Result<(), NotifyError> {
        self.ask("views.open", &json!({ "trigger_id": trigger_id, "view": view })).await.map(drop)
    }

    async fn find(&self, channel: &str, id: Uuid) -> Result<Option<Posted>, NotifyError> {
        let limit = LOST_MESSAGES_MAX.to_string();
        let query = [("channel", channel), ("limit", limit.as_str()), ("include_all_metadata", "true")];
        let answer = self.get("conversations.history", &query).await?;
        let messages = answer.get("messages").and_then(Value::as_array);
        let id = id.to_string();
        let ours = |message: &&Value| {
            message.pointer("/metadata/event_payload/id").and_then(Value::as_str) == Some(id.as_str())
        };
        let ts = messages.and_then(|all| all.iter().find(ours)?.get("ts")?.as_str());
        Ok(ts.map(|ts| Posted { channel: channel.to_owned(), ts: ts.to_owned() }))
    }

    async fn ask(&self, method: &str, body: &impl Serialize) -> Result<Value, NotifyError> {
        self.call(method, body).await.map_err(Failure::into_error)
    }

    async fn call(&self, method: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.exchange(method, self.http.post(self.url(method)).json(body)).await
    }

    async fn get(&self, method: &str, query: &[(&str, &str)]) -> Result<Value, NotifyError> {
        let request = self.http.get(self.url(method)).query(query);
        self.exchange(method, request).await.map_err(Failure::into_error)
    }

    fn url(&self, method: &str) -> String {
        format!("{}/{method}", self.base_url)
    }

    async fn exchange(&self, method: &str, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let sent = request.bearer_auth(self.token.expose_secret()).timeout(TIMEOUT).send().await;
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
        let refused = |message: String, retryable| NotifyError { retryable, retry_after: None, message };
        if error.is_connect() {
            return Failure::Refused(refused(format!("cannot reach slack at {}", self.base_url), true));
        }
        if error.is_builder() {
            return Failure::Refused(refused(
                format!("{} is no address: check slack.base_url", self.base_url),
                false,
            ));
        }
        Failure::Lost(refused(format!("slack did not answer {method}"), true))
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
    let message = format!("slack's answer to {method} is incomplete");
    NotifyError { retryable: true, retry_after: None, message }
}
