//! `takt run start`: begins a run by hand, as the console's form and the API do.

use super::RunError;
use crate::{
    app::Plant,
    engine::Definitions,
    run::{Actor, inputs_from_text},
    site::{Environment, Overrides},
    store::{Store, StoreError, clock, hints},
    trigger::{by_hand, check_manual, start_by_hand},
};
use std::{path::PathBuf, process::ExitCode};

#[derive(Debug, clap::Args)]
pub struct Start {
    /// Workflow with `trigger: manual`
    pub workflow: String,
    /// A value for one of its inputs, such as `order=SO-4001-1`; lists and objects as JSON. May be given several times
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub inputs: Vec<(String, String)>,
    /// Site folder: takt.yaml, workflows/, …
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR")]
    pub site: PathBuf,
    /// Who starts it: an id of takt.yaml, so that they cannot approve what they started
    #[arg(long, env = "USER", default_value = "cli", value_name = "PERSON")]
    pub by: String,
}

pub(in crate::cli) fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// What can be wrong with the wish is told before a database is touched.
pub(super) fn read(start: &Start) -> Result<Plant, RunError> {
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    let plant = Plant::load(&start.site, &Environment::of_process(), &overrides)?;
    let found = plant.library.get(&start.workflow).map(|definition| &definition.workflow);
    let workflow = check_manual(&start.workflow, found)?;
    inputs_from_text(workflow, &start.inputs).map_err(RunError::Inputs)?;
    Ok(plant)
}

pub(super) async fn start(store: &Store, plant: &Plant, start: &Start) -> Result<ExitCode, RunError> {
    let definitions = Definitions::default();
    let mut tx = store.begin().await?;
    definitions.publish(&mut tx, plant.library.definitions().cloned().collect()).await?;
    let found = definitions.current(&start.workflow);
    let workflow = check_manual(&start.workflow, found.as_ref().map(|definition| &definition.workflow))?;
    let inputs = inputs_from_text(workflow, &start.inputs).map_err(RunError::Inputs)?;
    let now = clock::now(&mut tx).await?;
    let site = (&plant.site.scope(), &plant.site.limits);
    let run = by_hand(&definitions, &start.workflow, &inputs, site, &Actor::person(&start.by), now)?;
    start_by_hand(&mut tx, std::slice::from_ref(&run), now).await?;
    tx.commit().await.map_err(StoreError::from)?;
    hints::send(store).await?;
    println!("{}", run.id);
    eprintln!(
        "{} begins as soon as a takt serve works on this database; look with `takt run show {}`",
        start.workflow, run.id
    );
    Ok(ExitCode::SUCCESS)
}
