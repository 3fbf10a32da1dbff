//! The chart in words: its description, tooltips and the labels on bars.

use super::change::Move;
use super::draw::Drawing;
use super::paint::put;
use super::plan::{Bar, Closed};
use std::fmt::Write;

/// Moves told one by one in the description.
const TOLD_MAX: usize = 20;

impl Drawing<'_> {
    /// The chart in words, for those who do not see it.
    pub(super) fn description(&self) -> String {
        let moves = self.changes.moves();
        let mut text = match moves.len() {
            0 => "No operation moves.".to_owned(),
            1 => "1 operation moves.".to_owned(),
            count => format!("{count} operations move."),
        };
        for change in moves.iter().take(TOLD_MAX) {
            put!(text, " {}.", self.told(change));
        }
        if moves.len() > TOLD_MAX {
            put!(text, " And {} more.", moves.len() - TOLD_MAX);
        }
        for down in self.after.down.iter().filter(|down| down.breakdown) {
            put!(text, " {}.", self.closure(down));
        }
        let mut late: Vec<&str> =
            self.after.bars.iter().filter(|bar| bar.late).map(|bar| bar.job.as_str()).collect();
        late.sort_unstable();
        late.dedup();
        if !late.is_empty() {
            put!(text, " Late orders: {}.", late.join(", "));
        }
        text
    }

    pub(super) fn told(&self, change: &Move) -> String {
        let to = change.to;
        let place = |bar: &Bar| format!("{} {}", bar.resource, self.scale.day_and_clock(bar.start));
        match change.from {
            Some(from) => format!("{}/{}: from {} to {}", to.job, to.op, place(from), place(to)),
            None => format!("{}/{}: new at {}", to.job, to.op, place(to)),
        }
    }

    pub(super) fn closure(&self, down: &Closed) -> String {
        let word = if down.breakdown { "down" } else { "closed" };
        let (from, to) = (self.scale.clock(down.from), self.scale.clock(down.to));
        format!("{} {word} {from}–{to}: {}", down.resource, down.why)
    }

    pub(super) fn label(&self, bar: &Bar, change: Option<&Move>) -> String {
        let shifted = |from: &Bar| {
            let minutes = bar.start - from.start;
            let sign = if minutes < 0 { '−' } else { '+' };
            format!("{} {sign}{} min", bar.job, minutes.abs())
        };
        match change.map(|change| (change.from, change.changes_resource())) {
            Some((Some(from), true)) => format!("{} ← {}", bar.job, from.resource),
            Some((Some(from), false)) => shifted(from),
            Some((None, _)) => format!("{} new", bar.job),
            None => bar.job.clone(),
        }
    }

    pub(super) fn tip(&self, bar: &Bar, change: Option<&Move>) -> String {
        let mut tip = format!("{}/{}", bar.job, bar.op);
        if !bar.tier.is_empty() {
            put!(tip, " (tier {})", bar.tier);
        }
        put!(tip, ": {}", self.span(bar));
        if let Some(from) = change.and_then(|change| change.from) {
            put!(tip, "; before: {}", self.span(from));
        }
        if bar.late {
            tip.push_str("; its order is late");
        }
        tip
    }

    pub(super) fn span(&self, bar: &Bar) -> String {
        let (start, end) = (self.scale.day_and_clock(bar.start), self.scale.clock(bar.end));
        format!("{} {start}–{end}", bar.resource)
    }
}
