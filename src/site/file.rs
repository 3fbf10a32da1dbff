//! `takt.yaml` as it is written: the shapes serde reads, with the places that errors point at.

use super::{
    access::Section,
    access_file::*,
    channels::{MailFile, TeamsFile, TeamsWebhookFile},
    model::RoleShift,
    sources::SourceFile,
};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

pub(super) type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SiteFile {
    pub name: Text,
    pub time_zone: Text,
    pub shifts: Vec<Spanned<ShiftFile>>,
    #[serde(default)]
    pub calendars: BTreeMap<String, Spanned<CalendarFile>>,
    pub roles: BTreeMap<String, Spanned<RoleFile>>,
    pub people: Vec<Spanned<PersonFile>>,
    #[serde(default)]
    pub ladders: BTreeMap<String, Spanned<Vec<Spanned<RungFile>>>>,
    #[serde(default)]
    pub models: Vec<Spanned<ModelFile>>,
    #[serde(default)]
    pub agents: super::agents::AgentsFile,
    pub slack: Option<Spanned<SlackFile>>,
    pub mcp: Option<super::mcp::McpFile>,
    pub teams: Option<Spanned<TeamsFile>>,
    pub teams_webhook: Option<Spanned<TeamsWebhookFile>>,
    pub mail: Option<Spanned<MailFile>>,
    #[serde(default)]
    pub sources: BTreeMap<String, Spanned<SourceFile>>,
    #[serde(default)]
    pub systems: BTreeMap<String, Spanned<SystemFile>>,
    #[serde(default)]
    pub on_call: BTreeMap<String, Spanned<super::on_call::RotaFile>>,
    #[serde(default)]
    pub operators: Vec<Text>,
    /// Replaces the usual reasons for a no or a change.
    pub reasons: Option<Vec<Spanned<ReasonFile>>>,
    /// Roles that may decide an open question alone.
    #[serde(default)]
    pub overrides: Vec<Text>,
    pub override_review: Option<Text>,
    #[serde(default)]
    pub lines: BTreeMap<String, Spanned<LineFile>>,
    #[serde(default)]
    pub modules: BTreeMap<String, Spanned<ModuleFile>>,
    #[serde(default)]
    pub reading: BTreeMap<Section, Spanned<Vec<Text>>>,
    #[serde(default)]
    pub sign_in: SignInFile,
    #[serde(default)]
    pub service_accounts: BTreeMap<String, Spanned<ServiceAccountFile>>,
    #[serde(default)]
    pub partners: BTreeMap<String, Spanned<PartnerFile>>,
    pub embed: Option<EmbedFile>,
    #[serde(default)]
    pub limits: LimitsFile,
    #[serde(default)]
    pub retention: RetentionFile,
    #[serde(default)]
    pub audit: super::audit::AuditFile,
    #[serde(default)]
    pub values: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShiftFile {
    pub id: String,
    pub starts: Text,
    pub ends: Text,
    /// Absent means every day.
    pub days: Option<Vec<Text>>,
    #[serde(default)]
    pub overtime: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CalendarFile {
    /// Shifts whose hours count; absent means whole days.
    #[serde(default)]
    pub shifts: Vec<Text>,
    #[serde(default)]
    pub holidays: Vec<Text>,
    #[serde(default)]
    pub shutdowns: Vec<Spanned<ShutdownFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShutdownFile {
    pub from: Text,
    pub to: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleFile {
    pub title: String,
    pub from: Option<Text>,
    pub shift: Option<RoleShift>,
    pub ladder: Option<Text>,
    pub slack_channel: Option<String>,
    pub teams_conversation: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonFile {
    pub id: Text,
    pub name: Text,
    pub email: Option<Text>,
    pub slack_id: Option<Text>,
    pub teams_id: Option<Text>,
    /// What the identity provider calls them, where that is not their id.
    pub subject: Option<Text>,
    pub roles: Vec<Spanned<HeldFile>>,
    #[serde(default)]
    pub shifts: Vec<Text>,
    pub password_hash: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonFile {
    pub code: String,
    pub title: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RungFile {
    /// A role; exactly one of `ask` and `person` is given.
    pub ask: Option<String>,
    pub person: Option<String>,
    pub within: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    pub name: String,
    pub base_url: Text,
    pub model: Text,
    pub api_key: Text,
    /// Left out with a notice, instead of an error, when its key is not set.
    #[serde(default)]
    pub optional: bool,
    pub usd_per_million_input: f64,
    pub usd_per_million_output: f64,
    /// `openai`, `azure`, `vllm`, `ollama`, `llama_cpp`, or `compatible` for any other.
    pub server: Option<Text>,
    /// Azure's address by deployment wants one.
    pub api_version: Option<String>,
    /// Corrects what is assumed of the server.
    #[serde(default)]
    pub can: CanFile,
    /// Classes of data that may be sent there, masked as they are; left out means all.
    #[serde(default)]
    pub data: Vec<Text>,
    #[serde(default)]
    pub timeouts: ModelTimeoutsFile,
    #[serde(default)]
    pub rate: ModelRateFile,
}

/// What it may be asked by all workers together, as `60 per 1m`.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ModelRateFile {
    pub requests: Option<Text>,
    pub tokens: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CanFile {
    pub strict: Option<bool>,
    pub json_schema: Option<bool>,
    pub tool_choice: Option<bool>,
    pub max_completion_tokens: Option<bool>,
    pub store: Option<bool>,
    /// Its answers may come in pieces while somebody looks on.
    pub stream: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ModelTimeoutsFile {
    pub connect: Option<Text>,
    pub first_byte: Option<Text>,
    pub total: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlackFile {
    pub base_url: Option<Text>,
    pub bot_token: Text,
    pub signing_secret: Option<Text>,
    pub app_token: Option<Text>,
    pub default_channel: Text,
    #[serde(default)]
    pub optional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SystemFile {
    pub base_url: Option<Text>,
    /// A program that serves tools, instead of an address.
    pub command: Option<Text>,
    #[serde(default)]
    pub args: Vec<Text>,
    /// All it is given of an environment.
    #[serde(default)]
    pub env: BTreeMap<String, Text>,
    #[serde(default)]
    pub secrets: BTreeMap<String, Text>,
    #[serde(default)]
    pub simulator: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsFile {
    pub event_bytes_max: Option<Spanned<usize>>,
    pub payload_bytes_max: Option<usize>,
    pub run_bytes_max: Option<usize>,
    pub webhook_age_max: Option<Text>,
}

/// What has no time is kept for good.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RetentionFile {
    pub journal: Option<Text>,
    pub events: Option<Text>,
    pub messages: Option<Text>,
    pub runs: Option<Text>,
}
