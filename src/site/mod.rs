//! `takt.yaml` and the environment, read once into a [`Site`]: people, roles, shifts, calendars, ladders,
//! models, channels, webhook sources, connected systems and limits.
//!
//! The only reader of environment variables. A secret stands in the file as a reference and is
//! resolved last, when everything else is known to be right; it is never part of an error.

mod access;
mod access_file;
mod agents;
mod answering;
mod audit;
mod calendar;
mod channels;
mod duration;
mod environment;
mod file;
mod inside;
mod load;
mod mcp;
mod mentions;
mod model;
mod on_call;
mod password;
mod people;
mod published;
mod rate;
mod reading;
mod shift;
mod sources;

#[cfg(test)]
mod identity_tests;
#[cfg(test)]
mod tests;

pub use access::{
    Access, Claim, Embed, Line, Module, Oidc, Partner, Place, ROOT_ACCOUNT, Reach, Scope, Section,
    ServiceAccount, SignIn,
};
pub use agents::Agents;
pub use answering::{Answering, OTHER, Reason};
pub use audit::Audit;
pub use calendar::{Calendar, Shutdown};
pub use channels::{Encryption, Mail, Teams, TeamsWebhook};
pub use duration::{DurationError, parse_duration};
pub use environment::{Environment, ReferenceError};
pub use inside::{is_link_outside, read_text};
pub use load::{Overrides, SiteError, SiteProblem, declared_models, words_of};
pub use mcp::{McpServer, ToolPattern};
pub use mentions::{Mention, Mentioned};
pub use model::*;
pub use on_call::Turn;
pub use password::{PasswordError, hash_password};
pub use rate::{Rate, parse_rate};
pub use shift::ShiftSpan;
pub use sources::{PARTNERS, Source, Verification};
