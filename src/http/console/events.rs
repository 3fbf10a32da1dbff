//! Events from outside, also those that could not be processed; these can be fired again.

use super::{
    PageError,
    live::Topic,
    template::{Frame, render},
    when::{Clock, When},
};
use crate::{
    http::{
        auth::{PostedForm, SignedIn},
        problem::Cause,
        state::Shared,
    },
    run::{Actor, EventId},
    store::{StoreError, audit, clock, events},
};
use axum::{
    extract::{Path, Query, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

const SHOWN: i64 = 50;

#[derive(Debug, Deserialize)]
pub(in crate::http) struct Which {
    show: Option<String>,
}

#[derive(Serialize)]
struct Events {
    failed_only: bool,
    may_fire: bool,
    events: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    kind: String,
    subject: Option<String>,
    source: String,
    source_id: String,
    received: When,
    state: String,
    tone: &'static str,
    note: Option<String>,
    data: String,
    can_fire: bool,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Query(which): Query<Which>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let failed_only = which.show.as_deref() == Some("failed");
    let live = Topic::Events.live(&door).await?;
    let mut db = door.app.store.connection().await?;
    let clock = Clock { zone: door.app.site.time_zone, now: clock::now(&mut db).await? };
    let rows = events::list(&mut db, failed_only, SHOWN).await?;
    let may_fire = door.app.site.is_operator(&who.person);
    let events =
        Events { failed_only, may_fire, events: rows.iter().map(|event| view(event, &clock)).collect() };
    Ok(render("events", Frame::new(&door, &who, "events", "Events").live(live), &events)?)
}

fn view(event: &events::StoredEvent, clock: &Clock) -> Row {
    let (state, tone) = match event.state.as_str() {
        "new" => ("queued", "accent"),
        "routed" => ("taken up", "good"),
        "held" => ("held", "accent"),
        "joined" => ("joined a run", "good"),
        "ignored" => ("no workflow wants it", ""),
        "flooded" => ("too many at once", "warn"),
        "limited" => ("more than its rate", "warn"),
        "failed" => ("failed", "bad"),
        other => (other, ""),
    };
    Row {
        id: event.id.to_string(),
        kind: event.r#type.clone(),
        subject: event.subject.clone(),
        source: event.source.clone(),
        source_id: event.source_id.clone(),
        received: clock.when(event.received_at),
        state: state.to_owned(),
        tone,
        note: event.note.clone(),
        data: serde_json::to_string_pretty(&event.data).unwrap_or_default(),
        can_fire: matches!(event.state.as_str(), "failed" | "ignored" | "flooded" | "limited"),
    }
}

/// Puts an event back in the queue after what stopped it was mended. It may start any workflow, so it takes an operator of
/// the whole plant.
pub(in crate::http) async fn fire_again(
    State(door): State<Shared>,
    Path(id): Path<String>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let id: EventId = id.parse().map_err(|_| PageError::new(Cause::NotFound))?;
    if !door.app.site.is_operator(&form.who.person) {
        return Err(PageError::new(Cause::NotPermitted));
    }
    let mut tx = door.app.store.begin().await?;
    if events::fire_again(&mut tx, id).await? {
        audit::add(
            &mut tx,
            Actor::person(&form.who.person.id),
            "event.fire_again",
            Some(&id.to_string()),
            &json!({}),
        )
        .await?;
    }
    tx.commit().await.map_err(StoreError::from)?;
    door.app.hints.tell();
    Ok(Redirect::to("/events").into_response())
}
