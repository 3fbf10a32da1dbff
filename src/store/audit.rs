//! What was done and by whom. Records are only ever added, in the transaction of what they record; the detail stands
//! apart, under a salted digest, so that retention may take it out. Where a record stands in the chain: `seals`.

use super::{PgConnection, Result};
use crate::run::{Actor, AuditRecord, RunId, canonical};
use chrono::{DateTime, Utc};
use rand::RngCore;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub id: i64,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub actor_kind: String,
    pub auth: Option<String>,
    pub action: String,
    pub object: Option<String>,
    pub run_id: Option<Uuid>,
    pub step: Option<String>,
    pub system: Option<String>,
    pub external_id: Option<String>,
    pub decision: Option<String>,
    /// Empty where there is none, or retention took it out.
    pub detail: Value,
    /// There was one, and retention took it out.
    pub is_purged: bool,
    /// Its place in the chain; absent for a moment after it was written.
    pub seq: Option<i64>,
}

/// SHA-256 over salt and body.
pub fn digest_of_detail(salt: &[u8], body: &str) -> Vec<u8> {
    Sha256::new().chain_update(salt).chain_update(body.as_bytes()).finalize().to_vec()
}

/// Records by column.
#[derive(Debug, Default)]
pub struct Columns {
    pub(super) actor: Vec<String>,
    pub(super) kind: Vec<&'static str>,
    pub(super) auth: Vec<Option<String>>,
    pub(super) action: Vec<String>,
    pub(super) object: Vec<Option<String>>,
    pub(super) run: Vec<Option<Uuid>>,
    pub(super) step: Vec<Option<String>>,
    pub(super) workflow: Vec<Option<String>>,
    pub(super) version: Vec<Option<String>>,
    pub(super) system: Vec<Option<String>>,
    pub(super) external: Vec<Option<String>>,
    pub(super) request: Vec<Option<String>>,
    pub(super) response: Vec<Option<String>>,
    pub(super) decision: Vec<Option<String>>,
    pub(super) correlation: Vec<Option<String>>,
    pub(super) hash: Vec<Option<Vec<u8>>>,
    pub(super) salt: Vec<Option<Vec<u8>>>,
    pub(super) body: Vec<Option<String>>,
}

/// Characters of a name from outside: the columns of a record are kept for good.
const NAME_MAX: usize = 200;

/// PostgreSQL keeps no NUL in text, and a name from outside may hold one, or be a whole book.
fn text(text: &str) -> String {
    let mut kept: String =
        text.chars().take(NAME_MAX).map(|letter| if letter == '\0' { '\u{fffd}' } else { letter }).collect();
    if kept.len() < text.len() && text.chars().nth(NAME_MAX).is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

fn optional(given: Option<&String>) -> Option<String> {
    given.map(|given| text(given))
}

impl Columns {
    pub fn is_empty(&self) -> bool {
        self.action.is_empty()
    }

    pub fn add(&mut self, record: &AuditRecord) {
        self.actor.push(text(&record.actor));
        self.kind.push(record.actor_kind.word());
        self.auth.push(record.auth.clone());
        self.action.push(record.action.clone());
        self.object.push(optional(record.object.as_ref()));
        self.run.push(record.run.map(|run| run.0));
        self.step.push(record.step.clone());
        self.workflow.push(record.workflow.clone());
        self.version.push(record.version.clone());
        self.system.push(record.system.clone());
        self.external.push(optional(record.external_id.as_ref()));
        self.request.push(record.request_hash.clone());
        self.response.push(record.response_hash.clone());
        self.decision.push(record.decision.clone());
        self.correlation.push(optional(record.correlation.as_ref()));
        let is_empty =
            record.detail.is_null() || record.detail.as_object().is_some_and(serde_json::Map::is_empty);
        if is_empty {
            self.hash.push(None);
            self.salt.push(None);
            self.body.push(None);
            return;
        }
        let mut salt = [0_u8; 16];
        rand::rng().fill_bytes(&mut salt);
        let body = canonical(&record.detail);
        self.hash.push(Some(digest_of_detail(&salt, &body)));
        self.salt.push(Some(salt.to_vec()));
        self.body.push(Some(body));
    }
}

/// Keeps records, in the caller's transaction. A worker's commits have a statement of their own, see `commits`.
pub async fn append(db: &mut PgConnection, records: &[AuditRecord]) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::default();
    records.iter().for_each(|record| columns.add(record));
    sqlx::query!(
        "with new as materialized (
             select nextval('audit_record_id_seq') as id, given.*
             from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::text[],
                         $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
                         $16::bytea[], $17::bytea[], $18::text[])
                  as given (actor, kind, auth, action, object, run_id, step, workflow, version, system, external_id,
                            request_hash, response_hash, decision, correlation, detail_hash, salt, body)
         ), detailed as (
             insert into audit_detail (record_id, salt, body)
             select id, salt, body from new where body is not null
         )
         insert into audit_record (id, actor, actor_kind, auth, action, object, run_id, step, workflow, version, system,
                                   external_id, request_hash, response_hash, decision, correlation, detail_hash)
         select new.id, actor, kind, auth, action, object, run_id, step, coalesce(new.workflow, summary.workflow),
                coalesce(new.version, pinned.sha256), system, external_id, request_hash, response_hash, decision,
                correlation, detail_hash
         from new
         left join run_summary summary on summary.id = new.run_id
         left join run on run.id = new.run_id
         left join workflow_version pinned on pinned.id = run.version_id",
        &columns.actor,
        &columns.kind as &[&'static str],
        &columns.auth as &[Option<String>],
        &columns.action,
        &columns.object as &[Option<String>],
        &columns.run as &[Option<Uuid>],
        &columns.step as &[Option<String>],
        &columns.workflow as &[Option<String>],
        &columns.version as &[Option<String>],
        &columns.system as &[Option<String>],
        &columns.external as &[Option<String>],
        &columns.request as &[Option<String>],
        &columns.response as &[Option<String>],
        &columns.decision as &[Option<String>],
        &columns.correlation as &[Option<String>],
        &columns.hash as &[Option<Vec<u8>>],
        &columns.salt as &[Option<Vec<u8>>],
        &columns.body as &[Option<String>]
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One record of few words. An action on a run names it as its object.
pub async fn add(
    db: &mut PgConnection,
    actor: impl Into<Actor>,
    action: &str,
    object: Option<&str>,
    detail: &Value,
) -> Result<()> {
    append(db, &[of_words(actor.into(), action, object, detail)]).await
}

/// The same for each of many objects.
pub async fn add_for(
    db: &mut PgConnection,
    actor: &Actor,
    action: &str,
    objects: &[Uuid],
    detail: &Value,
) -> Result<()> {
    let of = |object: &Uuid| of_words(actor.clone(), action, Some(&object.to_string()), detail);
    append(db, &objects.iter().map(of).collect::<Vec<_>>()).await
}

fn of_words(actor: Actor, action: &str, object: Option<&str>, detail: &Value) -> AuditRecord {
    let mut record = AuditRecord::new(actor, action).detail(detail.clone());
    record.object = object.map(str::to_owned);
    if action.starts_with("run.") {
        record.run = object.and_then(|object| object.parse().ok()).map(RunId);
    }
    record
}

/// What a page of the trail shows, newest first.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub actor: Option<String>,
    /// An action, or the word before its dot: `gate`.
    pub action: Option<String>,
    /// A word in what it was done to: an object, a step, an id in another system.
    pub object: Option<String>,
    pub run: Option<Uuid>,
    pub from: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    /// Keyset: only records before this one.
    pub before: Option<i64>,
}

pub async fn list(db: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<Entry>> {
    let word = filter.object.as_ref().map(|word| format!("%{}%", word.replace(['%', '_', '\\'], "")));
    let rows = sqlx::query!(
        r#"select record.id, at, actor, actor_kind, auth, action, object, record.run_id, step, system,
                  record.external_id, decision, detail_hash is not null as "has_detail!", detail.body as "body?",
                  seal.seq as "seq?"
           from audit_record record
           left join audit_detail detail on detail.record_id = record.id
           left join audit_seal seal on seal.record_id = record.id
           where ($1::text is null or actor = $1)
             and ($2::text is null or action = $2 or split_part(action, '.', 1) = $2)
             and ($3::text is null or object ilike $3 or step ilike $3 or record.external_id ilike $3
                  or system ilike $3 or workflow ilike $3)
             and ($4::uuid is null or record.run_id = $4)
             and ($5::timestamptz is null or at >= $5)
             and ($6::timestamptz is null or at < $6)
             and ($7::bigint is null or record.id < $7)
           order by record.id desc limit $8"#,
        filter.actor,
        filter.action,
        word,
        filter.run,
        filter.from,
        filter.until,
        filter.before,
        limit
    )
    .fetch_all(db)
    .await?;
    let entry = rows.into_iter().map(|row| Entry {
        is_purged: row.has_detail && row.body.is_none(),
        detail: row
            .body
            .and_then(|body| serde_json::from_str(&body).ok())
            .unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        id: row.id,
        at: row.at,
        actor: row.actor,
        actor_kind: row.actor_kind,
        auth: row.auth,
        action: row.action,
        object: row.object,
        run_id: row.run_id,
        step: row.step,
        system: row.system,
        external_id: row.external_id,
        decision: row.decision,
        seq: row.seq,
    });
    Ok(entry.collect())
}

pub async fn recent(db: &mut PgConnection, limit: i64) -> Result<Vec<Entry>> {
    list(db, &Filter::default(), limit).await
}

/// Runs that wrote something, latest first: which another system calls so, with this key, or else with this id in what
/// was sent.
pub async fn runs_that_wrote(db: &mut PgConnection, change: &str) -> Result<Vec<Uuid>> {
    let kept = text(change);
    let named = sqlx::query_scalar!(
        r#"select run_id as "run_id!" from audit_record
           where action like 'write.%' and run_id is not null and (external_id = $1 or correlation = $1)
           group by run_id order by max(id) desc"#,
        kept
    );
    let named = named.fetch_all(&mut *db).await?;
    if !named.is_empty() {
        return Ok(named);
    }
    let mentioned = sqlx::query_scalar!(
        r#"select run_id as "run_id!" from audit_record
           join audit_detail on audit_detail.record_id = audit_record.id
           where action = 'write.done' and run_id is not null and position(to_json($1::text)::text in body) > 0
           group by run_id order by max(id) desc"#,
        change
    );
    Ok(mentioned.fetch_all(db).await?)
}

/// Takes details out that were recorded before a time and are sealed: one batch, 0 when nothing is left.
pub async fn purge_details(db: &mut PgConnection, before: DateTime<Utc>, batch: i32) -> Result<i64> {
    let gone = sqlx::query_scalar!(r#"select audit_purge($1, $2) as "gone!""#, before, batch);
    Ok(gone.fetch_one(db).await?)
}

/// Whether there are details that `purge_details` would take out.
pub async fn is_purge_due(db: &mut PgConnection, before: DateTime<Utc>) -> Result<bool> {
    let due = sqlx::query_scalar!(
        r#"select exists (select from audit_detail detail
                          join audit_record record on record.id = detail.record_id
                          join audit_seal seal on seal.record_id = record.id
                          where record.at < $1) as "due!""#,
        before
    );
    Ok(due.fetch_one(db).await?)
}
