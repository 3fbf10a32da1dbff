//! Microsoft Teams: a bot that asks in conversations and hears the answers, or a Workflows webhook that only tells.
//!
//! Teams never decides anything: a click names a gate and a person, and `gate::decide` does the rest.

pub mod activity;
pub mod adaptive;
pub mod card;
pub mod client;
mod keys;
#[cfg(test)]
mod tests;
pub mod token;
pub mod webhook;

use crate::{
    notify::{Contact, Destination, Message, Notifier, NotifyError, Receipt, Sending},
    site::{self, Site},
};
use async_trait::async_trait;
use card::{VIEWERS_MAX, Viewer, card, summary};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use client::{Posted, TeamsClient};
use serde_json::{Value, json};
use std::sync::Arc;

/// The name of this channel in the outbox.
pub const CHANNEL: &str = "teams";

pub struct TeamsNotifier {
    client: Arc<TeamsClient>,
    zone: Tz,
}

impl TeamsNotifier {
    pub fn new(teams: &site::Teams, zone: Tz) -> Result<Self, reqwest::Error> {
        Ok(Self { client: Arc::new(TeamsClient::new(teams)?), zone })
    }

    /// Service address and conversation of a place, opened where it is a person's first.
    async fn place(&self, sending: &Sending<'_>) -> Result<(String, String), NotifyError> {
        let known = |field: &str| Some(sending.reference?.get(field)?.as_str()?.to_owned());
        let usual = || self.client.settings().service_urls.first().cloned().unwrap_or_default();
        let service_url = known("service_url").unwrap_or_else(usual);
        match sending.to {
            Destination::Room { id, .. } => Ok((service_url, id.clone())),
            Destination::Person(contact) => {
                if let Some(conversation) = known("conversation") {
                    return Ok((service_url, conversation));
                }
                let nobody = || {
                    let name = &contact.name;
                    NotifyError::lasting(format!(
                        "Teams cannot reach {name}: give them a `teams_id` in takt.yaml, or let them write to the bot once"
                    ))
                };
                let id = contact.id.as_deref().ok_or_else(nobody)?;
                let conversation = self.client.converse(&service_url, id).await?;
                Ok((service_url, conversation))
            }
        }
    }

    /// Whose conversation it is: who wrote to the bot there, else the only one in it.
    async fn owner(&self, sending: &Sending<'_>, service_url: &str, conversation: &str) -> Vec<String> {
        let told = sending.reference.and_then(|known| known.pointer("/user/id")?.as_str());
        if let Some(id) = told.filter(|id| !id.is_empty()) {
            return vec![id.to_owned()];
        }
        let members = self.client.roster(service_url, conversation).await;
        match members.as_slice() {
            [one] => vec![one.id.clone()],
            _ => Vec::new(),
        }
    }

    async fn viewer(&self, sending: &Sending<'_>, service_url: &str, conversation: &str) -> Viewer {
        let Message::Ask(_) = sending.message else { return Viewer::Asked };
        let Destination::Room { asked, later, .. } = sending.to else {
            return Viewer::Own(self.owner(sending, service_url, conversation).await);
        };
        let roster = self.client.roster(service_url, conversation).await;
        let id_of = |contact: &Contact| {
            let is_them = |member: &&client::Member| match &contact.id {
                Some(id) => same(member.aad_object_id.as_deref(), id),
                None => contact
                    .email
                    .as_ref()
                    .is_some_and(|email| same(member.user_principal_name.as_deref(), email)),
            };
            roster.iter().find(is_them).map(|member| member.id.clone())
        };
        // Somebody who is asked and not found in the room could not answer there.
        let ids: Option<Vec<String>> = asked.iter().map(id_of).collect();
        let mut ids = ids.filter(|ids| ids.len() <= VIEWERS_MAX).unwrap_or_default();
        if !ids.is_empty() {
            for id in later.iter().filter_map(id_of) {
                if ids.len() < VIEWERS_MAX && !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        Viewer::Room(ids)
    }
}

fn same(told: Option<&str>, known: &str) -> bool {
    told.is_some_and(|told| told.eq_ignore_ascii_case(known))
}

#[async_trait]
impl Notifier for TeamsNotifier {
    fn channel(&self) -> &'static str {
        CHANNEL
    }

    fn destinations(
        &self,
        site: &Site,
        role: Option<&str>,
        person: Option<&str>,
        at: DateTime<Utc>,
    ) -> Vec<Destination> {
        destinations(site, role, person, at)
    }

    fn carries(&self, message: &Message, _of_gate: bool) -> bool {
        !matches!(message, Message::Follow(_))
    }

    async fn send(&self, sending: &Sending<'_>) -> Result<Receipt, NotifyError> {
        let (service_url, conversation) = self.place(sending).await?;
        let viewer = self.viewer(sending, &service_url, &conversation).await;
        let card = card(sending.message, self.zone, &viewer);
        let summary = summary(sending.message, self.zone);
        let mut posted = self.client.send(&service_url, &conversation, &card, &summary).await?;
        match viewer {
            Viewer::Room(asked) => posted.asked = Some(asked),
            Viewer::Own(own) => posted.own = own,
            Viewer::Asked | Viewer::Outbound => {}
        }
        Ok(Receipt(json!(posted)))
    }

    async fn update(&self, receipt: &Receipt, message: &Message) -> Result<(), NotifyError> {
        let posted: Posted = serde_json::from_value(receipt.0.clone())
            .map_err(|_| NotifyError::lasting("this receipt is not from Teams"))?;
        let viewer = posted.asked.clone().map_or_else(|| Viewer::Own(posted.own.clone()), Viewer::Room);
        let card = card(message, self.zone, &viewer);
        self.client.update(&posted, &card, &summary(message, self.zone)).await
    }
}

/// A person's own conversation, the role's, the default one; without any of them each person of the role.
fn destinations(
    site: &Site,
    role: Option<&str>,
    person: Option<&str>,
    at: DateTime<Utc>,
) -> Vec<Destination> {
    let contact = |person: &site::Person| Contact::of(person, person.teams_id.clone());
    if let Some(person) = person.and_then(|id| site.person(id)) {
        return vec![Destination::Person(contact(person))];
    }
    let asked: Vec<Contact> =
        role.map(|role| site.people_in_role(role, at)).unwrap_or_default().into_iter().map(contact).collect();
    let of_role = role.and_then(|role| site.roles.get(role)?.teams_conversation.clone());
    match of_role.or_else(|| site.teams.as_ref()?.default_conversation.clone()) {
        Some(id) => vec![Destination::Room { id, asked, later: Vec::new() }],
        None => asked.into_iter().map(Destination::Person).collect(),
    }
}

/// What the web door needs of Teams.
pub struct Inbound {
    pub client: TeamsClient,
    pub verifier: token::Verifier,
}

impl Inbound {
    pub fn new(teams: &site::Teams) -> Result<Self, reqwest::Error> {
        Ok(Self { client: TeamsClient::new(teams)?, verifier: token::Verifier::new(teams)? })
    }
}

/// The answer to an invoke: the card in its place, or words for whoever clicked.
pub fn replaced(card: &adaptive::AdaptiveCard) -> Value {
    json!({ "statusCode": 200, "type": "application/vnd.microsoft.card.adaptive", "value": card })
}

pub fn said(words: &str) -> Value {
    json!({ "statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": words })
}
