//! What every chat and mail does with an answer: decide, wake the run, and have kind words for whoever comes late.

use crate::{
    gate::{Answer, DecideError, Decided, Decision, decide},
    http::state::Shared,
    notify::{self, Button, Settled},
    run::GateId,
    store::{StoreError, audit, gates},
};
use serde_json::{Value, json};

/// Why an answer was not taken, in words for the person who gave it.
#[derive(Debug)]
pub(in crate::http) struct NotTaken {
    pub words: String,
    /// The question is settled, also for them: who answered, when and where.
    pub settled: Option<Settled>,
}

/// What a person said in a chat or on a page that is not the console's.
#[derive(Debug, Default)]
pub(in crate::http) struct Said {
    /// Option number, from 1.
    pub choice: Option<usize>,
    pub edited: Option<String>,
    /// One of the reasons to say no, and more in words.
    pub code: Option<String>,
    pub reason: Option<String>,
}

pub(in crate::http) fn answer_of(button: Button, said: Said, channel: &str, proposal_hash: &str) -> Answer {
    let decision = match button {
        Button::Acknowledge => Decision::Acknowledge,
        Button::Approve => Decision::Approve,
        Button::Choose => Decision::Choose,
        Button::Edit => Decision::Edit,
        Button::Reject => Decision::Reject,
    };
    let reason = match (said.code, said.reason) {
        (Some(code), Some(words)) => Some(format!("{code}: {words}")),
        (code, words) => code.or(words),
    };
    Answer {
        decision,
        choice: said.choice,
        edited: said.edited.map(Value::String),
        items: Vec::new(),
        reason,
        channel: channel.to_owned(),
        proposal_hash: proposal_hash.to_owned(),
    }
}

/// Gives an answer for a person. What is refused is audited.
pub(in crate::http) async fn answer(
    door: &Shared,
    gate: GateId,
    person: &str,
    answer: &Answer,
) -> Result<Result<Decided, NotTaken>, StoreError> {
    match decide(&door.app.store, &door.app.site, gate, person, answer).await {
        Ok(decided) => {
            door.app.hints.tell();
            Ok(Ok(decided))
        }
        Err(DecideError::Store(error)) => Err(error),
        Err(error) => {
            refused(door, person, &answer.channel, Some(gate), &error.to_string()).await?;
            let settled = match &error {
                DecideError::Refused { earlier: Some(vote), .. } => Some(settled(door, vote)),
                _ => None,
            };
            let words = match &settled {
                Some(settled) => format!("Too late: {}.", settled.sentence(door.app.site.time_zone)),
                None => format!("Not taken: {error}."),
            };
            Ok(Err(NotTaken { words, settled }))
        }
    }
}

pub(in crate::http) fn settled(door: &Shared, vote: &gates::Vote) -> Settled {
    let name = door.app.site.person(&vote.person).map_or(vote.person.as_str(), |person| &person.name);
    Settled::by(vote, name)
}

/// A gate's card after the answer, before its run has gone on.
pub(in crate::http) fn settled_card(door: &Shared, gate: &gates::Gate, settled: Settled) -> notify::Decided {
    notify::Decided {
        title: gate.ask.get("title").and_then(Value::as_str).unwrap_or("A question").to_owned(),
        body: String::new(),
        settled,
        followed: Vec::new(),
        url: Some(format!("{}/gates/{}", door.app.base_url, gate.id)),
    }
}

/// An answer that came as it should, from the wrong person, too late, or to what is not asked.
pub(in crate::http) async fn refused(
    door: &Shared,
    who: &str,
    channel: &str,
    gate: Option<GateId>,
    why: &str,
) -> Result<(), StoreError> {
    let mut db = door.app.store.connection().await?;
    let object = gate.map(|gate| gate.to_string());
    let detail = json!({ "channel": channel, "cause": why });
    audit::add(&mut db, who, "answer.refused", object.as_deref(), &detail).await
}
