//! Who I am here: roles and where they count, and signing out everywhere.

use super::{
    PageError,
    template::{Frame, render},
};
use crate::{
    http::{auth::SignedIn, state::Shared},
    store::sessions,
};
use axum::{extract::State, response::Html};
use serde::Serialize;

#[derive(Serialize)]
struct Me {
    name: String,
    email: Option<String>,
    roles: Vec<Held>,
    sessions: i64,
}

#[derive(Serialize)]
struct Held {
    title: String,
    /// Lines, work centers and modules; absent for the whole plant.
    place: Option<String>,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let site = &door.app.site;
    let mut db = door.app.store.connection().await?;
    let held = |role: &String| Held {
        title: site.role_title(role).to_owned(),
        place: site.reach_words(&who.person, role),
    };
    let me = Me {
        name: who.person.name.clone(),
        email: who.person.email.clone(),
        roles: who.person.roles.iter().map(held).collect(),
        sessions: sessions::count(&mut db, &who.person.id).await?,
    };
    Ok(render("me", Frame::new(&door, &who, "me", "You"), &me)?)
}
