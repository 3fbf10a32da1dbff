//! Around the rows: hatches, time axis, now line, legend and notes.

use super::draw::{AXIS, Drawing};
use super::paint::{ACCENT, ACCENT_SOFT, BAD, BAD_SOFT, INK, LINE, MUTED, SUNKEN, SURFACE, escape, put};
use std::fmt::Write;

pub(super) const LEGEND_LINE: i64 = 20;
/// A time label that starts further right would be cut off on a phone.
const LABEL_END: f64 = 89.0;

impl Drawing<'_> {
    pub(super) fn patterns(&self, id: &str, out: &mut String) {
        let hatch = |out: &mut String, name: &str, ground: &str, stroke: &str, gap: i64| {
            put!(
                out,
                "<pattern id=\"{id}-{name}\" width=\"{gap}\" height=\"{gap}\" patternUnits=\"userSpaceOnUse\" \
                 patternTransform=\"rotate(45)\"><rect width=\"{gap}\" height=\"{gap}\" fill=\"{ground}\"/>\
                 <line y2=\"{gap}\" stroke=\"{stroke}\" stroke-width=\"2.5\"/></pattern>"
            );
        };
        out.push_str("<defs>");
        hatch(out, "down", BAD_SOFT, BAD, 9);
        hatch(out, "closed", SUNKEN, LINE, 7);
        hatch(out, "setup", SURFACE, MUTED, 5);
        put!(
            out,
            "<marker id=\"{id}-arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M0 0 8 4 0 8Z\" fill=\"{ACCENT}\"/></marker></defs>"
        );
    }

    pub(super) fn axis(&self, body: i64, out: &mut String) {
        for (index, tick) in self.scale.ticks().into_iter().enumerate() {
            let x = self.scale.percent(tick);
            put!(out, "<line x1=\"{x:.3}%\" x2=\"{x:.3}%\" y1=\"14\" y2=\"{body}\" stroke=\"{LINE}\"/>");
            if x > LABEL_END {
                continue;
            }
            let clock = self.scale.clock(tick);
            put!(out, "<text x=\"{x:.3}%\" dx=\"3\" y=\"25\" fill=\"{MUTED}\">{clock}</text>");
            if index == 0 || self.scale.is_midnight(tick) {
                let date = self.scale.date(tick);
                put!(out, "<text x=\"{x:.3}%\" dx=\"3\" y=\"12\" fill=\"{MUTED}\">{date}</text>");
            }
        }
    }

    pub(super) fn now_line(&self, body: i64, out: &mut String) {
        let now = self.after.now;
        let x = self.scale.percent(now);
        if !self.scale.sees(now, now + 1) {
            return;
        }
        put!(
            out,
            "<line class=\"gantt-now\" x1=\"{x:.3}%\" x2=\"{x:.3}%\" y1=\"{}\" y2=\"{body}\" stroke=\"{INK}\" stroke-width=\"1.5\"/>\
             <svg x=\"{x:.3}%\" overflow=\"visible\"><path d=\"M-5 {}H5L0 {AXIS}Z\" fill=\"{INK}\"/></svg>",
            AXIS - 6,
            AXIS - 7
        );
    }

    pub(super) fn notes(&self, rows: &[&str]) -> Vec<String> {
        let mut notes = Vec::new();
        let hidden =
            self.after.resources.iter().filter(|resource| !rows.contains(&resource.as_str())).count();
        if hidden > 0 {
            notes.push(format!(
                "{hidden} more {} unchanged",
                if hidden == 1 { "resource is" } else { "resources are" }
            ));
        }
        let later = self.changes.moves().iter().filter(|change| change.to.start >= self.scale.to).count();
        if later > 0 {
            let until = self.scale.day_and_clock(self.scale.to);
            notes.push(format!("{later} more {} after {until}", if later == 1 { "move" } else { "moves" }));
        }
        notes
    }

    /// Two columns that fit a phone; symbols are the ones of the chart.
    pub(super) fn legend(&self, id: &str, top: i64, notes: &[String], out: &mut String) {
        let now = format!("now, {}", self.scale.clock(self.after.now));
        let entries = [
            (format!("<rect width=\"22\" height=\"11\" rx=\"2\" fill=\"{ACCENT}\"/>"), "on another resource"),
            (
                format!(
                    "<rect width=\"22\" height=\"11\" rx=\"2\" fill=\"{ACCENT_SOFT}\" stroke=\"{ACCENT}\"/>"
                ),
                "at another time",
            ),
            (
                format!(
                    "<rect y=\"2\" width=\"22\" height=\"7\" rx=\"1.5\" fill=\"{SURFACE}\" stroke=\"{ACCENT}\" stroke-dasharray=\"3 2\"/>"
                ),
                "its old place",
            ),
            (
                format!(
                    "<rect width=\"22\" height=\"11\" fill=\"url(#{id}-setup)\" stroke=\"{MUTED}\" stroke-width=\"0.75\"/>"
                ),
                "changeover",
            ),
            (
                format!(
                    "<rect y=\"8\" width=\"22\" height=\"3\" fill=\"{BAD}\"/><path d=\"M10 0H22V12Z\" fill=\"{BAD}\"/>"
                ),
                "order is late",
            ),
            (
                format!(
                    "<path d=\"M6 0H16L11 7Z\" fill=\"{INK}\"/><line x1=\"11\" x2=\"11\" y1=\"5\" y2=\"12\" stroke=\"{INK}\" stroke-width=\"1.5\"/>"
                ),
                now.as_str(),
            ),
        ];
        for (index, (symbol, words)) in entries.iter().enumerate() {
            let (x, y) = (index as i64 % 2 * 170, top + index as i64 / 2 * LEGEND_LINE);
            put!(
                out,
                "<svg x=\"3%\" y=\"{y}\" overflow=\"visible\"><g transform=\"translate({x} 0)\">{symbol}\
                 <text x=\"29\" y=\"10\" fill=\"{MUTED}\">{}</text></g></svg>",
                escape(words)
            );
        }
        for (index, note) in notes.iter().enumerate() {
            let y = top + LEGEND_LINE * (3 + index as i64) + 10;
            put!(out, "<text x=\"3%\" y=\"{y}\" fill=\"{MUTED}\">{}</text>", escape(note));
        }
    }
}
