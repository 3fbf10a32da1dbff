//! `takt audit export`.

use super::{AuditArgs, AuditError, open, signing_key, site};
use crate::{audit::bundle::Exporter, run::RunId};
use std::{path::PathBuf, process::ExitCode};

#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// The run; those it was started by and those it started come with it
    #[arg(long, value_name = "ID", required_unless_present = "change")]
    pub run: Option<RunId>,

    /// A change that Takt wrote: what the other system calls it, the key it came with (`X-Takt-Key`), or an id in what
    /// was sent, such as a job
    #[arg(long, value_name = "ID", conflicts_with = "run")]
    pub change: Option<String>,

    /// Where the bundle goes; a name of its own in this folder when left out
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

pub(super) async fn run(args: &AuditArgs, wish: &ExportArgs) -> Result<ExitCode, AuditError> {
    let site = site(&args.site)?;
    let key = signing_key(&site)?;
    let (store, _database) = open(args).await?;
    let exporter = Exporter {
        site: &site.name,
        zone: site.time_zone,
        key: &key,
        folder: site.audit.checkpoints.as_deref(),
    };
    let mut db = store.connection().await?;
    let run = match (&wish.run, &wish.change) {
        (Some(run), _) => *run,
        (None, change) => exporter.run_of(&mut db, change.as_deref().unwrap_or_default()).await?,
    };
    let bundle = exporter.export(&mut db, run).await?;
    drop(db);
    let path = wish.out.clone().unwrap_or_else(|| PathBuf::from(format!("evidence-{run}.tar")));
    let failed = |reason| AuditError::File { path: path.clone(), reason };
    std::fs::write(&path, &bundle).map_err(failed)?;
    println!("{} bytes in {}, signed with the key {}", bundle.len(), path.display(), key.public().id());
    Ok(ExitCode::SUCCESS)
}
