//! Every schedule: whether it fires, when next, and how the last firing went.

use super::{
    PageError,
    live::Topic,
    template::{Frame, render},
    when::{Clock, When},
};
use crate::{
    http::{auth::SignedIn, state::Shared},
    store::{
        clock,
        schedules::{Firing, FiringState, Origin},
    },
    trigger::{Schedule, View},
};
use axum::{extract::State, response::Html};
use serde::Serialize;

#[derive(Serialize)]
struct Schedules {
    schedules: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    workflow: String,
    title: String,
    cron: String,
    time_zone: String,
    state: &'static str,
    tone: &'static str,
    next: Option<When>,
    paused: Option<String>,
    problem: Option<String>,
    last: Option<LastFiring>,
}

/// One firing as its row shows it.
#[derive(Debug, Serialize)]
pub(super) struct LastFiring {
    nominal: When,
    state: &'static str,
    tone: &'static str,
    run: Option<String>,
    outcome: Option<String>,
    note: Option<String>,
    asked: Option<String>,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let live = Topic::Schedules.live(&door).await?;
    let mut db = door.app.store.connection().await?;
    let now = clock::now(&mut db).await?;
    let clock = Clock { zone: door.app.site.time_zone, now };
    let mut schedules = Vec::new();
    for definition in door.app.definitions.all_current() {
        if let Some(schedule) = Schedule::of(definition, &door.app.site) {
            schedules.push(row(&schedule.view(&mut db, now, 1).await?, &door, &clock));
        }
    }
    let frame = Frame::new(&door, &who, "schedules", "Schedules").live(live);
    Ok(render("schedules", frame, &Schedules { schedules })?)
}

fn row(view: &View, door: &Shared, clock: &Clock) -> Row {
    let (state, tone) = match (&view.pause, &view.problem) {
        (Some(_), _) => ("paused", "warn"),
        (None, Some(_)) => ("cannot fire", "bad"),
        (None, None) => ("on", "good"),
    };
    Row {
        workflow: view.workflow.clone(),
        title: view.title.clone(),
        cron: view.cron.clone(),
        time_zone: view.time_zone.clone(),
        state,
        tone,
        next: view.next.first().map(|at| clock.when(*at)),
        paused: view.pause.as_ref().map(|pause| {
            let since = clock.when(pause.at).local;
            let note = pause.note.as_ref().map_or(String::new(), |note| format!(": {note}"));
            format!("since {since} by {}{note}", name_of(door, &pause.by))
        }),
        problem: view.problem.clone(),
        last: view.firings.first().map(|firing| last(firing, door, clock)),
    }
}

pub(super) fn last(firing: &Firing, door: &Shared, clock: &Clock) -> LastFiring {
    let (state, tone) = match (firing.state, firing.outcome.as_deref()) {
        (FiringState::Asked, _) => ("about to start", "accent"),
        (FiringState::Buffered, _) => ("waits for the open run", "accent"),
        (FiringState::Started, None) => ("run is open", "accent"),
        (FiringState::Started, Some("failed")) => ("run failed", "bad"),
        (FiringState::Started, Some("cancelled")) => ("run cancelled", "warn"),
        (FiringState::Started, Some(_)) => ("run ended", "good"),
        (FiringState::Missed, _) => ("missed", "warn"),
        (FiringState::Paused, _) => ("paused", "warn"),
        (FiringState::Skipped, _) => ("skipped", "warn"),
        (FiringState::Failed, _) => ("could not start", "bad"),
    };
    let who = firing.asked_by.as_ref().map(|by| name_of(door, by));
    LastFiring {
        nominal: clock.when(firing.nominal),
        state,
        tone,
        run: firing.run.map(|run| run.to_string()),
        outcome: firing.outcome.clone(),
        note: firing.note.clone(),
        asked: match firing.origin {
            Origin::Clock => None,
            Origin::Backfill => Some(format!("backfill by {}", who.unwrap_or_default())),
            Origin::Trigger => Some(format!("triggered by {}", who.unwrap_or_default())),
        },
    }
}

pub(super) fn name_of(door: &Shared, person: &str) -> String {
    door.app.site.person(person).map_or_else(|| person.to_owned(), |person| person.name.clone())
}
