//! Flow control on a real PostgreSQL: lanes, paces, gathered events, turns, the digest of a flood.
//! Routers and workers are the real ones, several at once where it matters; time is the database's.

mod ahead;
mod apart;
mod claims;
mod gathered;
mod lanes;
mod lists;
mod refused;
mod shown;

use crate::support::pg::{self, Database};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use takt::{
    engine::{
        Caps, Clock, Definitions, Execute, Executors, Hints, NoPast, Outcome, Starter, StepContext, Worker,
        WorkerOptions,
    },
    run::{EventId, Intent, RunId, Signal, SignalKind, Task},
    step::WaitExecutor,
    store::{Store, clock, events, lanes as store_lanes, signals},
    trigger::Router,
    workflow::{Bundle, CurrentEvents, Definition},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// A bound, not a wait: every look is for a condition.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Lab {
    pub store: Store,
    pub definitions: Arc<Definitions>,
    pub database: Database,
    /// What the steps of `work` did, in order.
    pub log: Log,
    pub caps: Caps,
}

type Log = Arc<Mutex<Vec<(RunId, &'static str)>>>;

/// The step `work` takes a moment, `breaks` fails; any other wait is the real one.
struct Work(Log);

#[async_trait]
impl Execute for Work {
    async fn execute(&self, task: &Task, context: &StepContext) -> Outcome {
        match task.path.as_str() {
            "work" => {
                self.0.lock().expect("the log").push((context.run, "begins"));
                tokio::time::sleep(Duration::from_millis(3)).await;
                self.0.lock().expect("the log").push((context.run, "ends"));
                Outcome::done(Value::Null)
            }
            "breaks" => Outcome::fail("broken", "it broke"),
            "nul" => subscribed(task, "a\u{0}b", None),
            "long" => {
                subscribed(task, "any", Some((0..280).map(|_| Uuid::new_v4().simple().to_string()).collect()))
            }
            "large" => Outcome::done(json!("x".repeat(2_000))),
            "odd" => subscribed(task, "odd", None),
            _ => WaitExecutor { past: Arc::new(NoPast) }.execute(task, context).await,
        }
    }
}

fn subscribed(task: &Task, event: &str, subject: Option<String>) -> Outcome {
    let subscribe = Intent::Subscribe { path: task.path.clone(), event: event.to_owned(), subject };
    Outcome::Park { wake_at: None, note: None, intents: vec![subscribe] }
}

impl Lab {
    /// A database with these workflows, and no router or worker.
    pub async fn new(workflows: &[&str]) -> Self {
        let database = pg::database().await;
        let store = Store::from_pool(database.pool.clone());
        let caps = Caps { payload_bytes_max: 1 << 20, run_bytes_max: 64 << 20 };
        let definitions = Arc::new(Definitions::default());
        let lab = Self { store, definitions, database, log: Log::default(), caps };
        lab.publish(workflows).await;
        lab
    }

    pub async fn publish(&self, workflows: &[&str]) {
        let compiled = workflows.iter().map(|yaml| {
            let id = yaml.trim_start().lines().next().and_then(|line| line.strip_prefix("workflow: "));
            let path = format!("workflows/{}.yaml", id.expect("it begins with its id"));
            let files = BTreeMap::from([(path.clone(), (*yaml).to_owned())]);
            Arc::new(Definition::compile(Bundle { path, files }).expect("it loads"))
        });
        let compiled = compiled.collect();
        let mut db = self.store.connection().await.expect("a connection");
        self.definitions.publish(&mut db, compiled).await.expect("publishing");
    }

    pub fn router(&self) -> Router {
        Router {
            store: self.store.clone(),
            definitions: self.definitions.clone(),
            site: json!({ "name": "Plant 1", "time_zone": "America/Chicago" }),
            hints: Hints::default(),
            channels: vec!["slack".to_owned()],
            events: CurrentEvents::default(),
        }
    }

    /// Routes until there is nothing left to do at this time.
    pub async fn route(&self) {
        let router = self.router();
        while router.pass().await.expect("a pass") > 0 {}
    }

    /// One of several routers at once: goes on until no event is left.
    pub async fn race(&self) {
        let router = self.router();
        while self.count("select count(*) from event where state = 'new'").await > 0 {
            router.pass().await.expect("a pass");
        }
    }

    /// A worker in this process until the guard is dropped.
    pub async fn work(&self) -> DropGuard {
        let mut db = self.store.connection().await.expect("a connection");
        let now = clock::now(&mut db).await.expect("the time");
        let mut executors = Executors::new();
        executors.insert("wait", Arc::new(Work(self.log.clone())));
        let worker = Worker {
            store: self.store.clone(),
            definitions: self.definitions.clone(),
            executors,
            ladders: Arc::new(()),
            site: json!({}),
            clock: Arc::new(Clock::running(now)),
            hints: Hints::default(),
            caps: self.caps,
            starts: Starter::new(1).1,
            options: WorkerOptions { sweep: Duration::from_millis(50), ..WorkerOptions::default() },
        };
        let stop = CancellationToken::new();
        tokio::spawn(worker.run(stop.clone()));
        stop.drop_guard()
    }

    /// Stores an event as intake would.
    pub async fn event(&self, kind: &str, data: Value) -> Uuid {
        let id = EventId::new();
        let plant = data["plant"].as_str().map(str::to_owned);
        let new = events::NewEvent {
            id,
            source: "test".into(),
            source_id: id.to_string(),
            kind: kind.into(),
            subject: data["machine"].as_str().map(str::to_owned),
            time: None,
            data,
            trace: None,
            plant,
        };
        let mut db = self.store.connection().await.expect("a connection");
        assert!(events::insert(&mut db, &new).await.expect("storing"), "a new event");
        id.0
    }

    /// An event, routed at once; gives what it says then.
    pub async fn routed(&self, kind: &str, data: Value) -> (String, Option<String>) {
        let id = self.event(kind, data).await;
        self.route().await;
        self.fate(id).await
    }

    /// The run that an event started.
    pub async fn run_of(&self, kind: &str, data: Value) -> RunId {
        match self.routed(kind, data).await {
            (state, Some(note)) if state == "routed" => note.parse().expect("a run's id"),
            other => panic!("the event started no run: {other:?}"),
        }
    }

    pub async fn fate(&self, event: Uuid) -> (String, Option<String>) {
        let mut db = self.store.connection().await.expect("a connection");
        let event = events::get(&mut db, event).await.expect("an event").expect("it is there");
        (event.state, event.note)
    }

    pub async fn advance(&self, seconds: u64) {
        let mut db = self.store.connection().await.expect("a connection");
        clock::advance(&mut db, Duration::from_secs(seconds)).await.expect("advancing");
    }

    /// The state of a live run; `None` when it has ended.
    pub async fn state(&self, run: RunId) -> Option<String> {
        let state = sqlx::query_scalar("select state from run where id = $1").bind(run.0);
        state.fetch_optional(&self.database.pool).await.expect("a state")
    }

    pub async fn states(&self, runs: &[RunId]) -> Vec<String> {
        let mut states = Vec::new();
        for run in runs {
            states.push(self.state(*run).await.unwrap_or_else(|| "ended".to_owned()));
        }
        states
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.pool).await.expect("a count")
    }

    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never came: {what}");
    }

    pub async fn until_ended(&self, run: RunId) {
        self.until(&format!("the end of {run}"), async || self.state(run).await.is_none()).await;
    }

    pub async fn outcome(&self, run: RunId) -> Option<String> {
        let outcome = sqlx::query_scalar("select outcome from run_summary where id = $1").bind(run.0);
        outcome.fetch_one(&self.database.pool).await.expect("an outcome")
    }

    pub async fn cancel(&self, run: RunId) {
        let body = json!({ "by": "sam", "by_name": "Sam", "reason": "a test" });
        let signal = Signal { id: Uuid::new_v4(), kind: SignalKind::Cancel, path: None, body };
        let mut tx = self.store.begin().await.expect("a transaction");
        assert!(signals::send(&mut tx, run, &signal).await.expect("a signal"), "the run is live");
        tx.commit().await.expect("a commit");
    }

    /// Every lane tells the truth.
    pub async fn check_lanes(&self) {
        let mut db = self.store.connection().await.expect("a connection");
        assert_eq!(store_lanes::violations(&mut db).await.expect("lanes"), vec![]);
    }

    /// From now on the database itself looks at the lane of every run that a commit touches: what is wrong
    /// then is written to `broken`, also when a later commit hides it.
    pub async fn watch_lanes(&self) {
        sqlx::raw_sql(
            r#"create table broken (what text);
               create function look_at_lane() returns trigger language plpgsql as $$
               begin
                   insert into broken
                   select format('%s: in use %s, limit %s, inside %s', lane.key, lane.in_use, lane."limit", inside.runs)
                   from lane, lateral (select count(*) as runs from run
                                       where run.lane = lane.id and run.state <> 'queued') inside
                   where lane.id = coalesce(new.lane, old.lane)
                     and (lane.in_use <> inside.runs or lane.in_use > lane."limit");
                   return null;
               end $$;
               create constraint trigger look after insert or update or delete on run
                   deferrable initially deferred for each row execute function look_at_lane();"#,
        )
        .execute(&self.database.pool)
        .await
        .expect("a trigger");
    }

    pub async fn broken(&self) -> Vec<String> {
        sqlx::query_scalar("select what from broken").fetch_all(&self.database.pool).await.expect("rows")
    }
}
