//! The latest starts under a `throttle` or `rate`. What follows from them is decided in `run`.

use super::{PgConnection, Result};
use chrono::{DateTime, TimeDelta, Utc};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaceKind {
    Throttle,
    Rate,
}

impl PaceKind {
    fn word(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Rate => "rate",
        }
    }
}

/// The latest starts, locked until the transaction ends. Those that were booked by a clock that was ahead and has been
/// set right are moved back with it.
pub async fn lock(
    db: &mut PgConnection,
    workflow: &str,
    kind: PaceKind,
    key: &str,
) -> Result<Vec<DateTime<Utc>>> {
    // An update that changes nothing: it locks the row that is there, or makes it.
    let pace = sqlx::query!(
        r#"insert into pace (workflow, kind, key) values ($1, $2, $3)
           on conflict (workflow, kind, key) do update set key = excluded.key
           returning starts, booked_at, takt_now() as "now!""#,
        workflow,
        kind.word(),
        key
    );
    let pace = pace.fetch_one(db).await?;
    let ahead = pace.booked_at.map_or(TimeDelta::zero(), |booked| (booked - pace.now).max(TimeDelta::zero()));
    Ok(pace.starts.into_iter().map(|start| start - ahead).collect())
}

pub async fn save(
    db: &mut PgConnection,
    workflow: &str,
    kind: PaceKind,
    key: &str,
    starts: &[DateTime<Utc>],
) -> Result<()> {
    sqlx::query!(
        "update pace set starts = $4, booked_at = takt_now() where workflow = $1 and kind = $2 and key = $3",
        workflow,
        kind.word(),
        key,
        starts
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes what is older than any limit looks back.
pub async fn forget_old(db: &mut PgConnection) -> Result<u64> {
    let done = sqlx::query!(
        "delete from pace where (workflow, kind, key) in (
             select workflow, kind, key from pace
             where starts[cardinality(starts)] < takt_now() - interval '8 days' limit 1000
             for update skip locked)"
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
