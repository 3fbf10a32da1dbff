//! What a worker's commits write, set-based over many runs. What every run does, to begin, to get on and to end, is one
//! statement each; keys, large bodies, parking and what is left behind add theirs.
//!
//! The first statement begins with the worker's row, locked against a takeover until the transaction ends: where its
//! epoch is no longer the worker's, nothing is written.

use super::{
    PgConnection, Result,
    audit::Columns,
    journal::{self, Rows},
    signals,
};
use crate::run::{Actor, NewRun, Record, WorkerId};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
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
         ), unsubscribed as (
             delete from subscription where run_id = any($1)
         )
         update gate set state = 'closed' where run_id = any($1) and state = 'open'",
        runs
    )
    .execute(db)
    .await?;
    Ok(())
}

/// New runs with the records their journals begin with, by column.
#[derive(Debug, Default)]
pub struct Starts {
    run: Vec<Uuid>,
    sha256: Vec<String>,
    workflow: Vec<String>,
    title: Vec<String>,
    subject: Vec<Option<String>>,
    key: Vec<Option<String>>,
    parent_run: Vec<Option<Uuid>>,
    parent_path: Vec<Option<String>>,
    event: Vec<Option<Uuid>>,
    at: Vec<DateTime<Utc>>,
    priority: Vec<i16>,
    fair: Vec<i32>,
    lane: Vec<Option<i64>>,
    not_before: Vec<Option<DateTime<Utc>>>,
    /// A person who started it by hand, for the audit; its children are the run's doing.
    started_by: Vec<Option<String>>,
    /// What kind of a name that is, and who vouched for it.
    started_kind: Vec<Option<&'static str>>,
    started_via: Vec<Option<String>>,
    rows: Rows,
}

/// What a new run waits for. One that waits is owned by nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// It queues here, until `lanes::settle` lets it in.
    pub lane: Option<i64>,
    /// It does not begin before.
    pub not_before: Option<DateTime<Utc>>,
}

impl Starts {
    pub fn add(&mut self, run: &NewRun, at: DateTime<Utc>, records: &[Record], place: Place) -> Result<()> {
        self.run.push(run.id.0);
        self.sha256.push(run.sha256.clone());
        self.workflow.push(run.workflow.clone());
        self.title.push(run.title.clone());
        self.subject.push(run.subject.clone());
        self.key.push(run.key.clone());
        self.parent_run.push(run.parent.as_ref().map(|parent| parent.run.0));
        self.parent_path.push(run.parent.as_ref().map(|parent| parent.path.to_string()));
        self.event.push(run.event);
        self.at.push(at);
        self.priority.push(run.turn.priority);
        self.fair.push(run.turn.fair);
        self.lane.push(place.lane);
        self.not_before.push(place.not_before);
        let started_by = run.started_by.clone().filter(|_| run.parent.is_none());
        let via = run.trigger.get("via").filter(|_| started_by.is_some()).and_then(|via| via.as_str());
        self.started_via.push(via.map(str::to_owned));
        self.started_kind.push(started_by.as_deref().map(|by| Actor::named(by).kind().word()));
        self.started_by.push(started_by);
        self.rows.add(run.id, records)
    }

    pub fn is_empty(&self) -> bool {
        self.run.is_empty()
    }

    /// True when [`start`] is one statement, which needs no transaction around it.
    pub fn is_one_statement(&self) -> bool {
        !self.has_keys() && self.rows.payload.is_empty()
    }

    fn has_keys(&self) -> bool {
        self.key.iter().any(Option::is_some)
    }
}

/// What came of starting.
#[derive(Debug)]
pub struct Begun {
    pub runs: BTreeSet<Uuid>,
    /// False when the fence refused it all.
    pub held: bool,
    /// Definitions that are not in the database.
    pub unknown: Vec<String>,
}

/// Starts runs: owned by the fenced worker, or ready for any. One whose key an open run has, or that exists
/// already, is left out.
pub async fn start(db: &mut PgConnection, fence: Option<Fence>, starts: &Starts) -> Result<Begun> {
    if starts.has_keys() {
        claim_keys(db, starts).await?;
    }
    let begun = insert(db, fence, starts).await?;
    if begun.held {
        journal::keep_bodies(db, &starts.rows).await?;
    }
    Ok(begun)
}

/// For runs that are new: the first of an open key has it.
async fn claim_keys(db: &mut PgConnection, starts: &Starts) -> Result<()> {
    sqlx::query!(
        "insert into open_key (workflow, key, run_id)
         select workflow, key, id from unnest($1::uuid[], $2::text[], $3::text[]) as new (id, workflow, key)
         where key is not null and not exists (select from run_summary known where known.id = new.id)
         on conflict do nothing",
        &starts.run,
        &starts.workflow,
        &starts.key as &[Option<String>]
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn insert(db: &mut PgConnection, fence: Option<Fence>, starts: &Starts) -> Result<Begun> {
    let row = sqlx::query!(
        r#"with fence as materialized (
             select id from worker where id = $1 and epoch = $2 for key share
         ), new as materialized (
             select new.*, version.id as version_id
             from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::uuid[],
                         $10::text[], $11::uuid[], $12::timestamptz[], $17::smallint[], $18::int[], $19::bigint[],
                         $20::timestamptz[], $21::text[], $22::text[], $23::text[])
                  as new (id, sha256, workflow, title, subject, key, parent_run, parent_path, event_id, started_at,
                          priority, fair, lane, not_before, started_by, started_kind, started_via)
             left join workflow_version version on version.sha256 = new.sha256
             where $1::bigint is null or exists (select from fence)
         ), begun as (
             insert into run_summary (id, workflow, title, subject, key, parent_run, parent_path, event_id, started_at)
             select id, workflow, title, subject, key, parent_run, parent_path, event_id, started_at from new
             where version_id is not null
               and (key is null or exists (select from open_key where open_key.run_id = new.id))
               and not exists (select from run_summary known where known.id = new.id)
             returning id
         ), live as (
             insert into run (id, version_id, priority, fair, lane, next_at, state, owner)
             select new.id, new.version_id, priority, fair, lane,
                    case when lane is not null or $1::bigint is not null then not_before
                         else coalesce(not_before, takt_now()) end,
                    case when lane is not null then 'queued' when not_before is not null then 'parked'
                         when $1::bigint is null then 'ready' else 'running' end,
                    case when lane is null and not_before is null then $1 end
             from new join begun using (id)
         ), journaled as (
             insert into journal (run_id, seq, at, records)
             select run_id, seq, at, records::json
             from unnest($13::uuid[], $14::int[], $15::timestamptz[], $16::text[]) as first (run_id, seq, at, records)
             join begun on begun.id = first.run_id
         ), audited as (
             insert into audit_record (actor, actor_kind, auth, action, object, run_id, workflow, version)
             select started_by, started_kind, started_via, 'run.start', new.id::text, new.id, workflow, sha256
             from new join begun using (id) where started_by is not null
         )
         select array(select id from begun) as "runs!",
                ($1::bigint is null or exists (select from fence)) as "held!",
                array(select sha256 from new where version_id is null) as "unknown!""#,
        fence.map(|fence| fence.worker.0),
        fence.map(|fence| fence.epoch),
        &starts.run,
        &starts.sha256,
        &starts.workflow,
        &starts.title,
        &starts.subject as &[Option<String>],
        &starts.key as &[Option<String>],
        &starts.parent_run as &[Option<Uuid>],
        &starts.parent_path as &[Option<String>],
        &starts.event as &[Option<Uuid>],
        &starts.at,
        &starts.rows.run,
        &starts.rows.seq,
        &starts.rows.at,
        &starts.rows.records,
        &starts.priority,
        &starts.fair,
        &starts.lane as &[Option<i64>],
        &starts.not_before as &[Option<DateTime<Utc>>],
        &starts.started_by as &[Option<String>],
        &starts.started_kind as &[Option<&'static str>],
        &starts.started_via as &[Option<String>]
    )
    .fetch_one(db)
    .await?;
    Ok(Begun { runs: row.runs.into_iter().collect(), held: row.held, unknown: row.unknown })
}
