//! T019: what a prompt or message names is there when it is rendered, and fits on a card.

use super::{Checker, Spot, arguments::key_place, times::is_notification};
use crate::{
    expr::{Type, Types, ValueTemplate},
    tool::ToolName,
    workflow::{
        AgentStep, Place,
        problem::{Problem, Severity},
        source::Node,
        suggest,
    },
};
use serde_json::{Value, json};

/// What Slack and Teams show of a card's first line, and of the rest.
const TITLE_CHARS_MAX: usize = 150;
const BODY_CHARS_MAX: usize = 3_000;
/// How deep sample data goes.
const DEPTH_MAX: usize = 8;

impl Checker<'_> {
    pub(super) fn rendered(&mut self, path: &str, types: &Types) {
        self.at_spot(|spot| matches!(spot, Spot::Template(known) if known == path), types);
        for found in self.definition.template_problems(path, types) {
            self.problems.push(Problem {
                code: "T019",
                severity: Severity::Error,
                path: path.to_owned(),
                place: Place { line: found.line, column: found.column },
                message: found.message,
                fix: Some(found.fix),
            });
        }
    }

    /// A message that is sent: the run's own names, and what the call's `data` adds.
    pub(super) fn message(
        &mut self,
        tool: &ToolName,
        with: &ValueTemplate,
        given: &Type,
        node: Option<&Node>,
        types: &Types,
    ) {
        let Some(Value::String(path)) = with.raw().get("message") else { return };
        // One that ends in .hbs was looked for when the file was loaded.
        if is_notification(tool) && !path.ends_with(".hbs") && !path.contains("${{") {
            let place = node.and_then(|node| node.get("message")).map(|node| node.place).unwrap_or_default();
            let fix = "name a template of messages/, like messages/ask.hbs";
            self.error("T019", place, format!("`{path}` is no template"), fix);
            return;
        }
        let mut types = types.clone();
        let data = match given {
            Type::Object(shape) => shape.fields.get("data").map(|field| &field.kind),
            _ => None,
        };
        if let Some(Type::Object(data)) = data {
            types.extend(data.fields.iter().map(|(name, field)| (name.clone(), field.kind.clone())));
            let used = self.definition.template_names(path);
            let whole = used.iter().any(Vec::is_empty);
            for name in data.fields.keys() {
                if whole || used.iter().any(|path| path.first() == Some(name)) {
                    continue;
                }
                let near =
                    suggest::closest(name, used.iter().filter_map(|path| path.first().map(String::as_str)));
                let fix = near.map_or("use it there, or remove it".to_owned(), |near| {
                    format!("did you mean `{near}`?")
                });
                let place = key_place(node.and_then(|node| node.get("data")), name);
                let message = format!("the message {path} does not use `{name}`");
                self.warn("T021", place.unwrap_or_default(), message, fix);
            }
        }
        if is_notification(tool) {
            self.says_something(path, node.and_then(|node| node.get("message")));
        }
        self.rendered(path, &types);
        self.fits_on_a_card(path, &types);
    }

    /// A message without a word is a card without a title.
    pub(super) fn says_something(&mut self, path: &str, node: Option<&Node>) {
        if self.definition.bundle.files.get(path).is_some_and(|text| is_blank(text)) {
            let place = node.map_or(Place::default(), |node| node.place);
            let fix = "write it: the first line is the title, the rest the text";
            self.error("T019", place, format!("the message {path} is empty"), fix);
        }
    }

    /// A name of the agent's `with` that differs by a slip of the hand from one that the prompt speaks of.
    pub(super) fn prompt_words(&mut self, agent: &AgentStep, with: Option<&Node>) {
        let Some(prompt) = self.definition.bundle.files.get(&agent.prompt) else { return };
        let Some(given) = agent.with.raw().as_object() else { return };
        let spoken: Vec<&str> =
            prompt.split('`').skip(1).step_by(2).filter(|word| !given.contains_key(*word)).collect();
        for name in given.keys() {
            let Some(near) = suggest::closest(name, spoken.iter().copied()) else { continue };
            if prompt.contains(&format!("`{name}`")) {
                continue;
            }
            let message =
                format!("the prompt {} speaks of `{near}`, and there is only `{name}`", agent.prompt);
            let place = key_place(with, name).unwrap_or_default();
            self.warn("T021", place, message, format!("did you mean `{near}`?"));
        }
    }

    /// Chat systems cut a title and a text that are too long. Tried with data of the usual length.
    pub(super) fn fits_on_a_card(&mut self, path: &str, types: &Types) {
        let data = types.iter().map(|(name, kind)| (name.clone(), sample(kind, 0))).collect();
        // What cannot be rendered has a finding of its own, or is not known well enough.
        let Ok(text) = self.definition.render(path, &Value::Object(data)) else { return };
        let text = text.trim();
        let (title, body) = text.split_once('\n').unwrap_or((text, ""));
        let line = self
            .definition
            .bundle
            .files
            .get(path)
            .and_then(|file| file.lines().position(|line| !line.trim().is_empty()));
        let line = line.map_or(1, |line| line as u32 + 1);
        for (what, length, most, line) in [
            ("title", title.chars().count(), TITLE_CHARS_MAX, line),
            ("text", body.chars().count(), BODY_CHARS_MAX, line + 1),
        ] {
            if length > most {
                self.problems.push(Problem {
                    code: "T019",
                    severity: Severity::Warning,
                    path: path.to_owned(),
                    place: Place { line, column: 1 },
                    message: format!("the {what} has about {length} characters; a card shows {most}"),
                    fix: Some("say it shorter: the first line is the title, the rest the text".to_owned()),
                });
            }
        }
    }
}

/// Whether a template is nothing but blanks and comments.
fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    // What begins with `{{~!` is no comment, and has a finding of its own.
    while let Some(inside) = rest.strip_prefix("{{!") {
        let closes: &[&str] = if inside.starts_with("--") { &["--}}", "--~}}"] } else { &["}}"] };
        let ends = closes.iter().filter_map(|close| Some(inside.find(*close)? + close.len()));
        // One that does not end has a finding of its own.
        let Some(end) = ends.min() else { return false };
        rest = inside[end..].trim_start();
    }
    rest.is_empty()
}

/// A value of this type, as long as values usually are. The text is also a time, for the helper `time`.
fn sample(kind: &Type, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    match kind {
        Type::Any | Type::Unset | Type::String | Type::Time | Type::Timestamp | Type::Duration => {
            json!("2026-11-23T12:10:00Z")
        }
        Type::Null => Value::Null,
        Type::Bool => json!(true),
        Type::Int => json!(120),
        Type::Double | Type::Number => json!(120.5),
        Type::Word(words) => json!(words.first()),
        Type::List(item) => json!([sample(item, depth + 1)]),
        Type::Object(shape) => {
            shape.fields.iter().map(|(name, field)| (name.clone(), sample(&field.kind, depth + 1))).collect()
        }
        Type::Optional(inner) | Type::Nullable(inner) => sample(inner, depth + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::is_blank;

    #[test]
    fn a_message_of_comments_says_nothing_and_one_that_does_not_parse_may() {
        for text in ["", " \n", "{{!-- what? --}}\n{{! later }}\n"] {
            assert!(is_blank(text), "{text}");
        }
        // Handlebars refuses `{{~!`.
        for text in ["{{~! only ~}}", "{{! never closed", "{{! x }} y"] {
            assert!(!is_blank(text), "{text}");
        }
    }
}
