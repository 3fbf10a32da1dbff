//! Slack: cards with buttons, clicks that come back signed, and messages changed in place.
//!
//! Slack never decides anything: a click names a gate and a person, and `gate::decide` does the rest.

pub mod blocks;
pub mod card;
pub mod client;
mod failure;
pub mod interaction;
pub mod modal;
pub mod press;
pub mod signature;
#[cfg(test)]
mod tests;

use crate::{
    notify::{Destination, Message, Notifier, NotifyError, Receipt},
    site::{self, Site},
};
use async_trait::async_trait;
use card::Card;
use chrono_tz::Tz;
use client::{Posted, SlackClient};
use serde_json::{Value, json};

/// The name of this channel in the outbox.
pub const CHANNEL: &str = "slack";

pub struct SlackNotifier {
    client: SlackClient,
    zone: Tz,
}

impl SlackNotifier {
    pub fn new(slack: &site::Slack, zone: Tz) -> Result<Self, reqwest::Error> {
        Ok(Self { client: SlackClient::new(slack)?, zone })
    }

    pub fn client(&self) -> &SlackClient {
        &self.client
    }

    async fn address(&self, to: &Destination) -> Result<String, NotifyError> {
        match to {
            Destination::Room(room) => Ok(room.clone()),
            // A message to a user's id arrives in the conversation with the app.
            Destination::Person { id: Some(id), .. } => Ok(id.clone()),
            Destination::Person { id: None, email: Some(email) } => self.client.user_by_email(email).await,
            Destination::Person { id: None, email: None } => Err(NotifyError {
                retryable: false,
                retry_after: None,
                message: "this person has neither a Slack id nor a mail address in takt.yaml".to_owned(),
            }),
        }
    }
}

#[async_trait]
impl Notifier for SlackNotifier {
    fn channel(&self) -> &'static str {
        CHANNEL
    }

    async fn send(&self, message: &Message, to: &Destination) -> Result<Receipt, NotifyError> {
        let gate = match message {
            Message::Ask(question) => Some(question.gate),
            Message::Tell(_) | Message::Decided(_) => None,
        };
        let posted = self.client.post(&self.address(to).await?, &Card::of(message, self.zone), gate).await?;
        Ok(Receipt(json!({ "channel": posted.channel, "ts": posted.ts })))
    }

    async fn update(&self, receipt: &Receipt, message: &Message) -> Result<(), NotifyError> {
        let text = |key: &str| receipt.0.get(key).and_then(Value::as_str).map(str::to_owned);
        let (Some(channel), Some(ts)) = (text("channel"), text("ts")) else {
            let message = "this receipt is not from Slack".to_owned();
            return Err(NotifyError { retryable: false, retry_after: None, message });
        };
        let card = Card::of(message, self.zone);
        self.client.update(&Posted { channel, ts }, &card.text, &card.blocks).await
    }
}

/// Where Slack reaches a role or a person of the site; the default channel where neither says more.
pub fn destination(site: &Site, role: Option<&str>, person: Option<&str>) -> Option<Destination> {
    if let Some(person) = person.and_then(|id| site.person(id)) {
        let (id, email) = (person.slack_id.clone(), person.email.clone());
        if id.is_some() || email.is_some() {
            return Some(Destination::Person { id, email });
        }
    }
    let of_role = role.and_then(|role| site.roles.get(role)?.slack_channel.clone());
    let room = of_role.or_else(|| Some(site.slack.as_ref()?.default_channel.clone()))?;
    Some(Destination::Room(room))
}
