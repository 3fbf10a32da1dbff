//! News for runs: answers, events, children's ends, cancels.

use super::{PgConnection, Result, lanes};
use crate::run::{RunId, Signal, SignalKind, StepPath};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(super) fn kind_word(kind: SignalKind) -> &'static str {
    match kind {
        SignalKind::Answer => "answer",
        SignalKind::Event => "event",
        SignalKind::Child => "child",
        SignalKind::Cancel => "cancel",
        SignalKind::Pause => "pause",
        SignalKind::Resume => "resume",
    }
}

fn kind_of(word: &str) -> SignalKind {
    match word {
        "answer" => SignalKind::Answer,
        "child" => SignalKind::Child,
        "cancel" => SignalKind::Cancel,
        "pause" => SignalKind::Pause,
        "resume" => SignalKind::Resume,
        _ => SignalKind::Event,
    }
}

/// Leaves a signal and wakes the run if it is parked. False when the run has ended or the signal is known.
pub async fn send(db: &mut PgConnection, run: RunId, signal: &Signal) -> Result<bool> {
    if signal.kind == SignalKind::Cancel {
        // It has done nothing yet: it need not wait for its lane to hear that it ends.
        lanes::leave_queue(db, &[run.0]).await?;
    }
    // The run's row is locked first, so that a park in the same moment sees the count.
    let woken = sqlx::query!(
        "update run set signals = signals + 1,
             state = case when state = 'parked' then 'ready' else state end,
             next_at = case when state = 'parked' then takt_now() else next_at end
         where id = $1",
        run.0
    )
    .execute(&mut *db)
    .await?;
    if woken.rows_affected() == 0 {
        return Ok(false);
    }
    let done = sqlx::query!(
        "insert into signal (id, run_id, path, kind, body) values ($1, $2, $3, $4, $5)
         on conflict (id) do nothing",
        signal.id,
        run.0,
        signal.path.as_ref().map(StepPath::as_str),
        kind_word(signal.kind),
        signal.body
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether somebody has cancelled this run, and it has not heard of it yet.
pub async fn is_cancelled(db: &mut PgConnection, run: RunId) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists(select 1 from signal where run_id = $1 and kind = 'cancel') as "is_cancelled!""#,
        run.0
    );
    Ok(found.fetch_one(db).await?)
}

/// News of several runs, in the order in which it came.
pub async fn load_many(db: &mut PgConnection, runs: &[Uuid]) -> Result<BTreeMap<RunId, Vec<Signal>>> {
    let rows = sqlx::query!(
        "select id, run_id, path, kind, body from signal where run_id = any($1) order by at, id",
        runs
    )
    .fetch_all(db)
    .await?;
    let mut news: BTreeMap<RunId, Vec<Signal>> = BTreeMap::new();
    for row in rows {
        let path = row.path.map(StepPath::from);
        let signal = Signal { id: row.id, kind: kind_of(&row.kind), path, body: row.body };
        news.entry(RunId(row.run_id)).or_default().push(signal);
    }
    Ok(news)
}

/// Deletes signals that are in the journal.
pub async fn forget(db: &mut PgConnection, signals: &[Uuid]) -> Result<()> {
    sqlx::query!("delete from signal where id = any($1)", signals).execute(db).await?;
    Ok(())
}

/// Deletes what nobody will hear any more: these runs have ended.
pub async fn forget_all(db: &mut PgConnection, runs: &[Uuid]) -> Result<()> {
    sqlx::query!("delete from signal where run_id = any($1)", runs).execute(db).await?;
    Ok(())
}
