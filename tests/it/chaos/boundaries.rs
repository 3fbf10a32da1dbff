//! A worker killed at every boundary of a journal: just before and just after each commit of a run that waits, asks,
//! begins a child or takes back what it did. In the short mode at some of them, spread over the run.

use super::{
    LONG,
    checker::{History, Violation, check},
    completed,
    ledger::{Ledger, Manners},
    load::Load,
    number, say,
    servers::{Armed, Server, Setting},
    witness,
};
use crate::support::pg::{self, Database};
use sqlx::{PgConnection, PgPool};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use takt::{
    run::Change,
    store::{Store, hints},
};
use tokio::task::JoinHandle;

/// With how many writes they have, their children's among them: each waits for a commit of its own.
const WORKFLOWS: [(&str, u32); 2] = [("chain", 7), ("undoing", 8)];
const POINTS: [&str; 2] = ["before_commit", "after_commit"];
/// Boundaries of each kind that the short mode visits in a workflow.
const SOME: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// What waits for a time that is near gets it now; what people are given is left to them.
const HURRY: &str = "
with soonest as (
    select min(next_at) - takt_now() as pause from run
    where state = 'parked' and next_at > takt_now() and next_at < takt_now() + interval '15 seconds')
update clock set ahead = ahead + pause from soonest where pause is not null";

/// The dead are known to be dead here: nobody has to wait for their lease.
const END_LEASES: &str = "update worker set lease_until = clock_timestamp() - interval '1 second'";

const COMMITS: &str =
    "select count(distinct xid) from witness.log where what = 'record' and seq > 0 and process = 'first'";

struct Stage {
    database: Database,
    ledger: Ledger,
    load: Load,
    setting: Setting,
}

/// A run that is over, and what is known of it.
struct Ended {
    has_died: bool,
    /// Of the first worker.
    commits: u32,
    /// Workflow and step of everything that was done.
    done: BTreeSet<(String, String)>,
}

impl Stage {
    async fn open() -> Self {
        let database = pg::database().await;
        let mut db = database.pool.acquire().await.expect("a connection");
        witness::install(&mut db).await;
        drop(db);
        let ledger = Ledger::start(1, Manners::default()).await;
        let logs = std::env::temp_dir().join(format!("takt-boundaries-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&logs).expect("a folder");
        let setting = Setting { database: database.url.clone(), ledger: ledger.url.clone(), logs };
        Self { database, ledger, load: Load::agreeing(1), setting }
    }

    async fn serve(&self, name: &str, crash_at: Option<String>) -> Server {
        let mut server = Server::start(&self.setting, name.into(), Armed { crash_at, fault: None });
        assert!(server.ready().await, "{name} starts:\n{}", server.log());
        self.load.set_doors(vec![server.url.clone()]);
        server
    }

    /// Waits until the server has died or every run is over; whether it has died.
    async fn dies(&self, server: &mut Server, sending: &JoinHandle<String>, visit: Option<u32>) -> bool {
        let store = Store::from_pool(self.database.pool.clone());
        let mut db = self.database.pool.acquire().await.expect("a connection");
        let begun = Instant::now();
        while !server.is_dead() {
            let is_sent = sending.is_finished();
            let is_over = is_sent && witness::unfinished(&mut db).await.expect("a count") == 0;
            // The end may be seen before the process that wrote it has died of it.
            if is_over && !is_doomed(&mut db, visit).await {
                return false;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end:\n{}", server.log());
            let hurried = sqlx::query(HURRY).execute(&mut *db).await.expect("a clock");
            if hurried.rows_affected() > 0 {
                hints::send(&store).await.expect("a hint");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    async fn history(&self) -> History {
        let mut db = self.database.pool.acquire().await.expect("a connection");
        let mut history = completed(witness::read(&mut db).await, &self.load, &self.ledger);
        // Nobody says no here.
        history.outcomes.insert("chain".into(), vec!["done".into()]);
        history
    }
}

async fn commits(db: &mut PgConnection) -> u32 {
    u32::try_from(witness::count(db, COMMITS).await).expect("a count")
}

/// It has come to the visit at which it is to die.
async fn is_doomed(db: &mut PgConnection, visit: Option<u32>) -> bool {
    match visit {
        Some(visit) => commits(db).await >= visit,
        None => false,
    }
}

/// People and plant, until it is aborted or the database is gone.
async fn people(load: Load, pool: PgPool) {
    while let Ok(mut db) = pool.acquire().await {
        while load.play_once(&mut db).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// One run of a workflow. Its first worker dies at a visit of a point, if it comes to that, and a second ends it.
async fn play(workflow: &'static str, at: Option<(&str, u32)>) -> Ended {
    let stage = Stage::open().await;
    let crash_at = at.map(|(point, visit)| format!("{point}:{visit}"));
    let what = format!("{workflow} killed at {crash_at:?}");
    let mut server = stage.serve("first", crash_at).await;
    let load = stage.load.clone();
    let sending = tokio::spawn(async move { load.start(workflow).await });
    let playing = tokio::spawn(people(stage.load.clone(), stage.database.pool.clone()));
    let has_died = stage.dies(&mut server, &sending, at.map(|(_, visit)| visit)).await;
    if has_died {
        assert!(server.has_aborted(), "{what}: it died of something else:\n{}", server.log());
        sqlx::query(END_LEASES).execute(&stage.database.pool).await.expect("an end");
        server = stage.serve("second", None).await;
        let dies_too = stage.dies(&mut server, &sending, None).await;
        assert!(!dies_too, "{what}: the second died:\n{}", server.log());
    }
    playing.abort();
    let history = stage.history().await;
    let violations = check(&history);
    let list = || violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("\n");
    assert!(violations.is_empty(), "{what}, logs in {}:\n{}", stage.setting.logs.display(), list());
    let mut db = stage.database.pool.acquire().await.expect("a connection");
    let commits = commits(&mut db).await;
    drop((server, db));
    let _ = std::fs::remove_dir_all(&stage.setting.logs);
    Ended { has_died, commits, done: done_in(&history) }
}

fn done_in(history: &History) -> BTreeSet<(String, String)> {
    let done = history.records.iter().flat_map(|(run, records)| {
        let workflow = history.runs[run].workflow.as_str();
        records.iter().filter_map(move |record| match (&record.change, &record.path) {
            (Change::Done { .. }, Some(path)) => Some((workflow.to_owned(), path.to_string())),
            _ => None,
        })
    });
    done.collect()
}

/// Kills at one boundary after the other, until there is none left; how many there were.
async fn walk(workflow: &'static str, point: &str, first: u32, stride: u32, whole: &Ended) -> u32 {
    let (mut visit, mut kills) = (first, 0);
    loop {
        let ended = play(workflow, Some((point, visit))).await;
        assert_eq!(ended.done, whole.done, "{workflow} killed at {point}:{visit}");
        if !ended.has_died {
            let commits = ended.commits;
            assert!(commits < visit, "{workflow}: {commits} commits, and nobody died at {point}:{visit}");
            return kills;
        }
        kills += 1;
        visit += stride;
    }
}

/// Kills over a workflow at both kinds of boundary.
async fn visit(workflow: &'static str, writes: u32, is_long: bool) -> u32 {
    let whole = play(workflow, None).await;
    assert!(whole.commits >= writes, "{workflow}: {} commits of {writes} writes", whole.commits);
    let stride = if is_long { 1 } else { whole.commits.div_ceil(SOME) };
    // In the short mode the two kinds take turns along the run.
    let firsts = [1, 1 + stride / 2];
    let walks = POINTS.into_iter().zip(firsts);
    let walks = walks.map(|(point, first)| walk(workflow, point, first, stride, &whole));
    let kills: u32 = futures::future::join_all(walks).await.into_iter().sum();
    say(&format!("{workflow}: {} commits undisturbed, {kills} kills around them", whole.commits));
    kills
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_at_any_boundary_of_the_journal_is_taken_over_without_a_trace() {
    let is_long = number("TAKT_CHAOS_KILLS", 50) >= LONG;
    let visits = WORKFLOWS.map(|(workflow, writes)| visit(workflow, writes, is_long));
    let kills = futures::future::join_all(visits).await;
    assert!(kills.iter().all(|kills| *kills >= 2), "{kills:?}");
}
