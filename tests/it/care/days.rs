//! Days of the journal are made and dropped beside readers and writers, and a day that is missing is made when
//! somebody writes into it.

use super::execute;
use crate::{
    flow::Lab,
    support::{pg, plant::Plant},
};
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool, migrate::Migrator};
use std::{path::Path, time::Duration};
use takt::{
    engine::upkeep::{Policy, Progress, clean},
    run::RunId,
    store::{Store, partitions},
};
use tokio::time::timeout;
use uuid::Uuid;

const WORKFLOW: &str = "workflow: w
owner: me
trigger: { event: machine.stopped }
steps: [{ id: work, wait: 1ms }]
";
/// Kept apart from the journal's rows.
const LARGE: usize = 20_000;

async fn drop_days(pool: &PgPool) {
    let names: Vec<String> = sqlx::query_scalar(
        "select inhrelid::regclass::text from pg_inherits
         where inhparent in ('journal'::regclass, 'payload'::regclass)",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut db = pool.acquire().await.unwrap();
    execute(&mut db, &format!("drop table {}", names.join(", "))).await;
}

async fn attached(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select inhrelid::regclass::text from pg_inherits
         where inhparent in ('journal'::regclass, 'payload'::regclass) order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn who_reads_the_journal_stops_no_commit_while_a_day_is_made() {
    let database = pg::database().await;
    let store = Store::open(&database.url).await.unwrap();
    drop_days(&database.pool).await;
    partitions::make_ahead(&mut store.connection().await.unwrap()).await.unwrap();
    let last = Utc::now().date_naive().checked_add_days(Days::new(6)).unwrap().format("%Y%m%d");
    let mut db = PgConnection::connect(&database.url).await.unwrap();
    execute(&mut db, &format!("drop table journal_{last}, payload_{last}")).await;

    let mut reader = PgConnection::connect(&database.url).await.unwrap();
    execute(&mut reader, "begin; select count(*) from journal").await;
    let making = {
        let store = store.clone();
        tokio::spawn(async move { partitions::make_ahead(&mut *store.connection().await?).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    for seq in 0..3 {
        let insert = format!(
            "insert into journal (run_id, seq, at, records) values ('{}', {seq}, now(), '[]')",
            RunId::at(Utc::now())
        );
        timeout(Duration::from_secs(1), execute(&mut db, &insert))
            .await
            .expect("a commit waits for a reader");
    }
    timeout(Duration::from_secs(5), making).await.expect("the day waits for a reader").unwrap().unwrap();
    execute(&mut reader, "rollback").await;
    let names = attached(&database.pool).await;
    assert!(
        names.contains(&format!("journal_{last}")) && names.contains(&format!("payload_{last}")),
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_on_a_day_that_is_missing_makes_it() {
    let lab = Lab::new(&[WORKFLOW]).await;
    let _worker = lab.work().await;
    let large = json!({ "machine": "PRESS-4", "text": "x".repeat(LARGE) });
    drop_days(&lab.database.pool).await;
    let run = lab.run_of("machine.stopped", large.clone()).await;
    lab.until_ended(run).await;
    assert_eq!(attached(&lab.database.pool).await.len(), 2, "the day of the run and no other");
    // The clock went further ahead than days are made.
    lab.advance(40 * 24 * 3600).await;
    let run = lab.run_of("machine.stopped", large).await;
    lab.until_ended(run).await;
    assert_eq!(lab.outcome(run).await.as_deref(), Some("done"));
    assert_eq!(attached(&lab.database.pool).await.len(), 4);
    for event in ["machine.stopped", "machine.stopped"] {
        assert_eq!(lab.routed(event, json!({})).await.0, "routed");
    }
}

/// In the hands of the server's own worker, whose first commit is the start, and in a transaction of many.
#[tokio::test]
async fn what_people_start_on_a_day_that_is_missing_makes_it() {
    let mut plant = Plant::new().await;
    let site = plant.own_site();
    let yaml =
        "workflow: by_hand\ntitle: By hand\nowner: me\ntrigger: manual\nsteps: [{ id: rest, wait: 1ms }]\n";
    std::fs::write(site.join("workflows/by_hand.yaml"), yaml).unwrap();
    plant.arguments = vec!["--api-token".into(), "a-token-of-this-test".into()];
    plant.serve(None).await;
    let url = format!("http://{}/api/workflows/by_hand/runs", plant.address);
    for body in [json!({}), json!({ "runs": [{}, {}, {}] })] {
        drop_days(&plant.database.pool).await;
        let request = reqwest::Client::new().post(&url).bearer_auth("a-token-of-this-test");
        let answer = request.header("x-takt-person", "sam").json(&body).send().await.unwrap();
        let (status, answer) = (answer.status(), answer.json::<serde_json::Value>().await.unwrap());
        assert_eq!(status, 201, "{answer}");
        for run in answer["runs"].as_array().unwrap() {
            let run: RunId = run.as_str().unwrap().parse().unwrap();
            assert_eq!(plant.to_the_end(run).await, "done");
        }
    }
}

fn id_on(day: NaiveDate) -> RunId {
    RunId::at(day.and_hms_opt(12, 0, 0).unwrap().and_utc())
}

#[tokio::test]
async fn rows_of_a_default_partition_are_kept_by_the_upgrade() {
    let database = pg::database().await;
    let mut db = PgConnection::connect(&database.url).await.unwrap();
    execute(&mut db, "drop schema public cascade; create schema public").await;
    let migrator =
        Migrator::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))).await.unwrap();
    migrator.run_to(16, &mut db).await.unwrap();
    let today: DateTime<Utc> = sqlx::query_scalar("select takt_now()").fetch_one(&mut db).await.unwrap();
    let today = today.date_naive();
    let day = |ago: u64| today.checked_sub_days(Days::new(ago)).unwrap();
    // A day that has its partition, as an older Takt made it, and days that ran into the default one.
    let of_old = day(3);
    let first = |day: NaiveDate| RunId::first_at(day.and_time(chrono::NaiveTime::MIN).and_utc());
    for table in ["journal", "payload"] {
        let (from, until) = (first(of_old), first(of_old.succ_opt().unwrap()));
        let name = format!("{table}_{}", of_old.format("%Y%m%d"));
        let sql =
            format!("create table {name} partition of {table} for values from ('{from}') to ('{until}')");
        execute(&mut db, &sql).await;
    }
    let runs =
        [id_on(day(400)), id_on(of_old), id_on(day(1)), id_on(today), first(today), RunId(Uuid::new_v4())];
    for run in runs {
        for seq in 0..2 {
            let sql = format!(
                "insert into journal (run_id, seq, at, records) values ('{run}', {seq}, now(), '[[0,null,0,\"x\"]]');
                 insert into payload (id, body) values ('{}', '{{\"of\": \"{run}\"}}')",
                run.beside()
            );
            execute(&mut db, &sql).await;
        }
    }
    let all = "select (select string_agg(journal::text, ' ' order by run_id, seq) from journal)
                   || (select string_agg(payload::text, ' ' order by id) from payload)";
    let before: String = sqlx::query_scalar(all).fetch_one(&mut db).await.unwrap();
    migrator.run(&mut db).await.unwrap();
    let after: String = sqlx::query_scalar(all).fetch_one(&mut db).await.unwrap();
    assert_eq!(after, before);
    let names = attached(&database.pool).await;
    assert!(!names.iter().any(|name| name.ends_with("_default")), "{names:?}");
    for day in [day(400), of_old, day(1), today] {
        let of: String =
            sqlx::query_scalar("select tableoid::regclass::text from journal where run_id::text like $1")
                .bind(format!("{}%", &id_on(day).to_string()[..13]))
                .fetch_one(&mut db)
                .await
                .unwrap();
        assert_eq!(of, format!("journal_{}", day.format("%Y%m%d")));
    }
    // What the migration made ahead is what would have been made.
    let store = Store::open(&database.url).await.unwrap();
    partitions::make_ahead(&mut store.connection().await.unwrap()).await.unwrap();
    assert_eq!(attached(&database.pool).await, names);
}

#[tokio::test]
async fn a_day_that_somebody_reads_goes_later_and_stops_nobody() {
    let database = pg::database().await;
    let store = Store::open(&database.url).await.unwrap();
    let old = Utc::now().date_naive().checked_sub_days(Days::new(120)).unwrap();
    let mut db = store.connection().await.unwrap();
    partitions::make_day(&mut db, old).await.unwrap();
    partitions::make_ahead(&mut db).await.unwrap();
    let days = attached(&database.pool).await.len();
    let mut reader = PgConnection::connect(&database.url).await.unwrap();
    execute(&mut reader, "begin isolation level repeatable read; select count(*) from journal, payload")
        .await;

    let mut care = PgConnection::connect(&database.url).await.unwrap();
    execute(&mut care, "set lock_timeout = '300ms'").await;
    let policy = Policy { journal: Some(Duration::from_secs(90 * 24 * 3600)), ..Policy::default() };
    let mut quiet = |_: Progress<'_>| {};
    let cleaning = clean(&mut care, &policy, false, &mut quiet);
    let writing = async {
        for _ in 0..5 {
            let insert = format!(
                "insert into journal (run_id, seq, at, records) values ('{}', 0, now(), '[]')",
                RunId::at(Utc::now())
            );
            timeout(Duration::from_secs(1), execute(&mut db, &insert)).await.expect("a commit waits");
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    };
    let (freed, ()) = tokio::join!(cleaning, writing);
    let freed = freed.unwrap();
    assert!(freed.days.is_empty(), "{freed:?}");
    let sentence = freed.kept.first().expect("it says what stays").sentence();
    assert!(sentence.contains("because somebody reads it"), "{sentence}");

    execute(&mut reader, "rollback").await;
    let mut quiet = |_: Progress<'_>| {};
    let freed = clean(&mut care, &policy, false, &mut quiet).await.unwrap();
    assert_eq!((freed.days.len(), freed.kept.len()), (2, 0), "{freed:?}");
    assert_eq!(attached(&database.pool).await.len(), days - 2);
}
