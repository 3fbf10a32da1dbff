//! Roles, people and ladders of a site, as the engine asks for them.

use crate::{
    engine::{AskedAt, Ladders, RungOf},
    run::AskedPerson,
    site::{Addressee, Place, Site},
};
use std::sync::Arc;

/// The site's ladders as the engine reads them.
pub struct SiteLadders(pub Arc<Site>);

impl Ladders for SiteLadders {
    fn rung(&self, ladder: &str, n: usize) -> Option<RungOf> {
        let rung = self.0.ladders.get(ladder)?.rungs.get(n)?;
        let (role, person, title) = match &rung.ask {
            Addressee::Role(role) => (Some(role.clone()), None, self.0.role_title(role).to_owned()),
            Addressee::Person(id) => {
                let name = self.0.person(id).map_or(id.clone(), |person| person.name.clone());
                (None, Some(id.clone()), name)
            }
        };
        Some(RungOf { role, person, title, within: rung.within })
    }

    fn of_role(&self, role: &str) -> Option<String> {
        self.0.roles.get(role)?.ladder.clone()
    }

    fn role_title(&self, role: &str) -> String {
        self.0.role_title(role).to_owned()
    }

    fn people(&self, role: &str, place: &AskedAt<'_>) -> Vec<AskedPerson> {
        let at = Place { work_center: place.work_center, workflow: Some(place.workflow) };
        let asked = self.0.people_asked(role, place.at, &at);
        asked
            .into_iter()
            .map(|person| AskedPerson { id: person.id.clone(), name: person.name.clone() })
            .collect()
    }

    fn person(&self, name: &str) -> Option<String> {
        let found = self.0.person(name).or_else(|| self.0.person_by_mail(name));
        found.map(|person| person.id.clone())
    }
}
