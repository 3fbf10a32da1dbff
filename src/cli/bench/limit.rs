//! The machine's own limit: single-row commits per second of many clients against the same server. PostgreSQL's
//! `pgbench` measures it where it is installed; otherwise clients of our own do, which is said.

use super::BenchFailure;
use crate::store::{Store, StoreError, bench};
use serde::Serialize;
use std::{path::PathBuf, time::Duration};
use tokio::{process::Command, task::JoinSet, time::Instant};

pub struct Limit<'a> {
    pub store: &'a Store,
    pub url: &'a str,
    pub pgbench: Option<PathBuf>,
    pub time: Duration,
}

#[derive(Debug, Clone, Serialize)]
pub struct Commits {
    pub clients: usize,
    pub per_second: f64,
    /// Of one commit, in milliseconds: pgbench's mean, or our median.
    pub latency_ms: f64,
    pub measured_by: &'static str,
}

impl Limit<'_> {
    pub async fn measure(&self, clients: usize) -> Result<Commits, BenchFailure> {
        bench::make_limit_table(&mut *self.store.connection().await?).await?;
        match &self.pgbench {
            Some(pgbench) => match self.by_pgbench(pgbench, clients).await {
                Some(commits) => Ok(commits),
                None => self.by_ourselves(clients).await,
            },
            None => self.by_ourselves(clients).await,
        }
    }

    /// `None` where it cannot run: another version of the protocol, no file to write its script to.
    async fn by_pgbench(&self, pgbench: &PathBuf, clients: usize) -> Option<Commits> {
        let script = std::env::temp_dir().join(format!("takt-bench-{}.sql", std::process::id()));
        tokio::fs::write(&script, format!("{};\n", bench::COMMIT_ONE)).await.ok()?;
        let output = Command::new(pgbench)
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
            .arg(format!("--client={clients}"))
            .arg(format!("--time={}", self.time.as_secs().max(1)))
            .arg("--file")
            .arg(&script)
            .arg(self.url)
            .output()
            .await;
        // Its only use was this one run.
        let _ = tokio::fs::remove_file(&script).await;
        let output = output.ok().filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let number = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().find_map(|word| word.parse::<f64>().ok())
        };
        Some(Commits {
            clients,
            per_second: number("tps = ")?,
            latency_ms: number("latency average = ")?,
            measured_by: "pgbench",
        })
    }

    async fn by_ourselves(&self, clients: usize) -> Result<Commits, BenchFailure> {
        let store = Store::connect(self.url, u32::try_from(clients).unwrap_or(1)).await?;
        let until = Instant::now() + self.time;
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let store = store.clone();
            tasks.spawn(async move {
                let mut db = store.connection().await?;
                let mut times = Vec::new();
                while Instant::now() < until {
                    let began = Instant::now();
                    bench::commit_one(&mut db).await?;
                    times.push(began.elapsed());
                }
                Ok::<_, StoreError>(times)
            });
        }
        let mut times = Vec::new();
        while let Some(finished) = tasks.join_next().await {
            times.extend(finished.unwrap_or_else(|_| Ok(Vec::new()))?);
        }
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        Ok(Commits {
            clients,
            per_second: times.len() as f64 / self.time.as_secs_f64(),
            latency_ms: median.as_secs_f64() * 1000.0,
            measured_by: "clients of takt",
        })
    }
}
