//! `takt audit list`.

use super::{AuditArgs, AuditError, open};
use crate::store::audit::{self, Filter};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Who did it: an id of takt.yaml, `takt`, `webhook`
    #[arg(long)]
    pub actor: Option<String>,

    /// What was done: `gate.choose`, or all of `gate`
    #[arg(long)]
    pub action: Option<String>,

    /// A word in what it was done to, or an id in another system
    #[arg(long, value_name = "WORD")]
    pub object: Option<String>,

    #[arg(long, value_name = "ID")]
    pub run: Option<uuid::Uuid>,

    #[arg(long, default_value_t = 100)]
    pub limit: i64,
}

pub(super) async fn run(args: &AuditArgs, wish: &ListArgs) -> Result<ExitCode, AuditError> {
    let (store, _database) = open(args).await?;
    let filter = Filter {
        actor: wish.actor.clone(),
        action: wish.action.clone(),
        object: wish.object.clone(),
        run: wish.run,
        ..Filter::default()
    };
    let mut db = store.connection().await?;
    for entry in audit::list(&mut db, &filter, wish.limit).await? {
        let seq = entry.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        let at = entry.at.format("%Y-%m-%d %H:%M:%S UTC");
        let of =
            [entry.object, entry.step, entry.external_id].into_iter().flatten().collect::<Vec<_>>().join(" ");
        println!("{seq:>8}  {at}  {:12}  {:20}  {of}", entry.actor, entry.action);
    }
    Ok(ExitCode::SUCCESS)
}
