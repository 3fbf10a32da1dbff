//! Who looks at which run just now, and what is still coming in there, for them to see: of this process at once, of
//! others through NOTIFY. It is kept nowhere; where NOTIFY is off, people see only what their own process does.

use crate::run::RunId;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, broadcast, mpsc},
    time::{Instant, Interval, MissedTickBehavior, interval},
};
use uuid::Uuid;

/// Who looks says so again and again; after this time without a word nobody does.
const LOOKS_FOR: Duration = Duration::from_secs(6);
/// Other processes are told so often, and at once of a run that is new.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// The payload of a NOTIFY ends below 8,000 bytes.
const PAYLOAD_BYTES_MAX: usize = 7_900;
const WAITING_MAX: usize = 64;

/// What there is to see of a step just now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    pub run: RunId,
    pub step: String,
    pub text: String,
}

/// What processes tell each other.
#[derive(Serialize, Deserialize)]
struct Word {
    from: Uuid,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    look: Vec<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sight: Option<Sight>,
}

/// Until when, as far as is known.
type LookedAt = Mutex<HashMap<RunId, Instant>>;

#[derive(Clone)]
pub struct Onlookers(Arc<Inner>);

struct Inner {
    own: Uuid,
    here: LookedAt,
    elsewhere: LookedAt,
    sights: broadcast::Sender<Sight>,
    outgoing: mpsc::Sender<Sight>,
    telling: tokio::sync::Mutex<Telling>,
    has_new: Notify,
}

/// What the one who tells the others goes by.
struct Telling {
    waiting: mpsc::Receiver<Sight>,
    ticks: Option<Interval>,
}

impl Default for Onlookers {
    fn default() -> Self {
        let (outgoing, waiting) = mpsc::channel(WAITING_MAX);
        Self(Arc::new(Inner {
            own: Uuid::new_v4(),
            here: Mutex::default(),
            elsewhere: Mutex::default(),
            sights: broadcast::Sender::new(WAITING_MAX),
            outgoing,
            telling: tokio::sync::Mutex::new(Telling { waiting, ticks: None }),
            has_new: Notify::new(),
        }))
    }
}

impl Onlookers {
    /// Somebody looks at this run, here and now. To be said again while they do.
    pub fn look(&self, run: RunId) {
        if keep(&self.0.here, [run], Instant::now()) {
            self.0.has_new.notify_one();
        }
    }

    /// What is shown from now on, of every run.
    pub fn sights(&self) -> broadcast::Receiver<Sight> {
        self.0.sights.subscribe()
    }

    pub fn is_looked_at(&self, run: RunId) -> bool {
        let now = Instant::now();
        is_kept(&self.0.here, run, now) || is_kept(&self.0.elsewhere, run, now)
    }

    /// Whoever is too slow for it misses it: the next one says more.
    pub fn show(&self, sight: Sight) {
        if is_kept(&self.0.elsewhere, sight.run, Instant::now()) {
            let _ = self.0.outgoing.try_send(sight.clone());
        }
        let _ = self.0.sights.send(sight);
    }

    /// What another process told.
    pub(super) fn hear(&self, payload: &str) {
        let Ok(word) = serde_json::from_str::<Word>(payload) else { return };
        if word.from == self.0.own {
            return;
        }
        keep(&self.0.elsewhere, word.look, Instant::now());
        if let Some(sight) = word.sight {
            let _ = self.0.sights.send(sight);
        }
    }

    /// The next thing that others are to be told.
    pub(super) async fn next_word(&self) -> String {
        let mut telling = self.0.telling.lock().await;
        let Telling { waiting, ticks } = &mut *telling;
        let ticks = ticks.get_or_insert_with(|| {
            let mut ticks = interval(TELL_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        loop {
            tokio::select! {
                Some(sight) = waiting.recv() => return self.word(vec![], Some(sight)),
                () = self.0.has_new.notified() => {}
                _ = ticks.tick() => {}
            }
            let look = kept(&self.0.here);
            if !look.is_empty() {
                return self.word(look, None);
            }
        }
    }

    fn word(&self, look: Vec<RunId>, sight: Option<Sight>) -> String {
        let mut word = Word { from: self.0.own, look, sight };
        loop {
            let text = serde_json::to_string(&word).unwrap_or_default();
            if text.len() <= PAYLOAD_BYTES_MAX {
                return text;
            }
            // The end of a text is what is new in it.
            match &mut word.sight {
                Some(sight) => {
                    sight.text = sight.text.chars().skip(sight.text.chars().count() / 2 + 1).collect()
                }
                None => word.look.truncate(word.look.len() / 2),
            }
        }
    }
}

/// Whether one of them is new.
fn keep(looked_at: &LookedAt, runs: impl IntoIterator<Item = RunId>, now: Instant) -> bool {
    let mut looked_at = looked_at.lock().unwrap_or_else(PoisonError::into_inner);
    looked_at.retain(|_, until| *until > now);
    let known = looked_at.len();
    looked_at.extend(runs.into_iter().map(|run| (run, now + LOOKS_FOR)));
    looked_at.len() > known
}

fn is_kept(looked_at: &LookedAt, run: RunId, now: Instant) -> bool {
    let looked_at = looked_at.lock().unwrap_or_else(PoisonError::into_inner);
    looked_at.get(&run).is_some_and(|until| *until > now)
}

fn kept(looked_at: &LookedAt) -> Vec<RunId> {
    let looked_at = looked_at.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    looked_at.iter().filter(|(_, until)| **until > now).map(|(run, _)| *run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(run: RunId, text: &str) -> Sight {
        Sight { run, step: "triage".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn who_no_longer_says_so_does_not_look() {
        let (looked_at, run, now) = (Mutex::default(), RunId(Uuid::new_v4()), Instant::now());
        assert!(!is_kept(&looked_at, run, now));
        assert!(keep(&looked_at, [run], now) && !keep(&looked_at, [run], now), "new once");
        assert!(is_kept(&looked_at, run, now + LOOKS_FOR - Duration::from_millis(1)));
        assert!(!is_kept(&looked_at, run, now + LOOKS_FOR));
        assert!(keep(&looked_at, [run], now + LOOKS_FOR), "and new again");
    }

    #[tokio::test]
    async fn another_process_hears_who_looks_and_tells_what_there_is_to_see() {
        let (console, worker) = (Onlookers::default(), Onlookers::default());
        let run = RunId(Uuid::new_v4());
        let mut sights = console.sights();
        console.look(run);
        let word = console.next_word().await;
        console.hear(&word);
        worker.hear(&word);
        assert!(worker.is_looked_at(run) && !worker.is_looked_at(RunId(Uuid::new_v4())));
        worker.show(sight(run, "so far"));
        console.hear(&worker.next_word().await);
        assert_eq!(sights.try_recv(), Ok(sight(run, "so far")));
        // Nobody elsewhere looks at this one.
        worker.show(sight(RunId(Uuid::new_v4()), "unseen"));
        assert!(worker.0.telling.lock().await.waiting.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_word_fits_into_a_notify() {
        let onlookers = Onlookers::default();
        let long = onlookers
            .word(vec![], Some(sight(RunId(Uuid::new_v4()), &format!("{}end", "\"ä".repeat(9_000)))));
        assert!(long.len() <= PAYLOAD_BYTES_MAX && long.len() > PAYLOAD_BYTES_MAX / 4, "{}", long.len());
        assert!(long.contains("end\""));
        let many = onlookers.word((0..900).map(|_| RunId(Uuid::new_v4())).collect(), None);
        assert!(many.len() <= PAYLOAD_BYTES_MAX, "{}", many.len());
    }
}
