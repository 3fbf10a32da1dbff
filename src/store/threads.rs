//! Where a run's story is told in chats, and how far it was told.

use super::{PgConnection, Result};
use crate::run::RunId;
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Thread {
    pub run_id: Uuid,
    pub room: String,
    pub receipt: Value,
    /// The first record that was not told of.
    pub told: i32,
}

/// The story goes on below this card. Where the run has an older one in the room, it goes on from there.
pub async fn begin(
    db: &mut PgConnection,
    run: Uuid,
    channel: &str,
    room: &str,
    receipt: &Value,
) -> Result<()> {
    sqlx::query!(
        "insert into story_thread (run_id, channel, room, receipt, told)
         select $1, $2, $3, $4, coalesce(max(seq) + 1, 0)::int from journal where run_id = $1
         on conflict (run_id, channel, room) do update set receipt = excluded.receipt, ended = false",
        run,
        channel,
        room,
        receipt
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Threads whose run has gone on, locked until the transaction ends.
pub async fn take_behind(db: &mut PgConnection, channel: &str, limit: i64) -> Result<Vec<Thread>> {
    let rows = sqlx::query_as!(
        Thread,
        "select run_id, room, receipt, told from story_thread thread
         where channel = $1 and not ended
           and exists (select 1 from journal where journal.run_id = thread.run_id and journal.seq >= thread.told
                         and journal.at > thread.since - interval '1 day')
         order by since limit $2 for update skip locked",
        channel,
        limit
    );
    Ok(rows.fetch_all(db).await?)
}

/// Queues the next lines of a story, and notes how far it was told.
pub async fn tell(
    db: &mut PgConnection,
    thread: &Thread,
    channel: &str,
    lines: &[String],
    told: i32,
    ended: bool,
) -> Result<()> {
    let run = RunId(thread.run_id);
    if !lines.is_empty() {
        let name = format!("story:{channel}:{}:{}", thread.room, thread.told);
        let message = json!({ "kind": "follow", "lines": lines, "thread": thread.receipt });
        sqlx::query!(
            "insert into outbox (id, run_id, channel, message) values ($1, $2, $3, $4) on conflict (id) do nothing",
            Uuid::new_v5(&run.0, name.as_bytes()),
            run.0,
            channel,
            message
        )
        .execute(&mut *db)
        .await?;
    }
    sqlx::query!(
        "update story_thread set told = $4, ended = $5 where run_id = $1 and channel = $2 and room = $3",
        run.0,
        channel,
        thread.room,
        told,
        ended
    )
    .execute(db)
    .await?;
    Ok(())
}
