//! The time axis: which stretch is drawn, where a minute lies on it, and where its ticks go.

use super::change::Changes;
use super::plan::Plan;
use chrono::{DateTime, FixedOffset, TimeDelta, Timelike};

/// Labels that fit next to each other at 360 px.
const LABELS_MAX: i64 = 6;
const STEPS: [i64; 10] = [15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880];
const DAY: i64 = 1440;
/// Drawn at least, so that a single short operation does not fill the chart.
const SPAN_MIN: i64 = 240;
/// Kept free at both ends.
const MARGIN: i64 = 15;

pub(super) struct Scale {
    epoch: DateTime<FixedOffset>,
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Scale {
    pub(super) fn of(after: &Plan, changes: &Changes, until: Option<i64>) -> Scale {
        let now = after.now;
        let moves = changes.moves().iter().flat_map(|change| [Some(change.to), change.from]).flatten();
        let broken = after.down.iter().filter(|down| down.breakdown);
        let starts = moves.clone().map(|bar| bar.setup_start.unwrap_or(bar.start).min(bar.start));
        let from = starts.fold(now, i64::min).max(now - 120) - MARGIN;
        let ends = moves.map(|bar| bar.end).chain(broken.map(|down| down.to));
        let last = ends.fold(now + SPAN_MIN, i64::max);
        let to = until.unwrap_or((last + MARGIN).min(from + DAY)).max(from + MARGIN);
        Scale { epoch: after.epoch, from, to }
    }

    /// Percent of the width; outside 0 to 100 for what is out of sight.
    pub(super) fn percent(&self, minute: i64) -> f64 {
        (minute - self.from) as f64 * 100.0 / (self.to - self.from) as f64
    }

    pub(super) fn width(&self, minutes: i64) -> f64 {
        minutes as f64 * 100.0 / (self.to - self.from) as f64
    }

    /// Left edge and width, in percent, of the part in sight.
    pub(super) fn visible(&self, from: i64, to: i64) -> (f64, f64) {
        let (from, to) = (from.max(self.from), to.min(self.to));
        (self.percent(from), self.width((to - from).max(0)))
    }

    pub(super) fn sees(&self, from: i64, to: i64) -> bool {
        from < self.to && to > self.from
    }

    /// Minutes with a label, on round local times.
    pub(super) fn ticks(&self) -> Vec<i64> {
        let span = self.to - self.from;
        let step = STEPS.into_iter().find(|step| span / step <= LABELS_MAX).unwrap_or(7 * DAY);
        let midnight = -i64::from(self.epoch.hour() * 60 + self.epoch.minute());
        let first = midnight + (self.from - midnight).div_euclid(step) * step;
        (first..self.to).step_by(step as usize).filter(|&tick| tick >= self.from).collect()
    }

    pub(super) fn is_midnight(&self, minute: i64) -> bool {
        self.local(minute).is_some_and(|time| time.hour() == 0 && time.minute() == 0)
    }

    /// `06:10`.
    pub(super) fn clock(&self, minute: i64) -> String {
        self.written(minute, "%H:%M")
    }

    /// `Mon 06:10`.
    pub(super) fn day_and_clock(&self, minute: i64) -> String {
        self.written(minute, "%a %H:%M")
    }

    /// `Tue 24 Nov`.
    pub(super) fn date(&self, minute: i64) -> String {
        self.written(minute, "%a %-d %b")
    }

    fn written(&self, minute: i64, format: &str) -> String {
        self.local(minute).map_or_else(|| format!("minute {minute}"), |time| time.format(format).to_string())
    }

    fn local(&self, minute: i64) -> Option<DateTime<FixedOffset>> {
        self.epoch.checked_add_signed(TimeDelta::try_minutes(minute)?)
    }
}
