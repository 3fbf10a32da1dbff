//! Block Kit as typed values: only what Takt's cards and modals use, with Slack's limits kept by the
//! constructors. Text is escaped here, so that no name or alarm text can mention a channel.

use crate::notify::clip;
use serde::{Deserialize, Serialize};

pub(super) const HEADER_CHARS_MAX: usize = 150;
pub(super) const SECTION_CHARS_MAX: usize = 3000;
pub(super) const BUTTON_CHARS_MAX: usize = 75;
pub(super) const TITLE_CHARS_MAX: usize = 24;
pub(super) const INPUT_CHARS_MAX: usize = 3000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    Header { text: Text },
    Section { text: Text },
    Context { elements: Vec<Text> },
    Divider,
    Actions { block_id: String, elements: Vec<Element> },
    Input { block_id: String, label: Text, element: Element, optional: bool },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Text {
    PlainText {
        text: String,
        emoji: bool,
    },
    /// `verbatim`: no address becomes a link and no name a mention that is not written as one.
    Mrkdwn {
        text: String,
        verbatim: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Element {
    Button {
        text: Text,
        action_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        style: Option<Style>,
    },
    PlainTextInput {
        action_id: String,
        multiline: bool,
        max_length: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        initial_value: Option<String>,
    },
    StaticSelect {
        action_id: String,
        placeholder: Text,
        options: Vec<Choice>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    Primary,
    Danger,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    pub text: Text,
    pub value: String,
}

/// A dialog over the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    #[serde(rename = "type")]
    pub kind: ViewKind,
    pub callback_id: String,
    pub private_metadata: String,
    pub title: Text,
    pub submit: Text,
    pub close: Text,
    pub blocks: Vec<Block>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewKind {
    Modal,
}

pub(super) fn header(text: &str) -> Block {
    Block::Header { text: plain(text, HEADER_CHARS_MAX) }
}

/// `markup` is escaped already where it holds text of others.
pub(super) fn section(markup: &str) -> Block {
    Block::Section { text: mrkdwn(markup) }
}

/// Text of others in which no markup is read.
pub(super) fn verbatim(text: &str) -> Block {
    Block::Section { text: Text::PlainText { text: clip(text, SECTION_CHARS_MAX), emoji: false } }
}

pub(super) fn context(markup: &str) -> Block {
    Block::Context { elements: vec![mrkdwn(markup)] }
}

fn mrkdwn(markup: &str) -> Text {
    Text::Mrkdwn { text: clip(markup, SECTION_CHARS_MAX), verbatim: true }
}

pub(super) fn plain(text: &str, chars_max: usize) -> Text {
    // Slack refuses empty text.
    let text = if text.trim().is_empty() { "–" } else { text };
    Text::PlainText { text: clip(&one_line(text), chars_max), emoji: true }
}

/// Slack's three control characters; without them no text can hold a link or mention anybody.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
