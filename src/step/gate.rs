//! `gate`: asks a role, and waits durably for the answer, the second answer, or what silence means.
//!
//! Answers come in through `gate::decide`; here they are only read. What has been asked so far is in the
//! step's notes, so that any worker can go on.

mod again;
pub(super) mod ask;
mod outcome;
mod recheck;

use crate::{
    engine::{Execute, Ladders, Outcome, Past, RungOf, StepContext},
    expr::Expr,
    gate::{hash_of, whom},
    run::{AskedPerson, GateId, Intent, Leaf, MessageKind, Reassign, Signal, SignalKind, Task},
    tool::Registry,
    workflow::{Autonomy, GateStep, OnExpire},
};
use ask::Ask;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use outcome::{automatic, decided, is_positive};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

pub struct GateExecutor {
    pub ladders: Arc<dyn Ladders>,
    /// To check rules on live data when an answer comes late.
    pub tools: Registry,
    pub past: Arc<dyn Past>,
}

/// A question as the notes keep it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Opened {
    gate: GateId,
    role: Option<String>,
    person: Option<String>,
    opened_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    rung: i16,
    reminded: u32,
    /// How often it was asked again, because the world had moved or the draft was changed.
    #[serde(default)]
    round: u32,
    ask: Value,
    /// Whom it was passed on to, in words.
    #[serde(default)]
    asked: Option<String>,
}

/// One entry in a gate step's notes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Note {
    Opened(Box<Opened>),
    SecondOpened(Box<Opened>),
    Escalated {
        rung: i16,
        role: Option<String>,
        person: Option<String>,
        expires_at: DateTime<Utc>,
        #[serde(default)]
        asked: Option<String>,
    },
    Reminded(u32),
}

#[async_trait]
impl Execute for GateExecutor {
    async fn execute(&self, task: &Task, context: &StepContext) -> Outcome {
        let Leaf::Gate(step) = &task.leaf else {
            return Outcome::fail("unsupported", "not a gate");
        };
        match self.go_on(step, context).await {
            Ok(outcome) => outcome,
            Err(message) => Outcome::fail("expression", message),
        }
    }

    fn runs_ahead(&self, _task: &Task) -> bool {
        true
    }
}

impl GateExecutor {
    async fn go_on(&self, step: &GateStep, context: &StepContext) -> Result<Outcome, String> {
        let (first, second) = asked_so_far(&context.notes)?;
        let Some(first) = first else { return self.open(step, context).await };
        let mut excluded = ask::excluded(step, &first.ask, context);
        let Some(first_answer) = answer_to(&first, &context.signals) else {
            return self.still_waiting(step, &first, &excluded, context);
        };
        excluded.extend(outcome::people(&first_answer.body));
        let confirmed = match &second {
            Some(second) => match answer_to(second, &context.signals) {
                Some(answer) => Some((second, answer)),
                None => return self.still_waiting(step, second, &excluded, context),
            },
            None => None,
        };
        if let Some(again) = self.ask_again(step, &first, first_answer, confirmed, context).await? {
            return Ok(again);
        }
        if second.is_none() && self.needs_second(step, &first, first_answer, context)? {
            return self.open_second(step, &first, first_answer, context);
        }
        Ok(decided(step, &first, first_answer, confirmed, context))
    }

    async fn open(&self, step: &GateStep, context: &StepContext) -> Result<Outcome, String> {
        let ask = Ask::first(step, context, self.ladders.as_ref())?;
        if context.definition.workflow.autonomy == Autonomy::Shadow {
            return Ok(automatic("shadow", None, &ask.json, context));
        }
        if context.definition.workflow.autonomy == Autonomy::Auto
            && let Some(condition) = &step.auto_if
            && let Some(why) = self.goes_alone(condition, context).await?
        {
            return Ok(automatic("auto", Some(why), &ask.json, context));
        }
        let (opened, intents) = self.put(step, ask, context, 0);
        park(&opened, step, Some(Note::Opened(Box::new(opened.clone()))), intents)
    }

    /// Why nobody has to be asked, in words that stay with the decision.
    async fn goes_alone(&self, condition: &Expr, context: &StepContext) -> Result<Option<String>, String> {
        let mut scope = (*context.scope).clone();
        let mut why = format!("`{}` was true", condition.source());
        if condition.roots().iter().any(|root| root == "past") {
            let workflow = &context.definition.workflow.id;
            let past = self.past.answers(workflow, context.path.as_str()).await;
            let past = past.map_err(|error| error.to_string())?;
            scope.insert("past".into(), past.seen());
            why = format!("{why}; of {} answers {} took the first proposal", past.answers, past.accepted);
        }
        let holds = condition.test(&scope).map_err(|error| error.to_string())?;
        Ok(holds.then_some(why))
    }

    fn needs_second(
        &self,
        step: &GateStep,
        first: &Opened,
        answer: &Signal,
        context: &StepContext,
    ) -> Result<bool, String> {
        let Some(second) = &step.second else { return Ok(false) };
        // Who decides alone does so in place of everybody who would have been asked.
        if !is_positive(&answer.body) || answer.body["overridden"] == true {
            return Ok(false);
        }
        let Some(condition) = &second.condition else { return Ok(true) };
        let mut scope = (*context.scope).clone();
        scope.insert("answer".into(), outcome::answer_json(first, answer));
        condition.test(&scope).map_err(|error| error.to_string())
    }

    fn open_second(
        &self,
        step: &GateStep,
        first: &Opened,
        answer: &Signal,
        context: &StepContext,
    ) -> Result<Outcome, String> {
        let ask = Ask::second(step, first, answer, context, self.ladders.as_ref())?;
        let (opened, mut intents) = self.put(step, ask, context, first.round);
        // The first card is answered: its buttons go now, not when the second person has decided.
        intents.push(outcome::first_answered(step, first, answer, &opened, context));
        park(&opened, step, Some(Note::SecondOpened(Box::new(opened.clone()))), intents)
    }

    /// The gate and its message, in one transition.
    fn put(&self, step: &GateStep, ask: Ask, context: &StepContext, round: u32) -> (Opened, Vec<Intent>) {
        let now = context.clock.now();
        let again = if round == 0 { String::new() } else { format!(".again{round}") };
        let is_second = ask.json.get("first").is_some();
        let second = if is_second { ".second" } else { "" };
        let path = crate::run::StepPath::from(format!("{}{again}{second}", context.identity()));
        let opened = Opened {
            gate: GateId::of(context.run, &path),
            role: Some(ask.role.clone()),
            person: None,
            opened_at: now,
            expires_at: now + TimeDelta::from_std(step.expires).unwrap_or(TimeDelta::MAX),
            rung: 0,
            reminded: 0,
            round,
            ask: ask.json.clone(),
            asked: None,
        };
        let token = crate::gate::Token::random();
        let gate = Intent::OpenGate(Box::new(crate::run::NewGate {
            id: opened.gate,
            path: context.path.clone(),
            form: step.form,
            role: opened.role.clone(),
            person: None,
            excluded: ask.excluded,
            quorum: if is_second { 1 } else { i16::try_from(step.quorum).unwrap_or(i16::MAX) },
            proposal_hash: hash_of(&ask.json.to_string()),
            ask: ask.json,
            token_hash: token.hash,
            expires_at: opened.expires_at,
        }));
        let mut message = ask::message(&opened);
        message["token"] = json!(token.secret);
        let send = ask::send(context, &opened, MessageKind::Ask, ordinal(&opened), message);
        (opened, vec![gate, send])
    }

    /// No answer yet: remind, escalate, reject, fail, or go on waiting. `excluded` may not answer, whoever is asked next.
    fn still_waiting(
        &self,
        step: &GateStep,
        opened: &Opened,
        excluded: &[String],
        context: &StepContext,
    ) -> Result<Outcome, String> {
        let now = context.clock.now();
        if now >= opened.expires_at {
            return self.expired(step, opened, excluded, context);
        }
        let Some(at) = next_reminder(step, opened) else { return park(opened, step, None, Vec::new()) };
        if at > now {
            return park(opened, step, None, Vec::new());
        }
        // What an outage held up is said once.
        let reminded = Opened { reminded: reminders_due(step, opened, now), ..opened.clone() };
        let mut message = ask::message(opened);
        message["title"] = json!(format!("Still open: {}", opened.ask["title"].as_str().unwrap_or_default()));
        let send = ask::send(
            context,
            opened,
            MessageKind::Tell,
            ordinal(opened) + REMINDERS + u64::from(reminded.reminded),
            message,
        );
        let note = Note::Reminded(reminded.reminded);
        park(&reminded, step, Some(note), vec![send])
    }

    fn expired(
        &self,
        step: &GateStep,
        opened: &Opened,
        excluded: &[String],
        context: &StepContext,
    ) -> Result<Outcome, String> {
        let close = Intent::CloseGate(opened.gate);
        match step.on_expire {
            OnExpire::Reject => Ok(outcome::rejected_by_silence(opened, close, context)),
            OnExpire::Fail => Ok(outcome::nobody_answered(opened, close)),
            OnExpire::Escalate => {
                let ladder = step.escalate.clone().or_else(|| self.ladders.of_role(&step.ask));
                let next = usize::try_from(opened.rung).unwrap_or_default();
                let Some(rung) = ladder.as_deref().and_then(|ladder| self.ladders.rung(ladder, next)) else {
                    return Ok(outcome::nobody_answered(opened, close));
                };
                let within = TimeDelta::from_std(rung.within).unwrap_or(TimeDelta::MAX);
                let people = self.on_rung(&rung, opened, excluded, context);
                let names = people.iter().map(|person| person.name.as_str());
                let asked = whom(&rung.title, names.filter(|_| rung.role.is_some()));
                let escalated = Opened {
                    role: rung.role.clone(),
                    person: rung.person.clone(),
                    expires_at: context.clock.now() + within,
                    rung: opened.rung + 1,
                    asked: Some(asked.clone()),
                    ..opened.clone()
                };
                let hand_on = Intent::Reassign(Reassign {
                    gate: opened.gate,
                    role: rung.role.clone(),
                    person: rung.person.clone(),
                    people,
                    rung: escalated.rung,
                    expires_at: escalated.expires_at,
                });
                let mut message = ask::message(&escalated);
                let title = opened.ask["title"].as_str().unwrap_or_default();
                message["title"] = json!(format!("Passed on to {}: {title}", rung.title));
                message["asked_at"] = json!(context.clock.now());
                message["on_silence"] = json!(ask::on_silence(step, self.ladders.as_ref(), next + 1));
                let number = ordinal(opened) + u64::try_from(escalated.rung).unwrap_or_default();
                let send = ask::send(context, &escalated, MessageKind::Ask, number, message);
                let note = Note::Escalated {
                    rung: escalated.rung,
                    role: rung.role,
                    person: rung.person,
                    expires_at: escalated.expires_at,
                    asked: Some(asked),
                };
                park(&escalated, step, Some(note), vec![hand_on, send])
            }
        }
    }

    /// Those whom a rung of the ladder stands for now.
    fn on_rung(
        &self,
        rung: &RungOf,
        opened: &Opened,
        excluded: &[String],
        context: &StepContext,
    ) -> Vec<AskedPerson> {
        match (&rung.role, &rung.person) {
            (Some(role), _) => ask::people(role, excluded, &opened.ask, context, self.ladders.as_ref()),
            (None, Some(person)) if !excluded.contains(person) => {
                vec![AskedPerson { id: person.clone(), name: rung.title.clone() }]
            }
            (None, _) => Vec::new(),
        }
    }
}

/// Reminders are numbered from here: below are the question itself, its rungs and its end.
const REMINDERS: u64 = 1_000;
const SECOND_QUESTION: u64 = 1 << 33;
/// A question that is asked again.
const ROUND: u64 = 1 << 34;

/// From which number on the messages of this question are counted: no two of one step may have the same.
fn ordinal(opened: &Opened) -> u64 {
    u64::from(opened.round) * ROUND + if opened.ask.get("first").is_some() { SECOND_QUESTION } else { 0 }
}

fn park(
    opened: &Opened,
    step: &GateStep,
    note: Option<Note>,
    intents: Vec<Intent>,
) -> Result<Outcome, String> {
    let wake_at = next_reminder(step, opened).map_or(opened.expires_at, |at| at.min(opened.expires_at));
    let note = note.map(serde_json::to_value).transpose().map_err(|error| error.to_string())?;
    Ok(Outcome::Park { wake_at: Some(wake_at), note, intents })
}

/// How many reminders there should have been by now; one more than there were at least.
fn reminders_due(step: &GateStep, opened: &Opened, now: DateTime<Utc>) -> u32 {
    let every = step.remind.map_or(0, |every| every.as_millis()).max(1);
    let waited = (now - opened.opened_at).to_std().unwrap_or_default().as_millis();
    u32::try_from(waited / every).unwrap_or(u32::MAX).max(opened.reminded + 1)
}

fn next_reminder(step: &GateStep, opened: &Opened) -> Option<DateTime<Utc>> {
    let every = TimeDelta::from_std(step.remind?).ok()?;
    let at = opened.opened_at + every * i32::try_from(opened.reminded + 1).ok()?;
    (at < opened.expires_at).then_some(at)
}

/// Folds the notes into the first question and, if it was asked, the second.
fn asked_so_far(notes: &[Value]) -> Result<(Option<Opened>, Option<Opened>), String> {
    let (mut first, mut second): (Option<Opened>, Option<Opened>) = (None, None);
    for note in notes {
        let note: Note =
            serde_json::from_value(note.clone()).map_err(|error| format!("the gate's notes: {error}"))?;
        let latest = if second.is_some() { &mut second } else { &mut first };
        match (note, latest) {
            (Note::Opened(opened), _) => (first, second) = (Some(*opened), None),
            (Note::SecondOpened(opened), _) => second = Some(*opened),
            (Note::Escalated { rung, role, person, expires_at, asked }, Some(opened)) => {
                *opened = Opened { rung, role, person, expires_at, asked, ..opened.clone() };
            }
            (Note::Reminded(times), Some(opened)) => opened.reminded = times,
            (_, None) => {}
        }
    }
    Ok((first, second))
}

fn answer_to<'a>(opened: &Opened, signals: &'a [Signal]) -> Option<&'a Signal> {
    let gate = json!(opened.gate);
    signals.iter().find(|signal| signal.kind == SignalKind::Answer && signal.body.get("gate") == Some(&gate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeSet;

    /// A number that comes twice is a message that is never sent.
    #[test]
    fn no_two_messages_of_a_question_have_the_same_number() {
        let opened = |round: u32, ask: Value| Opened {
            gate: GateId(uuid::Uuid::nil()),
            role: None,
            person: None,
            opened_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
            rung: 0,
            reminded: 0,
            round,
            ask,
            asked: None,
        };
        let mut seen = BTreeSet::new();
        for round in 0..3 {
            for ask in [json!({}), json!({ "first": {} })] {
                let base = ordinal(&opened(round, ask));
                let own = (0..10).chain(90..94).chain((1..2_000).map(|reminder| REMINDERS + reminder));
                for number in own.map(|number| base + number) {
                    assert!(seen.insert(number), "{number} of round {round}");
                }
            }
        }
        assert!(seen.last() < Some(&(1 << 48)), "what a step that is done anew counts from");
    }
}
