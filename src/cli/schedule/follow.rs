//! How a long search shows where it is, and how it is stopped early.

use crate::schedule::{Progress, Watch};
use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A terminal is written to at most this often.
const EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Show {
    /// On a terminal, unless the result goes out as JSON
    #[default]
    Auto,
    Always,
    Never,
}

/// One better plan of the policy's own weighting.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(super) struct Step {
    pub(super) seconds: f64,
    pub(super) objective: f64,
    pub(super) evaluated: u64,
}

#[derive(Default)]
pub(super) struct Follow {
    cancelled: AtomicBool,
    shows: bool,
    overwrites: bool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    steps: Vec<Step>,
    written: Option<Duration>,
    is_open: bool,
}

impl Follow {
    pub(super) fn new(show: Show, is_json: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let shows = match show {
            Show::Auto => is_terminal && !is_json,
            Show::Always => true,
            Show::Never => false,
        };
        Self { shows, overwrites: is_terminal, ..Self::default() }
    }

    /// False when it was cancelled before.
    pub(super) fn cancel(&self) -> bool {
        !self.cancelled.swap(true, Ordering::Relaxed)
    }

    /// Ends the line on the terminal and gives back every step.
    pub(super) fn finish(&self) -> Vec<Step> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut seen.is_open) && self.overwrites {
            eprintln!();
        }
        std::mem::take(&mut seen.steps)
    }

    fn write(&self, seen: &mut Seen, step: Step, progress: &Progress) {
        let is_first = seen.written.is_none();
        let is_soon = seen.written.is_some_and(|last| progress.elapsed.saturating_sub(last) < EVERY);
        if !self.shows || (is_soon && !is_first) {
            return;
        }
        seen.written = Some(progress.elapsed);
        let line = format!(
            "{:6.1} s  objective {:<12}  ends at minute {:<8}  {} tried",
            step.seconds,
            super::report::number(step.objective),
            progress.makespan,
            super::report::count(step.evaluated)
        );
        // A terminal that is gone is no reason to stop planning.
        let mut out = io::stderr();
        let _ = if self.overwrites { write!(out, "\r{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
        seen.is_open = true;
    }
}

impl Watch for Follow {
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn progress(&self, progress: &Progress) {
        if progress.weighting != 0 {
            return;
        }
        let seconds = progress.elapsed.as_secs_f64();
        let step = Step { seconds, objective: progress.objective, evaluated: progress.evaluated };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Two threads may report out of order; only what is better counts.
        if seen.steps.last().is_none_or(|last| progress.objective < last.objective) {
            seen.steps.push(step);
            self.write(&mut seen, step, progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_interrupt_asks_for_the_best_plan_so_far() {
        let follow = Follow::new(Show::Never, true);
        assert!(!follow.cancelled());
        assert!(follow.cancel() && follow.cancelled());
        assert!(!follow.cancel(), "the second one ends the command");
    }
}
