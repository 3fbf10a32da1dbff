//! What a worker's commits write, set-based over many runs. What every run does, to begin, to get on and to end, is one
//! statement each, and one for both where a run is over with its first commit; keys, large bodies, parking and what is
//! left behind add theirs.
//!
//! The first statement begins with the worker's row, locked against a takeover until the transaction ends: where its
//! epoch is no longer the worker's, nothing is written.

mod starts;

pub use starts::{Begun, Over, Place, Starts, start};

use super::{
    PgConnection, Result,
    audit::Columns,
    gates,
    journal::{self, Rows},
    signals,
};
use crate::run::WorkerId;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Who writes: refused when another worker took its runs over.
#[derive(Debug, Clone, Copy)]
pub struct Fence {
    pub worker: WorkerId,
    pub epoch: i32,
}

/// What becomes of runs, by column.
#[derive(Debug, Default)]
pub struct Settled {
    pub parked: Parked,
    pub ended: Ended,
    /// Ended runs that may have left questions, subscriptions or their key behind.
    pub untidy: Vec<Uuid>,
    /// Signals that are in the journal now.
    pub heard: Vec<Uuid>,
    /// What the audit keeps of what steps did.
    pub audited: Columns,
}

/// Runs that wait; `signals` is what each has heard of.
#[derive(Debug, Default)]
pub struct Parked {
    pub run: Vec<Uuid>,
    pub wake_at: Vec<Option<DateTime<Utc>>>,
    pub signals: Vec<i32>,
    pub waiting_for: Vec<Option<String>>,
}

#[derive(Debug, Default)]
pub struct Ended {
    pub run: Vec<Uuid>,
    pub at: Vec<DateTime<Utc>>,
    pub outcome: Vec<String>,
}

/// What came of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// `woken` runs were sent a signal before they parked, and are ready again.
    Held { woken: i64 },
    /// The worker has lost its runs; nothing was written.
    Fenced,
}

/// True when [`settle`] is one statement, which needs no transaction around it.
pub fn is_one_statement(rows: &Rows, settled: &Settled) -> bool {
    let Settled { parked, untidy, heard, .. } = settled;
    rows.payload.is_empty() && parked.run.is_empty() && untidy.is_empty() && heard.is_empty()
}

/// Appends to the journal, parks and ends runs.
pub async fn settle(db: &mut PgConnection, fence: Fence, rows: &Rows, settled: &Settled) -> Result<Written> {
    let Settled { parked, ended, untidy, heard, audited } = settled;
    let holds = if ended.run.is_empty() {
        append(db, fence, rows, audited).await?
    } else {
        end(db, fence, rows, settled).await?
    };
    if !holds {
        return Ok(Written::Fenced);
    }
    journal::keep_bodies(db, rows).await?;
    let woken = if parked.run.is_empty() { 0 } else { park(db, parked).await? };
    if !untidy.is_empty() {
        tidy(db, untidy).await?;
    }
    if !heard.is_empty() {
        signals::forget(db, heard).await?;
    }
    Ok(Written::Held { woken })
}

async fn append(db: &mut PgConnection, fence: Fence, rows: &Rows, audited: &Columns) -> Result<bool> {
    let holds = sqlx::query_scalar!(
        r#"with fence as materialized (
             select id from worker where id = $1 and epoch = $2 for key share
         ), journaled as (
             insert into journal (run_id, seq, at, records)
             select run_id, seq, at, records::json
             from unnest($3::uuid[], $4::int[], $5::timestamptz[], $6::text[]) as new (run_id, seq, at, records)
             where exists (select from fence)
         ), audited as materialized (
             select nextval('audit_record_id_seq') as id, given.*
             from unnest($7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::uuid[], $13::text[],
                         $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[],
                         $20::text[], $21::text[], $22::bytea[], $23::bytea[], $24::text[])
                  as given (actor, kind, auth, action, object, run_id, step, workflow, version, system, external_id,
                            request_hash, response_hash, decision, correlation, detail_hash, salt, body)
             where exists (select from fence)
         ), detailed as (
             insert into audit_detail (record_id, salt, body)
             select id, salt, body from audited where body is not null
         ), recorded as (
             insert into audit_record (id, actor, actor_kind, auth, action, object, run_id, step, workflow, version,
                                       system, external_id, request_hash, response_hash, decision, correlation,
                                       detail_hash)
             select id, actor, kind, auth, action, object, run_id, step, workflow, version, system, external_id,
                    request_hash, response_hash, decision, correlation, detail_hash from audited
         )
         select exists (select from fence) as "holds!""#,
        fence.worker.0,
        fence.epoch,
        &rows.run,
        &rows.seq,
        &rows.at,
        &rows.records,
        &audited.actor,
        &audited.kind as &[&'static str],
        &audited.auth as &[Option<String>],
        &audited.action,
        &audited.object as &[Option<String>],
        &audited.run as &[Option<Uuid>],
        &audited.step as &[Option<String>],
        &audited.workflow as &[Option<String>],
        &audited.version as &[Option<String>],
        &audited.system as &[Option<String>],
        &audited.external as &[Option<String>],
        &audited.request as &[Option<String>],
        &audited.response as &[Option<String>],
        &audited.decision as &[Option<String>],
        &audited.correlation as &[Option<String>],
        &audited.hash as &[Option<Vec<u8>>],
        &audited.salt as &[Option<Vec<u8>>],
        &audited.body as &[Option<String>]
    );
    Ok(holds.fetch_one(db).await?)
}

/// Appends to the journal and ends runs.
async fn end(
    db: &mut PgConnection,
    fence: Fence,
    rows: &Rows,
    Settled { ended, audited, .. }: &Settled,
) -> Result<bool> {
    let row = sqlx::query!(
        r#"with fence as materialized (
             select id from worker where id = $1 and epoch = $2 for key share
         ), journaled as (
             insert into journal (run_id, seq, at, records)
             select run_id, seq, at, records::json
             from unnest($3::uuid[], $4::int[], $5::timestamptz[], $6::text[]) as new (run_id, seq, at, records)
             where exists (select from fence)
         ), ended as (
             delete from run where id = any($7) and exists (select from fence)
             returning id, signals
         ), closed as (
             update run_summary summary set ended_at = new.at, outcome = new.outcome, waiting_for = null
             from unnest($7::uuid[], $8::timestamptz[], $9::text[]) as new (id, at, outcome)
             where summary.id = new.id and exists (select from fence)
         ), audited as materialized (
             select nextval('audit_record_id_seq') as id, given.*
             from unnest($10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::uuid[],
                         $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[],
                         $22::text[], $23::text[], $24::text[], $25::bytea[], $26::bytea[], $27::text[])
                  as given (actor, kind, auth, action, object, run_id, step, workflow, version, system, external_id,
                            request_hash, response_hash, decision, correlation, detail_hash, salt, body)
             where exists (select from fence)
         ), detailed as (
             insert into audit_detail (record_id, salt, body)
             select id, salt, body from audited where body is not null
         ), recorded as (
             insert into audit_record (id, actor, actor_kind, auth, action, object, run_id, step, workflow, version,
                                       system, external_id, request_hash, response_hash, decision, correlation,
                                       detail_hash)
             select id, actor, kind, auth, action, object, run_id, step, workflow, version, system, external_id,
                    request_hash, response_hash, decision, correlation, detail_hash from audited
         )
         select exists (select from fence) as "holds!",
                array(select id from ended where signals > 0) as "signalled!""#,
        fence.worker.0,
        fence.epoch,
        &rows.run,
        &rows.seq,
        &rows.at,
        &rows.records,
        &ended.run,
        &ended.at,
        &ended.outcome,
        &audited.actor,
        &audited.kind as &[&'static str],
        &audited.auth as &[Option<String>],
        &audited.action,
        &audited.object as &[Option<String>],
        &audited.run as &[Option<Uuid>],
        &audited.step as &[Option<String>],
        &audited.workflow as &[Option<String>],
        &audited.version as &[Option<String>],
        &audited.system as &[Option<String>],
        &audited.external as &[Option<String>],
        &audited.request as &[Option<String>],
        &audited.response as &[Option<String>],
        &audited.decision as &[Option<String>],
        &audited.correlation as &[Option<String>],
        &audited.hash as &[Option<Vec<u8>>],
        &audited.salt as &[Option<Vec<u8>>],
        &audited.body as &[Option<String>]
    );
    let row = row.fetch_one(&mut *db).await?;
    if !row.signalled.is_empty() {
        signals::forget_all(db, &row.signalled).await?;
    }
    Ok(row.holds)
}

/// Lets runs wait, except for those that were sent a signal meanwhile: says how many those are.
async fn park(db: &mut PgConnection, parked: &Parked) -> Result<i64> {
    let woken = sqlx::query_scalar!(
        r#"with parked as (
             update run set
                 state = case when run.signals > new.signals then 'ready' else 'parked' end,
                 next_at = case when run.signals > new.signals then takt_now() else new.wake_at end,
                 owner = null
             from unnest($1::uuid[], $2::timestamptz[], $3::int[]) as new (id, wake_at, signals)
             where run.id = new.id
             returning run.state
         ), noted as (
             update run_summary summary set waiting_for = new.waiting_for
             from unnest($1::uuid[], $4::text[]) as new (id, waiting_for)
             where summary.id = new.id and summary.waiting_for is distinct from new.waiting_for
         )
         select count(*) as "woken!" from parked where state = 'ready'"#,
        &parked.run,
        &parked.wake_at as &[Option<DateTime<Utc>>],
        &parked.signals,
        &parked.waiting_for as &[Option<String>]
    );
    Ok(woken.fetch_one(db).await?)
}

/// Takes back what ended runs have left behind.
async fn tidy(db: &mut PgConnection, runs: &[Uuid]) -> Result<()> {
    sqlx::query!(
        "with freed as (
             delete from open_key where run_id = any($1)
         )
         delete from subscription where run_id = any($1)",
        runs
    )
    .execute(&mut *db)
    .await?;
    gates::close_of_runs(db, runs).await
}
