//! The simulation: engine, time, people and faults from one seed, thousands of schedules a minute, with what must
//! always hold checked after every event. `TAKT_SIM_SEED` plays one seed again and prints what happened;
//! `TAKT_SIM_SCHEDULES` says how many are played (400).

mod outside;
mod schedule;
mod store;

use schedule::{Told, play};
use serde_json::Value;
use std::{
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use takt::{
    app,
    engine::{Definitions, Ladders},
    site::{Environment, Overrides},
    tool::Registry,
};

/// A defect of the simulated database or of a worker, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Commits of workers that were taken over are taken.
    SkipFence,
    /// Steps go on before their commit.
    AckBeforeCommit,
    /// A run whose commit may still come to be is given to others at once.
    GiveBackTooSoon,
    /// A run parks over news that came meanwhile.
    ParkForgetsNews,
    /// Workers never ask whether their lease still holds.
    NoLease,
    /// What is not there after two seconds is believed not to come, though what was sent may arrive for a minute.
    BelievesTooSoon,
}

/// The site of the crash proof, compiled once.
pub struct Plant {
    tools: Registry,
    definitions: Arc<Definitions>,
    ladders: Arc<dyn Ladders>,
    site: Value,
}

impl Plant {
    fn load() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/chaos");
        let _ = rustls::crypto::ring::default_provider().install_default();
        let loaded =
            app::Plant::load(&folder, &Environment::of([]), &Overrides::default()).expect("the site");
        let definitions = Definitions::default();
        definitions.publish_in_memory(loaded.library.definitions().cloned().collect());
        let ladders: Arc<dyn Ladders> = Arc::new(app::SiteLadders(loaded.site.clone()));
        Self { tools: loaded.tools, definitions: Arc::new(definitions), ladders, site: loaded.site.scope() }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Written directly, because the harness swallows what tests print.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "[simulation] {line}");
}

/// The first seed from `from` on that breaks something.
fn first_broken(plant: &Plant, from: u64, count: u64, mutation: Option<Mutation>) -> Option<(u64, Told)> {
    let next = AtomicU64::new(from);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let mut broken: Vec<(u64, Told)> = std::thread::scope(|scope| {
        let play_some = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= from + count {
                    return None;
                }
                let told = play(plant, seed, mutation);
                if !told.violations.is_empty() {
                    next.store(from + count, Ordering::Relaxed);
                    return Some((seed, told));
                }
            }
        };
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(play_some)).collect();
        players.into_iter().filter_map(|player| player.join().expect("a player")).collect()
    });
    broken.sort_by_key(|(seed, _)| *seed);
    broken.into_iter().next()
}

#[test]
fn a_simulation_of_many_schedules_breaks_nothing() {
    let plant = Plant::load();
    if let Some(seed) = number("TAKT_SIM_SEED") {
        let told = play(&plant, seed, None);
        told.trace.iter().for_each(|line| say(line));
        assert!(told.violations.is_empty(), "TAKT_SIM_SEED={seed}\n{}", told.violations.join("\n"));
        return;
    }
    let count = number("TAKT_SIM_SCHEDULES").unwrap_or(400);
    let from = u64::from(rand::random::<u32>());
    let begun = Instant::now();
    let broken = first_broken(&plant, from, count, None);
    let seconds = begun.elapsed().as_secs_f64();
    if let Some((seed, told)) = broken {
        let last: Vec<&String> = told.trace.iter().rev().take(40).collect();
        last.iter().rev().for_each(|line| say(line));
        panic!("play it again with TAKT_SIM_SEED={seed}:\n{}", told.violations.join("\n"));
    }
    let per_minute = count as f64 / seconds * 60.0;
    say(&format!(
        "{count} schedules from seed {from} in {seconds:.1} s: {per_minute:.0} a minute, no violation"
    ));
}

#[test]
fn a_seed_of_the_simulation_plays_the_same_again() {
    let plant = Plant::load();
    let mut records = 0;
    for seed in 0..12 {
        let (one, two) = (play(&plant, seed, None), play(&plant, seed, None));
        assert_eq!(one.trace, two.trace, "seed {seed}");
        assert_eq!(one.journal, two.journal, "seed {seed}");
        records += one.records;
    }
    assert!(records > 120, "they do something: {records}");
}

#[test]
fn the_simulation_finds_what_is_broken() {
    let plant = Plant::load();
    let mutations = [
        Mutation::SkipFence,
        Mutation::AckBeforeCommit,
        Mutation::GiveBackTooSoon,
        Mutation::ParkForgetsNews,
        Mutation::NoLease,
        Mutation::BelievesTooSoon,
    ];
    for mutation in mutations {
        let found = first_broken(&plant, 0, 10_000, Some(mutation));
        let (seed, told) = found.unwrap_or_else(|| panic!("{mutation:?} was not found in 10,000 schedules"));
        say(&format!("{mutation:?} found by seed {seed}: {}", told.violations[0]));
    }
}
