use super::{id, missing};
use crate::{
    http::{
        auth::Caller,
        console::{run::Read, runs::Search},
        place::within_run,
        problem::Problem,
        state::Shared,
    },
    run::{GateId, story},
    store::{gates, lanes, signatures, summaries},
};
use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Serialize;
use std::collections::HashMap;
use uuid::Uuid;

const PAGE: usize = 100;

#[derive(Serialize)]
pub(in crate::http) struct Runs {
    runs: Vec<Listed>,
    /// Give it back as `before` for the page that follows.
    next: Option<Uuid>,
}

pub(in crate::http) async fn list(
    State(door): State<Shared>,
    Query(search): Query<Search>,
    _caller: Caller,
) -> Result<Json<Runs>, Problem> {
    let mut db = door.app.store.connection().await?;
    let mut runs = summaries::list(&mut db, &search.filter(), PAGE as i64 + 1).await?;
    let has_more = runs.len() > PAGE;
    runs.truncate(PAGE);
    let next = has_more.then(|| runs.last().map(|run| run.id)).flatten();
    let ids: Vec<Uuid> = runs.iter().filter(|run| run.ended_at.is_none()).map(|run| run.id).collect();
    let mut queued: HashMap<Uuid, lanes::Queued> =
        lanes::queued(&mut db, &ids).await?.into_iter().map(|queued| (queued.run, queued)).collect();
    let runs = runs.into_iter().map(|run| Listed { queued: queued.remove(&run.id), run }).collect();
    Ok(Json(Runs { runs, next }))
}

/// A run, and its place in the queue when it waits for a lane.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    run: summaries::Summary,
    queued: Option<lanes::Queued>,
}

#[derive(Serialize)]
pub(in crate::http) struct Run {
    run: Listed,
    story: Vec<story::Line>,
    gates: Vec<Asked>,
    children: Vec<Uuid>,
}

#[derive(Serialize)]
pub(super) struct Asked {
    #[serde(flatten)]
    pub gate: gates::Gate,
    pub vote: Option<gates::Vote>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<signatures::Signature>,
}

pub(in crate::http) async fn show(
    State(door): State<Shared>,
    Path(run): Path<String>,
    caller: Caller,
) -> Result<Json<Run>, Problem> {
    let run = id(&run, "run")?;
    within_run(&door, &caller, run).await?;
    let read = Read::load(&door, run).await?.ok_or_else(|| missing("run"))?;
    let mut db = door.app.store.connection().await?;
    let mut asked = Vec::new();
    for (gate, vote) in read.gates.clone() {
        let signatures = signatures::of_gate(&mut db, GateId(gate.id)).await?;
        asked.push(Asked { gate, vote, signatures });
    }
    drop(db);
    Ok(Json(Run {
        story: read.story(),
        children: read.children.iter().map(|child| child.id).collect(),
        gates: asked,
        run: Listed { run: read.summary, queued: read.queued },
    }))
}
