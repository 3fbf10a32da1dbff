//! Checks `on_call`: turns of people who have the role, at times that exist.

use super::{Names, Reading, Text};
use crate::site::{
    load::did_you_mean,
    model::Person,
    on_call::{RotaFile, Turn},
};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// Which end of a day without a time is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Start,
    End,
}

impl Reading<'_> {
    pub(super) fn on_call(
        &mut self,
        files: BTreeMap<String, Spanned<RotaFile>>,
        people: &[Person],
        names: &Names,
        zone: Tz,
    ) -> BTreeMap<String, Vec<Turn>> {
        let mut rotas = BTreeMap::new();
        for (role, rota) in files {
            if !names.roles.contains(&role) {
                let hint = did_you_mean(&role, names.roles.iter().map(String::as_str));
                self.problem(rota.referenced, format!("there is no role `{role}`{hint}"));
                continue;
            }
            let mut turns = Vec::new();
            for turn in rota.value {
                let at = turn.referenced;
                let turn = turn.value;
                self.known("person", &turn.person, &names.people);
                let holder = people.iter().find(|person| person.id == turn.person.value);
                if holder.is_some_and(|person| !person.roles.contains(&role)) {
                    let message = format!("`{}` does not have the role `{role}`", turn.person.value);
                    self.problem(turn.person.referenced, message);
                }
                turn.shifts.iter().for_each(|shift| self.known("shift", shift, &names.shifts));
                let from = turn.from.as_ref().and_then(|text| self.moment(text, zone, Edge::Start));
                let until = turn.to.as_ref().and_then(|text| self.moment(text, zone, Edge::End));
                if from.zip(until).is_some_and(|(from, until)| until <= from) {
                    self.problem(at, "this turn ends before it begins");
                }
                turns.push(Turn {
                    person: turn.person.value,
                    shifts: turn.shifts.into_iter().map(|shift| shift.value).collect(),
                    from,
                    until,
                });
            }
            rotas.insert(role, turns);
        }
        rotas
    }

    fn moment(&mut self, text: &Text, zone: Tz, edge: Edge) -> Option<DateTime<Utc>> {
        let local = match NaiveDate::parse_from_str(&text.value, "%Y-%m-%d") {
            Ok(day) if edge == Edge::End => {
                day.checked_add_days(Days::new(1)).map(|day| day.and_time(NaiveTime::MIN))
            }
            Ok(day) => Some(day.and_time(NaiveTime::MIN)),
            Err(_) => NaiveDateTime::parse_from_str(&text.value, "%Y-%m-%d %H:%M").ok(),
        };
        let found = local.and_then(|local| zone.from_local_datetime(&local).earliest());
        if found.is_none() {
            let message = format!(
                "`{}` is no time of the plant: write 2026-12-24, or \"2026-12-24 06:00\"",
                text.value
            );
            self.problem(text.referenced, message);
        }
        found.map(|at| at.with_timezone(&Utc))
    }
}
