//! The trail in the hands of another role: the role Takt works as adds to it, and can change nothing.

use super::{SITE, ZONE, check, fill, key, purge, seal};
use crate::support::pg;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use takt::audit::take_checkpoint;

const APP: &str = "takt_app_of_the_tests";

/// What psql would send of `docs/audit-role.sql`.
fn script() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit-role.sql");
    let text = std::fs::read_to_string(path).expect("the script");
    let lines = text.lines().filter(|line| !line.starts_with('\\'));
    lines.collect::<Vec<_>>().join("\n").replace(":\"app\"", APP).replace(":'app'", &format!("'{APP}'"))
}

/// Takt's role made all tables, as it does where an operator gives it a database.
async fn owned_by_app(db: &mut PgConnection) {
    role(db, "takt_audit").await;
    role(db, APP).await;
    let owner = format!(
        "do $$ declare one record; begin
           for one in select c.oid::regclass as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
                      where n.nspname = 'public' and c.relkind in ('r', 'p', 'v') loop
             execute 'alter table ' || one.name || ' owner to {APP}';
           end loop;
         end $$; grant usage, create on schema public to {APP}"
    );
    run(db, owner).await.expect("the owner");
}

async fn run(db: &mut PgConnection, sql: impl Into<String>) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(db).await.map(|_| ())
}

async fn role(db: &mut PgConnection, name: &str) {
    // Roles belong to the whole server, which other tests may share.
    let made =
        format!("do $$ begin create role {name} nologin; exception when duplicate_object then null; end $$");
    db.execute(AssertSqlSafe(made)).await.expect("a role");
}

#[tokio::test]
async fn the_role_takt_works_as_can_neither_change_nor_take_out() {
    let database = pg::database().await;
    let mut db = PgConnection::connect(&database.url).await.expect("connecting");
    owned_by_app(&mut db).await;
    sqlx::raw_sql(AssertSqlSafe(script())).execute(&mut db).await.expect("docs/audit-role.sql");
    db.execute(AssertSqlSafe(format!("set session authorization {APP}")))
        .await
        .expect("becoming Takt's role");

    // All that Takt does goes on.
    fill(&mut db, 1, 3).await;
    let (signing, public) = key();
    take_checkpoint(&mut db, SITE, ZONE, &signing, None).await.expect("a checkpoint");
    let later = takt::store::clock::now(&mut db).await.expect("the time");
    assert_eq!(purge(&mut db, later).await, 3);
    assert_eq!(seal(&mut db).await, 0);
    let verdict = check(&mut db, &[public], None).await.expect("a verdict");
    assert_eq!((verdict.broken, verdict.records, verdict.purged), (None, 4, 3));
    takt::store::audit::recent(&mut db, 5).await.expect("reading");
    db.execute("select * from audit").await.expect("the view");

    for change in [
        "update audit_record set actor = 'eve'",
        "delete from audit_record",
        "truncate audit_record",
        "update audit_detail set body = ''",
        "delete from audit_detail",
        "update audit_seal set hash = ''",
        "delete from audit_seal",
        "delete from audit_checkpoint",
        "delete from audit_head",
        "alter table audit_record disable trigger all",
        "drop trigger audit_append_only on audit_record",
        "drop table audit_detail",
        "alter table audit_seal owner to current_user",
        "create or replace function audit_is_append_only() returns trigger language plpgsql as $$ begin return new; end $$",
        "set session_replication_role = replica",
        "set role takt_audit",
        "create or replace view audit as select 1 as id",
    ] {
        let refused = sqlx::raw_sql(AssertSqlSafe(change.to_owned())).execute(&mut db).await;
        let refused = refused.expect_err(change);
        let code = refused.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
        assert_eq!(code, "42501", "{change}: {refused}");
    }
    db.execute("reset session authorization").await.expect("back");
}

/// Tables of its own in place of the trail's, with a trigger that does what it likes with the rights of whoever deletes.
const DISGUISE: &str = "
    create temporary table audit_detail (record_id bigint, salt bytea, body text);
    create temporary table audit_record (id bigint, at timestamptz);
    create temporary table audit_seal (record_id bigint);
    insert into pg_temp.audit_detail values (1, '', '');
    insert into pg_temp.audit_record values (1, 'epoch');
    insert into pg_temp.audit_seal values (1);
    create function public.forge() returns trigger language plpgsql as $$ begin
        alter table public.audit_record disable trigger all;
        update public.audit_record set actor = 'mallory';
        return old;
    end $$;
    create trigger forge before delete on pg_temp.audit_detail for each row execute function public.forge();
    grant all on pg_temp.audit_detail, pg_temp.audit_record, pg_temp.audit_seal to public;
    select audit_purge(now(), 10)";

#[tokio::test]
async fn tables_in_disguise_get_nobody_the_rights_of_the_trails_owner() {
    let database = pg::database().await;
    let mut db = PgConnection::connect(&database.url).await.expect("connecting");
    owned_by_app(&mut db).await;
    fill(&mut db, 1, 2).await;
    run(&mut db, script()).await.expect("docs/audit-role.sql");
    run(&mut db, format!("set session authorization {APP}")).await.expect("becoming Takt's role");
    run(&mut db, DISGUISE).await.expect("the purge finds the real tables, and nothing to take out");
    run(&mut db, "reset session authorization").await.expect("back");
    let forged: i64 = sqlx::query_scalar("select count(*) from public.audit_record where actor = 'mallory'")
        .fetch_one(&mut db)
        .await
        .expect("counting");
    assert_eq!(forged, 0);
}

#[tokio::test]
async fn the_script_stops_where_the_division_would_not_hold_and_changes_nothing() {
    let database = pg::database().await;
    let mut db = PgConnection::connect(&database.url).await.expect("connecting");
    owned_by_app(&mut db).await;
    let names = "select current_database()::text, session_user::text";
    let (name, owner): (String, String) = sqlx::query_as(names).fetch_one(&mut db).await.expect("names");
    for (what, expected) in
        [(format!("database {name}"), "owns the database"), ("schema public".to_owned(), "owns the schema")]
    {
        run(&mut db, format!("alter {what} owner to {APP}")).await.expect("prepared");
        let refused = run(&mut db, script()).await.expect_err(expected).to_string();
        assert!(refused.contains(expected), "{refused}");
        run(&mut db, "rollback").await.expect("over");
        let theirs: String = sqlx::query_scalar(
            "select relowner::regrole::text from pg_class where oid = 'audit_record'::regclass",
        )
        .fetch_one(&mut db)
        .await
        .expect("an owner");
        assert_eq!(theirs, APP, "nothing was given away");
        run(&mut db, format!("alter {what} owner to {owner}")).await.expect("mended");
    }
    let unknown = script().replace(APP, "nobody_of_this_name");
    let refused = run(&mut db, unknown).await.expect_err("no such role").to_string();
    assert!(refused.contains("there is no role nobody_of_this_name"), "{refused}");
}
