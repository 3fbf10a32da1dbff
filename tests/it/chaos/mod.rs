//! The crash proof: real servers and a real PostgreSQL, killed, frozen and failed over under load, with a ledger of
//! effects outside and a checker that judges what is left. `TAKT_CHAOS_KILLS` says how often (50; from 1,000 on every
//! boundary is visited), `TAKT_CHAOS_SEED` what and when: it decides everything that the operating system does not.

mod boundaries;
mod checker;
mod cluster;
mod faults;
mod ledger;
mod load;
mod nemesis;
mod node;
mod proxy;
mod servers;
mod witness;

use checker::{History, Violation, check};
use cluster::Cluster;
use ledger::{Ledger, Manners};
use load::Load;
use nemesis::Nemesis;
use proxy::Proxy;
use servers::{Armed, Server, Setting};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex as AsyncMutex;

const RUNS_ALIVE: i64 = 24;
/// Kills from which on every crash point has to be reached.
const LONG: u64 = 1_000;
/// After the last kill: the leases of the dead, retries and the rest of every run.
const REST: Duration = Duration::from_secs(150);

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Written directly, because the harness swallows what tests print.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "[chaos] {line}");
}

/// A database that may die, a ledger, a proxy between the two, and a folder for logs.
struct Arena {
    cluster: Arc<AsyncMutex<Cluster>>,
    proxy: Proxy,
    ledger: Ledger,
    load: Load,
    setting: Setting,
    logs: PathBuf,
}

impl Arena {
    /// With a first server run that migrated the database, so that the witness is there before anything happens.
    async fn open(seed: u64, manners: Manners) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let cluster = Cluster::start().await;
        let proxy = Proxy::start(cluster.port()).await;
        let ledger = Ledger::start(seed, manners).await;
        let logs = std::env::temp_dir().join(format!("takt-chaos-{}-{}", std::process::id(), proxy.port));
        std::fs::create_dir_all(&logs).expect("a folder");
        let database = format!("postgres://takt@127.0.0.1:{}/takt?sslmode=disable", proxy.port);
        let setting = Setting { database, ledger: ledger.url.clone(), logs: logs.clone() };
        let mut first = Server::start(&setting, "p0".into(), Armed::default());
        assert!(first.ready().await, "takt serve starts:\n{}", first.log());
        first.kill();
        witness::install(&mut cluster.connect("takt").await).await;
        let cluster = Arc::new(AsyncMutex::new(cluster));
        Self { cluster, proxy, ledger, load: Load::new(seed), setting, logs }
    }

    /// What everybody says happened.
    async fn history(&self) -> History {
        let history = witness::read(&mut self.cluster.lock().await.connect("takt").await).await;
        completed(history, &self.load, &self.ledger)
    }

    fn close(self, violations: &[Violation]) {
        if violations.is_empty() {
            let _ = std::fs::remove_dir_all(&self.logs);
        } else {
            say(&format!("the servers' logs are in {}", self.logs.display()));
        }
    }
}

/// What the database says, with what the outside saw and what the workflows of the site promise.
fn completed(mut history: History, load: &Load, ledger: &Ledger) -> History {
    let acknowledged = load.acknowledged();
    history.requests = ledger.requests();
    history.acknowledged_starts = acknowledged.starts;
    history.acknowledged_events = acknowledged.events;
    history.acknowledged_runs = acknowledged.runs;
    history.acknowledged_answers = acknowledged.answers;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    history.outcomes = BTreeMap::from([
        ("chain".to_owned(), words(&["done", "rejected"])),
        ("part".to_owned(), words(&["done"])),
        ("undoing".to_owned(), words(&["failed"])),
        ("fan".to_owned(), words(&["done"])),
    ]);
    let steps: BTreeSet<String> = words(&["first", "second", "third"]).into_iter().collect();
    history.undoable = BTreeMap::from([("undoing".to_owned(), steps)]);
    history
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_done_twice_whatever_dies() {
    let kills = u32::try_from(number("TAKT_CHAOS_KILLS", 50)).expect("a number");
    let seed = number("TAKT_CHAOS_SEED", u64::from(rand::random::<u32>()));
    say(&format!("TAKT_CHAOS_SEED={seed} TAKT_CHAOS_KILLS={kills}"));
    let begun = Instant::now();
    let arena = Arena::open(seed, Manners { slow: 10, busy: 5, silent: 5 }).await;
    let (cluster, load) = (arena.cluster.clone(), arena.load.clone());
    let mut nemesis =
        Nemesis::new(seed, arena.setting.clone(), cluster.clone(), arena.proxy.clone(), load.clone()).await;
    let play = tokio::spawn(load.clone().play(cluster.clone()));
    let busy = tokio::spawn(load.clone().keep_busy(cluster.clone(), RUNS_ALIVE));
    nemesis.rage(kills).await;
    let raged = begun.elapsed();
    busy.abort();
    let left = load.drained(&cluster, REST).await;
    play.abort();
    let history = arena.history().await;
    let violations = check(&history);
    let (starts, answers) = (
        history.acknowledged_starts.len() + history.acknowledged_runs.len(),
        history.acknowledged_answers.len(),
    );
    say(&format!(
        "{} kills in {} s, {} s in all: {:?}",
        nemesis.total(),
        raged.as_secs(),
        begun.elapsed().as_secs(),
        nemesis.kills
    ));
    say(&format!(
        "{} runs ({left} left), {starts} starts and {answers} answers acknowledged, {} requests in the ledger, {} journal \
         records; {} violations",
        history.runs.len(),
        history.requests.len(),
        history.records.values().map(Vec::len).sum::<usize>(),
        violations.len()
    ));
    let unreached = nemesis.unreached();
    say(&format!("armed, and not reached: {:?}; never reached: {unreached:?}", nemesis.missed));
    drop(nemesis);
    arena.close(&violations);
    let first: Vec<String> = violations.iter().take(20).map(ToString::to_string).collect();
    assert!(
        violations.is_empty(),
        "TAKT_CHAOS_SEED={seed}: {} violations\n{}",
        violations.len(),
        first.join("\n")
    );
    assert!(starts > 0 && answers > 0, "there was load");
    assert!(u64::from(kills) < LONG || unreached.is_empty(), "nobody died at {unreached:?}");
}
