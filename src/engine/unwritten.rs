//! What has happened to a run and is not durable yet, and the commit that is under way with it.

use super::{Commit, CommitError, RowChange, Services};
use crate::run::{Intent, NewRun, Record, RunId};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::oneshot;
use uuid::Uuid;

type Flushing = BoxFuture<'static, Result<(), CommitError>>;

pub(super) struct Unwritten {
    services: Arc<Services>,
    run: RunId,
    /// Set until the run's first commit.
    start: Option<Box<NewRun>>,
    /// Told when the run's first commit is durable.
    began: Option<oneshot::Sender<Result<(), CommitError>>>,
    pub records: Vec<Record>,
    pub intents: Vec<Intent>,
    /// Signals that are in the records or need no record.
    pub heard: Vec<Uuid>,
    flushing: Option<Flushing>,
}

impl Unwritten {
    pub(super) fn new(services: Arc<Services>, run: RunId) -> Self {
        Self {
            services,
            run,
            start: None,
            began: None,
            records: Vec::new(),
            intents: Vec::new(),
            heard: Vec::new(),
            flushing: None,
        }
    }

    /// The run itself is to be written with its first record.
    pub(super) fn begin(
        &mut self,
        run: NewRun,
        first: Record,
        began: oneshot::Sender<Result<(), CommitError>>,
    ) {
        self.start = Some(Box::new(run));
        self.began = Some(began);
        self.records.push(first);
    }

    /// Returns when everything up to here is durable.
    pub(super) async fn flush(&mut self, row: RowChange) -> Result<(), CommitError> {
        if let Some(flushing) = self.flushing.take() {
            flushing.await?;
        }
        match self.commit(row) {
            Some(flushing) => flushing.await,
            None => Ok(()),
        }
    }

    /// Waits for what is under way when the run is given up: it must not land after somebody else has the run. Says what
    /// the run was lost to in the end.
    pub(super) async fn give_up(&mut self, lost: CommitError) -> CommitError {
        match self.flushing.take() {
            Some(flushing) => flushing.await.err().unwrap_or(lost),
            None => lost,
        }
    }

    /// Returns when one commit under way is durable, never when there is nothing to write. One goes at a time: commits of
    /// a run must not overtake each other.
    pub(super) async fn written(&mut self) -> Result<(), CommitError> {
        if self.flushing.is_none() {
            self.flushing = self.commit(RowChange::Keep);
        }
        let Some(flushing) = &mut self.flushing else { return std::future::pending().await };
        let written = flushing.await;
        self.flushing = None;
        written
    }

    fn commit(&mut self, row: RowChange) -> Option<Flushing> {
        let is_empty = self.records.is_empty() && self.intents.is_empty() && self.heard.is_empty();
        if is_empty && row == RowChange::Keep {
            return None;
        }
        let commit = Commit {
            run: self.run,
            start: self.start.take(),
            records: std::mem::take(&mut self.records),
            intents: std::mem::take(&mut self.intents),
            heard: std::mem::take(&mut self.heard),
            row,
        };
        let (services, began) = (self.services.clone(), self.began.take());
        Some(Box::pin(async move {
            let committed = services.journal.commit(commit).await;
            if let Some(began) = began {
                // Whoever started it may have gone.
                let _ = began.send(committed.clone());
            }
            committed
        }))
    }
}
