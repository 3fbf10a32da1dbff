//! Reads `connectors/*.yaml` of a site: files of HTTP operations and files of MCP servers.

use super::{
    declared::{self, LoadError},
    http, mcp,
};
use crate::{
    site::{Site, read_text},
    tool::Tool,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Every tool declared in `folder`, or every mistake in it. A site without the folder has no such tools.
pub fn load(folder: &Path, site: &Site) -> Result<Vec<Arc<dyn Tool>>, LoadError> {
    let client = http::client()?;
    let (mut tools, mut problems) = (Vec::new(), Vec::new());
    for path in files(folder)? {
        let text = read_text(&site.folder, &path)
            .map_err(|source| LoadError::Read { path: path.clone(), source })?;
        let read = if mcp::is_mcp(&text) {
            mcp::read(&path, &text, site, &client)
        } else {
            declared::read(&path, &text, site, &client)
        };
        match read {
            Ok(found) => tools.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(tools) } else { Err(LoadError::Problems(problems)) }
}

/// Every mistake in the form of the files, where takt.yaml does not say which systems there are.
pub fn forms(site: &Path, folder: &Path) -> Result<(), LoadError> {
    let mut problems = Vec::new();
    for path in files(folder)? {
        let text = read_text(site, &path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
        let wrong = if mcp::is_mcp(&text) { mcp::form(&path, &text) } else { declared::form(&path, &text) };
        problems.extend(wrong);
    }
    if problems.is_empty() { Ok(()) } else { Err(LoadError::Problems(problems)) }
}

pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |source| LoadError::Read { path: folder.to_owned(), source };
    if !folder.try_exists().map_err(failed)? {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
