use crate::{
    http::{auth::Caller, problem::Problem, state::Shared},
    store::events,
};
use axum::{
    Json,
    extract::{Query, State},
};
use serde::{Deserialize, Serialize};

const SHOWN: i64 = 200;

#[derive(Debug, Deserialize)]
pub(in crate::http) struct Which {
    /// `failed` for only those that could not be processed.
    show: Option<String>,
}

#[derive(Serialize)]
pub(in crate::http) struct Events {
    events: Vec<events::StoredEvent>,
}

pub(in crate::http) async fn list(
    State(door): State<Shared>,
    Query(which): Query<Which>,
    _caller: Caller,
) -> Result<Json<Events>, Problem> {
    let mut db = door.app.store.connection().await?;
    let events = events::list(&mut db, which.show.as_deref() == Some("failed"), SHOWN).await?;
    Ok(Json(Events { events }))
}
