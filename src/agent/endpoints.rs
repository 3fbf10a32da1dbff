//! Whether a request may leave now: what all steps of all workers know together of an endpoint. Who keeps
//! that knowledge is the caller's business; here is only the question.

use super::ledger::Hold;
use super::model::ModelErrorClass;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::{any::Any, time::Duration};

const RETRY_WAIT: Duration = Duration::from_millis(500);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(8);

/// How long an endpoint that does not say is left alone, after so many failures before this one.
pub fn retry_wait(failures: u32) -> Duration {
    RETRY_WAIT.saturating_mul(2u32.saturating_pow(failures)).min(RETRY_WAIT_MAX)
}

/// Held while a request is under way; dropping it makes room for another.
pub type Permit = Box<dyn Any + Send + Sync>;

pub enum Admission {
    Go(Permit),
    /// Not before `until`.
    Later {
        until: DateTime<Utc>,
        by: Hold,
    },
}

/// What came of a request, as far as it says something about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Answered {
        /// It says that it has no more to give for so long.
        pause: Option<Duration>,
    },
    Failed {
        class: ModelErrorClass,
        retry_after: Option<Duration>,
    },
}

/// A request that wants to leave.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub endpoint: &'a str,
    /// At most what it costs.
    pub tokens: u64,
    /// An earlier question was told to wait for this very moment.
    pub has_turn: bool,
}

#[async_trait]
pub trait Endpoints: Send + Sync {
    async fn admit(&self, wanted: &Wanted<'_>, now: DateTime<Utc>) -> Admission;

    /// `unused` are tokens that were wanted and not needed.
    async fn tell(&self, endpoint: &str, told: Told, unused: u64, now: DateTime<Utc>);
}

/// Nobody counts: replays and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

#[async_trait]
impl Endpoints for Unlimited {
    async fn admit(&self, _wanted: &Wanted<'_>, _now: DateTime<Utc>) -> Admission {
        Admission::Go(Box::new(()))
    }

    async fn tell(&self, _endpoint: &str, _told: Told, _unused: u64, _now: DateTime<Utc>) {}
}
