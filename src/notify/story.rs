//! The rest of a run's story, told below its card: second approvals, what was written back, trouble, the end.

use super::Delivery;
use crate::{
    run::{
        Change, Record, RunId,
        story::{Line, Mark, lines},
    },
    store::{PgConnection, StoreError, journal, threads},
};

const BATCH_MAX: i64 = 20;
/// A thread is read on a phone.
const LINES_MAX: usize = 8;

impl Delivery {
    /// Queues what has happened since the last look; says how many runs went on.
    pub(super) async fn tell_stories(&self, channel: &str) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let behind = threads::take_behind(&mut tx, channel, BATCH_MAX).await?;
        for thread in &behind {
            let records = journal::load(&mut tx, RunId(thread.run_id)).await?;
            let new = new_lines(self.lines_of(&mut tx, &records).await, thread.told);
            let told = records.last().map_or(thread.told, |last| seq_after(last.seq));
            let ended = records.last().is_some_and(|last| matches!(last.change, Change::RunEnded { .. }));
            threads::tell(&mut tx, thread, channel, &new, told, ended).await?;
        }
        tx.commit().await.map_err(StoreError::from)?;
        Ok(behind.len())
    }

    async fn lines_of(&self, db: &mut PgConnection, records: &[Record]) -> Vec<Line> {
        let version = records.iter().rev().find_map(|record| match &record.change {
            Change::RunStarted(start) => Some(&start.sha256),
            Change::Migrated { to, .. } => Some(to),
            _ => None,
        });
        let Some(sha256) = version else { return Vec::new() };
        match self.definitions.pinned(db, sha256).await {
            Ok(definition) => lines(&definition.workflow, records, self.site.time_zone),
            Err(error) => {
                tracing::warn!(%error, "a run's definition cannot be read, its story is not told");
                Vec::new()
            }
        }
    }
}

fn seq_after(seq: u32) -> i32 {
    i32::try_from(seq).unwrap_or(i32::MAX).saturating_add(1)
}

fn new_lines(lines: Vec<Line>, told: i32) -> Vec<String> {
    let is_told = |line: &Line| i64::from(line.seq) < i64::from(told);
    let matters = |line: &Line| {
        matches!(line.mark, Mark::Asked | Mark::Answered | Mark::Wrote | Mark::Trouble | Mark::Ended)
    };
    let mut new: Vec<String> =
        lines.into_iter().filter(|line| !is_told(line) && matters(line)).map(|line| line.text).collect();
    if new.len() > LINES_MAX {
        let more = new.len() - LINES_MAX;
        new.truncate(LINES_MAX);
        new.push(format!("… and {more} more"));
    }
    new
}
