use super::{
    access::Place,
    model::{Person, RoleShift, Shift, Site},
};
use crate::tool::{DataClass, PATTERN};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// No shift is shorter.
const LOOK_EVERY: TimeDelta = TimeDelta::minutes(15);
/// In a week and a day everybody's turn has come.
const LOOK_AHEAD_MAX: TimeDelta = TimeDelta::days(8);

impl Site {
    pub fn person(&self, id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.id == id)
    }

    /// Names of people as they are written in full: what a file that people share is searched for.
    pub fn known_names(&self) -> Vec<(DataClass, String)> {
        self.people.iter().map(|person| (DataClass::Employee, person.name.clone())).collect()
    }

    /// What nobody outside may read, wherever it stands: people by each of their names, the words of the dictionary, and
    /// patterns, each behind a character that no text has.
    pub fn known_words(&self) -> Vec<(DataClass, String)> {
        let ids = self.people.iter().flat_map(|person| {
            let others = [&person.slack_id, &person.teams_id, &person.subject];
            std::iter::once(&person.id).chain(others.into_iter().flatten())
        });
        let ids = ids.map(|id| (DataClass::Employee, id.clone()));
        let patterns = self.agents.patterns.iter();
        let patterns = patterns.map(|(class, pattern)| (*class, format!("{PATTERN}{pattern}")));
        let words = self.agents.dictionary.iter().cloned();
        self.known_names().into_iter().chain(ids).chain(words).chain(patterns).collect()
    }

    pub fn person_by_mail(&self, address: &str) -> Option<&Person> {
        let is_theirs = |known: &String| known.eq_ignore_ascii_case(address);
        self.people.iter().find(|person| person.email.as_ref().is_some_and(is_theirs))
    }

    pub fn person_by_slack(&self, slack_id: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.slack_id.as_deref() == Some(slack_id))
    }

    /// By the mail address that Slack knows of its user; whoever has a `slack_id` is known by it alone.
    pub fn person_by_slack_address(&self, address: &str) -> Option<&Person> {
        let is_theirs = |known: &String| known.eq_ignore_ascii_case(address);
        self.people
            .iter()
            .find(|person| person.slack_id.is_none() && person.email.as_ref().is_some_and(is_theirs))
    }

    /// By the object id, or by the mail address that Teams itself vouches for.
    pub fn person_by_teams(&self, id: Option<&str>, email: Option<&str>) -> Option<&Person> {
        let same = |known: &Option<String>, given: Option<&str>| {
            known.as_deref().zip(given).is_some_and(|(known, given)| known.eq_ignore_ascii_case(given))
        };
        self.people
            .iter()
            .find(|person| same(&person.teams_id, id))
            // Whoever has an id here is known by it alone.
            .or_else(|| {
                self.people.iter().find(|person| person.teams_id.is_none() && same(&person.email, email))
            })
    }

    /// Who fills a role at a time. Pass the moment of asking, not of answering: who was asked
    /// shortly before the end of a shift may still answer after it.
    pub fn people_in_role(&self, role: &str, at: DateTime<Utc>) -> Vec<&Person> {
        let Some(declared) = self.roles.get(role) else { return Vec::new() };
        let shift = match declared.shift {
            RoleShift::Current => self.shift_at(at),
            RoleShift::Ending => self.shift_ending_near(at),
            RoleShift::Starting => self.shift_starting_near(at),
        };
        let on_call = self.on_call_for(role, at, shift);
        if on_call.is_empty() {
            return self.people.iter().filter(|person| fills(person, role, shift)).collect();
        }
        let holds = |person: &&Person| person.roles.iter().any(|held| held == role);
        self.people.iter().filter(|person| on_call.contains(&person.id.as_str())).filter(holds).collect()
    }

    /// Who fills a role at some time from one moment to another: also those whose shift or duty begins meanwhile.
    pub fn people_in_role_until(
        &self,
        role: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Vec<&Person> {
        let mut people = self.people_in_role(role, from);
        let last = until.min(from + LOOK_AHEAD_MAX);
        let looks = std::iter::successors(Some(from), |at| at.checked_add_signed(LOOK_EVERY));
        for at in looks.skip(1).take_while(|at| *at < last) {
            for person in self.people_in_role(role, at) {
                if !people.iter().any(|known| known.id == person.id) {
                    people.push(person);
                }
            }
        }
        people
    }

    pub fn holds_role(&self, person: &str, role: &str, at: DateTime<Utc>) -> bool {
        self.people_in_role(role, at).iter().any(|holder| holder.id == person)
    }

    /// Those who fill a role at a time and hold it at this place: whom a question there is for.
    pub fn people_asked(&self, role: &str, at: DateTime<Utc>, place: &Place) -> Vec<&Person> {
        let mut people = self.people_in_role(role, at);
        people.retain(|person| self.reaches(person, role, place));
        people
    }

    /// Shifts in which nobody fills this role: a gate that asks it there would wait for its ladder.
    pub fn uncovered_shifts(&self, role: &str) -> Vec<&Shift> {
        let covered = |shift: &Shift| self.people.iter().any(|p| fills(p, role, Some(shift)));
        self.shifts.iter().filter(|shift| !covered(shift)).collect()
    }

    /// Whether a person may order something of every run; being on shift does not matter.
    pub fn is_operator(&self, person: &Person) -> bool {
        person.roles.iter().any(|role| self.operators.contains(role) && !person.reach.contains_key(role))
    }

    /// Whether a person may order something of a run at this place.
    pub fn is_operator_at(&self, person: &Person, place: &Place) -> bool {
        let may = |role: &String| self.operators.contains(role) && self.reaches(person, role, place);
        person.roles.iter().any(may)
    }

    pub fn role_title<'a>(&'a self, role: &'a str) -> &'a str {
        self.roles.get(role).map_or(role, |declared| &declared.title)
    }

    /// What expressions see as `site`.
    pub fn scope(&self) -> Value {
        let shifts = self.shifts.iter().map(|shift| {
            json!({
                "id": shift.id,
                "starts": shift.starts.format("%H:%M").to_string(),
                "ends": shift.ends.format("%H:%M").to_string(),
            })
        });
        json!({
            "name": self.name,
            "time_zone": self.time_zone.name(),
            "shifts": shifts.collect::<Vec<_>>(),
            "values": self.values,
        })
    }
}

fn fills(person: &Person, role: &str, shift: Option<&Shift>) -> bool {
    let on_shift = person.shifts.is_empty() || shift.is_some_and(|shift| person.shifts.contains(&shift.id));
    on_shift && person.roles.iter().any(|held| held == role)
}
