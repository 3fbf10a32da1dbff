use crate::{
    site::Reason,
    store::gates::{Gate, Vote},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What people are told, as it stands in the outbox: `{"kind": "ask", "title": …}`. Fields that a sender
/// leaves out are left out of the card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one message at a time is on its way, and none is kept")]
pub enum Message {
    Ask(Question),
    Tell(Notice),
    Decided(Decided),
    Follow(Follow),
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

/// The next lines of a run's story, below its card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Follow {
    pub lines: Vec<String>,
    /// What the channel gave back for the card.
    pub thread: Value,
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
    /// The opaque word that stands for the gate in buttons; a question that was passed on has it from its first message.
    #[serde(default)]
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
    /// What the answer means as a signature. Signed is on the page only, after proving who one is again.
    #[serde(default)]
    pub sign: Option<String>,
    /// Each needs an answer of its own, which takes the page.
    #[serde(default)]
    pub items: Vec<Value>,
    /// What has to be filled in, which takes the page too.
    #[serde(default)]
    pub fields: Option<Value>,
    /// What the first of two people filled in: labels and values, in the form's order.
    #[serde(default)]
    pub filled: Vec<(String, String)>,
    /// What is asked about as it stands, where it can be changed first.
    #[serde(default)]
    pub draft: Option<Value>,
    #[serde(default)]
    pub url: Option<String>,
    /// Why people say no, to choose from.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// A one-time link that answers for the person it was sent to.
    #[serde(default)]
    pub link: Option<String>,
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
            Self::Follow(follow) => follow.lines.first().map_or("", String::as_str),
        }
    }

    /// One line for notifications and subjects.
    pub fn summary(&self, zone: Tz) -> String {
        match self {
            Self::Ask(question) => format!("{}: answer by {}", question.title, question.deadline(zone)),
            Self::Tell(_) | Self::Follow(_) => self.title().to_owned(),
            Self::Decided(decided) => format!("{}: {}", decided.title, decided.settled.sentence(zone)),
        }
    }
}

impl Question {
    /// Whether this answer can be given with one button, away from the page: a yes only to what is shown there whole.
    pub fn takes(&self, button: Button) -> bool {
        let has_room = match button {
            Button::Acknowledge => self.items.is_empty() && self.fits_cards(),
            Button::Approve => self.fields.is_none() && self.fits_cards(),
            Button::Choose => self.fits_cards(),
            Button::Reject => true,
            Button::Edit => false,
        };
        has_room && self.sign.is_none() && self.allow.contains(&button)
    }

    /// Whether the draft is a text that fits a dialog.
    pub fn edits_as_text(&self, chars_max: usize) -> bool {
        let is_short = |draft: &Value| draft.as_str().is_some_and(|text| text.chars().count() <= chars_max);
        self.sign.is_none() && self.allow.contains(&Button::Edit) && self.draft.as_ref().is_some_and(is_short)
    }

    /// Whether some of it can only be done on the page. An edit may have a dialog of its own.
    pub fn needs_page(&self, edits_here: bool) -> bool {
        let is_here = |button: Button| self.takes(button) || (edits_here && button == Button::Edit);
        self.sign.is_some() || self.allow.iter().any(|button| !is_here(*button))
    }

    /// The question of a gate, as a card shows it. `token` is what its buttons carry, `reasons` are the site's.
    pub fn of_gate(
        gate: &Gate,
        token: &str,
        reasons: &[Reason],
        url: String,
    ) -> Result<Self, serde_json::Error> {
        let mut question = gate.ask.clone();
        question["gate"] = gate.id.to_string().into();
        question["token"] = token.into();
        question["asked"] = gate.ask.get("role_title").cloned().unwrap_or_else(|| "".into());
        question["asked_at"] = serde_json::to_value(gate.asked_at)?;
        question["expires_at"] = serde_json::to_value(gate.expires_at)?;
        question["url"] = url.into();
        question["reasons"] = serde_json::to_value(reasons)?;
        serde_json::from_value(question)
    }

    /// "06:27", with the day where it is another one.
    pub fn deadline(&self, zone: Tz) -> String {
        let (asked, expires) = (self.asked_at.with_timezone(&zone), self.expires_at.with_timezone(&zone));
        let format = if asked.date_naive() == expires.date_naive() { "%H:%M" } else { "%a %H:%M" };
        expires.format(format).to_string()
    }

    pub fn minutes(&self) -> i64 {
        (self.expires_at - self.asked_at).num_minutes().max(0)
    }
}

impl Decided {
    /// What replaces a question that was shown so, before anything has followed.
    pub fn now(shown: &Value, settled: Settled, url: String) -> Self {
        Self {
            title: shown.get("title").and_then(Value::as_str).unwrap_or("A question").to_owned(),
            body: String::new(),
            settled,
            followed: Vec::new(),
            url: Some(url),
        }
    }
}

impl Settled {
    pub fn closed(at: DateTime<Utc>) -> Self {
        Self::Closed { why: "nobody has to answer this any more".to_owned(), at }
    }

    /// What an accepted answer says on cards.
    pub fn by(vote: &Vote, name: &str) -> Self {
        let button = serde_json::from_value(Value::String(vote.decision.clone())).unwrap_or(Button::Approve);
        let option = vote.body.get("choice").and_then(Value::as_u64);
        Self::Answered {
            by: name.to_owned(),
            button,
            option: option.and_then(|option| usize::try_from(option).ok()),
            at: vote.at,
            channel: vote.channel.clone(),
            reason: vote.reason.clone(),
        }
    }

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
