//! What became of a write that was tried before: read back, waited for while it may still be on its way, or left to a
//! person. Nothing is written here.

use crate::{
    engine::{Outcome, StepContext, StepError},
    run::{Failure, IN_DOUBT, STOPPED},
    tool::{Call, Effect, Idempotency, Lookup, Tool, ToolError, ToolName},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Begins what is said of a write that was not let out.
pub(super) const NOT_WRITTEN: &str = "not written: ";

/// What became of the attempts before.
pub(super) enum Earlier {
    Done(Value),
    Absent,
    /// It may be made again: the other side recognises it.
    Unknown,
    /// Not there yet, and it may still come.
    Awaited(Outcome),
}

/// Before a write is repeated: did an attempt before take effect?
pub(super) async fn look_up(
    tool: &dyn Tool,
    call: &Call,
    input: &Value,
    context: &StepContext,
) -> Result<Earlier, StepError> {
    let spec = tool.spec();
    if spec.effect != Effect::Write || !context.repeats {
        return Ok(Earlier::Absent);
    }
    if spec.idempotency == Idempotency::Idempotent {
        return Ok(Earlier::Unknown);
    }
    match tool.look_up(call, input).await.map_err(|error| not_found_out(&spec.name, error))? {
        Lookup::Found(output) => Ok(Earlier::Done(output)),
        Lookup::Absent if spec.idempotency == Idempotency::Unsafe => {
            Ok(on_its_way(call, context).await?.map_or(Earlier::Absent, Earlier::Awaited))
        }
        Lookup::Absent if !context.resumed && !context.in_doubt => Ok(Earlier::Absent),
        Lookup::Unknown if spec.idempotency == Idempotency::Unsafe => Err(nobody_knows(&spec.name, "")),
        // What is not there may still arrive; the other side recognises the key.
        Lookup::Absent | Lookup::Unknown => Ok(Earlier::Unknown),
    }
}

/// The run was stopped, and an attempt before may have taken effect: asks, and writes nothing.
pub(super) async fn settle(
    tool: &dyn Tool,
    call: &Call,
    input: &Value,
    context: &StepContext,
) -> Result<Outcome, StepError> {
    let name = &tool.spec().name;
    match tool.look_up(call, input).await.map_err(|error| not_found_out(name, error))? {
        Lookup::Found(output) => Ok(Outcome::done(output)),
        Lookup::Absent => match on_its_way(call, context).await? {
            Some(wait) => Ok(wait),
            None => Err(Failure::new(STOPPED, format!("{NOT_WRITTEN}the run was stopped")).into()),
        },
        Lookup::Unknown => Err(nobody_knows(name, "the run was stopped, ")),
    }
}

/// A dead worker may have sent what goes out once more now, so a failure of this one leaves open what became of that.
/// What is not there of an unsafe write was waited for.
pub(super) async fn leave_in_doubt(tool: &dyn Tool, context: &StepContext) -> Result<(), StepError> {
    let spec = tool.spec();
    if !context.resumed || spec.effect != Effect::Write || spec.idempotency == Idempotency::Unsafe {
        return Ok(());
    }
    context.note(json!({ IN_DOUBT: true })).await.ok_or_else(gone)
}

fn gone() -> StepError {
    Failure::new("lost", "the run belongs to another worker").into()
}

/// Whoever refuses says "not written", which nobody knows here.
pub(super) fn told_of(mut refused: StepError, before: &Earlier, tool: &ToolName) -> StepError {
    let says_so = ["rule", "not_approved"].contains(&refused.failure.class.as_str());
    if says_so && matches!(before, Earlier::Unknown) {
        let because = refused.failure.message.trim_start_matches(NOT_WRITTEN);
        refused.failure = Failure::new(
            "needs_person",
            format!(
                "nobody knows whether `{tool}` took effect when it was tried before, and it is not tried again, \
                 since {because}: a person must look"
            ),
        );
    }
    refused
}

fn nobody_knows(tool: &ToolName, since: &str) -> StepError {
    let words = format!(
        "{since}nobody knows whether `{tool}` took effect, and it cannot be read back: a person must look"
    );
    Failure::new("needs_person", words).into()
}

/// The other system was asked what became of an attempt, and did not say.
fn not_found_out(tool: &ToolName, error: ToolError) -> StepError {
    let mut failed = StepError::from(error);
    failed.failure.class = "outcome_unknown".to_owned();
    failed.failure.message = format!(
        "nobody knows whether `{tool}` took effect when it was tried before: {}",
        failed.failure.message
    );
    failed
}

/// A step's note on an effect that was not there.
#[derive(Serialize, Deserialize)]
struct NotThere {
    attempt: u32,
    /// When it is looked up again; absent once that was done, and nothing came.
    again_at: Option<DateTime<Utc>>,
}

impl NotThere {
    const NOTE: &str = "not_there";

    fn note(&self) -> Value {
        json!({ Self::NOTE: self, IN_DOUBT: self.again_at.is_some() })
    }

    /// The last one of this attempt.
    fn of(context: &StepContext) -> Option<Self> {
        let mut latest =
            context.notes.iter().rev().filter_map(|note| Self::deserialize(note.get(Self::NOTE)?).ok());
        latest.next().filter(|not_there: &Self| not_there.attempt == context.attempt)
    }
}

/// An attempt whose end nobody saw may arrive until its time limit is over: before that, "absent" is not believed.
/// `None` once it is.
async fn on_its_way(call: &Call, context: &StepContext) -> Result<Option<Outcome>, StepError> {
    if !context.resumed && !context.in_doubt {
        return Ok(None);
    }
    let now = context.clock.now();
    let park =
        |again_at, note| Ok(Some(Outcome::Park { wake_at: Some(again_at), note, intents: Vec::new() }));
    match NotThere::of(context).and_then(|before| before.again_at) {
        Some(again_at) if now < again_at => park(again_at, None),
        Some(_) => {
            // Journaled before it goes out again: what is resumed after this has sent anew.
            let over = NotThere { attempt: context.attempt, again_at: None };
            let noted = context.note(over.note()).await;
            noted.map(|()| None).ok_or_else(gone)
        }
        None => {
            let limit = TimeDelta::from_std(call.timeout).unwrap_or(TimeDelta::days(1));
            let again_at = now + limit;
            park(again_at, Some(NotThere { attempt: context.attempt, again_at: Some(again_at) }.note()))
        }
    }
}
