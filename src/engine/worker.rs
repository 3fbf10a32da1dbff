//! A worker process: holds a lease, claims ready runs, drives them, takes over the dead, hands over when it stops.

use super::{
    Caps, Clock, Committer, Definitions, Executors, Hints, Ladders, Services,
    claimed::{Claimed, Hands},
    crash_point,
    fault::{Fault, is_seeded},
    starter::Starts,
};
use crate::{
    run::WorkerId,
    store::{
        PgConnection, Store, StoreError,
        commits::Fence,
        control, journal, runs, signals,
        workers::{self, Leased},
    },
    telemetry::metrics,
    tool::Lease,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
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
    /// Workers that may die over a run before it is quarantined.
    pub takeovers_max: i16,
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
            takeovers_max: 3,
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
    pub caps: Caps,
    /// Runs that begin in this worker's hands.
    pub starts: Starts,
    pub options: WorkerOptions,
}

/// Most runs claimed by one statement.
const CLAIM_MAX: usize = 128;
/// How long the transaction that makes a run ready may take and be noticed at once.
const LATE_COMMIT: TimeDelta = TimeDelta::seconds(10);
/// How often to look at everything that is ready, whenever it became so.
const LOOK_AT_ALL: Duration = Duration::from_secs(30);

/// One tenure: from registering until the lease is lost or the process stops.
struct Tenure<'a> {
    worker: &'a Worker,
    fence: Fence,
    hands: Hands,
    drives: JoinSet<()>,
    others: &'a mut Others,
    /// Ready runs were left behind for want of room.
    left_some: bool,
    next_look: Instant,
    /// Everything that became ready before was claimed, or is found when everything is looked at again.
    since: DateTime<Utc>,
    looked_at_all: Instant,
}

impl Worker {
    /// Works until `stop`; a lost lease or a database that went away begins a new tenure.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut starts = std::mem::replace(&mut self.starts, tokio::sync::mpsc::channel(1).1);
        // What was seen of others stays seen when this one starts afresh.
        let mut others = Others::default();
        while !stop.is_cancelled() {
            match self.serve(&mut starts, &mut others, &stop).await {
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

    async fn serve(
        &self,
        starts: &mut Starts,
        others: &mut Others,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let asked = Instant::now().into_std();
        let id = workers::register(
            &mut *self.store.hot_connection().await?,
            &self.options.name,
            self.options.lease,
        )
        .await?;
        let fence = Fence { worker: id, epoch: 1 };
        tracing::info!(worker.id = %id, "worker registered");
        metrics::lease("registered");
        let lease = match is_seeded(Fault::SkipFence) {
            true => Lease::forever(),
            false => Lease::until(asked + self.options.lease),
        };
        let mut channels = vec!["console".to_owned()];
        channels.extend(self.options.channels.iter().cloned());
        let journal = Committer::start(self.store.clone(), fence, channels, self.hints.clone());
        let services = Arc::new(Services {
            journal: Arc::new(journal),
            clock: self.clock.clone(),
            lease: Arc::new(lease),
            executors: self.executors.clone(),
            ladders: self.ladders.clone(),
            site: self.site.clone(),
            caps: self.caps,
            brakes: Arc::default(),
        });
        let hands = Hands {
            store: self.store.clone(),
            definitions: self.definitions.clone(),
            services,
            hints: self.hints.clone(),
            worker: id,
            severed: Arc::new(Notify::new()),
            declined: Arc::default(),
        };
        let mut tenure = Tenure {
            worker: self,
            fence,
            hands,
            drives: JoinSet::new(),
            others,
            left_some: false,
            next_look: Instant::now(),
            since: runs::ALWAYS,
            looked_at_all: Instant::now(),
        };
        let ended = tenure.work(starts, stop).await;
        if stop.is_cancelled() {
            tenure.hand_over().await?;
        } else {
            tenure.drives.shutdown().await;
        }
        ended
    }
}

impl Tenure<'_> {
    async fn work(&mut self, starts: &mut Starts, stop: &CancellationToken) -> Result<(), StoreError> {
        let options = &self.worker.options;
        let mut wake = self.worker.hints.subscribe();
        let mut lives = JoinSet::new();
        let lease = self.hands.services.lease.clone();
        lives.spawn(keep_alive(self.worker.store.clone(), self.fence, lease, options.lease));
        // Twice for each time that they renew: a lease counts from when it is seen to stand still.
        let mut others = interval(options.lease / 6);
        others.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let severed = self.hands.severed.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(ended) = lives.join_next() => {
                    if let Ok(lost) = ended {
                        lost?;
                    }
                    tracing::warn!(worker.id = %self.fence.worker, "the lease was taken over; starting afresh");
                    metrics::lease("lost");
                    return Ok(());
                }
                _ = others.tick() => {
                    self.take_over().await?;
                }
                () = tokio::time::sleep_until(self.next_look) => self.look().await?,
                changed = wake.changed() => {
                    if changed.is_ok() {
                        self.look().await?;
                    }
                }
                () = severed.notified() => {
                    tracing::warn!(worker.id = %self.fence.worker, "starting afresh; the lease of these runs runs out");
                    return Ok(());
                }
                at = self.worker.hints.timer() => self.mind(at),
                Some(start) = starts.recv(), if self.drives.len() < options.runs_max => {
                    self.drives.spawn(self.hands.clone().begin(start));
                }
                Some(_) = self.drives.join_next() => {
                    while self.drives.try_join_next().is_some() {}
                    if self.left_some && self.drives.len() <= options.runs_max / 2 {
                        self.look().await?;
                    }
                }
            }
        }
    }

    async fn take_over(&mut self) -> Result<(), StoreError> {
        let options = &self.worker.options;
        let mut leases = workers::leases(&mut *self.worker.store.hot_connection().await?).await?;
        leases.retain(|leased| leased.worker != self.fence.worker);
        let dead = self.others.dead(&leases, options.lease, Instant::now());
        if dead.is_empty() {
            return Ok(());
        }
        let mut tx = self.worker.store.begin_hot().await?;
        let taken = workers::take_over(&mut tx, &dead, options.takeovers_max).await?;
        if !taken.is_empty() {
            crash_point("before_takeover");
        }
        tx.commit().await?;
        if !taken.is_empty() {
            crash_point("after_takeover");
        }
        for (dead, freed, quarantined) in taken {
            tracing::warn!(worker.id = %dead, runs = freed, quarantined, "took over the runs of a dead worker");
            metrics::taken_over(freed);
            self.worker.hints.tell();
        }
        Ok(())
    }

    /// A run of this process has parked until a time: look then.
    fn mind(&mut self, at: DateTime<Utc>) {
        let pause = (at - self.worker.clock.now()).to_std().unwrap_or_default();
        self.next_look = self.next_look.min(Instant::now() + pause);
        self.since = self.since.min(at);
    }

    /// Wakes what is due and claims what is ready.
    async fn look(&mut self) -> Result<(), StoreError> {
        let mut db = self.worker.store.hot_connection().await?;
        let brakes = &self.hands.services.brakes;
        brakes.ask(control::urgent(&mut db, self.fence.worker).await?);
        let deferred = brakes.take_deferred();
        if !deferred.is_empty() {
            control::count_deferred(&mut db, &deferred).await?;
        }
        if self.looked_at_all.elapsed() >= LOOK_AT_ALL {
            (self.since, self.looked_at_all) = (runs::ALWAYS, Instant::now());
            runs::date_ready(&mut db).await?;
        }
        let asked = Instant::now().into_std();
        let timers = runs::wake_due(&mut db, self.since).await?;
        if self.worker.clock.follow(timers.now, asked) {
            tracing::warn!(now = %timers.now, "the database's clock was set back; going by it");
            // What becomes ready now is dated before what was looked at last.
            self.since = runs::ALWAYS;
        }
        self.next_look = Instant::now() + self.worker.options.sweep;
        if let Some(next) = timers.next_at {
            self.mind(next);
        }
        loop {
            let free = self.worker.options.runs_max.saturating_sub(self.drives.len());
            let limit = free.min(CLAIM_MAX);
            self.left_some = limit == 0;
            if limit == 0 {
                return Ok(());
            }
            let limit = i64::try_from(limit).unwrap_or(1);
            let claims = runs::claim(&mut db, self.fence, self.since, limit).await?;
            crash_point("after_claim");
            if claims.is_empty() {
                self.since = timers.now - LATE_COMMIT;
                return Ok(());
            }
            let is_all = claims.len() < usize::try_from(limit).unwrap_or(1);
            for claimed in self.read(&mut db, claims).await? {
                self.drives.spawn(self.hands.clone().drive(claimed));
            }
            if is_all {
                self.since = timers.now - LATE_COMMIT;
                return Ok(());
            }
        }
    }

    /// One journal that cannot be read must not keep the others from going on.
    async fn read(
        &self,
        db: &mut PgConnection,
        claims: Vec<runs::Claimed>,
    ) -> Result<Vec<Claimed>, StoreError> {
        match read(db, &claims).await {
            Err(StoreError::Unreadable { .. }) => {}
            other => return other,
        }
        let mut readable = Vec::with_capacity(claims.len());
        for claim in claims {
            match read(db, std::slice::from_ref(&claim)).await {
                Ok(claimed) => readable.extend(claimed),
                Err(error @ StoreError::Unreadable { .. }) => self.hands.unreadable(claim.run, error).await,
                Err(error) => return Err(error),
            }
        }
        Ok(readable)
    }

    /// Lets steps finish for a moment, then gives every run to whoever is there.
    async fn hand_over(&mut self) -> Result<(), StoreError> {
        let finish = async { while self.drives.join_next().await.is_some() {} };
        let _ = timeout(self.worker.options.drain, finish).await;
        self.drives.shutdown().await;
        let mut tx = self.worker.store.begin_hot().await?;
        let freed = workers::retire(&mut tx, self.fence.worker).await?;
        tx.commit().await?;
        tracing::info!(worker.id = %self.fence.worker, runs = freed, "worker stopped and handed its runs over");
        metrics::lease("handed_over");
        self.worker.hints.tell();
        Ok(())
    }
}

/// The leases of other workers, and since when by this one's own clock none of them was renewed. Whoever has not renewed
/// for a whole lease does nothing for its runs any more, whatever the clock of the database's host has been set to.
#[derive(Debug, Default)]
struct Others(BTreeMap<WorkerId, (DateTime<Utc>, Instant)>);

impl Others {
    /// Those whose lease is over, and that nobody has renewed for so long.
    fn dead(&mut self, leases: &[Leased], lease: Duration, now: Instant) -> Vec<Leased> {
        let known = std::mem::take(&mut self.0);
        let mut dead = Vec::new();
        for leased in leases {
            let unchanged = known.get(&leased.worker).filter(|(until, _)| *until == leased.until);
            let since = unchanged.map_or(now, |(_, since)| *since);
            self.0.insert(leased.worker, (leased.until, since));
            if leased.is_over && now.duration_since(since) >= lease {
                dead.push(*leased);
            }
        }
        dead
    }
}

/// Renews a lease until somebody else has it. On a task of its own: runs that keep this process busy must not cost it.
async fn keep_alive(
    store: Store,
    fence: Fence,
    lease: Arc<Lease>,
    length: Duration,
) -> Result<(), StoreError> {
    let mut beat = interval(length / 3);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let mut db = store.hot_connection().await?;
        let asked = Instant::now().into_std();
        if workers::heartbeat(&mut db, fence.worker, fence.epoch, length).await? {
            lease.renew(asked + length);
        } else if !is_seeded(Fault::SkipFence) {
            return Ok(());
        }
    }
}

/// The histories and the news of claimed runs, in two statements for all.
async fn read(db: &mut PgConnection, claims: &[runs::Claimed]) -> Result<Vec<Claimed>, StoreError> {
    let ids: Vec<uuid::Uuid> = claims.iter().map(|claim| claim.run.0).collect();
    let mut records = journal::load_many(db, &ids).await?;
    let mut news = signals::load_many(db, &ids).await?;
    let claimed = claims.iter().map(|claim| Claimed {
        records: records.remove(&claim.run).unwrap_or_default(),
        news: news.remove(&claim.run).unwrap_or_default(),
        claim: claim.clone(),
    });
    Ok(claimed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_not_renewed_for_a_whole_lease_is_dead_whatever_a_clock_says() {
        let (lease, begun) = (Duration::from_secs(6), Instant::now());
        let long_ago = DateTime::UNIX_EPOCH;
        let of = |worker, until, is_over| Leased { worker: WorkerId(worker), until, is_over };
        let mut others = Others::default();
        let mut look = |second, leases: &[Leased]| {
            let dead = others.dead(leases, lease, begun + Duration::from_secs(second));
            dead.iter().map(|leased| leased.worker.0).collect::<Vec<_>>()
        };
        let renewed = |second| long_ago + TimeDelta::seconds(second);
        assert!(look(0, &[of(1, renewed(0), true), of(2, renewed(0), true)]).is_empty(), "not yet watched");
        // The clock has jumped a day ahead: the lease of the one that lives is over until it renews.
        assert!(look(2, &[of(1, renewed(86_400), false), of(2, renewed(0), true)]).is_empty());
        assert!(look(5, &[of(1, renewed(86_403), true), of(2, renewed(0), true)]).is_empty());
        assert_eq!(look(7, &[of(1, renewed(86_403), true), of(2, renewed(0), true)]), [2]);
        // Its own lease may be longer than ours.
        assert!(look(60, &[of(1, renewed(86_403), false)]).is_empty());
        assert_eq!(look(61, &[of(1, renewed(86_403), true)]), [1]);
    }
}
