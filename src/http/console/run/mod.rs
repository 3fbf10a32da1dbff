//! One run: its story in plain words, its timeline, and everything that each step saw and did.

mod inputs;
mod steps;
mod timeline;
mod transcript;
mod view;

use super::{
    PageError,
    live::Topic,
    template::{Frame, render},
    when::Clock,
};
use crate::{
    http::{
        auth::{PostedForm, SignedIn},
        problem::Cause,
        state::Shared,
    },
    run::{Change, GateId, Record, RunId, Signal, SignalKind, story},
    store::{
        PgConnection, StoreError, audit, clock, events, gates, journal, lanes, runs, signals, summaries,
    },
    workflow::Definition,
};
use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;
use view::RunPage;

/// Everything the database knows of one run.
pub(in crate::http) struct Read {
    pub clock: Clock,
    pub summary: summaries::Summary,
    pub records: Vec<Record>,
    pub gates: Vec<(gates::Gate, Option<gates::Vote>)>,
    pub parent: Option<summaries::Summary>,
    pub children: Vec<summaries::Summary>,
    pub event: Option<events::StoredEvent>,
    /// It waits for a lane.
    pub queued: Option<lanes::Queued>,
    /// It has not begun, and does not begin before.
    pub not_before: Option<DateTime<Utc>>,
    /// Absent when it no longer compiles; the records are shown all the same.
    pub definition: Option<Arc<Definition>>,
}

impl Read {
    /// `None` when there is no such run.
    pub(in crate::http) async fn load(door: &Shared, run: RunId) -> Result<Option<Self>, StoreError> {
        let mut db = door.app.store.connection().await?;
        let Some(summary) = summaries::get(&mut db, run).await? else { return Ok(None) };
        let records = journal::load(&mut db, run).await?;
        let mut asked = Vec::new();
        for gate in gates::of_run(&mut db, run).await? {
            let vote = gates::vote(&mut db, GateId(gate.id)).await?;
            asked.push((gate, vote));
        }
        let parent = match summary.parent_run {
            Some(parent) => summaries::get(&mut db, RunId(parent)).await?,
            None => None,
        };
        let event = match summary.event_id {
            Some(event) => events::get(&mut db, event).await?,
            None => None,
        };
        let has_begun = records.len() > 1 || summary.ended_at.is_some();
        let not_before = if has_begun { None } else { runs::not_before(&mut db, run).await? };
        Ok(Some(Self {
            queued: lanes::queued(&mut db, &[run.0]).await?.pop(),
            not_before,
            clock: Clock { zone: door.app.site.time_zone, now: clock::now(&mut db).await? },
            children: summaries::children(&mut db, run).await?,
            definition: definition(door, &mut db, &records).await,
            gates: asked,
            summary,
            records,
            parent,
            event,
        }))
    }

    /// The story, or nothing where the definition cannot be read any more.
    pub(in crate::http) fn story(&self) -> Vec<story::Line> {
        let tell =
            |definition: &Arc<Definition>| story::lines(&definition.workflow, &self.records, self.clock.zone);
        self.definition.as_ref().map(tell).unwrap_or_default()
    }
}

async fn definition(door: &Shared, db: &mut PgConnection, records: &[Record]) -> Option<Arc<Definition>> {
    let Some(Change::RunStarted(start)) = records.first().map(|record| &record.change) else { return None };
    let found = door.app.definitions.pinned(db, &start.sha256).await;
    found.inspect_err(|error| tracing::warn!(%error, "a run is shown without its definition")).ok()
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Path(id): Path<String>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let id: RunId = id.parse().map_err(|_| PageError::new(Cause::NotFound))?;
    let live = Topic::Run(id).live(&door).await?;
    let read = Read::load(&door, id).await?.ok_or(PageError::new(Cause::NotFound))?;
    let page = RunPage::new(&read, &door.app.site);
    let frame = Frame::new(&door, &who, "runs", page.title.clone());
    let frame = if page.is_open { frame.live(live) } else { frame };
    Ok(render("run", frame, &page)?)
}

/// Stops a run: what was done is undone, as the workflow says. Needs a reason, and is audited.
pub(in crate::http) async fn cancel(
    State(door): State<Shared>,
    Path(id): Path<String>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let id: RunId = id.parse().map_err(|_| PageError::new(Cause::NotFound))?;
    let reason = form.fields.text("reason").ok_or(PageError::new(Cause::Malformed))?;
    let by = &form.who.person;
    let signal = Signal {
        id: Uuid::new_v5(&id.0, b"cancel"),
        kind: SignalKind::Cancel,
        path: None,
        body: json!({ "by": by.id, "by_name": by.name, "reason": reason }),
    };
    let mut tx = door.app.store.begin().await?;
    if signals::send(&mut tx, id, &signal).await? {
        audit::add(&mut tx, &by.id, "run.cancel", Some(&id.to_string()), &json!({ "reason": reason }))
            .await?;
    }
    tx.commit().await.map_err(StoreError::from)?;
    door.app.hints.tell();
    Ok(Redirect::to(&format!("/runs/{id}")).into_response())
}
