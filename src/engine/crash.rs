//! Named places where a test kills the process, to prove that nothing is lost or done twice there.

use std::sync::OnceLock;

/// Every crash point; a test visits each.
pub const CRASH_POINTS: [&str; 5] =
    ["before_commit", "after_commit", "after_claim", "before_call", "after_call"];

static ARMED: OnceLock<Option<String>> = OnceLock::new();

/// Arms one point for this process: it aborts the first time it gets there.
pub fn arm(point: Option<String>) {
    let _ = ARMED.set(point);
}

/// Aborts the process, without unwinding or clean-up, if this point is armed.
pub fn crash_point(name: &'static str) {
    debug_assert!(CRASH_POINTS.contains(&name), "unlisted crash point");
    if ARMED.get().and_then(Option::as_deref) == Some(name) {
        std::process::abort();
    }
}
