//! One throwaway PostgreSQL per test run, and a fresh, migrated database per test.
//!
//! The cluster is Takt's own (`takt::postgres`), in memory where there is room, without fsync. A small shell
//! waits for the end of this process, however it comes, and then stops the server and removes the folder.
//! With `TAKT_TEST_DATABASE_URL` the databases are made on that server instead.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use takt::postgres::{Cluster, Durability, Options, Search, StopIf};
use takt::run::WorkerId;
use takt::store::{StoreError, workers};
use tokio::sync::OnceCell;

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
const FOLDER_PREFIX: &str = "takt-test-";
/// A clone takes 8 MiB, and a container's default /dev/shm has only 64.
const MEMORY_MIB_MIN: u64 = 1024;
const CONNECTIONS_MAX: u32 = 10;

static SERVER: OnceCell<Server> = OnceCell::const_new();

struct Server {
    /// Any database of the server; the name is replaced.
    admin: PgConnectOptions,
    template: String,
    /// Held until the process ends; see `guard`.
    _cluster: Option<(Cluster, Child)>,
}

/// A database of one test's own, dropped with this value.
pub struct Database {
    pub url: String,
    pub pool: PgPool,
    name: String,
    admin: PgConnectOptions,
}

/// A fresh clone of the migrated template.
pub async fn database() -> Database {
    let server = SERVER.get_or_init(|| async { start().await }).await;
    let name = format!("takt_test_{}", uuid::Uuid::new_v4().simple());
    let clone = format!("create database {name} template {} strategy file_copy", server.template);
    let mut admin = server.admin.connect().await.expect("the test server answers");
    sqlx::raw_sql(AssertSqlSafe(clone)).execute(&mut admin).await.expect("cloning the template");
    admin.close().await.expect("closing");
    let options = server.admin.clone().database(&name);
    let url = options.to_url_lossy().to_string();
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .connect_with(options)
        .await
        .expect("connecting");
    Database { url, pool, name, admin: server.admin.clone() }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("drop database if exists {} with (force)", self.name);
        let admin = self.admin.clone();
        // A thread, because a test's own runtime is busy ending.
        let dropper = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                if let Ok(mut connection) = admin.connect().await {
                    let _ = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await;
                }
            });
        });
        let _ = dropper.join();
    }
}

/// Where to look for PostgreSQL, from the environment of the tests.
pub fn search() -> Search {
    let cache = std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".cache/takt");
    Search {
        bin: std::env::var_os("TAKT_POSTGRES_BIN").map(PathBuf::from),
        path: std::env::var_os("PATH"),
        system: PathBuf::from("/usr/lib/postgresql"),
        cache: if nix::unistd::geteuid().is_root() { PathBuf::from("/var/cache/takt") } else { cache },
        mirror: std::env::var("TAKT_POSTGRES_MIRROR").ok(),
    }
}

/// Options of a cluster in this folder that tells what it does past the test harness.
pub fn options(data: &Path, durability: Durability) -> Options {
    Options { data: data.to_path_buf(), search: search(), durability, progress: Arc::new(say) }
}

/// A folder for one cluster of a test's own, removed at the end; short, because a socket lives in it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let name = format!("{FOLDER_PREFIX}{}-{:08x}", std::process::id(), rand::random::<u32>());
        Folder(parent().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = takt::postgres::stop_server(&self.0, StopIf::Whatever);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn start() -> Server {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let started = Instant::now();
    let (url, cluster) = match std::env::var("TAKT_TEST_DATABASE_URL") {
        Ok(url) => (url, None),
        Err(_) => {
            remove_leftovers();
            let data = std::mem::ManuallyDrop::new(Folder::new()).0.clone();
            let cluster = Cluster::start(options(&data, Durability::Throwaway))
                .await
                .expect("a PostgreSQL for the tests");
            let guard = guard(&data);
            say(&format!("PostgreSQL {} in {}", cluster.binaries().version.text, data.display()));
            (cluster.url("postgres"), Some((cluster, guard)))
        }
    };
    let admin = PgConnectOptions::from_str(&url).expect("TAKT_TEST_DATABASE_URL is a database URL");
    let template = format!("takt_template_{}", uuid::Uuid::new_v4().simple());
    migrate_template(&admin, &template).await;
    say(&format!("test database ready in {} ms", started.elapsed().as_millis()));
    Server { admin, template, _cluster: cluster }
}

async fn migrate_template(admin: &PgConnectOptions, template: &str) {
    let create = format!("create database {template}");
    let mut connection = admin.connect().await.expect("the test server answers");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await.expect("creating the template");
    connection.close().await.expect("closing");
    let mut connection: PgConnection =
        admin.clone().database(template).connect().await.expect("connecting to the template");
    // Read at run time, so that a changed migration needs no rebuild.
    let migrator = Migrator::new(Path::new(MIGRATIONS)).await.expect("reading migrations/");
    migrator.run(&mut connection).await.expect("migrating the template");
    connection.close().await.expect("closing: a template must have no connection");
}

fn parent() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let roomy = nix::sys::statvfs::statvfs(memory)
        .is_ok_and(|stat| stat.blocks_available() * stat.fragment_size() >= MEMORY_MIB_MIN << 20);
    if roomy { memory.to_path_buf() } else { std::env::temp_dir() }
}

/// The shell's standard input is a pipe from us: it ends when we end, even by SIGKILL.
fn guard(data: &Path) -> Child {
    let script = r#"read -r _
pid_file="$0/postgres/data/postmaster.pid"
kill -QUIT "$(head -n 1 "$pid_file")"
tries=0
while [ -e "$pid_file" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf "$0""#;
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(data).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("a shell")
}

/// Folders of runs whose guard was killed too.
fn remove_leftovers() {
    for entry in std::fs::read_dir(parent()).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(FOLDER_PREFIX);
        let modified = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::now());
        // A younger one may be about to take its lock.
        let is_old = modified.elapsed().is_ok_and(|age| age > Duration::from_secs(60));
        let is_unused = || takt::postgres::status(&entry.path()).is_ok_and(|status| !status.is_used);
        if is_ours && is_old && is_unused() {
            drop(Folder(entry.path()));
        }
    }
}

/// Written directly, because the harness swallows what tests print.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "[tests] {line}");
}

/// Takes over every worker whose lease is over by the database's clock, as one that has watched them long enough.
pub async fn take_over_by_the_clock(
    db: &mut PgConnection,
    takeovers_max: i16,
) -> Result<Vec<(WorkerId, u64, u64)>, StoreError> {
    let over: Vec<_> = workers::leases(db).await?.into_iter().filter(|leased| leased.is_over).collect();
    workers::take_over(db, &over, takeovers_max).await
}
