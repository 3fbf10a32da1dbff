//! People of takt.yaml: who they are to every door. Two who could be taken for each other are a mistake.

use super::{Names, Reading, access::is_mail_address};
use crate::site::{
    file::{PersonFile, Text},
    model::{Person, Role},
    password::is_password_hash,
};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// Names that the audit trail gives to others.
const RESERVED: [&str; 3] = ["takt", "nobody", "webhook"];
const ID_CHARS_MAX: usize = 64;

/// What an id of a person, a program or a partner looks like: it stands in the audit, and people type it.
pub(super) fn is_id(id: &str) -> bool {
    let is_plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_.@-".contains(letter);
    !id.is_empty() && id.len() <= ID_CHARS_MAX && id.chars().all(is_plain)
}

/// Who has each name that a door knows people by.
#[derive(Default)]
struct Known(BTreeMap<(&'static str, String), String>);

impl Reading<'_> {
    pub(super) fn people(&mut self, people: Vec<Spanned<PersonFile>>, names: &Names) -> Vec<Person> {
        let mut known = Known::default();
        people
            .into_iter()
            .map(|person| {
                self.differs(&person.value, &mut known);
                self.person(person.value, names)
            })
            .collect()
    }

    /// Every name by which a door finds a person is that of one person.
    fn differs(&mut self, person: &PersonFile, known: &mut Known) {
        let id = &person.id;
        if RESERVED.contains(&id.value.as_str()) {
            let message =
                format!("`{}` is a name of the audit trail's own: give this person another id", id.value);
            self.problem(id.referenced, message);
        } else if !is_id(&id.value) {
            let message = format!(
                "`{}` is no id: write up to {ID_CHARS_MAX} lower-case letters, digits, `_`, `.`, `@` or `-` (what the \
                 identity provider calls somebody goes under `subject`)",
                id.value
            );
            self.problem(id.referenced, message);
        }
        let subject = person.subject.as_ref().unwrap_or(id);
        let named: [(&'static str, Option<&Text>, bool); 5] = [
            ("id", Some(id), true),
            ("subject", Some(subject), false),
            ("email", person.email.as_ref(), true),
            ("slack_id", person.slack_id.as_ref(), false),
            ("teams_id", person.teams_id.as_ref(), true),
        ];
        let mut is_twice = false;
        for (kind, text, folds) in named {
            let Some(text) = text.filter(|_| !(is_twice && kind == "subject")) else { continue };
            if text.value.trim().is_empty() {
                self.problem(text.referenced, format!("`{kind}` is empty: leave it out, or fill it in"));
                continue;
            }
            let key = if folds { text.value.to_lowercase() } else { text.value.clone() };
            if let Some(other) = known.0.insert((kind, key), id.value.clone()) {
                is_twice = true;
                let message = match kind {
                    "id" => format!("two people have the id `{}`", text.value),
                    kind => format!(
                        "`{}` and `{other}` have the same {kind} `{}`: what one of them does would be the other's",
                        id.value, text.value
                    ),
                };
                self.problem(text.referenced, message);
            }
        }
        if let Some(email) = person.email.as_ref().filter(|email| !is_mail_address(&email.value)) {
            let message = format!("`{}` is no mail address: write one like sam@plant1.example", email.value);
            self.problem(email.referenced, message);
        }
    }

    fn person(&mut self, person: PersonFile, names: &Names) -> Person {
        let (roles, reach) = self.held(person.roles, names);
        person.shifts.iter().for_each(|shift| self.known("shift", shift, &names.shifts));
        if person.name.value.trim().is_empty() {
            self.problem(person.name.referenced, "a person has a name: it stands under every answer");
        }
        if let Some(hash) = person.password_hash.as_ref().filter(|hash| !is_password_hash(&hash.value)) {
            let message = format!(
                "the password_hash of `{}` is not an Argon2 hash ($argon2id$…) of sensible cost",
                person.id.value
            );
            self.problem(hash.referenced, message);
        }
        let values = |texts: Vec<Text>| texts.into_iter().map(|text| text.value).collect();
        let value = |text: Option<Text>| text.map(|text| text.value);
        Person {
            id: person.id.value,
            name: person.name.value,
            email: value(person.email),
            slack_id: value(person.slack_id),
            teams_id: value(person.teams_id),
            subject: value(person.subject),
            roles,
            reach,
            shifts: values(person.shifts),
            password_hash: value(person.password_hash),
        }
    }
}

/// Who has a role also has the roles made `from` it; the shift decides when they are asked.
pub(super) fn give_derived_roles(people: &mut [Person], roles: &BTreeMap<String, Role>) {
    for person in people {
        let derived = roles.iter().filter(|(id, role)| {
            role.from.as_ref().is_some_and(|from| person.roles.contains(from)) && !person.roles.contains(id)
        });
        let derived: Vec<_> = derived
            .map(|(id, role)| {
                (id.clone(), role.from.as_ref().and_then(|from| person.reach.get(from)).cloned())
            })
            .collect();
        for (id, reach) in derived {
            person.reach.extend(reach.map(|reach| (id.clone(), reach)));
            person.roles.push(id);
        }
    }
}
