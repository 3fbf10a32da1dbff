//! How runs begin: their rows, keys and first records, set-based over many.

use super::Fence;
use crate::{
    run::{Actor, NewRun, Record},
    store::{
        PgConnection, Result,
        journal::{self, Rows},
    },
};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use uuid::Uuid;

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
    /// Of runs that are over with the commit they begin with.
    ended_at: Vec<Option<DateTime<Utc>>>,
    outcome: Vec<Option<String>>,
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

/// How a run ended that is over with the commit it begins with: it has no hot row.
#[derive(Debug, Clone, Copy)]
pub struct Over<'a> {
    pub at: DateTime<Utc>,
    pub outcome: &'a str,
}

impl Starts {
    pub fn add(
        &mut self,
        run: &NewRun,
        at: DateTime<Utc>,
        records: &[Record],
        place: Place,
        over: Option<Over<'_>>,
    ) -> Result<()> {
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
        self.ended_at.push(over.map(|over| over.at));
        self.outcome.push(over.map(|over| over.outcome.to_owned()));
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

#[expect(clippy::too_many_lines, reason = "one statement and its arguments")]
async fn insert(db: &mut PgConnection, fence: Option<Fence>, starts: &Starts) -> Result<Begun> {
    let row = sqlx::query!(
        r#"with fence as materialized (
             select id from worker where id = $1 and epoch = $2 for key share
         ), new as materialized (
             select new.*, version.id as version_id
             from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::uuid[],
                         $10::text[], $11::uuid[], $12::timestamptz[],
                         $17::smallint[], $18::int[], $19::bigint[], $20::timestamptz[], $21::text[], $22::text[],
                         $23::text[], $24::timestamptz[], $25::text[])
                  as new (id, sha256, workflow, title, subject, key, parent_run, parent_path, event_id, started_at,
                          priority, fair, lane, not_before, started_by, started_kind, started_via, ended_at, outcome)
             left join workflow_version version on version.sha256 = new.sha256
             where $1::bigint is null or exists (select from fence)
         ), begun as (
             insert into run_summary (id, workflow, title, subject, key, parent_run, parent_path, event_id, started_at,
                                      ended_at, outcome)
             select id, workflow, title, subject, key, parent_run, parent_path, event_id, started_at, ended_at, outcome
             from new
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
             from new join begun using (id) where ended_at is null
         ), journaled as (
             insert into journal (run_id, seq, at, records)
             select run_id, seq, at, records::json
             from unnest($13::uuid[], $14::int[], $15::timestamptz[], $16::text[])
                  as first (run_id, seq, at, records)
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
        &starts.started_via as &[Option<String>],
        &starts.ended_at as &[Option<DateTime<Utc>>],
        &starts.outcome as &[Option<String>]
    )
    .fetch_one(db)
    .await?;
    Ok(Begun { runs: row.runs.into_iter().collect(), held: row.held, unknown: row.unknown })
}
