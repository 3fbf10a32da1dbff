//! Forms that order something of one run or of many. Many are looked at first, in a dry run.

use super::{
    PageError, run,
    template::{Frame, render},
};
use crate::{
    engine::control::{
        Action, BulkFilter, BulkReport, ControlError, Order, Refusal, Version, apply, bulk, continue_bulk,
    },
    http::{
        auth::{Fields, PostedForm},
        place::may_order,
        problem::Cause,
        state::Shared,
    },
    run::{RunId, StepPath},
    site::parse_duration,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Serialize;
use std::time::Duration;

const BULK_TIME: Duration = Duration::from_secs(20);

impl From<ControlError> for PageError {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Refused(Refusal::NoSuchRun(_)) | ControlError::NoSuchOrder(_) => {
                Self::new(Cause::NotFound)
            }
            ControlError::Refused(_) => Self::new(Cause::NotPossible),
            ControlError::Store(error) => error.into(),
        }
    }
}

fn action(word: &str, fields: &Fields) -> Result<Action, PageError> {
    let from = fields.text("from").map(StepPath::from);
    let version = fields.text("version").map(|word| match word.as_str() {
        "same" => Version::Same,
        "newest" => Version::Newest,
        _ => Version::Sha256(word),
    });
    Action::read(word, from, version).map_err(|problem| {
        PageError::new(if problem.is_unknown { Cause::NotFound } else { Cause::Malformed })
    })
}

/// One run. Whoever is refused sees the run and why.
pub(in crate::http) async fn one(
    State(door): State<Shared>,
    Path((id, word)): Path<(String, String)>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let id: RunId = id.parse().map_err(|_| PageError::new(Cause::NotFound))?;
    let order = order(&door, &word, &form, Some(id)).await?;
    match apply(&door.app.store, &door.app.definitions, id, &order, false).await {
        Ok(()) => {
            door.app.hints.tell();
            let back = form.fields.get("back").filter(|back| *back == "/attention");
            let to = back.map_or_else(|| format!("/runs/{id}"), str::to_owned);
            Ok(Redirect::to(&to).into_response())
        }
        Err(ControlError::Refused(refusal)) if !matches!(refusal, Refusal::NoSuchRun(_)) => {
            let words = format!("Nothing was changed: {refusal}.");
            let page = run::show(&door, &form.who, id, Some(words)).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

async fn order(door: &Shared, word: &str, form: &PostedForm, run: Option<RunId>) -> Result<Order, PageError> {
    if !may_order(door, &form.who.person, run).await? {
        return Err(PageError::new(Cause::NotPermitted));
    }
    let action = action(word, &form.fields)?;
    let reason = form.fields.text("reason").ok_or(PageError::new(Cause::Malformed))?;
    Ok(Order { action, by: form.who.person.id.clone(), via: Some("web".to_owned()), reason })
}

#[derive(Serialize)]
struct BulkPage {
    report: BulkReport,
    action: String,
    left_out: Vec<Reason>,
    /// What was filled in, to be sent once more for real.
    fields: Vec<(String, String)>,
    /// An order that is not finished goes on with this.
    order: Option<String>,
}

#[derive(Serialize)]
struct Reason {
    words: String,
    count: u64,
    examples: Vec<String>,
}

/// Many runs: the first form only looks, the second one does it.
pub(in crate::http) async fn many(
    State(door): State<Shared>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let (store, definitions) = (&door.app.store, &door.app.definitions);
    let (word, report) = match form.fields.text("order").and_then(|order| order.parse().ok()) {
        Some(id) => {
            if !door.app.site.is_operator(&form.who.person) {
                return Err(PageError::new(Cause::NotPermitted));
            }
            let report = continue_bulk(store, definitions, id, BULK_TIME).await?;
            (report.action.to_owned(), report)
        }
        None => {
            let word = form.fields.text("action").unwrap_or_default();
            let order = order(&door, &word, &form, None).await?;
            let filter = filter(&form.fields)?;
            let is_real = form.fields.get("really") == Some("yes");
            (word, bulk(store, definitions, &filter, &order, !is_real, BULK_TIME).await?)
        }
    };
    door.app.hints.tell();
    let hidden = ["csrf", "really", "order"];
    let page = BulkPage {
        action: word,
        left_out: report
            .left_out
            .values()
            .map(|left| Reason {
                words: left.words.clone(),
                count: left.count,
                examples: left.examples.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        fields: form.fields.0.iter().filter(|(name, _)| !hidden.contains(&name.as_str())).cloned().collect(),
        order: report.order.filter(|_| !report.finished).map(|id| id.to_string()),
        report,
    };
    Ok(render("bulk", Frame::new(&door, &form.who, "runs", "Many runs"), &page)?.into_response())
}

fn filter(fields: &Fields) -> Result<BulkFilter, PageError> {
    let age = fields.text("older_than").map(|age| parse_duration(&age)).transpose();
    let filter = BulkFilter {
        ids: None,
        workflow: fields.text("workflow"),
        state: fields.text("state"),
        older_than_seconds: age.map_err(|_| PageError::new(Cause::Malformed))?.map(|age| age.as_secs()),
        failed_step: fields.text("failed_step"),
        class: fields.text("class"),
    };
    if filter.is_everything() { Err(PageError::new(Cause::Malformed)) } else { Ok(filter) }
}
