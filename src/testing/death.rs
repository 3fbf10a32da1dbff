//! Where the worker of a test dies. A worker that dies does nothing more: what it had not committed is lost.

use crate::{tool::ToolName, workflow::cases::Crash};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    BeforeCall,
    AfterCall,
    BeforeCommit,
    AfterCommit,
}

/// The first visit of a place that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    pub(super) when: When,
    pub(super) tool: Option<ToolName>,
    pub(super) step: Option<String>,
}

impl Point {
    /// `None` for the crashes that are played one after the other.
    pub(super) fn of(crash: &Crash) -> Option<Self> {
        let (when, tool, step) = match crash {
            Crash::BeforeCall(tool) => (When::BeforeCall, Some(tool.clone()), None),
            Crash::AfterCall(tool) => (When::AfterCall, Some(tool.clone()), None),
            Crash::BeforeCommit(step) => (When::BeforeCommit, None, Some(step.clone())),
            Crash::AfterCommit(step) => (When::AfterCommit, None, Some(step.clone())),
            Crash::EveryWrite => return None,
        };
        Some(Self { when, tool, step })
    }

    /// All around one write of a step.
    pub(super) fn around(tool: &ToolName, step: &str) -> [Self; 4] {
        let point = |when, tool| Self { when, tool, step: Some(step.to_owned()) };
        [
            point(When::BeforeCall, Some(tool.clone())),
            point(When::AfterCall, Some(tool.clone())),
            point(When::BeforeCommit, None),
            point(When::AfterCommit, None),
        ]
    }

    fn fits(&self, when: When, tool: Option<&ToolName>, step: &str) -> bool {
        self.when == when
            && self.tool.as_ref().is_none_or(|wanted| Some(wanted) == tool)
            && self.step.as_ref().is_none_or(|wanted| wanted == step)
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let when = match self.when {
            When::BeforeCall => "before_call",
            When::AfterCall => "after_call",
            When::BeforeCommit => "before_commit",
            When::AfterCommit => "after_commit",
        };
        f.write_str(when)?;
        if let Some(tool) = &self.tool {
            write!(f, " {tool}")?;
        }
        match (&self.tool, &self.step) {
            (Some(_), Some(step)) => write!(f, " at {step}"),
            (None, Some(step)) => write!(f, " {step}"),
            (_, None) => Ok(()),
        }
    }
}

/// Dies at most once.
#[derive(Debug, Default)]
pub(super) struct Death {
    armed: Mutex<Option<Point>>,
    died: Notify,
}

impl Death {
    pub(super) fn at(point: Option<Point>) -> Self {
        Self { armed: Mutex::new(point), died: Notify::new() }
    }

    /// Never returns when this is the place.
    pub(super) async fn visit(&self, when: When, tool: Option<&ToolName>, step: &str) {
        let is_here = {
            let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
            let is_here = armed.as_ref().is_some_and(|point| point.fits(when, tool, step));
            if is_here {
                *armed = None;
            }
            is_here
        };
        if is_here {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
    }

    pub(super) async fn comes(&self) {
        self.died.notified().await;
    }

    /// The place was never reached.
    pub(super) fn waits(&self) -> Option<Point> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
