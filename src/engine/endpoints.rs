//! Endpoints outside that ration their answers: what all workers know of one together, in the store, and how
//! many requests this process has under way there. Which requests, and what they say, is not known here.

use crate::{
    run::{Leave, Quota, Wish},
    store::{Result, Store, endpoints},
};
use chrono::{DateTime, Utc};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// Requests under way at an endpoint of which nothing is known yet.
const WINDOW_FIRST: f32 = 2.0;
const WINDOW_MAX: f32 = 64.0;

/// What came of a request, as far as it says something about the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    Answered {
        pause: Option<Duration>,
    },
    /// It had too many requests.
    Refused {
        retry_after: Option<Duration>,
    },
    Failed,
    /// Its account has nothing left.
    Exhausted,
}

/// Shared by every step of a process.
pub struct SharedEndpoints {
    store: Store,
    /// What the site says of some of them.
    quotas: BTreeMap<String, Quota>,
    windows: Mutex<BTreeMap<String, Arc<Window>>>,
}

impl SharedEndpoints {
    pub fn new(store: Store) -> Self {
        Self { store, quotas: BTreeMap::new(), windows: Mutex::default() }
    }

    pub fn with_quotas(self, quotas: impl IntoIterator<Item = (String, Quota)>) -> Self {
        Self { quotas: quotas.into_iter().collect(), ..self }
    }

    fn quota(&self, name: &str) -> Quota {
        self.quotas.get(name).copied().unwrap_or_default()
    }

    /// Waits for room in this process, then asks whether a request may leave now. Without the database the request
    /// may: what it would be told is a courtesy, and the journal refuses what must not happen.
    pub async fn leave(
        &self,
        name: &str,
        tokens: u64,
        has_turn: bool,
        now: DateTime<Utc>,
    ) -> (Leave, Option<Place>) {
        let place = self.window(name).enter().await;
        let leave = self
            .ask(name, &Wish { quota: self.quota(name), tokens, has_turn }, now)
            .await
            .unwrap_or_else(|error| {
                tracing::warn!(endpoint = name, %error, "what is known of an endpoint cannot be read");
                Leave::Now
            });
        (leave, (leave == Leave::Now).then_some(place))
    }

    /// `unused` are tokens that it was asked for and did not cost.
    pub async fn tell(&self, name: &str, outcome: Reaction, unused: u64, now: DateTime<Utc>) {
        self.window(name).learn(outcome);
        if let Err(error) = self.keep(name, outcome, unused, now).await {
            tracing::warn!(endpoint = name, %error, "what is known of an endpoint cannot be written");
        }
    }

    fn window(&self, name: &str) -> Arc<Window> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.entry(name.to_owned()).or_default().clone()
    }

    async fn ask(&self, name: &str, wish: &Wish, now: DateTime<Utc>) -> Result<Leave> {
        let mut db = self.store.connection().await?;
        let is_free = wish.has_turn || wish.quota == Quota::default();
        if is_free && endpoints::look(&mut db, name).await?.is_quiet(now) {
            return Ok(Leave::Now);
        }
        drop(db);
        let mut tx = self.store.begin().await?;
        let was = endpoints::lock(&mut tx, name).await?;
        let mut state = was;
        let leave = state.leave(now, wish);
        if state != was {
            endpoints::save(&mut tx, name, &state).await?;
        }
        tx.commit().await?;
        Ok(leave)
    }

    async fn keep(&self, name: &str, outcome: Reaction, unused: u64, now: DateTime<Utc>) -> Result<()> {
        let quota = self.quota(name);
        let unused = if quota.tokens.is_some() { unused } else { 0 };
        // An answer of an endpoint that is well says nothing new.
        if outcome == (Reaction::Answered { pause: None }) && unused == 0 {
            let mut db = self.store.connection().await?;
            let known = endpoints::look(&mut db, name).await?;
            if known.is_well() {
                return Ok(());
            }
        }
        let mut tx = self.store.begin().await?;
        let mut state = endpoints::lock(&mut tx, name).await?;
        match outcome {
            Reaction::Answered { pause } => state.answered(now, pause),
            Reaction::Refused { retry_after } => state.refused(now, retry_after),
            Reaction::Failed => state.failed(now),
            Reaction::Exhausted => state.exhausted(now),
        }
        state.unused(&quota, unused);
        endpoints::save(&mut tx, name, &state).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Requests of this process under way at one endpoint: few at first, one more when as many have been answered, half as
/// many after a failure.
struct Window {
    state: Mutex<Places>,
    freed: Notify,
}

struct Places {
    under_way: u16,
    /// Counted in whole places; the fraction is on its way to the next.
    max: f32,
}

impl Default for Window {
    fn default() -> Self {
        Self { state: Mutex::new(Places { under_way: 0, max: WINDOW_FIRST }), freed: Notify::new() }
    }
}

impl Window {
    async fn enter(self: Arc<Self>) -> Place {
        loop {
            // Asked for before the look, so that a place that is freed in between is not missed.
            let freed = self.freed.notified();
            {
                let mut places = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if f32::from(places.under_way) < places.max.floor() {
                    places.under_way += 1;
                    return Place(self.clone());
                }
            }
            freed.await;
        }
    }

    fn learn(&self, outcome: Reaction) {
        let mut places = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        places.max = match outcome {
            Reaction::Answered { .. } => (places.max + places.max.recip()).min(WINDOW_MAX),
            _ => (places.max / 2.0).max(1.0),
        };
        drop(places);
        self.freed.notify_one();
    }
}

/// Room for one request; free again when it is dropped.
pub struct Place(Arc<Window>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        places.under_way = places.under_way.saturating_sub(1);
        drop(places);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn few_at_first_more_with_answers_fewer_after_a_failure() {
        let window = Arc::new(Window::default());
        let first = window.clone().enter().await;
        let mut inside = vec![window.clone().enter().await];
        let mut third = tokio::spawn(window.clone().enter());
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut third).await.is_err());
        drop(first);
        inside.push(third.await.expect("a place was freed"));

        (0..3).for_each(|_| window.learn(Reaction::Answered { pause: None }));
        inside.push(window.clone().enter().await);
        window.learn(Reaction::Failed);
        inside.clear();
        inside.push(window.clone().enter().await);
        let second = tokio::time::timeout(Duration::from_millis(20), window.clone().enter()).await;
        assert!(second.is_err(), "one at a time again");
    }
}
