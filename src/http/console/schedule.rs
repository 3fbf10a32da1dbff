//! One schedule: next firings, what became of the last ones, and the buttons to pause, resume, trigger and
//! backfill it.

use super::{
    PageError,
    schedules::{LastFiring, last, name_of},
    template::{Frame, render},
    when::{Clock, When, words},
};
use crate::{
    http::{
        auth::{PostedForm, SignedIn},
        place::may_order_of,
        problem::{Cause, cause_of},
        state::Shared,
    },
    run::Actor,
    store::{StoreError, Transaction, clock},
    trigger::{Backfill, Edge, Schedule, ScheduleError, View, moment},
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;

const SHOWN: i64 = 30;

#[derive(Serialize)]
struct Page {
    workflow: String,
    title: String,
    facts: Vec<(&'static str, String)>,
    paused: Option<Paused>,
    problem: Option<String>,
    /// What could not be done, and why.
    refusal: Option<String>,
    plan: Option<Plan>,
    next: Vec<When>,
    firings: Vec<LastFiring>,
    /// Whoever looks may also change it.
    may_order: bool,
    /// Names the firing that the page's button asks for, so that pressing it twice is one firing.
    at: String,
}

#[derive(Serialize)]
struct Paused {
    since: When,
    by: String,
    note: Option<String>,
}

/// What a backfill would do, before it is asked for.
#[derive(Serialize)]
struct Plan {
    from: String,
    to: String,
    count: usize,
    starts: Vec<When>,
    taken: usize,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    who: SignedIn,
) -> Result<Response, PageError> {
    show(&door, &who, &find(&door, &workflow)?, None, None).await
}

pub(in crate::http) async fn pause(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let schedule = to_order(&door, &workflow, &form)?;
    let mut tx = door.app.store.begin().await?;
    let now = clock::now(&mut tx).await?;
    let note = form.fields.text("note");
    let done = schedule.pause(&mut tx, Actor::person(&form.who.person.id), note.as_deref(), now).await;
    finish(&door, &form.who, &schedule, tx, done).await
}

pub(in crate::http) async fn resume(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let schedule = to_order(&door, &workflow, &form)?;
    let mut tx = door.app.store.begin().await?;
    let now = clock::now(&mut tx).await?;
    let note = form.fields.text("note");
    let done = schedule.resume(&mut tx, Actor::person(&form.who.person.id), note.as_deref(), now).await;
    finish(&door, &form.who, &schedule, tx, done).await
}

pub(in crate::http) async fn trigger(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let schedule = to_order(&door, &workflow, &form)?;
    let at = form.fields.get("at").and_then(|at| at.parse().ok()).ok_or(PageError::new(Cause::Malformed))?;
    let mut tx = door.app.store.begin().await?;
    let now = clock::now(&mut tx).await?;
    let done = match schedule.trigger(&mut tx, Actor::person(&form.who.person.id), Some(at), now).await {
        // The button was pressed twice.
        Err(ScheduleError::AskedAlready(_)) => Ok(()),
        done => done.map(|_| ()),
    };
    finish(&door, &form.who, &schedule, tx, done).await
}

pub(in crate::http) async fn backfill(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let schedule = to_order(&door, &workflow, &form)?;
    let zone = schedule.trigger.time_zone;
    let text = |name: &str| form.fields.text(name).unwrap_or_default();
    let range = moment(&text("from"), zone, Edge::Start)
        .and_then(|from| Ok((from, moment(&text("to"), zone, Edge::End)?)));
    let (from, to) = match range {
        Ok(range) => range,
        Err(error) => return show(&door, &form.who, &schedule, Some(Refusal::of(&error)), None).await,
    };
    let mut tx = door.app.store.begin().await?;
    let now = clock::now(&mut tx).await?;
    if form.fields.get("do") == Some("start") {
        let done = schedule.backfill(&mut tx, Actor::person(&form.who.person.id), (from, to), now).await;
        return finish(&door, &form.who, &schedule, tx, done.map(|_| ())).await;
    }
    let planned = schedule.plan_backfill(&mut tx, from, to, now).await;
    drop(tx);
    match planned {
        Ok(planned) => {
            let clock = Clock { zone: door.app.site.time_zone, now };
            let plan = Plan::new(planned, (text("from"), text("to")), &clock);
            show(&door, &form.who, &schedule, None, Some(plan)).await
        }
        Err(error) => refuse(&door, &form.who, &schedule, error).await,
    }
}

impl Plan {
    fn new(planned: Backfill, (from, to): (String, String), clock: &Clock) -> Self {
        Self {
            from,
            to,
            count: planned.starts.len(),
            starts: planned.starts.iter().map(|at| clock.when(*at)).collect(),
            taken: planned.taken.len(),
        }
    }
}

struct Refusal {
    cause: Cause,
    why: String,
}

impl Refusal {
    fn of(error: &impl std::fmt::Display) -> Self {
        Self { cause: Cause::Malformed, why: error.to_string() }
    }
}

fn find(door: &Shared, workflow: &str) -> Result<Schedule, PageError> {
    let found = Schedule::find(door.app.definitions.current(workflow), workflow, &door.app.site);
    found.map_err(|_| PageError::new(Cause::NotFound))
}

/// The schedule, for whoever may order something of it.
fn to_order(door: &Shared, workflow: &str, form: &PostedForm) -> Result<Schedule, PageError> {
    let schedule = find(door, workflow)?;
    if may_order_of(door, &form.who.person, workflow) {
        Ok(schedule)
    } else {
        Err(PageError::new(Cause::NotPermitted))
    }
}

/// Commits and leads back to the page, or says there why not.
async fn finish(
    door: &Shared,
    who: &SignedIn,
    schedule: &Schedule,
    tx: Transaction,
    done: Result<(), ScheduleError>,
) -> Result<Response, PageError> {
    if let Err(error) = done {
        drop(tx);
        return refuse(door, who, schedule, error).await;
    }
    tx.commit().await.map_err(StoreError::from)?;
    door.app.hints.tell();
    Ok(Redirect::to(&format!("/schedules/{}", schedule.workflow())).into_response())
}

async fn refuse(
    door: &Shared,
    who: &SignedIn,
    schedule: &Schedule,
    error: ScheduleError,
) -> Result<Response, PageError> {
    match error {
        ScheduleError::Store(error) => Err(error.into()),
        error => {
            let refusal = Refusal { cause: cause_of(&error), why: error.to_string() };
            show(door, who, schedule, Some(refusal), None).await
        }
    }
}

async fn show(
    door: &Shared,
    who: &SignedIn,
    schedule: &Schedule,
    refusal: Option<Refusal>,
    plan: Option<Plan>,
) -> Result<Response, PageError> {
    let mut db = door.app.store.connection().await?;
    let now = clock::now(&mut db).await?;
    let clock = Clock { zone: door.app.site.time_zone, now };
    let view = schedule.view(&mut db, now, SHOWN).await?;
    let cause = refusal.as_ref().map(|refusal| refusal.cause);
    let page = Page {
        workflow: view.workflow.clone(),
        title: view.title.clone(),
        facts: facts(&view, &clock),
        paused: view.pause.as_ref().map(|pause| Paused {
            since: clock.when(pause.at),
            by: name_of(door, &pause.by),
            note: pause.note.clone(),
        }),
        problem: view.problem.clone(),
        refusal: refusal.map(|refusal| refusal.why),
        plan,
        next: view.next.iter().map(|at| clock.when(*at)).collect(),
        firings: view.firings.iter().map(|firing| last(firing, door, &clock)).collect(),
        may_order: may_order_of(door, &who.person, &view.workflow),
        at: now.to_rfc3339_opts(SecondsFormat::Micros, true),
    };
    let frame = Frame::new(door, who, "schedules", page.title.clone());
    let page = render("schedule", frame, &page)?;
    Ok(match cause {
        Some(cause) => (cause.status(), page).into_response(),
        None => page.into_response(),
    })
}

fn facts(view: &View, clock: &Clock) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Fires", format!("{} in {}", view.cron, view.time_zone))];
    if let (Some(calendar), Some(on_closed)) = (&view.calendar, view.on_closed) {
        facts.push(("Calendar", format!("{calendar}, on a closed day: {on_closed}")));
    }
    facts.push(("Missed firings", format!("catch up {}", view.catch_up)));
    facts.push(("While a run is open", view.overlap.clone()));
    if view.jitter_seconds > 0 {
        let jitter = TimeDelta::seconds(i64::try_from(view.jitter_seconds).unwrap_or_default());
        facts.push(("Jitter", format!("up to {}", words(jitter))));
    }
    if view.buffered > 0 {
        facts.push(("Waiting", format!("{} firings", view.buffered)));
    }
    if let (true, Some(through)) = (view.clock_went_back, view.through) {
        facts.push(("Clock", went_back(through, clock)));
    }
    facts
}

fn went_back(through: DateTime<Utc>, clock: &Clock) -> String {
    format!("went back: fired up to {} already, goes on after it", clock.when(through).local)
}
