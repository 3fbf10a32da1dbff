//! A way to start runs in the hands of this process's worker: the run's first commit is its start, and no claim
//! stands between the two.

use super::{Driven, commit::CommitError};
use crate::run::NewRun;
use tokio::sync::{mpsc, oneshot};

/// Hands new runs to the worker; cheap to clone.
#[derive(Debug, Clone)]
pub struct Starter {
    to: mpsc::Sender<Start>,
}

/// One run on its way to the worker.
#[derive(Debug)]
pub struct Start {
    pub(super) run: NewRun,
    pub(super) began: oneshot::Sender<Result<(), CommitError>>,
    pub(super) driven: oneshot::Sender<Driven>,
}

/// A run that has been handed over.
#[derive(Debug)]
pub struct Handed {
    began: oneshot::Receiver<Result<(), CommitError>>,
    driven: oneshot::Receiver<Driven>,
}

/// The worker's end of the way.
pub type Starts = mpsc::Receiver<Start>;

impl Starter {
    /// `waiting` runs may stand in line before a start is turned away.
    pub fn new(waiting: usize) -> (Self, Starts) {
        let (to, starts) = mpsc::channel(waiting);
        (Self { to }, starts)
    }

    /// Hands a run over, or gives it back when the worker has no room or the run must wait first: then it is
    /// started for any worker.
    pub fn hand_over(&self, run: NewRun) -> Result<Handed, Box<NewRun>> {
        if run.turn.may_wait() {
            return Err(Box::new(run));
        }
        let ((began, has_begun), (driven, was_driven)) = (oneshot::channel(), oneshot::channel());
        match self.to.try_send(Start { run, began, driven }) {
            Ok(()) => Ok(Handed { began: has_begun, driven: was_driven }),
            Err(mpsc::error::TrySendError::Full(start) | mpsc::error::TrySendError::Closed(start)) => {
                Err(Box::new(start.run))
            }
        }
    }
}

impl Handed {
    /// Returns when the start is durable.
    pub async fn began(&mut self) -> Result<(), CommitError> {
        let gone = || CommitError::Unknown("the worker stopped before the run began".into());
        (&mut self.began).await.unwrap_or_else(|_| Err(gone()))
    }

    /// Returns when the run has ended, or rests; `None` when the worker stopped before.
    pub async fn driven(self) -> Option<Driven> {
        self.driven.await.ok()
    }
}
