//! The statements that every step of every run goes through: fenced, on index plans, and all or nothing.

use crate::support::pg;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::{process::Command, time::Duration};
use takt::{
    engine::{StartError, start_runs},
    run::{Change, NewRun, Record, RunId, State, Turn},
    store::{
        PgConnection, Store, clock,
        commits::{self, Ended, Fence, Parked, Place, Settled, Starts, Written},
        journal::{self, Rows},
        runs, versions, workers,
    },
    workflow::Bundle,
};

const SHA256: &str = "5f0c0000000000000000000000000000000000000000000000000000000000aa";

/// Sessions as a server has them, on a database with one definition and one worker.
async fn store(database: &pg::Database) -> (Store, Fence) {
    let store = Store::open(&database.url).await.expect("opening");
    let mut db = store.connection().await.expect("a connection");
    let bundle = Bundle { path: "workflows/w.yaml".into(), files: Default::default() };
    versions::save(&mut db, "w", SHA256, &bundle).await.expect("a version");
    let worker = workers::register(&mut db, "test", Duration::from_secs(50)).await.expect("a worker");
    (store.clone(), Fence { worker, epoch: 1 })
}

fn new_run(now: DateTime<Utc>, key: Option<&str>) -> NewRun {
    NewRun {
        id: RunId::at(now),
        workflow: "w".into(),
        title: "W".into(),
        subject: None,
        key: key.map(str::to_owned),
        sha256: SHA256.into(),
        trigger: json!({ "type": "manual" }),
        inputs: Value::Null,
        parent: None,
        approved: false,
        shadow: false,
        started_by: None,
        event: None,
        trace: None,
        turn: Turn::default(),
    }
}

fn record(seq: u32, at: DateTime<Utc>, change: Change) -> Record {
    Record { seq, at, path: Some(takt::run::StepPath::root("s1")), attempt: 1, change }
}

fn rows_of(runs: &[NewRun], seq: u32, at: DateTime<Utc>, change: &Change) -> Rows {
    let mut rows = Rows::default();
    for run in runs {
        rows.add(run.id, &[record(seq, at, change.clone())]).expect("columns");
    }
    rows
}

async fn scans(db: &mut PgConnection) -> Vec<(String, i64)> {
    sqlx::query_as(
        "select relname::text, coalesce(seq_scan, 0)::bigint from pg_stat_user_tables
         where relname in ('run', 'run_summary', 'gate', 'signal', 'subscription', 'open_key', 'workflow_version')
            or relname like 'journal_%' order by relname",
    )
    .fetch_all(db)
    .await
    .expect("statistics")
}

#[tokio::test]
async fn no_hot_statement_scans_a_table() {
    let database = pg::database().await;
    let (store, fence) = store(&database).await;
    let mut db = store.hot_connection().await.expect("a connection");
    let now = clock::now(&mut db).await.expect("the time");
    // Planned while the tables are empty, as on a new site, and used when they are full.
    drive(&mut db, fence, &[new_run(now, None)], now).await;
    let many: Vec<NewRun> = (0..2_000).map(|_| new_run(now, None)).collect();
    for chunk in many.chunks(500) {
        start_runs(&mut db, chunk, now).await.expect("starting");
    }
    sqlx::query("update run set state = 'parked', next_at = now() + interval '1 day'")
        .execute(&mut *db)
        .await
        .expect("parking");
    sqlx::query("select pg_stat_force_next_flush()").execute(&mut *db).await.expect("flushing");
    let before = scans(&mut db).await;
    for _ in 0..20 {
        let runs: Vec<NewRun> = (0..50).map(|_| new_run(now, None)).collect();
        drive(&mut db, fence, &runs, now).await;
    }
    sqlx::query("select pg_stat_force_next_flush()").execute(&mut *db).await.expect("flushing");
    assert_eq!(scans(&mut db).await, before, "a hot statement read a whole table");
}

/// Start, step, park, wake, claim, end: everything a run does to the database.
async fn drive(db: &mut PgConnection, fence: Fence, runs: &[NewRun], now: DateTime<Utc>) {
    let mut starts = Starts::default();
    for run in runs {
        let first = takt_first(run, now);
        starts.add(run, now, &[first], Place::default(), None).expect("columns");
    }
    let begun = commits::start(db, Some(fence), &starts).await.expect("starting");
    assert_eq!(begun.runs.len(), runs.len());
    let held = append(db, fence, &rows_of(runs, 1, now, &Change::Started)).await;
    assert_eq!(held, Written::Held { woken: 0 });
    let ids: Vec<_> = runs.iter().map(|run| run.id.0).collect();
    let parked = Parked {
        run: ids.clone(),
        wake_at: vec![Some(now); runs.len()],
        signals: vec![0; runs.len()],
        waiting_for: vec![Some("s1".into()); runs.len()],
    };
    let settled = Settled { parked, ..Settled::default() };
    let waiting = rows_of(runs, 2, now, &Change::Waiting { wake_at: Some(now) });
    commits::settle(db, fence, &waiting, &settled).await.expect("parking");
    let timers = runs::wake_due(db, runs::ALWAYS).await.expect("timers");
    assert_eq!(timers.woken, i64::try_from(runs.len()).expect("few"));
    let mut claimed = Vec::new();
    while claimed.len() < runs.len() {
        claimed.extend(runs::claim(db, fence, runs::ALWAYS, 100).await.expect("a claim"));
    }
    let claimed_ids: Vec<_> = claimed.iter().map(|claim| claim.run.0).collect();
    assert_eq!(journal::load_many(db, &claimed_ids).await.expect("journals").len(), runs.len());
    let ended =
        Ended { run: ids.clone(), at: vec![now; runs.len()], outcome: vec!["done".into(); runs.len()] };
    let settled = Settled { ended, untidy: ids, ..Settled::default() };
    let done = rows_of(runs, 3, now, &Change::Done { output: json!({}) });
    commits::settle(db, fence, &done, &settled).await.expect("ending");
}

async fn append(db: &mut PgConnection, fence: Fence, rows: &Rows) -> Written {
    commits::settle(db, fence, rows, &Settled::default()).await.expect("appending")
}

/// The record that a run's journal begins with, as the engine writes it.
fn takt_first(run: &NewRun, at: DateTime<Utc>) -> Record {
    let start = takt::run::StartedRun {
        workflow: run.workflow.clone(),
        sha256: run.sha256.clone(),
        trigger: run.trigger.clone(),
        inputs: run.inputs.clone(),
        parent: None,
        approved: false,
        shadow: false,
        started_by: None,
        trace: None,
        rank: takt::run::Rank::default(),
    };
    Record { seq: 0, at, path: None, attempt: 0, change: Change::RunStarted(Box::new(start)) }
}

async fn count(db: &mut PgConnection, table: &'static str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(sql).fetch_one(db).await.expect("a count")
}

#[tokio::test]
async fn a_worker_whose_epoch_is_over_writes_nothing_by_any_statement() {
    let database = pg::database().await;
    let (store, fence) = store(&database).await;
    let mut db = store.hot_connection().await.expect("a connection");
    let now = clock::now(&mut db).await.expect("the time");
    let mine = [new_run(now, None)];
    let starts = |run: &NewRun| {
        let mut starts = Starts::default();
        starts.add(run, now, &[takt_first(run, now)], Place::default(), None).expect("columns");
        starts
    };
    commits::start(&mut db, Some(fence), &starts(&mine[0])).await.expect("starting");
    let late = Fence { epoch: fence.epoch + 1, ..fence };
    let journal_before = count(&mut db, "journal").await;

    let begun = commits::start(&mut db, Some(late), &starts(&new_run(now, None))).await.expect("an answer");
    assert!(!begun.held && begun.runs.is_empty());
    let rows = rows_of(&mine, 1, now, &Change::Started);
    assert_eq!(append(&mut db, late, &rows).await, Written::Fenced);
    let large = rows_of(&mine, 1, now, &Change::Done { output: json!("x".repeat(20_000)) });
    assert_eq!(append(&mut db, late, &large).await, Written::Fenced);
    let ended = Ended { run: vec![mine[0].id.0], at: vec![now], outcome: vec!["done".into()] };
    let settled = Settled { ended, untidy: vec![mine[0].id.0], ..Settled::default() };
    assert_eq!(commits::settle(&mut db, late, &rows, &settled).await.expect("an answer"), Written::Fenced);
    assert!(runs::claim(&mut db, late, runs::ALWAYS, 10).await.expect("an answer").is_empty());

    assert_eq!(count(&mut db, "journal").await, journal_before);
    assert_eq!(count(&mut db, "payload").await, 0);
    assert_eq!(count(&mut db, "run").await, 1, "the run is still its owner's");
}

#[tokio::test]
async fn a_key_is_open_once_and_free_again_after_the_end() {
    let database = pg::database().await;
    let (store, fence) = store(&database).await;
    let mut db = store.hot_connection().await.expect("a connection");
    let now = clock::now(&mut db).await.expect("the time");
    let [first, second, other] =
        [Some("PRESS-4"), Some("PRESS-4"), Some("PRESS-6")].map(|key| new_run(now, key));
    let both = [first.clone(), second.clone(), other];
    assert_eq!(start_runs(&mut db, &both, now).await.expect("starting"), 2, "one of each key");
    let claimed = runs::claim(&mut db, fence, runs::ALWAYS, 10).await.expect("a claim");
    assert_eq!(claimed.len(), 2);
    let ids: Vec<_> = claimed.iter().map(|claim| claim.run.0).collect();
    let ended = Ended { run: ids, at: vec![now; 2], outcome: vec!["done".into(); 2] };
    let settled = Settled { untidy: ended.run.clone(), ended, ..Settled::default() };
    commits::settle(&mut db, fence, &Rows::default(), &settled).await.expect("ending");
    assert_eq!(count(&mut db, "open_key").await, 0);
    let ended = if claimed[0].run == first.id || claimed[1].run == first.id { first } else { second };
    assert_eq!(start_runs(&mut db, &[ended], now).await.expect("an answer"), 0, "it exists already");
    assert_eq!(count(&mut db, "open_key").await, 0, "and does not take its key again");
    assert_eq!(start_runs(&mut db, &[new_run(now, Some("PRESS-4"))], now).await.expect("starting"), 1);
    let unknown = NewRun { sha256: "0".repeat(64), ..new_run(now, None) };
    let refused = start_runs(&mut db, &[unknown], now).await;
    assert!(matches!(refused, Err(StartError::NoVersion(_))), "{refused:?}");
}

#[tokio::test]
async fn records_come_back_as_they_were_written() {
    let database = pg::database().await;
    let (store, fence) = store(&database).await;
    let mut db = store.hot_connection().await.expect("a connection");
    let now = clock::now(&mut db).await.expect("the time");
    let run = new_run(now, None);
    start_runs(&mut db, std::slice::from_ref(&run), now).await.expect("starting");
    let later = now + chrono::TimeDelta::microseconds(1_234_567);
    // Text with a NUL character is JSON, and a model may say it; a large body stands apart.
    let small = json!({ "words": "a\u{0}b \"quoted\"", "n": 1.5, "list": [null, true] });
    let written = vec![
        record(1, now, Change::Started),
        record(2, later, Change::Done { output: small }),
        Record { path: Some(takt::run::StepPath::root("s2")), ..record(3, later, Change::Started) },
        Record {
            path: Some(takt::run::StepPath::root("s2")),
            ..record(4, later, Change::Done { output: json!({ "body": "x".repeat(30_000) }) })
        },
    ];
    let mut rows = Rows::default();
    rows.add(run.id, &written).expect("columns");
    assert_eq!(rows.run.len(), 1, "one row for one commit of one run");
    append(&mut db, fence, &rows).await;
    let read = journal::load(&mut db, run.id).await.expect("the journal");
    assert_eq!(read[1..], written[..]);
    assert!(State::fold(&read).is_ok());
    assert_eq!(count(&mut db, "payload").await, 1);
    let partition: String = sqlx::query_scalar("select tableoid::regclass::text from journal limit 1")
        .fetch_one(&mut *db)
        .await
        .expect("a partition");
    assert_eq!(partition, format!("journal_{}", now.format("%Y%m%d")), "with the day the run began");
}

#[tokio::test]
async fn ten_thousand_runs_of_a_dead_worker_are_ready_at_once() {
    let database = pg::database().await;
    let (store, _) = store(&database).await;
    let mut db = store.hot_connection().await.expect("a connection");
    let now = clock::now(&mut db).await.expect("the time");
    let dead = workers::register(&mut db, "dead", Duration::ZERO).await.expect("a worker");
    let all: Vec<NewRun> = (0..10_000).map(|_| new_run(now, None)).collect();
    for chunk in all.chunks(1_000) {
        start_runs(&mut db, chunk, now).await.expect("starting");
    }
    while runs::claim(&mut db, Fence { worker: dead, epoch: 1 }, runs::ALWAYS, 1_000)
        .await
        .expect("a claim")
        .len()
        == 1_000
    {}
    let mut tx = store.begin().await.expect("a transaction");
    let taken = pg::take_over_by_the_clock(&mut tx, 3).await.expect("taking over");
    tx.commit().await.expect("committing");
    assert_eq!(taken, [(dead, 10_000, 0)]);
    let late = rows_of(&all[..1], 1, now, &Change::Started);
    let written = append(&mut db, Fence { worker: dead, epoch: 1 }, &late).await;
    assert_eq!(written, Written::Fenced);
}

#[test]
fn the_benchmark_counts_what_was_done() {
    let folder = pg::Folder::new();
    let run = |more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_takt"))
            .args(["bench", "--in-flight", "4", "--runs", "40", "--limit-seconds", "1", "--json", "--data"])
            .arg(&folder.0)
            .args(more)
            .env_remove("DATABASE_URL")
            .output()
            .expect("takt runs")
    };
    for more in [&[][..], &["--bulk"]] {
        let output = run(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        for (level, steps) in [(0, "write"), (1, "read")] {
            let level = &report["levels"][level];
            assert_eq!((&level["steps"], &level["runs"]), (&json!(steps), &json!(40)));
            // Six commits a run at most: its start, and one for each of five steps; the claim is one more.
            let transactions = level["transactions_per_run"].as_f64().expect("a number");
            assert!(transactions > 0.0 && transactions <= 9.0, "{report:#}");
            assert!(level["wal_bytes_per_run"].as_f64().is_some_and(|bytes| bytes > 500.0), "{report:#}");
        }
        assert_eq!(report["limits"].as_array().map(Vec::len), Some(3));
    }
}
