//! The dialog that asks for a reason, opened by the Reject button before anything is answered.

use super::blocks::{
    BUTTON_CHARS_MAX, Block, Choice, Element, INPUT_CHARS_MAX, TITLE_CHARS_MAX, View, ViewKind, escape,
    plain, section,
};
use crate::{
    notify::{Button, Press, clip},
    site::Reason,
};
use serde::{Deserialize, Serialize};

pub(super) const CALLBACK: &str = "takt.answer";
pub(super) const CODE: &str = "code";
/// The dialog's text field; errors are shown beside it.
pub const REASON: &str = "reason";
/// The changed text of a draft.
pub(super) const DRAFT: &str = "draft";
const TEXT_CHARS_MAX: usize = 500;
/// Slack takes no more in one list.
const CHOICES_MAX: usize = 100;

/// What a dialog carries until it is sent: the button that opened it and the message it stood in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Carried {
    pub value: String,
    pub channel: Option<String>,
    pub ts: Option<String>,
}

/// Asks for a reason to reject or to edit, and for the changed text of a draft.
pub fn reason(
    press: &Press,
    reasons: &[Reason],
    channel: Option<&str>,
    ts: Option<&str>,
    title: &str,
    draft: Option<&str>,
) -> View {
    let carried =
        Carried { value: press.value(), channel: channel.map(str::to_owned), ts: ts.map(str::to_owned) };
    let edits = press.button == Button::Edit;
    let (heading, submit) = if edits { ("Edit", "Send") } else { ("Reject", "Reject") };
    // Slack opens no dialog with an empty text.
    let title = if title.trim().is_empty() { heading } else { title };
    let mut blocks = vec![section(&escape(&clip(title, TEXT_CHARS_MAX)))];
    if edits {
        let text = Element::PlainTextInput {
            action_id: DRAFT.to_owned(),
            multiline: true,
            max_length: INPUT_CHARS_MAX,
            initial_value: draft.map(|draft| clip(draft, INPUT_CHARS_MAX)),
        };
        blocks.push(input(DRAFT, "New text", text, false));
    }
    let choice =
        |reason: &Reason| Choice { text: plain(&reason.title, BUTTON_CHARS_MAX), value: reason.code.clone() };
    let select = Element::StaticSelect {
        action_id: CODE.to_owned(),
        placeholder: plain("Choose a reason", BUTTON_CHARS_MAX),
        options: reasons.iter().take(CHOICES_MAX).map(choice).collect(),
    };
    blocks.push(input(CODE, "Reason", select, false));
    let words = Element::PlainTextInput {
        action_id: REASON.to_owned(),
        multiline: true,
        max_length: TEXT_CHARS_MAX,
        initial_value: None,
    };
    blocks.push(input(REASON, "In a few words", words, true));
    View {
        kind: ViewKind::Modal,
        callback_id: CALLBACK.to_owned(),
        // Two ids and an opaque word: far below Slack's 3000 characters.
        private_metadata: serde_json::json!(carried).to_string(),
        title: plain(heading, TITLE_CHARS_MAX),
        submit: plain(submit, TITLE_CHARS_MAX),
        close: plain("Back", TITLE_CHARS_MAX),
        blocks,
    }
}

fn input(id: &str, label: &str, element: Element, optional: bool) -> Block {
    Block::Input { block_id: id.to_owned(), label: plain(label, BUTTON_CHARS_MAX), element, optional }
}
