//! The chain over the audit's records: its end, its links, and the signed statements of where it stood. What a link is
//! made of is decided in `audit`.

use super::{PgConnection, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A sealed record: what its link in the chain is the digest of. The fields stand in the order of their names, so that
/// the text serde writes is the canonical one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedRecord {
    pub action: String,
    pub actor: String,
    pub actor_kind: String,
    /// UTC, to the microsecond.
    pub at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Salted digest of the detail, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    pub id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Minutes by which the site's clocks were ahead of UTC.
    pub offset: i16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Uuid>,
    pub sealed_at: String,
    pub seq: i64,
    pub site: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
}

/// Times in a record, as text.
pub fn time_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The end of the chain.
#[derive(Debug, Clone)]
pub struct Head {
    pub chain: Uuid,
    pub seq: i64,
    /// Empty before the first seal.
    pub hash: Vec<u8>,
    pub top: i64,
    pub holes: Vec<i64>,
}

pub async fn head(db: &mut PgConnection) -> Result<Head> {
    let found = sqlx::query_as!(Head, "select chain, seq, hash, top, holes from audit_head");
    Ok(found.fetch_one(db).await?)
}

/// The end of the chain for the one that seals, until its transaction ends; `None` while another does.
pub async fn lock(db: &mut PgConnection) -> Result<Option<Head>> {
    let found =
        sqlx::query_as!(Head, "select chain, seq, hash, top, holes from audit_head for update skip locked");
    Ok(found.fetch_optional(db).await?)
}

/// Whether any record waits for its seal.
pub async fn is_due(db: &mut PgConnection) -> Result<bool> {
    let due = sqlx::query_scalar!(
        r#"select exists (select from audit_record, audit_head where id > top)
                  or exists (select from audit_record where id = any((select holes from audit_head)::bigint[]))
                  as "due!""#
    );
    Ok(due.fetch_one(db).await?)
}

/// Records that wait for their seal: new ones, and late ones that the sealer has looked past.
pub async fn waiting(db: &mut PgConnection) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select (select count(*) from audit_record where id > (select top from audit_head))
                  + (select count(*) from audit_record
                     where id = any((select holes from audit_head)::bigint[]) and id <= (select top from audit_head))
                  as "count!""#
    );
    Ok(count.fetch_one(db).await?)
}

/// A record that has no seal, with its time; the seal's own fields are still empty.
#[derive(Debug, Clone)]
pub struct Unsealed {
    pub at: DateTime<Utc>,
    pub record: SealedRecord,
}

/// Records the chain has not got yet, in the order in which they were written: those seen for the first time, and late
/// ones.
pub async fn unsealed(db: &mut PgConnection, head: &Head, limit: i64) -> Result<Vec<Unsealed>> {
    let rows = sqlx::query!(
        r#"select id, at, actor, actor_kind, auth, action, object, run_id, step, workflow, version, system,
                  external_id, request_hash, response_hash, decision, correlation, detail_hash
           from audit_record where id = any($1)
           union all
           (select id, at, actor, actor_kind, auth, action, object, run_id, step, workflow, version, system,
                  external_id, request_hash, response_hash, decision, correlation, detail_hash
            from audit_record where id > $2 order by id limit $3)
           order by 1"#,
        &head.holes,
        head.top,
        limit
    )
    .fetch_all(db)
    .await?;
    let unsealed = rows.into_iter().map(|row| {
        let at = row.at.unwrap_or_default();
        let record = SealedRecord {
            action: row.action.unwrap_or_default(),
            actor: row.actor.unwrap_or_default(),
            actor_kind: row.actor_kind.unwrap_or_default(),
            at: time_text(at),
            auth: row.auth,
            correlation: row.correlation,
            decision: row.decision,
            detail: row.detail_hash.map(hex::encode),
            external_id: row.external_id,
            id: row.id.unwrap_or_default(),
            object: row.object,
            offset: 0,
            request_hash: row.request_hash,
            response_hash: row.response_hash,
            run: row.run_id,
            sealed_at: String::new(),
            seq: 0,
            site: String::new(),
            step: row.step,
            system: row.system,
            version: row.version,
            workflow: row.workflow,
        };
        Unsealed { at, record }
    });
    Ok(unsealed.collect())
}

/// Real time, also where the site's clock was moved.
pub async fn real_now(db: &mut PgConnection) -> Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(db).await?)
}

/// Adds links and moves the end, in the transaction that locked it.
pub async fn append(
    db: &mut PgConnection,
    records: &[SealedRecord],
    hashes: &[Vec<u8>],
    sealed_at: DateTime<Utc>,
    head: &Head,
) -> Result<()> {
    let column = |of: fn(&SealedRecord) -> i64| records.iter().map(of).collect::<Vec<_>>();
    let (seq, id) = (column(|record| record.seq), column(|record| record.id));
    let run: Vec<Option<Uuid>> = records.iter().map(|record| record.run).collect();
    let site: Vec<String> = records.iter().map(|record| record.site.clone()).collect();
    let offset: Vec<i16> = records.iter().map(|record| record.offset).collect();
    sqlx::query!(
        "insert into audit_seal (seq, record_id, run_id, site, offset_minutes, hash, sealed_at)
         select new.*, $7 from unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::text[], $5::smallint[], $6::bytea[])
              as new",
        &seq,
        &id,
        &run as &[Option<Uuid>],
        &site,
        &offset,
        hashes,
        sealed_at
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "update audit_head set seq = $1, hash = $2, top = $3, holes = $4",
        head.seq,
        head.hash,
        head.top,
        &head.holes
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A link as it stands in the database.
#[derive(Debug, Clone)]
pub struct Link {
    pub seq: i64,
    pub hash: Vec<u8>,
    /// The run that a search by run finds it under: the record's, or it was changed.
    pub run: Option<Uuid>,
    /// `None` when the record itself is gone.
    pub record: Option<SealedRecord>,
    /// When the record was written.
    pub at: Option<DateTime<Utc>>,
    /// Salt and body, as long as they are kept.
    pub detail: Option<(Vec<u8>, String)>,
}

impl Link {
    pub fn has_lost_its_detail(&self) -> bool {
        self.detail.is_none() && self.record.as_ref().is_some_and(|record| record.detail.is_some())
    }
}

/// Links after one, in order.
pub async fn links(db: &mut PgConnection, after: i64, limit: i64) -> Result<Vec<Link>> {
    let rows = sqlx::query!(
        r#"select seal.seq, seal.hash, seal.run_id as seal_run, seal.site, seal.offset_minutes, seal.sealed_at, record.id as "id?",
                  at as "at?", actor as "actor?", actor_kind as "actor_kind?", auth, action as "action?", object,
                  record.run_id as "run_id?", step, workflow, version, system, record.external_id, request_hash,
                  response_hash, decision, correlation, detail_hash, salt as "salt?", body as "body?"
           from audit_seal seal
           left join audit_record record on record.id = seal.record_id
           left join audit_detail detail on detail.record_id = seal.record_id
           where seal.seq > $1 order by seal.seq limit $2"#,
        after,
        limit
    )
    .fetch_all(db)
    .await?;
    let link = rows.into_iter().map(|row| Link {
        seq: row.seq,
        hash: row.hash,
        run: row.seal_run,
        at: row.at,
        detail: row.salt.zip(row.body),
        record: row.id.map(|id| SealedRecord {
            action: row.action.unwrap_or_default(),
            actor: row.actor.unwrap_or_default(),
            actor_kind: row.actor_kind.unwrap_or_default(),
            at: row.at.map(time_text).unwrap_or_default(),
            auth: row.auth,
            correlation: row.correlation,
            decision: row.decision,
            detail: row.detail_hash.map(hex::encode),
            external_id: row.external_id,
            id,
            object: row.object,
            offset: row.offset_minutes,
            request_hash: row.request_hash,
            response_hash: row.response_hash,
            run: row.run_id,
            sealed_at: time_text(row.sealed_at),
            seq: row.seq,
            site: row.site,
            step: row.step,
            system: row.system,
            version: row.version,
            workflow: row.workflow,
        }),
    });
    Ok(link.collect())
}

/// What the sealer has looked past without sealing it, once or twice in the chain, or not in it at all.
#[derive(Debug, Clone, Default)]
pub struct Strays {
    /// Records that wait for their seal: above the highest one that was looked at, or late.
    pub waiting: i64,
    pub first_waiting: Option<i64>,
    pub oldest_waiting: Option<DateTime<Utc>>,
    /// The first record that was looked past and has no seal.
    pub unsealed: Option<i64>,
    /// The first record that has two.
    pub twice: Option<i64>,
}

pub async fn strays(db: &mut PgConnection) -> Result<Strays> {
    let row = sqlx::query!(
        r#"select waits.count as "waiting!", waits.first as first_waiting, waits.oldest as oldest_waiting,
                  (select min(id) from audit_record record
                   where id <= top and id <> all(holes)
                     and not exists (select from audit_seal seal
                                     where seal.record_id = record.id and seal.seq <= audit_head.seq)) as unsealed,
                  (select min(record_id) from (select record_id from audit_seal group by record_id having count(*) > 1)
                   as twice) as twice
           from audit_head,
                lateral (select count(*) as count, min(id) as first, min(at) as oldest from audit_record record
                         where id > top
                            or id = any(holes)
                               and not exists (select from audit_seal where record_id = record.id)) as waits"#
    )
    .fetch_one(db)
    .await?;
    Ok(Strays {
        waiting: row.waiting,
        first_waiting: row.first_waiting,
        oldest_waiting: row.oldest_waiting,
        unsealed: row.unsealed,
        twice: row.twice,
    })
}

/// The first and the last link of runs, by what the records themselves say.
pub async fn span(db: &mut PgConnection, runs: &[Uuid]) -> Result<Option<(i64, i64)>> {
    let row = sqlx::query!(
        "select min(seq) as first, max(seq) as last
         from audit_record record join audit_seal seal on seal.record_id = record.id
         where record.run_id = any($1)",
        runs
    );
    let row = row.fetch_one(db).await?;
    Ok(row.first.zip(row.last))
}

/// What says that retention took details out.
#[derive(Debug, Clone)]
pub struct Purge {
    pub id: i64,
    /// `None` while it is in no link of the chain.
    pub seq: Option<i64>,
    pub at: DateTime<Utc>,
    /// Up to when; `None` where it names no time.
    pub before: Option<DateTime<Utc>>,
}

pub async fn purges(db: &mut PgConnection) -> Result<Vec<Purge>> {
    let rows = sqlx::query!(
        r#"select record.id, record.at, record.object, seal.seq as "seq?"
           from audit_record record
           left join audit_seal seal on seal.record_id = record.id and seal.seq <= (select seq from audit_head)
           where record.action = 'audit.purge' order by record.id"#
    );
    let purges = rows.fetch_all(db).await?.into_iter().map(|row| Purge {
        id: row.id,
        seq: row.seq,
        at: row.at,
        before: row.object.and_then(|object| object.parse().ok()),
    });
    Ok(purges.collect())
}

/// A signed statement, as its text.
#[derive(Debug, Clone)]
pub struct StoredCheckpoint {
    pub seq: i64,
    pub made_at: DateTime<Utc>,
    pub body: String,
}

pub async fn keep_checkpoint(db: &mut PgConnection, checkpoint: &StoredCheckpoint) -> Result<()> {
    sqlx::query!(
        "insert into audit_checkpoint (seq, made_at, body) values ($1, $2, $3)",
        checkpoint.seq,
        checkpoint.made_at,
        checkpoint.body
    )
    .execute(db)
    .await?;
    Ok(())
}

/// All of them, oldest first.
pub async fn checkpoints(db: &mut PgConnection) -> Result<Vec<StoredCheckpoint>> {
    let rows =
        sqlx::query_as!(StoredCheckpoint, "select seq, made_at, body from audit_checkpoint order by id");
    Ok(rows.fetch_all(db).await?)
}

pub async fn last_checkpoint(db: &mut PgConnection) -> Result<Option<StoredCheckpoint>> {
    let row = sqlx::query_as!(
        StoredCheckpoint,
        "select seq, made_at, body from audit_checkpoint order by id desc limit 1"
    );
    Ok(row.fetch_optional(db).await?)
}

/// The first that covers a link.
pub async fn covering(db: &mut PgConnection, seq: i64) -> Result<Option<StoredCheckpoint>> {
    let row = sqlx::query_as!(
        StoredCheckpoint,
        "select seq, made_at, body from audit_checkpoint where seq >= $1 order by seq, id limit 1",
        seq
    );
    Ok(row.fetch_optional(db).await?)
}
