//! The journal of a test: in memory, and a place to die at.

use super::death::{Death, When};
use crate::{
    engine::{Commit, CommitError, Journal, MemoryJournal},
    run::Change,
};
use async_trait::async_trait;
use std::sync::Arc;

pub(super) struct TestJournal {
    kept: MemoryJournal,
    death: Arc<Death>,
}

impl TestJournal {
    pub(super) fn new(death: Arc<Death>) -> Self {
        Self { kept: MemoryJournal::default(), death }
    }

    pub(super) fn take(&self) -> Vec<Commit> {
        self.kept.take()
    }
}

#[async_trait]
impl Journal for TestJournal {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let is_done = |change: &Change| matches!(change, Change::Done { .. });
        let done: Vec<String> = commit
            .records
            .iter()
            .filter(|record| is_done(&record.change))
            .filter_map(|record| record.path.as_ref().map(ToString::to_string))
            .collect();
        for step in &done {
            self.death.visit(When::BeforeCommit, None, step).await;
        }
        self.kept.commit(commit).await?;
        for step in &done {
            self.death.visit(When::AfterCommit, None, step).await;
        }
        Ok(())
    }
}
