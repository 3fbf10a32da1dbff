//! Where something is declared: a step, a tool, a prompt, a role, another workflow.

use super::{
    cel,
    context::{Context, FileKind},
    outline::{At, Node, Outline, Way},
    scope,
    text::Text,
};
use crate::workflow::places_of;
use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// A place in a file of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) range: gen_lsp_types::Range,
}

pub(super) fn definition(context: &Context<'_>, offset: usize) -> Option<Target> {
    if !matches!(FileKind::of(context.path), FileKind::Workflow | FileKind::Rule | FileKind::Test) {
        return None;
    }
    let text = context.text.as_str();
    let outline = Outline::parse(text);
    let at = outline.at(offset)?;
    if at.on_key {
        // The answers of tools in a test are listed by their names.
        let (_, Way::Key(entry)) = at.way.last()? else { return None };
        return tool(context, &entry.key);
    }
    let node = at.node()?;
    let is_bare = context.is_expression(&outline, &at);
    if let Some(written) = scope::expression_at(text, node, offset, is_bare) {
        let (path, _) = cel::path_at(&written.source, written.cursor)?;
        return in_path(context, &outline, &at, path);
    }
    of_word(context, &outline, &at, node.text(text).trim())
}

/// `steps.triage.severity`, `inputs.days`, `trigger.work_center`.
fn in_path(context: &Context<'_>, outline: &Outline<'_>, at: &At<'_>, path: &str) -> Option<Target> {
    let names: Vec<&str> = path.split('.').map(|name| name.trim_start_matches('?')).collect();
    match names.as_slice() {
        ["steps", id, part, ..] => inside(context, outline, id, part).or_else(|| step(context, outline, id)),
        ["steps", id] => step(context, outline, id),
        ["inputs", name, ..] => {
            let inputs = outline.root.get("inputs")?;
            let entry = inputs.entries().iter().find(|entry| entry.key == *name)?;
            Some(here(context, entry.key_span.clone()))
        }
        ["event", ..] => {
            // In the `where` of a step it is what that step waits for.
            let waited = at.way.iter().rev().find_map(|(holder, _)| holder.get("wait"));
            match waited {
                Some(wait) => event(context, wait.text(outline.source)),
                None => trigger(context, outline),
            }
        }
        ["trigger", ..] => trigger(context, outline),
        _ => None,
    }
}

/// Where the event is described that starts the workflow; of several the first that is.
fn trigger(context: &Context<'_>, outline: &Outline<'_>) -> Option<Target> {
    let trigger = outline.root.get("trigger")?;
    let any = trigger.get("any").map(Node::items).unwrap_or_default().iter();
    let mut kinds = trigger.get("event").into_iter().chain(any.filter_map(|pattern| pattern.get("event")));
    kinds.find_map(|kind| event(context, kind.text(outline.source)))
}

fn event(context: &Context<'_>, kind: &str) -> Option<Target> {
    file(context, Path::new("events").join(format!("{}.json", kind.trim())))
}

/// A part of what a step puts out that is declared by itself: one of those side by side, or a step of the workflow it runs.
fn inside(context: &Context<'_>, outline: &Outline<'_>, id: &str, part: &str) -> Option<Target> {
    let (_, node) = outline.steps().into_iter().find(|(known, _)| *known == id)?;
    if let Some(children) = node.get("parallel") {
        let entry = children.entries().iter().find(|entry| entry.key == part)?;
        return Some(here(context, entry.key_span.clone()));
    }
    let definition = context.plant.library.get(node.get("run")?.text(outline.source).trim())?;
    let path = context.plant.site.folder.join(&definition.bundle.path);
    let text = fs::read_to_string(&path).ok()?;
    let other = Outline::parse(&text);
    let (_, step) = other.steps().into_iter().find(|(known, _)| *known == part)?;
    let span = step.get("id")?.span.clone();
    Some(Target { range: Text::new(text).range(span), path })
}

fn of_word(context: &Context<'_>, outline: &Outline<'_>, at: &At<'_>, word: &str) -> Option<Target> {
    let place = context.place(outline, at);
    let is = |name: &str| place.is_defined_as(name);
    let in_with = at
        .way
        .iter()
        .rev()
        .nth(1)
        .is_some_and(|(_, way)| matches!(way, Way::Key(entry) if entry.key == "with"));
    if is("tool") || is("agent_tool") || at.key() == Some("call") {
        tool(context, word)
    } else if is("message") || is("prompt") || is("output_schema") || (in_with && at.key() == Some("message"))
    {
        places_of(context.path, word).find_map(|place| file(context, place))
    } else if is("rule") {
        file(context, Path::new("rules").join(format!("{word}.yaml")))
    } else if is("workflow_id") || at.key() == Some("workflow") {
        let definition = context.plant.library.get(word)?;
        file(context, PathBuf::from(&definition.bundle.path))
    } else if is("role") || (in_with && at.key() == Some("role")) {
        in_site(context, &["roles"], word)
    } else if is("ladder") {
        in_site(context, &["ladders"], word)
    } else {
        match at.key() {
            Some("calendar") => in_site(context, &["calendars"], word),
            Some("event" | "wait") => event(context, word),
            Some("step" | "answer") => step(context, outline, word),
            _ => None,
        }
    }
}

fn step(context: &Context<'_>, outline: &Outline<'_>, id: &str) -> Option<Target> {
    let (_, node) = outline.steps().into_iter().find(|(known, _)| *known == id)?;
    Some(here(context, node.get("id")?.span.clone()))
}

/// Where a connector declares a tool; those built into Takt are declared nowhere.
fn tool(context: &Context<'_>, name: &str) -> Option<Target> {
    let folder = context.plant.site.folder.join("connectors");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).find_map(
        |path| {
            let text = fs::read_to_string(&path).ok()?;
            let span = key_of(&Outline::parse(&text).root, &["tools"], name)?;
            Some(Target { range: Text::new(text).range(span), path })
        },
    )
}

fn in_site(context: &Context<'_>, holders: &[&str], name: &str) -> Option<Target> {
    let path = context.plant.site.folder.join("takt.yaml");
    let text = fs::read_to_string(&path).ok()?;
    let span = key_of(&Outline::parse(&text).root, holders, name)?;
    Some(Target { range: Text::new(text).range(span), path })
}

fn key_of(root: &Node, holders: &[&str], name: &str) -> Option<Range<usize>> {
    let holder = holders.iter().try_fold(root, |node, holder| node.get(holder))?;
    holder.entries().iter().find(|entry| entry.key == name).map(|entry| entry.key_span.clone())
}

fn file(context: &Context<'_>, path: PathBuf) -> Option<Target> {
    let path = context.plant.site.folder.join(path);
    path.is_file().then(|| Target { path, range: gen_lsp_types::Range::default() })
}

fn here(context: &Context<'_>, span: Range<usize>) -> Target {
    let path = context.plant.site.folder.join(context.path);
    Target { path, range: context.text.range(span) }
}
