//! Adaptive Cards 1.5 as typed values: only what Takt's cards use. Text of others stands in text runs, which know no
//! markup, so that no name or alarm text can show a link.

use serde::Serialize;
use serde_json::Value;

const SCHEMA: &str = "http://adaptivecards.io/schemas/adaptive-card.json";
const VERSION: &str = "1.5";

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdaptiveCard {
    #[serde(rename = "$schema")]
    schema: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: &'static str,
    /// For clients that show no cards, and for screen readers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_text: Option<String>,
    pub body: Vec<Item>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type")]
pub enum Item {
    RichTextBlock {
        inlines: Vec<Run>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        separator: bool,
    },
    #[serde(rename = "Input.Text", rename_all = "camelCase")]
    InputText { id: &'static str, label: String, is_multiline: bool, max_length: usize },
    #[serde(rename = "Input.ChoiceSet", rename_all = "camelCase")]
    InputChoiceSet {
        id: &'static str,
        label: String,
        is_required: bool,
        error_message: String,
        choices: Vec<Choice>,
    },
}

/// Text without markup.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    #[serde(rename = "type")]
    pub(super) kind: RunKind,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_subtle: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select_action: Option<Box<Action>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) enum RunKind {
    #[default]
    TextRun,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    pub title: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type")]
pub enum Action {
    #[serde(rename = "Action.Execute", rename_all = "camelCase")]
    Execute {
        title: String,
        verb: &'static str,
        data: Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        style: Option<&'static str>,
        /// For clients that know no `Action.Execute`.
        #[serde(skip_serializing_if = "Option::is_none")]
        fallback: Option<Box<Action>>,
    },
    #[serde(rename = "Action.Submit")]
    Submit { title: String, data: Value },
    #[serde(rename = "Action.OpenUrl")]
    OpenUrl { title: String, url: String },
    #[serde(rename = "Action.ShowCard")]
    ShowCard { title: String, card: Box<AdaptiveCard> },
}

/// Each of these people gets a view of their own.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    pub action: Action,
    pub user_ids: Vec<String>,
}

impl AdaptiveCard {
    pub fn new(body: Vec<Item>) -> Self {
        Self {
            schema: SCHEMA,
            kind: "AdaptiveCard",
            version: VERSION,
            fallback_text: None,
            body,
            actions: Vec::new(),
            refresh: None,
        }
    }
}

impl Run {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub(super) fn bold(text: impl Into<String>) -> Self {
        Self { weight: Some("Bolder"), ..Self::plain(text) }
    }

    pub(super) fn quiet(text: impl Into<String>) -> Self {
        Self { is_subtle: true, ..Self::plain(text) }
    }

    pub(super) fn link(text: &str, url: &str) -> Self {
        let open = Action::OpenUrl { title: text.to_owned(), url: url.to_owned() };
        Self { select_action: Some(Box::new(open)), ..Self::plain(text) }
    }
}

pub(super) fn line(inlines: Vec<Run>) -> Item {
    Item::RichTextBlock { inlines, separator: false }
}
