//! A site that does not load, as findings at their places: what is wrong in takt.yaml and in connector files.

use crate::{app::AppError, connector::declared::LoadError, site::SiteError, workflow::problem::Problem};
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

fn inside(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}
