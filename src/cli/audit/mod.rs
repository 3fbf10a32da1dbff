//! `takt audit`: check the trail, sign where it stands, hand out evidence, look at records.

mod export;
mod key;
mod list;
mod verify;

use super::database::DatabaseArgs;
use crate::{
    audit::{
        CheckpointError, KeyError, PublicKey, SigningKey, VerifyError, bundle::ExportError, take_checkpoint,
    },
    postgres::ClusterError,
    site::{Environment, Overrides, Site, SiteError},
    store::{Store, StoreError},
};
use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Checks the audit trail, signs where it stands, and hands out evidence
#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Site folder: its takt.yaml names the key and the folder of checkpoints
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR", global = true)]
    pub site: PathBuf,

    /// The demo's trail
    #[arg(long, global = true)]
    pub demo: bool,

    #[command(subcommand)]
    pub command: AuditCommand,
}

#[derive(Debug, clap::Subcommand)]
pub enum AuditCommand {
    /// Checks every link, detail and checkpoint, or one bundle; exit code 1 names the first that is broken
    Verify(verify::VerifyArgs),
    /// Writes a signed bundle: from a change back to event, inputs, prompt, options, answers and write
    Export(export::ExportArgs),
    /// Signs where the chain stands now
    Checkpoint,
    /// Makes an Ed25519 key pair: the private file, and the public one beside it with `.pub`
    Key(key::KeyArgs),
    /// Lists records, newest first
    List(list::ListArgs),
}

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(
        "takt.yaml names no key to sign with: make one with `takt audit key --out /etc/takt/audit.key` and write \
         `audit: {{ signing_key: \"${{file:/etc/takt/audit.key}}\" }}`"
    )]
    NoKey,
    #[error("there is nothing in the audit trail yet")]
    Empty,
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: io::Error },
    #[error("{0} exists already, and a key is never written over")]
    KeyExists(PathBuf),
    #[error("give the public key with --public-key: a bundle cannot vouch for the key inside it")]
    NoPublicKey,
}

pub async fn run(args: AuditArgs) -> Result<ExitCode, AuditError> {
    match &args.command {
        AuditCommand::Key(wish) => key::run(wish),
        AuditCommand::Verify(wish) => verify::run(&args, wish).await,
        AuditCommand::Export(wish) => export::run(&args, wish).await,
        AuditCommand::List(wish) => list::run(&args, wish).await,
        AuditCommand::Checkpoint => checkpoint(&args).await,
    }
}

async fn checkpoint(args: &AuditArgs) -> Result<ExitCode, AuditError> {
    let site = site(&args.site)?;
    let key = signing_key(&site)?;
    let (store, _database) = open(args).await?;
    let folder = site.audit.checkpoints.as_deref();
    let mut db = store.connection().await?;
    let taken = take_checkpoint(&mut db, &site.name, site.time_zone, &key, folder).await?;
    let signed = taken.ok_or(AuditError::Empty)?;
    print!("{}", signed.to_text());
    if folder.is_none() {
        eprintln!(
            "takt: this stands in the database only: name a folder under `audit: checkpoints` in takt.yaml"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The store, and what keeps its server running.
async fn open(args: &AuditArgs) -> Result<(Store, super::database::Database), AuditError> {
    let database = match args.demo {
        true => args.database.open_named(super::demo::DATABASE).await?,
        false => args.database.open().await?,
    };
    Ok((Store::open_beside(&database.url).await?, database))
}

/// A site that is only read: of its secrets none but the audit's key is needed.
fn site(folder: &Path) -> Result<Site, AuditError> {
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    Ok(Site::load(folder, &Environment::of_process(), &overrides)?)
}

fn signing_key(site: &Site) -> Result<SigningKey, AuditError> {
    let pem = site.audit.signing_key.as_ref().ok_or(AuditError::NoKey)?;
    Ok(SigningKey::from_pem(pem)?)
}

fn read_public_key(path: &Path) -> Result<PublicKey, AuditError> {
    let failed = |reason| AuditError::File { path: path.to_owned(), reason };
    Ok(PublicKey::from_pem(&std::fs::read_to_string(path).map_err(failed)?)?)
}
