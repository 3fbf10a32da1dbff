use super::spec;
use crate::tool::{Effect, Tool, ToolError, ToolErrorKind, ToolNameError, Typed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, io, path::PathBuf, sync::Arc};

/// Where the instructions lie in a site folder, one Markdown file each.
pub(super) const FOLDER: &str = "docs/work_instructions";

const FOUND_MAX: usize = 3;
const TEXT_CHARS_MAX: usize = 4_000;
/// A word of the title says more about a page than one of its text.
const TITLE_WEIGHT: usize = 3;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// A few words, like `press hydraulic pressure`.
    query: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Output {
    /// The best matches first; empty when no word occurs.
    instructions: Vec<Instruction>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct Instruction {
    /// File name without its ending.
    id: String,
    title: String,
    text: String,
}

pub(super) fn search(folder: PathBuf) -> Result<Arc<dyn Tool>, ToolNameError> {
    let about = "Searches the plant's work instructions and returns the best matches in full.";
    let spec = spec("docs.work_instructions", Effect::Read, about)?;
    Ok(Arc::new(Typed::new(spec, move |_, input: Input| {
        let folder = folder.clone();
        async move {
            let read = tokio::task::spawn_blocking(move || read(&folder)).await;
            let failed = |why: String| {
                ToolError::new(ToolErrorKind::Transient, "the work instructions cannot be read")
                    .with_detail(why)
            };
            let all = read.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
            Ok(Output { instructions: best(&input.query, all) })
        }
    })))
}

/// A site without the folder has no instructions.
fn read(folder: &std::path::Path) -> io::Result<Vec<Instruction>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if path.extension().is_none_or(|extension| extension != "md") || id.is_empty() {
            continue;
        }
        let text: String = std::fs::read_to_string(&path)?.chars().take(TEXT_CHARS_MAX).collect();
        let title = text.lines().next().unwrap_or(&id).trim_start_matches('#').trim().to_owned();
        found.push(Instruction { id, title, text });
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

fn best(query: &str, all: Vec<Instruction>) -> Vec<Instruction> {
    let wanted = words(query);
    let score = |instruction: &Instruction| {
        let (title, text) = (words(&instruction.title), words(&instruction.text));
        let hits = |found: &BTreeSet<String>| wanted.iter().filter(|word| found.contains(*word)).count();
        hits(&title) * TITLE_WEIGHT + hits(&text)
    };
    let mut scored: Vec<_> =
        all.into_iter().map(|page| (score(&page), page)).filter(|(s, _)| *s > 0).collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().take(FOUND_MAX).map(|(_, page)| page).collect()
}

/// Lower-case words of three letters and more, in the singular.
fn words(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let parts = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    parts.map(|word| singular(word).to_owned()).collect()
}

fn singular(word: &str) -> &str {
    match word.strip_suffix("es") {
        Some(stem) if ["ss", "x", "ch", "sh"].iter().any(|end| stem.ends_with(end)) => stem,
        _ if word.ends_with("ss") => word,
        _ => word.strip_suffix('s').unwrap_or(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn found(query: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
        best(query, read(&folder).unwrap()).into_iter().map(|instruction| instruction.id).collect()
    }

    #[test]
    fn the_instruction_about_the_thing_comes_first() {
        assert_eq!(found("hydraulic pressure lost PRESS-4")[0], "WI-112-press-hydraulics");
        assert_eq!(found("jams at the feeder")[0], "WI-118-press-feeder-jam");
        assert_eq!(found("paint humidity")[0], "WI-310-paint-booth-filters");
    }

    #[test]
    fn a_plural_finds_the_singular() {
        for (plural, one) in [("presses", "press"), ("jams", "jam"), ("hoses", "hose"), ("boxes", "box")] {
            assert_eq!(singular(plural), singular(one));
        }
    }

    #[test]
    fn no_word_in_common_finds_nothing() {
        assert_eq!(found("forklift battery"), Vec::<String>::new());
        assert_eq!(found(""), Vec::<String>::new());
    }

    #[test]
    fn a_site_without_instructions_has_none() {
        assert_eq!(read(Path::new("/no/such/folder")).unwrap(), []);
    }
}
