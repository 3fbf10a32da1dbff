//! Where a run belongs, for roles that are held on some lines or in some modules only.

use super::{
    auth::Caller,
    problem::{Cause, Problem},
    state::Shared,
};
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

/// A program that is limited acts within its limits, whomever it names.
pub(super) fn within(door: &Shared, caller: &Caller, place: &Place) -> Result<(), Problem> {
    match &caller.service {
        Some(account) if !door.app.site.account_reaches(account, place) => {
            let words = format!("takt.yaml limits the service account `{}` to other places", account.id);
            Err(Problem::new(Cause::NotPermitted, words))
        }
        _ => Ok(()),
    }
}

/// As `within`, for a run.
pub(super) async fn within_run(door: &Shared, caller: &Caller, run: RunId) -> Result<(), Problem> {
    if caller.service.as_ref().is_none_or(|account| !account.is_limited()) {
        return Ok(());
    }
    let mut db = door.app.store.connection().await?;
    let missing = || Problem::new(Cause::NotFound, "there is no run of this id");
    let summary = summaries::get(&mut db, run).await?.ok_or_else(missing)?;
    let records = journal::load(&mut db, run).await?;
    within(door, caller, &of_run(&summary, &records))
}

/// Whether a person may order something of a workflow as such: its schedule, a run that nobody has asked for. A role that
/// is held on some lines only says nothing about a workflow of the plant.
pub(super) fn may_order_of(door: &Shared, person: &Person, workflow: &str) -> bool {
    door.app.site.is_operator_at(person, &Place { work_center: None, workflow: Some(workflow) })
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
