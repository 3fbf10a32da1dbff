//! What every chat and mail does with an answer: decide, wake the run, and have kind words for whoever comes late.

use crate::{
    gate::{Answer, DecideError, Decided, Decision, decide, stranger_refused, who},
    http::{refusals::note, state::Shared},
    notify::{Button, Settled, fits_cards},
    run::GateId,
    store::{StoreError, gates},
};
use serde_json::Value;

/// For whoever says yes to what no card, mail or link has shown them whole.
const NOT_SHOWN: &str =
    "Not taken: this is too long to be shown here whole. Read it all on its page, and answer there.";

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

/// Gives an answer for a person who has seen a card of the question, or the page behind a link.
pub(in crate::http) async fn answer(
    door: &Shared,
    gate: &gates::Gate,
    person: &str,
    answer: &Answer,
) -> Result<Result<Decided, NotTaken>, StoreError> {
    let id = GateId(gate.id);
    let is_yes = matches!(answer.decision, Decision::Acknowledge | Decision::Approve | Decision::Choose);
    if is_yes && gate.state == "open" && !fits_cards(&gate.ask) {
        note(door, stranger_refused(&answer.channel, person, Some(id), "not_shown_whole")).await?;
        return Ok(Err(NotTaken { words: NOT_SHOWN.to_owned(), settled: None }));
    }
    match decide(&door.app.store, &door.app.site, id, person, answer).await {
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
