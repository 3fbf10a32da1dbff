//! Opening a database: what it must be, how it is reached (directly or through a pooler), and its schema.
//! Whatever is wrong with it is one sentence here, with what to do.

use super::{Result, Store, StoreError};
use sqlx::{
    Connection, PgConnection,
    migrate::{Migrate, MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{io::ErrorKind, pin::pin, str::FromStr, time::Duration};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// The oldest PostgreSQL that the tests run on.
const SERVER_VERSION_MIN: u32 = 15;
/// Of every session. A process that freezes in the middle of a transaction must not keep its locks: nobody could
/// take it over.
const SETTINGS: [(&str, &str); 2] = [("idle_in_transaction_session_timeout", "4s"), ("jit", "off")];
/// Of the sessions that people and senders wait for: who waits for a lock this long has its connection back, and is
/// told to try again. What runs did is worth waiting for longer.
const USUAL_SETTINGS: [(&str, &str); 1] = [("lock_timeout", "5s")];
/// Of the sessions that claim and commit: planned once, and for indexes. A plan made while `run` was empty would
/// scan it when it is full. Through a pooler they are planned as PostgreSQL thinks best.
const HOT_SETTINGS: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];
const CONNECTIONS_MAX: u32 = 16;
/// The committers' and the worker's own.
const HOT_CONNECTIONS_MAX: u32 = 4;
/// A database that is slower than this is treated as absent: what was asked is asked again.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const KNOCK_AGAIN: Duration = Duration::from_millis(200);
/// What takes longer at the start is told.
const TELL_AFTER: Duration = Duration::from_secs(1);
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// Where the database is and what lies between.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    pub url: String,
    /// The address leads to a pooler in transaction mode, where a session lasts for one transaction.
    pub pooled: bool,
    /// Past the pooler: for migrations and LISTEN, which need a session.
    pub direct_url: Option<String>,
    /// LISTEN and NOTIFY between processes.
    pub notify: bool,
}

impl OpenOptions {
    pub fn direct(url: &str) -> Self {
        Self { url: url.to_owned(), pooled: false, direct_url: None, notify: true }
    }
}

/// How hints of other processes arrive.
#[derive(Debug, Clone)]
pub(super) enum Listen {
    Off,
    Pool,
    Direct(String),
}

/// Why a database cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum UnfitError {
    #[error(
        "DATABASE_URL does not read as an address ({0}): write it as postgres://user:password@host:5432/database, or \
         unset it to use Takt's own PostgreSQL"
    )]
    NoAddress(String),
    #[error(
        "no PostgreSQL answers at {place} ({reason}): start it, correct DATABASE_URL, or unset it to use Takt's own \
         PostgreSQL"
    )]
    NoAnswer { place: String, reason: String },
    #[error(
        "the PostgreSQL at {place} does not let `{user}` in ({reason}): correct user and password in DATABASE_URL, \
         or unset it to use Takt's own PostgreSQL"
    )]
    NotLetIn { place: String, user: String, reason: String },
    #[error(
        "the PostgreSQL at {place} has no database `{name}`: create it (`createdb {name}`), correct DATABASE_URL, \
         or unset it to use Takt's own PostgreSQL"
    )]
    NoDatabase { place: String, name: String },
    #[error("PostgreSQL {found} is too old: Takt needs PostgreSQL {SERVER_VERSION_MIN} or newer")]
    TooOld { found: String },
    #[error(
        "the database takes no writes (a standby, or default_transaction_read_only is on): point DATABASE_URL at the \
         primary"
    )]
    ReadOnly,
    #[error(
        "migration {0} of this database was made from another text than this takt carries: somebody edited the file \
         or runs a build of their own; start the version that made it, or restore the file"
    )]
    Edited(i64),
    #[error("a newer takt has used this database (migration {0}): start that version or a newer one")]
    Newer(i64),
    #[error(
        "migration {version} failed and changed nothing ({reason}): mend the cause and start again, it goes on from \
         there"
    )]
    MigrationFailed { version: i64, reason: String },
    #[error(
        "the schema is at migration {found} and this takt needs {needed}, but migrations need a session: name \
         PostgreSQL itself with --direct-url, or start once with DATABASE_URL past the pooler"
    )]
    NotMigrated { found: i64, needed: i64 },
    #[error(
        "nothing has run on this database yet: start `takt serve` first (for `takt run`, `--demo` looks among the demo's runs)"
    )]
    Empty,
    #[error(
        "the schema is at migration {found} and this takt needs {needed}: start `takt serve`, which brings it up to \
         date, or use the takt of the process that serves it"
    )]
    Behind { found: i64, needed: i64 },
}

impl Store {
    /// Connects directly; see [`Store::open_with`].
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(&OpenOptions::direct(url)).await
    }

    /// Connects, refuses what is unfit and brings the schema up to date.
    pub async fn open_with(options: &OpenOptions) -> Result<Self> {
        let listen = match (options.notify, &options.direct_url) {
            (false, _) => Listen::Off,
            (true, Some(url)) => Listen::Direct(url.clone()),
            (true, None) if options.pooled => Listen::Off,
            (true, None) => Listen::Pool,
        };
        let store = Self::pools(options, CONNECTIONS_MAX, listen).await?;
        let mut db = store.connection().await?;
        check(&mut db).await?;
        // In a session of its own: a migration waits for its locks as long as it must.
        match &options.direct_url {
            Some(url) => migrate(&mut PgConnection::connect(url).await?).await?,
            None if options.pooled => {
                if let Some((found, needed)) = behind(&mut db).await? {
                    return Err(UnfitError::NotMigrated { found, needed }.into());
                }
            }
            None => migrate(&mut PgConnection::connect_with(&address(&options.url)?).await?).await?,
        }
        if options.pooled {
            warn_of_settings(&mut db).await?;
        }
        Ok(store)
    }

    /// Connects for a command beside the process that serves the database: the schema stays as it is, so that a newer
    /// takt does not upgrade it under an older one.
    pub async fn open_beside(url: &str) -> Result<Self> {
        let store = Self::pools(&OpenOptions::direct(url), CONNECTIONS_MAX, Listen::Pool).await?;
        let mut db = store.connection().await?;
        check(&mut db).await?;
        match behind(&mut db).await? {
            Some((0, _)) => Err(UnfitError::Empty.into()),
            Some((found, needed)) => Err(UnfitError::Behind { found, needed }.into()),
            None => Ok(store),
        }
    }

    /// Connects, and does nothing else.
    pub async fn connect(url: &str, connections_max: u32) -> Result<Self> {
        Self::pools(&OpenOptions::direct(url), connections_max, Listen::Pool).await
    }

    async fn pools(options: &OpenOptions, connections_max: u32, listen: Listen) -> Result<Self> {
        let connect = address(&options.url)?;
        let (usual, hot) = if options.pooled {
            // A pooler refuses start-up options; docs/scaling.md says how the role sets them instead.
            let connect = connect.extra_float_digits(None);
            (connect.clone(), connect)
        } else {
            let every = connect.options(SETTINGS);
            (every.clone().options(USUAL_SETTINGS), every.options(HOT_SETTINGS))
        };
        knock(&usual).await?;
        let place = usual.clone();
        let pool = |options, connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ANSWER_TIME_MAX)
                .connect_lazy_with(options)
        };
        let (pool, hot) = (pool(usual, connections_max), pool(hot, HOT_CONNECTIONS_MAX));
        let store = Self::of(pool, hot, listen);
        store.pool.acquire().await.map_err(|error| unreached(&place, error))?;
        Ok(store)
    }

    /// One connection and nothing else: for mending a database that Takt cannot start on.
    pub async fn connect_only(url: &str) -> Result<PgConnection> {
        let connect = address(url)?;
        let connect = connect.statement_cache_capacity(0);
        PgConnection::connect_with(&connect).await.map_err(|error| unreached(&connect, error))
    }
}

/// The words never repeat the address, which may hold a password.
fn address(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|error| {
        let reason = match error {
            sqlx::Error::Configuration(reason) => reason.to_string(),
            error => error.to_string(),
        };
        UnfitError::NoAddress(reason)
    })?;
    Ok(named(options))
}

/// A pool asks again and again, and then only says that time is up; one connection knows what is wrong.
async fn knock(options: &PgConnectOptions) -> Result<()> {
    let until = Instant::now() + ANSWER_TIME_MAX;
    loop {
        match timeout_at(until, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => {
                // It was of use already.
                let _ = connection.close().await;
                return Ok(());
            }
            // It starts up, or has no place for the moment: the pool asks again.
            Ok(Err(sqlx::Error::Database(error)))
                if matches!(error.code().as_deref(), Some("57P03" | "53300")) =>
            {
                return Ok(());
            }
            // Both may have been started together, and it does not listen yet.
            Ok(Err(sqlx::Error::Io(error)))
                if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound)
                    && Instant::now() + KNOCK_AGAIN < until =>
            {
                sleep(KNOCK_AGAIN).await;
            }
            Ok(Err(error)) => return Err(unreached(options, error)),
            Err(_) => return Err(unreached(options, sqlx::Error::PoolTimedOut)),
        }
    }
}

/// Never repeats the password, and of the address only what says where.
fn unreached(options: &PgConnectOptions, error: sqlx::Error) -> StoreError {
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let user = options.get_username().to_owned();
    let reason = match error {
        sqlx::Error::Database(refused) => {
            let code = refused.code().unwrap_or_default().into_owned();
            return match code.as_str() {
                "3D000" => {
                    let name = options.get_database().unwrap_or(&user).to_owned();
                    UnfitError::NoDatabase { place, name }.into()
                }
                code if code.starts_with("28") => {
                    UnfitError::NotLetIn { place, user, reason: refused.message().to_owned() }.into()
                }
                _ => StoreError::Database(sqlx::Error::Database(refused)),
            };
        }
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::PoolTimedOut => format!("not within {} s", ANSWER_TIME_MAX.as_secs()),
        other => return other.into(),
    };
    UnfitError::NoAnswer { place, reason }.into()
}

/// What operators see in pg_stat_activity, unless the address names something else.
fn named(options: PgConnectOptions) -> PgConnectOptions {
    if options.get_application_name().is_some() { options } else { options.application_name("takt") }
}

async fn check(db: &mut PgConnection) -> Result<()> {
    // Sent by the server when the connection begins: no question is needed, and none could go wrong.
    if let Some(version) = db.server_version_num().filter(|version| version / 10_000 < SERVER_VERSION_MIN) {
        let found = format!("{}.{}", version / 10_000, version % 10_000);
        return Err(UnfitError::TooOld { found }.into());
    }
    let is_read_only = sqlx::query_scalar!(
        r#"select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as "read_only!""#
    );
    if is_read_only.fetch_one(db).await? {
        return Err(UnfitError::ReadOnly.into());
    }
    Ok(())
}

async fn migrate(db: &mut PgConnection) -> Result<()> {
    let mut run = pin!(MIGRATOR.run(db));
    let done = match timeout(TELL_AFTER, &mut run).await {
        Ok(done) => done,
        Err(_) => {
            tracing::info!("preparing the database");
            run.await
        }
    };
    done.map_err(|error| match error {
        MigrateError::VersionMismatch(version) => UnfitError::Edited(version).into(),
        MigrateError::VersionMissing(version) => UnfitError::Newer(version).into(),
        MigrateError::ExecuteMigration(source, version) => {
            UnfitError::MigrationFailed { version, reason: source.to_string() }.into()
        }
        other => StoreError::Migrate(other),
    })
}

/// Compares only: the lock that keeps two migrations apart belongs to a session, and a pooler has none.
async fn behind(db: &mut PgConnection) -> Result<Option<(i64, i64)>> {
    let applied = db.list_applied_migrations(MIGRATIONS_TABLE).await.unwrap_or_default();
    let needed = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = applied.iter().map(|migration| migration.version).max().unwrap_or(0);
    if found > needed {
        return Err(UnfitError::Newer(found).into());
    }
    for migration in MIGRATOR.iter() {
        match applied.iter().find(|one| one.version == migration.version) {
            Some(one) if one.checksum == migration.checksum => {}
            Some(_) => return Err(UnfitError::Edited(migration.version).into()),
            None => return Ok(Some((found, needed))),
        }
    }
    Ok(None)
}

/// What a pooler kept us from setting.
async fn warn_of_settings(db: &mut PgConnection) -> Result<()> {
    for (name, value) in SETTINGS {
        let is_so = sqlx::query_scalar!(r#"select current_setting($1) = $2 as "is_so!""#, name, value);
        if !is_so.fetch_one(&mut *db).await? {
            tracing::warn!(
                "through a pooler Takt cannot set {name}: give its role `{value}`, as docs/scaling.md says why and how"
            );
        }
    }
    Ok(())
}
