//! What Teams posts to Takt: messages, clicks and news about conversations, as far as Takt reads them. The token is
//! checked before anything of it is believed.

use crate::notify::{Button, Press};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: Option<String>,
    pub name: Option<String>,
    #[serde(default)]
    pub channel_id: String,
    #[serde(default)]
    pub service_url: String,
    #[serde(default)]
    pub from: Account,
    #[serde(default)]
    pub recipient: Account,
    #[serde(default)]
    pub conversation: Conversation,
    #[serde(default)]
    pub channel_data: Value,
    #[serde(default)]
    pub value: Value,
    /// Of an `installationUpdate`: `add` or `remove`.
    pub action: Option<String>,
    /// The message whose card was clicked or looked at.
    pub reply_to_id: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    #[serde(default)]
    pub id: String,
    pub name: Option<String>,
    pub aad_object_id: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    #[serde(default)]
    pub id: String,
    pub conversation_type: Option<String>,
    pub tenant_id: Option<String>,
}

/// What somebody did with a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// Pressed a button.
    Pressed { press: Press, code: Option<String>, reason: Option<String> },
    /// Their Teams asks how the card looks for them.
    Looked { token: String },
}

pub(super) const DECIDE: &str = "takt.decide";
pub(super) const LOOK: &str = "takt.look";

impl Activity {
    pub fn tenant(&self) -> Option<&str> {
        let told = self.channel_data.pointer("/tenant/id").and_then(Value::as_str);
        self.conversation.tenant_id.as_deref().or(told)
    }

    pub fn is_personal(&self) -> bool {
        self.conversation.conversation_type.as_deref() == Some("personal")
    }

    /// A conversation's id without the message it was answered below.
    pub fn conversation_id(&self) -> &str {
        self.conversation.id.split(';').next().unwrap_or_default()
    }

    /// What is kept to write to this conversation later.
    pub fn reference(&self) -> Value {
        json!({
            "service_url": self.service_url, "conversation": self.conversation_id(), "bot": self.recipient.id,
            "tenant": self.tenant(), "type": self.conversation.conversation_type,
            "user": self.is_personal().then(|| json!({ "id": self.from.id, "aad": self.from.aad_object_id })),
        })
    }

    /// From a click on a card: `adaptiveCard/action`, or a message that carries what a button held.
    pub fn did(&self) -> Option<Did> {
        let (verb, data) = match (self.kind.as_str(), self.name.as_deref()) {
            ("invoke", Some("adaptiveCard/action")) => {
                let action = self.value.get("action")?;
                (action.get("verb")?.as_str()?, action.get("data")?)
            }
            ("message", _) if self.value.is_object() => (DECIDE, &self.value),
            _ => return None,
        };
        let text = |name: &str| {
            let text = data.get(name)?.as_str()?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        if verb == LOOK {
            return Some(Did::Looked { token: text("gate")? });
        }
        let press: Press = (verb == DECIDE).then(|| text("press"))??.parse().ok()?;
        let of_reject = |name: &str| text(name).filter(|_| press.button == Button::Reject);
        let (code, reason) = (of_reject("code"), of_reject("reason"));
        Some(Did::Pressed { press, code, reason })
    }
}
