//! "Look now": wakes the loops of this process at once and, through a coalesced NOTIFY outside every write,
//! those of others. Only a hint: each loop also looks by itself from time to time.

use crate::store::{Store, hints};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Notify, watch};

/// NOTIFYs within this time become one.
const COALESCE: Duration = Duration::from_millis(10);

#[derive(Clone)]
pub struct Hints {
    wake: watch::Sender<u64>,
    outgoing: Arc<Notify>,
}

impl Default for Hints {
    fn default() -> Self {
        Self { wake: watch::Sender::new(0), outgoing: Arc::new(Notify::new()) }
    }
}

impl Hints {
    /// Something became ready.
    pub fn tell(&self) {
        self.wake.send_modify(|count| *count += 1);
        self.outgoing.notify_one();
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    /// Exchanges hints with other processes until the task is dropped.
    pub async fn exchange(self, store: Store) {
        let listen = async {
            loop {
                if let Ok(mut listener) = hints::listen(&store).await {
                    while hints::next(&mut listener).await.is_ok() {
                        self.wake.send_modify(|count| *count += 1);
                    }
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let send = async {
            loop {
                self.outgoing.notified().await;
                tokio::time::sleep(COALESCE).await;
                // A hint that is lost costs a second, not a run.
                let _ = hints::send(&store).await;
            }
        };
        tokio::join!(listen, send);
    }
}
