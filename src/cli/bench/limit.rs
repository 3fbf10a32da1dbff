//! The machine's own limit: single-row commits per second of many clients against the same server. PostgreSQL's
//! `pgbench` measures it where it is installed; otherwise clients of our own do, which is said.

use super::BenchFailure;
use crate::store::{Store, StoreError, bench};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{process::Command, task::JoinSet, time::Instant};

/// How the names of pgbench's logs begin.
const TIMES: &str = "times";

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
    /// Of one commit, in milliseconds.
    pub median_ms: f64,
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
    async fn by_pgbench(&self, pgbench: &Path, clients: usize) -> Option<Commits> {
        let folder = std::env::temp_dir().join(format!("takt-bench-{}", std::process::id()));
        tokio::fs::create_dir_all(&folder).await.ok()?;
        let measured = self.by_pgbench_in(&folder, pgbench, clients).await;
        // Its only use was this one run.
        let _ = tokio::fs::remove_dir_all(&folder).await;
        measured
    }

    async fn by_pgbench_in(&self, folder: &Path, pgbench: &Path, clients: usize) -> Option<Commits> {
        let script = folder.join("commit.sql");
        tokio::fs::write(&script, format!("{};\n", bench::COMMIT_ONE)).await.ok()?;
        let output = Command::new(pgbench)
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--log"])
            // Of many clients some times are enough, and to write them all down would slow the limit.
            .arg(if clients == 1 { "--sampling-rate=1" } else { "--sampling-rate=0.05" })
            .arg("--log-prefix")
            .arg(folder.join(TIMES))
            .arg(format!("--client={clients}"))
            .arg(format!("--time={}", self.time.as_secs().max(1)))
            .arg("--file")
            .arg(&script)
            .arg(self.url)
            .output()
            .await;
        let output = output.ok().filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find(|line| line.starts_with("tps = "))?;
        let per_second = line.split_whitespace().find_map(|word| word.parse::<f64>().ok())?;
        let median_ms = median_ms(logged(folder).await?)?;
        Some(Commits { clients, per_second, median_ms, measured_by: "pgbench" })
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
        Ok(Commits {
            clients,
            per_second: times.len() as f64 / self.time.as_secs_f64(),
            median_ms: median_ms(times).unwrap_or_default(),
            measured_by: "clients of takt",
        })
    }
}

/// What pgbench wrote down: a line for each transaction, its microseconds third; a file for each of its threads.
async fn logged(folder: &Path) -> Option<Vec<Duration>> {
    let mut times = Vec::new();
    let mut files = tokio::fs::read_dir(folder).await.ok()?;
    while let Some(file) = files.next_entry().await.ok()? {
        if file.file_name().to_string_lossy().starts_with(TIMES) {
            let text = tokio::fs::read_to_string(file.path()).await.ok()?;
            let micros = |line: &str| line.split_whitespace().nth(2)?.parse::<u64>().ok();
            times.extend(text.lines().filter_map(micros).map(Duration::from_micros));
        }
    }
    Some(times)
}

/// `None` of nothing.
fn median_ms(mut times: Vec<Duration>) -> Option<f64> {
    times.sort_unstable();
    Some(times.get(times.len() / 2)?.as_secs_f64() * 1000.0)
}
