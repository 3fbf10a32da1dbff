//! What a measurement spent: processor time of this process and of the server's, transactions and log bytes.

use crate::store::{Store, StoreError, bench};
use std::collections::BTreeMap;

/// Ticks of `/proc/…/stat` in a second: fixed by Linux for user space.
const TICKS_PER_SECOND: f64 = 100.0;

pub struct Usage {
    transactions: i64,
    wal_bytes: i64,
    own_seconds: f64,
    /// By process; empty where the server runs elsewhere.
    server_seconds: BTreeMap<i32, f64>,
}

pub struct Spent {
    pub transactions: f64,
    pub wal_bytes: f64,
    pub own_seconds: f64,
    /// `None` where the server's processes cannot be seen.
    pub server_seconds: Option<f64>,
}

impl Usage {
    pub async fn now(store: &Store) -> Result<Self, StoreError> {
        let counters = bench::counters(&mut *store.connection().await?).await?;
        let server = counters.processes.iter().filter_map(|pid| Some((*pid, seconds_of(*pid, "postgres")?)));
        Ok(Self {
            transactions: counters.transactions,
            wal_bytes: counters.wal_bytes,
            own_seconds: own_seconds(),
            server_seconds: server.collect(),
        })
    }

    pub fn since(&self, before: &Self) -> Spent {
        let seen = self.server_seconds.iter();
        let server: f64 =
            seen.map(|(pid, now)| now - before.server_seconds.get(pid).copied().unwrap_or_default()).sum();
        Spent {
            transactions: (self.transactions - before.transactions) as f64,
            wal_bytes: (self.wal_bytes - before.wal_bytes) as f64,
            own_seconds: self.own_seconds - before.own_seconds,
            server_seconds: (!self.server_seconds.is_empty()).then_some(server),
        }
    }
}

fn own_seconds() -> f64 {
    stat("self").map_or(0.0, |(_, seconds)| seconds)
}

/// Processor time of a process, if it is the program it should be: a remote server's ids mean nothing here.
fn seconds_of(pid: i32, program: &str) -> Option<f64> {
    stat(&pid.to_string()).filter(|(name, _)| name == program).map(|(_, seconds)| seconds)
}

/// Name and seconds (user and system) from `/proc/PID/stat`, see proc(5).
fn stat(pid: &str) -> Option<(String, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some((name, ticks / TICKS_PER_SECOND))
}
