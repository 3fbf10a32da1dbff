//! `takt schema`: the JSON Schema of a site's workflow files for editors, or the same as a reference for people.

use super::output::out;
use crate::{
    app::AppError,
    schema::{language_reference, workflow_schema},
};
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

/// Write the JSON Schema of this site's workflow files, which lets editors complete and explain them
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// Folder that holds takt.yaml, workflows/, connectors/ and the rest
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR")]
    pub site: PathBuf,

    /// A JSON Schema for editors, or the language reference for people
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,

    /// The file that is written; standard output when left out
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Json,
    Markdown,
}

#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error(transparent)]
    Site(#[from] AppError),
    #[error("the schema cannot be written: {0}")]
    Write(#[from] io::Error),
}

pub fn run(args: &SchemaArgs) -> Result<(), SchemaError> {
    let plant = super::plant_of(&args.site)?;
    let (site, tools, library) = (&plant.site, &plant.tools, &plant.library);
    let text = match args.format {
        Format::Json => {
            let schema = workflow_schema(site, tools, library);
            serde_json::to_string_pretty(&schema).map_err(io::Error::from)? + "\n"
        }
        Format::Markdown => language_reference(site, tools, library),
    };
    match &args.output {
        Some(path) => fs::write(path, text)?,
        None => out().write_all(text.as_bytes())?,
    }
    Ok(())
}
