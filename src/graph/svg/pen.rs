//! Lines, boxes and words of the picture, in SVG's own terms.

use crate::graph::{Kind, shortened};
use std::fmt::Write as _;

pub(super) const WIDTH: f64 = 236.0;
pub(super) const HEIGHT: f64 = 46.0;
pub(super) const GAP: f64 = 26.0;
pub(super) const SIDE: f64 = 24.0;
pub(super) const PAD: f64 = 14.0;
pub(super) const LABEL: f64 = 18.0;
/// A pill is lower than a box.
const PILL: f64 = 32.0;
pub(super) const PILL_GAP: f64 = (HEIGHT - PILL) / 2.0;
/// About as wide as a letter.
const LETTER: f64 = 7.2;
/// The same of a condition's small words.
pub(super) const SMALL_LETTER: f64 = 5.9;

#[derive(Default)]
pub(super) struct Pen {
    pub(super) out: String,
}

impl Pen {
    pub(super) fn boxed(&mut self, axis: f64, top: f64, title: &str, detail: &str, kind: Kind) {
        let (left, class) = (axis - WIDTH / 2.0, kind.word());
        if kind == Kind::Gate {
            let (right, middle, bottom) = (left + WIDTH, top + HEIGHT / 2.0, top + HEIGHT);
            let (inner_left, inner_right) = (left + 12.0, right - 12.0);
            let _ = write!(
                self.out,
                "<path class=\"b {class}\" d=\"M{inner_left:.1} {top:.1}H{inner_right:.1}L{right:.1} {middle:.1}\
                 L{inner_right:.1} {bottom:.1}H{inner_left:.1}L{left:.1} {middle:.1}z\"/>"
            );
        } else {
            let _ = write!(
                self.out,
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>"
            );
        }
        let title = if kind == Kind::Write { format!("✎ {title}") } else { title.to_owned() };
        self.text(axis, top + 19.0, "h", "middle", &title);
        self.text(axis, top + 35.0, "d", "middle", detail);
    }

    pub(super) fn pill(&mut self, axis: f64, top: f64, text: &str, class: &str) {
        let half = pill_half(text);
        let (left, width, y) = (axis - half, half * 2.0, top + PILL_GAP);
        let _ = write!(
            self.out,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{PILL}\" rx=\"16\"/>"
        );
        self.text(axis, top + HEIGHT / 2.0 + 4.0, "", "middle", &shortened(text));
    }

    pub(super) fn frame(&mut self, left: f64, top: f64, width: f64, height: f64) {
        let _ = write!(
            self.out,
            "<rect class=\"group\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"8\"/>"
        );
    }

    /// With an arrow at its end.
    pub(super) fn line(&mut self, x1: f64, y1: f64, x2: f64, y2: f64) {
        let _ = write!(
            self.out,
            "<path class=\"l\" marker-end=\"url(#a)\" d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\"/>"
        );
    }

    pub(super) fn plain(&mut self, x1: f64, y1: f64, x2: f64, y2: f64) {
        let _ = write!(self.out, "<path class=\"l\" d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\"/>");
    }

    /// Dashed, to the right and then down.
    pub(super) fn aside(&mut self, x1: f64, y1: f64, x2: f64, y2: f64, has_arrow: bool) {
        let arrow = if has_arrow { " marker-end=\"url(#a)\"" } else { "" };
        let _ = write!(self.out, "<path class=\"l s\"{arrow} d=\"M{x1:.1} {y1:.1}H{x2:.1}V{y2:.1}\"/>");
    }

    pub(super) fn text(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        let text = escaped(text);
        let _ = write!(
            self.out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }
}

/// Half the width of a pill with this text.
pub(super) fn pill_half(text: &str) -> f64 {
    let letters = shortened(text).chars().count() as f64;
    (letters * LETTER / 2.0 + 16.0).max(WIDTH / 3.2)
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
