//! Chats and mail of a site: what `teams`, `teams_webhook` and `mail` say, as written and as checked.

use super::file::Text;
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A bot in Microsoft Teams.
#[derive(Debug, Clone)]
pub struct Teams {
    pub app_id: String,
    pub client_secret: SecretString,
    /// The organisation whose people are heard.
    pub tenant: String,
    pub default_conversation: Option<String>,
    /// Addresses of Microsoft's that may be given the bot's token, each without a slash at the end; the first one is used
    /// where none was heard of yet.
    pub service_urls: Vec<String>,
    /// Who signs what Teams sends, and where the keys are.
    pub issuer: String,
    pub metadata_url: String,
    /// Where the bot's own token comes from.
    pub token_url: String,
}

/// A Workflows webhook of Teams: cards go out, nothing comes in.
#[derive(Debug, Clone)]
pub struct TeamsWebhook {
    pub url: SecretString,
    /// Other addresses for some roles.
    pub roles: BTreeMap<String, SecretString>,
}

#[derive(Debug, Clone)]
pub struct Mail {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    pub credentials: Option<(String, SecretString)>,
    pub from: String,
    /// Also what nobody has to answer.
    pub notices: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte, usually port 465.
    Tls,
    /// Demanded after the greeting, usually port 587.
    StartTls,
    /// Only to this computer.
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamsFile {
    pub app_id: Text,
    pub client_secret: Text,
    pub tenant: Text,
    pub default_conversation: Option<String>,
    #[serde(default)]
    pub service_urls: Vec<Text>,
    pub issuer: Option<String>,
    pub metadata_url: Option<Text>,
    pub token_url: Option<Text>,
    #[serde(default)]
    pub optional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamsWebhookFile {
    pub url: Text,
    #[serde(default)]
    pub roles: BTreeMap<String, Text>,
    #[serde(default)]
    pub hosts: Vec<Text>,
    #[serde(default)]
    pub optional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MailFile {
    pub host: Text,
    pub port: Option<Text>,
    pub encryption: Option<Text>,
    pub user: Option<Text>,
    pub password: Option<Text>,
    pub from: Text,
    #[serde(default)]
    pub notices: bool,
    #[serde(default)]
    pub optional: bool,
}
