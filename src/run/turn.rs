//! How a run takes its turn: what its workflow's `flow:` comes to for this event and these inputs.
//! Evaluated once, before the run begins; who keeps count is `store`'s business.

use super::Rank;
use crate::{
    expr::{Expr, Scope},
    workflow::{Excess, Flow, Gather, Rate, Workflow},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

/// Longest key; it is indexed and shown.
const KEY_CHARS_MAX: usize = 200;

/// A run's place in the order of things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Turn {
    /// From -100 to 100; the higher goes first.
    pub priority: i16,
    /// Turns are kept fair between runs of different numbers.
    pub fair: i32,
    pub lane: Option<LaneKey>,
    pub throttle: Option<PaceKey>,
    pub rate: Option<PaceKey>,
}

/// At most `limit` runs of a workflow at a time have this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneKey {
    /// Empty for all runs of the workflow.
    pub key: String,
    pub limit: i32,
    pub excess: Excess,
}

/// Not more starts with this key than the rate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaceKey {
    pub key: String,
    pub limit: Rate,
}

/// Why a `flow:` gives no turn, in words for whoever reads the event or started the run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    #[error("`flow` of `{workflow}`: {error}")]
    Expression { workflow: String, error: String },
    #[error("`flow` of `{workflow}`: `{expression}` gives {found}; a key is a text or a number")]
    Key { workflow: String, expression: String, found: String },
    #[error("`flow` of `{workflow}`: the priority is {found}; it must be a whole number from -100 to 100")]
    Priority { workflow: String, found: String },
}

impl Turn {
    /// Whether the run may have to wait before its first step.
    pub fn may_wait(&self) -> bool {
        self.lane.is_some() || self.throttle.is_some()
    }

    pub fn rank(&self) -> Rank {
        let lane = self.lane.as_ref().map(|lane| lane.key.clone());
        Rank { lane, priority: self.priority, fair: self.fair }
    }

    /// `trigger` is what expressions see as `event`.
    pub fn of(
        workflow: &Workflow,
        trigger: &Value,
        inputs: &Value,
        site: &Value,
        now: DateTime<Utc>,
    ) -> Result<Self, TurnError> {
        let Flow { concurrency, throttle, rate, gather: _, priority, fair } = &workflow.flow;
        let plant = trigger.get("plant").and_then(Value::as_str).unwrap_or_default();
        if concurrency.is_none()
            && throttle.is_none()
            && rate.is_none()
            && priority.is_none()
            && fair.is_none()
        {
            return Ok(Self { fair: number_of(plant), ..Self::default() });
        }
        let mut scope = scope_of(trigger, site, now);
        scope.insert("inputs".into(), inputs.clone());
        let key = |expr: Option<&Expr>| key_of(&workflow.id, expr, &scope);
        let pace = |pace: &crate::workflow::Pace| -> Result<PaceKey, TurnError> {
            Ok(PaceKey { key: key(pace.key.as_ref())?, limit: pace.limit })
        };
        let lane = |lane: &crate::workflow::Concurrency| -> Result<LaneKey, TurnError> {
            let limit = i32::try_from(lane.limit).unwrap_or(i32::MAX);
            Ok(LaneKey { key: key(lane.key.as_ref())?, limit, excess: lane.excess })
        };
        Ok(Self {
            priority: priority.as_ref().map_or(Ok(0), |expr| priority_of(&workflow.id, expr, &scope))?,
            fair: number_of(&fair.as_ref().map_or(Ok(plant.to_owned()), |expr| key(Some(expr)))?),
            lane: concurrency.as_ref().map(lane).transpose()?,
            throttle: throttle.as_ref().map(pace).transpose()?,
            rate: rate.as_ref().map(pace).transpose()?,
        })
    }
}

/// Which events are gathered together.
pub fn gather_key(
    workflow: &str,
    gather: &Gather,
    event: &Value,
    site: &Value,
    now: DateTime<Utc>,
) -> Result<String, TurnError> {
    key_of(workflow, gather.key(), &scope_of(event, site, now))
}

fn scope_of(event: &Value, site: &Value, now: DateTime<Utc>) -> Scope {
    let mut scope = Scope::new();
    scope.insert("event".into(), event.clone());
    scope.insert("site".into(), site.clone());
    scope.insert("now".into(), json!(now.to_rfc3339_opts(SecondsFormat::Millis, true)));
    scope
}

fn key_of(workflow: &str, expr: Option<&Expr>, scope: &Scope) -> Result<String, TurnError> {
    let Some(expr) = expr else { return Ok(String::new()) };
    key_text(eval(workflow, expr, scope)?).map_err(|found| TurnError::Key {
        workflow: workflow.to_owned(),
        expression: expr.source().to_owned(),
        found,
    })
}

/// The text of a key, from what its expression gave. `Err` says what that is instead, in words: what has no key would
/// share one with everything else that has none.
pub fn key_text(given: Value) -> Result<String, String> {
    let key = match given {
        Value::String(text) => text,
        Value::Number(_) | Value::Bool(_) => given.to_string(),
        other => return Err(other.to_string().chars().take(80).collect()),
    };
    let length = key.chars().count();
    if length > KEY_CHARS_MAX {
        return Err(format!("a text of {length} characters, at most {KEY_CHARS_MAX} fit"));
    }
    if key.contains('\0') { Err("a text with the character NUL".to_owned()) } else { Ok(key) }
}

fn priority_of(workflow: &str, expr: &Expr, scope: &Scope) -> Result<i16, TurnError> {
    let value = eval(workflow, expr, scope)?;
    let priority = value.as_i64().and_then(|n| i16::try_from(n).ok()).filter(|n| (-100..=100).contains(n));
    let found = || value.to_string().chars().take(80).collect();
    priority.ok_or_else(|| TurnError::Priority { workflow: workflow.to_owned(), found: found() })
}

fn eval(workflow: &str, expr: &Expr, scope: &Scope) -> Result<Value, TurnError> {
    let told = |error: crate::expr::EvalError| TurnError::Expression {
        workflow: workflow.to_owned(),
        error: error.to_string(),
    };
    expr.eval(scope).map_err(told)
}

/// FNV-1a: the same text has the same number in every process. Texts that share a number share turns.
fn number_of(text: &str) -> i32 {
    let hash =
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    if text.is_empty() { 0 } else { hash.cast_signed() }
}

/// Books the next start under a throttle: now, or as soon as no span of `within` holds more than `count`.
/// `starts` are the latest ones, oldest first.
pub fn book(starts: &mut Vec<DateTime<Utc>>, limit: Rate, now: DateTime<Utc>) -> DateTime<Utc> {
    let count = usize::try_from(limit.count).unwrap_or(usize::MAX).max(1);
    let free_from = starts.len().checked_sub(count).and_then(|at| starts.get(at)).map(|at| *at + span(limit));
    // Never before one that is booked already, or the list would not be in order.
    let start = [free_from, starts.last().copied()].into_iter().flatten().fold(now, DateTime::max);
    starts.push(start);
    starts.drain(..starts.len().saturating_sub(count));
    start
}

/// Counts a start under a rate; false when there were too many already.
pub fn admit(starts: &mut Vec<DateTime<Utc>>, limit: Rate, now: DateTime<Utc>) -> bool {
    starts.retain(|start| *start + span(limit) > now);
    let is_free = starts.len() < usize::try_from(limit.count).unwrap_or(usize::MAX);
    if is_free {
        starts.push(now);
    }
    is_free
}

fn span(limit: Rate) -> TimeDelta {
    TimeDelta::from_std(limit.within).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests;
