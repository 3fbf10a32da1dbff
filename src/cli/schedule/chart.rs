//! Gantt charts as files: the SVG itself, or an HTML page around it.

use super::{ScheduleCommandError, write};
use crate::schedule::gantt::{Options, Plan, svg};
use std::path::Path;

const PAGE: &str = include_str!("chart.html");
/// Of a minute, in a picture that may be wider than a screen.
const PIXELS: f64 = 1.2;
const WIDTH_MIN: f64 = 1_200.0;
/// Wider pictures are drawn by few viewers.
const WIDTH_MAX: f64 = 30_000.0;

/// Draws all resources, from the first moved operation (or now) to the last one that is drawn.
pub(super) fn draw(
    file: &Path,
    title: &str,
    before: &Plan,
    after: &Plan,
) -> Result<(), ScheduleCommandError> {
    let ending = file.extension().map(|ending| ending.to_ascii_lowercase().to_string_lossy().into_owned());
    let is_page = match ending.as_deref() {
        Some("svg") => false,
        Some("html" | "htm") => true,
        _ => return Err(ScheduleCommandError::Picture(file.display().to_string())),
    };
    let bars = before.bars.iter().chain(&after.bars);
    let last = bars.map(|bar| bar.end).max().unwrap_or(after.now);
    let options =
        Options { id: "gantt".into(), title: title.to_owned(), all_resources: true, until: Some(last + 15) };
    let width = ((last - after.now) as f64 * PIXELS).clamp(WIDTH_MIN, WIDTH_MAX);
    // On a page of its own the picture has a width, so that a plan of a week stays readable.
    let picture =
        svg(before, after, &options).replacen("width=\"100%\"", &format!("width=\"{width:.0}\""), 1);
    let text = if is_page {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        PAGE.replace("{{title}}", &escape(title)).replace("{{chart}}", &picture)
    } else {
        picture
    };
    write(file, &text)
}
