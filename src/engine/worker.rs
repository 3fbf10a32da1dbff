//! A worker process: holds a lease, claims ready runs, drives them, takes over the dead, hands over when it stops.

use super::{
    Clock, Committer, DefinitionError, Definitions, Driven, Driver, Executors, Hints, Ladders, Services,
    commit::CommitError, crash_point,
};
use crate::{
    run::{RunId, State, WorkerId},
    store::{Store, StoreError, clock, journal, partitions, runs, signals, workers},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone)]
pub struct WorkerOptions {
    pub name: String,
    /// How long others wait before they take over; renewed at a third of it.
    pub lease: Duration,
    /// Most runs in memory at once.
    pub runs_max: usize,
    /// Channels that messages to people go to, besides the console.
    pub channels: Vec<String>,
    /// The safety net: how often to look without a hint.
    pub sweep: Duration,
    /// How long a stopping worker lets steps finish before it hands its runs over.
    pub drain: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            name: format!("takt-{}", std::process::id()),
            lease: Duration::from_secs(6),
            runs_max: 256,
            channels: Vec::new(),
            sweep: Duration::from_secs(1),
            drain: Duration::from_secs(5),
        }
    }
}

/// What a worker needs from the composition root.
pub struct Worker {
    pub store: Store,
    pub definitions: Arc<Definitions>,
    pub executors: Executors,
    pub ladders: Arc<dyn Ladders>,
    pub site: Value,
    pub clock: Arc<Clock>,
    pub hints: Hints,
    pub payload_bytes_max: usize,
    pub options: WorkerOptions,
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error("the run's journal cannot be read: {0}")]
    Journal(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One tenure: from registering until the lease is lost or the process stops.
struct Tenure<'a> {
    worker: &'a Worker,
    id: WorkerId,
    epoch: i32,
    services: Arc<Services>,
    drives: JoinSet<()>,
}

impl Worker {
    /// Works until `stop`; a lost lease or a database that went away begins a new tenure.
    pub async fn run(self, stop: CancellationToken) {
        let worker = Arc::new(self);
        while !stop.is_cancelled() {
            match worker.clone().serve(&stop).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "the worker lost the database; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
    }

    async fn serve(self: Arc<Self>, stop: &CancellationToken) -> Result<(), StoreError> {
        let id =
            workers::register(&mut *self.store.connection().await?, &self.options.name, self.options.lease)
                .await?;
        let epoch = 1;
        tracing::info!(worker.id = %id, "worker registered");
        let mut channels = vec!["console".to_owned()];
        channels.extend(self.options.channels.iter().cloned());
        let journal = Committer::start(self.store.clone(), id, epoch, channels, self.hints.clone());
        let services = Arc::new(Services {
            journal: Arc::new(journal),
            clock: self.clock.clone(),
            executors: self.executors.clone(),
            ladders: self.ladders.clone(),
            site: self.site.clone(),
            payload_bytes_max: self.payload_bytes_max,
        });
        let mut tenure = Tenure { worker: &self, id, epoch, services, drives: JoinSet::new() };
        let ended = tenure.work(stop).await;
        if stop.is_cancelled() {
            tenure.hand_over().await?;
        } else {
            tenure.drives.shutdown().await;
        }
        ended
    }
}

impl Tenure<'_> {
    async fn work(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        let options = &self.worker.options;
        let mut wake = self.worker.hints.subscribe();
        let mut sweep = interval(options.sweep);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heartbeat = interval(options.lease / 3);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut partitions_made = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = heartbeat.tick() => {
                    let mut db = self.worker.store.connection().await?;
                    if !workers::heartbeat(&mut db, self.id, self.epoch, options.lease).await? {
                        tracing::warn!(worker.id = %self.id, "the lease was taken over; starting afresh");
                        return Ok(());
                    }
                    drop(db);
                    let mut tx = self.worker.store.begin().await?;
                    let taken = workers::take_over(&mut tx).await?;
                    tx.commit().await?;
                    for (dead, freed) in taken {
                        tracing::warn!(worker.id = %dead, runs = freed, "took over the runs of a dead worker");
                        self.worker.hints.tell();
                    }
                }
                _ = sweep.tick() => {
                    if partitions_made.elapsed() > Duration::from_secs(3600) {
                        partitions::make_ahead(&mut *self.worker.store.connection().await?).await?;
                        partitions_made = Instant::now();
                    }
                    self.look().await?;
                }
                changed = wake.changed() => {
                    if changed.is_ok() {
                        self.look().await?;
                    }
                }
                Some(_) = self.drives.join_next() => {}
            }
        }
    }

    /// Wakes what is due and claims what is ready.
    async fn look(&mut self) -> Result<(), StoreError> {
        let worker = self.worker;
        let mut db = worker.store.connection().await?;
        worker.clock.set(clock::now(&mut db).await?);
        runs::wake_due(&mut db).await?;
        drop(db);
        loop {
            while self.drives.try_join_next().is_some() {}
            let free = worker.options.runs_max.saturating_sub(self.drives.len());
            if free == 0 {
                return Ok(());
            }
            let mut tx = worker.store.begin().await?;
            if !workers::fence(&mut tx, self.id, self.epoch).await? {
                return Ok(());
            }
            let limit = i64::try_from(free).unwrap_or(64).min(64);
            let claimed = runs::claim(&mut tx, self.id, limit).await?;
            tx.commit().await?;
            crash_point("after_claim");
            if claimed.is_empty() {
                return Ok(());
            }
            for claim in claimed {
                let one = One {
                    store: worker.store.clone(),
                    definitions: worker.definitions.clone(),
                    services: self.services.clone(),
                    hints: worker.hints.clone(),
                    worker: self.id,
                };
                self.drives.spawn(one.drive(claim));
            }
        }
    }

    /// Lets steps finish for a moment, then gives every run to whoever is there.
    async fn hand_over(&mut self) -> Result<(), StoreError> {
        let finish = async { while self.drives.join_next().await.is_some() {} };
        let _ = timeout(self.worker.options.drain, finish).await;
        self.drives.shutdown().await;
        let mut tx = self.worker.store.begin().await?;
        let freed = workers::retire(&mut tx, self.id).await?;
        tx.commit().await?;
        tracing::info!(worker.id = %self.id, runs = freed, "worker stopped and handed its runs over");
        self.worker.hints.tell();
        Ok(())
    }
}

/// One claimed run on its way.
struct One {
    store: Store,
    definitions: Arc<Definitions>,
    services: Arc<Services>,
    hints: Hints,
    worker: WorkerId,
}

impl One {
    async fn drive(self, claim: runs::Claimed) {
        let run = claim.run;
        match self.try_drive(claim).await {
            Ok(Driven::Parked) => {}
            Ok(Driven::Ended { outcome }) => tracing::info!(run.id = %run, outcome, "run ended"),
            Ok(Driven::Lost(CommitError::Fenced)) => {
                tracing::warn!(run.id = %run, "stopped driving a run that another worker has");
            }
            Ok(Driven::Lost(reason)) => {
                tracing::info!(run.id = %run, %reason, "reading the run again");
                self.give_back(run).await;
            }
            Err(error) => {
                tracing::error!(run.id = %run, %error, "the run cannot be driven");
                self.set_aside(run, &error).await;
            }
        }
    }

    async fn try_drive(&self, claim: runs::Claimed) -> Result<Driven, RunError> {
        let mut db = self.store.connection().await?;
        let definition = self.definitions.pinned(&mut db, &claim.sha256).await?;
        let records = journal::load(&mut db, claim.run).await?;
        let news = signals::load(&mut db, claim.run).await?;
        drop(db);
        let state = State::fold(&records).map_err(|error| RunError::Journal(error.to_string()))?;
        let driver = Driver::new(self.services.clone(), definition, claim.run, state, claim.signals);
        Ok(driver.drive(news).await)
    }

    async fn give_back(&self, run: RunId) {
        let given = async { runs::give_back(&mut *self.store.connection().await?, run, self.worker).await };
        match given.await {
            Ok(()) => self.hints.tell(),
            // The lease will run out and somebody takes the run over.
            Err(error) => tracing::warn!(run.id = %run, %error, "could not give the run back"),
        }
    }

    /// A run that cannot even be read must not be claimed again and again: it rests, and says why.
    async fn set_aside(&self, run: RunId, error: &RunError) {
        let at = self.services.clock.now() + chrono::TimeDelta::minutes(1);
        let parked = runs::Parked {
            run: vec![run.0],
            wake_at: vec![Some(at)],
            signals: vec![i32::MAX],
            waiting_for: vec![Some(error.to_string())],
        };
        let set_aside = async { runs::park(&mut *self.store.connection().await?, &parked).await };
        if let Err(error) = set_aside.await {
            tracing::warn!(run.id = %run, %error, "could not set the run aside");
        }
    }
}
