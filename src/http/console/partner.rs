//! A partner's page: one order and one answer, which arrives as an event of type `partner.order_answered`.
//!
//! The link is all a partner has; it opens nothing else.

use super::{
    PageError,
    error::say,
    number::{self, NotANumber},
    template::{Frame, render},
};
use crate::{
    gate::hash_of,
    http::{auth::Fields, problem::Cause, refusals::note, state::Shared},
    run::{Actor, AuditRecord, EventId},
    site::PARTNERS,
    store::{StoreError, audit, clock, events, links},
};
use axum::{
    Form,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{NaiveDate, TimeDelta};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// Made here and nowhere else.
pub(in crate::http) const EVENT: &str = "partner.order_answered";
const NOTE_CHARS_MAX: usize = 2_000;
/// What a date far off is: a slip of the year.
const DAYS_BACK: TimeDelta = TimeDelta::days(31);
const DAYS_AHEAD: TimeDelta = TimeDelta::days(5 * 366);
const QUANTITY_MIN: f64 = 1e-6;
const QUANTITY_MAX: f64 = 1e9;

#[derive(Serialize)]
struct Page {
    partner: String,
    title: String,
    order: String,
    question: Option<String>,
    action: String,
    until: String,
    answered: bool,
    error: Option<&'static str>,
    typed: Typed,
}

#[derive(Default, Serialize)]
struct Typed {
    confirmed_date: String,
    quantity: String,
    note: String,
}

impl Typed {
    fn read(fields: &Fields) -> Self {
        let text = |name| fields.text(name).unwrap_or_default();
        Self { confirmed_date: text("confirmed_date"), quantity: text("quantity"), note: text("note") }
    }

    /// The typed answer, or what is wrong with it.
    fn checked(&self, today: NaiveDate) -> Result<Value, &'static str> {
        let is_plain = self.confirmed_date.len() == 10 && self.confirmed_date.is_ascii();
        let date = NaiveDate::parse_from_str(&self.confirmed_date, "%Y-%m-%d").ok().filter(|_| is_plain);
        let date = date.ok_or("Write the date like 2026-12-24.")?;
        if date < today - DAYS_BACK || date > today + DAYS_AHEAD {
            return Err("The date is not within the last month or the next five years. Look at the year.");
        }
        let quantity = match self.quantity.as_str() {
            "" => None,
            text => match number::read(text) {
                Ok(number) if (QUANTITY_MIN..=QUANTITY_MAX).contains(&number) => Some(number),
                Err(NotANumber::Ambiguous) => {
                    return Err("The quantity can be read in two ways. Write 1500, or 1.5.");
                }
                _ => return Err("The quantity is a number, or empty."),
            },
        };
        if self.note.chars().count() > NOTE_CHARS_MAX {
            return Err("The note has at most 2000 characters.");
        }
        let note = (!self.note.is_empty()).then_some(&self.note);
        Ok(json!({ "confirmed_date": date, "quantity": quantity, "note": note }))
    }
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Path(token): Path<String>,
) -> Result<Response, PageError> {
    match find(&door, &token).await? {
        Ok(link) => {
            let answered = link.used_at.is_some();
            show(&door, &token, &link, answered, None, Typed::default())
        }
        Err(over) => Ok(over),
    }
}

pub(in crate::http) async fn answer(
    State(door): State<Shared>,
    Path(token): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    let link = match find(&door, &token).await? {
        Ok(link) => link,
        Err(over) => return Ok(over),
    };
    let typed = Typed::read(&Fields(fields));
    let now = clock::now(&mut *door.app.store.connection().await?).await?;
    let today = now.with_timezone(&door.app.site.time_zone).date_naive();
    let mut data = match typed.checked(today) {
        Ok(data) => data,
        Err(error) => return show(&door, &token, &link, false, Some(error), typed),
    };
    let partner = link.partner.clone().unwrap_or_default();
    data["partner"] = json!(partner);
    data["order"] = json!(link.subject);
    let source = format!("{PARTNERS}/{partner}");
    let event = events::NewEvent {
        id: EventId::new(),
        source: source.clone(),
        source_id: link.id.to_string(),
        kind: EVENT.to_owned(),
        subject: link.subject.clone(),
        time: None,
        data,
        trace: None,
        plant: None,
    };
    let mut tx = door.app.store.begin().await?;
    // The first answer counts; a second one only sees that it is there.
    if links::use_up(&mut tx, link.id).await? {
        events::insert(&mut tx, &event).await?;
        let id = link.id.to_string();
        audit::add(&mut tx, Actor::partner(&partner), "partner_link.answered", Some(&id), &event.data)
            .await?;
        tx.commit().await.map_err(StoreError::from)?;
        door.app.hints.tell();
    }
    show(&door, &token, &link, true, None, Typed::default())
}

async fn find(door: &Shared, token: &str) -> Result<Result<links::Link, Response>, PageError> {
    let mut db = door.app.store.connection().await?;
    let link = links::find(&mut db, "partner", &hash_of(token)).await?;
    drop(db);
    let refused = |link: Option<Uuid>, because: &str| {
        let mut record = AuditRecord::new(Actor::nobody(), "partner_link.refused");
        record.object = link.map(|link| link.to_string());
        record.detail(json!({ "because": because }))
    };
    let Some(link) = link else {
        note(door, refused(None, "no_such_link")).await?;
        return Err(PageError::new(Cause::NotFound));
    };
    if link.is_over {
        note(door, refused(Some(link.id), "link_is_over")).await?;
        let advice = "Ask the plant that sent it for a new one.";
        return Ok(Err(say(StatusCode::GONE, "This link has ended", advice)));
    }
    Ok(Ok(link))
}

fn show(
    door: &Shared,
    token: &str,
    link: &links::Link,
    answered: bool,
    error: Option<&'static str>,
    typed: Typed,
) -> Result<Response, PageError> {
    let site = &door.app.site;
    let partner = link.partner.as_deref().unwrap_or_default();
    let text = |field: &str| link.ask.get(field).and_then(Value::as_str).map(str::to_owned);
    let page = Page {
        partner: site.access.partners.get(partner).map_or(partner, |partner| &partner.name).to_owned(),
        title: text("title").unwrap_or_default(),
        order: link.subject.clone().unwrap_or_default(),
        question: text("question"),
        action: format!("/partner/{token}"),
        until: link.expires_at.with_timezone(&site.time_zone).format("%d %b %Y, %H:%M %Z").to_string(),
        answered,
        error,
        typed,
    };
    let frame = Frame { site: site.name.clone(), is_bare: true, ..Frame::of_nobody(&page.title) };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, render("partner", frame, &page)?).into_response())
}
