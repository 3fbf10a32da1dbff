//! `takt audit key`.

use super::AuditError;
use crate::audit::generate;
use secrecy::ExposeSecret;
use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub struct KeyArgs {
    /// Where the private key goes; the public one goes beside it, with `.pub`
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

pub(super) fn run(wish: &KeyArgs) -> Result<ExitCode, AuditError> {
    let (private, public) = generate()?;
    let mut beside = wish.out.clone().into_os_string();
    beside.push(".pub");
    let beside = PathBuf::from(beside);
    write(&wish.out, private.expose_secret(), 0o600)?;
    write(&beside, &public.to_pem(), 0o644)?;
    println!("key {} in {} and {}", public.id(), wish.out.display(), beside.display());
    println!("Give the public file to whoever checks; the private one stays with Takt.");
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), AuditError> {
    let failed = |reason: io::Error| match reason.kind() {
        io::ErrorKind::AlreadyExists => AuditError::KeyExists(path.to_owned()),
        _ => AuditError::File { path: path.to_owned(), reason },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}
