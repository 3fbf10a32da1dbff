//! `/health`: whether this server can do its work, for probes. Numbers, and culprits in the database; no people.

use super::state::Shared;
use crate::store::{PgConnection, StoreError, control, events, health, outbox, upkeep, workers};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;

/// What the probe and the page both show.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Health {
    /// `ok`, or `degraded` when people should look.
    pub status: &'static str,
    pub workers: i64,
    pub runs: health::Runs,
    /// Events that no router has looked at yet.
    pub events_new: i64,
    pub events_failed: i64,
    pub messages_failed: i64,
    pub intake_rejections: i64,
    pub workflow_problems: usize,
    /// Failed or set-aside runs that nobody has looked at.
    pub attention: i64,
    /// Retries held back today and yesterday, because their system had enough of them.
    pub retries_deferred: i64,
    /// What storage care found: culprits by process and application, never their queries.
    pub storage: Vec<String>,
    /// What is wrong with the audit trail or its checkpoints.
    pub audit: Vec<String>,
}

impl Health {
    pub(super) async fn read(door: &Shared) -> Result<Self, StoreError> {
        let mut db = door.app.store.connection().await?;
        let workers = workers::alive(&mut db).await?;
        let events = health::events(&mut db).await?;
        let messages_failed = outbox::failed_count(&mut db).await?;
        let workflow_problems = (door.app.problems)().len();
        let storage: Vec<String> =
            storage(&mut db).await?.into_iter().map(|finding| finding.sentence).collect();
        let audit = audit(&mut db).await?;
        let is_ok = workers > 0
            && events.failed == 0
            && messages_failed == 0
            && workflow_problems == 0
            && storage.is_empty()
            && audit.is_empty();
        Ok(Self {
            status: if is_ok { "ok" } else { "degraded" },
            workers,
            runs: health::runs(&mut db).await?,
            events_new: events.new,
            events_failed: events.failed,
            messages_failed,
            intake_rejections: events::rejections(&mut db).await?.iter().map(|(_, _, count)| count).sum(),
            workflow_problems,
            attention: control::attention_count(&mut db).await?,
            retries_deferred: control::deferred(&mut db).await?.iter().map(|(_, count)| count).sum(),
            storage,
            audit,
        })
    }
}

/// What every task of storage care found last.
pub(super) async fn storage(db: &mut PgConnection) -> Result<Vec<upkeep::Finding>, StoreError> {
    let last = upkeep::last(db).await?;
    Ok(last.iter().filter(|last| !last.is_of_audit()).flat_map(upkeep::Last::findings).collect())
}

/// What the last check and the last checkpoint of the audit trail said; nothing when all is well.
pub(super) async fn audit(db: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    let last = upkeep::last(db).await?;
    let of_audit = last.iter().filter(|last| last.is_of_audit()).flat_map(upkeep::Last::findings);
    Ok(of_audit.map(|finding| finding.sentence).collect())
}

/// 503 only when the database does not answer: everything else people must mend, not a restart.
pub(super) async fn probe(State(door): State<Shared>) -> Response {
    match Health::read(&door).await {
        Ok(health) => Json(health).into_response(),
        Err(error) => {
            tracing::warn!(%error, "the health probe cannot ask the database");
            let detail = error.trouble().map_or("the database does not answer".to_owned(), |t| t.to_string());
            let body = json!({ "status": "down", "detail": detail });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
