use super::Source;
use crate::tool::DataClass;
use chrono_tz::Tz;
use secrecy::SecretString;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Everything a plant declares about itself.
#[derive(Debug, Clone)]
pub struct Site {
    /// The folder that holds `takt.yaml`, `workflows/`, `prompts/`, …
    pub folder: PathBuf,
    pub name: String,
    pub time_zone: Tz,
    pub people: Vec<Person>,
    pub roles: BTreeMap<String, Role>,
    pub shifts: Vec<Shift>,
    /// Whose turn it is in a role, where that is not everybody who has it.
    pub on_call: BTreeMap<String, Vec<super::Turn>>,
    /// Working days and hours by name, as cron triggers refer to them.
    pub calendars: BTreeMap<String, super::Calendar>,
    pub ladders: BTreeMap<String, Ladder>,
    /// First is preferred; empty means every agent step runs on its fallback.
    pub models: Vec<ModelEndpoint>,
    /// What models are not shown, besides what connectors classify.
    pub agents: super::Agents,
    pub slack: Option<Slack>,
    /// What outside assistants may use; `None` means that the site has no MCP server.
    pub mcp: Option<super::McpServer>,
    pub teams: Option<super::Teams>,
    pub teams_webhook: Option<super::TeamsWebhook>,
    pub mail: Option<super::Mail>,
    /// Webhook sources by name: `POST /hooks/{name}`.
    pub sources: BTreeMap<String, Source>,
    /// Connected systems by name, as `connectors/*.yaml` refer to them.
    pub systems: BTreeMap<String, System>,
    pub limits: Limits,
    /// Roles that may cancel, pause, retry and move runs.
    pub operators: Vec<String>,
    /// How people and programs get in, and how far they reach.
    pub access: super::Access,
    pub retention: Retention,
    /// Reasons people give, and who may decide alone.
    pub answering: super::Answering,
    pub audit: super::Audit,
    /// Free values, visible to workflows as `site.values.<name>`.
    pub values: serde_json::Map<String, serde_json::Value>,
    /// What the file says of workflows and tools.
    pub mentions: Vec<super::Mention>,
    /// What is switched off and why, one sentence each: for the start-up lines.
    pub notices: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Person {
    /// The SSO subject, or the sign-in name of a local person.
    pub id: String,
    pub name: String,
    pub email: Option<String>,
    pub slack_id: Option<String>,
    /// The object id of Microsoft Entra.
    pub teams_id: Option<String>,
    /// The subject at the identity provider, where it is not the id.
    pub subject: Option<String>,
    pub roles: Vec<String>,
    /// Where a role is held, when that is not the whole plant.
    pub reach: BTreeMap<String, super::Reach>,
    /// Shifts this person works; empty means always reachable.
    pub shifts: Vec<String>,
    /// Argon2 hash of a local password; `None` means no local sign-in.
    pub password_hash: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Role {
    pub title: String,
    /// The role that people are given, when this one is that role in another shift.
    pub from: Option<String>,
    /// Whose turn it is when this role is asked.
    pub shift: RoleShift,
    /// Ladder that is climbed when nobody in this role answers.
    pub ladder: Option<String>,
    /// Slack channel that messages to this role go to.
    pub slack_channel: Option<String>,
    /// Conversation in Teams that messages to this role go to.
    pub teams_conversation: Option<String>,
}

/// Which shift's people a role means, seen from the moment it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleShift {
    /// The shift that is on.
    #[default]
    Current,
    /// The shift whose end is nearest: the outgoing side of a handover, also some minutes after it.
    Ending,
    /// The shift whose start is nearest: the incoming side.
    Starting,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    pub id: String,
    pub starts: chrono::NaiveTime,
    /// Not after `starts` when the shift crosses midnight.
    pub ends: chrono::NaiveTime,
    /// Days on which it starts to work in normal hours; for planning, who can be asked does not depend on it.
    pub days: Vec<chrono::Weekday>,
    /// Days on which it can work, paid as overtime.
    pub overtime: Vec<chrono::Weekday>,
}

/// Who is asked next when nobody answers; each rung is a role or a person.
#[derive(Debug, Clone)]
pub struct Ladder {
    pub rungs: Vec<Rung>,
}

#[derive(Debug, Clone)]
pub struct Rung {
    pub ask: Addressee,
    pub within: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressee {
    Role(String),
    Person(String),
}

#[derive(Debug, Clone)]
pub struct ModelEndpoint {
    pub name: String,
    pub base_url: String,
    pub model: String,
    pub api_key: SecretString,
    /// True for the hand-written transcripts of `demo --model authored`.
    pub authored: bool,
    pub usd_per_million_input: f64,
    pub usd_per_million_output: f64,
    pub options: EndpointOptions,
}

/// What differs from one server of the same protocol to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointOptions {
    pub server: ModelServer,
    /// Azure's address by deployment wants one; its newer one does not.
    pub api_version: Option<String>,
    pub corrections: Corrections,
    /// Classes of data that may be sent there, masked as they are; empty means all.
    pub data: Vec<DataClass>,
    pub timeouts: ModelTimeouts,
    /// Whether it may be asked to stream while somebody looks on; `None` means what is usual for its kind.
    pub stream: Option<bool>,
    /// Of all workers together; `None` means that the site says nothing.
    pub requests: Option<super::Rate>,
    pub tokens: Option<super::Rate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModelServer {
    #[default]
    OpenAi,
    Azure,
    Vllm,
    Ollama,
    LlamaCpp,
    Compatible,
}

/// Where a server can more or less than is assumed of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Corrections {
    pub strict: Option<bool>,
    pub json_schema: Option<bool>,
    pub tool_choice: Option<bool>,
    pub max_completion_tokens: Option<bool>,
    pub store: Option<bool>,
}

/// Each bounds one attempt; a step's own limits bound it further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelTimeouts {
    pub connect: Duration,
    /// Until the answer begins.
    pub first_byte: Duration,
    /// Until the answer is whole.
    pub total: Duration,
}

impl Default for ModelTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(60),
            total: Duration::from_secs(120),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Slack {
    pub base_url: String,
    pub bot_token: SecretString,
    /// Proves what Slack posts to Takt; absent where nothing comes in from outside.
    pub signing_secret: Option<SecretString>,
    /// Opens Socket Mode.
    pub app_token: Option<SecretString>,
    pub default_channel: String,
}

#[derive(Debug, Clone)]
pub struct System {
    /// Empty for a program.
    pub base_url: String,
    /// Started by Takt instead of reached at an address.
    pub command: Option<Command>,
    /// Credentials by the name a connector file uses.
    pub secrets: BTreeMap<String, SecretString>,
    /// True where the other side is Takt's plant simulator.
    pub simulator: bool,
}

/// A program that serves tools.
#[derive(Debug, Clone)]
pub struct Command {
    /// A path, from the site's folder on; or a name that the `PATH` of `env` finds.
    pub program: String,
    pub args: Vec<String>,
    /// All it is given of an environment.
    pub env: BTreeMap<String, SecretString>,
    /// Those of `env` that are references: they are kept out of logs and errors.
    pub references: Vec<String>,
}

impl Command {
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.references.iter().filter_map(|name| self.env.get(name))
    }
}

#[derive(Debug, Clone)]
pub struct Limits {
    pub event_bytes_max: usize,
    /// One output, note, input or message.
    pub payload_bytes_max: usize,
    /// Everything in the journal of one run.
    pub run_bytes_max: usize,
    pub webhook_age_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes_max: 256 * 1024,
            payload_bytes_max: 4 * 1024 * 1024,
            run_bytes_max: 64 * 1024 * 1024,
            webhook_age_max: Duration::from_secs(300),
        }
    }
}

/// How long things are kept; what has no time is kept for good. Records of the audit trail always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Journal and payloads, by the day a run began.
    pub journal: Option<Duration>,
    pub events: Option<Duration>,
    pub messages: Option<Duration>,
    /// The list of runs with its questions and answers; not before the journal goes.
    pub runs: Option<Duration>,
}
