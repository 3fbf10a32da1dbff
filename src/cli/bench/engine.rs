//! The engine under measurement: a real worker on a real database, with a tool that does nothing.

use super::model::Ready;
use crate::{
    app,
    engine::{
        Clock, CommitError, Definitions, Driven, Hints, Ladders, SharedEndpoints, StartError, Starter,
        StoredPast, Worker, WorkerOptions, start_runs,
    },
    run::{Actor, NewRun},
    site::Limits,
    step::AgentSettings,
    store::{PgConnection, Store, StoreError, bench, clock, summaries},
    tool::{Call, Effect, Idempotency, Registry, RegistryError, Tool, ToolError, ToolNameError, ToolSpec},
    trigger::{ManualError, by_hand, caps_of},
    workflow::{Bundle, Definition},
};
use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const STEPS: usize = 5;
/// The schema of the agent's answer.
const ANSWER: &str = r#"{ "type": "object", "required": ["done"], "additionalProperties": false,
  "properties": { "done": { "type": "boolean" } } }"#;
/// Runs of the history stored by one statement.
const HISTORY_ROWS: usize = 25_000;
/// Over which the history's runs began.
const HISTORY_DAYS: u32 = 30;
/// Runs stored by one statement in `--bulk`.
const BULK_ROWS: usize = 500;

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("the benchmark's workflow does not compile: {0}")]
    Workflow(String),
    #[error(transparent)]
    Tool(#[from] RegistryError),
    #[error(transparent)]
    ToolName(#[from] ToolNameError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Manual(#[from] ManualError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a run was not started: {0}")]
    Commit(#[from] CommitError),
    #[error("a run ended as {0}: every one should end as `done`")]
    Outcome(String),
    #[error("{ended} of {wanted} runs ended: the benchmark counts only what is done")]
    Missing { ended: i64, wanted: usize },
}

/// What the steps of a workflow do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Steps {
    /// They may change something outside: each begins when everything before it is durable.
    Write,
    /// They only read: they run ahead of the commits.
    Read,
    /// One step that talks to a model: a turn for each step of the others, all but the last with a tool call.
    Agent,
}

impl Steps {
    const ALL: [Self; 3] = [Self::Write, Self::Read, Self::Agent];
    /// What is measured when nothing is asked for.
    pub const USUAL: [Self; 2] = [Self::Write, Self::Read];

    pub fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Agent => "agent",
        }
    }

    fn workflow(self) -> &'static str {
        match self {
            Self::Write => "bench_write",
            Self::Read => "bench_read",
            Self::Agent => "bench_agent",
        }
    }

    fn tool(self) -> &'static str {
        match self {
            Self::Write => "bench.write",
            Self::Read => "bench.read",
            Self::Agent => "bench.look",
        }
    }
}

/// What one level took.
pub struct Measured {
    pub runs: usize,
    pub time: Duration,
    /// Start to end of each run; empty in bulk.
    pub latencies: Vec<Duration>,
    /// From being stored to the first step of each run that waited to be claimed; empty where the worker was handed all,
    /// and in bulk.
    pub claims: Vec<Duration>,
}

pub struct Bench {
    store: Store,
    definitions: Arc<Definitions>,
    starter: Starter,
    hints: Hints,
    worker: JoinHandle<()>,
    stop: CancellationToken,
}

struct Noop(ToolSpec);

#[async_trait]
impl Tool for Noop {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    async fn call(&self, _call: &Call, _input: Value) -> Result<Value, ToolError> {
        Ok(json!({}))
    }
}

impl Bench {
    pub async fn start(store: Store, runs_max: usize) -> Result<Self, BenchError> {
        let mut tools = Registry::default();
        let mut workflows = Vec::new();
        for steps in Steps::ALL {
            tools.add(Arc::new(Noop(spec(steps)?)))?;
            workflows.push(Arc::new(definition(steps)?));
        }
        let definitions = Arc::new(Definitions::default());
        let mut db = store.connection().await?;
        definitions.publish(&mut db, workflows).await?;
        let now = clock::now(&mut db).await?;
        drop(db);
        let ladders: Arc<dyn Ladders> = Arc::new(());
        let model = Ready::new(Steps::Agent.tool().replace('.', "__"));
        let settings = AgentSettings {
            models: vec![Arc::new(model)],
            endpoints: Arc::new(SharedEndpoints::new(store.clone())),
            ..AgentSettings::default()
        };
        let (starter, starts) = Starter::new(runs_max);
        let hints = Hints::default();
        let worker = Worker {
            store: store.clone(),
            definitions: definitions.clone(),
            executors: app::executors(
                &tools,
                &definitions,
                &ladders,
                settings,
                Arc::new(StoredPast(store.clone())),
            ),
            ladders,
            site: json!({ "name": "bench" }),
            clock: Arc::new(Clock::running(now)),
            hints: hints.clone(),
            caps: caps_of(&Limits::default()),
            starts,
            options: WorkerOptions { runs_max, ..WorkerOptions::default() },
        };
        let stop = CancellationToken::new();
        let worker = tokio::spawn(worker.run(stop.clone()));
        Ok(Self { store, definitions, starter, hints, worker, stop })
    }

    pub async fn stop(self) {
        self.stop.cancel();
        // It ends when it has handed its runs over; a panic of its own is in the log.
        let _ = self.worker.await;
    }

    /// What a site that has run for long would hold: runs that began over the last days, one as long after another.
    pub async fn store_history(&self, runs: usize, parked: bool) -> Result<(), BenchError> {
        if runs == 0 {
            return Ok(());
        }
        let mut db = self.store.connection().await?;
        bench::make_days(&mut db, u64::from(HISTORY_DAYS)).await?;
        let word = if parked { "waiting" } else { "finished" };
        let ago = |stored: usize| f64::from(HISTORY_DAYS) * 86_400.0 * (runs - stored) as f64 / runs as f64;
        for begin in (0..runs).step_by(HISTORY_ROWS) {
            super::progress(&format!("with {runs} {word} runs, {begin} stored"));
            let end = runs.min(begin + HISTORY_ROWS);
            let history = bench::History {
                workflow: Steps::Write.workflow(),
                tool: Steps::Write.tool(),
                count: i64::try_from(end - begin).unwrap_or(0),
                parked,
                from: ago(begin),
                until: ago(end),
            };
            bench::store_history(&mut db, &history).await?;
        }
        Ok(bench::vacuum(&mut db).await?)
    }

    pub async fn warm_up(&self, steps: Steps, in_flight: usize, runs: usize) -> Result<(), BenchError> {
        self.closed_loop(steps, in_flight, runs).await.map(drop)
    }

    /// So many starters, each of which waits for its run's end before it starts the next.
    pub async fn closed_loop(
        &self,
        steps: Steps,
        in_flight: usize,
        runs: usize,
    ) -> Result<Measured, BenchError> {
        let left = Arc::new(AtomicUsize::new(runs));
        let mut loops = JoinSet::new();
        let began = Instant::now();
        for _ in 0..in_flight {
            let (left, starter, definitions) = (left.clone(), self.starter.clone(), self.definitions.clone());
            loops.spawn(async move {
                let mut latencies = Vec::new();
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                    latencies.push(one(&starter, &definitions, steps).await?);
                }
                Ok::<_, BenchError>(latencies)
            });
        }
        let mut latencies = Vec::with_capacity(runs);
        while let Some(finished) = loops.join_next().await {
            latencies.extend(finished.map_err(|error| BenchError::Outcome(error.to_string()))??);
        }
        Ok(Measured { runs, time: began.elapsed(), latencies, claims: Vec::new() })
    }

    /// All runs are stored ready, then the worker claims and drives them; storing is not measured.
    pub async fn bulk(&self, steps: Steps, runs: usize) -> Result<Measured, BenchError> {
        let mut db = self.store.connection().await?;
        let before = bench::newest(&mut db, steps.workflow()).await?;
        for begin in (0..runs).step_by(BULK_ROWS) {
            self.store_ready(&mut db, steps, (runs - begin).min(BULK_ROWS)).await?;
        }
        let began = Instant::now();
        self.hints.tell();
        self.all_ended(&mut db, steps, before, runs).await?;
        Ok(Measured { runs, time: began.elapsed(), latencies: Vec::new(), claims: Vec::new() })
    }

    /// So many runs are stored ready each second, as events make them; the worker claims them.
    pub async fn steady(&self, steps: Steps, per_second: usize, runs: usize) -> Result<Measured, BenchError> {
        let mut db = self.store.connection().await?;
        let before = bench::newest(&mut db, steps.workflow()).await?;
        let began = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(per_second).unwrap_or(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        for _ in 0..runs {
            tick.tick().await;
            self.store_ready(&mut db, steps, 1).await?;
            self.hints.tell();
        }
        self.all_ended(&mut db, steps, before, runs).await?;
        let time = began.elapsed();
        let count = i64::try_from(runs).unwrap_or(i64::MAX);
        let latencies = bench::latencies(&mut db, steps.workflow(), count).await?;
        let claims = bench::claims(&mut db, steps.workflow(), count).await?;
        Ok(Measured { runs, time, latencies, claims })
    }

    async fn store_ready(&self, db: &mut PgConnection, steps: Steps, count: usize) -> Result<(), BenchError> {
        let new: Vec<NewRun> =
            (0..count).map(|_| new_run(&self.definitions, steps)).collect::<Result<_, _>>()?;
        let now = clock::now(db).await?;
        start_runs(db, &new, now).await?;
        Ok(())
    }

    /// Waits for all runs after one that has ended. To count those that are done would read the whole history each time.
    async fn all_ended(
        &self,
        db: &mut PgConnection,
        steps: Steps,
        before: Uuid,
        runs: usize,
    ) -> Result<(), BenchError> {
        let (mut seen, mut since) = (before, Instant::now());
        while let Some(open) = bench::first_open(db, steps.workflow(), seen).await? {
            if open > seen {
                (seen, since) = (open, Instant::now());
            }
            if since.elapsed() > Duration::from_secs(60) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let ended = bench::ended_after(db, steps.workflow(), before).await?;
        if usize::try_from(ended).is_ok_and(|ended| ended >= runs) {
            return Ok(());
        }
        Err(BenchError::Missing { ended, wanted: runs })
    }
}

/// Starts one run and waits for its end.
async fn one(starter: &Starter, definitions: &Definitions, steps: Steps) -> Result<Duration, BenchError> {
    let began = Instant::now();
    let mut run = new_run(definitions, steps)?;
    let mut handed = loop {
        match starter.hand_over(run) {
            Ok(handed) => break handed,
            Err(back) => run = *back,
        }
        tokio::task::yield_now().await;
    };
    handed.began().await?;
    match handed.driven().await {
        Some(Driven::Ended { outcome }) if outcome == "done" => Ok(began.elapsed()),
        Some(other) => Err(BenchError::Outcome(format!("{other:?}"))),
        None => Err(BenchError::Outcome("lost".to_owned())),
    }
}

fn new_run(definitions: &Definitions, steps: Steps) -> Result<NewRun, BenchError> {
    // The clock of ids; the run's own times are the database's.
    let id_time = Uuid::now_v7().get_timestamp().map_or((0, 0), |time| time.to_unix());
    let now = chrono::DateTime::from_timestamp(i64::try_from(id_time.0).unwrap_or(0), id_time.1);
    let name = steps.workflow();
    Ok(by_hand(
        definitions,
        name,
        &Value::Null,
        (&Value::Null, &Limits::default()),
        &Actor::person("bench"),
        now.unwrap_or_default(),
    )?)
}

/// True where the database has runs of anything else than benchmarks.
pub async fn holds_other_runs(store: &Store) -> Result<bool, StoreError> {
    let mut db = store.connection().await?;
    let newest = summaries::list(&mut db, &summaries::Filter::default(), 1).await?;
    Ok(newest.first().is_some_and(|run| Steps::ALL.iter().all(|steps| run.workflow != steps.workflow())))
}

/// The server's version and the settings that decide what a commit costs.
pub async fn server(store: &Store) -> Result<String, StoreError> {
    bench::server(&mut *store.connection().await?).await
}

fn spec(steps: Steps) -> Result<ToolSpec, ToolNameError> {
    Ok(ToolSpec {
        name: steps.tool().parse()?,
        version: 1,
        description: "does nothing".to_owned(),
        input: json!({ "type": "object", "properties": { "n": { "type": "integer" } } }),
        output: json!({ "type": "object" }),
        effect: if steps == Steps::Write { Effect::Write } else { Effect::Read },
        idempotency: if steps == Steps::Write { Idempotency::Keyed } else { Idempotency::Read },
        ungated: Some("it does nothing".to_owned()),
        timeout: Duration::from_secs(10),
        scopes: Vec::new(),
        classes: BTreeMap::new(),
        result_bytes_max: 1024,
    })
}

fn definition(steps: Steps) -> Result<Definition, BenchError> {
    let (name, tool) = (steps.workflow(), steps.tool());
    let mut text = format!("workflow: {name}\ntitle: Bench\nowner: bench\ntrigger: manual\nsteps:\n");
    let path = format!("workflows/{name}.yaml");
    let mut files = BTreeMap::new();
    if steps == Steps::Agent {
        text.push_str(&format!(
            "  - {{ id: s1, agent: p.hbs, tools: [{tool}], with: {{ n: 1 }}, output: s.json, limits: {{ turns: 9 }}, \
             fallback: {{ done: false }} }}\n"
        ));
        files.insert("p.hbs".to_owned(), "Look at it, then say that you are done.".to_owned());
        files.insert("s.json".to_owned(), ANSWER.to_owned());
    } else {
        for step in 1..=STEPS {
            text.push_str(&format!("  - {{ id: s{step}, call: {tool}, with: {{ n: {step} }} }}\n"));
        }
    }
    files.insert(path.clone(), text);
    let bundle = Bundle { files, path };
    Definition::compile(bundle).map_err(|problems| {
        BenchError::Workflow(problems.first().map_or_else(String::new, |problem| problem.message.clone()))
    })
}
