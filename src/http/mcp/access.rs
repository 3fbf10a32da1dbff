//! Who may use which tool: the one place where scopes are asked.

use super::Desk;
use crate::{
    http::auth::Caller,
    tool::{Effect, ToolSpec},
};

/// A write never; the rest where the site offers it and the caller has every scope it asks for.
pub(super) fn may_use(desk: &Desk, caller: &Caller, spec: &ToolSpec) -> bool {
    spec.effect != Effect::Write
        && desk.settings.tools.iter().any(|pattern| pattern.fits(&spec.name))
        && spec.scopes.iter().all(|scope| has_scope(caller, scope))
}

/// A person has the scopes that are called like its roles; a program that names nobody has none.
fn has_scope(caller: &Caller, scope: &str) -> bool {
    caller.person.as_ref().is_some_and(|person| person.roles.iter().any(|role| role == scope))
}

/// As the audit trail and the limit know the caller.
pub(super) fn actor(caller: &Caller) -> String {
    caller.person.as_ref().map_or_else(|| caller.channel.to_owned(), |person| person.id.clone())
}
