//! The workflows that new runs start on: what starts each, how it is done as a picture, and what is wrong with a file.

use super::{
    PageError,
    template::{Frame, render},
};
use crate::{
    graph,
    http::{auth::SignedIn, problem::Cause, state::Shared},
    workflow::{Autonomy, Definition, Trigger, problem::Problem},
};
use axum::{
    extract::{Path, State},
    response::Html,
};
use serde::Serialize;

#[derive(Serialize)]
struct Workflows {
    workflows: Vec<Row>,
    /// Of files that are not in force, or only in their last good version.
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    title: String,
    autonomy: &'static str,
    tone: &'static str,
    trigger: String,
    owner: String,
}

#[derive(Serialize)]
struct Page {
    #[serde(flatten)]
    row: Row,
    version: String,
    file: String,
    is_scheduled: bool,
    problems: Vec<String>,
    picture: String,
}

pub(in crate::http) async fn list(
    State(door): State<Shared>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let workflows = door.app.definitions.all_current().iter().map(|definition| row(definition)).collect();
    let problems = (door.app.problems)().iter().map(sentence).collect();
    let frame = Frame::new(&door, &who, "runs", "Workflows");
    Ok(render("workflows", frame, &Workflows { workflows, problems })?)
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Path(id): Path<String>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let definition = door.app.definitions.current(&id).ok_or(PageError::new(Cause::NotFound))?;
    let workflow = &definition.workflow;
    let problems = (door.app.problems)();
    let own = problems.iter().filter(|problem| problem.path == definition.bundle.path);
    let page = Page {
        row: row(&definition),
        version: definition.sha256.chars().take(12).collect(),
        file: definition.bundle.path.clone(),
        is_scheduled: matches!(workflow.trigger, Trigger::Cron(_)),
        problems: own.map(sentence).collect(),
        picture: graph::svg(&graph::picture(workflow, Some(&door.app.tools))),
    };
    let frame = Frame::new(&door, &who, "runs", workflow.title.clone());
    Ok(render("workflow", frame, &page)?)
}

fn row(definition: &Definition) -> Row {
    let workflow = &definition.workflow;
    let (autonomy, tone) = match workflow.autonomy {
        Autonomy::Shadow => ("shadow", "warn"),
        Autonomy::Assist => ("assist", "good"),
        Autonomy::Auto => ("auto", "accent"),
    };
    Row {
        id: workflow.id.clone(),
        title: workflow.title.clone(),
        autonomy,
        tone,
        trigger: graph::trigger_words(&workflow.trigger),
        owner: workflow.owner.clone(),
    }
}

fn sentence(problem: &Problem) -> String {
    let place = problem.place;
    format!("{}:{}:{}: {} {}", problem.path, place.line, place.column, problem.code, problem.message)
}
