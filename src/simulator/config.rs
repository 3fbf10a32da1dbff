//! What a simulator is started with: address, seed, first instant, credentials, where events go.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// Everything a simulator needs to start; `default()` is the plant of the demo on a free port.
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    pub listen: SocketAddr,
    /// The same seed makes the same plant.
    pub seed: u64,
    /// The plant's first instant; its clock runs in real time from there.
    pub start: DateTime<Utc>,
    pub credentials: Credentials,
    /// Where events are posted; they wait until there is one (`POST /sim/target`).
    pub target: Option<String>,
    /// `whsec_…` that events are signed with.
    pub webhook_secret: String,
    pub signature_clock: SignatureClock,
    /// Plex's documented limit is 200; the demo's default leaves room for a parallel fan-out.
    pub plex_calls_per_minute: usize,
    /// The plant outlives the process in this file.
    pub memory: Option<MemoryFile>,
    /// A schedule write may start so far in the past: people take minutes to approve.
    pub schedule_past_tolerance: TimeDelta,
}

/// Where a plant is remembered over restarts.
#[derive(Debug, Clone)]
pub struct MemoryFile {
    pub path: PathBuf,
    /// Go on with the plant in the file, if there is one; its seed and first instant count then, and `start` is
    /// what the clock is moved on to. Otherwise the file is begun anew.
    pub resume: bool,
}

/// Which clock stamps `webhook-timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureClock {
    /// The simulator's own clock: for a receiver whose clock is set to the plant's.
    Plant,
    /// The machine's clock: for a receiver that knows nothing of simulated time.
    Wall,
}

/// What each simulated system asks for. The defaults are public knowledge: this plant does not exist.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub plex_key: String,
    pub cmms_key: String,
    pub tickets_user: String,
    pub tickets_password: String,
    pub erp_key: String,
    pub erp_secret: String,
    pub portal_token: String,
    pub andon_token: String,
}

impl SimulatorConfig {
    /// 2026-11-23 06:10 in Chicago, ten minutes into shift A of a Monday.
    pub fn demo_start() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 23, 12, 10, 0).single().unwrap_or_default()
    }

    /// The demo's signing secret.
    pub const DEMO_WEBHOOK_SECRET: &'static str = "whsec_c2ltdWxhdG9yLXBsYW50LTEtd2ViaG9vay1zZWNyZXQ=";
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            start: Self::demo_start(),
            credentials: Credentials::default(),
            target: None,
            webhook_secret: Self::DEMO_WEBHOOK_SECRET.to_owned(),
            signature_clock: SignatureClock::Wall,
            plex_calls_per_minute: 6_000,
            memory: None,
            schedule_past_tolerance: TimeDelta::minutes(30),
        }
    }
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            plex_key: "sim-plex-key".into(),
            cmms_key: "sim-cmms-key".into(),
            tickets_user: "takt".into(),
            tickets_password: "sim-tickets-password".into(),
            erp_key: "sim-erp-key".into(),
            erp_secret: "sim-erp-secret".into(),
            portal_token: "sim-portal-token".into(),
            andon_token: "sim-andon-token".into(),
        }
    }
}
