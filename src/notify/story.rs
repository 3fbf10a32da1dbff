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
    let mut new: Vec<Line> = lines.into_iter().filter(|line| !is_told(line) && matters(line)).collect();
    let more = new.len().saturating_sub(LINES_MAX);
    // Questions have cards of their own; what was done, what went wrong and the end stand nowhere else here.
    for _ in 0..more {
        let has_card = new.iter().position(|line| matches!(line.mark, Mark::Asked | Mark::Answered));
        new.remove(has_card.unwrap_or(0));
    }
    let mut told: Vec<String> = new.into_iter().map(|line| line.text).collect();
    if more > 0 {
        told.push(format!("… and {more} more"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[test]
    fn what_was_written_is_told_however_much_happened_at_once() {
        let line = |seq: u32, mark: Mark| {
            let text = format!("{mark:?} {seq}");
            Line { seq, at: DateTime::UNIX_EPOCH, path: None, mark, text }
        };
        let mut lines: Vec<Line> = (0..12).map(|seq| line(seq, Mark::Asked)).collect();
        lines.extend([line(12, Mark::Wrote), line(13, Mark::Ended)]);
        let told = new_lines(lines, 2);
        assert_eq!(told.len(), LINES_MAX + 1);
        assert_eq!(told[LINES_MAX - 2..], ["Wrote 12", "Ended 13", "… and 4 more"]);
    }
}
