//! The dialog that asks for a reason, opened by the Reject button before anything is answered.

use super::blocks::{
    BUTTON_CHARS_MAX, Block, Choice, Element, INPUT_CHARS_MAX, TITLE_CHARS_MAX, View, ViewKind, clip, escape,
    plain, section,
};
use crate::notify::{Button, Press, REASONS};
use serde::{Deserialize, Serialize};

pub(super) const CALLBACK: &str = "takt.answer";
pub(super) const CODE: &str = "code";
/// The dialog's text field; errors are shown beside it.
pub const REASON: &str = "reason";
const TEXT_CHARS_MAX: usize = 500;

/// What a dialog carries until it is sent: the button that opened it and the message it stood in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Carried {
    pub value: String,
    pub channel: Option<String>,
    pub ts: Option<String>,
}

/// Asks for a reason to reject, or for the changed text of a draft to edit.
pub fn reason(
    press: &Press,
    channel: Option<&str>,
    ts: Option<&str>,
    title: &str,
    draft: Option<&str>,
) -> View {
    let carried =
        Carried { value: press.value(), channel: channel.map(str::to_owned), ts: ts.map(str::to_owned) };
    let edits = press.button == Button::Edit;
    let (heading, label, submit) =
        if edits { ("Edit", "New text", "Send") } else { ("Reject", "In a few words", "Reject") };
    let mut blocks = vec![section(&escape(&clip(title, TEXT_CHARS_MAX)))];
    if !edits {
        let choice = |text: &&str| Choice { text: plain(text, BUTTON_CHARS_MAX), value: (*text).to_owned() };
        let select = Element::StaticSelect {
            action_id: CODE.to_owned(),
            placeholder: plain("Choose a reason", BUTTON_CHARS_MAX),
            options: REASONS.iter().map(choice).collect(),
        };
        blocks.push(input(CODE, "Reason", select, false));
    }
    let text = Element::PlainTextInput {
        action_id: REASON.to_owned(),
        multiline: true,
        max_length: if edits { INPUT_CHARS_MAX } else { TEXT_CHARS_MAX },
        initial_value: draft.map(|draft| clip(draft, INPUT_CHARS_MAX)),
    };
    blocks.push(input(REASON, label, text, !edits));
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
