//! How long this process may still act for its runs, by its own clock: never longer than the database
//! believes that it lives.
//!
//! The epoch keeps a worker that lost its runs from writing into the journal. Nothing can do that for a request
//! to the outside, so a step goes on only while its worker's lease surely holds, and a connector asks once more
//! when a write goes onto the wire: a process that was frozen for longer notices before it sends anything.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Mutex, PoisonError},
    task::Poll,
    time::Instant,
};

/// A worker's lease as the worker itself can know it.
#[derive(Debug)]
pub struct Lease {
    /// `None` is for ever: in evals and tests nobody else is there to take over.
    until: Mutex<Option<Instant>>,
}

impl Default for Lease {
    fn default() -> Self {
        Self::forever()
    }
}

impl Lease {
    pub fn forever() -> Self {
        Self { until: Mutex::new(None) }
    }

    /// Give it the moment before the database was asked plus the lease: the database counts from later.
    pub fn until(at: Instant) -> Self {
        Self { until: Mutex::new(Some(at)) }
    }

    /// One that is for ever stays so.
    pub fn renew(&self, until: Instant) {
        if let Some(held) = &mut *self.until.lock().unwrap_or_else(PoisonError::into_inner) {
            *held = until;
        }
    }

    pub fn holds(&self) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| Instant::now() < until)
    }

    /// Goes on with the work only while the lease holds; `None` when it ended first.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        // Asked each time the work could go on, so also right after the process was frozen.
        poll_fn(|context| match self.holds() {
            true => work.as_mut().poll(context).map(Some),
            false => Poll::Ready(None),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn work_goes_no_further_than_the_lease() {
        let lease = Lease::until(Instant::now() + Duration::from_secs(3600));
        let (answer, answered) = oneshot::channel::<()>();
        let sent = std::cell::Cell::new(false);
        let work = async {
            let _ = answered.await;
            sent.set(true);
        };
        let mut guarded = pin!(lease.guard(work));
        assert!(futures::poll!(&mut guarded).is_pending());
        // What the work waits for comes, but only after the lease has run out.
        lease.renew(Instant::now());
        answer.send(()).expect("somebody waits");
        assert_eq!(guarded.await, None);
        assert!(!sent.get());
    }

    #[tokio::test]
    async fn a_renewed_lease_lets_work_end() {
        let lease = Lease::until(Instant::now());
        lease.renew(Instant::now() + Duration::from_secs(3600));
        assert_eq!(lease.guard(async { 7 }).await, Some(7));
        assert_eq!(Lease::forever().guard(async { 7 }).await, Some(7));
    }
}
