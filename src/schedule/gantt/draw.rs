//! The shapes of the chart. Nothing is told by colour alone: moved operations carry an arrow and their
//! origin, late ones a flag, closed time is hatched.

use super::change::{Changes, Move};
use super::frame::LEGEND_LINE;
use super::paint::{ACCENT, ACCENT_SOFT, BAD, INK, LINE, MUTED, ON_ACCENT, SUNKEN, SURFACE, escape, put};
use super::plan::{Bar, Closed, Plan};
use super::scale::Scale;
use super::{Options, change};
use std::fmt::Write;

pub(super) const AXIS: i64 = 36;
const LABEL: i64 = 17;
const STRIP: i64 = 7;
const GAP: i64 = 4;
const LANE: i64 = 26;
const ROW: i64 = LABEL + STRIP + GAP + LANE + 10;
/// More arrows than this are a knot, not an explanation.
const ARROWS_MAX: usize = 8;
/// A bar narrower than this share of the width has no room for text anywhere.
const LABEL_PERCENT: f64 = 2.5;

pub(super) struct Drawing<'d> {
    pub(super) before: &'d Plan,
    pub(super) after: &'d Plan,
    pub(super) changes: &'d Changes<'d>,
    pub(super) scale: &'d Scale,
    pub(super) options: &'d Options,
}

impl Drawing<'_> {
    pub(super) fn draw(&self, rows: &[&str]) -> String {
        let id = escape(&self.options.id);
        let body = AXIS + ROW * rows.len() as i64;
        let notes = self.notes(rows);
        let height = body + 6 + LEGEND_LINE * (3 + notes.len() as i64);
        let mut out = String::new();
        put!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"gantt\" role=\"img\" width=\"100%\" height=\"{height}\" \
             aria-labelledby=\"{id}-title {id}-desc\" font-family=\"system-ui, sans-serif\" font-size=\"11\">\
             <title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>",
            escape(&self.options.title),
            escape(&self.description())
        );
        self.patterns(&id, &mut out);
        put!(out, "<rect width=\"100%\" height=\"{height}\" rx=\"8\" fill=\"{SURFACE}\"/>");
        // The inset keeps bars, labels and the now line clear of the rounded edge.
        put!(out, "<svg x=\"2%\" width=\"96%\" height=\"{body}\">");
        self.axis(body, &mut out);
        for (index, resource) in rows.iter().enumerate() {
            self.row(&id, resource, AXIS + ROW * index as i64, &mut out);
        }
        self.arrows(&id, rows, &mut out);
        self.now_line(body, &mut out);
        for (index, resource) in rows.iter().enumerate() {
            self.labels(resource, AXIS + ROW * index as i64, &mut out);
        }
        out.push_str("</svg>");
        self.legend(&id, body + 6, &notes, &mut out);
        out.push_str("</svg>");
        out
    }

    fn row(&self, id: &str, resource: &str, top: i64, out: &mut String) {
        let (strip, lane) = (top + LABEL, top + LABEL + STRIP + GAP);
        put!(out, "<line x2=\"100%\" y1=\"{top}\" y2=\"{top}\" stroke=\"{LINE}\"/>");
        put!(
            out,
            "<rect y=\"{lane}\" width=\"100%\" height=\"{LANE}\" rx=\"3\" fill=\"{SUNKEN}\" fill-opacity=\"0.5\"/>"
        );
        let on_it = |closed: &&Closed| closed.resource == resource && self.scale.sees(closed.from, closed.to);
        for closed in self.after.down.iter().filter(on_it) {
            let pattern = if closed.breakdown { "down" } else { "closed" };
            let (x, width) = self.scale.visible(closed.from, closed.to);
            put!(
                out,
                "<rect x=\"{x:.3}%\" y=\"{strip}\" width=\"{width:.3}%\" height=\"{}\" \
                 fill=\"url(#{id}-{pattern})\"><title>{}</title></rect>",
                STRIP + GAP + LANE,
                escape(&self.closure(closed))
            );
        }
        for bar in self.before.bars.iter().filter(|bar| bar.resource == resource) {
            self.old_bar(bar, strip, out);
        }
        for bar in self.after.bars.iter().filter(|bar| bar.resource == resource) {
            self.setup(id, bar, lane, out);
            self.bar(bar, lane, out);
        }
        // A running operation spans its breakdown; the hatching shows that nothing happens meanwhile.
        for down in self.after.down.iter().filter(on_it).filter(|down| down.breakdown) {
            let (x, width) = self.scale.visible(down.from, down.to);
            put!(
                out,
                "<rect x=\"{x:.3}%\" y=\"{}\" width=\"{width:.3}%\" height=\"{}\" fill=\"url(#{id}-down)\" \
                 fill-opacity=\"0.45\" pointer-events=\"none\"/>",
                lane + 2,
                LANE - 8
            );
        }
    }

    /// Over everything else, with a rim of the ground, so that neither hatching nor lines swallow them.
    fn labels(&self, resource: &str, top: i64, out: &mut String) {
        let y = top + 13;
        let is_down = |down: &&Closed| {
            down.breakdown && down.resource == resource && self.scale.sees(down.from, down.to)
        };
        // Beside the name: anywhere else it would stand over hours that it does not mean.
        let down = self.after.down.iter().find(is_down).map_or(String::new(), |down| {
            let (from, to) = (self.scale.clock(down.from), self.scale.clock(down.to));
            format!("<tspan dx=\"8\" font-size=\"11\" fill=\"{BAD}\">down {from}–{to}</tspan>")
        });
        put!(
            out,
            "<text x=\"0\" dx=\"4\" y=\"{y}\" font-size=\"12\" font-weight=\"600\" fill=\"{INK}\" stroke=\"{SURFACE}\" \
             stroke-width=\"3\" paint-order=\"stroke\">{}{down}</text>",
            escape(resource)
        );
    }

    /// The place in the current plan: solid where it stays, a dashed ghost where it moved away.
    fn old_bar(&self, bar: &Bar, top: i64, out: &mut String) {
        if !self.scale.sees(bar.start, bar.end) {
            return;
        }
        let (x, width) = self.scale.visible(bar.start, bar.end);
        let (fill, stroke, dash) = match self.changes.of(bar) {
            Some(_) => (SURFACE, ACCENT, " stroke-dasharray=\"3 2\""),
            None => (LINE, MUTED, ""),
        };
        put!(
            out,
            "<rect class=\"gantt-old\" x=\"{x:.3}%\" y=\"{top}\" width=\"{width:.3}%\" height=\"{STRIP}\" rx=\"1.5\" \
             fill=\"{fill}\" stroke=\"{stroke}\"{dash}><title>{}</title></rect>",
            escape(&format!("{}/{} before: {}", bar.job, bar.op, self.span(bar)))
        );
    }

    fn setup(&self, id: &str, bar: &Bar, lane: i64, out: &mut String) {
        let Some(start) = bar.setup_start else { return };
        let end = bar.setup_minutes.map_or(bar.start, |minutes| (start + minutes).min(bar.start));
        if !self.scale.sees(start, end) {
            return;
        }
        let (x, width) = self.scale.visible(start, end);
        put!(
            out,
            "<rect class=\"gantt-setup\" x=\"{x:.3}%\" y=\"{}\" width=\"{width:.3}%\" height=\"{}\" \
             fill=\"url(#{id}-setup)\" stroke=\"{MUTED}\" stroke-width=\"0.75\"><title>{}</title></rect>",
            lane + 5,
            LANE - 10,
            escape(&format!("changeover for {}/{}, {} min", bar.job, bar.op, end - start))
        );
    }

    fn bar(&self, bar: &Bar, lane: i64, out: &mut String) {
        if !self.scale.sees(bar.start, bar.end) {
            return;
        }
        let (x, width) = self.scale.visible(bar.start, bar.end);
        let change = self.changes.of(bar);
        let goes_elsewhere = change.is_some_and(Move::changes_resource);
        let (class, fill, stroke, text) = match (change, goes_elsewhere) {
            (Some(_), true) => ("gantt-bar gantt-moved", ACCENT, SURFACE, ON_ACCENT),
            (Some(_), false) => ("gantt-bar gantt-shifted", ACCENT_SOFT, ACCENT, INK),
            (None, _) => ("gantt-bar", SUNKEN, MUTED, INK),
        };
        // A nested SVG clips the text to its bar, whatever width the page gives it.
        put!(
            out,
            "<svg class=\"{class}\" x=\"{x:.3}%\" y=\"{lane}\" width=\"{width:.3}%\" height=\"{LANE}\"><title>{}</title>\
             <rect width=\"100%\" height=\"{LANE}\" rx=\"4\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"2\"/>",
            escape(&self.tip(bar, change))
        );
        if width >= LABEL_PERCENT {
            let label = escape(&self.label(bar, change));
            put!(out, "<text x=\"5\" y=\"17\" fill=\"{text}\" font-weight=\"500\">{label}</text>");
        }
        if bar.late {
            put!(
                out,
                "<rect class=\"gantt-late\" y=\"{}\" width=\"100%\" height=\"4\" fill=\"{BAD}\"/>\
                 <svg x=\"100%\" overflow=\"visible\"><path d=\"M-10 0H0V10Z\" fill=\"{BAD}\" stroke=\"{SURFACE}\" stroke-width=\"0.75\"/></svg>",
                LANE - 5
            );
        }
        out.push_str("</svg>");
    }

    /// From each ghost to the new place, while there are few enough to follow.
    fn arrows(&self, id: &str, rows: &[&str], out: &mut String) {
        let top = |resource: &str| {
            rows.iter().position(|row| *row == resource).map(|index| AXIS + ROW * index as i64 + LABEL)
        };
        let elsewhere: Vec<&Move> =
            self.changes.moves().iter().filter(|change| change.changes_resource()).collect();
        if elsewhere.len() > ARROWS_MAX {
            return;
        }
        for change::Move { from, to } in elsewhere {
            let Some(from) = from.filter(|from| self.scale.sees(from.start, from.end)) else { continue };
            let (Some(old), Some(new)) = (top(&from.resource), top(&to.resource)) else { continue };
            if !self.scale.sees(to.start, to.end) {
                continue;
            }
            let (x1, x2) = (
                self.scale.percent((from.start + from.end) / 2),
                self.scale.percent(to.start.max(self.scale.from)),
            );
            let (y1, y2) =
                if new > old { (old + STRIP, new + STRIP + GAP) } else { (old, new + STRIP + GAP + LANE) };
            put!(
                out,
                "<line class=\"gantt-arrow\" x1=\"{x1:.3}%\" y1=\"{y1}\" x2=\"{:.3}%\" y2=\"{y2}\" stroke=\"{ACCENT}\" \
                 stroke-width=\"1.25\" stroke-dasharray=\"4 3\" marker-end=\"url(#{id}-arrow)\"/>",
                x2 + self.scale.width(10)
            );
        }
    }
}
