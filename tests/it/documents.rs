//! What the documents say is there is there: links, files, tests, options, the README's workflow.

use regex::Regex;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|given| given == ending) {
            found.push(path);
        }
    }
}

fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root().join("docs"), "md", &mut found);
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    found.extend(top.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    found
}

fn captures(pattern: &str, text: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    pattern.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    let mut links = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in captures(r"\]\(([^)#\s]+)[^)]*\)", &text) {
            links += 1;
            if !link.contains("://") && !document.with_file_name(&link).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(links > 20, "only {links} links were found");
    assert!(broken.is_empty(), "links to nowhere: {broken:#?}");
}

#[test]
fn every_file_that_is_named_exists() {
    let mut missing = Vec::new();
    for path in ["docs/guarantees.md", "docs/operating.md", "CONTRIBUTING.md"] {
        let text = read(path);
        let named = captures(r"`((?:src|tests|migrations|docs)/[\w./]+)`", &text);
        missing.extend(named.into_iter().filter(|file| !file.ends_with('…') && !root().join(file).exists()));
    }
    let map = read("ARCHITECTURE.md");
    let named = captures(r"`([a-z]+/[\w/]+(?:\.rs|/))`", &map);
    assert!(named.len() > 20, "the map names only {named:?}");
    missing.extend(
        named
            .into_iter()
            .filter(|file| !root().join("src").join(file).exists() && !root().join(file).exists()),
    );
    assert!(missing.is_empty(), "files that are not there: {missing:#?}");
}

#[test]
fn every_test_that_shows_a_guarantee_exists() {
    let mut sources = Vec::new();
    files(&root().join("src"), "rs", &mut sources);
    files(&root().join("tests"), "rs", &mut sources);
    let code: String = sources.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let named = captures(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`", &read("docs/guarantees.md"));
    assert!(named.len() > 15, "only {named:?} are named");
    let missing: Vec<_> = named.iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "tests that are not there: {missing:?}");
}

#[test]
fn the_workflow_in_the_readme_is_the_one_that_runs() {
    let readme = read("README.md");
    let excerpt =
        readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a workflow");
    let workflow = read("workflows/downtime_escalation.yaml");
    let mut lines = workflow.lines();
    for wanted in excerpt.lines().filter(|line| !line.trim().is_empty()) {
        assert!(lines.any(|line| line == wanted), "not in the workflow, or not in this order: {wanted}");
    }
}

#[test]
fn commands_and_options_of_the_readme_exist() {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_takt")).args(arguments).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let readme = read("README.md");
    for command in captures(r"(?m)^\| `takt (\w+)", &readme) {
        assert!(help(&[]).contains(&format!("  {command} ")), "there is no `takt {command}`");
    }
    let demo = help(&["demo"]);
    let options = captures(r"(?m)^\| `(--[a-z]+)", &readme);
    assert!(options.len() >= 6, "only {options:?}");
    for option in options {
        assert!(demo.contains(&format!("{option} ")) || demo.contains(&format!("{option}\n")), "no {option}");
    }
    assert!(help(&["eval", "record"]).contains("--name") && help(&["eval", "record"]).contains("--demo"));
}

#[test]
fn the_picture_of_the_bundled_workflow_is_what_takt_draws() {
    let output = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["graph", "downtime_escalation"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        String::from_utf8(output.stdout).unwrap().trim_end()
            == read("docs/images/downtime_escalation.svg").trim_end(),
        "draw it again: takt graph downtime_escalation --output docs/images/downtime_escalation.svg"
    );
}

#[test]
fn the_language_reference_is_what_the_code_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["schema", "--format", "markdown"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        String::from_utf8(output.stdout).unwrap() == read("docs/reference.md"),
        "write it again: takt schema --format markdown --output docs/reference.md"
    );
}
