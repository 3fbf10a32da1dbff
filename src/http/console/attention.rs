//! Runs that somebody has to look at: failed ones that nobody has dismissed, and those that were set aside.

use super::{
    PageError,
    live::Topic,
    template::{Frame, render},
    when::{Clock, When},
};
use crate::{
    http::{auth::SignedIn, state::Shared},
    store::{clock, control},
};
use axum::{extract::State, response::Html};
use serde::Serialize;

const SHOWN: i64 = 100;

#[derive(Serialize)]
struct Attention {
    runs: Vec<Row>,
    total: i64,
    may_order: bool,
    /// Retries that had to wait because their system had enough of them.
    deferred: Vec<Deferred>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    title: String,
    workflow: String,
    started: When,
    is_set_aside: bool,
    /// Why, in one sentence.
    why: String,
    failed_step: Option<String>,
    class: Option<String>,
    /// A run that another one waits for goes on with that one.
    is_child: bool,
}

#[derive(Serialize)]
struct Deferred {
    system: String,
    count: i64,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let live = Topic::Runs.live(&door).await?;
    let mut db = door.app.store.connection().await?;
    let clock = Clock { zone: door.app.site.time_zone, now: clock::now(&mut db).await? };
    let rows = control::attention(&mut db, SHOWN).await?;
    let deferred = control::deferred(&mut db).await?;
    let attention = Attention {
        total: control::attention_count(&mut db).await?,
        may_order: door.app.site.is_operator(&who.person),
        deferred: deferred.into_iter().map(|(system, count)| Deferred { system, count }).collect(),
        runs: rows.into_iter().map(|row| view(row, &clock)).collect(),
    };
    // Somebody may be typing a reason: no polling.
    let live = super::template::Live { poll: false, ..live };
    Ok(render("attention", Frame::new(&door, &who, "attention", "Needs attention").live(live), &attention)?)
}

fn view(row: control::Attention, clock: &Clock) -> Row {
    let is_set_aside = row.hold.is_some();
    let why = if is_set_aside { row.hold_reason } else { row.failure };
    let title = match &row.subject {
        Some(subject) if !row.title.contains(subject.as_str()) => format!("{} · {subject}", row.title),
        _ => row.title,
    };
    Row {
        id: row.id.to_string(),
        title,
        workflow: row.workflow,
        started: clock.when(row.started_at),
        is_set_aside,
        why: why.unwrap_or_else(|| "no reason was kept; the run's page tells what happened".to_owned()),
        failed_step: row.failed_step.filter(|_| !is_set_aside),
        class: row.failure_class.filter(|_| !is_set_aside),
        is_child: row.parent_run.is_some(),
    }
}
