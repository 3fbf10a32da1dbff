//! `wait`: for an event, a while or a time. An event may have come before the wait began.

use crate::{
    engine::{Execute, Outcome, Past, PastError, PastEvent, Since, Sought, StepContext},
    run::{Intent, Leaf, Signal, SignalKind, Task},
    workflow::{EventWait, LookBack, WaitFor, WaitStep},
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::sync::Arc;

/// Notes of a wait that looks back: it is subscribed; there was nothing before it.
const SUBSCRIBED: &str = "subscribed";
const LOOKED_BACK: &str = "looked_back";

/// As long as the subject of an event may be.
const SUBJECT_CHARS_MAX: usize = 512;

pub struct WaitExecutor {
    pub past: Arc<dyn Past>,
}

#[async_trait]
impl Execute for WaitExecutor {
    async fn execute(&self, task: &Task, context: &StepContext) -> Outcome {
        let Leaf::Wait(step) = &task.leaf else {
            return Outcome::fail("unsupported", "not a wait");
        };
        match &step.until {
            WaitFor::Event(wait) => self.wait_for_event(step, wait, context).await,
            WaitFor::Duration(pause) => until(context.now + *pause, context),
            WaitFor::Until(time) => match time.eval(&context.scope) {
                Ok(Value::String(at)) => match at.parse::<DateTime<Utc>>() {
                    Ok(at) => until(at, context),
                    Err(_) => Outcome::fail("expression", format!("`until` gave `{at}`, which is no time")),
                },
                Ok(other) => Outcome::fail("expression", format!("`until` gave {other}, which is no time")),
                Err(error) => Outcome::fail("expression", error.to_string()),
            },
        }
    }

    fn runs_ahead(&self, _task: &Task) -> bool {
        true
    }
}

fn until(at: DateTime<Utc>, context: &StepContext) -> Outcome {
    if context.clock.now() >= at {
        return Outcome::done(json!({ "timed_out": false }));
    }
    Outcome::Park { wake_at: Some(at), note: None, intents: Vec::new() }
}

impl WaitExecutor {
    async fn wait_for_event(&self, step: &WaitStep, wait: &EventWait, context: &StepContext) -> Outcome {
        let path = context.path.clone();
        let heard = context.signals.iter().filter(|signal| signal.kind == SignalKind::Event);
        for signal in heard {
            if fits(wait, &signal.body, context) {
                return came(&signal.body, context);
            }
        }
        let subject = match wait.subject.as_ref().map(|subject| subject.eval(&context.scope)).transpose() {
            Ok(None) => None,
            Ok(Some(Value::String(subject))) if subject.chars().count() > SUBJECT_CHARS_MAX => {
                let words = format!(
                    "`subject` gave a text of more than {SUBJECT_CHARS_MAX} characters: no event has one"
                );
                return Outcome::fail("expression", words);
            }
            Ok(Some(Value::String(subject))) => Some(subject),
            Ok(Some(other)) => {
                return Outcome::fail("expression", format!("`subject` gave {other}, which is no text"));
            }
            Err(error) => return Outcome::fail("expression", error.to_string()),
        };
        let subscribe =
            Intent::Subscribe { path: path.clone(), event: wait.event.clone(), subject: subject.clone() };
        let looks_back = looks_back(wait, context);
        if looks_back {
            // Subscribed first: what comes from now on is signalled, so that nothing falls between the two.
            let is_subscribed = has_note(context, SUBSCRIBED);
            let note = json!({ SUBSCRIBED: wait.event });
            if !is_subscribed && context.note_with(note, vec![subscribe.clone()]).await.is_none() {
                return Outcome::Lost;
            }
            let sought = Sought { event: wait.event.clone(), subject, since: since(wait, context) };
            match self.look_back(&sought, wait, context).await {
                Ok(None) => {}
                Ok(Some(found)) => {
                    let signal = Signal::of_event(found.id, context.run, path, found.body);
                    let body = signal.body.clone();
                    return match context.hear(signal).await {
                        Some(()) => came(&body, context),
                        None => Outcome::Lost,
                    };
                }
                Err(error) => {
                    tracing::warn!(run.id = %context.run, step = %context.path, %error, "could not look back");
                    return Outcome::Lost;
                }
            }
        }
        let deadline =
            step.timeout.and_then(|timeout| TimeDelta::from_std(timeout).ok()).map(|t| context.now + t);
        if deadline.is_some_and(|deadline| deadline <= context.clock.now()) {
            let output = json!({ "timed_out": true });
            return Outcome::Done { output, intents: vec![Intent::Unsubscribe { path }] };
        }
        if looks_back {
            return Outcome::Park {
                wake_at: deadline,
                note: Some(json!({ LOOKED_BACK: true })),
                intents: Vec::new(),
            };
        }
        Outcome::Park { wake_at: deadline, note: None, intents: vec![subscribe] }
    }

    /// The oldest event that fits and that no earlier wait of this run has taken.
    async fn look_back(
        &self,
        sought: &Sought,
        wait: &EventWait,
        context: &StepContext,
    ) -> Result<Option<PastEvent>, PastError> {
        let trigger = context.start.trigger["id"].as_str();
        let mut last: Option<PastEvent> = None;
        loop {
            let page = self.past.page(sought, last.as_ref()).await?;
            let Some(end) = page.last().cloned() else { return Ok(None) };
            for event in page {
                let id = event.id.to_string();
                let is_taken = trigger == Some(id.as_str()) || context.taken_events.contains(&id);
                if !is_taken && fits(wait, &event.body, context) {
                    return Ok(Some(event));
                }
            }
            last = Some(end);
        }
    }
}

/// A wait looks back once, before it parks. One that parked before its run could look back does not begin to.
fn looks_back(wait: &EventWait, context: &StepContext) -> bool {
    let wants = !matches!(wait.look_back, LookBack::Within(length) if length.is_zero());
    let is_fresh = !context.resumed || context.notes.is_empty() && context.signals.is_empty();
    wants && !has_note(context, LOOKED_BACK) && (is_fresh || has_note(context, SUBSCRIBED))
}

fn has_note(context: &StepContext, name: &str) -> bool {
    context.notes.iter().any(|note| note.get(name).is_some())
}

fn since(wait: &EventWait, context: &StepContext) -> Since {
    match wait.look_back {
        LookBack::Within(length) => Since::before(context.now, length),
        LookBack::ToStart => match context.start.trigger["id"].as_str().and_then(|id| id.parse().ok()) {
            Some(id) => Since::Event(id, context.began_at),
            None => Since::Time(context.began_at),
        },
    }
}

fn fits(wait: &EventWait, event: &Value, context: &StepContext) -> bool {
    let Some(condition) = &wait.condition else { return true };
    let mut scope = (*context.scope).clone();
    scope.insert("event".into(), event.clone());
    // An event that does not fit the condition (a field is missing) is not the one waited for.
    condition.test(&scope).unwrap_or_else(|error| {
        tracing::info!(run.id = %context.run, step = %context.path, %error, "an event did not fit");
        false
    })
}

fn came(event: &Value, context: &StepContext) -> Outcome {
    let mut output = event.clone();
    if let Some(fields) = output.as_object_mut() {
        fields.insert("timed_out".into(), Value::Bool(false));
    }
    Outcome::Done { output, intents: vec![Intent::Unsubscribe { path: context.path.clone() }] }
}
