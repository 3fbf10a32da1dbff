//! Questions to people and their answers.

use super::{PgConnection, Result, audit};
use crate::run::{AskedPerson, AuditRecord, GateId, NewGate, Reassign, RunId, StepPath};
use crate::workflow::PastAnswers;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Debug, Clone, Serialize)]
pub struct Gate {
    pub id: Uuid,
    pub run_id: Uuid,
    pub path: String,
    /// `acknowledge`, `approve`, `choose`, `form`.
    pub form: String,
    /// `open`, `answered`, `closed`.
    pub state: String,
    pub role: Option<String>,
    pub person: Option<String>,
    pub excluded: Vec<String>,
    pub ask: Value,
    pub proposal_hash: String,
    pub rung: i16,
    /// How many people have to give the same answer.
    pub quorum: i16,
    pub opened_at: DateTime<Utc>,
    /// When those who are asked now were: later than `opened_at` once it was handed on.
    pub asked_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// Whom it was handed on to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<Value>,
}

impl Gate {
    /// As it stands when it is opened.
    pub fn opened(gate: NewGate, run: RunId, at: DateTime<Utc>) -> Self {
        let form = serde_json::to_value(gate.form).ok();
        let form = form.and_then(|form| form.as_str().map(str::to_owned)).unwrap_or_default();
        Self {
            id: gate.id.0,
            run_id: run.0,
            path: gate.path.to_string(),
            form,
            state: "open".into(),
            role: gate.role,
            person: gate.person,
            excluded: gate.excluded,
            ask: gate.ask,
            proposal_hash: gate.proposal_hash,
            rung: 0,
            quorum: gate.quorum,
            opened_at: at,
            asked_at: at,
            expires_at: gate.expires_at,
            people: None,
        }
    }
}

impl Gate {
    /// Who is asked, as it was found out when they were.
    pub fn asked_people(&self) -> Vec<AskedPerson> {
        let first = self.ask.get("people").filter(|_| self.rung == 0);
        let people = self.people.as_ref().or(first);
        people.and_then(|people| Deserialize::deserialize(people).ok()).unwrap_or_default()
    }
}

/// The accepted answer of one person.
#[derive(Debug, Clone, Serialize)]
pub struct Vote {
    pub gate_id: Uuid,
    pub person: String,
    /// Who handed their answers to this person.
    pub on_behalf_of: Option<String>,
    /// `acknowledge`, `approve`, `choose`, `edit`, `reject`.
    pub decision: String,
    pub body: Value,
    /// One of the site's reasons.
    pub reason_code: Option<String>,
    pub reason: Option<String>,
    /// Decided alone, in place of those who were asked.
    pub overrides: bool,
    pub channel: String,
    pub proposal_hash: String,
    /// The program that says whose answer it is, or that they handed it over: a service account, or the one with the site's
    /// own token.
    pub named_by: Option<String>,
    pub at: DateTime<Utc>,
}

pub async fn open(db: &mut PgConnection, run: RunId, gate: &NewGate, at: DateTime<Utc>) -> Result<()> {
    let form = serde_json::to_value(gate.form).ok().and_then(|form| form.as_str().map(str::to_owned));
    sqlx::query!(
        "insert into gate (id, run_id, path, form, role, person, excluded, ask, proposal_hash, token_hash,
                           opened_at, expires_at, quorum)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict (id) do nothing",
        gate.id.0,
        run.0,
        gate.path.as_str(),
        form.unwrap_or_default(),
        gate.role,
        gate.person,
        &gate.excluded,
        gate.ask,
        gate.proposal_hash,
        gate.token_hash,
        at,
        gate.expires_at,
        gate.quorum
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Those of the gates that are still open, locked until the transaction ends.
pub async fn lock_open(db: &mut PgConnection, gates: &[Uuid]) -> Result<Vec<Uuid>> {
    let rows = sqlx::query_scalar!(
        "select id from gate where id = any($1) and state = 'open' order by id for update",
        gates
    );
    Ok(rows.fetch_all(db).await?)
}

/// From now on others are asked.
pub async fn reassign(db: &mut PgConnection, to: &Reassign, at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update gate set role = $2, person = $3, rung = $4, expires_at = $5, people = $6, asked_at = $7
         where id = $1 and state = 'open'",
        to.gate.0,
        to.role,
        to.person,
        to.rung,
        to.expires_at,
        json!(to.people),
        at
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn close(db: &mut PgConnection, gates: &[Uuid]) -> Result<()> {
    sqlx::query!("update gate set state = 'closed' where id = any($1) and state = 'open'", gates)
        .execute(db)
        .await?;
    Ok(())
}

/// Questions of runs that have ended, or gone on without them. Each stands in the audit.
pub async fn close_of_runs(db: &mut PgConnection, runs: &[Uuid]) -> Result<()> {
    let closed = sqlx::query!(
        "update gate set state = 'closed' where run_id = any($1) and state = 'open' returning id, run_id, path",
        runs
    );
    let closed = closed.fetch_all(&mut *db).await?;
    let records: Vec<AuditRecord> = closed
        .into_iter()
        .map(|gate| AuditRecord::gate_closed(RunId(gate.run_id), Some(&gate.path), GateId(gate.id), "CLOSED"))
        .collect();
    audit::append(db, &records).await
}

pub async fn get(db: &mut PgConnection, id: GateId) -> Result<Option<Gate>> {
    let found = sqlx::query_as!(
        Gate,
        r#"select id, run_id, path, form, state, role, person, excluded, ask, proposal_hash, rung, quorum, opened_at,
                coalesce(asked_at, opened_at) as "asked_at!", expires_at, people
         from gate where id = $1"#,
        id.0
    );
    Ok(found.fetch_optional(db).await?)
}

/// The gate an opaque button token belongs to.
pub async fn by_token(db: &mut PgConnection, token_hash: &str) -> Result<Option<GateId>> {
    let found = sqlx::query_scalar!("select id from gate where token_hash = $1", token_hash);
    Ok(found.fetch_optional(db).await?.map(GateId))
}

/// Locks a gate for a decision; gives it with the database's time.
pub async fn lock(db: &mut PgConnection, id: GateId) -> Result<Option<(Gate, DateTime<Utc>)>> {
    let locked = sqlx::query_scalar!("select id from gate where id = $1 for update", id.0)
        .fetch_optional(&mut *db)
        .await?;
    if locked.is_none() {
        return Ok(None);
    }
    let now = super::clock::now(db).await?;
    Ok(get(db, id).await?.map(|gate| (gate, now)))
}

/// Records what one person answers.
pub async fn add_vote(db: &mut PgConnection, vote: &Vote) -> Result<()> {
    sqlx::query!(
        "insert into gate_vote (gate_id, person, on_behalf_of, decision, body, reason_code, reason, overrides,
                                channel, proposal_hash, named_by, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        vote.gate_id,
        vote.person,
        vote.on_behalf_of,
        vote.decision,
        vote.body,
        vote.reason_code,
        vote.reason,
        vote.overrides,
        vote.channel,
        vote.proposal_hash,
        vote.named_by,
        vote.at
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Nobody can answer any more: what was answered counts.
pub async fn settle(db: &mut PgConnection, id: GateId) -> Result<()> {
    sqlx::query!("update gate set state = 'answered' where id = $1", id.0).execute(db).await?;
    Ok(())
}

/// The answer that settled a gate; `None` while it is open, and where it closed without one.
pub async fn vote(db: &mut PgConnection, id: GateId) -> Result<Option<Vote>> {
    let found = sqlx::query_as!(
        Vote,
        "select gate_id, vote.person, on_behalf_of, decision, body, reason_code, reason, overrides, channel,
                vote.proposal_hash, named_by, at
         from gate_vote vote join gate on gate.id = gate_id
         where gate_id = $1 and gate.state = 'answered' order by seq desc limit 1",
        id.0
    );
    Ok(found.fetch_optional(db).await?)
}

/// Every answer given to a gate so far, first to last.
pub async fn votes(db: &mut PgConnection, id: GateId) -> Result<Vec<Vote>> {
    let rows = sqlx::query_as!(
        Vote,
        "select gate_id, person, on_behalf_of, decision, body, reason_code, reason, overrides, channel,
                proposal_hash, named_by, at
         from gate_vote where gate_id = $1 order by seq",
        id.0
    );
    Ok(rows.fetch_all(db).await?)
}

/// Open gates, due first: of these roles or people, or all when both are `None`.
pub async fn list_open(
    db: &mut PgConnection,
    roles: Option<&[String]>,
    people: Option<&[String]>,
) -> Result<Vec<Gate>> {
    let rows = sqlx::query_as!(
        Gate,
        r#"select id, run_id, path, form, state, role, person, excluded, ask, proposal_hash, rung, quorum, opened_at,
                coalesce(asked_at, opened_at) as "asked_at!", expires_at, people
         from gate
         where state = 'open' and (($1::text[] is null and $2::text[] is null) or role = any($1) or person = any($2))
         order by expires_at, id limit 500"#,
        roles,
        people
    );
    Ok(rows.fetch_all(db).await?)
}

/// Open gates that can still be answered, a page of them in the order of their ids.
pub async fn open_after(db: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<Vec<Gate>> {
    let rows = sqlx::query_as!(
        Gate,
        r#"select id, run_id, path, form, state, role, person, excluded, ask, proposal_hash, rung, quorum, opened_at,
                coalesce(asked_at, opened_at) as "asked_at!", expires_at, people
         from gate where state = 'open' and id > $1 and expires_at > $2 order by id limit 500"#,
        id,
        now
    );
    Ok(rows.fetch_all(db).await?)
}

pub async fn of_run(db: &mut PgConnection, run: RunId) -> Result<Vec<Gate>> {
    let rows = sqlx::query_as!(
        Gate,
        r#"select id, run_id, path, form, state, role, person, excluded, ask, proposal_hash, rung, quorum, opened_at,
                coalesce(asked_at, opened_at) as "asked_at!", expires_at, people
         from gate where run_id = $1 order by opened_at, id"#,
        run.0
    );
    Ok(rows.fetch_all(db).await?)
}

impl Vote {
    /// Whom this answer counts for: who gave it, and whose answers they stand in for.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.person.as_str()).chain(self.on_behalf_of.as_deref())
    }
}

/// How a gate of a workflow was answered: its latest answers of three months, each first question counted once, by
/// the answer that settled it.
pub async fn past_answers(db: &mut PgConnection, workflow: &str, path: &str) -> Result<PastAnswers> {
    let found = sqlx::query!(
        r#"with latest as (
               select v.decision, v.body ->> 'choice' as choice, g.ask -> 'first' is not null as is_second
               from gate g
               join lateral (select decision, body from gate_vote where gate_id = g.id
                             order by seq desc limit 1) v on true
               where g.state = 'answered' and g.ask ->> 'workflow' = $1 and g.path = $2 and g.opened_at > takt_now() - interval '90 days'
               order by g.opened_at desc limit 200)
           select count(*) filter (where not is_second) as "answers!",
                  count(*) filter (where not is_second and (decision in ('acknowledge', 'approve')
                                                            or decision = 'choose' and choice = '1')) as "taken!",
                  count(*) filter (where is_second and decision = 'reject') as "refused!"
           from latest"#,
        workflow,
        path
    );
    let found = found.fetch_one(db).await?;
    let count = |number: i64| u32::try_from(number).unwrap_or_default();
    Ok(PastAnswers { answers: count(found.answers), accepted: count(found.taken - found.refused) })
}

impl Gate {
    pub fn step(&self) -> StepPath {
        StepPath::from(self.path.clone())
    }
}
