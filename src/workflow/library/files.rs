//! T021: rules, messages and prompts of a site that no workflow names.

use crate::workflow::{
    Definition, Place,
    problem::{Problem, Severity},
};
use std::{collections::BTreeSet, fs, io, path::Path};

/// Folders whose files are there for workflows only, and how those files end.
const FOLDERS: [(&str, &str); 3] = [("rules", ".yaml"), ("messages", ".hbs"), ("prompts", ".hbs")];

pub(super) fn unused<'d>(
    site: &Path,
    definitions: impl Iterator<Item = &'d Definition>,
) -> io::Result<Vec<Problem>> {
    let used: BTreeSet<&str> =
        definitions.flat_map(|definition| definition.bundle.files.keys().map(String::as_str)).collect();
    let mut found = Vec::new();
    // Nothing loads: then its own findings are enough.
    if used.is_empty() {
        return Ok(found);
    }
    for (folder, ending) in FOLDERS {
        let mut names = BTreeSet::new();
        match fs::read_dir(site.join(folder)) {
            Ok(entries) => {
                for entry in entries {
                    names.insert(entry?.file_name().to_string_lossy().into_owned());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        for name in names.iter().filter(|name| name.ends_with(ending)) {
            let path = format!("{folder}/{name}");
            // A workflow may name a prompt without its folder.
            if used.contains(path.as_str()) || used.contains(name.as_str()) {
                continue;
            }
            found.push(Problem {
                code: "T021",
                severity: Severity::Warning,
                path,
                place: Place { line: 1, column: 1 },
                message: "no workflow names this file".to_owned(),
                fix: Some("use it, or remove it".to_owned()),
            });
        }
    }
    Ok(found)
}
