//! N workflows of five durable steps that do nothing, in flight with DBOS for Rust; every result is checked.
//! `peer-dbos IN_FLIGHT RUNS`, the database in `DATABASE_URL`. Prints one JSON object.

use dbos::{Config, DBOS, step};
use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

async fn five(n: u64) -> dbos::Result<u64> {
    let mut sum = n;
    for name in ["s1", "s2", "s3", "s4", "s5"] {
        sum = step(name, || async move { dbos::Result::Ok(sum + 1) }).await?;
    }
    Ok(sum)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok()).ok_or("two numbers are needed");
    let (in_flight, runs) = (number()?, number()?);
    let url = std::env::var("DATABASE_URL")?;
    // Of 10, 20, 32 and 64 connections the most were the fastest, at 32 and at 256 in flight.
    let config =
        Config { app_version: Some("1".to_owned()), max_connections: 64, ..Config::new("peer-dbos", url) };
    let dbos = DBOS::new(config);
    let workflow = Arc::new(dbos.register_workflow("five", five)?);
    dbos.launch().await?;
    let mut measured = (Duration::ZERO, Vec::new());
    for count in [runs.div_ceil(10), runs] {
        let left = Arc::new(AtomicU64::new(count));
        let mut loops = JoinSet::new();
        let began = Instant::now();
        for _ in 0..in_flight {
            let (left, workflow) = (left.clone(), workflow.clone());
            loops.spawn(async move {
                let mut times = Vec::new();
                while let Ok(n) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)) {
                    let began = Instant::now();
                    let sum = workflow.run(n).await.map_err(|error| error.to_string())?;
                    if sum != n + 5 {
                        return Err(format!("{n} became {sum}"));
                    }
                    times.push(began.elapsed());
                }
                Ok(times)
            });
        }
        let mut times = Vec::new();
        while let Some(finished) = loops.join_next().await {
            times.extend(finished??);
        }
        measured = (began.elapsed(), times);
    }
    let (time, mut times) = measured;
    times.sort_unstable();
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)].as_secs_f64() * 1000.0;
    let per_second = runs as f64 / time.as_secs_f64();
    println!(
        "{}",
        serde_json::json!({
            "peer": "dbos for rust 0.5.0", "in_flight": in_flight, "runs": runs,
            "workflows_per_second": per_second, "steps_per_second": per_second * 5.0,
            "p50_ms": at(0.5), "p99_ms": at(0.99),
        })
    );
    dbos.shutdown().await;
    Ok(())
}
