//! Whether everything works, for people: workers, queue, refused webhooks, broken workflow files.

use super::{
    PageError,
    template::{Frame, render},
};
use crate::{
    http::{
        auth::SignedIn,
        health::{self, Health},
        state::Shared,
    },
    site::Section,
    store::{events, lanes, upkeep},
    workflow::problem::Problem,
};
use axum::{extract::State, response::Html};
use serde::Serialize;

const LANES_SHOWN: i64 = 20;

#[derive(Serialize)]
struct Status {
    health: Health,
    /// What storage care found, with the culprits' queries.
    storage: Vec<upkeep::Finding>,
    /// What people should look at, in words; empty when all is well.
    worries: Vec<String>,
    lanes: Vec<lanes::Lane>,
    rejections: Vec<Rejection>,
    problems: Vec<Finding>,
    notices: Vec<String>,
    /// Whoever may order something of runs may read the trail.
    may_audit: bool,
}

#[derive(Serialize)]
struct Rejection {
    source: String,
    reason: String,
    count: i64,
}

#[derive(Serialize)]
struct Finding {
    place: String,
    code: &'static str,
    is_error: bool,
    message: String,
    fix: Option<String>,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let health = Health::read(&door).await?;
    let mut db = door.app.store.connection().await?;
    let rejections = events::rejections(&mut db).await?;
    let storage = health::storage(&mut db).await?;
    let status = Status {
        lanes: lanes::busy(&mut db, LANES_SHOWN).await?,
        worries: worries(&health),
        health,
        storage,
        rejections: rejections
            .into_iter()
            .map(|(source, reason, count)| Rejection { source, reason, count })
            .collect(),
        problems: (door.app.problems)().iter().map(finding).collect(),
        notices: door.app.site.notices.clone(),
        may_audit: door.app.site.is_operator(&who.person)
            && door.app.site.may_read(&who.person, Section::Audit),
    };
    Ok(render("status", Frame::new(&door, &who, "status", "Health"), &status)?)
}

fn worries(health: &Health) -> Vec<String> {
    let mut worries = Vec::new();
    if health.workers == 0 {
        worries.push("No worker is alive: runs stand still until `takt serve` runs somewhere.".to_owned());
    }
    if health.events_failed > 0 {
        worries.push(format!("Events that could not be processed: {}. See Events.", health.events_failed));
    }
    if health.messages_failed > 0 {
        worries.push(format!("Messages that could not be delivered: {}.", health.messages_failed));
    }
    match health.attention {
        0 => {}
        1 => worries.push("One run needs attention: it failed, or was set aside. See Attention.".to_owned()),
        n => worries.push(format!("{n} runs need attention: they failed, or were set aside. See Attention.")),
    }
    if !health.storage.is_empty() {
        worries.push("The database needs a look: see Storage below.".to_owned());
    }
    worries.extend(health.audit.iter().cloned());
    if health.workflow_problems > 0 {
        worries.push("A workflow file is broken; its last good version stays in use.".to_owned());
    }
    worries
}

fn finding(problem: &Problem) -> Finding {
    Finding {
        place: format!("{}:{}:{}", problem.path, problem.place.line, problem.place.column),
        code: problem.code,
        is_error: problem.is_error(),
        message: problem.message.clone(),
        fix: problem.fix.clone(),
    }
}
