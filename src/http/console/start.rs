//! Starting a run by hand: the forms on the list of runs, and what they send.

use super::{PageError, runs};
use crate::{
    http::{auth::PostedForm, problem::Cause, state::Shared},
    run::{Actor, inputs_from_text},
    store::{StoreError, clock},
    trigger::{ManualError, by_hand, check_manual, start_by_hand},
    workflow::{Definition, Input, Trigger},
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// In front of an input's name, so that it is no other field of the form.
const PREFIX: &str = "input-";

/// A wish that was not taken, to be shown again with the reason.
pub(super) struct Refused {
    pub workflow: String,
    pub why: String,
    pub typed: Vec<(String, String)>,
}

#[derive(Serialize)]
pub(super) struct StartForm {
    id: String,
    title: String,
    why: Option<String>,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    name: String,
    label: String,
    unit: Option<String>,
    value: String,
    placeholder: String,
    required: bool,
}

/// One form for every workflow that people start.
pub(super) fn forms(definitions: &[Arc<Definition>], refused: Option<&Refused>) -> Vec<StartForm> {
    let manual = definitions.iter().filter(|one| matches!(one.workflow.trigger, Trigger::Manual));
    let form = |one: &Arc<Definition>| {
        let refused = refused.filter(|refused| refused.workflow == one.workflow.id);
        let mut fields: Vec<Field> =
            one.workflow.inputs.iter().map(|(name, input)| field(name, input, refused)).collect();
        fields.sort_by_key(|field| !field.required);
        StartForm {
            id: one.workflow.id.clone(),
            title: one.workflow.title.clone(),
            why: refused.map(|refused| refused.why.clone()),
            fields,
        }
    };
    manual.map(form).collect()
}

fn field(name: &str, input: &Input, refused: Option<&Refused>) -> Field {
    let typed = refused.and_then(|refused| refused.typed.iter().find(|(given, _)| given == name));
    let default = input.default.as_ref().map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    Field {
        name: format!("{PREFIX}{name}"),
        label: input.title.clone().unwrap_or_else(|| name.replace('_', " ")),
        unit: input.unit.clone(),
        value: typed.map(|(_, text)| text.clone()).unwrap_or_default(),
        required: default.is_none(),
        placeholder: default.unwrap_or_else(|| match input.kind.as_str() {
            "list" | "object" => "JSON".to_owned(),
            _ => String::new(),
        }),
    }
}

/// Begins the run and goes to it. Whoever is refused sees their form and why.
pub(in crate::http) async fn start(
    State(door): State<Shared>,
    Path(workflow): Path<String>,
    form: PostedForm,
) -> Result<Response, PageError> {
    let given = form.fields.0.iter();
    let typed: Vec<(String, String)> = given
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value.clone())))
        .collect();
    match begin(&door, &workflow, &typed, &form.who.person.id).await {
        Ok(run) => Ok(Redirect::to(&format!("/runs/{run}")).into_response()),
        Err(ManualError::NoWorkflow(_)) => Err(PageError::new(Cause::NotFound)),
        Err(ManualError::Start(error)) => Err(StoreError::from(error).into()),
        Err(refusal) => {
            let refused = Refused { workflow, why: format!("Nothing was started: {refusal}."), typed };
            let page = runs::show(&door, &form.who, runs::Search::default(), Some(&refused)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

async fn begin(
    door: &Shared,
    workflow: &str,
    typed: &[(String, String)],
    person: &str,
) -> Result<crate::run::RunId, ManualError> {
    let definitions = &door.app.definitions;
    let found = definitions.current(workflow);
    let manual = check_manual(workflow, found.as_ref().map(|definition| &definition.workflow))?;
    let inputs = inputs_from_text(manual, typed).map_err(ManualError::Inputs)?;
    let by = Actor::person(person).vouched_by(Some("web".to_owned()));
    let mut tx = door.app.store.begin().await?;
    let now = clock::now(&mut tx).await?;
    let site = (&door.app.site.scope(), &door.app.site.limits);
    let run = by_hand(definitions, workflow, &inputs, site, &by, now)?;
    start_by_hand(&mut tx, std::slice::from_ref(&run), now).await?;
    tx.commit().await.map_err(StoreError::from)?;
    door.app.hints.tell();
    Ok(run.id)
}
