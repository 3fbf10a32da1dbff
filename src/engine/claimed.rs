//! One run in a worker's hands: read, driven, and given back or set aside where it cannot go on here.

use super::{
    DefinitionError, Definitions, Driven, Driver, Hints, Services, commit::CommitError, drive::deferred,
    observe, starter::Start,
};
use crate::{
    run::{Record, RunId, Signal, State, WorkerId},
    store::{Store, StoreError, control, runs},
};
use futures::FutureExt;
use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use tracing::Instrument;

/// Between a commit that failed and the next try with its run.
const GIVE_BACK_PAUSE: Duration = Duration::from_millis(500);
/// Commits of a run that the database may decline in a row, for no reason that Takt knows.
const DECLINED_MAX: u32 = 10;

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error("the run's journal cannot be read: {0}")]
    Journal(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Commit(CommitError),
    #[error("driving it crashed inside Takt; see the log")]
    Panicked,
}

impl RunError {
    /// The word of the list for runs that nobody can drive; none where the run is not to blame.
    fn hold(&self) -> Option<&'static str> {
        match self {
            Self::Definition(DefinitionError::Missing(_) | DefinitionError::Broken { .. }) => {
                Some("no_definition")
            }
            Self::Journal(_) | Self::Store(StoreError::Unreadable { .. }) => Some("unreadable"),
            Self::Commit(_) | Self::Panicked => Some("quarantined"),
            Self::Definition(DefinitionError::Store(_)) | Self::Store(_) => None,
        }
    }
}

/// A claimed run with what the database knows of it.
pub(super) struct Claimed {
    pub claim: runs::Claimed,
    pub records: Vec<Record>,
    pub news: Vec<Signal>,
}

/// What it takes to drive a run.
#[derive(Clone)]
pub(super) struct Hands {
    pub store: Store,
    pub definitions: Arc<Definitions>,
    pub services: Arc<Services>,
    pub hints: Hints,
    pub worker: WorkerId,
    /// Told when nobody knows what came of a commit.
    pub severed: Arc<Notify>,
    pub declined: Arc<Declined>,
}

/// How often in a row the database declined a run's commit.
#[derive(Debug, Default)]
pub(super) struct Declined(Mutex<BTreeMap<RunId, u32>>);

impl Declined {
    /// True when that was once too often.
    fn is_too_often(&self, run: RunId, driven: &Driven) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(driven, Driven::Lost(CommitError::Declined(_))) {
            counts.remove(&run);
            return false;
        }
        let count = counts.entry(run).or_default();
        *count += 1;
        let is_too_often = *count >= DECLINED_MAX;
        if is_too_often {
            counts.remove(&run);
        }
        is_too_often
    }
}

impl Hands {
    pub(super) async fn drive(self, claimed: Claimed) {
        let run = claimed.claim.run;
        let driven = AssertUnwindSafe(self.go_on(claimed)).catch_unwind().await;
        match driven.unwrap_or(Err(RunError::Panicked)) {
            Ok(driven) => self.after(run, &driven).await,
            Err(error) => {
                tracing::error!(run.id = %run, %error, "the run cannot be driven");
                self.set_aside(run, &error).await;
            }
        }
    }

    /// A run that begins here; whoever started it learns when that is durable, and how far it went.
    pub(super) async fn begin(self, start: Start) {
        let Start { run, began, driven: tell } = start;
        let Some(definition) = self.definitions.known(&run.sha256) else {
            let unknown = CommitError::Unknown(format!("the definition {} is not known here", run.sha256));
            let _ = began.send(Err(unknown));
            return;
        };
        let id = run.id;
        let span = observe::run_span(&run.workflow, run.trace.as_deref());
        let workflow = run.workflow.clone();
        let driver = Driver::begin(self.services.clone(), definition, run, began);
        let driving = driver.drive(Vec::new()).instrument(span);
        let Ok(driven) = AssertUnwindSafe(driving).catch_unwind().await else {
            return self.set_aside(id, &RunError::Panicked).await;
        };
        observe::ended(&workflow, &driven);
        self.after(id, &driven).await;
        let _ = tell.send(driven);
    }

    async fn go_on(&self, claimed: Claimed) -> Result<Driven, RunError> {
        let Claimed { claim, records, news } = claimed;
        let definition = match self.definitions.known(&claim.sha256) {
            Some(known) => known,
            None => self.definitions.pinned(&mut *self.store.connection().await?, &claim.sha256).await?,
        };
        let state = State::fold(&records).map_err(|error| RunError::Journal(error.to_string()))?;
        let deferred = deferred(&records);
        observe::claimed(&records, &state, &deferred, self.services.clock.now());
        let span = observe::run_span(&state.start.workflow, state.start.trace.as_deref());
        let driver = Driver::new(self.services.clone(), definition, claim.run, state, claim.signals);
        let driven =
            driver.in_lane(claim.lane).holding(&records, deferred).drive(news).instrument(span).await;
        observe::driven(&records, &driven);
        Ok(driven)
    }

    async fn after(&self, run: RunId, driven: &Driven) {
        let is_too_often = self.declined.is_too_often(run, driven);
        match driven {
            Driven::Parked | Driven::Lost(CommitError::NotStarted) => {}
            Driven::Ended { outcome } => tracing::debug!(run.id = %run, outcome, "run ended"),
            Driven::Lost(CommitError::Fenced) => {
                tracing::warn!(run.id = %run, "stopped driving a run that another worker has");
            }
            // The commit may still come to be: only a takeover of this tenure says for certain, so it ends now.
            Driven::Lost(CommitError::Severed(reason)) => {
                tracing::warn!(run.id = %run, reason, "a commit's outcome is unknown");
                self.severed.notify_one();
            }
            // It would be refused again and again.
            Driven::Lost(reason @ (CommitError::Refused(_) | CommitError::Declined(_)))
                if is_too_often || matches!(reason, CommitError::Refused(_)) =>
            {
                tracing::error!(run.id = %run, %reason, "the run is set aside");
                self.set_aside(run, &RunError::Commit(reason.clone())).await;
            }
            Driven::Lost(reason) => {
                tracing::info!(run.id = %run, %reason, "reading the run again");
                let pause = match reason {
                    // What failed fails again when it is tried at once: a full disk, a database that restarts.
                    CommitError::Unknown(_) | CommitError::Declined(_) | CommitError::LeaseOver => {
                        GIVE_BACK_PAUSE
                    }
                    _ => Duration::ZERO,
                };
                tokio::time::sleep(pause).await;
                self.give_back(run).await;
            }
        }
    }

    /// Until it is told: a run that this worker holds and nobody drives would stand still as long as it lives.
    async fn give_back(&self, run: RunId) {
        loop {
            let given =
                async { runs::give_back(&mut *self.store.connection().await?, run, self.worker).await };
            match given.await {
                Ok(()) => return self.hints.tell(),
                Err(error) => {
                    tracing::warn!(run.id = %run, %error, "could not give the run back; trying again");
                }
            }
            tokio::time::sleep(GIVE_BACK_PAUSE).await;
        }
    }

    pub(super) async fn unreadable(&self, run: RunId, error: StoreError) {
        self.set_aside(run, &error.into()).await;
    }

    /// A run that cannot be driven is not claimed again until a person has looked. A database in trouble is no fault
    /// of the run: it rests a little.
    async fn set_aside(&self, run: RunId, error: &RunError) {
        let why = error.to_string();
        let set_aside = async {
            let mut db = self.store.connection().await?;
            match error.hold() {
                Some(hold) => control::set_aside(&mut db, run, self.worker, hold, &why).await,
                None => {
                    let until = self.services.clock.now() + chrono::TimeDelta::minutes(1);
                    runs::set_aside(&mut db, run, self.worker, until, &why).await
                }
            }
        };
        if let Err(error) = set_aside.await {
            tracing::warn!(run.id = %run, %error, "could not set the run aside");
            self.give_back(run).await;
        }
    }
}
