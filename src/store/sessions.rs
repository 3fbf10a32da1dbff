//! Signed-in browsers, and sign-ins at an identity provider under way; of secrets only hashes are kept.

use super::{PgConnection, Result};
use chrono::{DateTime, Utc};
use std::time::Duration;
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Session {
    pub person: String,
    pub csrf: String,
    /// `password` or `oidc`.
    pub via: String,
    /// Of the password it was opened with.
    pub password_mark: Option<String>,
}

#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    pub token_hash: &'a str,
    pub person: &'a str,
    pub csrf: &'a str,
    pub via: &'a str,
    pub password_mark: Option<&'a str>,
    pub length: Duration,
}

pub async fn create(db: &mut PgConnection, new: &NewSession<'_>) -> Result<()> {
    sqlx::query!(
        "insert into session (token_hash, person, csrf, via, password_mark, expires_at)
         values ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6))",
        new.token_hash,
        new.person,
        new.csrf,
        new.via,
        new.password_mark,
        new.length.as_secs_f64()
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("delete from session where expires_at < clock_timestamp()").execute(db).await?;
    Ok(())
}

/// The session, unless it is over or was not used for `idle`.
pub async fn find(db: &mut PgConnection, token_hash: &str, idle: Duration) -> Result<Option<Session>> {
    let found = sqlx::query_as!(
        Session,
        "select person, csrf, via, password_mark from session
         where token_hash = $1 and expires_at > clock_timestamp()
           and used_at > clock_timestamp() - make_interval(secs => $2)",
        token_hash,
        idle.as_secs_f64()
    );
    Ok(found.fetch_optional(db).await?)
}

/// A person used it. Not written anew for every request of a page.
pub async fn touch(db: &mut PgConnection, token_hash: &str, idle: Duration) -> Result<()> {
    sqlx::query!(
        "update session set used_at = clock_timestamp()
         where token_hash = $1 and used_at < clock_timestamp() - make_interval(secs => $2)",
        token_hash,
        idle.as_secs_f64() / 20.0
    )
    .execute(db)
    .await?;
    Ok(())
}

pub async fn end(db: &mut PgConnection, token_hash: &str) -> Result<()> {
    sqlx::query!("delete from session where token_hash = $1", token_hash).execute(db).await?;
    Ok(())
}

/// Ends every session of a person; gives how many there were.
pub async fn end_all(db: &mut PgConnection, person: &str) -> Result<u64> {
    Ok(sqlx::query!("delete from session where person = $1", person).execute(db).await?.rows_affected())
}

pub async fn count(db: &mut PgConnection, person: &str) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from session where person = $1 and expires_at > clock_timestamp()"#,
        person
    );
    Ok(count.fetch_one(db).await?)
}

/// A sign-in at the identity provider; with a gate it is for a signature there.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub nonce: String,
    pub verifier: String,
    pub next: String,
    pub session: Option<String>,
    pub gate_id: Option<Uuid>,
    pub proposal_hash: Option<String>,
    pub started_at: DateTime<Utc>,
}

/// The attempt's own time does not matter: the database gives it one.
pub async fn begin_attempt(
    db: &mut PgConnection,
    (state_hash, browser_hash): (&str, &str),
    attempt: &Attempt,
    length: Duration,
) -> Result<()> {
    sqlx::query!("delete from sign_in_attempt where expires_at < clock_timestamp()")
        .execute(&mut *db)
        .await?;
    sqlx::query!(
        "insert into sign_in_attempt
             (state_hash, browser_hash, nonce, verifier, next, session, gate_id, proposal_hash, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp() + make_interval(secs => $9))",
        state_hash,
        browser_hash,
        attempt.nonce,
        attempt.verifier,
        attempt.next,
        attempt.session,
        attempt.gate_id,
        attempt.proposal_hash,
        length.as_secs_f64()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes an attempt away, so that it cannot be used again; nothing when another browser began it.
pub async fn take_attempt(
    db: &mut PgConnection,
    state_hash: &str,
    browser_hash: &str,
) -> Result<Option<Attempt>> {
    let taken = sqlx::query_as!(
        Attempt,
        "delete from sign_in_attempt
         where state_hash = $1 and browser_hash = $2 and expires_at > clock_timestamp()
         returning nonce, verifier, next, session, gate_id, proposal_hash, started_at",
        state_hash,
        browser_hash
    );
    Ok(taken.fetch_optional(db).await?)
}

/// Somebody signed in again for one answer.
pub async fn reauthenticated(
    db: &mut PgConnection,
    (session, gate, proposal_hash): (&str, Uuid, &str),
    at: DateTime<Utc>,
    length: Duration,
) -> Result<()> {
    sqlx::query!(
        "insert into reauthentication (session, gate_id, proposal_hash, at, expires_at)
         values ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5))
         on conflict (session, gate_id)
         do update set proposal_hash = $3, at = $4, expires_at = excluded.expires_at",
        session,
        gate,
        proposal_hash,
        at,
        length.as_secs_f64()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// When the person of this session signed in again for this proposal, if that still counts.
pub async fn reauthentication(
    db: &mut PgConnection,
    session: &str,
    gate: Uuid,
    proposal_hash: &str,
) -> Result<Option<DateTime<Utc>>> {
    let found = sqlx::query_scalar!(
        "select at from reauthentication
         where session = $1 and gate_id = $2 and proposal_hash = $3 and expires_at > clock_timestamp()",
        session,
        gate,
        proposal_hash
    );
    Ok(found.fetch_optional(db).await?)
}

/// It was used, or is not wanted.
pub async fn end_reauthentication(db: &mut PgConnection, session: &str, gate: Uuid) -> Result<()> {
    sqlx::query!("delete from reauthentication where session = $1 and gate_id = $2", session, gate)
        .execute(db)
        .await?;
    Ok(())
}
