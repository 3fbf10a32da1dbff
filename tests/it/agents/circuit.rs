//! A host of models that is down for ten minutes and comes back: fifty agents leave it alone and go on by rule, one
//! request tries it when its rest is over, and when that is answered all are served again, not all at once.

use super::{
    storm::{agent, good, task},
    wire::endpoint,
};
use crate::support::{
    pg::{self, Database},
    wire::{Said, Wire},
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use takt::{
    agent::{Answer, Endpoints, Model, Reason, Source},
    connector::openai::OpenAi,
    engine::SharedEndpoints,
    store::Store,
};

const AGENTS: usize = 50;
/// How long the host takes for an answer once it is back.
const ANSWER: Duration = Duration::from_millis(300);

/// Fifty agents at once, half of them at each of two workers.
async fn fifty(model: &Arc<dyn Model>, workers: &[Arc<dyn Endpoints>]) -> Vec<Answer> {
    let agents = (0..AGENTS).map(|number| {
        let (models, endpoints) = (vec![model.clone()], workers[number % workers.len()].clone());
        tokio::spawn(agent(task(number, Duration::from_secs(60)), models, endpoints))
    });
    let done = futures::future::join_all(agents).await;
    done.into_iter().map(|agent| agent.expect("an agent").0).collect()
}

/// The endpoint's rest is over.
async fn later(database: &Database) {
    let ended =
        "update endpoint set closed_until = now() - interval '1 second' where closed_until is not null";
    let moved = sqlx::query(ended).execute(&database.pool).await.expect("the table of endpoints");
    assert_eq!(moved.rows_affected(), 1, "the circuit is open");
}

fn assert_by_rule(answers: &[Answer]) {
    for answer in answers {
        assert_eq!(answer.source, Source::Rules);
        assert_eq!(answer.why_fallback.as_ref().expect("why").reason, Reason::ModelDown);
    }
}

#[tokio::test]
async fn a_host_that_comes_back_is_tried_by_one_and_then_serves_all() {
    let is_back = Arc::new(AtomicBool::new(false));
    let back = is_back.clone();
    let wire = Wire::start(move |_| match back.load(Ordering::Relaxed) {
        true => Said { after: ANSWER, ..good() },
        false => Said::json(503, &json!({ "error": { "message": "starting", "type": "server_error" } })),
    })
    .await;
    let database = pg::database().await;
    let store = Store::from_pool(database.pool.clone());
    let workers: Vec<Arc<dyn Endpoints>> =
        (0..2).map(|_| Arc::new(SharedEndpoints::new(store.clone())) as Arc<dyn Endpoints>).collect();
    let model: Arc<dyn Model> = Arc::new(OpenAi::new(&endpoint(&wire.url)).expect("a client"));

    assert_by_rule(&fifty(&model, &workers).await);
    let down = wire.seen().len();
    assert!((5..=8).contains(&down), "five failures, and what was under way: {down} requests");

    // It is still down: one request finds that out for all.
    later(&database).await;
    assert_by_rule(&fifty(&model, &workers).await);
    assert_eq!(wire.seen().len(), down + 1);

    later(&database).await;
    is_back.store(true, Ordering::Relaxed);
    let answers = fifty(&model, &workers).await;
    assert!(answers.iter().any(|answer| answer.source == Source::Model), "{answers:?}");
    let seen = wire.seen();
    let tried = &seen[down + 1];
    assert!(seen[down + 2..].iter().all(|next| next.at >= tried.at + ANSWER), "two tried at once");

    let before = seen.len();
    let answers = fifty(&model, &workers).await;
    assert!(answers.iter().all(|answer| answer.source == Source::Model), "{answers:?}");
    let asked = wire.seen().split_off(before);
    assert_eq!(asked.len(), AGENTS, "none in vain");
    let at_once = asked.iter().filter(|request| request.at < asked[0].at + ANSWER).count();
    assert!(at_once < AGENTS / 2, "{at_once} of {AGENTS} at once");
}
