//! A site that does not load, as findings at their places: what is wrong in takt.yaml and in connector files.

use super::{
    check::{count, drawn},
    output::is_coloured,
};
use crate::{
    app::AppError,
    connector::{self, declared::LoadError},
    site::{Environment, Overrides, Site, SiteError},
    workflow::{Library, problem::Problem},
};
use std::path::Path;

const SITE_FILE: &str = "takt.yaml";

/// Paths are those in the site folder; nothing where the error has no place in a file.
pub(super) fn findings(folder: &Path, error: &AppError) -> Vec<Problem> {
    match error {
        AppError::Site(SiteError::Invalid(problems)) => problems
            .iter()
            .map(|problem| Problem::of_site(SITE_FILE, (problem.line, problem.column), &problem.message))
            .collect(),
        AppError::Connectors(LoadError::Problems(problems)) => problems
            .iter()
            .map(|problem| {
                let path = inside(folder, &problem.file);
                Problem::of_site(&path, (problem.line, problem.column), &problem.message)
            })
            .collect(),
        AppError::Connectors(LoadError::Read { path, source }) => {
            let message = format!("the file cannot be read: {source}");
            vec![Problem::of_site(&inside(folder, path), (1, 1), message)]
        }
        _ => Vec::new(),
    }
}

/// As [`findings`], with everything that can be told all the same: connectors as far as takt.yaml was understood, and the
/// form of events, workflows and tests.
pub(super) fn everything(
    folder: &Path,
    error: &AppError,
    environment: &Environment,
    overrides: &Overrides,
) -> Vec<Problem> {
    let mut found = findings(folder, error);
    if found.is_empty() {
        return found;
    }
    if let AppError::Site(_) = error {
        let connectors = folder.join("connectors");
        let wrong = match Site::draft(folder, environment, overrides) {
            Ok((Some(site), _)) => connector::load(&connectors, &site).err(),
            _ => connector::forms(folder, &connectors).err(),
        };
        found.extend(wrong.into_iter().flat_map(|wrong| findings(folder, &AppError::Connectors(wrong))));
    }
    found.extend(Library::shapes(folder).unwrap_or_default());
    found
}

/// Why a site does not load, drawn as `takt check` does; nothing where no file is to blame.
pub(super) fn told(folder: &Path, error: &AppError) -> Option<String> {
    let found = findings(folder, error);
    let drawn = drawn(&found.iter().collect::<Vec<_>>(), folder, is_coloured());
    (!found.is_empty()).then(|| format!("{drawn}the site cannot be used: {}", count(found.len(), "error")))
}

fn inside(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}
