//! Whose turn it is: plants and workflows one after the other, the higher priority first, nobody for ever last;
//! and the statement behind it reads its index only.

use super::Lab;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use takt::store::{PgConnection, clock, commits::Fence, runs, workers};
use uuid::Uuid;

const QUIET: &str = "workflow: quiet
owner: me
trigger: { event: machine.stopped }
flow: { priority: event.level }
steps: [{ id: work, wait: 1ms }]
";

/// Ready runs of a plant and a workflow version, as many as there are rows in the series.
async fn ready(lab: &Lab, count: i32, priority: i16, fair: i32, version: i32) {
    sqlx::query(
        "insert into run (id, version_id, state, priority, fair, next_at)
         select (lpad(to_hex(n), 12, '0') || substr(md5(n::text || $2 || $3 || $4), 13))::uuid, $4, 'ready', $2, $3, takt_now()
         from generate_series(1, $1) n",
    )
    .bind(count)
    .bind(priority)
    .bind(fair)
    .bind(version)
    .execute(&lab.database.pool)
    .await
    .expect("runs");
}

async fn versions(lab: &Lab, count: i32) {
    sqlx::query(
        "insert into workflow_version (sha256, workflow, bundle)
         select 'sha' || n, 'w' || n, '{}' from generate_series(1, $1) n",
    )
    .bind(count)
    .execute(&lab.database.pool)
    .await
    .expect("versions");
}

async fn worker(db: &mut PgConnection) -> Fence {
    let worker = workers::register(db, "test", Duration::from_secs(600)).await.expect("a worker");
    Fence { worker, epoch: 1 }
}

/// How many runs of each (priority, plant, version) one claim takes.
async fn claim(db: &mut PgConnection, worker: Fence, limit: i64) -> BTreeMap<(i16, i32, i32), usize> {
    let claimed = runs::claim(db, worker, runs::ALWAYS, limit).await.expect("a claim");
    let ids: Vec<Uuid> = claimed.iter().map(|claim| claim.run.0).collect();
    let rows: Vec<(i16, i32, i32)> =
        sqlx::query_as("select priority, fair, version_id from run where id = any($1)")
            .bind(ids)
            .fetch_all(db)
            .await
            .expect("rows");
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn fifty_thousand_runs_of_one_plant_delay_no_other() {
    let lab = Lab::new(&[]).await;
    versions(&lab, 3).await;
    ready(&lab, 50_000, 0, 1, 1).await;
    ready(&lab, 1, 0, 2, 2).await;
    ready(&lab, 40, 0, 3, 1).await;
    ready(&lab, 40, 0, 3, 3).await;
    let mut db = lab.store.connection().await.expect("a connection");
    let worker = worker(&mut db).await;
    let first = claim(&mut db, worker, 64).await;
    assert_eq!(first[&(0, 2, 2)], 1, "the single run of the other plant: {first:?}");
    assert_eq!(first.values().sum::<usize>(), 64, "the batch is full");
    let (burst, others) = (first[&(0, 1, 1)], first[&(0, 3, 1)] + first[&(0, 3, 3)]);
    assert!(burst.abs_diff(others) <= 1, "plants take turns: {first:?}");
    assert!(first[&(0, 3, 1)].abs_diff(first[&(0, 3, 3)]) <= 1, "and so do workflows: {first:?}");
    // A burst that is alone takes everything.
    while claim(&mut db, worker, 64).await.len() > 1 {}
    assert_eq!(claim(&mut db, worker, 64).await, BTreeMap::from([((0, 1, 1), 64)]));
}

#[tokio::test]
async fn a_claim_that_is_not_full_has_left_nothing() {
    let lab = Lab::new(&[]).await;
    versions(&lab, 2).await;
    for fair in 1..=38 {
        ready(&lab, 1, 0, fair, 1).await;
    }
    ready(&lab, 10, 0, 39, 1).await;
    ready(&lab, 10, 0, 40, 1).await;
    let mut db = lab.store.connection().await.expect("a connection");
    let worker = worker(&mut db).await;
    assert_eq!(claim(&mut db, worker, 64).await.values().sum::<usize>(), 58);
    assert_eq!(claim(&mut db, worker, 64).await, BTreeMap::new());
    for fair in 1..=60 {
        ready(&lab, 1, 5, fair, 2).await;
    }
    ready(&lab, 200, 5, 61, 2).await;
    for _ in 0..4 {
        assert_eq!(claim(&mut db, worker, 64).await.values().sum::<usize>(), 64);
    }
    assert_eq!(claim(&mut db, worker, 64).await.values().sum::<usize>(), 4);
}

#[tokio::test]
async fn two_workers_claim_the_same_queues_and_no_run_twice() {
    let lab = Lab::new(&[]).await;
    versions(&lab, 4).await;
    for fair in 0..5 {
        ready(&lab, 100, 0, fair, 1 + fair % 4).await;
    }
    let drain = async || {
        let mut db = lab.store.connection().await.expect("a connection");
        let worker = worker(&mut db).await;
        let (mut mine, mut empty) = (Vec::new(), 0);
        while empty < 3 {
            let mut tx = lab.store.begin().await.expect("a transaction");
            let claimed = runs::claim(&mut tx, worker, runs::ALWAYS, 16).await.expect("a claim");
            tx.commit().await.expect("a commit");
            empty = if claimed.is_empty() { empty + 1 } else { 0 };
            mine.extend(claimed.into_iter().map(|claim| claim.run));
        }
        mine
    };
    let (mut one, two, three) = tokio::join!(drain(), drain(), drain());
    one.extend(two);
    one.extend(three);
    assert_eq!(one.len(), 500);
    one.sort_unstable();
    one.dedup();
    assert_eq!(one.len(), 500, "a run was claimed twice");
}

#[tokio::test]
async fn the_higher_priority_goes_first_and_the_lowest_is_not_forgotten() {
    let lab = Lab::new(&[]).await;
    versions(&lab, 2).await;
    ready(&lab, 5_000, 50, 1, 1).await;
    ready(&lab, 3, -100, 2, 2).await;
    let mut db = lab.store.connection().await.expect("a connection");
    let worker = worker(&mut db).await;
    let first = claim(&mut db, worker, 64).await;
    assert!(first[&(50, 1, 1)] >= 61, "{first:?}");
    assert_eq!(first.get(&(-100, 2, 2)), Some(&3), "one place in eight is for those who wait: {first:?}");
    // One free place at a time: the low one comes by chance, one time in eight. 400 misses in a row have a
    // probability of 10^-23.
    ready(&lab, 1, -100, 7, 2).await;
    let mut claims = 0;
    while !claim(&mut db, worker, 1).await.contains_key(&(-100, 7, 2)) {
        claims += 1;
        assert!(claims < 400, "the low priority starves");
    }
}

#[tokio::test]
async fn the_priority_of_an_event_decides_which_run_is_claimed_first() {
    let lab = Lab::new(&[QUIET]).await;
    let low = lab.run_of("machine.stopped", json!({ "machine": "A", "level": -10 })).await;
    let high = lab.run_of("machine.stopped", json!({ "machine": "B", "level": 10 })).await;
    let mut db = lab.store.connection().await.expect("a connection");
    let worker = worker(&mut db).await;
    let claimed = runs::claim(&mut db, worker, runs::ALWAYS, 2).await.expect("a claim");
    let taken: Vec<_> = claimed.iter().map(|claim| claim.run).collect();
    assert!(taken.contains(&high) && taken.contains(&low));
    // With two places the high one is among any claim of one, seven times in eight.
    assert_eq!(lab.count("select priority::bigint from run order by priority desc limit 1").await, 10);
}

/// Every line of the plan that reads `run`, and how long the statement took.
async fn explained(db: &mut PgConnection, limit: i64, since: DateTime<Utc>) -> Vec<String> {
    let (name, _): (String, String) = sqlx::query_as(
        "select name, statement from pg_prepared_statements where statement like 'with recursive%' limit 1",
    )
    .fetch_one(&mut *db)
    .await
    .expect("the claim is prepared on this connection");
    let explain = format!("explain (analyze, buffers) execute {name}(1, 1, {limit}, '{since}')");
    sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).fetch_all(db).await.expect("a plan")
}

async fn plan(db: &mut PgConnection, limit: i64) -> (Vec<String>, f64) {
    let lines = explained(db, limit, runs::ALWAYS).await;
    let time = lines.iter().find_map(|line| line.strip_prefix("Execution Time: ")).expect("a time");
    let time = time.trim_end_matches(" ms").parse().expect("milliseconds");
    assert!(lines.len() > 20, "{lines:#?}");
    (lines.into_iter().filter(|line| line.contains(" on run ")).collect(), time)
}

#[tokio::test]
async fn the_claim_reads_only_its_index_however_much_there_is() {
    let lab = Lab::new(&[]).await;
    versions(&lab, 20).await;
    let mut tx = lab.store.begin().await.expect("a transaction");
    // As a server's connections are, and with the plan that a server ends up with.
    for setting in ["set local plan_cache_mode = force_generic_plan", "set local jit = off"] {
        sqlx::raw_sql(setting).execute(&mut *tx).await.expect("a setting");
    }
    let worker = worker(&mut tx).await;
    // Planned while the table is empty, as on a server's first day.
    runs::claim(&mut tx, worker, runs::ALWAYS, 64).await.expect("a claim");
    for (what, queues) in [("one queue", 1), ("two hundred queues", 200)] {
        sqlx::query("truncate run").execute(&mut *tx).await.expect("an empty table");
        sqlx::query(
            "insert into run (id, version_id, state, fair, next_at)
             select gen_random_uuid(), 1 + n % least($1, 20), 'ready', (n / 20) % greatest($1 / 20, 1), takt_now()
             from generate_series(1, 100000) n
             union all
             select gen_random_uuid(), 1 + n % 20, 'parked', n % 10, null from generate_series(1, 100000) n",
        )
        .bind(queues)
        .execute(&mut *tx)
        .await
        .expect("runs");
        sqlx::raw_sql("analyze run").execute(&mut *tx).await.expect("statistics");
        let (reads, milliseconds) = plan(&mut tx, 64).await;
        assert!(!reads.is_empty(), "{what}");
        let scans: Vec<&String> = reads.iter().filter(|line| line.contains("Seq Scan")).collect();
        assert!(scans.is_empty(), "{what}: {scans:#?}");
        let hops = reads.iter().filter(|line| line.contains("run_ready")).count();
        assert!(hops >= 4, "{what}: {reads:#?}");
        eprintln!("a claim of 64 from {what}, 100,000 ready and 100,000 parked: {milliseconds} ms");
    }
}

/// Pages that a statement looked at in all.
fn pages(lines: &[String]) -> u64 {
    let hits = lines.iter().find_map(|line| line.split("shared hit=").nth(1)).expect("buffers");
    hits.split(' ').next().and_then(|hits| hits.parse().ok()).expect("a number")
}

/// Runs of so many plants, each with a number as its name would give it.
async fn plants(db: &mut PgConnection, plants: i32, runs_each: i32, priority: i16) {
    sqlx::query(
        "insert into run (id, version_id, state, priority, fair, next_at)
         select gen_random_uuid(), 1, 'ready', $3, hashint4(n), takt_now()
         from generate_series(1, $1) n, generate_series(1, $2)",
    )
    .bind(plants)
    .bind(runs_each)
    .bind(priority)
    .execute(db)
    .await
    .expect("runs");
}

#[tokio::test]
async fn twenty_thousand_plants_cost_a_claim_no_more_than_a_few_hundred() {
    let lab = Lab::new(&[]).await;
    versions(&lab, 1).await;
    let mut db = lab.store.connection().await.expect("a connection");
    for setting in ["set plan_cache_mode = force_generic_plan", "set enable_seqscan = off", "set jit = off"] {
        sqlx::raw_sql(setting).execute(&mut *db).await.expect("a setting");
    }
    let worker = worker(&mut db).await;
    runs::claim(&mut db, worker, runs::ALWAYS, 64).await.expect("a claim");
    plants(&mut db, 600, 1, 0).await;
    let few = pages(&explained(&mut db, 64, runs::ALWAYS).await);
    plants(&mut db, 20_000, 1, 0).await;
    let many = pages(&explained(&mut db, 64, runs::ALWAYS).await);
    assert!(many < 2 * few, "{many} pages for 20,000 plants, {few} for 600");
}

#[tokio::test]
async fn of_two_thousand_plants_none_is_passed_over_and_neither_is_a_lower_priority() {
    let lab = Lab::new(&[]).await;
    versions(&lab, 1).await;
    let mut db = lab.store.connection().await.expect("a connection");
    let worker = worker(&mut db).await;
    plants(&mut db, 2_000, 3, 0).await;
    plants(&mut db, 300, 3, -5).await;
    ready(&lab, 1, -10, 7, 1).await;
    let mut served: BTreeMap<(i16, i32, i32), usize> = BTreeMap::new();
    for _ in 0..60 {
        let claimed = claim(&mut db, worker, 32).await;
        assert_eq!(claimed.values().sum::<usize>(), 32, "there is enough for a full claim");
        let high: usize = claimed.iter().filter(|(of, _)| of.0 == 0).map(|(_, count)| count).sum();
        assert!(high >= 27, "the higher priority goes first: {claimed:?}");
        for (of, count) in claimed {
            *served.entry(of).or_default() += count;
        }
    }
    // 1,700 turns and more for 2,000 plants: taken at random about 1,140 of them come to have one.
    let plants = served.keys().filter(|of| of.0 == 0).count();
    assert!(plants > 800, "{plants} plants had a turn");
    assert_eq!(served.get(&(-10, 7, 1)), Some(&1), "the lowest priority is not forgotten");
    while !claim(&mut db, worker, 128).await.is_empty() {}
    assert_eq!(lab.count("select count(*) from run where state = 'ready'").await, 0);
}

#[tokio::test]
async fn rows_that_vacuum_may_not_remove_do_not_slow_a_claim() {
    let lab = Lab::new(&[]).await;
    versions(&lab, 1).await;
    let mut reader = lab.database.pool.begin().await.expect("a transaction");
    sqlx::raw_sql("set transaction isolation level repeatable read; select count(*) from run")
        .execute(&mut *reader)
        .await
        .expect("a snapshot that holds vacuum back");
    // Runs that were ready an hour ago and are gone, and ten that are ready now.
    ready(&lab, 20_000, 0, 0, 1).await;
    sqlx::query("delete from run").execute(&lab.database.pool).await.expect("the past");
    lab.advance(3_600).await;
    ready(&lab, 10, 0, 0, 1).await;
    let mut db = lab.store.connection().await.expect("a connection");
    for setting in ["set plan_cache_mode = force_generic_plan", "set enable_seqscan = off", "set jit = off"] {
        sqlx::raw_sql(setting).execute(&mut *db).await.expect("a setting");
    }
    let recent = clock::now(&mut db).await.expect("the time") - TimeDelta::seconds(10);
    let worker = worker(&mut db).await;
    assert_eq!(runs::claim(&mut db, worker, recent, 4).await.expect("a claim").len(), 4);
    let quick = pages(&explained(&mut db, 3, recent).await);
    let slow = pages(&explained(&mut db, 3, runs::ALWAYS).await);
    assert!(quick * 4 < slow, "{quick} pages for what is recent, {slow} for all");
    drop(reader);
}
