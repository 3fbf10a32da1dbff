//! One schedule: workers, leases, time, people and faults, all from one seed. The work itself is done by the real
//! driver, interpreter and step kinds; each commit, acknowledgement, request and answer is an event of its own.

mod events;

use super::{
    Mutation, Plant,
    outside::{Line, Shared, tools},
    store::Tenure,
};
use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Instant};
use takt::{
    app::executors,
    engine::{Brakes, Caps, Clock, CommitError, Driven, NoPast, RowChange, Services},
    run::{Change, RunId},
    step::AgentSettings,
    tool::Lease,
};
use tokio::task::JoinHandle;
use uuid::Uuid;

const LEASE: TimeDelta = TimeDelta::seconds(6);
const WORKERS: usize = 3;
const CASES: u32 = 3;
const FAULTY_STEPS: usize = 220;
/// Rounds without faults after which every run must be over.
const ROUNDS_MAX: usize = 600;
/// Turns of the runtime without anything new after which nothing will come by itself.
const QUIET_TURNS: usize = 12;

/// A worker process.
struct Worker {
    tenure: u64,
    is_frozen: bool,
    lease: Arc<Lease>,
    lease_until: DateTime<Utc>,
    clock: Arc<Clock>,
    services: Arc<Services>,
    /// Claimed, and not read yet.
    claimed: Vec<(RunId, i32)>,
    /// By a number of their own: a run may be claimed again before its last drive has heard that it parked.
    drives: BTreeMap<u64, (RunId, JoinHandle<()>)>,
}

pub struct Schedule<'p> {
    plant: &'p Plant,
    world: Shared,
    random: ChaCha8Rng,
    workers: Vec<Worker>,
    tenures: u64,
    drives: u64,
    cases: u32,
    pub trace: Vec<String>,
}

/// What a schedule came to.
pub struct Told {
    pub violations: Vec<String>,
    pub trace: Vec<String>,
    pub journal: String,
    pub records: usize,
}

/// Plays one seed to its end, or to the first violation.
pub fn play(plant: &Plant, seed: u64, mutation: Option<Mutation>) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let mut schedule = Schedule::new(plant, seed, mutation);
        schedule.play().await;
        let world = schedule.world.lock();
        Told {
            violations: world.store.violations.clone(),
            journal: format!("{:?}", world.store.journal),
            records: world.store.journal.values().map(Vec::len).sum(),
            trace: schedule.trace.clone(),
        }
    })
}

impl<'p> Schedule<'p> {
    fn new(plant: &'p Plant, seed: u64, mutation: Option<Mutation>) -> Self {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let mut schedule = Self {
            plant,
            world: Shared::new(now, mutation),
            random: ChaCha8Rng::seed_from_u64(seed),
            workers: Vec::new(),
            tenures: 0,
            drives: 0,
            cases: 0,
            trace: Vec::new(),
        };
        for _ in 0..WORKERS {
            let worker = schedule.register();
            schedule.workers.push(worker);
        }
        schedule
    }

    async fn play(&mut self) {
        for _ in 0..FAULTY_STEPS {
            self.step().await;
            if self.is_broken() {
                return;
            }
        }
        self.calm().await;
        for _ in 0..ROUNDS_MAX {
            if self.is_broken() {
                return;
            }
            if self.cases == CASES && self.world.lock().store.rows.is_empty() {
                return self.judge();
            }
            self.round().await;
        }
        let left: Vec<String> =
            self.world.lock().store.rows.iter().map(|(run, row)| format!("{run} {row:?}")).collect();
        self.world.lock().store.report(format!("these runs never end: {left:?}"));
    }

    fn is_broken(&self) -> bool {
        !self.world.lock().store.violations.is_empty()
    }

    /// What a person was told, and every effect a journal claims.
    fn judge(&mut self) {
        let mut world = self.world.lock();
        let mut found = Vec::new();
        for gate in world.store.votes.keys() {
            let run = world.store.gates[gate].run;
            let records = &world.store.journal[&run];
            let heard = |record: &&takt::run::Record| matches!(&record.change, Change::Signalled(signal) if signal.body["gate"] == json!(gate));
            let times = records.iter().filter(heard).count();
            if times > 1 || (times == 0 && !world.store.cancelled.contains(&run)) {
                found.push(format!("{run}: the answer to {gate} is {times} times in the journal"));
            }
        }
        for (run, records) in &world.store.journal {
            for record in records {
                let (Change::Done { output }, Some(path)) = (&record.change, &record.path) else { continue };
                let key = Uuid::new_v5(&run.0, path.as_str().as_bytes()).to_string();
                let is_write = output.get("ledger").is_some() && path.as_str() != "look";
                if is_write && !world.effects.contains_key(&key) {
                    found.push(format!("{run}: `{path}` is done, and nothing happened"));
                }
            }
            let is_undone = |path: &str| {
                let done = |record: &&takt::run::Record| {
                    matches!(record.change, Change::Done { .. })
                        && record.path.as_ref().is_some_and(|p| p.as_str() == path)
                };
                records.iter().filter(done).count()
            };
            let outcome = world.store.ended.get(run).map(String::as_str).unwrap_or_default();
            for step in ["first", "second", "third"] {
                let is_undoing = world.store.folded[run].start.workflow == "undoing";
                if !is_undoing || outcome == "done" {
                    continue;
                }
                let undo = format!("{step}.undo");
                if is_undone(step) != is_undone(&undo) {
                    found.push(format!("{run} ended as {outcome}, and `{step}` was not undone once"));
                }
                let took_effect = |path: &str| {
                    world.effects.contains_key(&Uuid::new_v5(&run.0, path.as_bytes()).to_string())
                };
                if took_effect(step) && !took_effect(&undo) {
                    found.push(format!("{run} ended as {outcome}, and what `{step}` did still stands"));
                }
            }
        }
        world.store.violations.extend(found);
    }

    /// One event by chance, faults among them.
    async fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..18 => self.move_commit(),
            18..36 => self.move_request(),
            36..50 => self.claim(),
            50..60 => self.load(),
            60..66 => self.heartbeat(),
            66..72 => self.pass_time(),
            72..76 => self.start(),
            76..82 => self.answer(),
            82..86 => self.event(),
            86 => self.cancel(),
            87..90 => self.freeze_or_thaw(),
            90..93 => self.kill(),
            93 => self.stop_in_peace(),
            94..97 => self.lose_commit(),
            _ => self.spoil_request(),
        }
        self.settle().await;
        self.look();
    }

    /// A fair round in which nothing goes wrong.
    async fn round(&mut self) {
        self.start();
        self.pass_time();
        for at in 0..self.workers.len() {
            self.heartbeat_of(at);
            self.claim_for(at, 4);
        }
        for at in 0..self.workers.len() {
            self.load_of(at);
        }
        self.settle().await;
        for _ in 0..4 {
            while self.move_one_commit(0) {
                self.settle().await;
            }
            while self.move_one_request(0) {
                self.settle().await;
            }
        }
        self.answer();
        self.event();
        self.settle().await;
        self.look();
    }

    async fn calm(&mut self) {
        self.note("calm");
        for at in 0..self.workers.len() {
            if self.workers[at].is_frozen {
                self.thaw(at);
            }
        }
        self.settle().await;
        self.look();
    }

    fn note(&mut self, what: impl Into<String>) {
        self.trace.push(what.into());
    }

    /// Lets the workers go on until they wait for the schedule again.
    async fn settle(&mut self) {
        let (mut quiet, mut seen) = (0, self.world.lock().activity);
        while quiet < QUIET_TURNS {
            tokio::task::yield_now().await;
            let now = self.world.lock().activity;
            quiet = if now == seen { quiet + 1 } else { 0 };
            seen = now;
        }
        self.collect();
    }

    /// Drives that came to their end; what was lost is given back, as a worker does.
    fn collect(&mut self) {
        let driven = std::mem::take(&mut self.world.lock().driven);
        let mut severed = Vec::new();
        for (tenure, drive, run, driven) in driven {
            if let Some(worker) = self.workers.iter_mut().find(|worker| worker.tenure == tenure) {
                worker.drives.remove(&drive);
            }
            let gives_back = self.world.lock().store.mutation == Some(Mutation::GiveBackTooSoon);
            match driven {
                Driven::Lost(CommitError::Fenced | CommitError::NotStarted) => {}
                Driven::Parked | Driven::Ended { .. } => {}
                Driven::Lost(CommitError::Severed(_)) if !gives_back => severed.push(tenure),
                Driven::Lost(_) => self.world.lock().store.give_back(run, tenure),
            }
        }
        for tenure in severed {
            if let Some(at) = self.workers.iter().position(|worker| worker.tenure == tenure) {
                self.end_process(at);
            }
        }
    }

    /// The invariants that hold after every event.
    fn look(&mut self) {
        let mut world = self.world.lock();
        world.store.look_at_rows();
        let mut drivers: BTreeMap<RunId, usize> = BTreeMap::new();
        for worker in self.workers.iter().filter(|worker| world.store.is_valid(worker.tenure)) {
            // One whose park or end is durable has let the run go; it only has not heard of it yet.
            let lets_go = |run: RunId| {
                world.pending.iter().any(|pending| {
                    let is_durable =
                        matches!(pending.result, Some(Ok(()))) && pending.commit.row != RowChange::Keep;
                    is_durable && (pending.tenure, pending.commit.run) == (worker.tenure, run)
                })
            };
            let driven = worker.drives.values().map(|(run, _)| *run).filter(|run| !lets_go(*run));
            for run in driven.chain(worker.claimed.iter().map(|(run, _)| *run)) {
                *drivers.entry(run).or_default() += 1;
            }
        }
        for (run, _) in drivers.iter().filter(|(_, count)| **count > 1) {
            world.store.report(format!("{run} has two owners"));
        }
    }

    fn register(&mut self) -> Worker {
        self.tenures += 1;
        let tenure = self.tenures;
        let mut world = self.world.lock();
        let lease_until = world.now + LEASE;
        world.store.tenures.insert(tenure, Tenure { lease_until, is_valid: true });
        let clock = Arc::new(Clock::standing(world.now));
        drop(world);
        let lease = Arc::new(Lease::until(Instant::now()));
        let plant = self.plant;
        let settings = AgentSettings::default();
        let tools = tools(&plant.tools, &self.world, tenure);
        let services = Arc::new(Services {
            journal: Arc::new(Line { world: self.world.clone(), tenure }),
            clock: clock.clone(),
            lease: lease.clone(),
            brakes: Arc::new(Brakes::default()),
            executors: executors(&tools, &plant.definitions, &plant.ladders, settings, Arc::new(NoPast)),
            ladders: plant.ladders.clone(),
            site: plant.site.clone(),
            caps: Caps { payload_bytes_max: 1 << 20, run_bytes_max: 64 << 20 },
        });
        Worker {
            tenure,
            is_frozen: false,
            lease,
            lease_until,
            clock,
            services,
            claimed: Vec::new(),
            drives: BTreeMap::new(),
        }
    }
}
