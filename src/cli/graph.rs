//! `takt graph`: a workflow as a picture.

use super::output::out;
use crate::{
    app::AppError,
    graph::{mermaid, picture, svg},
};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Draw a workflow: steps, branches, questions, and where it writes
#[derive(Debug, clap::Args)]
pub struct GraphArgs {
    /// Id of the workflow, or its file
    pub workflow: String,

    /// Folder that holds takt.yaml, workflows/, connectors/ and the rest
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR")]
    pub site: PathBuf,

    #[arg(long, value_enum, default_value_t = Format::Svg)]
    pub format: Format,

    /// The file that is written; standard output when left out
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A picture that any browser shows
    Svg,
    /// Text that many wikis and code hosts draw
    Mermaid,
}

#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error(transparent)]
    Site(#[from] AppError),
    #[error("{0}")]
    NoWorkflow(String),
    #[error("the picture cannot be written: {0}")]
    Write(#[from] io::Error),
}

pub fn run(args: &GraphArgs) -> Result<(), GraphError> {
    let plant = super::plant_of(&args.site)?;
    let file = Path::new(&args.workflow).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = file.as_deref().unwrap_or(&args.workflow);
    let found = plant.library.get(&args.workflow).or_else(|| plant.library.get(name));
    let definition = found.ok_or_else(|| GraphError::NoWorkflow(plant.library.absence(name)))?;
    let picture = picture(&definition.workflow, Some(&plant.tools));
    let text = match args.format {
        Format::Svg => svg(&picture),
        Format::Mermaid => mermaid(&picture),
    };
    match &args.output {
        Some(path) => fs::write(path, text)?,
        None => out().write_all(text.as_bytes())?,
    }
    Ok(())
}
