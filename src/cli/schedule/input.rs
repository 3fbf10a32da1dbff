//! The files a schedule command is given: the problem in any format, and plans.

use crate::schedule::{
    Problem, ScheduleError,
    model::Model,
    plan::{PlanError, PlanFile},
    read::{Format, ReadError, read_with_format},
};
use std::{fs, io, path::Path};

/// Larger than any plant; a file beyond it is not read into memory.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("{file} cannot be read: {error}")]
    Unreadable { file: String, error: io::Error },
    #[error("{file} is larger than {} MB; split the problem", BYTES_MAX / 1024 / 1024)]
    TooLarge { file: String },
    #[error("{file}: {error}")]
    Form { file: String, error: ReadError },
    #[error("{file}: {error}")]
    Model { file: String, error: ScheduleError },
    #[error("{file}: {error}")]
    Plan { file: String, error: PlanError },
}

pub(super) struct Input {
    /// The file's name without folder and ending.
    pub(super) name: String,
    pub(super) format: Format,
    pub(super) model: Model,
}

pub(super) fn problem(path: &Path) -> Result<Input, InputError> {
    let file = path.display().to_string();
    let text = text(path)?;
    let (model, format) =
        read_with_format(&text).map_err(|error| InputError::Form { file: file.clone(), error })?;
    let name = path.file_stem().map_or_else(|| file.clone(), |stem| stem.to_string_lossy().into_owned());
    Ok(Input { name, format, model })
}

/// Like [`problem`], refused unless it is well-formed.
pub(super) fn sound_problem(path: &Path) -> Result<Input, InputError> {
    let input = problem(path)?;
    Problem::parse(input.model.clone())
        .map_err(|error| InputError::Model { file: path.display().to_string(), error })?;
    Ok(input)
}

pub(super) fn plan(path: &Path) -> Result<PlanFile, InputError> {
    let text = text(path)?;
    PlanFile::parse(&text).map_err(|error| InputError::Plan { file: path.display().to_string(), error })
}

fn text(path: &Path) -> Result<String, InputError> {
    let file = path.display().to_string();
    let unreadable = |error| InputError::Unreadable { file: file.clone(), error };
    if fs::metadata(path).map_err(unreadable)?.len() > BYTES_MAX {
        return Err(InputError::TooLarge { file });
    }
    fs::read_to_string(path).map_err(unreadable)
}

pub(super) fn words(format: Format) -> &'static str {
    match format {
        Format::Model => "JSON model",
        Format::Plant => "plant JSON",
        Format::JobShop => "job shop",
        Format::WeightedTardiness => "job shop with weights and due dates",
        Format::Flexible => "flexible job shop",
        Format::SetupsByJob => "flexible job shop with setups between jobs",
        Format::SetupsByOperation => "flexible job shop with setups between operations",
    }
}
