//! Who stands before a question: in their own right, for somebody who handed their answers over, or over everybody.
//!
//! While a delegation is in force the two people in it count as one: what keeps one from answering keeps the other
//! from it, and together they give one answer.

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
}

impl<'a> Asked<'a> {
    /// Whether this person is among those asked: who filled the role when it was asked, or fills it now, or stands
    /// in for one of them.
    pub fn may_answer(&self, person: &Person, now: DateTime<Utc>) -> Result<Standing, Refusal> {
        // Said first, to whoever is kept out and not of the role either.
        if self.gate.excluded.contains(&person.id) {
            return Err(Refusal::SamePerson);
        }
        let standing = if self.is_asked(&person.id, now) {
            Standing::default()
        } else {
            let delegator = self.delegators_of(&person.id).find(|delegator| self.is_asked(delegator, now));
            match delegator {
                Some(delegator) => Standing { on_behalf_of: Some(delegator.to_owned()) },
                None => return Err(Refusal::WrongRole { asked: self.addressee() }),
            }
        };
        self.is_free(&person.id)?;
        Ok(standing)
    }

    /// Whether this person may decide alone, asked or not.
    pub fn may_override(&self, person: &Person, now: DateTime<Utc>) -> Result<(), Refusal> {
        let roles = &self.site.answering.overrides;
        if !roles.iter().any(|role| self.site.holds_role(&person.id, role, now)) {
            return Err(Refusal::NoOverride);
        }
        let requester = self.gate.ask.get("requested_by").and_then(Value::as_str);
        if requester.is_some_and(|requester| self.counts_with(&person.id).contains(requester)) {
            return Err(Refusal::SamePerson);
        }
        self.is_free(&person.id)
    }

    /// Neither kept from answering nor counted already, and nobody who counts as the same person is.
    fn is_free(&self, person: &str) -> Result<(), Refusal> {
        let same = self.counts_with(person);
        if self.gate.excluded.iter().any(|excluded| same.contains(excluded.as_str())) {
            return Err(Refusal::SamePerson);
        }
        let counted = self.votes.iter().find(|vote| vote.people().any(|voter| same.contains(voter)));
        match counted {
            Some(vote) => Err(Refusal::Counted { by: self.name(&vote.person) }),
            None => Ok(()),
        }
    }

    fn is_asked(&self, person: &str, now: DateTime<Utc>) -> bool {
        let gate = self.gate;
        let by_role = gate.role.as_ref().is_some_and(|role| {
            let holds =
                self.site.holds_role(person, role, gate.opened_at) || self.site.holds_role(person, role, now);
            let there =
                self.site.person(person).is_some_and(|one| self.site.reaches(one, role, &place_of(gate)));
            holds && there
        });
        by_role || gate.person.as_deref() == Some(person)
    }

    fn covering(&self) -> impl Iterator<Item = &'a Delegation> {
        let (site, gate) = (self.site, self.gate);
        self.delegations.iter().filter(move |delegation| covers(delegation, site, gate))
    }

    fn delegators_of(&self, person: &str) -> impl Iterator<Item = &'a str> {
        let given = self.covering().filter(move |delegation| delegation.delegate == person);
        given.map(|delegation| delegation.person.as_str())
    }

    /// The person, and those at the other end of a delegation.
    pub(super) fn counts_with<'b>(&'b self, person: &'b str) -> BTreeSet<&'b str> {
        let mut same = BTreeSet::from([person]);
        for delegation in self.covering() {
            if delegation.person == person {
                same.insert(&delegation.delegate);
            } else if delegation.delegate == person {
                same.insert(&delegation.person);
            }
        }
        same
    }

    /// "Lee Tanaka for Sam Carter until 30 Nov 18:00", for each who stands in for somebody asked.
    pub fn stand_ins(&self, zone: Tz, now: DateTime<Utc>) -> Vec<String> {
        let asked = self.covering().filter(|delegation| self.is_asked(&delegation.person, now));
        asked
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
