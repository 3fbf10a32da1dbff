//! LISTEN and NOTIFY, outside the write path; everything works without them.

use super::{Result, Store};
use sqlx::postgres::PgListener;

const CHANNEL: &str = "takt";

pub async fn listen(store: &Store) -> Result<PgListener> {
    let mut listener = PgListener::connect_with(store.pool()).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

pub async fn next(listener: &mut PgListener) -> Result<()> {
    listener.recv().await?;
    Ok(())
}

pub async fn send(store: &Store) -> Result<()> {
    let mut db = store.connection().await?;
    sqlx::query!(r#"select pg_notify($1, '') as "sent!: ()""#, CHANNEL).fetch_one(&mut *db).await?;
    Ok(())
}
