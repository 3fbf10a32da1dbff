//! `docs/workflows.md` against the code: its examples load. Every code that is told is one of the reference's.

use crate::workflow::{CODES, Rule, decode, source::Document};
use std::{collections::BTreeSet, fs, path::Path};

const MANUAL: &str = include_str!("../../../docs/workflows.md");

fn blocks() -> impl Iterator<Item = &'static str> {
    MANUAL.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

#[test]
fn its_examples_load() {
    let mut loaded = 0;
    for block in blocks() {
        if block.starts_with("rule:") {
            Rule::parse("manual", block).expect("the rule loads");
        } else {
            let document = Document::parse("manual", block).expect("is YAML");
            assert_eq!(decode::workflow("manual", &document).problems, []);
        }
        loaded += 1;
    }
    assert_eq!(loaded, 4);
}

#[test]
fn every_code_is_explained() {
    let mut used = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/workflow")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() && !entry.ends_with("tests") {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(entry).expect("text");
                used.extend(text.split('"').filter(|word| is_code(word)).map(str::to_owned));
            }
        }
    }
    assert!(used.len() > 10, "{used:?}");
    let is_explained = |code: &&String| CODES.iter().any(|(known, _)| known == code);
    let unexplained: Vec<_> = used.iter().filter(|code| !is_explained(code)).collect();
    assert_eq!(unexplained, Vec::<&String>::new());
}

fn is_code(word: &str) -> bool {
    word.len() == 4 && word.starts_with('T') && word[1..].bytes().all(|b| b.is_ascii_digit())
}
