//! The demo's workflow, and a load with a death in it, through a real PgBouncer in transaction mode, with fewer server
//! connections than Takt uses.

use super::{admin, database_name, execute, signed};
use crate::support::plant::{Plant, Serving};
use futures::{StreamExt, stream};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::{PgConnection, postgres::PgConnectOptions};
use std::{
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr,
};

/// Where `.ci/run` leaves one that is new enough, on a Debian whose own is not.
const BUILT: &str = "/var/cache/takt/pgbouncer-1.24.1/bin/pgbouncer";
/// The first that keeps prepared statements apart in transaction mode.
const VERSION_MIN: (u32, u32) = (1, 21);

struct Bouncer {
    child: Child,
    folder: PathBuf,
    url: String,
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.strip_prefix("PgBouncer ")?.split(['.', '\n']).map_while(|n| n.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

fn program() -> PathBuf {
    let known = [BUILT, "/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];
    let fits = |path: &&str| version(Path::new(path)).is_some_and(|version| version >= VERSION_MIN);
    let found = known.iter().copied().find(fits);
    PathBuf::from(found.unwrap_or_else(|| {
        panic!(
            "no PgBouncer of version {}.{} or newer in {known:?}: run .ci/run once, or apt-get install pgbouncer on \
             Debian 13",
            VERSION_MIN.0, VERSION_MIN.1
        )
    }))
}

impl Bouncer {
    async fn before(database_url: &str) -> Self {
        let server = PgConnectOptions::from_str(database_url).expect("a URL");
        let host =
            server.get_socket().map_or(server.get_host().to_owned(), |path| path.display().to_string());
        let name = server.get_database().expect("a database").to_owned();
        let (port, user) = (server.get_port(), server.get_username().to_owned());
        let own =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let folder = std::env::temp_dir().join(format!("takt-test-bouncer-{own}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let settings = format!(
            "[databases]\n{name} = host={host} port={port} user={user}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\nmax_prepared_statements = 200\ndefault_pool_size = 3\nmax_client_conn = 100\n"
        );
        let file = folder.join("pgbouncer.ini");
        std::fs::write(&file, settings).expect("writing the settings");
        let mut command = Command::new(program());
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(folder.join("log")).expect("a log"));
        // It does not run as root, and the socket belongs to the server's account.
        if nix::unistd::geteuid().is_root() {
            let owner = std::fs::metadata(&host).map(|m| (m.uid(), m.gid())).unwrap_or((65534, 65534));
            command.uid(owner.0).gid(owner.1);
        }
        let child = command.spawn().expect("starting PgBouncer");
        Self { child, folder, url: format!("postgres://{user}@127.0.0.1:{own}/{name}?sslmode=disable") }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// Puts a pooler before the plant's database, set up as docs/scaling.md asks; and a connection past it.
async fn pooled(plant: &mut Plant) -> (Bouncer, PgConnection) {
    let bouncer = Bouncer::before(&plant.database.url).await;
    let mut db = admin(plant).await;
    let name = database_name(&mut db).await;
    // A pooler refuses these as start-up options.
    execute(&mut db, &format!("alter database {name} set idle_in_transaction_session_timeout = '4s'")).await;
    execute(&mut db, &format!("alter database {name} set jit = off")).await;
    plant.database.url.clone_from(&bouncer.url);
    plant.arguments = vec!["--pooled".into()];
    (bouncer, db)
}

async fn count(db: &mut PgConnection, text: &'static str) -> i64 {
    sqlx::query_scalar(text).fetch_one(db).await.expect("a count")
}

const SESSIONS: &str =
    "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'takt'";

#[tokio::test]
async fn the_demo_s_workflow_runs_through_pgbouncer_in_transaction_mode() {
    let mut plant = Plant::new().await;
    let direct = plant.database.url.clone();
    let (bouncer, mut db) = pooled(&mut plant).await;
    plant.serve(None).await;
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    assert_eq!(plant.to_the_end(run).await, "done", "{}", bouncer.log());
    assert!(!plant.log().contains("prepared statement"), "{}", plant.log());
    assert!(!plant.log().contains("through a pooler Takt cannot set"), "{}", plant.log());
    let sessions = count(&mut db, SESSIONS).await;
    assert!(sessions <= 3, "{sessions} sessions: Takt went past PgBouncer");

    // A second process hears of new work through the direct address, and so does this one of its own.
    plant.kill();
    plant.arguments = vec!["--pooled".into(), "--direct-url".into(), direct];
    plant.serve(None).await;
    plant
        .until("a listener", async || {
            let listens: bool = sqlx::query_scalar(
                "select exists (select from pg_stat_activity
                                where datname = current_database() and query ilike 'listen%')",
            )
            .fetch_one(&mut db)
            .await
            .expect("an answer");
            listens.then_some(())
        })
        .await;
}

/// Two writes whose answers are late, so that many are on their way when their worker dies.
const LOAD: &str = r#"workflow: care_pooled
title: Pooled
owner: tests
autonomy: assist
trigger: { event: test.pooled }
steps:
  - id: first
    call: tickets.create
    with: { title: "first of ${{ trigger.subject }}" }
  - id: second
    call: tickets.create
    with: { title: "second of ${{ trigger.subject }}" }
"#;

/// Sends this many signed events, several at once; each has to be acknowledged.
async fn send(plant: &Plant, events: usize) {
    stream::iter(0..events)
        .for_each_concurrent(8, |number| async move {
            let name = format!("pooled-{number}");
            let event = json!({
                "specversion": "1.0", "id": name, "source": "care", "type": "test.pooled", "subject": name, "data": {}
            });
            let answer = signed(plant, plant.address, &event, None).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::ACCEPTED, "{name}");
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_runs_and_a_death_through_pgbouncer_have_each_effect_once() {
    const RUNS: usize = 200;
    const IN_HAND: i64 = 20;
    let mut plant = Plant::new().await;
    let site = plant.own_site();
    std::fs::write(site.join("workflows/care_pooled.yaml"), LOAD).expect("a workflow");
    let tickets = site.join("connectors/tickets.yaml");
    let text = std::fs::read_to_string(&tickets).expect("the connector");
    let without_rate = text.replace("rate: 300 per 1m", "rate: 30000 per 1m");
    assert_ne!(without_rate, text, "the connector's rate is written otherwise now");
    std::fs::write(&tickets, without_rate).expect("no rate to wait for");
    let (bouncer, mut db) = pooled(&mut plant).await;
    plant.serve(None).await;
    let other = Serving::start(&plant, &["--pooled"]).await;
    let slow = json!({ "system": "tickets", "kind": "slow", "method": "POST", "millis": 1000 });
    plant.post(&format!("{}/sim/faults", plant.simulator.base_url), &slow).await;
    send(&plant, RUNS).await;
    plant
        .until("runs in the hands of the one that took the events", async || {
            let held =
                "select count(*) from run where state = 'running' and owner = (select min(id) from worker)";
            (count(&mut db, held).await >= IN_HAND).then_some(())
        })
        .await;
    plant.kill();
    let runs = i64::try_from(RUNS).expect("few");
    plant
        .until("every run to end well", async || {
            let done = "select count(*) from run_summary where workflow = 'care_pooled' and outcome = 'done'";
            (count(&mut db, done).await == runs).then_some(())
        })
        .await;
    let routed = "select count(*) from event where type = 'test.pooled' and state = 'routed'";
    assert_eq!(count(&mut db, routed).await, runs, "each event that was acknowledged started its run");
    assert_eq!(count(&mut db, "select count(*) from run_summary where workflow = 'care_pooled'").await, runs);
    let done = "select count(*) from journal_record where kind = 'done' and path in ('first', 'second')";
    assert_eq!(count(&mut db, done).await, 2 * runs);
    let twice = "select count(*) from (select from journal_record where kind = 'done'
                 group by run_id, path having count(*) > 1) twice";
    assert_eq!(count(&mut db, twice).await, 0, "a step was done twice");
    let writes = plant.writes().await;
    let (applied, duplicates) = (&writes["applied"], &writes["duplicate_effects"]);
    assert_eq!((applied, duplicates), (&json!(2 * RUNS), &json!(0)), "{}", bouncer.log());
    let said = other.log();
    assert!(said.contains("took over the runs of a dead worker"), "{said}");
    assert!(!said.contains("prepared statement") && !plant.log().contains("prepared statement"), "{said}");
    let sessions = count(&mut db, SESSIONS).await;
    assert!(sessions <= 3, "{sessions} sessions: Takt went past PgBouncer");
}

#[tokio::test]
async fn a_pooler_without_a_direct_address_migrates_nothing() {
    let mut plant = Plant::new().await;
    let mut db = admin(&plant).await;
    let bouncer = Bouncer::before(&plant.database.url).await;
    let newest: i64 =
        sqlx::query_scalar("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations) returning version")
            .fetch_one(&mut db)
            .await
            .expect("a migration");
    let serve = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_takt"))
            .args(["serve", "--pooled", "--bind", "127.0.0.1:0", "--site", env!("CARGO_MANIFEST_DIR")])
            .args(more)
            .env_clear()
            .env("DATABASE_URL", &bouncer.url)
            .output()
            .expect("running takt");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = serve(&[]);
    assert!(
        said.contains(&format!("this takt needs {newest}, but migrations need a session")),
        "{said}\n{}",
        bouncer.log()
    );
    plant.kill();
}
