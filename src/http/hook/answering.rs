//! What every chat and mail does with an answer: decide, wake the run, and have kind words for whoever comes late.

use crate::{
    gate::{Answer, DecideError, Decided, Decision, decide, who},
    http::state::Shared,
    notify::{Button, Settled},
    run::GateId,
    store::{StoreError, gates},
};
use serde_json::Value;

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
    /// One of the site's reasons, and more in words.
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
    Answer {
        choice: said.choice,
        edited: said.edited.map(Value::String),
        reason_code: said.code,
        reason: said.reason,
        ..Answer::of(decision, channel, proposal_hash)
    }
}

/// Gives an answer for a person.
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
        Err(DecideError::Late { words, vote }) => {
            Ok(Err(NotTaken { words: format!("Too late. {words}"), settled: Some(settled(door, &vote)) }))
        }
        Err(error) => Ok(Err(NotTaken { words: format!("Not taken: {error}."), settled: None })),
    }
}

pub(in crate::http) fn settled(door: &Shared, vote: &gates::Vote) -> Settled {
    Settled::by(vote, &who(&door.app.site, vote))
}
