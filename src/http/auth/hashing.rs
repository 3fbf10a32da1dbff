//! Passwords are hashed slowly and in much memory, on purpose: so only a few at a time, and nobody waits long for a turn.

use std::{sync::Arc, thread::available_parallelism};
use tokio::sync::Semaphore;

/// Each takes 19 MiB.
const AT_ONCE_MAX: usize = 4;
/// A whole shift that signs in at once is served within seconds.
const WAITING_MAX: usize = 60;

pub(in crate::http) struct Hashing {
    turns: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Default for Hashing {
    fn default() -> Self {
        let cores = available_parallelism().map_or(2, usize::from);
        Self {
            turns: Arc::new(Semaphore::new(cores.clamp(2, AT_ONCE_MAX))),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }
}

impl Hashing {
    /// `None` when too many wait for a turn already. A turn ends with the work, also where nobody waits for it any more.
    pub(in crate::http) async fn with<T: Default + Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let waiting = self.waiting.try_acquire().ok()?;
        let turn = self.turns.clone().acquire_owned().await.ok()?;
        drop(waiting);
        let done = tokio::task::spawn_blocking(move || {
            let made = work();
            drop(turn);
            made
        });
        Some(done.await.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(flavor = "multi_thread")]
    async fn few_at_once_and_not_too_many_in_line() {
        let hashing = Hashing::default();
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tries = (0..400).map(|_| {
            let (at_once, most) = (at_once.clone(), most.clone());
            hashing.with(move || {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(2));
                at_once.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let done = futures::future::join_all(tries).await;
        assert!(most.load(Ordering::SeqCst) <= AT_ONCE_MAX);
        let refused = done.iter().filter(|done| done.is_none()).count();
        assert!((1..400).contains(&refused), "{refused}");
    }
}
