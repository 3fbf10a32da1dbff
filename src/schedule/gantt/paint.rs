//! Colours and text of the SVG. A colour is the page's custom property, or its own where there is none.

pub(super) const INK: &str = "var(--ink, #131920)";
pub(super) const MUTED: &str = "var(--muted, #55606d)";
pub(super) const LINE: &str = "var(--line, #d5dbe2)";
pub(super) const SUNKEN: &str = "var(--sunken, #eef1f4)";
pub(super) const SURFACE: &str = "var(--surface, #ffffff)";
pub(super) const ACCENT: &str = "var(--accent, #0b5cad)";
pub(super) const ON_ACCENT: &str = "var(--on-accent, #ffffff)";
pub(super) const ACCENT_SOFT: &str = "var(--accent-soft, #e3eefb)";
pub(super) const BAD: &str = "var(--bad, #a81e17)";
pub(super) const BAD_SOFT: &str = "var(--bad-soft, #fde7e5)";

/// Appends formatted text; writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}

pub(super) use put;

/// For text and double-quoted attributes; characters XML forbids are dropped.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {}
            other => escaped.push(other),
        }
    }
    escaped
}
