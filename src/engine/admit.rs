//! Where a new run stands before its first step: its lane, and when it may begin. A workflow without `flow:`
//! asks the database nothing here.

use super::control::supersede;
use crate::{
    run::{LaneKey, NewRun, RunId, book},
    store::{
        PgConnection, StoreError,
        commits::Place,
        lanes,
        paces::{self, PaceKind},
    },
    workflow::Excess,
};
use chrono::{DateTime, Utc};

/// Books the run's start and finds its lane; `lanes::settle` lets it in after its row was added.
pub(super) async fn admit(
    db: &mut PgConnection,
    run: &NewRun,
    now: DateTime<Utc>,
) -> Result<Place, StoreError> {
    let mut place = Place::default();
    if let Some(pace) = &run.turn.throttle {
        let mut starts = paces::lock(db, &run.workflow, PaceKind::Throttle, &pace.key).await?;
        let start = book(&mut starts, pace.limit, now);
        paces::save(db, &run.workflow, PaceKind::Throttle, &pace.key, &starts).await?;
        place.not_before = (start > now).then_some(start);
    }
    if let Some(LaneKey { key, limit, .. }) = &run.turn.lane {
        place.lane = Some(lanes::find_or_make(db, &run.workflow, key, *limit).await?);
    }
    Ok(place)
}

/// Whether a run may be started at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Free,
    /// `singleton … then: skip`, and this run is open.
    Taken(RunId),
}

/// Does what `singleton` says about an open run with the same key, before a new one is started: the new one is
/// not to be, or the open one is told to end and the new one waits for that in the lane.
pub async fn make_way(db: &mut PgConnection, run: &NewRun) -> Result<Way, StoreError> {
    let Some(LaneKey { key, excess, .. }) = &run.turn.lane else { return Ok(Way::Free) };
    if *excess == Excess::Wait {
        return Ok(Way::Free);
    }
    // Not locked: who starts one in the same moment by hand is not seen, and the lane lets one wait for the other.
    let open = lanes::members(db, &run.workflow, key).await?;
    if *excess == Excess::Skip {
        return Ok(open.first().map_or(Way::Free, |first| Way::Taken(*first)));
    }
    for other in open {
        supersede(db, other, "takt", &format!("a newer run takes its place: {}", run.id)).await?;
    }
    Ok(Way::Free)
}

/// The safety net, every now and then: lanes that lost count are counted again, and what nobody uses is deleted.
pub async fn mend(db: &mut PgConnection) -> Result<bool, StoreError> {
    let wrong = lanes::mend(db).await?;
    for lane in &wrong {
        tracing::warn!(
            workflow = lane.workflow,
            key = lane.key,
            counted = lane.in_use,
            runs = lane.runs,
            queued = lane.queued,
            "a lane had lost count; it was counted again"
        );
    }
    lanes::forget_unused(db).await?;
    paces::forget_old(db).await?;
    Ok(!wrong.is_empty())
}
