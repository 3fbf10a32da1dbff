//! Who stands before a question: in their own right, for somebody who handed their answers over, or over everybody.
//!
//! A delegation adds a way to answer and takes none away: only an answer that was given for somebody counts both people.

use super::policy::{Refusal, place_of};
use crate::{
    site::{Person, Site},
    store::{
        delegations::Delegation,
        gates::{Gate, Vote},
    },
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use std::collections::BTreeSet;

/// An open question with everything that decides who may answer it. Pure data: no database behind it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub site: &'a Site,
    pub gate: &'a Gate,
    /// Given so far.
    pub votes: &'a [Vote],
    /// Those in force now.
    pub delegations: &'a [Delegation],
}

/// As whom somebody may answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    pub on_behalf_of: Option<String>,
    /// The program that says they handed their answers over.
    pub handed_over_by: Option<String>,
}

impl Standing {
    /// In the place of whoever handed over.
    pub fn of(given: &Delegation) -> Self {
        Self { on_behalf_of: Some(given.person.clone()), handed_over_by: given.named_by.clone() }
    }
}

impl<'a> Asked<'a> {
    /// Whether this person is among those asked: who filled the role when it was asked, or fills it now, or stands
    /// in for one of them. Whoever is asked answers in their own right, whatever others have handed to them.
    pub fn may_answer(&self, person: &Person, now: DateTime<Utc>) -> Result<Standing, Refusal> {
        self.is_free(&person.id)?;
        if self.is_asked(&person.id, now) {
            return Ok(Standing::default());
        }
        let mut refusal = Refusal::WrongRole { asked: self.addressee() };
        let mut given: Vec<_> =
            self.given_to(&person.id).filter(|given| self.is_asked(&given.person, now)).collect();
        // What people handed over by themselves comes first: with a program's word an answer may be refused.
        given.sort_by_key(|given| given.named_by.is_some());
        for given in given {
            match self.is_free(&given.person) {
                Ok(()) => return Ok(Standing::of(given)),
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }

    /// Whether this person may decide alone, asked or not.
    pub fn may_override(&self, person: &Person, now: DateTime<Utc>) -> Result<(), Refusal> {
        let roles = &self.site.answering.overrides;
        let (id, place) = (&person.id, place_of(self.gate));
        let counts_here =
            |role: &String| self.site.holds_role(id, role, now) && self.site.reaches(person, role, &place);
        if !roles.iter().any(counts_here) {
            return Err(Refusal::NoOverride);
        }
        if self.gate.ask.get("requested_by").and_then(Value::as_str) == Some(id) {
            return Err(Refusal::SamePerson);
        }
        self.is_free(id)
    }

    /// Neither kept from answering nor counted already, by an answer of their own or one that was given for them.
    fn is_free(&self, person: &str) -> Result<(), Refusal> {
        if self.gate.excluded.iter().any(|excluded| excluded == person) {
            return Err(Refusal::SamePerson);
        }
        match self.votes.iter().find(|vote| vote.people().any(|voter| voter == person)) {
            Some(vote) => Err(Refusal::Counted { by: self.name(&vote.person) }),
            None => Ok(()),
        }
    }

    fn is_asked(&self, person: &str, now: DateTime<Utc>) -> bool {
        let gate = self.gate;
        let by_role = gate.role.as_ref().is_some_and(|role| {
            let holds =
                self.site.holds_role(person, role, gate.asked_at) || self.site.holds_role(person, role, now);
            let there =
                self.site.person(person).is_some_and(|one| self.site.reaches(one, role, &place_of(gate)));
            holds && there
        });
        by_role || gate.person.as_deref() == Some(person)
    }

    /// Who may answer now and was not reached by the asking: who came on shift or on duty since, and who stands in for
    /// them.
    pub fn newcomers(&self, now: DateTime<Utc>) -> Vec<&'a Person> {
        let reached = self.reached();
        let is_new = |person: &&Person| !reached.contains(&person.id) && self.may_answer(person, now).is_ok();
        self.site.people.iter().filter(is_new).collect()
    }

    /// Who was asked, as it was found out then, and who stands in for one of them.
    fn reached(&self) -> BTreeSet<String> {
        let gate = self.gate;
        let mut reached: BTreeSet<String> = gate.asked_people().into_iter().map(|person| person.id).collect();
        reached.extend(gate.person.clone());
        // Questions of older versions do not say who that was.
        if let (true, Some(role)) = (reached.is_empty(), &gate.role) {
            let asked = self.site.people_asked(role, gate.asked_at, &place_of(gate));
            reached.extend(asked.into_iter().map(|person| person.id.clone()));
        }
        let delegates: Vec<String> = self
            .covering()
            .filter(|given| reached.contains(&given.person))
            .map(|given| given.delegate.clone())
            .collect();
        reached.extend(delegates);
        reached
    }

    fn covering(&self) -> impl Iterator<Item = &'a Delegation> {
        let (site, gate) = (self.site, self.gate);
        self.delegations.iter().filter(move |delegation| covers(delegation, site, gate))
    }

    fn given_to(&self, person: &str) -> impl Iterator<Item = &'a Delegation> {
        self.covering().filter(move |delegation| delegation.delegate == person)
    }

    fn standing_in(&self, now: DateTime<Utc>) -> impl Iterator<Item = &'a Delegation> {
        self.covering().filter(move |delegation| {
            self.is_asked(&delegation.person, now) && self.is_free(&delegation.person).is_ok()
        })
    }

    /// Ids of those who stand in for somebody asked who may answer.
    pub fn delegates(&self, now: DateTime<Utc>) -> Vec<String> {
        self.standing_in(now).map(|delegation| delegation.delegate.clone()).collect()
    }

    /// "Lee Tanaka for Sam Carter until 30 Nov 18:00", for each who stands in for somebody asked.
    pub fn stand_ins(&self, zone: Tz, now: DateTime<Utc>) -> Vec<String> {
        self.standing_in(now)
            .map(|delegation| {
                let until = delegation.until.with_timezone(&zone).format("%-d %b %H:%M");
                format!(
                    "{} for {} until {until}",
                    self.name(&delegation.delegate),
                    self.name(&delegation.person)
                )
            })
            .collect()
    }

    pub fn name(&self, person: &str) -> String {
        name_of(self.site, person)
    }

    fn addressee(&self) -> String {
        match (&self.gate.role, &self.gate.person) {
            (Some(role), _) => self.site.role_title(role).to_owned(),
            (None, Some(person)) => self.name(person),
            (None, None) => "nobody".to_owned(),
        }
    }
}

pub(super) fn name_of(site: &Site, person: &str) -> String {
    site.person(person).map_or(person, |person| &person.name).to_owned()
}

/// Whether what this question asks was handed over; a role derived from another goes with that one.
fn covers(delegation: &Delegation, site: &Site, gate: &Gate) -> bool {
    let Some(handed) = &delegation.role else { return true };
    let Some(asked) = &gate.role else { return false };
    asked == handed || site.roles.get(asked).is_some_and(|role| role.from.as_ref() == Some(handed))
}
