//! `concurrency` and `singleton`: places are kept, given in order, and never lost.

use super::Lab;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use takt::{
    engine::control::{Action, Order, Version, apply},
    run::{RunId, StepPath},
    store::{commits::Fence, lanes, runs, workers},
};

const SHORT: &str = "workflow: short
owner: me
trigger: { event: machine.stopped }
flow: { concurrency: { key: event.machine, limit: 2 } }
steps: [{ id: work, wait: 1ms }]
";

/// A run stays until its machine is started.
fn long(flow: &str) -> String {
    format!(
        "workflow: long
owner: me
trigger: {{ event: machine.stopped }}
flow: {{ {flow} }}
steps: [{{ id: stay, wait: machine.started, where: event.run == trigger.id, timeout: 2d }}]
"
    )
}

async fn end(lab: &Lab, run: RunId) {
    let event: uuid::Uuid = sqlx::query_scalar("select event_id from run_summary where id = $1")
        .bind(run.0)
        .fetch_one(&lab.database.pool)
        .await
        .expect("its event");
    lab.until("its wait", async || {
        let waits =
            sqlx::query_scalar("select exists (select from subscription where run_id = $1)").bind(run.0);
        waits.fetch_one(&lab.database.pool).await.expect("a look")
    })
    .await;
    lab.event("machine.started", json!({ "run": event })).await;
    lab.route().await;
    lab.until_ended(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_kept_after_every_commit_and_every_place_is_used() {
    let lab = Lab::new(&[SHORT]).await;
    lab.watch_lanes().await;
    let mut machines = BTreeMap::new();
    for n in 0..60 {
        let machine = format!("PRESS-{}", n % 3);
        machines.insert(lab.event("machine.stopped", json!({ "machine": machine })).await, machine);
    }
    let workers = [lab.work().await, lab.work().await, lab.work().await];
    tokio::join!(lab.race(), lab.race());
    lab.until("the end of all", async || {
        lab.count("select count(*) from run_summary where ended_at is not null").await == 60
    })
    .await;
    drop(workers);
    assert_eq!(lab.broken().await, Vec::<String>::new());
    lab.check_lanes().await;
    assert_eq!(lab.count("select sum(in_use)::bigint from lane").await, 0);

    let mut events: BTreeMap<RunId, String> = BTreeMap::new();
    let rows: Vec<(uuid::Uuid, uuid::Uuid)> = sqlx::query_as("select id, event_id from run_summary")
        .fetch_all(&lab.database.pool)
        .await
        .expect("runs");
    events.extend(rows.into_iter().map(|(run, event)| (RunId(run), machines[&event].clone())));
    let (mut inside, mut most) = (BTreeMap::<&str, i32>::new(), 0);
    let log = lab.log.lock().expect("the log").clone();
    for (run, what) in &log {
        let count = inside.entry(events[run].as_str()).or_default();
        *count += if *what == "begins" { 1 } else { -1 };
        assert!(*count <= 2, "three at a time for {}", events[run]);
        most = most.max(*count);
    }
    assert_eq!(log.len(), 120, "each began and ended once");
    assert_eq!(most, 2, "never two at a time: the test saw no concurrency");
}

#[tokio::test]
async fn the_queue_goes_by_priority_and_then_by_age() {
    let yaml = long("concurrency: { key: event.machine, limit: 1 }, priority: event.level");
    let lab = Lab::new(&[&yaml]).await;
    let _worker = lab.work().await;
    let mut runs = Vec::new();
    for level in [0, 0, 5, -5, 5] {
        runs.push(lab.run_of("machine.stopped", json!({ "machine": "PRESS-4", "level": level })).await);
    }
    for expected in [0, 2, 4, 1, 3] {
        let queued = lab.states(&runs).await;
        let inside: Vec<usize> = (0..5).filter(|n| queued[*n] != "queued" && queued[*n] != "ended").collect();
        assert_eq!(inside, [expected], "{queued:?}");
        lab.check_lanes().await;
        end(&lab, runs[expected]).await;
    }
    assert_eq!(lab.states(&runs).await, ["ended"; 5]);
    lab.check_lanes().await;
}

#[tokio::test]
async fn a_cancelled_or_failed_run_gives_its_place_away() {
    let broken = "workflow: broken
owner: me
trigger: { event: machine.broke }
flow: { concurrency: { limit: 1 } }
steps: [{ id: breaks, wait: 1ms }]
";
    let yaml = long("concurrency: { key: event.machine, limit: 1 }");
    let lab = Lab::new(&[&yaml, broken]).await;
    lab.watch_lanes().await;
    let machine = json!({ "machine": "PRESS-4" });
    let first = lab.run_of("machine.stopped", machine.clone()).await;
    let second = lab.run_of("machine.stopped", machine.clone()).await;
    let third = lab.run_of("machine.stopped", machine.clone()).await;
    // Nobody works yet: a run that was let in and one that queues are cancelled all the same.
    lab.cancel(second).await;
    assert_eq!(lab.states(&[first, second, third]).await, ["ready", "ready", "queued"]);
    lab.check_lanes().await;
    let _worker = lab.work().await;
    lab.until_ended(second).await;
    assert_eq!(lab.outcome(second).await.as_deref(), Some("cancelled"));
    assert_eq!(lab.state(third).await.as_deref(), Some("queued"), "a queued run had no place to give");
    lab.cancel(first).await;
    lab.until_ended(first).await;
    assert_ne!(lab.state(third).await.as_deref(), Some("queued"));

    let failing = lab.run_of("machine.broke", json!({})).await;
    let next = lab.run_of("machine.broke", json!({})).await;
    lab.until_ended(failing).await;
    lab.until_ended(next).await;
    assert_eq!(lab.outcome(next).await.as_deref(), Some("failed"));
    lab.check_lanes().await;
    assert_eq!(lab.broken().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_run_keeps_its_place_when_its_worker_dies() {
    let lab = Lab::new(&[SHORT]).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(lab.run_of("machine.stopped", json!({ "machine": "PRESS-4" })).await);
    }
    let mut db = lab.store.connection().await.expect("a connection");
    let dead = workers::register(&mut db, "dead", Duration::ZERO).await.expect("a worker");
    let claimed =
        runs::claim(&mut db, Fence { worker: dead, epoch: 1 }, runs::ALWAYS, 10).await.expect("a claim");
    assert_eq!(claimed.len(), 2, "the third waits for its lane");
    lab.check_lanes().await;
    assert_eq!(lab.states(&runs).await, ["running", "running", "queued"]);
    let _worker = lab.work().await;
    for run in runs {
        lab.until_ended(run).await;
    }
    lab.check_lanes().await;
    assert_eq!(lab.count("select sum(in_use)::bigint from lane").await, 0);
}

#[tokio::test]
async fn a_run_that_is_done_again_queues_like_any_other() {
    let lab = Lab::new(&[&long("concurrency: { key: event.machine, limit: 1 }, priority: 7")]).await;
    lab.watch_lanes().await;
    let _worker = lab.work().await;
    let first = lab.run_of("machine.stopped", json!({ "machine": "PRESS-4" })).await;
    end(&lab, first).await;
    let second = lab.run_of("machine.stopped", json!({ "machine": "PRESS-4" })).await;
    let action = Action::Rerun { from: StepPath::root("stay"), version: Version::Same };
    let order = Order { action, by: "sam".into(), via: None, reason: "a test".into() };
    apply(&lab.store, &lab.definitions, first, &order, false).await.expect("it is done again");
    assert_eq!(lab.state(first).await.as_deref(), Some("queued"));
    assert_eq!(lab.count("select priority::bigint from run where state = 'queued'").await, 7);
    lab.check_lanes().await;
    end(&lab, second).await;
    end(&lab, first).await;
    lab.check_lanes().await;
    assert_eq!(lab.broken().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_changed_limit_holds_for_those_who_queue() {
    let with = |limit: u32| long(&format!("concurrency: {{ key: event.machine, limit: {limit} }}"));
    let lab = Lab::new(&[&with(1)]).await;
    let _worker = lab.work().await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(lab.run_of("machine.stopped", json!({ "machine": "PRESS-4" })).await);
    }
    let queued = "select count(*) from run where state = 'queued'";
    assert_eq!(lab.count(queued).await, 4);
    lab.publish(&[&with(3)]).await;
    assert_eq!(lab.count(queued).await, 2);
    lab.check_lanes().await;
    lab.publish(&[&with(2)]).await;
    end(&lab, runs[0]).await;
    assert_eq!(lab.count(queued).await, 2, "two are still in: no place is free");
    end(&lab, runs[1]).await;
    assert_eq!(lab.count(queued).await, 1);
    lab.check_lanes().await;
    // Without `concurrency` nobody waits any more.
    lab.publish(&[&long("")]).await;
    assert_eq!(lab.count(queued).await, 0);
    for run in &runs[2..] {
        end(&lab, *run).await;
    }
    lab.check_lanes().await;
}

#[tokio::test]
async fn the_queue_of_a_deleted_workflow_drains() {
    let yaml = long("concurrency: { key: event.machine, limit: 1 }");
    let lab = Lab::new(&[&yaml]).await;
    let _worker = lab.work().await;
    let first = lab.run_of("machine.stopped", json!({ "machine": "PRESS-4" })).await;
    let second = lab.run_of("machine.stopped", json!({ "machine": "PRESS-4" })).await;
    lab.publish(&[]).await;
    end(&lab, first).await;
    end(&lab, second).await;
    lab.check_lanes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_singleton_skips_and_two_routers_start_one_run() {
    let lab = Lab::new(&[&long("singleton: { key: event.machine, then: skip }")]).await;
    let mut events = Vec::new();
    for _ in 0..40 {
        events.push(lab.event("machine.stopped", json!({ "machine": "PRESS-4" })).await);
    }
    tokio::join!(lab.race(), lab.race());
    assert_eq!(lab.count("select count(*) from run_summary").await, 1);
    assert_eq!(lab.count("select count(*) from event where state = 'routed'").await, 1);
    let run = lab.count("select count(distinct note) from event where state in ('routed', 'joined')").await;
    assert_eq!(run, 1, "every event says which run it ended in");
    lab.check_lanes().await;
}

#[tokio::test]
async fn a_singleton_cancels_the_other_and_begins_when_that_has_ended() {
    let lab = Lab::new(&[&long("singleton: { key: event.machine, then: cancel_other }")]).await;
    lab.watch_lanes().await;
    let machine = json!({ "machine": "PRESS-4" });
    let first = lab.run_of("machine.stopped", machine.clone()).await;
    let second = lab.run_of("machine.stopped", machine.clone()).await;
    let third = lab.run_of("machine.stopped", machine.clone()).await;
    let elsewhere = lab.run_of("machine.stopped", json!({ "machine": "PRESS-6" })).await;
    let _worker = lab.work().await;
    lab.until_ended(first).await;
    lab.until_ended(second).await;
    assert_eq!(lab.outcome(first).await.as_deref(), Some("cancelled"));
    assert_eq!(lab.outcome(second).await.as_deref(), Some("cancelled"));
    end(&lab, third).await;
    end(&lab, elsewhere).await;
    assert_eq!(lab.outcome(third).await.as_deref(), Some("done"));
    assert_eq!(lab.broken().await, Vec::<String>::new());
    lab.check_lanes().await;
}

#[tokio::test]
async fn the_safety_net_counts_a_broken_lane_again() {
    let lab = Lab::new(&[&long("concurrency: { limit: 1 }")]).await;
    let first = lab.run_of("machine.stopped", json!({ "machine": "A" })).await;
    let second = lab.run_of("machine.stopped", json!({ "machine": "B" })).await;
    // What nobody should do: a run deleted by hand.
    sqlx::query("delete from run where id = $1")
        .bind(first.0)
        .execute(&lab.database.pool)
        .await
        .expect("gone");
    let mut db = lab.store.begin().await.expect("a transaction");
    assert_eq!(lanes::violations(&mut db).await.expect("lanes").len(), 1, "the checker sees it");
    assert_eq!(lanes::mend(&mut db).await.expect("mending").len(), 1);
    db.commit().await.expect("a commit");
    assert_eq!(lab.state(second).await.as_deref(), Some("ready"));
    lab.check_lanes().await;
}
