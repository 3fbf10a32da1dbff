//! Who is told next, as the engine needs to know it.

use crate::run::AskedPerson;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// One rung: a role or a person, and how long they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RungOf {
    pub role: Option<String>,
    pub person: Option<String>,
    /// How it is called among people: the role's title or the person's name.
    pub title: String,
    pub within: Duration,
}

/// Where and when a role is asked.
#[derive(Debug, Clone, Copy)]
pub struct AskedAt<'a> {
    pub workflow: &'a str,
    pub work_center: Option<&'a str>,
    pub at: DateTime<Utc>,
}

/// Escalation ladders and role titles of a site.
pub trait Ladders: Send + Sync {
    /// The n-th rung of a ladder, from 0; `None` above the top.
    fn rung(&self, ladder: &str, n: usize) -> Option<RungOf>;

    /// The ladder a role climbs when a gate names none.
    fn of_role(&self, role: &str) -> Option<String>;

    /// What a role is called among people.
    fn role_title(&self, role: &str) -> String;

    /// Who fills a role there and then, by shift and duty.
    fn people(&self, role: &str, place: &AskedAt<'_>) -> Vec<AskedPerson>;

    /// The id of the person with this id or mail address.
    fn person(&self, name: &str) -> Option<String>;
}

/// No ladders, and roles without titles: for workflows that ask nobody.
impl Ladders for () {
    fn rung(&self, _ladder: &str, _n: usize) -> Option<RungOf> {
        None
    }

    fn of_role(&self, _role: &str) -> Option<String> {
        None
    }

    fn role_title(&self, role: &str) -> String {
        role.to_owned()
    }

    fn people(&self, _role: &str, _place: &AskedAt<'_>) -> Vec<AskedPerson> {
        Vec::new()
    }

    fn person(&self, _name: &str) -> Option<String> {
        None
    }
}
