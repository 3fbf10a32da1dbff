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
    caller.actor().unwrap_or_else(|| caller.channel.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        http::mcp::own,
        site::{McpServer, Person, ToolPattern},
    };
    use governor::{Quota, RateLimiter};
    use std::{collections::BTreeMap, num::NonZeroU32};

    fn desk(tools: Vec<ToolPattern>) -> Desk {
        let settings = McpServer { tools, mask: true, origins: vec![], requests_per_minute: 1 };
        let limit = RateLimiter::keyed(Quota::per_minute(NonZeroU32::MIN));
        Desk { settings, limit, mask_key: [0; 32] }
    }

    fn caller(roles: Option<&[&str]>) -> Caller {
        let person = roles.map(|roles| Person {
            id: "sam".to_owned(),
            name: "Sam".to_owned(),
            email: None,
            slack_id: None,
            teams_id: None,
            subject: None,
            reach: BTreeMap::new(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            shifts: vec![],
            password_hash: None,
        });
        Caller { person, service: None, channel: "api" }
    }

    fn tool(name: &str, effect: Effect, scopes: &[&str]) -> ToolSpec {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        ToolSpec { name: name.parse().expect("a name"), effect, scopes, ..own::open_gates() }
    }

    #[test]
    fn a_write_is_for_nobody_and_a_scope_for_those_who_have_it() {
        let open = desk(vec![ToolPattern::All]);
        let (nobody, planner) = (caller(None), caller(Some(&["planner"])));
        let write = tool("plex.update_sequence", Effect::Write, &[]);
        assert!(!may_use(&open, &nobody, &write) && !may_use(&open, &planner, &write));
        let costs = tool("erp.costs", Effect::Propose, &["planner"]);
        assert!(may_use(&open, &planner, &costs));
        assert!(!may_use(&open, &nobody, &costs) && !may_use(&open, &caller(Some(&["cook"])), &costs));
        let both = tool("erp.costs", Effect::Read, &["planner", "buyer"]);
        assert!(!may_use(&open, &planner, &both));

        let narrow = desk(vec![ToolPattern::System("plex".to_owned())]);
        assert!(may_use(&narrow, &nobody, &tool("plex.crew", Effect::Read, &[])));
        assert!(!may_use(&narrow, &nobody, &tool("plexus.crew", Effect::Read, &[])));
    }
}
