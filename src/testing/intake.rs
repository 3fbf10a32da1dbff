//! Events of a test on their way to runs: conditions, holds, keys and floods as the router has them, in memory.

use crate::{
    engine::{Past, PastError, PastEvent, Since, Sought},
    trigger::{Fit, fit, listens},
    workflow::{EventTrigger, PastAnswers, cases::Placed},
};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use uuid::Uuid;

/// An event as it came.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) subject: Option<String>,
    pub(super) at: DateTime<Utc>,
    /// As expressions see it.
    pub(super) seen: Value,
}

impl Came {
    pub(super) fn new(
        number: usize,
        kind: &str,
        subject: Option<&str>,
        data: &Value,
        at: DateTime<Utc>,
    ) -> Self {
        let id = Uuid::new_v5(&Uuid::nil(), format!("event {number}").as_bytes());
        let mut fields = data.as_object().cloned().unwrap_or_default();
        fields.insert("id".into(), json!(id));
        fields.insert("type".into(), json!(kind));
        fields.insert("subject".into(), json!(subject));
        fields.entry("plant").or_insert_with(|| json!("test"));
        fields.entry("time").or_insert_with(|| json!(at.to_rfc3339_opts(SecondsFormat::Millis, true)));
        Self {
            id,
            kind: kind.to_owned(),
            subject: subject.map(str::to_owned),
            at,
            seen: Value::Object(fields),
        }
    }
}

/// A run that is to begin.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) event: Came,
    pub(super) key: Option<String>,
}

/// What became of an event, in words for the timeline; a run that begins now.
pub(super) struct Offered {
    pub(super) word: String,
    pub(super) wish: Option<Wish>,
}

#[derive(Default)]
pub(super) struct Intake {
    holds: Vec<(DateTime<Utc>, Wish)>,
    started: Vec<DateTime<Utc>>,
}

impl Intake {
    pub(super) fn offer(
        &mut self,
        trigger: &EventTrigger,
        event: Came,
        site: &Value,
    ) -> Result<Offered, String> {
        let nothing = |word: &str| Ok(Offered { word: word.to_owned(), wish: None });
        if !listens(trigger, &event.kind) {
            return nothing("starts nothing here");
        }
        let Fit { key, holds } = fit(trigger, &event.kind, &event.seen, site, json!(event.at))?;
        let hold_key = key.clone().unwrap_or_else(|| event.id.to_string());
        let is_same = |wish: &Wish| wish.key.clone().unwrap_or_else(|| wish.event.id.to_string()) == hold_key;
        if !holds {
            let before = self.holds.len();
            self.holds.retain(|(_, wish)| !is_same(wish));
            return nothing(if self.holds.len() < before { "ends the hold" } else { "does not fit `where`" });
        }
        let Some(hold) = trigger.hold else {
            return Ok(Offered { word: "fits the trigger".into(), wish: Some(Wish { event, key }) });
        };
        if self.holds.iter().any(|(_, wish)| is_same(wish)) {
            return nothing("is held already");
        }
        let due = event.at + TimeDelta::from_std(hold).unwrap_or(TimeDelta::MAX);
        self.holds.push((due, Wish { event, key }));
        nothing("is held")
    }

    pub(super) fn next_hold(&self) -> Option<DateTime<Utc>> {
        self.holds.iter().map(|(due, _)| *due).min()
    }

    pub(super) fn take_due(&mut self, now: DateTime<Utc>) -> Vec<Wish> {
        let (due, held) = std::mem::take(&mut self.holds).into_iter().partition(|(due, _)| *due <= now);
        self.holds = held;
        let mut due: Vec<(DateTime<Utc>, Wish)> = due;
        due.sort_by_key(|(due, _)| *due);
        due.into_iter().map(|(_, wish)| wish).collect()
    }

    /// Counts a start; false when `flood` allows no more.
    pub(super) fn may_start(&mut self, trigger: &EventTrigger, now: DateTime<Utc>) -> bool {
        if let Some(flood) = trigger.flood {
            let since = now - TimeDelta::from_std(flood.within).unwrap_or(TimeDelta::MAX);
            let recent = self.started.iter().filter(|at| **at >= since).count();
            if u32::try_from(recent).unwrap_or(u32::MAX) >= flood.count {
                return false;
            }
        }
        self.started.push(now);
        true
    }
}

/// What a wait may look back for, and how the case says that people answered before.
pub(super) struct PlayedPast {
    events: Mutex<Vec<Came>>,
    answers: BTreeMap<String, Placed<PastAnswers>>,
}

impl PlayedPast {
    pub(super) fn new(answers: &BTreeMap<String, Placed<PastAnswers>>) -> Self {
        Self { events: Mutex::default(), answers: answers.clone() }
    }

    pub(super) fn add(&self, event: Came) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

#[async_trait]
impl Past for PlayedPast {
    async fn page(&self, sought: &Sought, after: Option<&PastEvent>) -> Result<Vec<PastEvent>, PastError> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let received = |id: Uuid| events.iter().find(|event| event.id == id).map(|event| event.at);
        let after = match (after, sought.since) {
            (Some(last), _) => (last.received_at, last.id),
            (None, Since::Time(time)) => (time, Uuid::nil()),
            (None, Since::Event(id, otherwise)) => (received(id).unwrap_or(otherwise), Uuid::nil()),
        };
        let is_sought = |event: &&Came| {
            event.kind == sought.event
                && sought.subject.as_ref().is_none_or(|subject| event.subject.as_ref() == Some(subject))
                && (event.at, event.id) > after
        };
        let mut found: Vec<&Came> = events.iter().filter(is_sought).collect();
        found.sort_by_key(|event| (event.at, event.id));
        let past = |event: &Came| PastEvent { id: event.id, received_at: event.at, body: event.seen.clone() };
        Ok(found.into_iter().map(past).collect())
    }

    async fn answers(&self, _workflow: &str, gate: &str) -> Result<PastAnswers, PastError> {
        Ok(self.answers.get(gate).map(|said| said.it).unwrap_or_default())
    }
}
