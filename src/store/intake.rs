//! The way in for events from outside: whoever sends learns soon whether an event is stored, and however many send at
//! once, there are connections left for everything else.

use super::{
    Result, Store, StoreError,
    events::{self, NewEvent},
};
use std::time::Duration;
use tokio::time::timeout;
use tracing::Instrument;

/// Senders try again after this.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Events that are stored at once: half of the connections.
pub(super) const PLACES: usize = 8;

impl Store {
    /// Stores an event; false when its source sent this id before. One that comes too late is stored all the same, and
    /// known when it is sent again.
    pub async fn take_in(&self, event: NewEvent) -> Result<bool> {
        let stored = async {
            let place = self.intake.clone().acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
            let store = self.clone();
            // Not given up half way: the connection would be busy with it all the same, and nobody would know.
            let storing = tokio::spawn(
                async move {
                    let _place = place;
                    events::insert(&mut *store.connection().await?, &event).await
                }
                .in_current_span(),
            );
            storing.await.map_err(|_| sqlx::Error::WorkerCrashed)?
        };
        timeout(ANSWER_TIME_MAX, stored).await.unwrap_or(Err(StoreError::Late))
    }
}
