//! What the clock says about the firings of a schedule that are due: fire, missed, or paused. Pure.

use super::times::Times;
use crate::{store::schedules::Standing, workflow::CatchUp};
use chrono::{DateTime, TimeDelta, Utc};

/// A firing this late is a missed one.
const ON_TIME: TimeDelta = TimeDelta::seconds(60);
/// Firings decided at once.
const BATCH_MAX: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fire,
    Missed,
    Paused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decided {
    /// By nominal time.
    pub verdicts: Vec<(DateTime<Utc>, Verdict)>,
    /// When the next firing is due; it may be due already.
    pub next: Option<DateTime<Utc>>,
}

/// Decides what is due after `standing.through`, in order. A clock that went back decides nothing twice: what
/// lies up to `through` has been decided.
pub(super) fn decide(times: &Times, catch_up: CatchUp, standing: &Standing, now: DateTime<Utc>) -> Decided {
    let mut due = times.due_after(standing.through).peekable();
    let mut verdicts = Vec::new();
    while verdicts.len() < BATCH_MAX
        && let Some(firing) = due.next_if(|firing| firing.at <= now)
    {
        let verdict = match &standing.pause {
            Some(pause) if firing.at < pause.at => Verdict::Missed,
            Some(_) => Verdict::Paused,
            None => {
                let late = now - firing.at;
                let is_last = due.peek().is_none_or(|next| next.at > now);
                let is_within = |within: Option<std::time::Duration>| {
                    within
                        .and_then(|within| TimeDelta::from_std(within).ok())
                        .is_none_or(|within| late <= within)
                };
                let fires = match catch_up {
                    _ if late <= ON_TIME => true,
                    CatchUp::None => false,
                    CatchUp::Last { within } => is_last && is_within(within),
                    CatchUp::All { within } => is_within(within),
                };
                if fires { Verdict::Fire } else { Verdict::Missed }
            }
        };
        verdicts.push((firing.nominal, verdict));
    }
    Decided { verdicts, next: due.peek().map(|firing| firing.at) }
}

#[cfg(test)]
mod tests;
