//! Old days go as whole partitions, live runs keep theirs, and whoever holds vacuum back is named.

use crate::support::{pg, plant::Plant};
use chrono::{Days, NaiveDate, NaiveTime, Utc};
use sqlx::{AssertSqlSafe, PgPool};
use std::{process::Command, time::Duration};
use takt::{
    engine::upkeep::{Freed, Policy, Progress, Upkeep, clean},
    run::RunId,
    store::{
        Store,
        retention::{self, Trimmed},
        upkeep,
        watch::{self, Bounds, Finding, HolderKind},
    },
};
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(24 * 3600);
const KEEP_90: Policy =
    Policy { journal: Some(Duration::from_secs(90 * 24 * 3600)), events: None, messages: None, runs: None };

fn long_ago() -> NaiveDate {
    Utc::now().date_naive().checked_sub_days(Days::new(120)).unwrap()
}

fn id_at_noon(day: NaiveDate) -> Uuid {
    let seconds = u64::try_from(day.and_hms_opt(12, 0, 0).unwrap().and_utc().timestamp()).unwrap();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0))
}

async fn sql(pool: &PgPool, text: &str) {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned()))
        .execute(pool)
        .await
        .unwrap_or_else(|e| panic!("{text}: {e}"));
}

/// The partitions of a day as `partitions` would have made them then.
async fn make_day(pool: &PgPool, day: NaiveDate) {
    let next = day.succ_opt().unwrap();
    let first = |day: NaiveDate| RunId::first_at(day.and_time(NaiveTime::MIN).and_utc());
    for table in retention::PARTITIONED {
        let (from, until) = (first(day), first(next));
        let name = format!("{table}_{}", day.format("%Y%m%d"));
        sql(
            pool,
            &format!("create table {name} partition of {table} for values from ('{from}') to ('{until}')"),
        )
        .await;
    }
}

async fn record(pool: &PgPool, run: Uuid, day: NaiveDate) {
    sqlx::query("insert into journal (run_id, seq, at, records) values ($1, 0, $2, '[]')")
        .bind(run)
        .bind(day.and_hms_opt(12, 0, 0).unwrap().and_utc())
        .execute(pool)
        .await
        .unwrap();
}

async fn partitions(pool: &PgPool, day: NaiveDate) -> Vec<String> {
    sqlx::query_scalar(
        "select relname::text from pg_class where relkind = 'r' and relname like $1 order by 1",
    )
    .bind(format!("%\\_{}", day.format("%Y%m%d")))
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn cleaned(store: &Store, policy: &Policy, rehearse: bool) -> Freed {
    let mut quiet = |_: Progress<'_>| {};
    clean(&mut store.connection().await.unwrap(), policy, rehearse, &mut quiet).await.unwrap()
}

#[tokio::test]
async fn an_old_day_goes_as_a_whole_and_a_rehearsal_takes_nothing() {
    let database = pg::database().await;
    let store = Store::open(&database.url).await.unwrap();
    let day = long_ago();
    make_day(&database.pool, day).await;
    record(&database.pool, id_at_noon(day), day).await;
    let names = partitions(&database.pool, day).await;
    assert_eq!(names.len(), 2);

    let rehearsed = cleaned(&store, &KEEP_90, true).await;
    assert_eq!(rehearsed.days.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names);
    assert_eq!(partitions(&database.pool, day).await, names, "a rehearsal took something");

    let freed = cleaned(&store, &KEEP_90, false).await;
    assert_eq!(freed.days, rehearsed.days);
    assert!(freed.bytes() > 0 && freed.kept.is_empty());
    assert!(partitions(&database.pool, day).await.is_empty());
    let left: i64 =
        sqlx::query_scalar("select count(*) from journal").fetch_one(&database.pool).await.unwrap();
    assert_eq!(left, 0);
    // Today's and the next days' are young enough whatever is asked.
    let again = cleaned(&store, &Policy { journal: Some(DAY), ..KEEP_90 }, false).await;
    assert!(again.days.is_empty(), "{again:?}");
}

#[tokio::test]
async fn a_live_run_keeps_its_day_and_is_named() {
    let database = pg::database().await;
    let store = Store::open(&database.url).await.unwrap();
    let (day, run) = (long_ago(), id_at_noon(long_ago()));
    make_day(&database.pool, day).await;
    record(&database.pool, run, day).await;
    sql(&database.pool, &format!("insert into run (id, version_id, state) values ('{run}', 1, 'parked')"))
        .await;
    sql(
        &database.pool,
        &format!(
            "insert into run_summary (id, workflow, title, started_at) values ('{run}', 'supplier_delay', 'T', now())"
        ),
    )
    .await;

    let freed = cleaned(&store, &KEEP_90, false).await;
    assert!(freed.days.is_empty(), "{freed:?}");
    let sentences: Vec<String> = freed.kept.iter().map(retention::Kept::sentence).collect();
    let names = format!("{run} (supplier_delay)");
    assert!(
        sentences.iter().all(|sentence| sentence.contains(&names)) && sentences.len() == 2,
        "{sentences:?}"
    );
    assert_eq!(partitions(&database.pool, day).await.len(), 2);

    sql(&database.pool, &format!("delete from run where id = '{run}'")).await;
    assert_eq!(cleaned(&store, &KEEP_90, false).await.days.len(), 2);
}

#[tokio::test]
async fn what_an_interrupted_drop_left_behind_is_dropped() {
    let database = pg::database().await;
    let store = Store::open(&database.url).await.unwrap();
    let day = long_ago();
    make_day(&database.pool, day).await;
    let name = format!("journal_{}", day.format("%Y%m%d"));
    // Detached, and the process died before it dropped.
    sql(&database.pool, &format!("alter table journal detach partition {name}")).await;
    let freed = cleaned(&store, &KEEP_90, false).await;
    assert!(freed.days.iter().any(|(dropped, _)| *dropped == name), "{freed:?}");
    assert!(partitions(&database.pool, day).await.is_empty());
}

#[tokio::test]
async fn narrow_tables_are_trimmed_in_batches_and_keep_what_is_not_settled() {
    let database = pg::database().await;
    let store = Store::open(&database.url).await.unwrap();
    let old = "now() - interval '100 days'";
    let events = retention::BATCH + 500;
    sql(
        &database.pool,
        &format!(
            "insert into event (id, source, source_id, type, time, received_at, data, state)
             select gen_random_uuid(), 's', n::text, 't', now(), {old}, '{{}}', 'routed' from generate_series(1, {events}) n;
             insert into event (id, source, source_id, type, time, received_at, data, state) values
               (gen_random_uuid(), 's', 'new', 't', now(), {old}, '{{}}', 'new'),
               (gen_random_uuid(), 's', 'failed', 't', now(), {old}, '{{}}', 'failed'),
               (gen_random_uuid(), 's', 'young', 't', now(), now(), '{{}}', 'routed');
             insert into run_summary (id, workflow, title, started_at, ended_at) values
               ('00000000-0000-7000-8000-000000000001', 'w', 'old', {old}, {old}),
               ('00000000-0000-7000-8000-000000000002', 'w', 'open', {old}, null);
             insert into gate (id, run_id, path, form, state, ask, proposal_hash, token_hash, opened_at, expires_at)
               select id, id, 'p', 'approve', case title when 'open' then 'open' else 'answered' end, '{{}}', 'h', id::text, now(), now()
               from run_summary;
             insert into gate_vote (gate_id, person, decision, body, channel, proposal_hash, at)
               select id, 'sam', 'approve', '{{}}', 'console', 'h', now() from run_summary;
             insert into outbox (id, run_id, channel, message, state, created_at) values
               (gen_random_uuid(), gen_random_uuid(), 'slack', '{{}}', 'sent', {old}),
               (gen_random_uuid(), gen_random_uuid(), 'slack', '{{}}', 'queued', {old});
             insert into outbox (id, run_id, gate_id, channel, message, state, created_at)
               select gen_random_uuid(), id, id, 'slack', '{{}}', 'sent', {old} from gate where state = 'open'"
        ),
    )
    .await;
    let days = |n: u64| Some(Duration::from_secs(n * 24 * 3600));
    let policy = Policy { journal: None, events: days(90), messages: days(90), runs: days(90) };
    let freed = cleaned(&store, &policy, false).await;
    let events = u64::try_from(events).unwrap();
    assert_eq!(freed.rows, [(Trimmed::Events, events), (Trimmed::Messages, 1), (Trimmed::Runs, 1)]);
    let left = async |what: &str| -> i64 {
        let query = format!("select count(*) from {what}");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&database.pool).await.unwrap()
    };
    assert_eq!(left("event").await, 3);
    assert_eq!(left("outbox where state = 'queued'").await, 1);
    assert_eq!(
        left("outbox where state = 'sent'").await,
        1,
        "the card of an open question is still changed later"
    );
    assert_eq!(left("gate join run_summary on run_summary.id = gate.run_id").await, 1);
    assert_eq!(left("gate_vote").await, 1);
}

#[tokio::test]
async fn an_event_that_is_still_gathered_stays_and_keeps_nothing_else() {
    let database = pg::database().await;
    let store = Store::open(&database.url).await.unwrap();
    sql(
        &database.pool,
        "insert into event (id, source, source_id, type, time, received_at, data, state)
         select gen_random_uuid(), 's', n::text, 't', now(), now() - interval '1 day', '{}', 'routed'
         from generate_series(1, 3) n;
         insert into gathering (workflow, key, began_at, fire_at, events) values ('w', '', now(), now(), 1);
         insert into gathered (workflow, key, position, event_id)
         select 'w', '', 1, id from event where source_id = '1'",
    )
    .await;
    let policy = Policy { journal: None, events: Some(Duration::from_secs(1)), messages: None, runs: None };
    for rehearse in [true, false] {
        assert_eq!(cleaned(&store, &policy, rehearse).await.rows, [(Trimmed::Events, 2)]);
    }
    let left: Vec<String> =
        sqlx::query_scalar("select source_id from event").fetch_all(&database.pool).await.unwrap();
    assert_eq!(left, ["1"]);
}

/// A newer takt looks at the database of an older one that is running.
#[tokio::test]
async fn a_command_beside_a_server_never_upgrades_its_schema() {
    let database = pg::database().await;
    let newest = "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)";
    sql(&database.pool, newest).await;
    let applied = || async {
        let count = sqlx::query_scalar::<_, i64>("select count(*) from _sqlx_migrations");
        count.fetch_one(&database.pool).await.expect("a number")
    };
    let before = applied().await;
    for command in [["run", "list"], ["cron", "list"], ["audit", "list"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_takt"))
            .args(command)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_clear()
            .env("DATABASE_URL", &database.url)
            .output()
            .expect("running takt");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("start `takt serve`"), "{command:?}: {said}");
    }
    assert_eq!(applied().await, before);
}

#[tokio::test]
async fn purge_works_on_a_schema_that_takt_cannot_start_on() {
    let mut plant = Plant::new().await;
    let day = long_ago();
    make_day(&plant.database.pool, day).await;
    // A migration that this takt does not know: `takt serve` refuses.
    sql(
        &plant.database.pool,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (9999, 'from the future', true, '', 0)",
    )
    .await;
    let purge = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
        command.args(["db", "purge", "--journal", "90d"]).args(more);
        command.env_clear().env("DATABASE_URL", &plant.database.url);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, err) = purge(&["--dry-run"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("would free ") && out.contains("in 2 partitions"), "{out}");
    assert!(err.contains("would drop journal_"), "{err}");
    assert_eq!(partitions(&plant.database.pool, day).await.len(), 2);
    let (code, out, err) = purge(&[]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("freed ") && out.contains("in 2 partitions"), "{out}");
    assert!(partitions(&plant.database.pool, day).await.is_empty());

    let refused = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["serve", "--bind", "127.0.0.1:0", "--site", env!("CARGO_MANIFEST_DIR")])
        .env_clear()
        .env("DATABASE_URL", &plant.database.url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("a newer takt has used this database"), "{said}");
    plant.kill();
}

#[tokio::test]
async fn the_session_that_holds_vacuum_back_is_named() {
    let database = pg::database().await;
    let store = Store::open(&database.url).await.unwrap();
    let url = format!("{}&application_name=report", database.url);
    let url = if database.url.contains('?') { url } else { url.replacen('&', "?", 1) };
    let reader = PgPool::connect(&url).await.unwrap();
    let mut held = reader.begin().await.unwrap();
    sqlx::raw_sql("set transaction isolation level repeatable read; select count(*) from run")
        .execute(&mut *held)
        .await
        .unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *held).await.unwrap();

    let at_once = Bounds { held: Duration::ZERO, ..Bounds::default() };
    let mut db = store.connection().await.unwrap();
    let found = watch::look(&mut db, &at_once).await.unwrap();
    let Some(Finding::Holder(holder)) =
        found.iter().find(|f| matches!(f, Finding::Holder(holder) if holder.pid == Some(pid)))
    else {
        panic!("{found:?}")
    };
    assert_eq!((holder.kind, holder.name.as_str()), (HolderKind::Session, "report"));
    assert!(holder.query.as_deref().is_some_and(|query| query.contains("pg_backend_pid")), "{holder:?}");
    let sentence = found[0].sentence();
    assert!(sentence.contains(&pid.to_string()) && !sentence.contains("pg_backend_pid()"), "{sentence}");

    held.rollback().await.unwrap();
    let after = watch::look(&mut db, &at_once).await.unwrap();
    assert!(
        !after.iter().any(|f| matches!(f, Finding::Holder(holder) if holder.pid == Some(pid))),
        "{after:?}"
    );
}

#[tokio::test]
async fn dead_rows_are_found_and_every_task_is_done_by_one_process() {
    let database = pg::database().await;
    let store = Store::open(&database.url).await.unwrap();
    sql(
        &database.pool,
        "alter table signal set (autovacuum_enabled = false);
         insert into signal (id, run_id, kind, body) select gen_random_uuid(), gen_random_uuid(), 'event', '{}'
           from generate_series(1, 1000);
         delete from signal; select pg_stat_force_next_flush()",
    )
    .await;
    let bounds = Bounds { dead_rows: 900, ..Bounds::default() };
    let mut db = store.connection().await.unwrap();
    let begun = std::time::Instant::now();
    let table = loop {
        let found = watch::look(&mut db, &bounds).await.unwrap();
        let bloated = found.into_iter().find_map(|finding| match finding {
            Finding::Bloat(table) if table.name == "signal" => Some(table),
            _ => None,
        });
        match bloated {
            Some(table) => break table,
            None if begun.elapsed() > Duration::from_secs(60) => panic!("the dead rows were never seen"),
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    assert!(table.dead_rows >= 1000 && table.live_rows == 0, "{table:?}");
    drop(db);

    let care = || Upkeep { store: store.clone(), policy: KEEP_90 };
    let (one, other) = (care(), care());
    let (first, second) = tokio::join!(one.pass(), other.pass());
    first.unwrap();
    second.unwrap();
    let done = upkeep::last(&mut store.connection().await.unwrap()).await.unwrap();
    // The audit's tasks are its keeper's.
    let mut of_care = done.iter().filter(|last| !last.is_of_audit());
    assert!(of_care.all(|last| last.done_at.is_some() && last.error.is_none()), "{done:?}");
    // Nothing is due again, except for somebody whose clock was set back.
    let of_care = [upkeep::Task::Watch, upkeep::Task::Analyze, upkeep::Task::Retention];
    let every = of_care.map(|task| (task, Duration::from_secs(3600)));
    let mut db = store.connection().await.unwrap();
    let due = upkeep::take_due(&mut db, &every).await.unwrap();
    assert_eq!(due, [upkeep::Task::Analyze], "six hours ahead is not within the hour that is asked for");
    let analyzed: bool = sqlx::query_scalar(
        "select last_analyze is not null from pg_stat_user_tables where relname = 'journal'",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert!(analyzed, "the partitioned parent has no statistics");
}

#[tokio::test]
async fn every_hot_table_carries_its_storage_options() {
    let database = pg::database().await;
    let rows: Vec<(String, Option<Vec<String>>)> = sqlx::query_as(
        "select relname::text, reloptions from pg_class
         where relkind = 'r' and relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let options = |table: &str| {
        let found = rows.iter().find(|(name, _)| name == table);
        found.and_then(|(_, options)| options.clone()).unwrap_or_default().join(" ")
    };
    for table in ["run", "worker", "run_summary", "event", "outbox", "gate", "upkeep", "intake_rejection"] {
        assert!(options(table).contains("fillfactor="), "{table}: {}", options(table));
    }
    for table in [
        "run",
        "worker",
        "signal",
        "subscription",
        "hold",
        "run_summary",
        "event",
        "outbox",
        "gate",
        "upkeep",
    ] {
        assert!(options(table).contains("autovacuum_vacuum_scale_factor="), "{table}: {}", options(table));
    }
    assert!(options("run").contains("autovacuum_vacuum_cost_delay=0"));
}

#[tokio::test]
async fn the_audit_trail_outlives_every_policy() {
    let database = pg::database().await;
    let store = Store::open(&database.url).await.unwrap();
    sql(
        &database.pool,
        "insert into audit_record (at, actor, actor_kind, action)
         values (now() - interval '10 years', 'sam', 'person', 'old')",
    )
    .await;
    let policy = Policy { journal: Some(DAY), events: Some(DAY), messages: Some(DAY), runs: Some(DAY) };
    cleaned(&store, &policy, false).await;
    let entries: i64 = sqlx::query_scalar("select count(*) from audit where action = 'old'")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    assert_eq!(entries, 1);
}
