//! Slack: cards with buttons, clicks that come back signed, and messages changed in place.
//!
//! Slack never decides anything: a click names a gate and a person, and `gate::decide` does the rest.

pub mod blocks;
pub mod card;
pub mod client;
mod failure;
pub mod interaction;
pub mod modal;
pub mod signature;
pub mod socket;
#[cfg(test)]
mod tests;

use crate::{
    notify::{Contact, Destination, Message, Notifier, NotifyError, Receipt, Sending},
    site::{self, Site},
};
use async_trait::async_trait;
use card::Card;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use client::{Mark, Place, Posted, SlackClient};
use serde_json::{Value, json};
use std::sync::Arc;

/// The name of this channel in the outbox.
pub const CHANNEL: &str = "slack";

pub struct SlackNotifier {
    client: Arc<SlackClient>,
    zone: Tz,
}

impl SlackNotifier {
    pub fn new(slack: &site::Slack, zone: Tz) -> Result<Self, reqwest::Error> {
        Ok(Self { client: Arc::new(SlackClient::new(slack)?), zone })
    }

    pub fn client(&self) -> &SlackClient {
        &self.client
    }

    async fn address(&self, to: &Destination) -> Result<String, NotifyError> {
        match to {
            Destination::Room { id, .. } => Ok(id.clone()),
            // A message to a user's id arrives in the conversation with the app.
            Destination::Person(Contact { id: Some(id), .. }) => Ok(id.clone()),
            Destination::Person(Contact { email: Some(email), .. }) => self.client.user_by_email(email).await,
            Destination::Person(_) => Err(NotifyError::lasting(
                "this person has neither a Slack id nor a mail address in takt.yaml",
            )),
        }
    }
}

#[async_trait]
impl Notifier for SlackNotifier {
    fn channel(&self) -> &'static str {
        CHANNEL
    }

    fn destinations(
        &self,
        site: &Site,
        role: Option<&str>,
        person: Option<&str>,
        _at: DateTime<Utc>,
    ) -> Vec<Destination> {
        destination(site, role, person).into_iter().collect()
    }

    fn has_threads(&self) -> bool {
        true
    }

    async fn send(&self, sending: &Sending<'_>) -> Result<Receipt, NotifyError> {
        let gate = match sending.message {
            Message::Ask(question) => Some(question.gate),
            Message::Tell(_) | Message::Decided(_) | Message::Follow(_) => None,
        };
        let mark = Mark { id: sending.id, gate, tried: sending.tried };
        let card = Card::of(sending.message, self.zone);
        let posted = match sending.message {
            Message::Follow(follow) => {
                let card_at = posted_at(&follow.thread)?;
                let place = Place { channel: &card_at.channel, thread: Some(&card_at.ts) };
                self.client.post(place, &card, mark).await?
            }
            _ => {
                let channel = self.address(sending.to).await?;
                self.client.post(Place { channel: &channel, thread: None }, &card, mark).await?
            }
        };
        Ok(Receipt(json!({ "channel": posted.channel, "ts": posted.ts })))
    }

    async fn update(&self, receipt: &Receipt, message: &Message) -> Result<(), NotifyError> {
        let card = Card::of(message, self.zone);
        self.client.update(&posted_at(&receipt.0)?, &card.text, &card.blocks).await
    }
}

fn posted_at(receipt: &Value) -> Result<Posted, NotifyError> {
    let text = |key: &str| receipt.get(key).and_then(Value::as_str).map(str::to_owned);
    match (text("channel"), text("ts")) {
        (Some(channel), Some(ts)) => Ok(Posted { channel, ts }),
        _ => Err(NotifyError::lasting("this receipt is not from Slack")),
    }
}

/// Where Slack reaches a role or a person of the site; the default channel where neither says more.
pub fn destination(site: &Site, role: Option<&str>, person: Option<&str>) -> Option<Destination> {
    if let Some(person) = person.and_then(|id| site.person(id))
        && (person.slack_id.is_some() || person.email.is_some())
    {
        return Some(Destination::Person(Contact::of(person, person.slack_id.clone())));
    }
    let of_role = role.and_then(|role| site.roles.get(role)?.slack_channel.clone());
    let id = of_role.or_else(|| Some(site.slack.as_ref()?.default_channel.clone()))?;
    Some(Destination::Room { id, asked: Vec::new(), later: Vec::new() })
}
