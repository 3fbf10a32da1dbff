//! T021: rules, messages and prompts of a site that no workflow names; files that look like workflows and are not read.
//! T023: values of takt.yaml that are not what they seem.

use crate::site::read_text;
use crate::workflow::{
    Definition, Place,
    decode::surprises_in,
    problem::{Problem, Severity},
    source::Document,
};
use std::{collections::BTreeSet, fs, io, path::Path};

/// What tests read.
const FIXTURES: &str = "fixtures";
/// Folders whose files are there for workflows only, and how those files end.
const FOLDERS: [(&str, &str); 3] = [("rules", ".yaml"), ("messages", ".hbs"), ("prompts", ".hbs")];

/// Files that somebody may take for workflows.
pub(super) fn unread(site: &Path) -> io::Result<Vec<Problem>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(site.join("workflows"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            for inner in fs::read_dir(entry.path())? {
                let inner = inner?.file_name().to_string_lossy().into_owned();
                if inner.ends_with(".yaml") && name != FIXTURES {
                    found.push(unread_file(
                        format!("workflows/{name}/{inner}"),
                        "move it to workflows/ itself",
                    ));
                }
            }
        } else if name.ends_with(".yml") {
            found.push(unread_file(format!("workflows/{name}"), "let its name end with `.yaml`"));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Values of takt.yaml that read differently from what they say. Other keys of it know what they hold.
pub(super) fn surprises(site: &Path) -> Vec<Problem> {
    const PATH: &str = "takt.yaml";
    let Ok(text) = read_text(site, PATH) else { return Vec::new() };
    let Ok(document) = Document::parse(PATH, &text) else { return Vec::new() };
    document.root.get("values").map(|values| surprises_in(PATH, &document, values)).unwrap_or_default()
}

fn unread_file(path: String, fix: &str) -> Problem {
    let stem = path.strip_suffix(".yaml").or_else(|| path.strip_suffix(".yml")).unwrap_or(&path);
    let what = if stem.ends_with(".test") {
        "a test is a file `workflows/<name>.test.yaml`, beside its workflow"
    } else {
        "a workflow is a file `workflows/<id>.yaml`"
    };
    let message = format!("this file is not read: {what}");
    Problem {
        code: "T021",
        severity: Severity::Warning,
        path,
        place: Place { line: 1, column: 1 },
        message,
        fix: Some(fix.to_owned()),
    }
}

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
