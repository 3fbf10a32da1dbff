//! Who gets in and how far they reach: lines and modules, reading rights, sign-in, service accounts, partners.

use super::model::{Person, Site};
use secrecy::SecretString;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

/// The program that has the site's own token, `TAKT_API_TOKEN`: what it vouches for is recorded as that of an account.
pub const ROOT_ACCOUNT: &str = "root";

#[derive(Debug, Clone, Default)]
pub struct Access {
    pub lines: BTreeMap<String, Line>,
    pub modules: BTreeMap<String, Module>,
    /// Roles that may read a part of the console; a part that is not named is open to everybody of the site.
    pub reading: BTreeMap<Section, Vec<String>>,
    pub sign_in: SignIn,
    pub service_accounts: Vec<ServiceAccount>,
    /// Companies that are asked by a link, without an account.
    pub partners: BTreeMap<String, Partner>,
    pub embed: Option<Embed>,
}

/// A production line and the work centers on it.
#[derive(Debug, Clone)]
pub struct Line {
    pub title: String,
    pub work_centers: BTreeSet<String>,
}

/// A part of the business, such as maintenance, and its workflows.
#[derive(Debug, Clone)]
pub struct Module {
    pub title: String,
    pub workflows: BTreeSet<String>,
}

/// Where somebody holds a role. An empty list does not limit; what is listed does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    pub lines: BTreeSet<String>,
    pub work_centers: BTreeSet<String>,
    pub modules: BTreeSet<String>,
}

/// Where something happens, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place<'a> {
    pub work_center: Option<&'a str>,
    pub workflow: Option<&'a str>,
}

/// A part of the console that reading rights are given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    Runs,
    Schedules,
    Evals,
    Audit,
    Events,
}

#[derive(Debug, Clone)]
pub struct SignIn {
    /// Names and passwords of takt.yaml.
    pub local: bool,
    /// A session ends when it is not used for this time, and after `length` in any case.
    pub idle: Duration,
    pub length: Duration,
    pub oidc: Option<Oidc>,
    /// Reverse proxies in front of Takt, whose word about who asks is believed.
    pub proxies: Vec<IpAddr>,
}

impl Default for SignIn {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        // One shift and its handover.
        Self { local: true, idle: hours(4), length: hours(12), oidc: None, proxies: Vec::new() }
    }
}

/// The plant's identity provider (OpenID Connect).
#[derive(Debug, Clone)]
pub struct Oidc {
    /// What people call it: the words of the button.
    pub title: String,
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<SecretString>,
    pub claim: Claim,
    pub scopes: Vec<String>,
}

/// The claim that says which person of takt.yaml somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    #[default]
    Subject,
    Email,
}

/// A program with a token of its own.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    pub id: String,
    pub title: String,
    /// SHA-256 of the token, in hexadecimal.
    pub token_hash: SecretString,
    pub scopes: BTreeSet<Scope>,
    /// The only workflows it has to do with; empty means all.
    pub workflows: BTreeSet<String>,
    pub reach: Reach,
}

impl ServiceAccount {
    /// Whether it may act only somewhere.
    pub fn is_limited(&self) -> bool {
        !self.workflows.is_empty() || self.reach != Reach::default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    RunsRead,
    RunsStart,
    GatesRead,
    /// For a person that the program names, never for itself.
    GatesAnswer,
    EventsRead,
    Control,
    Schedules,
    /// Makes and revokes the links of partners.
    Partners,
    /// Lists and calls tools as an MCP client.
    Tools,
}

impl Scope {
    pub const ALL: [Self; 9] = [
        Self::RunsRead,
        Self::RunsStart,
        Self::GatesRead,
        Self::GatesAnswer,
        Self::EventsRead,
        Self::Control,
        Self::Schedules,
        Self::Partners,
        Self::Tools,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::RunsRead => "runs:read",
            Self::RunsStart => "runs:start",
            Self::GatesRead => "gates:read",
            Self::GatesAnswer => "gates:answer",
            Self::EventsRead => "events:read",
            Self::Control => "control",
            Self::Schedules => "schedules",
            Self::Partners => "partners",
            Self::Tools => "tools",
        }
    }
}

/// A supplier or another company.
#[derive(Debug, Clone)]
pub struct Partner {
    pub name: String,
}

/// Where the page of a question may be shown inside another one.
#[derive(Debug, Clone)]
pub struct Embed {
    /// Origins, as the `frame-ancestors` of a content security policy takes them.
    pub frame_ancestors: Vec<String>,
}

impl Site {
    /// The line a work center is on.
    pub fn line_of(&self, work_center: &str) -> Option<&str> {
        let mut lines = self.access.lines.iter();
        lines.find(|(_, line)| line.work_centers.contains(work_center)).map(|(id, _)| id.as_str())
    }

    /// Whether a person's role counts at this place.
    pub fn reaches(&self, person: &Person, role: &str, place: &Place) -> bool {
        person.reach.get(role).is_none_or(|reach| self.is_within(reach, place))
    }

    /// Whether a program may act at this place.
    pub fn account_reaches(&self, account: &ServiceAccount, place: &Place) -> bool {
        let is_its_own = |workflow: &str| account.workflows.contains(workflow);
        (account.workflows.is_empty() || place.workflow.is_some_and(is_its_own))
            && self.is_within(&account.reach, place)
    }

    /// Where something is limited, a place that is not known is not within it.
    fn is_within(&self, reach: &Reach, place: &Place) -> bool {
        let on_line = || place.work_center.and_then(|at| self.line_of(at));
        let at_place = (reach.lines.is_empty() && reach.work_centers.is_empty())
            || on_line().is_some_and(|line| reach.lines.contains(line))
            || place.work_center.is_some_and(|at| reach.work_centers.contains(at));
        let in_module = |workflow: &str| {
            let mut modules = reach.modules.iter().filter_map(|id| self.access.modules.get(id));
            modules.any(|module| module.workflows.contains(workflow))
        };
        at_place && (reach.modules.is_empty() || place.workflow.is_some_and(in_module))
    }

    /// Whether a person may read a part of the console; being on shift does not matter.
    pub fn may_read(&self, person: &Person, section: Section) -> bool {
        let Some(roles) = self.access.reading.get(&section) else { return true };
        person.roles.iter().any(|role| roles.contains(role))
    }

    /// Whom a claim of the identity provider names.
    pub fn person_by_claim(&self, claim: Claim, value: &str) -> Option<&Person> {
        self.people.iter().find(|person| match claim {
            Claim::Subject => person.subject.as_deref().unwrap_or(&person.id) == value,
            Claim::Email => person.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(value)),
        })
    }

    /// The lines and modules that limit a role of a person, in words; nothing where it is held everywhere.
    pub fn reach_words(&self, person: &Person, role: &str) -> Option<String> {
        let reach = person.reach.get(role)?;
        let line = |id: &String| self.access.lines.get(id).map_or(id.clone(), |line| line.title.clone());
        let module = |id: &String| self.access.modules.get(id).map_or(id.clone(), |one| one.title.clone());
        let words = reach.lines.iter().map(line);
        let words = words.chain(reach.work_centers.iter().cloned()).chain(reach.modules.iter().map(module));
        Some(words.collect::<Vec<_>>().join(", "))
    }
}
