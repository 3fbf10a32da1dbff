//! Who may use which tool: the one place where scopes are asked.

use super::Desk;
use crate::{
    http::auth::Caller,
    run::Actor,
    site::{Person, Scope},
    tool::{Effect, ToolSpec},
};

/// A write never; the rest where the site offers it and the caller has every scope it asks for.
pub(super) fn may_use(desk: &Desk, caller: &Caller, spec: &ToolSpec) -> bool {
    spec.effect != Effect::Write
        && desk.settings.tools.iter().any(|pattern| pattern.fits(&spec.name))
        && spec.scopes.iter().all(|scope| has_scope(caller, scope))
}

/// A person has the scopes that are called like the roles it holds everywhere. A program has those of the person it names
/// only where it may act for people.
fn has_scope(caller: &Caller, scope: &str) -> bool {
    let held =
        |person: &Person| person.roles.iter().any(|role| role == scope) && !person.reach.contains_key(scope);
    caller.has(Scope::GatesAnswer) && caller.person.as_ref().is_some_and(held)
}

/// What is asked of people is for people, and for programs that may read questions.
pub(super) fn may_list_gates(caller: &Caller) -> bool {
    caller.has(Scope::GatesRead)
}

/// As the audit trail knows the caller.
pub(super) fn actor(caller: &Caller) -> Actor {
    caller.actor().unwrap_or_else(|| Actor::service(caller.channel))
}

/// As the limit counts: a program by itself, whomever it names.
pub(super) fn counted(caller: &Caller) -> String {
    match &caller.service {
        Some(account) => Actor::service(&account.id).name().to_owned(),
        None => actor(caller).name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        http::mcp::own,
        site::{McpServer, Reach, ServiceAccount, ToolPattern},
    };
    use governor::{Quota, RateLimiter};
    use std::{
        collections::{BTreeMap, BTreeSet},
        num::NonZeroU32,
    };

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

    fn account(scopes: &[Scope]) -> Caller {
        let account = ServiceAccount {
            id: "mes".to_owned(),
            title: "MES".to_owned(),
            token_hash: String::new().into(),
            scopes: scopes.iter().copied().collect(),
            workflows: BTreeSet::new(),
            reach: Reach::default(),
        };
        Caller { service: Some(account), ..caller(Some(&["planner"])) }
    }

    #[test]
    fn a_program_has_a_persons_scopes_only_where_it_acts_for_people_and_counts_as_itself() {
        let open = desk(vec![ToolPattern::All]);
        let costs = tool("erp.costs", Effect::Read, &["planner"]);
        let (reader, answerer) = (account(&[Scope::Tools]), account(&[Scope::Tools, Scope::GatesAnswer]));
        assert!(!may_use(&open, &reader, &costs) && may_use(&open, &answerer, &costs));
        assert!(!may_list_gates(&reader) && may_list_gates(&account(&[Scope::GatesRead])));
        assert_eq!(counted(&reader), "service:mes");
        assert_eq!((actor(&reader).name(), actor(&reader).auth()), ("sam", Some("service:mes")));

        let mut limited = caller(Some(&["planner"]));
        let person = limited.person.as_mut().expect("a person");
        person.reach.insert("planner".to_owned(), Reach::default());
        assert!(!may_use(&open, &limited, &costs), "a role that is held on a line is no scope of the plant");
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
