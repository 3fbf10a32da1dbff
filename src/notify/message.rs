use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What people are told, as it stands in the outbox: `{"kind": "ask", "title": …}`. Fields that a sender
/// leaves out are left out of the card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    Ask(Question),
    Tell(Notice),
    Decided(Decided),
}

/// An information; nothing is asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Notice {
    pub title: String,
    #[serde(default)]
    pub body: String,
    /// The page with the details.
    #[serde(default)]
    pub url: Option<String>,
}

/// The card of an open gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Object, event and size: "PRESS-4 down, hydraulic leak, about 3 h".
    pub title: String,
    /// Plain text: why this person, what is known.
    #[serde(default)]
    pub body: String,
    pub gate: Uuid,
    /// The opaque word that stands for the gate in buttons.
    pub token: String,
    /// Who can answer, in words: "production supervisor, shift A: Sam, Mia".
    #[serde(default)]
    pub asked: String,
    #[serde(default)]
    pub options: Vec<CardOption>,
    /// The answers that are allowed.
    pub allow: Vec<Button>,
    pub asked_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// What happens when nobody answers, as a sentence. Silence never approves.
    pub on_silence: String,
    /// What the question rests on that is not as usual, one sentence each.
    #[serde(default)]
    pub basis: Vec<String>,
    /// How far it is answered where more than one has to agree: "1 of 2 approved: Sam Carter".
    #[serde(default)]
    pub progress: Option<String>,
    /// Who has to agree as well, in words.
    #[serde(default)]
    pub second: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
}

/// One of the options, with the same facts in the same order as the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CardOption {
    pub title: String,
    #[serde(default)]
    pub rationale: String,
    #[serde(default)]
    pub facts: Vec<Fact>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    pub label: String,
    /// A number is shown as it is written.
    #[serde(deserialize_with = "as_text")]
    pub value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    Acknowledge,
    Approve,
    /// One of the options.
    Choose,
    /// Changes the draft first: on the page, not in a card.
    Edit,
    Reject,
}

/// Replaces the buttons of a question that is settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    pub title: String,
    #[serde(default)]
    pub body: String,
    pub settled: Settled,
    /// What followed, in words: "Plex updated 06:20, 3 jobs moved".
    #[serde(default)]
    pub followed: Vec<String>,
    #[serde(default)]
    pub url: Option<String>,
}

/// How a question ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    Answered {
        /// A person's name.
        by: String,
        button: Button,
        /// Number of the option, from 1.
        #[serde(default)]
        option: Option<usize>,
        at: DateTime<Utc>,
        /// Where: `slack`, `web`, …
        channel: String,
        #[serde(default)]
        reason: Option<String>,
    },
    /// Nobody answered in time.
    PassedOn { to: String, at: DateTime<Utc> },
    /// No answer is needed any more.
    Closed { why: String, at: DateTime<Utc> },
}

impl Message {
    pub fn title(&self) -> &str {
        match self {
            Self::Ask(question) => &question.title,
            Self::Tell(notice) => &notice.title,
            Self::Decided(decided) => &decided.title,
        }
    }
}

impl Settled {
    /// "Sam chose 1 at 06:18 (slack)", in the site's time.
    pub fn sentence(&self, zone: Tz) -> String {
        let time = |at: &DateTime<Utc>| at.with_timezone(&zone).format("%H:%M").to_string();
        match self {
            Self::Answered { by, button, option, at, channel, reason } => {
                let did = match (button, option) {
                    (Button::Acknowledge, _) => "acknowledged".to_owned(),
                    (Button::Approve, _) => "approved".to_owned(),
                    (Button::Choose, Some(option)) => format!("chose {option}"),
                    (Button::Choose, None) => "chose".to_owned(),
                    (Button::Edit, _) => "edited and approved".to_owned(),
                    (Button::Reject, _) => "rejected".to_owned(),
                };
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                format!("{by} {did} at {} ({channel}){reason}", time(at))
            }
            Self::PassedOn { to, at } => format!("Nobody answered; passed on to {to} at {}", time(at)),
            Self::Closed { why, at } => format!("Closed at {}: {why}", time(at)),
        }
    }
}

fn as_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_a_question_from_the_outbox() {
        let message: Message = serde_json::from_value(json!({
            "kind": "ask", "title": "PRESS-4 down", "gate": Uuid::nil(), "token": "t", "allow": ["choose", "reject"],
            "asked_at": "2026-11-23T12:12:00Z", "expires_at": "2026-11-23T12:27:00Z", "on_silence": "Without an answer it counts as rejected.",
            "options": [{ "title": "Move", "facts": [{ "label": "Late", "value": 0 }], "sequence": [], "gantt": {} }],
        }))
        .expect("a question");
        let Message::Ask(question) = message else { panic!("not a question: {message:?}") };
        assert_eq!(question.allow, [Button::Choose, Button::Reject]);
        assert_eq!(question.options[0].facts[0].value, "0");
    }

    #[test]
    fn says_who_and_when_in_local_time() {
        let at = "2026-11-23T12:18:00Z".parse().expect("a time");
        let zone = chrono_tz::America::Chicago;
        let answered = |button, option, reason: Option<&str>| {
            let (by, channel) = ("Sam".to_owned(), "slack".to_owned());
            let reason = reason.map(str::to_owned);
            Settled::Answered { by, button, option, at, channel, reason }.sentence(zone)
        };
        assert_eq!(answered(Button::Choose, Some(1), None), "Sam chose 1 at 06:18 (slack)");
        assert_eq!(
            answered(Button::Reject, None, Some("too risky")),
            "Sam rejected at 06:18 (slack): too risky"
        );
        let passed = Settled::PassedOn { to: "plant scheduler".to_owned(), at };
        assert_eq!(passed.sentence(zone), "Nobody answered; passed on to plant scheduler at 06:18");
    }
}
