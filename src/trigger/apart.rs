//! When the database refuses what is made of one event of many, each of them is looked at in a part of the transaction
//! of its own, so that only that one is taken back.

use crate::store::{self, PgConnection, StoreError};

/// How the events of one transaction are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// All become true or none.
    Together,
    /// Slower: what is refused of one is taken back alone.
    Apart,
}

impl Care {
    /// Does what is to be done for one event. Where each is looked at apart, what the database refuses of it is taken
    /// back, and `Some` says why.
    pub(super) async fn take(
        self,
        db: &mut PgConnection,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<(), StoreError>,
    ) -> Result<Option<String>, StoreError> {
        if self == Self::Together {
            work(db).await?;
            return Ok(None);
        }
        let mut part = store::part(db).await?;
        match work(&mut part).await {
            Ok(()) => part.commit().await?,
            Err(error) if error.is_of_data() => {
                part.rollback().await?;
                return Ok(Some(error.to_string()));
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }
}
