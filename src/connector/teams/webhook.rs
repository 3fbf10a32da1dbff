//! The Workflows webhook of Teams: cards go out, answers come in on the page that the card opens. Cards stay as they were
//! sent; the page says who was faster.

use super::{
    card::{Viewer, card, summary},
    client::card_message,
};
use crate::{
    connector::http,
    notify::{Destination, Message, Notifier, NotifyError, Receipt, Sending},
    site::{Site, TeamsWebhook},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::time::Duration;

/// The name of this channel in the outbox.
pub const CHANNEL: &str = "teams_webhook";
const TIMEOUT: Duration = Duration::from_secs(15);
/// The room of roles without an address of their own.
const ALL: &str = "";

pub struct WebhookNotifier {
    http: reqwest::Client,
    settings: TeamsWebhook,
    zone: Tz,
}

impl WebhookNotifier {
    pub fn new(settings: &TeamsWebhook, zone: Tz) -> Result<Self, reqwest::Error> {
        Ok(Self { http: http::client()?, settings: settings.clone(), zone })
    }
}

#[async_trait]
impl Notifier for WebhookNotifier {
    fn channel(&self) -> &'static str {
        CHANNEL
    }

    fn destinations(
        &self,
        _site: &Site,
        role: Option<&str>,
        _person: Option<&str>,
        _at: DateTime<Utc>,
    ) -> Vec<Destination> {
        let own = role.filter(|role| self.settings.roles.contains_key(*role));
        vec![Destination::Room { id: own.unwrap_or(ALL).to_owned(), asked: Vec::new(), later: Vec::new() }]
    }

    fn carries(&self, message: &Message, _of_gate: bool) -> bool {
        matches!(message, Message::Ask(_) | Message::Tell(_))
    }

    async fn send(&self, sending: &Sending<'_>) -> Result<Receipt, NotifyError> {
        let own = sending.to.room().and_then(|role| self.settings.roles.get(role));
        let url = own.unwrap_or(&self.settings.url).expose_secret();
        let card = card(sending.message, self.zone, &Viewer::Outbound);
        let mut body = card_message(&card, &summary(sending.message, self.zone));
        body["attachments"][0]["contentUrl"] = Value::Null;
        let sent = self.http.post(url).json(&body).timeout(TIMEOUT).send().await;
        // The address is a secret, and errors of the client name it.
        let response =
            sent.map_err(|_| NotifyError::passing("the Workflows webhook of Teams does not answer"))?;
        let status = response.status();
        if status.is_success() {
            return Ok(Receipt(json!({ "status": status.as_u16() })));
        }
        let message = format!("the Workflows webhook of Teams answered {}", status.as_u16());
        let passes = status.is_server_error() || status.as_u16() == 429;
        let error = if passes { NotifyError::passing(message) } else { NotifyError::lasting(message) };
        Err(error.after(http::retry_after(response.headers())))
    }

    async fn update(&self, _receipt: &Receipt, _message: &Message) -> Result<(), NotifyError> {
        Ok(())
    }
}
