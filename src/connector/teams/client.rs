//! The bot's side of the Bot Connector API: messages sent and changed, one token for many of them, and the token given
//! only to addresses that takt.yaml allows.

use super::{adaptive::AdaptiveCard, token::may_be_called};
use crate::{
    connector::{http, pace::Pace, redact::Redactor},
    notify::NotifyError,
    site,
};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};
use tokio::{sync::Mutex, time::Instant};

const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const SCOPE: &str = "https://api.botframework.com/.default";
/// A token is fetched again so long before it ends.
const TOKEN_SPARE: Duration = Duration::from_secs(300);
/// Seven messages a second and thread, with some room.
const SEND_EVERY: Duration = Duration::from_millis(200);
const SENT_AT_ONCE: u32 = 5;
const ROSTER_KEPT: Duration = Duration::from_secs(600);
const ROSTER_MAX: usize = 500;

pub struct TeamsClient {
    http: reqwest::Client,
    settings: site::Teams,
    token: Mutex<Option<(SecretString, Instant)>>,
    rosters: Mutex<HashMap<String, (Vec<Member>, Instant)>>,
    pace: Pace,
    redactor: Redactor,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Posted {
    pub service_url: String,
    pub conversation: String,
    pub activity: String,
    /// Who gets a view of their own there; `None` in a conversation with one person.
    #[serde(default)]
    pub asked: Option<Vec<String>>,
    /// Whose conversation it is, as far as Teams says so: their card asks how it stands whenever it is shown.
    #[serde(default)]
    pub own: Vec<String>,
}

/// The receipt of a card that nobody knew of, beside those of its question that are known. When Teams takes a card and its
/// answer is lost, the card is sent again, and of the first one no id was ever heard: there is none to send with a card,
/// and no list to look it up in. Whoever looks at it or presses its button names it.
pub fn twin(known: &[Value], conversation: &str, activity: &str) -> Option<Value> {
    let is = |receipt: &&Value, field: &str, text: &str| receipt[field] == text;
    if activity.is_empty() || known.iter().any(|receipt| is(&receipt, "activity", activity)) {
        return None;
    }
    let mut twin = known.iter().find(|receipt| is(receipt, "conversation", conversation))?.clone();
    twin["activity"] = json!(activity);
    Some(twin)
}

/// Somebody in a conversation.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub id: String,
    #[serde(alias = "objectId")]
    pub aad_object_id: Option<String>,
    /// The sign-in name, which the organisation vouches for; a mail address is only said.
    pub user_principal_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Roster {
    #[serde(default)]
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

impl TeamsClient {
    pub fn new(teams: &site::Teams) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: http::client()?,
            settings: teams.clone(),
            token: Mutex::default(),
            rosters: Mutex::default(),
            pace: Pace::new(SEND_EVERY, SENT_AT_ONCE),
            redactor: Redactor::new([&teams.client_secret]),
        })
    }

    pub fn settings(&self) -> &site::Teams {
        &self.settings
    }

    pub async fn send(
        &self,
        service_url: &str,
        conversation: &str,
        card: &AdaptiveCard,
        summary: &str,
    ) -> Result<Posted, NotifyError> {
        self.pace.turn(conversation).await.map_err(NotifyError::waits)?;
        let path = format!("/v3/conversations/{}/activities", encoded(conversation));
        let sent = self.call(Method::POST, service_url, &path, Some(&card_message(card, summary))).await;
        let answer = sent.inspect_err(|error| self.hold(conversation, error))?;
        let id = answer.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| NotifyError::passing("Teams did not say where the message stands"))?;
        Ok(Posted {
            service_url: service_url.to_owned(),
            conversation: conversation.to_owned(),
            activity: id.to_owned(),
            asked: None,
            own: Vec::new(),
        })
    }

    /// Changes a message for everybody who sees it.
    pub async fn update(&self, at: &Posted, card: &AdaptiveCard, summary: &str) -> Result<(), NotifyError> {
        self.pace.turn(&at.conversation).await.map_err(NotifyError::waits)?;
        let (conversation, activity) = (encoded(&at.conversation), encoded(&at.activity));
        let path = format!("/v3/conversations/{conversation}/activities/{activity}");
        let mut message = card_message(card, summary);
        message["id"] = json!(at.activity);
        let changed = self.call(Method::PUT, &at.service_url, &path, Some(&message)).await;
        changed.inspect_err(|error| self.hold(&at.conversation, error)).map(drop)
    }

    pub async fn say(&self, service_url: &str, conversation: &str, text: &str) -> Result<(), NotifyError> {
        self.pace.turn(conversation).await.map_err(NotifyError::waits)?;
        let path = format!("/v3/conversations/{}/activities", encoded(conversation));
        // Plain: names of others in it are no markup.
        let message = json!({ "type": "message", "textFormat": "plain", "text": text });
        self.call(Method::POST, service_url, &path, Some(&message)).await.map(drop)
    }

    /// The conversation with a person who has not written to the bot yet.
    pub async fn converse(&self, service_url: &str, user: &str) -> Result<String, NotifyError> {
        let tenant = &self.settings.tenant;
        let body = json!({
            "isGroup": false, "bot": { "id": format!("28:{}", self.settings.app_id) }, "members": [{ "id": user }],
            "tenantId": tenant, "channelData": { "tenant": { "id": tenant } },
        });
        let answer = self.call(Method::POST, service_url, "/v3/conversations", Some(&body)).await?;
        let id = answer.get("id").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| NotifyError::passing("Teams named no conversation"))
    }

    /// Who is in a conversation; nobody when that cannot be asked.
    pub async fn roster(&self, service_url: &str, conversation: &str) -> Vec<Member> {
        let mut rosters = self.rosters.lock().await;
        if let Some((members, since)) = rosters.get(conversation)
            && since.elapsed() < ROSTER_KEPT
        {
            return members.clone();
        }
        let path = format!("/v3/conversations/{}/pagedMembers?pageSize={ROSTER_MAX}", encoded(conversation));
        let asked = self.call(Method::GET, service_url, &path, None).await;
        let read = asked.map(|answer| serde_json::from_value::<Roster>(answer).map(|roster| roster.members));
        let members = match read {
            Ok(Ok(members)) => members,
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(
                    "Teams did not say who is in a conversation: its cards show buttons to everybody"
                );
                Vec::new()
            }
        };
        rosters.retain(|_, (_, since)| since.elapsed() < ROSTER_KEPT);
        rosters.insert(conversation.to_owned(), (members.clone(), Instant::now()));
        members
    }

    pub async fn member(&self, service_url: &str, conversation: &str, id: &str) -> Option<Member> {
        let path = format!("/v3/conversations/{}/members/{}", encoded(conversation), encoded(id));
        let asked = self.call(Method::GET, service_url, &path, None).await;
        let asked = asked.inspect_err(|error| tracing::warn!(%error, "Teams did not say who somebody is"));
        serde_json::from_value(asked.ok()?).ok()
    }

    fn hold(&self, conversation: &str, error: &NotifyError) {
        if let Some(pause) = error.retry_after.filter(|_| error.retryable) {
            self.pace.hold(conversation, pause);
        }
    }

    async fn call(
        &self,
        method: Method,
        service_url: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, NotifyError> {
        if !may_be_called(&self.settings.service_urls, service_url) {
            let message =
                format!("{service_url} is not among teams.service_urls, and is not given the bot's token");
            return Err(NotifyError::lasting(message));
        }
        let url = format!("{}{path}", service_url.trim_end_matches('/'));
        let (status, answer) = self.exchange(&method, &url, body).await?;
        if status != StatusCode::UNAUTHORIZED {
            return answer;
        }
        // The token was taken back before its time: once with a new one.
        *self.token.lock().await = None;
        self.exchange(&method, &url, body).await?.1
    }

    async fn exchange(
        &self,
        method: &Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Result<Value, NotifyError>), NotifyError> {
        let token = self.token().await?;
        let mut request = self.http.request(method.clone(), url).bearer_auth(token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.timeout(TIMEOUT).send().await.map_err(|error| {
            let what = if error.is_connect() { "cannot reach" } else { "got no answer from" };
            NotifyError::passing(format!("{what} Teams"))
        })?;
        let (status, pause) = (response.status(), http::retry_after(response.headers()));
        let body = http::read_body(response, ANSWER_BYTES_MAX).await.unwrap_or_default();
        let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok((status, Ok(answer)));
        }
        let said = answer.pointer("/error/code").and_then(Value::as_str).unwrap_or("no reason given");
        let hint = match status.as_u16() {
            401 => ": check teams.app_id, teams.client_secret and teams.tenant",
            403 => ": is the bot still installed there?",
            404 => ": there is no such conversation or message",
            413 => ": the card is too large",
            _ => "",
        };
        let message = format!("Teams answered {} ({}){hint}", status.as_u16(), self.redactor.redact(said));
        let retryable = matches!(status.as_u16(), 408 | 412 | 429) || status.is_server_error();
        let error = if retryable { NotifyError::passing(message) } else { NotifyError::lasting(message) };
        Ok((status, Err(error.after(pause))))
    }

    /// One fetch serves all who wait for it.
    async fn token(&self) -> Result<SecretString, NotifyError> {
        let mut kept = self.token.lock().await;
        if let Some((token, until)) = &*kept
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.settings.app_id),
            ("client_secret", self.settings.client_secret.expose_secret()),
            ("scope", SCOPE),
        ];
        let sent = self.http.post(&self.settings.token_url).form(&form).timeout(TIMEOUT).send().await;
        let response = sent.map_err(|_| NotifyError::passing("cannot reach Microsoft's sign-in"))?;
        let (status, pause) = (response.status(), http::retry_after(response.headers()));
        if !status.is_success() {
            let message = format!(
                "Microsoft's sign-in answered {}: check teams.app_id, teams.client_secret and teams.tenant",
                status.as_u16()
            );
            let passes = status.is_server_error() || status.as_u16() == 429;
            let error = if passes { NotifyError::passing(message) } else { NotifyError::lasting(message) };
            return Err(error.after(pause));
        }
        let body = http::read_body(response, ANSWER_BYTES_MAX).await.unwrap_or_default();
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| NotifyError::passing("Microsoft's sign-in gave no token"))?;
        let token = SecretString::from(granted.access_token);
        let good_for = Duration::from_secs(granted.expires_in).saturating_sub(TOKEN_SPARE);
        *kept = Some((token.clone(), Instant::now() + good_for));
        Ok(token)
    }
}

pub(super) fn card_message(card: &AdaptiveCard, summary: &str) -> Value {
    json!({
        "type": "message", "summary": summary,
        "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "content": card }],
    })
}

/// Ids of conversations hold `:`, `@` and `;`.
fn encoded(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
