//! `on_call` of takt.yaml: whose turn it is in a role, by dates and by shifts.

use super::{
    file::Text,
    model::{Shift, Site},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_saphyr::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TurnFile {
    pub person: Text,
    /// Left out, it is their turn in all of them.
    #[serde(default)]
    pub shifts: Vec<Text>,
    /// A day, or a day and a time, of the plant. Left out, it has no beginning or no end.
    pub from: Option<Text>,
    pub to: Option<Text>,
}

pub(super) type RotaFile = Vec<Spanned<TurnFile>>;

/// One line of a rota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub person: String,
    /// Empty for all.
    pub shifts: Vec<String>,
    pub from: Option<DateTime<Utc>>,
    /// Not part of it any more.
    pub until: Option<DateTime<Utc>>,
}

impl Turn {
    fn covers(&self, at: DateTime<Utc>, shift: Option<&Shift>) -> bool {
        self.from.is_none_or(|from| from <= at)
            && self.until.is_none_or(|until| at < until)
            && (self.shifts.is_empty() || shift.is_some_and(|shift| self.shifts.contains(&shift.id)))
    }
}

impl Site {
    /// Whose turn it is; nobody where the role has no rota, or a gap in it: then all who have the role are asked.
    pub(super) fn on_call_for(&self, role: &str, at: DateTime<Utc>, shift: Option<&Shift>) -> Vec<&str> {
        let turns = self.on_call.get(role).into_iter().flatten();
        turns.filter(|turn| turn.covers(at, shift)).map(|turn| turn.person.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::site::{Environment, Overrides, Site};
    use chrono::{DateTime, Utc};

    const PLANT: &str = r#"name: Small
time_zone: America/Chicago
shifts:
  - { id: A, starts: "06:00", ends: "18:00" }
  - { id: B, starts: "18:00", ends: "06:00" }
roles: { maintenance: { title: Maintenance }, lead: { title: Lead } }
people:
  - { id: mia, name: Mia, roles: [maintenance], shifts: [A] }
  - { id: ivo, name: Ivo, roles: [maintenance] }
  - { id: kai, name: Kai, roles: [maintenance] }
  - { id: sam, name: Sam, roles: [lead] }
on_call:
  maintenance:
    - { person: mia, from: 2026-11-23, to: 2026-11-29 }
    - { person: ivo, shifts: [B], from: "2026-11-30 06:00", to: "2026-12-07 06:00" }
"#;

    fn parse(text: &str) -> Result<Site, String> {
        Site::parse("takt.yaml", text, &Environment::default(), &Overrides::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn whose_turn_it_is_follows_dates_and_shifts_of_the_plant() {
        let site = parse(PLANT).expect("a good site");
        let asked = |at: &str| {
            let at: DateTime<Utc> = at.parse().expect("a time");
            site.people_in_role("maintenance", at).iter().map(|person| person.id.clone()).collect::<Vec<_>>()
        };
        // In Chicago, which is six hours behind: the last minute of Sunday the 22nd, and the first of Monday.
        assert_eq!(asked("2026-11-23T05:59:00Z"), ["ivo", "kai"], "before it begins all are asked");
        assert_eq!(asked("2026-11-23T06:00:00Z"), ["mia"], "also outside of her own shift");
        assert_eq!(asked("2026-11-30T05:59:00Z"), ["mia"], "the last day is part of it");
        assert_eq!(asked("2026-11-30T06:00:00Z"), ["ivo", "kai"], "a gap");
        assert_eq!(asked("2026-12-01T02:00:00Z"), ["ivo"], "20:00 in shift B");
        assert_eq!(asked("2026-12-01T15:00:00Z"), ["mia", "ivo", "kai"], "09:00 in shift A: nobody's turn");
        assert_eq!(asked("2026-12-07T12:00:00Z"), ["mia", "ivo", "kai"], "06:00 is over");
        let other: DateTime<Utc> = "2026-11-24T12:00:00Z".parse().expect("a time");
        assert_eq!(site.people_in_role("lead", other).len(), 1, "a role without a rota");
    }

    #[test]
    fn a_mistake_in_the_rota_is_told() {
        let mistakes = [
            (
                "maintenance:\n    - { person: mia",
                "mantenance:\n    - { person: mia",
                "there is no role `mantenance`",
            ),
            ("person: mia", "person: mai", "there is no person `mai`"),
            ("person: mia", "person: sam", "`sam` does not have the role `maintenance`"),
            ("shifts: [B]", "shifts: [N]", "there is no shift `N`"),
            ("from: 2026-11-23", "from: 23.11.2026", "write 2026-12-24, or \"2026-12-24 06:00\""),
            ("to: 2026-11-29", "to: 2026-11-20", "ends before it begins"),
        ];
        for (from, to, expected) in mistakes {
            assert!(PLANT.contains(from), "{from}");
            let error = parse(&PLANT.replacen(from, to, 1)).err().unwrap_or_default();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }
}
