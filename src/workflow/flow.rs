//! The `flow:` section: how many runs of a workflow may be under way, how fast they begin, in what order,
//! and which events become one run. What it means for a run is `run::Turn`'s business.

use super::Rate;
use crate::expr::Expr;
use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub struct Flow {
    pub concurrency: Option<Concurrency>,
    /// What is above it waits.
    pub throttle: Option<Pace>,
    /// What is above it is not started.
    pub rate: Option<Pace>,
    pub gather: Option<Gather>,
    /// From -100 to 100; the higher goes first.
    pub priority: Option<Expr>,
    /// What turns are kept fair between; without it the event's plant.
    pub fair: Option<Expr>,
}

/// At most `limit` runs with the same key at a time, from start to end.
#[derive(Debug, Clone)]
pub struct Concurrency {
    /// Without a key, all runs of the workflow.
    pub key: Option<Expr>,
    pub limit: u32,
    pub excess: Excess,
}

/// What becomes of a run for which there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Excess {
    #[default]
    Wait,
    /// `singleton … then: skip`
    Skip,
    /// `singleton … then: cancel_other`
    CancelOther,
}

#[derive(Debug, Clone)]
pub struct Pace {
    pub key: Option<Expr>,
    pub limit: Rate,
}

/// Events that become one run.
#[derive(Debug, Clone)]
pub enum Gather {
    /// The last event of a burst: when it has been quiet for `wait`, at the latest `at_most` after the first.
    Debounce { key: Option<Expr>, wait: Duration, at_most: Duration },
    /// All of them, when there are `size`, at the latest `within` after the first.
    Batch { key: Option<Expr>, size: u32, within: Duration },
}

impl Gather {
    pub fn key(&self) -> Option<&Expr> {
        match self {
            Self::Debounce { key, .. } | Self::Batch { key, .. } => key.as_ref(),
        }
    }
}
