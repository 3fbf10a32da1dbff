//! One run: its story in plain words, its timeline, and everything that each step saw and did.

mod inputs;
mod orders;
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
    http::{auth::SignedIn, place::of_run, problem::Cause, state::Shared},
    run::{Change, GateId, Record, RunId, story},
    store::{PgConnection, StoreError, clock, control, events, gates, journal, lanes, runs, summaries},
    workflow::Definition,
};
use axum::{
    extract::{Path, State},
    response::Html,
};
use chrono::{DateTime, Utc};
use orders::Orders;
use std::sync::Arc;
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
    /// How it stands for those who may order something of it.
    pub target: Option<control::Target>,
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
            target: control::look(&mut db, &[run.0]).await?.pop(),
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

/// The version that the run is pinned to now.
fn version(records: &[Record]) -> Option<&str> {
    records.iter().rev().find_map(|record| match &record.change {
        Change::Migrated { to, .. } => Some(to.as_str()),
        Change::RunStarted(start) => Some(start.sha256.as_str()),
        _ => None,
    })
}

pub(super) async fn definition(
    door: &Shared,
    db: &mut PgConnection,
    records: &[Record],
) -> Option<Arc<Definition>> {
    let found = door.app.definitions.pinned(db, version(records)?).await;
    found.inspect_err(|error| tracing::warn!(%error, "a run is shown without its definition")).ok()
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Path(id): Path<String>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let id: RunId = id.parse().map_err(|_| PageError::new(Cause::NotFound))?;
    show(&door, &who, id, None).await
}

/// The page; `refused` says why an order was not carried out.
pub(super) async fn show(
    door: &Shared,
    who: &SignedIn,
    id: RunId,
    refused: Option<String>,
) -> Result<Html<String>, PageError> {
    let live = Topic::Run(id).live(door).await?;
    let read = Read::load(door, id).await?.ok_or(PageError::new(Cause::NotFound))?;
    let place = of_run(&read.summary, &read.records);
    let orders = door.app.site.is_operator_at(&who.person, &place).then(|| Orders::of(&read));
    let is_known = door.app.definitions.current(&read.summary.workflow).is_some();
    let page = RunPage::new(&read, &door.app.site, is_known, orders, refused);
    let frame = Frame::new(door, who, "runs", page.title.clone());
    let frame = if page.is_open { frame.live(live) } else { frame };
    Ok(render("run", frame, &page)?)
}
