//! What a yes agrees to beside the words of a question: what was filled in, and the draft as it stands. Every place shows
//! the same lines in the same order, and a card shows them whole or takes no yes.

use super::{Fact, Question, visible};
use serde_json::Value;

/// Where the content is too long for a card.
pub const CONTENT_TOO_LONG: &str =
    "What this is about is too long to be shown here: read it all on its page.";

/// Slack takes 6000 characters in a card, and the rest of it needs room too.
const CHARS_MAX: usize = 2000;
/// Teams counts bytes, of which a letter takes up to four.
const BYTES_MAX: usize = 6000;
/// Each line takes some markup as well.
const LINES_MAX: usize = 24;
const WHOLE_LABEL: &str = "The draft";

/// One field of a draft.
pub struct DraftField<'d> {
    /// Absent where the draft is one whole.
    pub name: Option<&'d str>,
    pub label: String,
    pub value: &'d Value,
}

/// The fields of a draft in its order; one that is no object is a field by itself.
pub fn draft_fields(draft: Option<&Value>) -> Vec<DraftField<'_>> {
    match draft {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(fields)) => fields
            .iter()
            .map(|(name, value)| DraftField {
                name: Some(name.as_str()),
                label: draft_label(Some(name.as_str())),
                value,
            })
            .collect(),
        Some(whole) => vec![DraftField { name: None, label: draft_label(None), value: whole }],
    }
}

/// `open_points` as people write it.
pub fn draft_label(name: Option<&str>) -> String {
    let Some(name) = name else { return WHOLE_LABEL.to_owned() };
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

/// A field of a draft as text: a list line by line, what is neither text nor list as JSON.
pub fn draft_text(value: &Value) -> String {
    match (value, draft_lines(value)) {
        (Value::String(text), _) => text.clone(),
        (_, Some(lines)) => lines.join("\n"),
        (other, None) => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// A list of single lines, which is shown and edited line by line.
pub fn draft_lines(value: &Value) -> Option<Vec<&str>> {
    let is_line = |line: &&str| !line.contains('\n') && !line.trim().is_empty();
    value.as_array()?.iter().map(|item| item.as_str().filter(is_line)).collect()
}

/// The draft as it stands, whatever somebody is typing.
pub fn draft_content(draft: Option<&Value>) -> Vec<Fact> {
    let shown = |field: DraftField<'_>| Fact::shown(&field.label, &draft_text(field.value));
    draft_fields(draft).into_iter().map(shown).collect()
}

/// What the first of two people filled in, as the second one's question has it.
pub fn filled_in(ask: &Value) -> Vec<Fact> {
    let filled = ask.get("filled").cloned().unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_json::from_value(filled).unwrap_or_default();
    pairs.iter().map(|(label, value)| Fact::shown(label, value)).collect()
}

/// Whether a card has room for all that a yes to this question agrees to.
pub fn fits_cards(ask: &Value) -> bool {
    let mut content = filled_in(ask);
    content.extend(draft_content(ask.get("draft")));
    fits(&content)
}

impl Question {
    /// What was filled in, then the draft.
    pub fn content(&self) -> Vec<Fact> {
        let filled = self.filled.iter().map(|(label, value)| Fact::shown(label, value));
        filled.chain(draft_content(self.draft.as_ref())).collect()
    }

    /// Whether a card has room for all of it. The same for every channel, so that buttons and links agree.
    pub fn fits_cards(&self) -> bool {
        fits(&self.content())
    }
}

impl Fact {
    fn shown(label: &str, value: &str) -> Self {
        Self { label: visible(label), value: visible(value) }
    }

    /// "Pieces: 12"; a text of several lines begins below its label.
    pub fn in_words(&self) -> String {
        let (label, value) = self.parts();
        format!("{label}{value}")
    }

    /// The label and the value with what stands between them, for where one is bold.
    pub fn parts(&self) -> (String, String) {
        let between = if self.value.contains('\n') { '\n' } else { ' ' };
        (format!("{}:", self.label), format!("{between}{}", self.value))
    }
}

fn fits(content: &[Fact]) -> bool {
    let (mut chars, mut bytes) = (0, 0);
    for text in content.iter().flat_map(|fact| [&fact.label, &fact.value]) {
        chars += written_chars(text);
        bytes += text.len();
    }
    content.len() <= LINES_MAX && chars <= CHARS_MAX && bytes <= BYTES_MAX
}

/// In JSON some letters are written as two.
fn written_chars(text: &str) -> usize {
    let is_escaped = |letter: char| matches!(letter, '"' | '\\' | '\n' | '\r' | '\t');
    text.chars().map(|letter| if is_escaped(letter) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Button;
    use serde_json::json;

    fn question(more: &Value) -> Question {
        let mut whole = json!({
            "title": "Handover note", "gate": uuid::Uuid::nil(), "token": "t", "allow": ["approve", "choose", "edit", "reject"],
            "asked_at": "2026-11-24T12:00:00Z", "expires_at": "2026-11-24T12:30:00Z", "on_silence": "",
            "url": "http://127.0.0.1/gates/1",
        });
        for (name, value) in more.as_object().expect("fields") {
            whole[name] = value.clone();
        }
        serde_json::from_value(whole).expect("a question")
    }

    fn words(question: &Question) -> Vec<String> {
        question.content().iter().map(Fact::in_words).collect()
    }

    #[test]
    fn what_was_filled_in_and_the_draft_are_lines_with_labels() {
        assert_eq!(words(&question(&json!({}))), Vec::<String>::new());
        assert_eq!(words(&question(&json!({ "draft": null }))), Vec::<String>::new());
        assert_eq!(words(&question(&json!({ "draft": "Say it so." }))), ["The draft: Say it so."]);
        let both = json!({
            "filled": [["Cause", "tool"], ["Scrap pieces", "12"]],
            "draft": { "summary": "one\ntwo", "open_points": ["a", "b"], "count": 2 },
        });
        let mut found = words(&question(&both));
        assert_eq!(found.drain(..2).collect::<Vec<_>>(), ["Cause: tool", "Scrap pieces: 12"]);
        found.sort();
        assert_eq!(found, ["Count: 2", "Open points:\na\nb", "Summary:\none\ntwo"]);
    }

    #[test]
    fn letters_that_turn_others_round_are_marked() {
        assert_eq!(words(&question(&json!({ "draft": "12\u{202e}34" }))), ["The draft: 12\u{fffd}34"]);
    }

    #[test]
    fn what_does_not_fit_whole_takes_no_yes_away_from_the_page() {
        let long = "a".repeat(CHARS_MAX + 1);
        let lines = |count: usize| (0..count).map(|at| json!([at.to_string(), "x"])).collect::<Value>();
        let cases = [
            (json!({ "draft": "a".repeat(CHARS_MAX - WHOLE_LABEL.len()) }), true),
            (json!({ "draft": "\n".repeat(CHARS_MAX - WHOLE_LABEL.len()) }), false),
            (json!({ "draft": "\u{1f6d1}".repeat(CHARS_MAX - WHOLE_LABEL.len()) }), false),
            (json!({ "draft": long }), false),
            (json!({ "filled": [["Note", long]] }), false),
            (json!({ "filled": lines(LINES_MAX) }), true),
            (json!({ "filled": lines(LINES_MAX + 1) }), false),
        ];
        for (more, fits) in cases {
            let question = question(&more);
            assert_eq!((question.fits_cards(), fits_cards(&more)), (fits, fits), "{more}");
            assert_eq!(question.takes(Button::Approve), fits, "{more}");
            assert_eq!(question.takes(Button::Choose), fits, "{more}");
            assert!(question.takes(Button::Reject), "a no needs no reading to the end");
        }
    }
}
