//! Signed-in browsers; only a hash of the cookie's token is kept.

use super::{PgConnection, Result};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Session {
    pub person: String,
    pub csrf: String,
}

pub async fn create(
    db: &mut PgConnection,
    token_hash: &str,
    person: &str,
    csrf: &str,
    length: Duration,
) -> Result<()> {
    sqlx::query!(
        "insert into session (token_hash, person, csrf, expires_at)
         values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))",
        token_hash,
        person,
        csrf,
        length.as_secs_f64()
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("delete from session where expires_at < clock_timestamp()").execute(db).await?;
    Ok(())
}

pub async fn find(db: &mut PgConnection, token_hash: &str) -> Result<Option<Session>> {
    let found = sqlx::query_as!(
        Session,
        "select person, csrf from session where token_hash = $1 and expires_at > clock_timestamp()",
        token_hash
    );
    Ok(found.fetch_optional(db).await?)
}

pub async fn end(db: &mut PgConnection, token_hash: &str) -> Result<()> {
    sqlx::query!("delete from session where token_hash = $1", token_hash).execute(db).await?;
    Ok(())
}
