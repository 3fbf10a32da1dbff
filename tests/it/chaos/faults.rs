//! Directed scenes: one that once went wrong, and the seeded faults that must turn the checker red.

use super::{
    Arena,
    checker::{Rule, Violation, check},
    ledger::Manners,
    servers::{Armed, Server},
    witness,
};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// A fault may leave runs that never end.
const REST: Duration = Duration::from_secs(20);

/// One arena, and servers that are started by hand.
struct Scene {
    arena: Arena,
}

impl Scene {
    async fn open() -> Self {
        Self { arena: Arena::open(1, Manners::default()).await }
    }

    async fn server(&self, name: &str, fault: Option<&'static str>) -> Server {
        let mut server = Server::start(&self.arena.setting, name.into(), Armed { crash_at: None, fault });
        assert!(server.ready().await, "{name} starts:\n{}", server.log());
        self.arena.load.set_doors(vec![server.url.clone()]);
        server
    }

    /// Waits until the ledger got a request for this step from this process.
    async fn requested(&self, process: &str, step: &str, class: &str) {
        let begun = Instant::now();
        let is_it = |request: &super::ledger::Request| {
            request.process == process && request.step == step && request.class == class
        };
        while !self.arena.ledger.requests().iter().any(is_it) {
            assert!(begun.elapsed() < PATIENCE, "{process} never asked for `{step}`");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a query of the witness's log counts this many.
    async fn witnessed(&self, count: i64, condition: &str) {
        let sql = format!("select count(*) from witness.log where {condition}");
        let mut db = self.arena.cluster.lock().await.connect("takt").await;
        let begun = Instant::now();
        while witness::count(&mut db, &sql).await < count {
            assert!(begun.elapsed() < PATIENCE, "never seen: {condition}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Plays people and plant until every run is over, and judges.
    async fn judged(&self) -> Vec<Violation> {
        let (load, cluster) = (self.arena.load.clone(), self.arena.cluster.clone());
        let play = tokio::spawn(load.clone().play(cluster.clone()));
        let left = load.drained(&cluster, REST).await;
        play.abort();
        let violations = check(&self.arena.history().await);
        assert!(left == 0 || !violations.is_empty(), "a run that is stuck is a violation");
        violations
    }

    /// A worker is frozen in the middle of an unsafe call, taken over, and woken: when all is done, or, with a fault,
    /// while its call could still go out.
    async fn freeze_in_the_middle_of_a_call(&self, fault: Option<&'static str>) -> Vec<Violation> {
        let mut first = self.server("first", fault).await;
        self.arena.ledger.hold("note");
        self.arena.load.start("chain").await;
        self.requested("first", "note", "read").await;
        first.freeze();
        let _second = self.server("second", None).await;
        self.witnessed(1, "what = 'record' and kind = 'waiting' and path = 'note'").await;
        if fault.is_none() {
            self.requested("second", "note", "unsafe").await;
            self.witnessed(1, "what = 'record' and kind = 'done' and path = 'note'").await;
        }
        // The answer that the frozen worker waits for lies ready when it wakes.
        self.arena.ledger.release();
        tokio::time::sleep(Duration::from_millis(200)).await;
        first.thaw();
        match fault {
            None => self.witnessed(2, "what = 'registered' and process = 'first'").await,
            Some(_) => self.requested("first", "note", "unsafe").await,
        }
        let violations = self.judged().await;
        drop(first);
        violations
    }
}

fn rules(violations: &[Violation]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = violations.iter().map(|violation| violation.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

fn listed(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_frozen_in_the_middle_of_a_call_sends_nothing_after_it_was_taken_over() {
    let violations = Scene::open().await.freeze_in_the_middle_of_a_call(None).await;
    assert!(violations.is_empty(), "{}", listed(&violations));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skipped_fence_is_found() {
    let violations = Scene::open().await.freeze_in_the_middle_of_a_call(Some("skip_fence")).await;
    // It takes effect once even so: whoever took over waits until nothing can arrive any more, and finds it.
    assert_eq!(rules(&violations), [Rule::NoEffectAfterFence], "{}", listed(&violations));
}

/// The database is out of reach between a step's end and the next one's beginning.
async fn lose_the_database_between_two_steps(fault: Option<&'static str>) -> Vec<Violation> {
    let scene = Scene::open().await;
    let mut first = scene.server("first", fault).await;
    scene.arena.ledger.hold("look");
    scene.arena.load.start("chain").await;
    scene.requested("first", "look", "read").await;
    scene.arena.proxy.hold(true);
    scene.arena.ledger.release();
    match fault {
        // The next step must not go out: nothing says that it began.
        None => tokio::time::sleep(Duration::from_secs(1)).await,
        Some(_) => scene.requested("first", "set", "idempotent").await,
    }
    first.kill();
    scene.arena.proxy.hold(false);
    scene.arena.proxy.cut();
    let _second = scene.server("second", None).await;
    scene.judged().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_changes_something_begins_only_when_the_journal_has_it() {
    let violations = lose_the_database_between_two_steps(None).await;
    assert!(violations.is_empty(), "{}", listed(&violations));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_before_the_commit_is_found() {
    let violations = lose_the_database_between_two_steps(Some("ack_before_commit")).await;
    assert!(rules(&violations).contains(&Rule::StartedBeforeEffect), "{}", listed(&violations));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_undo_is_found() {
    for fault in [None, Some("drop_undo")] {
        let scene = Scene::open().await;
        let _server = scene.server("only", fault).await;
        scene.arena.load.start("undoing").await;
        let violations = scene.judged().await;
        let wanted = if fault.is_some() { vec![Rule::EffectHappened] } else { vec![] };
        assert_eq!(rules(&violations), wanted, "{}", listed(&violations));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_routed_twice_is_found() {
    for fault in [None, Some("route_twice")] {
        let scene = Scene::open().await;
        let _server = scene.server("only", fault).await;
        scene.arena.load.start("fan").await;
        let violations = scene.judged().await;
        let wanted = if fault.is_some() { vec![Rule::StartedOnce] } else { vec![] };
        assert_eq!(rules(&violations), wanted, "{}", listed(&violations));
    }
}
