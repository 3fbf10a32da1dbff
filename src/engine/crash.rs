//! Named places where a test kills the process, to prove that nothing is lost or done twice there.

use std::sync::OnceLock;

/// Every crash point on the way of a run through its worker; a test visits each.
pub const CRASH_POINTS: [&str; 5] =
    ["before_commit", "after_commit", "after_claim", "before_call", "after_call"];

/// Those at the doors: events routed, answers taken, the dead taken over. The crash proof visits them too.
pub const DOOR_CRASH_POINTS: [&str; 6] =
    ["before_route", "after_route", "before_answer", "after_answer", "before_takeover", "after_takeover"];

static ARMED: OnceLock<Option<String>> = OnceLock::new();

/// Arms one point for this process: it aborts the first time it gets there.
pub fn arm(point: Option<String>) {
    let _ = ARMED.set(point);
}

/// Aborts the process, without unwinding or clean-up, if this point is armed.
pub fn crash_point(name: &'static str) {
    debug_assert!(CRASH_POINTS.contains(&name) || DOOR_CRASH_POINTS.contains(&name), "unlisted crash point");
    if ARMED.get().and_then(Option::as_deref) == Some(name) {
        std::process::abort();
    }
}
