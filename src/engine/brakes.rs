//! What may hold a run of this worker back at a step boundary: a person who asked for it meanwhile, and the budget
//! of retries that keeps a system in trouble from being flooded with them.
//!
//! A retry asks when it is due. First calls to a system earn a fifth of one each, time earns a few more, and each retry
//! that the system answers earns the next: one that is well again gets more and more of them, up to twenty a second. Who is
//! turned away is not dropped but asks again behind all that wait already, so that no crowd asks at once, however large it
//! is; who asks for the first time while others wait goes behind them. Who is woken by something else before its turn keeps
//! its place, as long as the process lives that turned it away: one that takes its run over gives it another.

use crate::run::{RunId, StepPath};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Retries earned by one first call: at most 20 % of calls are retries, beyond the floor.
const PER_CALL: f64 = 0.2;
/// The floor: retries of a system that are always possible, in each second.
const PER_SECOND: f64 = 0.2;
/// Retries that a quiet system has saved up, and most that are under way without an answer.
const SAVED_MAX: f64 = 20.0;
/// One retry, but for rounding.
const WHOLE: f64 = 0.999;
/// Of those that were turned away, so many ask again in each second.
const ASKS_PER_SECOND: f64 = 50.0;
/// Two threads ask in another order than they looked at the clock; one that is set back goes further.
const SET_BACK: f64 = 0.5;
/// Times are kept in microseconds: whoever is this close to its turn has it.
const CLOSE: f64 = 0.001;
/// So many turns are kept without looking whether they have passed.
const TURNS_MIN: usize = 64;

/// Shared by every run of a worker.
#[derive(Debug, Default)]
pub struct Brakes {
    asked: Mutex<BTreeSet<RunId>>,
    budgets: Mutex<BTreeMap<String, Budget>>,
}

/// Whose it is, and for which attempt.
type Turn = (RunId, StepPath, u32);

#[derive(Debug)]
struct Budget {
    /// Retries that may go out now.
    left: f64,
    /// Seconds of the engine's clock.
    at: f64,
    /// Behind the last of those that will ask again, in the same seconds.
    end_of_queue: f64,
    /// When those who were turned away ask again. One that has passed is like none: its run has ended, or is elsewhere.
    turns: BTreeMap<Turn, f64>,
    /// With so many, those that have passed are let go.
    turns_max: usize,
    /// It has turned retries away: what is left was earned here.
    has_deferred: bool,
    deferred: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Brakes {
    /// The runs of this worker that somebody asked to pause or cancel.
    pub fn ask(&self, runs: impl IntoIterator<Item = RunId>) {
        *lock(&self.asked) = runs.into_iter().collect();
    }

    /// Whether somebody asked for this run; it hears what they said when it is read again.
    pub fn is_asked(&self, run: RunId) -> bool {
        lock(&self.asked).contains(&run)
    }

    /// The run has just been read with all its news.
    pub fn heard(&self, run: RunId) {
        lock(&self.asked).remove(&run);
    }

    /// A first call to a system.
    pub fn called(&self, system: &str, now: f64) {
        let mut budgets = lock(&self.budgets);
        let budget = budget(&mut budgets, system, now);
        budget.left = (budget.left + PER_CALL).min(SAVED_MAX);
    }

    /// A system has answered a retry.
    pub fn answered(&self, system: &str, now: f64) {
        let mut budgets = lock(&self.budgets);
        let budget = budget(&mut budgets, system, now);
        budget.left = (budget.left + 1.0).min(SAVED_MAX);
    }

    /// Takes a retry that is due from the budget; when there is none left, after how long to ask again. Each `attempt` of a
    /// call has a turn of its own; `has_waited` says that it was turned away before, perhaps by another process.
    pub fn retry(
        &self,
        system: &str,
        (run, path, attempt): (RunId, &StepPath, u32),
        now: f64,
        has_waited: bool,
    ) -> Option<Duration> {
        let mut budgets = lock(&self.budgets);
        let budget = budget(&mut budgets, system, now);
        let who = (run, path.clone(), attempt);
        // A signal may wake its run at any time: asking anew, it would never come to its turn.
        if let Some(turn) = budget.turns.remove(&who).filter(|turn| turn - now > CLOSE) {
            budget.turns.insert(who, turn);
            return Some(Duration::from_secs_f64(turn - now));
        }
        if has_waited && !budget.has_deferred {
            // The storm is older than this budget: a process that is started again has saved up nothing for it.
            budget.left = budget.left.min(0.0);
        }
        if budget.left >= WHOLE && (has_waited || budget.end_of_queue <= now) {
            budget.left -= 1.0;
            return None;
        }
        budget.has_deferred = true;
        budget.deferred += u32::from(!has_waited);
        let earned_at = now + (1.0 - budget.left).max(0.0) / PER_SECOND;
        let turn = budget.end_of_queue.max(earned_at);
        budget.end_of_queue = turn + 1.0 / ASKS_PER_SECOND;
        // By the second, so that a worker looks once for all of them.
        let turn = turn.ceil();
        budget.keep(who, turn, now);
        Some(Duration::from_secs_f64(turn - now))
    }

    /// Retries deferred since this was last asked, by system.
    pub fn take_deferred(&self) -> Vec<(String, u32)> {
        let mut budgets = lock(&self.budgets);
        let counted = budgets.iter_mut().filter(|(_, budget)| budget.deferred > 0);
        counted.map(|(system, budget)| (system.clone(), std::mem::take(&mut budget.deferred))).collect()
    }
}

impl Budget {
    fn keep(&mut self, who: Turn, turn: f64, now: f64) {
        if self.turns.len() >= self.turns_max {
            self.turns.retain(|_, turn| *turn > now);
            self.turns_max = TURNS_MIN.max(2 * self.turns.len());
        }
        self.turns.insert(who, turn);
    }
}

fn budget<'a>(budgets: &'a mut BTreeMap<String, Budget>, system: &str, now: f64) -> &'a mut Budget {
    let fresh = Budget {
        left: SAVED_MAX,
        at: now,
        end_of_queue: now,
        turns: BTreeMap::new(),
        turns_max: TURNS_MIN,
        has_deferred: false,
        deferred: 0,
    };
    let budget = budgets.entry(system.to_owned()).or_insert(fresh);
    if budget.at - now > SET_BACK {
        // Nobody waits for the time that the clock showed.
        (budget.end_of_queue, budget.at) = (now, now);
        budget.turns.clear();
    }
    // Turns are by the second: all have passed.
    if budget.end_of_queue + 1.0 <= now {
        budget.turns.clear();
    }
    let passed = (now - budget.at).max(0.0);
    budget.left = (budget.left + passed * PER_SECOND).min(SAVED_MAX);
    budget.at = budget.at.max(now);
    budget
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn ask(brakes: &Brakes, system: &str, retry: usize, now: f64, has_waited: bool) -> Option<Duration> {
        let run = RunId(Uuid::from_u128(retry as u128));
        brakes.retry(system, (run, &StepPath::root("call"), 1), now, has_waited)
    }

    /// What happens to a retry of a storm.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Event {
        Answered,
        Asks { has_waited: bool },
    }

    /// Many retries of one system, by the millisecond in which the next thing happens to them.
    struct Storm {
        events: BTreeSet<(u64, Event, usize)>,
        wait_max: Duration,
    }

    impl Storm {
        fn of(retries: usize) -> Self {
            let ask = |id| (0, Event::Asks { has_waited: false }, id);
            Self { events: (0..retries).map(ask).collect(), wait_max: Duration::ZERO }
        }

        /// Plays up to a time and tells when retries went out. From `well_at` on the system answers them; until then they
        /// fail and are due again.
        fn play(&mut self, brakes: &Brakes, well_at: u64, until: u64) -> Vec<u64> {
            let mut gone = Vec::new();
            while let Some(next) = self.events.first().copied().filter(|(at, ..)| *at < until) {
                self.events.remove(&next);
                let (at, event, id) = next;
                let now = at as f64 / 1000.0;
                let Event::Asks { has_waited } = event else {
                    brakes.answered("erp", now);
                    continue;
                };
                if let Some(wait) = ask(brakes, "erp", id, now, has_waited) {
                    self.wait_max = self.wait_max.max(wait);
                    let pause = u64::try_from(wait.as_micros().div_ceil(1000)).unwrap();
                    self.events.insert((at + pause, Event::Asks { has_waited: true }, id));
                    continue;
                }
                gone.push(at);
                self.events.insert(match at >= well_at {
                    true => (at + 100, Event::Answered, id),
                    false => (at + 2_000, Event::Asks { has_waited: false }, id),
                });
            }
            gone
        }
    }

    /// Most that went out within any window of so many milliseconds.
    fn most_within(gone: &[u64], window: u64) -> usize {
        let within =
            |(first, at): (usize, &u64)| gone[first..].iter().take_while(|next| **next < at + window).count();
        gone.iter().enumerate().map(within).max().unwrap_or(0)
    }

    #[test]
    fn ten_thousand_retries_go_out_at_the_pace_of_the_budget_and_none_is_dropped() {
        const RETRIES: usize = 10_000;
        const HOUR: u64 = 3_600_000;
        let (mut storm, brakes) = (Storm::of(RETRIES), Brakes::default());
        let down = storm.play(&brakes, u64::MAX, 2 * HOUR);
        assert_eq!(down.iter().take_while(|at| **at == 0).count(), 20, "what was saved up goes at once");
        assert!(down.len() > 1_400, "the floor is used: {}", down.len());
        for seconds in [10, 60, 600, 3_600] {
            let (all, later) = (most_within(&down, seconds * 1000), most_within(&down[20..], seconds * 1000));
            let floor = usize::try_from(seconds / 5).unwrap();
            assert!(all <= 20 + floor + 1 && later <= floor + 1, "{all} and {later} in {seconds} s");
        }
        assert_eq!(storm.events.len(), RETRIES, "none was dropped");
        assert!(storm.wait_max <= Duration::from_secs(10_000 / 50 + 6), "{:?}", storm.wait_max);

        // Another process takes them up: it has saved up nothing for them.
        let brakes = Brakes::default();
        let again = storm.play(&brakes, u64::MAX, 3 * HOUR);
        assert!(most_within(&again, 60_000) <= 14, "{}", most_within(&again, 60_000));
        assert_eq!(storm.events.len(), RETRIES, "none was dropped");

        // The system is well: all go out within minutes, never more at a time than may be without an answer.
        let well = storm.play(&brakes, 3 * HOUR, 4 * HOUR);
        assert_eq!(well.len(), RETRIES, "each was repeated once");
        assert!(storm.events.is_empty(), "none waits any more");
        assert!(most_within(&well, 100) <= 20, "{}", most_within(&well, 100));
        let took = well.last().unwrap() - 3 * HOUR;
        assert!(took < 15 * 60 * 1000, "{took} ms");
    }

    #[test]
    fn a_quiet_system_has_saved_up_some_and_each_has_its_own() {
        let brakes = Brakes::default();
        let waits: Vec<Option<Duration>> = (0..40).map(|id| ask(&brakes, "plex", id, 0.0, false)).collect();
        assert!(waits[..20].iter().all(Option::is_none), "what was saved up goes at once: {waits:?}");
        let later: Vec<u64> = waits[20..].iter().map(|wait| wait.map_or(0, |wait| wait.as_secs())).collect();
        assert_eq!(later[..2], [5, 6], "not before the next is earned");
        assert_eq!(brakes.take_deferred(), [("plex".to_owned(), 20)]);
        assert!(ask(&brakes, "plex", 40, 1.0, true).is_some());
        assert_eq!(brakes.take_deferred(), [], "who asks again was counted");
        assert_eq!(ask(&brakes, "erp", 0, 0.0, false), None, "another system has its own budget");
    }

    #[test]
    fn a_fifth_of_the_calls_may_be_retries() {
        let brakes = Brakes::default();
        for id in 0..20 {
            assert_eq!(ask(&brakes, "plex", id, 0.0, false), None);
        }
        for _ in 0..50 {
            brakes.called("plex", 0.0);
        }
        let at_once = (20..70).filter(|id| ask(&brakes, "plex", *id, 0.0, false).is_none()).count();
        assert!((9..=10).contains(&at_once), "{at_once} of 50 calls");
    }

    #[test]
    fn time_and_answers_earn_retries() {
        let brakes = Brakes::default();
        let asked = |id, now| ask(&brakes, "plex", id, now, true);
        assert!(asked(0, 0.0).is_some());
        assert!(asked(1, 4.0).is_some());
        assert_eq!(asked(0, 5.0), None);
        assert!(asked(2, 5.0).is_some());
        brakes.answered("plex", 5.0);
        assert_eq!(asked(3, 5.0), None);
    }

    #[test]
    fn who_is_woken_before_its_turn_keeps_its_place_and_takes_no_other() {
        const LAST: usize = 1_000;
        let brakes = Brakes::default();
        let waits: Vec<Option<Duration>> = (0..=LAST).map(|id| ask(&brakes, "plex", id, 0.0, true)).collect();
        let turn = waits[LAST].expect("it has to wait").as_secs();
        assert!((20..30).contains(&turn), "behind all the others: {turn} s");
        for second in 1..turn {
            let wait = ask(&brakes, "plex", LAST, second as f64, true);
            assert_eq!(wait, Some(Duration::from_secs(turn - second)), "after {second} s");
        }
        // Nobody else has to wait longer for it.
        let next = ask(&brakes, "plex", LAST + 1, (turn - 1) as f64, false);
        assert!(next.is_some_and(|wait| wait <= Duration::from_secs(2)), "{next:?}");
        assert_eq!(ask(&brakes, "plex", LAST, turn as f64, true), None, "it goes out in its turn");
        // An hour later nobody waits, and nothing of them is kept.
        brakes.called("plex", 3_600.0);
        assert!(lock(&brakes.budgets)["plex"].turns.is_empty());
    }

    /// An hour-long outage, in which runs are turned away once and then cancelled.
    #[test]
    fn turns_of_runs_that_never_come_back_are_let_go_while_others_wait() {
        const STANDING: usize = 100;
        let brakes = Brakes::default();
        let mut standing: BTreeSet<(u64, usize)> = (0..STANDING).map(|id| (0, id)).collect();
        let (mut most, mut turned_away) = (0, 0);
        for second in 0..3_600_u64 {
            let now = second as f64;
            for id in 0..20 {
                let run = STANDING + 20 * usize::try_from(second).unwrap() + id;
                turned_away += usize::from(ask(&brakes, "plex", run, now, false).is_some());
            }
            while let Some((at, id)) = standing.first().copied().filter(|(at, _)| *at <= second) {
                standing.remove(&(at, id));
                let wait = ask(&brakes, "plex", id, now, true).map_or(1, |wait| wait.as_secs().max(1));
                standing.insert((second + wait, id));
            }
            let budgets = lock(&brakes.budgets);
            assert!(budgets["plex"].end_of_queue + 1.0 > now || second == 0, "somebody always waits");
            most = most.max(budgets["plex"].turns.len());
        }
        assert!(turned_away > 60_000, "{turned_away}");
        assert!(most <= 2_000, "{most} of {turned_away}");
    }

    #[test]
    fn a_turn_is_of_one_attempt() {
        let brakes = Brakes::default();
        let (run, path) = (RunId(Uuid::from_u128(1)), StepPath::root("call"));
        let asked = |attempt, now| brakes.retry("plex", (run, &path, attempt), now, true);
        let first = asked(1, 0.0).expect("a process that has saved up nothing turns it away");
        assert_eq!(first, Duration::from_secs(5));
        // Meanwhile a person had it tried again, and the system gets well.
        (0..3).for_each(|_| brakes.answered("plex", 1.0));
        assert_eq!(asked(1, 1.0), Some(Duration::from_secs(4)));
        assert_eq!(asked(2, 1.0), None, "what the attempt before waited for is not its own");
    }

    #[test]
    fn a_clock_that_was_set_back_leaves_nobody_waiting_for_its_time() {
        let brakes = Brakes::default();
        assert!(ask(&brakes, "plex", 0, 1e6, true).is_some());
        let wait = ask(&brakes, "plex", 0, 100.0, true);
        assert!(wait.is_some_and(|wait| wait <= Duration::from_secs(6)), "{wait:?}");
    }
}
