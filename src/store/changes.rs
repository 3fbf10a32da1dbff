//! Marks that differ when a page would look different; asked every second by pages that are open.

use super::{PgConnection, Result};
use crate::run::{GateId, RunId};

/// Rows that the first page of a list shows.
const FIRST_PAGE: i64 = 50;

pub async fn of_run(db: &mut PgConnection, run: RunId) -> Result<String> {
    let mark = sqlx::query_scalar!(
        r#"select coalesce((select max(seq) from journal where run_id = $1), 0)::text
               || coalesce((select string_agg(state || rung || expires_at, ' ' order by id)
                            from gate where run_id = $1), '') as "mark!""#,
        run.0
    );
    Ok(mark.fetch_one(db).await?)
}

pub async fn of_gate(db: &mut PgConnection, gate: GateId) -> Result<String> {
    let mark = sqlx::query_scalar!(
        r#"select state || rung || expires_at || proposal_hash
               || (select count(*) from gate_vote where gate_id = id) as "mark!" from gate where id = $1"#,
        gate.0
    );
    Ok(mark.fetch_optional(db).await?.unwrap_or_default())
}

pub async fn of_inbox(db: &mut PgConnection, roles: &[String], person: &str) -> Result<String> {
    let mark = sqlx::query_scalar!(
        r#"select coalesce((select string_agg(id || ' ' || rung || expires_at || ' '
                                                   || (select count(*) from gate_vote where gate_id = id),
                                                   ' ' order by expires_at, id)
                            from gate where state = 'open'
                              and (role = any($1) or person = $2
                                   or exists (select 1 from delegation
                                              where delegate = $2 and ended_at is null
                                                and takt_now() between starts_at and until))), '')
               || coalesce((select max(created_at)::text from outbox
                            where channel = 'console' and (role = any($1) or person = $2)), '') as "mark!""#,
        roles,
        person
    );
    Ok(mark.fetch_one(db).await?)
}

pub async fn of_runs(db: &mut PgConnection) -> Result<String> {
    let mark = sqlx::query_scalar!(
        r#"select coalesce(string_agg(id || coalesce(outcome, '') || coalesce(waiting_for, ''), ' '
                                      order by id desc), '') as "mark!"
           from (select id, outcome, waiting_for from run_summary order by id desc limit $1) newest"#,
        FIRST_PAGE
    );
    Ok(mark.fetch_one(db).await?)
}

pub async fn of_events(db: &mut PgConnection) -> Result<String> {
    let mark = sqlx::query_scalar!(
        r#"select coalesce(string_agg(id || state, ' ' order by received_at desc, id desc), '') as "mark!"
           from (select id, state, received_at from event
                 order by received_at desc, id desc limit $1) newest"#,
        FIRST_PAGE
    );
    Ok(mark.fetch_one(db).await?)
}

pub async fn of_schedules(db: &mut PgConnection) -> Result<String> {
    let mark = sqlx::query_scalar!(
        r#"select coalesce((select string_agg(workflow || through || coalesce(paused_at::text, ''), ' '
                                              order by workflow) from schedule), '')
               || (select count(*) from firing where state in ('asked', 'buffered')) as "mark!""#
    );
    Ok(mark.fetch_one(db).await?)
}
