//! What all workers know together of an endpoint outside. What follows from it is decided in `run`.

use super::{PgConnection, Result};
use crate::run::{Closed, EndpointState};
use chrono::{DateTime, TimeDelta, Utc};

struct Row {
    not_before: Option<DateTime<Utc>>,
    gap_ms: i32,
    next_turn: Option<DateTime<Utc>>,
    answered: i32,
    failures: i32,
    closed_until: Option<DateTime<Utc>>,
    closed_for: Option<String>,
    requests_at: Option<DateTime<Utc>>,
    tokens_at: Option<DateTime<Utc>>,
}

impl Row {
    fn state(self) -> EndpointState {
        let count = |count: i32| u32::try_from(count).unwrap_or(0);
        let why = match self.closed_for.as_deref() {
            Some("quota") => Closed::Quota,
            _ => Closed::Failing,
        };
        EndpointState {
            not_before: self.not_before,
            gap: TimeDelta::milliseconds(i64::from(self.gap_ms)),
            next_turn: self.next_turn,
            answered: count(self.answered),
            failures: count(self.failures),
            closed: self.closed_until.map(|until| (until, why)),
            requests_at: self.requests_at,
            tokens_at: self.tokens_at,
        }
    }
}

/// Without a lock: enough to see that nothing holds anybody.
pub async fn look(db: &mut PgConnection, name: &str) -> Result<EndpointState> {
    let row = sqlx::query_as!(
        Row,
        "select not_before, gap_ms, next_turn, answered, failures, closed_until, closed_for,
             requests_at, tokens_at
         from endpoint where name = $1",
        name
    );
    Ok(row.fetch_optional(db).await?.map(Row::state).unwrap_or_default())
}

/// Locked until the transaction ends.
pub async fn lock(db: &mut PgConnection, name: &str) -> Result<EndpointState> {
    // An update that changes nothing: it locks the row that is there, or makes it.
    let row = sqlx::query_as!(
        Row,
        "insert into endpoint (name) values ($1)
         on conflict (name) do update set name = excluded.name
         returning not_before, gap_ms, next_turn, answered, failures, closed_until, closed_for,
             requests_at, tokens_at",
        name
    );
    Ok(row.fetch_one(db).await?.state())
}

pub async fn save(db: &mut PgConnection, name: &str, state: &EndpointState) -> Result<()> {
    let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let word = |why: Closed| match why {
        Closed::Failing => "failing",
        Closed::Quota => "quota",
    };
    sqlx::query!(
        "update endpoint set not_before = $2, gap_ms = $3, next_turn = $4, answered = $5, failures = $6,
             closed_until = $7, closed_for = $8, requests_at = $9, tokens_at = $10
         where name = $1",
        name,
        state.not_before,
        i32::try_from(state.gap.num_milliseconds()).unwrap_or(i32::MAX),
        state.next_turn,
        count(state.answered),
        count(state.failures),
        state.closed.map(|(until, _)| until),
        state.closed.map(|(_, why)| word(why)),
        state.requests_at,
        state.tokens_at
    )
    .execute(db)
    .await?;
    Ok(())
}
