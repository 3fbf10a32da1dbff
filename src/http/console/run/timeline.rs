//! The timeline: one row per step, times in which nothing moves folded away.

use crate::{
    http::console::when::{Clock, words},
    run::{Change, Record, StepPath},
};
use chrono::{DateTime, TimeDelta, Utc};
use std::fmt::Write;

const ROW_HEIGHT: usize = 34;
const AXIS_HEIGHT: usize = 36;
/// A pause longer than this, in which no record was written, is folded.
const FOLD_OVER: TimeDelta = TimeDelta::seconds(30);
/// Share of the width that one folded pause takes.
const FOLD_PERCENT: f64 = 7.0;
const BAR_PERCENT_MIN: f64 = 0.8;

#[derive(Debug, Clone, PartialEq)]
struct Bar {
    label: String,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    tone: &'static str,
    /// When it began to wait, if it did.
    waits_from: Option<DateTime<Utc>>,
}

/// Maps times to percent of the width.
struct Axis {
    /// Times with their place, ascending.
    stops: Vec<(DateTime<Utc>, f64)>,
    folds: Vec<(f64, TimeDelta)>,
}

/// The SVG, or nothing for a run without steps. Widths are in percent, so that text keeps its size on a phone.
pub(super) fn svg(records: &[Record], clock: &Clock, is_open: bool) -> Option<String> {
    let last = records.last()?.at;
    let end = if is_open { clock.now.max(last) } else { last };
    let bars = bars(records, end);
    if bars.is_empty() {
        return None;
    }
    let mut times: Vec<DateTime<Utc>> = records.iter().map(|record| record.at).collect();
    times.push(end);
    let axis = Axis::new(times);
    let height = AXIS_HEIGHT + bars.len() * ROW_HEIGHT;
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        r#"<svg class="timeline" width="100%" height="{height}" role="img" aria-label="Timeline of {} steps">"#,
        bars.len()
    );
    axis.draw(&mut svg, height, clock);
    for (row, bar) in bars.iter().enumerate() {
        draw_bar(&mut svg, bar, AXIS_HEIGHT + row * ROW_HEIGHT, &axis, clock);
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// From the first start to the end of every step that did something.
fn bars(records: &[Record], end: DateTime<Utc>) -> Vec<Bar> {
    let mut bars: Vec<(StepPath, Bar)> = Vec::new();
    for record in records {
        let Some(path) = &record.path else { continue };
        let known = bars.iter_mut().find(|(known, _)| known == path);
        match (&record.change, known) {
            (Change::Started, None) => {
                let bar = Bar {
                    label: path.to_string(),
                    from: record.at,
                    to: end,
                    tone: "working",
                    waits_from: None,
                };
                bars.push((path.clone(), bar));
            }
            (Change::Waiting { .. }, Some((_, bar))) => {
                bar.waits_from.get_or_insert(record.at);
                bar.tone = "waiting";
            }
            (Change::Done { .. }, Some((_, bar))) => (bar.to, bar.tone) = (record.at, "done"),
            (Change::Failed { .. }, Some((_, bar))) => (bar.to, bar.tone) = (record.at, "failed"),
            _ => {}
        }
    }
    bars.into_iter().map(|(_, bar)| bar).collect()
}

impl Axis {
    fn new(mut times: Vec<DateTime<Utc>>) -> Self {
        times.sort_unstable();
        times.dedup();
        let gaps: Vec<TimeDelta> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let folded = gaps.iter().filter(|gap| **gap > FOLD_OVER).count();
        // Many folds share at most six tenths of the width.
        let fold = FOLD_PERCENT.min(60.0 / folded.max(1) as f64);
        let moving: i64 = gaps.iter().filter(|gap| **gap <= FOLD_OVER).map(TimeDelta::num_milliseconds).sum();
        let room = 100.0 - fold * folded as f64;
        let mut place = 0.0;
        let mut axis =
            Self { stops: times.first().map(|first| (*first, 0.0)).into_iter().collect(), folds: Vec::new() };
        for (gap, end) in gaps.iter().zip(times.iter().skip(1)) {
            if *gap > FOLD_OVER {
                axis.folds.push((place + fold / 2.0, *gap));
                place += fold;
            } else {
                place += room * gap.num_milliseconds() as f64 / moving.max(1) as f64;
            }
            axis.stops.push((*end, place.min(100.0)));
        }
        axis
    }

    fn place(&self, at: DateTime<Utc>) -> f64 {
        let after = self.stops.partition_point(|(time, _)| *time < at);
        self.stops.get(after).or(self.stops.last()).map_or(0.0, |(_, place)| *place)
    }

    fn draw(&self, svg: &mut String, height: usize, clock: &Clock) {
        for (place, pause) in &self.folds {
            let anchor = if *place > 90.0 { "end" } else { "middle" };
            let _ = write!(
                svg,
                r#"<line class="fold" x1="{place:.2}%" x2="{place:.2}%" y1="{AXIS_HEIGHT}" y2="{height}"/><text class="fold-label" x="{place:.2}%" y="30" text-anchor="{anchor}">{}</text>"#,
                words(*pause)
            );
        }
        if let Some((first, _)) = self.stops.first() {
            let _ = write!(svg, r#"<text class="axis" x="0" y="12">{}</text>"#, clock.exact(*first));
        }
        if let Some((last, _)) = self.stops.last() {
            let time = clock.exact(*last);
            let _ = write!(svg, r#"<text class="axis" x="100%" y="12" text-anchor="end">{time}</text>"#);
        }
    }
}

fn draw_bar(svg: &mut String, bar: &Bar, top: usize, axis: &Axis, clock: &Clock) {
    let (from, to) = (axis.place(bar.from), axis.place(bar.to));
    let width = (to - from).max(BAR_PERCENT_MIN);
    let from = from.min(100.0 - width);
    let label = handlebars::html_escape(&bar.label);
    let times = format!("{} {}–{}", label, clock.exact(bar.from), clock.exact(bar.to));
    // A label near the right edge grows to the left.
    let (at, anchor) = if from > 60.0 { (from + width, "end") } else { (from, "start") };
    let (text_y, bar_y) = (top + 13, top + 18);
    let _ = write!(
        svg,
        r#"<g><title>{times}, {}</title><text class="label" x="{at:.2}%" y="{text_y}" text-anchor="{anchor}">{label}</text><rect class="bar {}" x="{from:.2}%" y="{bar_y}" width="{width:.2}%" height="9" rx="3"/>"#,
        words(bar.to - bar.from),
        bar.tone
    );
    if let Some(waits_from) = bar.waits_from {
        let start = axis.place(waits_from).min(100.0 - BAR_PERCENT_MIN).max(from);
        let rest = (from + width - start).max(BAR_PERCENT_MIN);
        let _ = write!(
            svg,
            r#"<rect class="wait" x="{start:.2}%" y="{bar_y}" width="{rest:.2}%" height="9" rx="3"/>"#
        );
    }
    svg.push_str("</g>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + second, 0).unwrap()
    }

    #[test]
    fn long_pauses_are_folded_and_the_rest_keeps_its_proportions() {
        let axis = Axis::new(vec![at(0), at(10), at(3610), at(3630)]);
        assert_eq!(axis.folds, [(31.0 + FOLD_PERCENT / 2.0, TimeDelta::seconds(3600))]);
        let places: Vec<i64> = axis.stops.iter().map(|(_, place)| place.round() as i64).collect();
        assert_eq!(places, [0, 31, 38, 100]);
    }

    #[test]
    fn a_run_of_one_moment_has_a_place() {
        let axis = Axis::new(vec![at(5), at(5)]);
        assert!(axis.place(at(5)) >= 0.0 && axis.place(at(9)) <= 100.0);
    }
}
