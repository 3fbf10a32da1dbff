//! The list of runs: open first to look at, newest on top, one page at a time.

use super::{
    PageError,
    inbox::addressee,
    link::query_value,
    live::Topic,
    start::{self, Refused, StartForm},
    template::{Frame, render},
    when::{Clock, When, words},
};
use crate::{
    http::{auth::SignedIn, state::Shared},
    store::{
        clock, gates, lanes,
        summaries::{self, Filter, Summary},
    },
};
use axum::{
    extract::{Query, State},
    response::Html,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use uuid::Uuid;

const PAGE: usize = 50;

#[derive(Debug, Default, Clone, Deserialize)]
pub(in crate::http) struct Search {
    /// `open`, `ended`, or all.
    show: Option<String>,
    workflow: Option<String>,
    q: Option<String>,
    /// Keyset: the id of the last row seen.
    before: Option<String>,
}

#[derive(Serialize)]
struct Runs {
    q: String,
    show: &'static str,
    workflow: String,
    chips: Vec<Chip>,
    workflows: Vec<WorkflowChoice>,
    runs: Vec<Row>,
    older: Option<String>,
    is_first: bool,
    may_order: bool,
    starts: Vec<StartForm>,
    is_refused: bool,
}

#[derive(Serialize)]
struct Chip {
    label: &'static str,
    link: String,
    current: bool,
}

#[derive(Serialize)]
struct WorkflowChoice {
    id: String,
    title: String,
    current: bool,
}

#[derive(Serialize)]
struct Row {
    id: String,
    title: String,
    workflow: String,
    state: String,
    tone: &'static str,
    /// What it waits for, in words.
    waiting: Option<String>,
    started: When,
    lasted: Option<String>,
}

impl Search {
    fn text(field: Option<&String>) -> Option<String> {
        field.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn show(&self) -> &'static str {
        match self.show.as_deref() {
            Some("open") => "open",
            Some("ended") => "ended",
            _ => "all",
        }
    }

    pub(in crate::http) fn filter(&self) -> Filter {
        Filter {
            open: match self.show() {
                "open" => Some(true),
                "ended" => Some(false),
                _ => None,
            },
            workflow: Self::text(self.workflow.as_ref()),
            text: Self::text(self.q.as_ref()),
            before: self.before.as_deref().and_then(|id| id.parse().ok()),
        }
    }

    /// This search with another state and from another row.
    fn link(&self, show: &str, before: Option<&str>) -> String {
        let mut link = format!("/runs?show={show}");
        for (name, value) in
            [("workflow", Self::text(self.workflow.as_ref())), ("q", Self::text(self.q.as_ref()))]
        {
            if let Some(value) = value {
                link.push_str(&format!("&{name}={}", query_value(&value)));
            }
        }
        if let Some(before) = before {
            link.push_str(&format!("&before={}", query_value(before)));
        }
        link
    }
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Query(search): Query<Search>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    show(&door, &who, search, None).await
}

/// The page; `refused` is a form that did not start a run.
pub(super) async fn show(
    door: &Shared,
    who: &SignedIn,
    search: Search,
    refused: Option<&Refused>,
) -> Result<Html<String>, PageError> {
    let site = &door.app.site;
    let live = Topic::Runs.live(door).await?;
    let mut db = door.app.store.connection().await?;
    let clock = Clock { zone: site.time_zone, now: clock::now(&mut db).await? };
    let mut rows = summaries::list(&mut db, &search.filter(), PAGE as i64 + 1).await?;
    let has_more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let asked: HashMap<Uuid, String> = gates::list_open(&mut db, None, None)
        .await?
        .iter()
        .map(|gate| (gate.run_id, addressee(gate, site)))
        .collect();
    let open: Vec<Uuid> = rows.iter().filter(|row| row.ended_at.is_none()).map(|row| row.id).collect();
    let queued: HashMap<Uuid, String> =
        lanes::queued(&mut db, &open).await?.iter().map(|queued| (queued.run, in_queue(queued))).collect();
    let chip = |label, show: &'static str| Chip {
        label,
        link: search.link(show, None),
        current: search.show() == show,
    };
    let chosen = Search::text(search.workflow.as_ref()).unwrap_or_default();
    let workflows = door.app.definitions.all_current();
    let runs = Runs {
        q: search.q.clone().unwrap_or_default(),
        show: search.show(),
        chips: vec![chip("All", "all"), chip("Open", "open"), chip("Ended", "ended")],
        workflows: workflows
            .iter()
            .map(|definition| WorkflowChoice {
                id: definition.workflow.id.clone(),
                title: definition.workflow.title.clone(),
                current: definition.workflow.id == chosen,
            })
            .collect(),
        workflow: chosen,
        older: has_more
            .then(|| rows.last())
            .flatten()
            .map(|row| search.link(search.show(), Some(&row.id.to_string()))),
        is_first: search.before.is_none(),
        may_order: site.is_operator(&who.person),
        starts: start::forms(&workflows, refused),
        is_refused: refused.is_some(),
        runs: rows.iter().map(|row| view(row, &asked, &queued, &clock)).collect(),
    };
    let frame = Frame::new(door, who, "runs", "Runs");
    // An older page does not change under the reader, nor does one that says what went wrong.
    let frame = if runs.is_first && refused.is_none() { frame.live(live) } else { frame };
    Ok(render("runs", frame, &runs)?)
}

fn view(row: &Summary, asked: &HashMap<Uuid, String>, queued: &HashMap<Uuid, String>, clock: &Clock) -> Row {
    let (state, tone) = match (&row.outcome, row.ended_at) {
        (Some(outcome), _) => outcome_words(outcome),
        (None, Some(_)) => ("ended".to_owned(), ""),
        (None, None) => ("open".to_owned(), "accent"),
    };
    let waiting = match row.ended_at {
        Some(_) => None,
        None => asked
            .get(&row.id)
            .map(|who| format!("Waiting for {}", who.to_lowercase()))
            .or_else(|| queued.get(&row.id).cloned())
            .or_else(|| row.waiting_for.as_ref().map(|what| format!("Waiting: {what}"))),
    };
    Row {
        id: row.id.to_string(),
        title: title_of(row),
        workflow: row.workflow.clone(),
        state,
        tone,
        waiting,
        started: clock.when(row.started_at),
        lasted: row.ended_at.map(|ended| words(ended - row.started_at)),
    }
}

/// What a queued run waits for, and when it is its turn.
pub(super) fn in_queue(queued: &lanes::Queued) -> String {
    let whose = if queued.key.is_empty() { String::new() } else { format!(" for {}", queued.key) };
    let place = match queued.position {
        1 => "next".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        1_000.. => "a thousand or more".to_owned(),
        n => format!("number {n}"),
    };
    format!("Waiting for a lane: {} of {} in use{whose}, {place} in line", queued.in_use, queued.limit)
}

/// What a run is about: its title, and its subject where the title does not say it.
pub(super) fn title_of(row: &Summary) -> String {
    match &row.subject {
        Some(subject) if !row.title.contains(subject.as_str()) => format!("{} · {subject}", row.title),
        _ => row.title.clone(),
    }
}

/// How a run ended, in words, and the class of its tag.
pub(super) fn outcome_words(outcome: &str) -> (String, &'static str) {
    let tone = match outcome {
        "failed" => "bad",
        "cancelled" => "warn",
        _ => "good",
    };
    (outcome.replace('_', " "), tone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_the_search() {
        let search = Search { q: Some(" SO 1&2 ".into()), ..Search::default() };
        assert_eq!(search.link("open", None), "/runs?show=open&q=SO%201%262");
    }
}
