//! Who answers for whom: a caller's own delegations, handing over, and ending one.

use super::{id, unread};
use crate::{
    gate::{HandOver, end_delegation, hand_over},
    http::{
        auth::Caller,
        problem::{Cause, Problem},
        state::Shared,
    },
    site::Person,
    store::{clock, delegations},
};
use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

const LISTED_MAX: i64 = 100;

fn named(caller: &Caller) -> Result<&Person, Problem> {
    caller
        .person
        .as_ref()
        .ok_or_else(|| Problem::new(Cause::NoSuchPerson, "say who you are with `X-Takt-Person`"))
}

pub(in crate::http) async fn list(
    State(door): State<Shared>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let person = named(&caller)?;
    let mut db = door.app.store.connection().await?;
    let now = clock::now(&mut db).await?;
    let all = delegations::of_person(&mut db, &person.id, LISTED_MAX).await?;
    let listed: Vec<Value> = all
        .iter()
        .map(|given| {
            let mut listed = json!(given);
            listed["in_force"] = json!(given.is_in_force(now));
            listed
        })
        .collect();
    Ok(Json(json!({ "delegations": listed })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Wish {
    delegate: String,
    role: Option<String>,
    until: DateTime<Utc>,
}

pub(in crate::http) async fn start(
    State(door): State<Shared>,
    caller: Caller,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Response, Problem> {
    let person = named(&caller)?;
    let Json(wish) = wish.map_err(|rejection| unread(&rejection))?;
    let wish = HandOver {
        delegate: wish.delegate,
        role: wish.role,
        until: wish.until,
        via: caller.via(),
        named_by: caller.named_by().map(str::to_owned),
    };
    let given = hand_over(&door.app.store, &door.app.site, person, &wish).await?;
    Ok((StatusCode::CREATED, Json(json!({ "delegation": given }))).into_response())
}

pub(in crate::http) async fn end(
    State(door): State<Shared>,
    Path(delegation): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let person = named(&caller)?;
    end_delegation(&door.app.store, person, id(&delegation, "delegation")?, caller.via()).await?;
    Ok(StatusCode::NO_CONTENT)
}
