//! The private PostgreSQL: started, shared, left, killed and refused, on real servers.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use takt::postgres::{Cluster, ClusterError, Durability, Left, StopIf, StopOutcome, status, stop_server};

use crate::support::pg::{self, Folder};

async fn start(data: &Path) -> Result<Cluster, ClusterError> {
    Cluster::start(pg::options(data, Durability::Durable)).await
}

async fn connect(cluster: &Cluster, database: &str) -> PgConnection {
    PgConnectOptions::from_str(&cluster.url(database)).expect("a URL").connect().await.expect("a connection")
}

async fn notes(cluster: &Cluster) -> i64 {
    let mut connection = connect(cluster, "takt").await;
    sqlx::query_scalar("select count(*) from note").fetch_one(&mut connection).await.expect("counting")
}

async fn write_note(cluster: &Cluster) {
    cluster.ensure_database("takt").await.expect("the database");
    let mut connection = connect(cluster, "takt").await;
    let sql = "create table if not exists note (id int); insert into note values (1)";
    sqlx::raw_sql(sql).execute(&mut connection).await.expect("writing");
    connection.close().await.expect("closing");
}

fn running(data: &Path) -> Option<i32> {
    status(data).expect("a status").running
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn a_test_database_is_migrated_and_its_own() {
    let (one, two) = tokio::join!(pg::database(), pg::database());
    assert_ne!(one.url, two.url);
    let migrations: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations where success")
        .fetch_one(&one.pool)
        .await
        .expect("the migrations table");
    let files =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).expect("migrations/").count();
    assert_eq!(migrations, i64::try_from(files).expect("few"));
}

#[tokio::test]
async fn data_survives_a_stop_and_the_last_to_leave_stops_the_server() {
    let folder = Folder::new();
    let first = start(&folder.0).await.expect("starting");
    assert!(first.is_starter());
    first.ensure_database("takt").await.expect("creating");
    write_note(&first).await;

    let second = start(&folder.0).await.expect("joining");
    assert!(!second.is_starter());
    assert_eq!(notes(&second).await, 1);

    assert_eq!(first.stop().expect("leaving"), Left::StillUsedByOthers);
    assert_eq!(notes(&second).await, 1, "the server outlives the one that started it");
    assert_eq!(second.stop().expect("leaving"), Left::ServerStopped);
    assert_eq!(running(&folder.0), None);

    let again = start(&folder.0).await.expect("starting again");
    assert!(again.is_starter());
    assert_eq!(notes(&again).await, 1);
}

#[tokio::test]
async fn only_one_of_many_that_start_at_once_starts_it() {
    let folder = Folder::new();
    let starts: Vec<_> = (0..4).map(|_| start(&folder.0)).collect();
    let clusters: Vec<Cluster> =
        futures::future::join_all(starts).await.into_iter().collect::<Result<_, _>>().expect("all get it");
    assert_eq!(clusters.iter().filter(|cluster| cluster.is_starter()).count(), 1);
    futures::future::join_all(clusters.iter().map(|cluster| cluster.ensure_database("takt")))
        .await
        .into_iter()
        .collect::<Result<Vec<()>, _>>()
        .expect("creating the same database at once");
}

#[tokio::test]
async fn a_killed_server_is_started_again_with_its_data() {
    let folder = Folder::new();
    let cluster = start(&folder.0).await.expect("starting");
    write_note(&cluster).await;
    let pid = running(&folder.0).expect("it runs");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("killing the server");
    wait_until("the server is back", || running(&folder.0).is_some_and(|new| new != pid));
    assert_eq!(notes(&cluster).await, 1);
}

#[tokio::test]
async fn a_server_whose_starter_is_gone_is_started_again_by_who_uses_it_and_stays_stopped_when_it_is_stopped()
{
    let folder = Folder::new();
    let mut starter = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["db", "--data"])
        .arg(&folder.0)
        .args(["run", "--", "sleep", "600"])
        .env_remove("DATABASE_URL")
        .process_group(0)
        .spawn()
        .expect("another takt");
    wait_until("it runs", || running(&folder.0).is_some());
    let cluster = start(&folder.0).await.expect("joining");
    assert!(!cluster.is_starter());
    write_note(&cluster).await;
    let group = Pid::from_raw(-i32::try_from(starter.id()).expect("a pid"));
    kill(group, Signal::SIGKILL).expect("killing the other takt");
    starter.wait().expect("reaping it");
    assert_eq!(notes(&cluster).await, 1, "the server outlives the one that started it");
    for _ in 0..2 {
        let pid = running(&folder.0).expect("it runs");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("killing the server");
        wait_until("the server is back", || running(&folder.0).is_some_and(|new| new != pid));
        assert_eq!(notes(&cluster).await, 1);
    }

    let other = start(&folder.0).await.expect("joining");
    assert_eq!(stop_server(&folder.0, StopIf::Whatever).expect("stopping"), StopOutcome::Stopped);
    // Each of the two has looked once.
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(running(&folder.0), None, "a wished end is not undone");
    drop((cluster, other));
}

/// As on a disk that is full for a while: the start after the crash fails, and one day it does not.
#[tokio::test]
async fn a_server_that_cannot_be_started_again_is_tried_until_it_can() {
    let data = Folder::new();
    let cluster = start(&data.0).await.expect("starting");
    write_note(&cluster).await;
    let pid = running(&data.0).expect("it runs");
    let (needed, away) = (data.0.join("postgres/data/global"), data.0.join("postgres/global-is-away"));
    std::fs::rename(&needed, &away).expect("taking away what it needs");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("killing the server");
    let log = data.0.join("postgres/server.log");
    let failures = || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.matches("could not open file").count()
    };
    wait_until("two starts have failed", || failures() >= 2);
    std::fs::rename(&away, &needed).expect("giving it back");
    wait_until("the server is back", || running(&data.0).is_some_and(|again| again != pid));
    assert_eq!(notes(&cluster).await, 1);
}

#[tokio::test]
async fn db_stop_spares_a_server_in_use_unless_told() {
    let folder = Folder::new();
    assert_eq!(stop_server(&folder.0, StopIf::Unused).expect("nothing there"), StopOutcome::WasNotRunning);
    let cluster = start(&folder.0).await.expect("starting");
    assert_eq!(stop_server(&folder.0, StopIf::Unused).expect("asking"), StopOutcome::InUse);
    assert!(running(&folder.0).is_some());
    assert_eq!(stop_server(&folder.0, StopIf::Whatever).expect("stopping"), StopOutcome::Stopped);
    assert_eq!(running(&folder.0), None, "a wished end is not undone");
    drop(cluster);
}

/// After a restart of a container the old numbers belong to other processes of the same account.
#[tokio::test]
async fn lock_files_that_name_a_strange_process_do_not_stop_the_start() {
    let folder = Folder::new();
    let cluster = start(&folder.0).await.expect("starting");
    write_note(&cluster).await;
    assert_eq!(cluster.stop().expect("stopping"), Left::ServerStopped);
    let data = folder.0.join("postgres/data");
    let owner = std::fs::metadata(&data).expect("the cluster").uid();
    let mut stranger =
        Command::new("sleep").arg("600").uid(owner).spawn().expect("a process of the same account");
    let lock = format!("{}\n/somewhere\n0\n5432\n\n\n0 0\nready\n", stranger.id());
    std::fs::write(data.join("postmaster.pid"), &lock).expect("writing");
    std::fs::write(folder.0.join("postgres/socket/.s.PGSQL.5432.lock"), &lock).expect("writing");
    let again = start(&folder.0).await;
    stranger.kill().expect("ending the stranger");
    stranger.wait().expect("reaping it");
    assert_eq!(notes(&again.expect("starting over the stale files")).await, 1);
}

#[tokio::test]
async fn a_folder_of_another_major_is_refused_with_the_way_out() {
    let folder = Folder::new();
    let data = folder.0.join("postgres/data");
    std::fs::create_dir_all(&data).expect("a folder");
    std::fs::write(data.join("PG_VERSION"), "9\n").expect("writing");
    let error = start(&folder.0).await.err().expect("refused").to_string();
    assert!(error.contains("was made by PostgreSQL 9"), "{error}");
    assert!(error.contains("takt db dump"), "{error}");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_refused_in_one_sentence() {
    let folder = Folder::new();
    let error = start(&folder.0.join("x".repeat(100))).await.err().expect("refused");
    assert!(matches!(error, ClusterError::SocketPathTooLong { .. }), "{error}");
}

/// Root runs the server as somebody else, who cannot enter a private folder; an ordinary user can.
#[tokio::test]
async fn a_data_folder_out_of_reach_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    std::fs::create_dir(&folder.0).expect("a folder");
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o700)).expect("closing it");
    let outcome = start(&folder.0).await;
    if nix::unistd::geteuid().is_root() {
        let error = outcome.err().expect("refused").to_string();
        assert!(error.starts_with(&format!("{} cannot be entered by user", folder.0.display())), "{error}");
    } else {
        assert!(outcome.is_ok());
    }
}
