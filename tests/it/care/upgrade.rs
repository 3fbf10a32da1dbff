//! An upgrade that is killed in the middle of a migration, after that has moved and changed something, with runs in
//! flight: nothing of it stays, the next start does it all, and every run that was acknowledged comes to its end.

use super::{admin, end_sessions, events, execute, signed};
use crate::support::plant::Plant;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::{PgConnection, migrate::Migrator};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Child, Command, Stdio},
};
use takt::run::{Change, Record, RunId, State};

/// Of a Takt before journals had a partition for each day only: the migration after it moves every record and payload.
const OLD: i64 = 16;
const RUNS: usize = 6;

/// A write before the upgrade, and one after it.
const WORKFLOW: &str = r#"workflow: care_upgrade
title: Upgrade
owner: tests
autonomy: assist
trigger: { event: test.upgrade }
steps:
  - id: first
    call: tickets.create
    with: { title: "first of ${{ trigger.subject }}" }
  - id: go
    wait: test.go
    subject: trigger.subject
    timeout: 12h
  - id: second
    call: tickets.create
    with: { title: "second of ${{ trigger.subject }}" }
"#;

/// What lies in `newer` stands in the older schema beside it, but for columns that this does not have. Rows come as they
/// were: no trigger fires and no key is looked up; numbers go on where they stood.
const MOVE_BACK: &str = "
set session_replication_role = replica;
do $$
declare
    one record;
begin
    for one in
        select older.relname as name, string_agg(quote_ident(attname), ', ' order by attnum) as columns
        from pg_class older
        join pg_class newer on newer.relname = older.relname and newer.relnamespace = 'newer'::regnamespace
        join pg_attribute on attrelid = older.oid and attnum > 0 and not attisdropped
        where older.relnamespace = 'public'::regnamespace and older.relkind in ('r', 'p')
          and not older.relispartition and older.relname <> '_sqlx_migrations'
        group by older.relname
    loop
        execute format('delete from public.%I', one.name);
        execute format('insert into public.%1$I (%2$s) overriding system value select %2$s from newer.%1$I',
                       one.name, one.columns);
    end loop;
    for one in
        select pg_get_serial_sequence(format('public.%I', relname), attname) as own,
               pg_get_serial_sequence(format('newer.%I', relname), attname) as theirs
        from pg_class join pg_attribute on attrelid = pg_class.oid
        where relnamespace = 'public'::regnamespace and attidentity <> ''
    loop
        execute format('select setval(%L, last_value, is_called) from %s', one.own, one.theirs);
    end loop;
end $$;
reset session_replication_role;
drop schema newer cascade;";

/// Whoever migrates waits for `payload`, with the journal moved and its old partition gone, but not for good yet.
const IN_THE_MIDDLE: &str = "
select waits.pid from pg_locks waits join pg_stat_activity session on session.pid = waits.pid
where not waits.granted and waits.relation = 'payload'::regclass and session.backend_xid is not null
  and waits.database = (select oid from pg_database where datname = current_database())
  and exists (select from pg_locks held
              where held.pid = waits.pid and held.granted and held.mode = 'AccessExclusiveLock'
                and held.relation = 'journal_default'::regclass)";

/// Whoever waits until nobody else migrates.
const IN_LINE: &str = "
select waits.pid from pg_locks waits
where not waits.granted and waits.locktype = 'advisory'
  and waits.database = (select oid from pg_database where datname = current_database())";

/// All that the journal says, whatever partition it lies in.
const HISTORY: &str = "select coalesce(string_agg(journal::text, ' ' order by run_id, seq), '') from journal";

async fn post(plant: &Plant, id: &str, kind: &str, subject: &str) {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "care", "type": kind, "subject": subject, "data": {}
    });
    let answer = signed(plant, plant.address, &event, None).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::ACCEPTED, "{id}");
}

fn case(number: usize) -> String {
    format!("case-{number}")
}

async fn runs(plant: &Plant) -> BTreeMap<String, RunId> {
    let sql = "select subject, id from run_summary where workflow = 'care_upgrade'";
    let rows: Vec<(String, uuid::Uuid)> =
        sqlx::query_as(sql).fetch_all(&plant.database.pool).await.expect("runs");
    rows.into_iter().map(|(subject, id)| (subject, RunId(id))).collect()
}

async fn newest_migration(db: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select max(version) from _sqlx_migrations where success").fetch_one(db).await.unwrap()
}

/// Runs in flight and an event that nobody has looked at, all of it acknowledged; then the server dies.
async fn in_flight(plant: &mut Plant, db: &mut PgConnection) -> (RunId, BTreeMap<RunId, Vec<Record>>) {
    let site = plant.own_site();
    std::fs::write(site.join("workflows/care_upgrade.yaml"), WORKFLOW).expect("a workflow");
    plant.serve(None).await;
    plant.press_4_goes_down().await;
    let asked = plant.run_of("downtime_escalation").await;
    plant.wait_for_gate("ack").await;
    for number in 0..RUNS {
        post(plant, &format!("start-{number}"), "test.upgrade", &case(number)).await;
    }
    plant
        .until("runs that wait", async || {
            let waiting = "select count(*) from subscription where event_type = 'test.go'";
            let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&mut *db).await.unwrap();
            (waiting == i64::try_from(RUNS).unwrap()).then_some(())
        })
        .await;
    plant.kill();
    let left = json!({ "id": "unseen", "type": "test.upgrade", "subject": "unseen", "data": {} });
    plant.store_event(&left).await;
    let mut before = BTreeMap::new();
    for run in runs(plant).await.into_values().chain([asked]) {
        before.insert(run, plant.records(run).await);
    }
    (asked, before)
}

/// The database as an older Takt would have it.
async fn take_back(db: &mut PgConnection) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
    let migrator = Migrator::new(folder).await.unwrap();
    execute(db, "alter schema public rename to newer; create schema public").await;
    migrator.run_to(OLD, &mut *db).await.unwrap();
    execute(db, MOVE_BACK).await;
    // Their statements were prepared for the newer one.
    end_sessions(db).await;
}

/// A `takt serve` that will not come so far as to answer.
fn start(plant: &Plant) -> Child {
    Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["serve", "--bind", "127.0.0.1:0", "--site"])
        .arg(plant.own_folder())
        .args(["--simulator", &plant.simulator.base_url])
        .env_clear()
        .env("DATABASE_URL", &plant.database.url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starting takt serve")
}

/// Waits for the session that a question finds; kills its process, which has no time to say anything.
async fn killed(plant: &Plant, db: &mut PgConnection, mut process: Child, question: &'static str) -> i32 {
    let session = plant
        .until("a session that waits", async || {
            assert!(process.try_wait().unwrap().is_none(), "it ended by itself");
            sqlx::query_scalar::<_, i32>(question).fetch_optional(&mut *db).await.unwrap()
        })
        .await;
    process.kill().unwrap();
    process.wait().unwrap();
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_killed_after_it_has_moved_the_journal_loses_no_run() {
    let mut plant = Plant::new().await;
    let mut db = admin(&plant).await;
    let (asked, before) = in_flight(&mut plant, &mut db).await;
    take_back(&mut db).await;
    let history: String = sqlx::query_scalar(HISTORY).fetch_one(&mut db).await.unwrap();
    assert!(!history.is_empty(), "nothing to move");

    // Somebody reads payloads: the migration has moved the journal by the time it waits for them.
    let mut reader = admin(&plant).await;
    execute(&mut reader, "begin; select count(*) from payload").await;
    let first = killed(&plant, &mut db, start(&plant), IN_THE_MIDDLE).await;
    // Started again at once, it waits behind the session that the dead one has left; and is killed, too.
    let second = killed(&plant, &mut db, start(&plant), IN_LINE).await;
    assert_ne!(first, second);
    execute(&mut reader, "rollback").await;
    plant
        .until("the end of what the dead have left", async || {
            let left = "select count(*) from pg_stat_activity where pid in ($1, $2)";
            let left = sqlx::query_scalar::<_, i64>(left).bind(first).bind(second);
            (left.fetch_one(&mut db).await.unwrap() == 0).then_some(())
        })
        .await;
    assert_eq!(newest_migration(&mut db).await, OLD, "half a migration was kept");
    let is_old: bool = sqlx::query_scalar("select to_regclass('journal_default') is not null")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert!(is_old, "half a migration was kept");
    assert_eq!(sqlx::query_scalar::<_, String>(HISTORY).fetch_one(&mut db).await.unwrap(), history);

    plant.serve(None).await;
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
    let newest = Migrator::new(folder).await.unwrap().iter().map(|migration| migration.version).max();
    assert_eq!(Some(newest_migration(&mut db).await), newest);
    everything_ends_well(&plant, asked, &before).await;
}

async fn everything_ends_well(plant: &Plant, asked: RunId, before: &BTreeMap<RunId, Vec<Record>>) {
    let expected: BTreeSet<String> = (0..RUNS).map(case).chain(["unseen".to_owned()]).collect();
    let runs = plant
        .until("a run of each event", async || Some(runs(plant).await).filter(|runs| runs.len() > RUNS))
        .await;
    assert_eq!(runs.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for subject in &expected {
        post(plant, &format!("go-{subject}"), "test.go", subject).await;
    }
    for run in runs.values().chain([&asked]) {
        assert_eq!(plant.to_the_end(*run).await, "done", "{run}");
        let after = plant.records(*run).await;
        State::fold(&after).expect("a journal that folds");
        let known = before.get(run).map_or(&[][..], Vec::as_slice);
        assert_eq!(&after[..known.len()], known, "history was rewritten");
        let mut done = BTreeSet::new();
        for record in &after {
            if let (Change::Done { .. }, Some(path)) = (&record.change, &record.path) {
                assert!(done.insert(path.clone()), "{path} was done twice");
            }
        }
    }
    let of_events: BTreeSet<String> = events(plant).await.into_iter().collect();
    let starts = (0..RUNS).map(|number| format!("start-{number}"));
    let goes = expected.iter().map(|subject| format!("go-{subject}"));
    assert_eq!(of_events, starts.chain(goes).collect::<BTreeSet<_>>());
    let writes = plant.writes().await;
    assert_eq!(writes["duplicate_effects"], json!(0), "{writes:#}");
}
