//! `takt db purge`: takes old history out when nothing else starts. It opens the database and nothing more: no
//! site, no migration, no port; it works beside a running Takt as well.

use super::{
    database::DatabaseArgs,
    db::{DbArgs, DbError},
    output::out,
};
use crate::{
    engine::upkeep::{Freed, Policy, Progress, clean},
    site::parse_duration,
    store::Store,
};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

#[derive(Debug, clap::Args)]
pub struct PurgeArgs {
    /// Drop days of journal and payloads whose runs began longer ago than this, such as 90d
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    pub journal: Option<Duration>,

    /// Delete processed events received longer ago than this
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    pub events: Option<Duration>,

    /// Delete sent and given-up messages older than this
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    pub messages: Option<Duration>,

    /// Delete ended runs from the list, with their questions and answers
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    pub runs: Option<Duration>,

    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
}

pub(super) async fn run(args: &DbArgs, purge: &PurgeArgs) -> Result<ExitCode, DbError> {
    let PurgeArgs { journal, events, messages, runs, dry_run } = *purge;
    let policy = Policy { journal, events, messages, runs };
    if policy == Policy::default() {
        return Err(DbError::NothingToPurge);
    }
    let place = DatabaseArgs { cluster: args.cluster.clone(), database_url: args.database_url.clone() };
    let database = place.open_named(args.database()).await?;
    let mut db = Store::connect_only(&database.url).await?;
    let is_terminal = std::io::stderr().is_terminal();
    let mut tell = |progress: Progress<'_>| tell(&progress, dry_run, is_terminal);
    let freed = clean(&mut db, &policy, dry_run, &mut tell).await?;
    if is_terminal {
        eprintln!();
    }
    report(&freed, dry_run)?;
    Ok(ExitCode::SUCCESS)
}

/// One line that is written over in a terminal, and one line for each step elsewhere.
fn tell(progress: &Progress<'_>, dry_run: bool, is_terminal: bool) {
    let verb = if dry_run { "would drop" } else { "dropped" };
    let line = match progress {
        Progress::Day { name, bytes } => format!("{verb} {name} ({})", size(*bytes)),
        Progress::Rows { what, so_far } => format!("deleted {so_far} {}", what.name()),
    };
    let mut err = std::io::stderr().lock();
    // Whoever closed standard error does not want to hear it.
    let _ = if is_terminal { write!(err, "\r\x1b[2K{line}") } else { writeln!(err, "{line}") };
    let _ = err.flush();
}

fn report(freed: &Freed, dry_run: bool) -> std::io::Result<()> {
    let mut out = out();
    let (dropped, deleted) = if dry_run { ("would free", "would delete") } else { ("freed", "deleted") };
    writeln!(out, "{dropped} {} in {} partitions", size(freed.bytes()), freed.days.len())?;
    for (what, rows) in &freed.rows {
        writeln!(out, "{deleted} {rows} {} (vacuum makes their space usable again)", what.name())?;
    }
    for kept in &freed.kept {
        writeln!(out, "{}", kept.sentence())?;
    }
    Ok(())
}

fn size(bytes: i64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
