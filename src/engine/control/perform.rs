//! Carrying orders out: set-based where a signal or a mark is all it takes, run by run where journals are written.

use super::{ControlError, Order, Refusal, consider::Intended};
use crate::{
    run::{Actor, Record, RunId, Signal, SignalKind},
    store::{PgConnection, Store, StoreError, audit, control, control::Target, journal, lanes, signals},
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Everything in the caller's transaction, audited.
pub(super) async fn perform(
    tx: &mut PgConnection,
    intended: Vec<(Target, Intended)>,
    order: &Order,
) -> Result<Performed, ControlError> {
    let mut refused = Vec::new();
    let (mut signalled, mut released, mut dismissed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut kind, mut joined) = (None, Vec::new());
    let ids: Vec<Uuid> = intended.iter().map(|(target, _)| target.id).collect();
    for (target, intended) in intended {
        let run = RunId(target.id);
        match intended {
            Intended::Signal(what) => {
                kind = Some(what);
                if target.state.as_deref() == Some("set_aside") {
                    released.push(target.id);
                }
                signalled.push(target.id);
            }
            Intended::Reopen(all) => {
                for one in all {
                    let lane = match (&one.rank.lane, one.limit) {
                        (Some(key), Some(limit)) => {
                            let limit = i32::try_from(limit).unwrap_or(i32::MAX);
                            Some(lanes::find_or_make(tx, &one.workflow, key, limit).await?)
                        }
                        _ => None,
                    };
                    if !control::reopen(tx, one.run, &one.sha256, &one.rank, lane).await? {
                        let (workflow, key) = (one.workflow, one.key.unwrap_or_default());
                        refused.push((one.run.0, Refusal::KeyTaken { workflow, key }));
                        // Its children go on only with it.
                        break;
                    }
                    append(tx, one.run, &one.records).await?;
                    joined.extend(lane);
                }
            }
            Intended::Migrate { record, sha256 } => {
                append(tx, run, &[record]).await?;
                control::pin(tx, run, &sha256).await?;
            }
            Intended::Release { record } => {
                append(tx, run, record.as_slice()).await?;
                control::release(tx, run).await?;
            }
            Intended::Abandon => control::abandon(tx, run).await?,
            Intended::Dismiss => dismissed.push(target.id),
        }
    }
    for run in released {
        control::release(tx, RunId(run)).await?;
    }
    if let Some(kind) = kind {
        signal(tx, signalled, kind, order).await?;
    }
    control::dismiss(tx, &dismissed).await?;
    let mut detail = serde_json::to_value(&order.action).unwrap_or_default();
    detail["reason"] = json!(order.reason);
    let done: Vec<Uuid> =
        ids.into_iter().filter(|id| !refused.iter().any(|(other, _)| other == id)).collect();
    let by = Actor::named(&order.by).vouched_by(order.via.clone());
    audit::add_for(tx, &by, &format!("run.{}", order.action.word()), &done, &detail).await?;
    Ok(Performed { refused, joined })
}

/// What came of it.
#[derive(Default)]
pub(super) struct Performed {
    /// What could not be done after all.
    pub refused: Vec<(Uuid, Refusal)>,
    joined: Vec<i64>,
}

impl Performed {
    /// Lets reopened runs into their lanes, once the order is committed: it held runs that a lane's owner may wait for. Where
    /// this does not come about, [`crate::engine::mend`] does it.
    pub(super) async fn let_in(&self, store: &Store) {
        if self.joined.is_empty() {
            return;
        }
        let settled = async {
            let mut tx = store.begin().await?;
            lanes::settle(&mut tx, &[], &self.joined).await?;
            tx.commit().await.map_err(StoreError::from)
        };
        if let Err(error) = settled.await {
            tracing::warn!(%error, "reopened runs wait a little longer for their lanes");
        }
    }
}

async fn append(tx: &mut PgConnection, run: RunId, records: &[Record]) -> Result<(), ControlError> {
    let records: Vec<(RunId, &Record)> = records.iter().map(|record| (run, record)).collect();
    if !records.is_empty() {
        journal::append(tx, &records).await?;
    }
    Ok(())
}

/// Whoever stops a run stops what it waits for.
async fn with_descendants(db: &mut PgConnection, mut runs: Vec<Uuid>) -> Result<Vec<Uuid>, StoreError> {
    runs.extend(control::open_descendants(db, &runs).await?);
    runs.sort_unstable();
    runs.dedup();
    Ok(runs)
}

/// A newer run takes the place of this one, which is cancelled: once, however often it is told.
pub async fn supersede(db: &mut PgConnection, run: RunId, by: &str, reason: &str) -> Result<(), StoreError> {
    let runs = with_descendants(db, vec![run.0]).await?;
    let body = json!({ "by": by, "reason": reason });
    for run in &runs {
        let id = Uuid::new_v5(run, b"superseded");
        let signal = Signal { id, kind: SignalKind::Cancel, path: None, body: body.clone() };
        if signals::send(db, RunId(*run), &signal).await? {
            audit::add(db, by, "run.cancel", Some(&run.to_string()), &json!({ "reason": reason })).await?;
        }
    }
    control::mark_paused(db, &runs, None).await
}

async fn signal(
    tx: &mut PgConnection,
    mut runs: Vec<Uuid>,
    kind: SignalKind,
    order: &Order,
) -> Result<(), ControlError> {
    if kind == SignalKind::Cancel {
        runs = with_descendants(tx, runs).await?;
        // Who has done nothing yet need not wait for a lane to hear that it ends.
        lanes::leave_queue(tx, &runs).await?;
    }
    let body: Value = json!({ "by": order.by, "reason": order.reason });
    control::send(tx, &runs, kind, &body).await?;
    let paused = kind == SignalKind::Pause;
    let reason = format!("{}: {}", order.by, order.reason);
    control::mark_paused(tx, &runs, paused.then_some(reason.as_str())).await?;
    Ok(())
}
