//! Where a run belongs, for roles that are held on some lines or in some modules only.

use super::state::Shared;
use crate::{
    run::{Change, Record, RunId},
    site::{Person, Place},
    store::{StoreError, journal, summaries},
};

/// The work center of what triggered a run, else the run's subject; as `gate::place_of` has it for questions.
pub(super) fn of_run<'a>(summary: &'a summaries::Summary, records: &'a [Record]) -> Place<'a> {
    let trigger = records.iter().find_map(|record| match &record.change {
        Change::RunStarted(start) => Some(&start.trigger),
        _ => None,
    });
    let work_center = trigger.and_then(|trigger| trigger.get("work_center")).and_then(|at| at.as_str());
    Place { work_center: work_center.or(summary.subject.as_deref()), workflow: Some(&summary.workflow) }
}

/// Whether a person may order something of this run, or of many runs at once.
pub(super) async fn may_order(
    door: &Shared,
    person: &Person,
    run: Option<RunId>,
) -> Result<bool, StoreError> {
    let site = &door.app.site;
    if site.is_operator(person) {
        return Ok(true);
    }
    let Some(run) = run.filter(|_| !person.reach.is_empty()) else { return Ok(false) };
    let mut db = door.app.store.connection().await?;
    let Some(summary) = summaries::get(&mut db, run).await? else { return Ok(false) };
    let records = journal::load(&mut db, run).await?;
    Ok(site.is_operator_at(person, &of_run(&summary, &records)))
}
