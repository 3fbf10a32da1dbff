//! "Look now": wakes the loops of this process at once and, through a coalesced NOTIFY outside every write,
//! those of others. Only a hint: each loop also looks by itself from time to time.

use super::onlookers::Onlookers;
use crate::store::{Store, hints};
use chrono::{DateTime, Utc};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// NOTIFYs within this time become one.
const COALESCE: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct Timer {
    earliest: Mutex<Option<DateTime<Utc>>>,
    is_set: Notify,
}

#[derive(Clone)]
pub struct Hints {
    wake: watch::Sender<u64>,
    timer: Arc<Timer>,
    outgoing: Arc<Notify>,
    /// Told over the same channel.
    pub onlookers: Onlookers,
}

impl Default for Hints {
    fn default() -> Self {
        Self {
            wake: watch::Sender::new(0),
            timer: Arc::default(),
            outgoing: Arc::new(Notify::new()),
            onlookers: Onlookers::default(),
        }
    }
}

impl Hints {
    /// Something became ready.
    pub fn tell(&self) {
        self.wake.send_modify(|count| *count += 1);
        self.outgoing.notify_one();
    }

    /// A run of this process has parked until this time.
    pub(super) fn set_timer(&self, at: DateTime<Utc>) {
        let mut earliest = self.timer.earliest.lock().unwrap_or_else(PoisonError::into_inner);
        *earliest = Some(earliest.map_or(at, |known| known.min(at)));
        self.timer.is_set.notify_one();
    }

    /// Waits for the next such time; of several the earliest is given.
    pub(super) async fn timer(&self) -> DateTime<Utc> {
        loop {
            let set = self.timer.earliest.lock().unwrap_or_else(PoisonError::into_inner).take();
            match set {
                Some(at) => return at,
                None => self.timer.is_set.notified().await,
            }
        }
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    /// Exchanges hints with other processes until the task is dropped.
    pub async fn exchange(self, store: Store) {
        let listen = async {
            loop {
                match hints::listen(&store).await {
                    Ok(Some(mut listener)) => {
                        while let Ok(payload) = hints::next(&mut listener).await {
                            match payload.as_str() {
                                "" => self.wake.send_modify(|count| *count += 1),
                                word => self.onlookers.hear(word),
                            }
                        }
                    }
                    // NOTIFY is off: the loops look by themselves.
                    Ok(None) => return,
                    Err(_) => {}
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
        let show = async {
            loop {
                let word = self.onlookers.next_word().await;
                // What nobody hears is not seen; the journal has it soon.
                let _ = hints::say(&store, &word).await;
            }
        };
        tokio::join!(listen, send, show);
    }
}
