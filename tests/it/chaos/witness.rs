//! A witness inside the database: triggers of the test's own write down who registered, who was taken over, who
//! owned a run and who wrote which journal record, by the connection's application name. The engine knows nothing
//! of it. Afterwards everything that a checker needs is read out in one go.

use super::checker::{Answered, Entry, History, RunEntry, What};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use std::collections::BTreeMap;
use takt::{
    run::RunId,
    store::{gates, journal},
};
use uuid::Uuid;

const TRIGGERS: &str = r"
create schema witness;
create table witness.log (
    n bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    xid xid8 not null default pg_current_xact_id(),
    process text not null default current_setting('application_name'),
    what text not null, run uuid, worker bigint, seq int, kind text, attempt int, path text);

create function witness.worker() returns trigger language plpgsql as $$ begin
    if tg_op = 'INSERT' then
        insert into witness.log (what, worker) values ('registered', new.id);
    elsif tg_op = 'DELETE' then
        insert into witness.log (what, worker) values ('fenced', old.id);
    elsif new.epoch <> old.epoch then
        insert into witness.log (what, worker) values ('fenced', new.id);
    end if;
    return null;
end $$;
create trigger witness after insert or update or delete on worker for each row execute function witness.worker();

create function witness.run() returns trigger language plpgsql as $$ begin
    if tg_op = 'DELETE' then
        insert into witness.log (what, run) values ('owned', old.id);
    elsif tg_op = 'INSERT' or new.owner is distinct from old.owner then
        insert into witness.log (what, run, worker) values ('owned', new.id, new.owner);
    end if;
    return null;
end $$;
create trigger witness after insert or update or delete on run for each row execute function witness.run();

create function witness.journal() returns trigger language plpgsql as $$ begin
    insert into witness.log (what, run, seq, kind, attempt, path)
    select 'record', new.run_id, new.seq + ordinality - 1, value ->> 3, (value ->> 2)::int, value ->> 1
    from json_array_elements(new.records) with ordinality;
    return null;
end $$;
create trigger witness after insert on journal for each row execute function witness.journal();
";

/// Call it once the schema is there.
pub async fn install(db: &mut PgConnection) {
    sqlx::raw_sql(TRIGGERS).execute(db).await.expect("the witness");
}

/// Ids of the runs that are not over.
pub async fn live(db: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from run").fetch_one(db).await
}

/// The same, and events that nobody has looked at yet.
pub async fn unfinished(db: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let sql = "select (select count(*) from run) + (select count(*) from event where state = 'new')";
    sqlx::query_scalar(sql).fetch_one(db).await
}

/// Runs that wait for `chaos.go`, with their case.
pub async fn waiting(db: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select event.data->>'case' from subscription
         join run_summary on run_summary.id = subscription.run_id join event on event.id = run_summary.event_id
         where event_type = 'chaos.go' order by 1",
    )
    .fetch_all(db)
    .await
}

pub async fn open_gates(db: &mut PgConnection) -> Result<Vec<(Uuid, String)>, sqlx::Error> {
    let rows = sqlx::query("select id, proposal_hash from gate where state = 'open' order by id");
    Ok(rows.fetch_all(db).await?.into_iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What the database says happened; what the outside saw is added by the caller.
pub async fn read(db: &mut PgConnection) -> History {
    let mut history = History::default();
    let runs = "select run_summary.id, workflow, outcome, event.source_id, exists(select from run where run.id = run_summary.id)
                from run_summary left join event on event.id = run_summary.event_id";
    for row in sqlx::query(runs).fetch_all(&mut *db).await.expect("runs") {
        let run: Uuid = row.get(0);
        let records = journal::load(db, RunId(run)).await.expect("a journal");
        history.records.insert(run, records);
        let entry =
            RunEntry { workflow: row.get(1), outcome: row.get(2), event: row.get(3), is_live: row.get(4) };
        history.runs.insert(run, entry);
    }
    for row in sqlx::query("select distinct run_id from journal").fetch_all(&mut *db).await.expect("runs") {
        history.records.entry(row.get(0)).or_default();
    }
    let events = "select source_id, state from event";
    for row in sqlx::query(events).fetch_all(&mut *db).await.expect("events") {
        history.events.insert(row.get(0), row.get(1));
    }
    let log = "select at, xid::text, process, what, run, worker, seq, kind, attempt, path from witness.log order by n";
    for row in sqlx::query(log).fetch_all(&mut *db).await.expect("the witness's log") {
        let what = match row.get::<&str, _>(3) {
            "registered" => What::Registered { worker: row.get(5) },
            "fenced" => What::Fenced { worker: row.get(5) },
            "owned" => What::Owned { run: row.get(4), worker: row.get(5) },
            _ => What::Record {
                run: row.get(4),
                seq: row.get::<i32, _>(6).try_into().expect("a number"),
                kind: row.get(7),
                attempt: row.get::<i32, _>(8).try_into().expect("a number"),
                path: row.get(9),
            },
        };
        history.log.push(Entry { at: row.get(0), transaction: row.get(1), process: row.get(2), what });
    }
    history.votes = votes(db).await;
    history
}

async fn votes(db: &mut PgConnection) -> BTreeMap<Uuid, Answered> {
    let gates: Vec<Uuid> =
        sqlx::query_scalar("select gate_id from gate_vote").fetch_all(&mut *db).await.expect("votes");
    let mut votes = BTreeMap::new();
    for gate in gates {
        let asked = gates::get(db, takt::run::GateId(gate)).await.expect("a gate").expect("a gate");
        let vote = gates::vote(db, takt::run::GateId(gate)).await.expect("a vote").expect("a vote");
        let answered = Answered { run: asked.run_id, person: vote.person, decision: vote.decision };
        votes.insert(gate, answered);
    }
    votes
}

/// Kept for directed tests, which wait for something to be in the database.
pub async fn count(db: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(db).await.expect("counting")
}
