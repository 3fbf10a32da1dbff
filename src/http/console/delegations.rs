//! Who answers for whom: what is in force for the person looking, handing over, and ending it.

use super::{
    PageError,
    inbox::roles_of,
    template::{Frame, render},
    when::{Clock, When},
};
use crate::{
    gate::{DelegationError, HandOver, end_delegation, hand_over},
    http::{
        auth::{Fields, PostedForm, SignedIn},
        problem::Cause,
        state::Shared,
    },
    site::Site,
    store::{
        clock,
        delegations::{self, Delegation},
    },
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use serde::Serialize;

const LISTED_MAX: i64 = 30;
/// The name of this door in the audit.
const WEB: &str = "web";
/// As browsers write and read a time without a zone.
const LOCAL_TIME: &str = "%Y-%m-%dT%H:%M";

#[derive(Serialize)]
struct Page {
    now: Vec<Row>,
    past: Vec<Row>,
    people: Vec<Choice>,
    roles: Vec<Choice>,
    until: String,
    zone: String,
    error: Option<String>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    /// "Lee Tanaka answers for Sam Carter".
    words: String,
    what: String,
    until: When,
}

#[derive(Serialize)]
struct Choice {
    id: String,
    title: String,
    chosen: bool,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    show(&door, &who, None, &Fields::default()).await
}

pub(in crate::http) async fn start(
    State(door): State<Shared>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let sent = &form.fields;
    let until = sent.text("until").and_then(|text| local_time(&door.app.site, &text));
    let Some((delegate, until)) = sent.text("delegate").zip(until) else {
        let words = "Choose a person and a time that exists.".to_owned();
        return refuse(&door, &form.who, words, sent).await;
    };
    let wish = HandOver { delegate, role: sent.text("role"), until, via: WEB.to_owned(), named_by: None };
    match hand_over(&door.app.store, &door.app.site, &form.who.person, &wish).await {
        Ok(_) => Ok(Redirect::to("/delegations").into_response()),
        Err(DelegationError::Store(error)) => Err(error.into()),
        Err(error) => refuse(&door, &form.who, sentence(&error), sent).await,
    }
}

pub(in crate::http) async fn end(
    State(door): State<Shared>,
    Path(id): Path<String>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let id = id.parse().map_err(|_| PageError::new(Cause::NotFound))?;
    match end_delegation(&door.app.store, &form.who.person, id, WEB.to_owned()).await {
        // What is over already is what was asked for.
        Ok(()) | Err(DelegationError::Ended) => Ok(Redirect::to("/delegations").into_response()),
        Err(DelegationError::Store(error)) => Err(error.into()),
        Err(_) => Err(PageError::new(Cause::NotFound)),
    }
}

fn sentence(error: &DelegationError) -> String {
    let words = error.to_string();
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// A time in the site's zone; of the two in the night that has an hour twice, the first. `None` for one that the
/// other night leaves out.
fn local_time(site: &Site, text: &str) -> Option<DateTime<Utc>> {
    let local = NaiveDateTime::parse_from_str(text, LOCAL_TIME).ok()?;
    Some(site.time_zone.from_local_datetime(&local).earliest()?.with_timezone(&Utc))
}

async fn refuse(door: &Shared, who: &SignedIn, words: String, sent: &Fields) -> Result<Response, PageError> {
    let page = show(door, who, Some(words), sent).await?;
    Ok((StatusCode::CONFLICT, page).into_response())
}

async fn show(
    door: &Shared,
    who: &SignedIn,
    error: Option<String>,
    sent: &Fields,
) -> Result<Html<String>, PageError> {
    let (site, me) = (&door.app.site, &who.person);
    let mut db = door.app.store.connection().await?;
    let clock = Clock { zone: site.time_zone, now: clock::now(&mut db).await? };
    let all = delegations::of_person(&mut db, &me.id, LISTED_MAX).await?;
    drop(db);
    let (now, past): (Vec<_>, Vec<_>) = all.iter().partition(|given| given.is_in_force(clock.now));
    let choice = |field: &str, id: &str, title: &str| Choice {
        id: id.to_owned(),
        title: title.to_owned(),
        chosen: sent.get(field) == Some(id),
    };
    let others = site.people.iter().filter(|person| person.id != me.id);
    let page = Page {
        now: now.iter().map(|given| row(given, site, &clock)).collect(),
        past: past.iter().map(|given| row(given, site, &clock)).collect(),
        people: others.map(|person| choice("delegate", &person.id, &person.name)).collect(),
        roles: roles_of(site, me).iter().map(|role| choice("role", role, site.role_title(role))).collect(),
        until: sent.text("until").unwrap_or_default(),
        zone: site.time_zone.name().to_owned(),
        error,
    };
    Ok(render("delegations", Frame::new(door, who, "inbox", "Delegation"), &page)?)
}

fn row(given: &Delegation, site: &Site, clock: &Clock) -> Row {
    let name = |id: &str| site.person(id).map_or(id, |person| &person.name).to_owned();
    Row {
        id: given.id.to_string(),
        words: format!("{} answers for {}", name(&given.delegate), name(&given.person)),
        what: given.role.as_deref().map_or("everything asked", |role| site.role_title(role)).to_owned(),
        until: clock.when(given.ended_at.unwrap_or(given.until)),
    }
}
