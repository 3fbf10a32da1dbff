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

pub(super) async fn not_found() -> Problem {
    Problem::new(Cause::NotFound, "no such path under /api")
}

/// A process without the console, or without intake, is asked for what another one serves.
pub(super) async fn not_served_here() -> Problem {
    Problem::new(Cause::NotFound, "this process does not serve that; see `takt serve --help` for its roles")
}

/// Reads an id of the path; what is not one cannot be found.
fn id<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| missing(what))
}

fn missing(what: &str) -> Problem {
    Problem::new(Cause::NotFound, format!("there is no {what} of this id"))
}
