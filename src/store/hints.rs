//! LISTEN and NOTIFY, outside the write path; everything works without them.

use super::{Result, Store, open::Listen};
use sqlx::postgres::PgListener;

const CHANNEL: &str = "takt";

/// `None` where LISTEN is off.
pub async fn listen(store: &Store) -> Result<Option<PgListener>> {
    let mut listener = match &store.listen {
        Listen::Off => return Ok(None),
        Listen::Pool => PgListener::connect_with(store.pool()).await?,
        Listen::Direct(url) => PgListener::connect(url).await?,
    };
    listener.listen(CHANNEL).await?;
    Ok(Some(listener))
}

pub async fn next(listener: &mut PgListener) -> Result<()> {
    listener.recv().await?;
    Ok(())
}

pub async fn send(store: &Store) -> Result<()> {
    if matches!(store.listen, Listen::Off) {
        return Ok(());
    }
    let mut db = store.connection().await?;
    sqlx::query!(r#"select pg_notify($1, '') as "sent!: ()""#, CHANNEL).fetch_one(&mut *db).await?;
    Ok(())
}
