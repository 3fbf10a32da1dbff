//! What programs ask: to start runs, runs with their story, gates and their answers, events, schedules. Errors are
//! problem bodies.

pub(super) mod control;
pub(super) mod delegations;
pub(super) mod events;
pub(super) mod gates;
pub(super) mod links;
pub(super) mod runs;
pub(super) mod schedules;
pub(super) mod starts;

use super::problem::{Cause, Problem};
use axum::{extract::rejection::JsonRejection, http::StatusCode};

/// Longest piece of a mistake in a body that is repeated to its sender, such as the path to it.
const PIECE_CHARS_MAX: usize = 80;

pub(super) async fn not_found() -> Problem {
    Problem::new(Cause::NotFound, "no such path under /api")
}

/// A process without the console, or without intake, is asked for what another one serves.
pub(super) async fn not_served_here() -> Problem {
    Problem::new(Cause::NotFound, "this process does not serve that; see `takt serve --help` for its roles")
}

/// Why a body could not be taken.
fn unread(rejection: &JsonRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Cause::TooLarge, "a request here may have 256 KiB"),
        _ => Problem::new(Cause::Malformed, shortened(&rejection.body_text())),
    }
}

/// Without the whole of a path that somebody made long.
fn shortened(words: &str) -> String {
    let piece = |piece: &str| match piece.char_indices().nth(PIECE_CHARS_MAX) {
        Some((end, _)) => format!("{}\u{2026}", &piece[..end]),
        None => piece.to_owned(),
    };
    words.split(": ").map(piece).collect::<Vec<_>>().join(": ")
}

/// Reads an id of the path; what is not one cannot be found.
fn id<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| missing(what))
}

fn missing(what: &str) -> Problem {
    Problem::new(Cause::NotFound, format!("there is no {what} of this id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_path_is_not_repeated() {
        let words =
            format!("wrong: fields{}: recursion limit exceeded at line 1 column 600", ".a".repeat(120));
        let short = shortened(&words);
        assert!(
            short.len() < 160 && short.ends_with(": recursion limit exceeded at line 1 column 600"),
            "{short}"
        );
        assert_eq!(shortened("missing field `decision` at line 1"), "missing field `decision` at line 1");
    }
}
