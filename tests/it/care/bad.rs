//! Databases that cannot be used, or not now: one sentence each, and no acknowledged event is lost.

use super::{admin, database_name, end_sessions, events, execute, post_event};
use crate::support::{
    pg,
    plant::{Plant, Serving},
};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, PgConnection, migrate::Migrator, postgres::PgConnectOptions};
use std::{
    path::Path,
    process::{Command, Stdio},
    str::FromStr,
    time::{Duration, Instant},
};
use takt::{
    run::{Change, WorkerId},
    store::{Store, StoreError, UnfitError, clock, workers},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const LEASE: Duration = Duration::from_secs(6);

async fn refusal(url: &str) -> String {
    match Store::open(url).await {
        Ok(_) => panic!("the database was accepted"),
        Err(error) => error.to_string(),
    }
}

/// A server that says which version it is and answers nothing but pings: no old PostgreSQL is needed.
async fn server_of_version(version: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://takt@{}/takt?sslmode=disable", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut length = [0; 4];
                stream.read_exact(&mut length).await.unwrap();
                let mut startup = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
                stream.read_exact(&mut startup).await.unwrap();
                let mut hello = vec![b'R', 0, 0, 0, 8, 0, 0, 0, 0];
                let parameter = format!("server_version\0{version}\0");
                hello.push(b'S');
                hello.extend(u32::try_from(parameter.len() + 4).unwrap().to_be_bytes());
                hello.extend(parameter.as_bytes());
                hello.extend([b'K', 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1, b'Z', 0, 0, 0, 5, b'I']);
                stream.write_all(&hello).await.unwrap();
                let mut kind = [0; 1];
                while stream.read_exact(&mut kind).await.is_ok() {
                    stream.read_exact(&mut length).await.unwrap();
                    let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
                    stream.read_exact(&mut body).await.unwrap();
                    let empty: &[u8] = if kind[0] == b'Q' { &[b'I', 0, 0, 0, 4] } else { &[] };
                    stream.write_all(empty).await.unwrap();
                    stream.write_all(&[b'Z', 0, 0, 0, 5, b'I']).await.unwrap();
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_in_one_sentence() {
    let url = server_of_version("13.14 (Debian 13.14-1)").await;
    assert_eq!(refusal(&url).await, "PostgreSQL 13.14 is too old: Takt needs PostgreSQL 15 or newer");
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_with_what_to_do_and_without_its_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let said = refusal(&format!("postgres://takt:opensesame@{closed}/takt")).await;
    assert!(said.starts_with(&format!("no PostgreSQL answers at {closed} (")), "{said}");
    assert!(said.contains("start it, correct DATABASE_URL, or unset it to use Takt's own"), "{said}");
    let unknown = refusal("postgres://takt:opensesame@nowhere.invalid/takt").await;
    assert!(unknown.starts_with("no PostgreSQL answers at nowhere.invalid:5432 ("), "{unknown}");
    assert!(!said.contains("opensesame") && !unknown.contains("opensesame"), "{said}\n{unknown}");

    let database = pg::database().await;
    let options = PgConnectOptions::from_str(&database.url).unwrap();
    let absent = refusal(options.clone().database("takt_nowhere").to_url_lossy().as_str()).await;
    assert!(absent.contains("has no database `takt_nowhere`: create it"), "{absent}");
    let stranger = options.username("takt_stranger").password("opensesame").to_url_lossy();
    let stranger = refusal(stranger.as_str()).await;
    assert!(
        stranger.contains("does not let `takt_stranger` in (")
            && stranger.contains("): correct user and password"),
        "{stranger}"
    );
    assert!(!stranger.contains("opensesame"), "{stranger}");
}

#[tokio::test]
async fn a_read_only_database_is_refused_at_the_start() {
    let database = pg::database().await;
    let mut db = PgConnection::connect(&database.url).await.unwrap();
    let name = database_name(&mut db).await;
    execute(&mut db, &format!("alter database {name} set default_transaction_read_only = on")).await;
    assert!(matches!(Store::open(&database.url).await, Err(StoreError::Unfit(UnfitError::ReadOnly))));
}

#[tokio::test]
async fn an_edited_migration_and_a_newer_schema_are_refused_with_what_to_do() {
    let database = pg::database().await;
    let mut db = PgConnection::connect(&database.url).await.unwrap();
    let sums = "select checksum from _sqlx_migrations where version = 2";
    let whole: Vec<u8> = sqlx::query_scalar(sums).fetch_one(&mut db).await.unwrap();
    execute(&mut db, "update _sqlx_migrations set checksum = '\\x00' where version = 2").await;
    let said = refusal(&database.url).await;
    assert!(said.starts_with("migration 2 of this database was made from another text"), "{said}");
    sqlx::query("update _sqlx_migrations set checksum = $1 where version = 2")
        .bind(whole)
        .execute(&mut db)
        .await
        .unwrap();
    Store::open(&database.url).await.expect("the restored file is accepted");
    execute(&mut db, "insert into _sqlx_migrations values (9999, 'future', now(), true, '', 0)").await;
    let said = refusal(&database.url).await;
    assert!(said.starts_with("a newer takt has used this database (migration 9999)"), "{said}");
}

#[tokio::test]
async fn an_upgrade_that_is_killed_half_way_goes_on_at_the_next_start() {
    let mut plant = Plant::new().await;
    let mut db = admin(&plant).await;
    // As an older Takt left it: three migrations, and an event that it acknowledged.
    execute(&mut db, "drop schema public cascade; create schema public").await;
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
    let migrator = Migrator::new(folder).await.unwrap();
    migrator.run_to(3, &mut db).await.unwrap();
    execute(
        &mut db,
        "insert into event (id, source, source_id, type, time, data)
         values (gen_random_uuid(), 'care', 'kept', 'care.probe', now(), '{}')",
    )
    .await;
    // Somebody has locked `run`: the first migration that changes it has to wait.
    let mut holder = admin(&plant).await;
    execute(&mut holder, "begin; lock table run in access exclusive mode").await;
    let mut serve = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["serve", "--bind", "127.0.0.1:0", "--site", env!("CARGO_MANIFEST_DIR")])
        .env_clear()
        .env("DATABASE_URL", &plant.database.url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    plant
        .until("a migration that waits", async || {
            let waits: bool = sqlx::query_scalar(
                "select exists (select from pg_stat_activity
                                where datname = current_database() and wait_event_type = 'Lock')",
            )
            .fetch_one(&mut db)
            .await
            .unwrap();
            waits.then_some(())
        })
        .await;
    serve.kill().unwrap();
    serve.wait().unwrap();
    execute(&mut holder, "rollback").await;
    plant.serve(None).await;
    let mut applied: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
            .fetch_all(&mut db)
            .await
            .unwrap();
    applied.dedup();
    let known: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
    assert_eq!(applied, known);
    assert_eq!(events(&plant).await, ["kept"]);
}

#[tokio::test]
async fn a_database_that_turns_read_only_takes_nothing_and_loses_nothing() {
    let mut plant = Plant::new().await;
    plant.serve(None).await;
    let (address, mut db) = (plant.address, admin(&plant).await);
    assert_eq!(post_event(&plant, address, "a", None).await.0, StatusCode::ACCEPTED);
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    plant.wait_for_gate("ack").await;

    let name = database_name(&mut db).await;
    execute(&mut db, &format!("alter database {name} set default_transaction_read_only = on")).await;
    end_sessions(&mut db).await;
    let (status, problem) = plant
        .until("a refusal", async || {
            let (status, problem) = post_event(&plant, address, "b", None).await;
            // The first connections may still find that their session has ended.
            (problem["trouble"] == json!("read-only")).then_some((status, problem))
        })
        .await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(events(&plant).await, ["a"]);

    execute(&mut db, &format!("alter database {name} reset default_transaction_read_only")).await;
    end_sessions(&mut db).await;
    plant
        .until("a working intake", async || {
            (post_event(&plant, address, "b", None).await.0 == StatusCode::ACCEPTED).then_some(())
        })
        .await;
    assert_eq!(events(&plant).await, ["a", "b"]);
    assert_eq!(plant.to_the_end(run).await, "done");
}

/// The server's own error for a full disk, raised where the tables grow: a trigger is a disk that every account
/// may fill.
const FULL: &str = "
    create function full_disk() returns trigger language plpgsql as $$ begin
        raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
    create trigger full_disk before insert on event for each statement execute function full_disk();
    create trigger full_disk before insert on journal for each statement execute function full_disk();";

#[tokio::test]
async fn a_full_disk_stops_everything_and_loses_nothing() {
    let mut plant = Plant::new().await;
    plant.serve(None).await;
    let (address, mut db) = (plant.address, admin(&plant).await);
    assert_eq!(post_event(&plant, address, "a", None).await.0, StatusCode::ACCEPTED);
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    plant.wait_for_gate("ack").await;

    execute(&mut db, FULL).await;
    let (status, problem) = post_event(&plant, address, "b", None).await;
    assert_eq!((status, &problem["trouble"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("storage-full")));
    assert!(problem["detail"].as_str().is_some_and(|words| words.contains("takt db purge")), "{problem}");
    // People answer meanwhile; the run cannot write that it heard them.
    plant.answer_open().await;
    plant
        .until("a commit that fails", async || plant.log().contains("No space left on device").then_some(()))
        .await;
    let before = plant.records(run).await;

    execute(&mut db, "drop function full_disk() cascade").await;
    assert_eq!(post_event(&plant, address, "b", None).await.0, StatusCode::ACCEPTED);
    assert_eq!(events(&plant).await, ["a", "b"]);
    assert_eq!(plant.to_the_end(run).await, "done");
    let after = plant.records(run).await;
    assert_eq!(after[..before.len()], before[..], "history was rewritten");
    let mut done = std::collections::BTreeSet::new();
    for record in &after {
        if let (Change::Done { .. }, Some(path)) = (&record.change, &record.path) {
            assert!(done.insert(path.clone()), "{path} was done twice");
        }
    }
    assert_eq!(plant.writes().await["duplicate_effects"], json!(0));
}

/// Takt waits no longer than senders do, and what it does for runs needs none of their connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_too_slow_refuses_an_event_and_takes_it_later() {
    let mut plant = Plant::new().await;
    let mut db = admin(&plant).await;
    plant.serve(None).await;
    let address = plant.address;
    execute(&mut db, "begin; lock table event in exclusive mode").await;
    let begun = Instant::now();
    let names: Vec<String> = (0..25).map(|n| format!("e{n:02}")).collect();
    let posts = names.iter().map(|name| post_event(&plant, address, name, None));
    let health = async {
        let url = format!("http://{address}/health");
        // While every place for events is taken.
        tokio::time::sleep(Duration::from_secs(1)).await;
        reqwest::get(url).await.expect("an answer").status()
    };
    let (answers, health) = tokio::join!(futures::future::join_all(posts), health);
    let took = begun.elapsed();
    for (status, problem) in answers {
        assert_eq!(
            (status, &problem["trouble"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("slow")),
            "{problem}"
        );
    }
    assert!(took < Duration::from_secs(8), "senders waited for {took:?}");
    assert_eq!(health, StatusCode::OK);
    plant
        .until("a lease that was renewed meanwhile", async || {
            let age = "select extract(epoch from clock_timestamp() + interval '6 s' - lease_until)::float8 from worker";
            let ages: Vec<f64> = sqlx::query_scalar(age).fetch_all(&mut db).await.unwrap();
            assert_eq!(ages.len(), 1, "another worker had to register:\n{}", plant.log());
            (ages[0] < 1.0).then_some(())
        })
        .await;
    assert_eq!(plant.log().matches("worker registered").count(), 1, "{}", plant.log());
    execute(&mut db, "rollback").await;
    for name in &names {
        assert_eq!(post_event(&plant, address, name, None).await.0, StatusCode::ACCEPTED);
    }
    assert_eq!(events(&plant).await, names);
}

#[tokio::test]
async fn workers_of_one_name_are_two_and_one_s_end_is_not_the_other_s() {
    let database = pg::database().await;
    let store = Store::from_pool(database.pool.clone());
    let mut db = store.connection().await.unwrap();
    let one = workers::register(&mut db, "twin", LEASE).await.unwrap();
    let other = workers::register(&mut db, "twin", LEASE).await.unwrap();
    assert_ne!(one, other);
    let lapse =
        format!("update worker set lease_until = clock_timestamp() - interval '1 s' where id = {}", one.0);
    execute(&mut db, &lapse).await;
    assert!(workers::heartbeat(&mut db, other, 1, LEASE).await.unwrap());
    let dead: Vec<WorkerId> = pg::take_over_by_the_clock(&mut db, 3)
        .await
        .unwrap()
        .into_iter()
        .map(|(worker, ..)| worker)
        .collect();
    assert_eq!(dead, [one], "the twin's lease was renewed by the other, or taken with it");
    assert!(!workers::heartbeat(&mut db, one, 1, LEASE).await.unwrap());
    assert!(workers::heartbeat(&mut db, other, 1, LEASE).await.unwrap());
    workers::retire(&mut db, other).await.unwrap();
    assert!(!workers::heartbeat(&mut db, other, 1, LEASE).await.unwrap());
}

#[tokio::test]
async fn a_clock_that_jumps_neither_ends_a_lease_nor_makes_one_last() {
    let database = pg::database().await;
    let store = Store::from_pool(database.pool.clone());
    let mut db = store.connection().await.unwrap();
    let worker = workers::register(&mut db, "w", LEASE).await.unwrap();
    // The plant's clock may be moved; leases measure real time.
    clock::advance(&mut db, Duration::from_secs(365 * 24 * 3600)).await.unwrap();
    assert!(pg::take_over_by_the_clock(&mut db, 3).await.unwrap().is_empty());
    // The host's clock was an hour ahead when this lease was written, and was then set right.
    execute(&mut db, "update worker set lease_until = clock_timestamp() + interval '1 hour'").await;
    let begun = Instant::now();
    let dead = pg::take_over_by_the_clock(&mut db, 3).await.unwrap();
    assert_eq!(dead.first().map(|(dead, ..)| *dead), Some(worker), "its runs would stand still for an hour");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// Long enough to be under way whatever happens meanwhile.
const LONG: &str = r#"workflow: care_long
title: Long
owner: tests
autonomy: assist
trigger: { event: test.long }
steps:
  - id: look
    call: cmms.asset_history
    with: { asset: EQ-4 }
  - id: first
    call: tickets.create
    with: { title: "first of ${{ trigger.name }}" }
  - id: look_again
    call: cmms.asset_history
    with: { asset: EQ-4 }
  - id: second
    call: tickets.create
    with: { title: "second of ${{ trigger.name }}" }
"#;

async fn count(db: &mut PgConnection, text: &'static str) -> i64 {
    sqlx::query_scalar(text).fetch_one(db).await.unwrap()
}

async fn registered(db: &mut PgConnection) -> Vec<i64> {
    sqlx::query_scalar("select id from worker order by id").fetch_all(db).await.unwrap()
}

/// The host's clock goes ahead by an hour, three times: to the database every lease is over, though whoever holds it
/// is alive and in the middle of its steps.
#[tokio::test]
async fn a_host_s_clock_that_jumps_ahead_takes_no_run_from_a_worker_that_lives() {
    const AT_ONCE: i64 = 6;
    const JUMPS: i64 = 3;
    let mut plant = Plant::new().await;
    std::fs::write(plant.own_site().join("workflows/care_long.yaml"), LONG).unwrap();
    plant.serve(None).await;
    let _other = Serving::start(&plant, &[]).await;
    for system in ["cmms", "tickets"] {
        let slow = json!({ "system": system, "kind": "slow", "millis": 700 });
        plant.post(&format!("{}/sim/faults", plant.simulator.base_url), &slow).await;
    }
    let mut db = admin(&plant).await;
    let workers = plant
        .until("two workers", async || Some(registered(&mut db).await).filter(|workers| workers.len() == 2))
        .await;
    for jump in 0..JUMPS {
        for number in 0..AT_ONCE {
            let name = format!("long-{jump}-{number}");
            let event = json!({ "id": name, "type": "test.long", "subject": name, "data": { "name": name } });
            plant.store_event(&event).await;
        }
        plant
            .until("runs under way", async || {
                let running = count(&mut db, "select count(*) from run where state = 'running'").await;
                (running >= AT_ONCE).then_some(())
            })
            .await;
        execute(&mut db, "update worker set lease_until = clock_timestamp() - interval '1 hour'").await;
        plant
            .until("leases by the new time", async || {
                let over = "select count(*) from worker where lease_until < clock_timestamp()";
                (count(&mut db, over).await == 0).then_some(())
            })
            .await;
    }
    plant
        .until("every run to end well", async || {
            let done = "select count(*) from run_summary where workflow = 'care_long' and outcome = 'done'";
            (count(&mut db, done).await == JUMPS * AT_ONCE).then_some(())
        })
        .await;
    assert_eq!(registered(&mut db).await, workers, "a worker that lives was taken over:\n{}", plant.log());
    let twice = "select count(*) from (select from journal_record where kind in ('started', 'done')
                 group by run_id, path, kind having count(*) > 1) twice";
    assert_eq!(count(&mut db, twice).await, 0, "a step was begun or done twice");
    let writes = plant.writes().await;
    assert_eq!(writes["applied"], json!(2 * JUMPS * AT_ONCE), "{writes:#}");
    assert_eq!(writes["duplicate_effects"], json!(0), "{writes:#}");
}
