//! `takt audit verify`: the whole trail in its database, or one bundle with nothing but a public key.

use super::{AuditArgs, AuditError, open, read_public_key, signing_key, site};
use crate::audit::{
    Against, PublicKey, Retention, Verdict,
    bundle::{Evidence, check},
    verify,
};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Check this bundle instead of the database; needs nothing but --public-key
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,

    /// Public key of checkpoints and bundles; may be given more than once. Without it, that of the site's own key
    #[arg(long = "public-key", value_name = "FILE")]
    pub public_keys: Vec<PathBuf>,

    /// Folder of checkpoints, where it is not the one in takt.yaml
    #[arg(long, value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,
}

pub(super) async fn run(args: &AuditArgs, wish: &VerifyArgs) -> Result<ExitCode, AuditError> {
    let keys: Vec<PublicKey> =
        wish.public_keys.iter().map(|path| read_public_key(path)).collect::<Result<_, _>>()?;
    match &wish.bundle {
        Some(path) => bundle(path, &keys),
        None => database(args, wish, keys).await,
    }
}

fn bundle(path: &Path, keys: &[PublicKey]) -> Result<ExitCode, AuditError> {
    if keys.is_empty() {
        return Err(AuditError::NoPublicKey);
    }
    let failed = |reason| AuditError::File { path: path.to_owned(), reason };
    match check(&std::fs::read(path).map_err(failed)?, keys) {
        Ok(evidence) => {
            tell_evidence(&evidence);
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => {
            println!("broken: {} {}", broken.place, broken.why);
            Ok(ExitCode::FAILURE)
        }
    }
}

fn tell_evidence(evidence: &Evidence) {
    let Evidence { site, run, exported_at, key, files, records, purged, links, .. } = evidence;
    println!("sound: run {run} of {site}, exported {exported_at}, signed with the key {key}");
    println!("{files} files; {records} records of the trail{}", gone(i64::try_from(*purged).unwrap_or(0)));
    println!(
        "{links} links of the chain up to record {}, the checkpoint of {}",
        evidence.checkpoint_seq, evidence.checkpoint_time
    );
}

fn gone(purged: i64) -> String {
    match purged {
        0 => String::new(),
        1 => ", 1 detail purged by retention".to_owned(),
        n => format!(", {n} details purged by retention"),
    }
}

async fn database(
    args: &AuditArgs,
    wish: &VerifyArgs,
    mut keys: Vec<PublicKey>,
) -> Result<ExitCode, AuditError> {
    let mut folder = wish.checkpoints.clone();
    // Somebody who checks from outside has keys and folder, and no site.
    let site = match site(&args.site) {
        Ok(site) => Some(site),
        Err(_) if !keys.is_empty() => None,
        Err(error) => return Err(error),
    };
    let mut retention = Retention::Unknown;
    if let Some(site) = site {
        retention = site.audit.kept_at_least().into();
        folder = folder.or_else(|| site.audit.checkpoints.clone());
        if keys.is_empty() && site.audit.signing_key.is_some() {
            keys.push(signing_key(&site)?.public());
        }
    }
    let (store, _database) = open(args).await?;
    let mut db = store.connection().await?;
    let against = Against { keys: &keys, folder: folder.as_deref(), retention };
    let verdict = verify(&mut db, &against).await?;
    drop(db);
    Ok(tell(&verdict, retention))
}

fn tell(verdict: &Verdict, retention: Retention) -> ExitCode {
    if let Some(broken) = &verdict.broken {
        println!("broken: {} {}", broken.place, broken.why);
        println!("{} records before it hold", verdict.records);
        return ExitCode::FAILURE;
    }
    let is_proven = verdict.unchecked == 0;
    let word = if is_proven { "sound" } else { "not proven" };
    println!("{word}: {} records{}", verdict.records, gone(verdict.purged));
    if verdict.purged > 0 && retention == Retention::Unknown {
        println!("whether these were old enough nobody checked: give the site with --site");
    }
    match (&verdict.last_checkpoint, verdict.checkpoints) {
        (Some(last), count) => println!("{count} checkpoints agree, the last of {last}"),
        (None, _) => {
            println!(
                "no checkpoint vouches for it: whoever owns the database could have written all of it anew"
            );
        }
    }
    if !is_proven {
        let keys: Vec<&str> = verdict.unknown_keys.iter().map(String::as_str).collect();
        println!(
            "{} checkpoints count for nothing, because the key they are signed with was not given ({}): give its \
             public half with --public-key, or find out who signed them",
            verdict.unchecked,
            keys.join(", ")
        );
    }
    if let Some(oldest) = verdict.oldest_waiting {
        let oldest = oldest.format("%Y-%m-%d %H:%M:%S");
        let first = verdict.first_waiting.unwrap_or_default();
        println!(
            "{} records wait for their seal, the oldest since {oldest} UTC, the first with id {first}",
            verdict.waiting
        );
    }
    if is_proven { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
