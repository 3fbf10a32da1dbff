//! When the database refuses what is made of one event of many, each of them is looked at in a part of the transaction
//! of its own, so that only that one is taken back.

use crate::store::{Part, StoreError};

/// How the events of one transaction are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// All become true or none.
    Together,
    /// Slower: what is refused of one is taken back alone.
    Apart,
}

/// Keeps a part, or takes it back where the database refused what was to be written, and says why.
pub(super) async fn kept(part: Part<'_>, done: Result<(), StoreError>) -> Result<Option<String>, StoreError> {
    match done {
        Ok(()) => part.commit().await?,
        Err(error) if error.is_of_data() => {
            part.rollback().await?;
            return Ok(Some(error.to_string()));
        }
        Err(error) => return Err(error),
    }
    Ok(None)
}
