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

/// What was said with it; a mere hint says nothing.
pub async fn next(listener: &mut PgListener) -> Result<String> {
    Ok(listener.recv().await?.payload().to_owned())
}

pub async fn send(store: &Store) -> Result<()> {
    say(store, "").await
}

/// Fewer than 8,000 bytes.
pub async fn say(store: &Store, payload: &str) -> Result<()> {
    if matches!(store.listen, Listen::Off) {
        return Ok(());
    }
    let mut db = store.connection().await?;
    sqlx::query!(r#"select pg_notify($1, $2) as "sent!: ()""#, CHANNEL, payload).fetch_one(&mut *db).await?;
    Ok(())
}
