//! Named places where a test kills the process, to prove that nothing is lost or done twice there.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

/// Every crash point on the way of a run through its worker; a test visits each.
pub const CRASH_POINTS: [&str; 5] =
    ["before_commit", "after_commit", "after_claim", "before_call", "after_call"];

/// Those at the doors: events routed, answers taken, the dead taken over. The crash proof visits them too.
pub const DOOR_CRASH_POINTS: [&str; 6] =
    ["before_route", "after_route", "before_answer", "after_answer", "before_takeover", "after_takeover"];

/// Those of a step that talks to a model: around each kind of line in its ledger, in pairs.
pub const AGENT_CRASH_POINTS: [&str; 20] = [
    "before_agent_started",
    "after_agent_started",
    "before_agent_held",
    "after_agent_held",
    "before_agent_requested",
    "after_agent_requested",
    "before_agent_responded",
    "after_agent_responded",
    "before_agent_failed",
    "after_agent_failed",
    "before_agent_rejected",
    "after_agent_rejected",
    "before_agent_tool_requested",
    "after_agent_tool_requested",
    "before_agent_tool_done",
    "after_agent_tool_done",
    "before_agent_tool_failed",
    "after_agent_tool_failed",
    "before_agent_finished",
    "after_agent_finished",
];

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

struct Armed {
    point: String,
    /// Visits until it aborts.
    left: AtomicU32,
}

/// Arms one point for this process: it aborts the first time it gets there, or with `point:3` the third time.
pub fn arm(point: Option<String>) {
    let armed = point.map(|text| match text.split_once(':') {
        Some((point, visit)) => {
            Armed { point: point.to_owned(), left: AtomicU32::new(visit.parse().unwrap_or(1)) }
        }
        None => Armed { point: text, left: AtomicU32::new(1) },
    });
    let _ = ARMED.set(armed);
}

/// Aborts the process, without unwinding or clean-up, if this point is armed.
pub fn crash_point(name: &'static str) {
    debug_assert!(
        CRASH_POINTS.contains(&name)
            || DOOR_CRASH_POINTS.contains(&name)
            || AGENT_CRASH_POINTS.contains(&name),
        "unlisted crash point"
    );
    if let Some(Some(armed)) = ARMED.get()
        && armed.point == name
        && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}
