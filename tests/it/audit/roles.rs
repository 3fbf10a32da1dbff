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
    let lines = text.lines().filter(|line| {
        !line.starts_with('\\') && !line.ends_with("\\gset") && !line.starts_with("create role")
    });
    lines.collect::<Vec<_>>().join("\n").replace(":\"app\"", APP)
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
    role(&mut db, "takt_audit").await;
    role(&mut db, APP).await;
    // Takt's role made all tables, as it does where an operator gives it a database.
    let owner = format!(
        "do $$ declare one record; begin
           for one in select c.oid::regclass as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
                      where n.nspname = 'public' and c.relkind in ('r', 'p', 'v') loop
             execute 'alter table ' || one.name || ' owner to {APP}';
           end loop;
         end $$; grant usage, create on schema public to {APP}"
    );
    sqlx::raw_sql(AssertSqlSafe(owner)).execute(&mut db).await.expect("the owner");
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
    ] {
        let refused = sqlx::raw_sql(AssertSqlSafe(change.to_owned())).execute(&mut db).await;
        let refused = refused.expect_err(change);
        let code = refused.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
        assert_eq!(code, "42501", "{change}: {refused}");
    }
    db.execute("reset session authorization").await.expect("back");
}
