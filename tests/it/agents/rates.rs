//! What a site says a model may be asked in a time: two workers with one database between them keep it together.

use super::{
    ledger, plant_with, run_of, stop,
    storm::{agent, task},
    wire::endpoint,
};
use crate::support::{
    pg,
    wire::{Said, Wire, answer},
};
use chrono::TimeDelta;
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use takt::{
    agent::{Endpoints, Entry, Model, Source},
    connector::openai::OpenAi,
    engine::SharedEndpoints,
    run::{Quota, Share},
    step::model_endpoint,
    store::Store,
};

const AGENTS: usize = 40;

/// How long after the start each request came, of agents that half belong to one worker and half to the other.
async fn asked(quota: Quota, tokens: u64) -> Vec<Duration> {
    let wire = Wire::start(move |_| {
        let mut body = answer(&json!({ "summary": "Bad." }));
        body["usage"] =
            json!({ "prompt_tokens": tokens - 100, "completion_tokens": 100, "total_tokens": tokens });
        Said::json(200, &body)
    })
    .await;
    let database = pg::database().await;
    let store = Store::from_pool(database.pool.clone());
    let worker = || {
        let endpoints = SharedEndpoints::new(store.clone()).with_quotas([(model_endpoint("plant"), quota)]);
        Arc::new(endpoints) as Arc<dyn Endpoints>
    };
    let workers = [worker(), worker()];
    let model: Arc<dyn Model> = Arc::new(OpenAi::new(&endpoint(&wire.url)).expect("a client"));
    let begun = Instant::now();
    let agents = (0..AGENTS).map(|number| {
        let (models, endpoints) = (vec![model.clone()], workers[number % 2].clone());
        tokio::spawn(agent(task(number, Duration::from_secs(60)), models, endpoints))
    });
    for done in futures::future::join_all(agents).await {
        let (answer, entries) = done.expect("an agent");
        assert_eq!(answer.source, Source::Model, "{entries:?}");
    }
    let mut asked: Vec<Duration> = wire.seen().iter().map(|seen| seen.at - begun).collect();
    asked.sort();
    assert_eq!(asked.len(), AGENTS, "none in vain");
    asked
}

/// A busy machine may hold requests up and bring them together; none comes before its turn, at so many in each second.
fn assert_in_turn(asked: &[Duration], each_second: usize) {
    for (number, at) in asked.iter().enumerate() {
        let turn = Duration::from_secs((number / each_second) as u64);
        assert!(*at >= turn, "request {number} after {at:?}: {asked:?}");
    }
}

/// Most requests in any time of this length.
fn most_within(asked: &[Instant], time: Duration) -> usize {
    let within = |start: &Instant| asked.iter().filter(|at| *at >= start && **at < *start + time).count();
    asked.iter().map(within).max().unwrap_or_default()
}

#[tokio::test]
async fn requests_of_all_workers_count_together() {
    let share = Share { count: 12, period: TimeDelta::seconds(1) };
    let asked = asked(Quota { requests: Some(share), tokens: None }, 1_000).await;
    assert_in_turn(&asked, 12);
    let all = *asked.last().expect("one");
    assert!(all >= Duration::from_secs(3), "{AGENTS} requests in {all:?}");
    assert!(all <= Duration::from_secs(20), "{AGENTS} requests in {all:?}");
}

/// A request is counted with all that it may cost; when it is answered, what it did not cost is given back.
#[tokio::test]
async fn tokens_of_all_workers_count_together() {
    let share = Share { count: 40_000, period: TimeDelta::seconds(1) };
    let asked = asked(Quota { requests: None, tokens: Some(share) }, 2_000).await;
    assert_in_turn(&asked, 20);
}

/// The same through takt.yaml: two processes, each with a worker.
#[tokio::test]
async fn a_rate_of_the_site_holds_for_all_its_processes() {
    let wire = Wire::start(|_| Said::json(200, &answer(&json!({ "summary": "Bad." })))).await;
    let mut plant = plant_with(&wire).await;
    let takt_yaml = plant.own_folder().join("takt.yaml");
    let text = std::fs::read_to_string(&takt_yaml).expect("takt.yaml");
    let limited = text.replacen(
        "    optional: true\n    usd_per",
        "    optional: true\n    rate: { requests: 1 per 2s }\n    usd_per",
        1,
    );
    assert_ne!(limited, text);
    std::fs::write(&takt_yaml, limited).expect("written");
    plant.serve(None).await;
    let first = plant.replace().await;
    for name in ["r1", "r2", "r3", "r4"] {
        stop(&plant, name).await;
    }
    for name in ["r1", "r2", "r3", "r4"] {
        let run = run_of(&plant, name).await;
        assert_eq!(plant.to_the_end(run).await, "done");
        let answered = |entry: &Entry| matches!(entry, Entry::Finished { source: Source::Model, .. });
        let entries = ledger(&plant.records(run).await);
        assert!(entries.iter().any(answered), "{name}: {entries:#?}");
    }
    let asked: Vec<Instant> = wire.seen().iter().map(|seen| seen.at).collect();
    assert_eq!(asked.len(), 4);
    assert_eq!(most_within(&asked, Duration::from_millis(1_800)), 1, "{asked:?}");
    assert!(first.stop().await.success());
}
