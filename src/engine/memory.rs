//! A journal in memory, for `takt eval` and tests of steps: the same promises, no database.

use super::commit::{Commit, CommitError, Journal};
use async_trait::async_trait;
use std::sync::{Mutex, PoisonError};

/// Keeps every commit in order.
#[derive(Default)]
pub struct MemoryJournal {
    commits: Mutex<Vec<Commit>>,
}

impl MemoryJournal {
    /// Takes what has been committed since the last time.
    pub fn take(&self) -> Vec<Commit> {
        std::mem::take(&mut *self.commits.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).push(commit);
        Ok(())
    }
}
