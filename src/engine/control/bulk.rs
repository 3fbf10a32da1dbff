//! Orders over many runs: first a dry run that says what would happen to how many and why some are left out,
//! then the order itself, page by page. It is kept in the database, so that it can go on where it was cut off.

use super::{Action, ControlError, Order, Refusal, consider::consider, perform::Performed, perform::perform};
use crate::{
    engine::Definitions,
    store::{
        PgConnection, Store, clock,
        control::{self, BulkOrder, Match, unreadable},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

const PAGE: i64 = 200;
/// Runs named as examples for one reason of being left out.
const EXAMPLES: usize = 5;

/// Runs that began at least so long ago, in seconds.
pub type Age = u64;

/// Which runs; every field that is given must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BulkFilter {
    pub ids: Option<Vec<Uuid>>,
    pub workflow: Option<String>,
    /// `open`, `ended`, `paused`, `set_aside`, `attention`, or an outcome such as `failed`.
    pub state: Option<String>,
    pub older_than_seconds: Option<Age>,
    pub failed_step: Option<String>,
    /// Error class of the failure.
    pub class: Option<String>,
}

impl BulkFilter {
    /// Without any of these an order would be about every run there is.
    pub fn is_everything(&self) -> bool {
        self.ids.is_none()
            && self.workflow.is_none()
            && self.state.is_none()
            && self.older_than_seconds.is_none()
            && self.failed_step.is_none()
            && self.class.is_none()
    }

    /// As a query for runs that began before a time.
    pub fn to_match(&self, started_before: DateTime<Utc>) -> Match {
        Stored { filter: self.clone(), started_before, via: None }.to_match()
    }

    /// Only runs that began before the order count, so that it comes to an end.
    fn at(&self, now: DateTime<Utc>) -> Stored {
        let age = TimeDelta::from_std(Duration::from_secs(self.older_than_seconds.unwrap_or(0)));
        let before = now.checked_sub_signed(age.unwrap_or(TimeDelta::MAX)).unwrap_or_default();
        Stored { filter: self.clone(), started_before: before, via: None }
    }
}

/// A filter with its age turned into a time, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    filter: BulkFilter,
    started_before: DateTime<Utc>,
    /// Who vouched for whoever ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    via: Option<String>,
}

impl Stored {
    fn to_match(&self) -> Match {
        let filter = self.filter.clone();
        Match {
            ids: filter.ids,
            workflow: filter.workflow,
            state: filter.state,
            started_before: Some(self.started_before),
            failed_step: filter.failed_step,
            class: filter.class,
        }
    }
}

/// Runs that are left as they are for one reason.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LeftOut {
    pub count: u64,
    /// The first one's reason in words.
    pub words: String,
    pub examples: Vec<Uuid>,
}

#[derive(Debug, Clone, Serialize)]
pub struct BulkReport {
    /// Of the order in the database; absent for a dry run.
    pub order: Option<Uuid>,
    pub action: &'static str,
    pub dry_run: bool,
    /// Runs it was, or would be, carried out on.
    pub done: u64,
    pub left_out: BTreeMap<String, LeftOut>,
    /// False when the order goes on with [`continue_bulk`].
    pub finished: bool,
}

/// Carries an order out on every run that matches, or only says what it would do. Stops after `time`, to go on
/// later.
pub async fn bulk(
    store: &Store,
    definitions: &Definitions,
    filter: &BulkFilter,
    order: &Order,
    dry_run: bool,
    time: Duration,
) -> Result<BulkReport, ControlError> {
    let mut tx = store.begin().await?;
    let now = clock::now(&mut tx).await?;
    let stored = Stored { via: order.via.clone(), ..filter.at(now) };
    if dry_run {
        return rehearse(&mut tx, definitions, &stored.to_match(), order).await;
    }
    let new = BulkOrder {
        id: Uuid::now_v7(),
        action: serde_json::to_value(&order.action).map_err(unreadable)?,
        filter: serde_json::to_value(&stored).map_err(unreadable)?,
        by: order.by.clone(),
        reason: order.reason.clone(),
        cursor: Uuid::nil(),
        done: 0,
        left_out: serde_json::json!({}),
        finished_at: None,
    };
    control::open_order(&mut tx, &new).await?;
    tx.commit().await?;
    continue_bulk(store, definitions, new.id, time).await
}

async fn rehearse(
    db: &mut PgConnection,
    definitions: &Definitions,
    wanted: &Match,
    order: &Order,
) -> Result<BulkReport, ControlError> {
    let mut report = BulkReport {
        order: None,
        action: order.action.word(),
        dry_run: true,
        done: 0,
        left_out: BTreeMap::new(),
        finished: true,
    };
    let mut after = Uuid::nil();
    loop {
        let page = control::matching(db, wanted, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(report) };
        after = *last;
        for target in control::look(db, &page).await? {
            match consider(db, definitions, &target, order).await? {
                Ok(_) => report.done += 1,
                Err(refusal) => leave_out(&mut report.left_out, target.id, &refusal),
            }
        }
    }
}

/// Goes on with an order where it stands. Two who do so take turns.
pub async fn continue_bulk(
    store: &Store,
    definitions: &Definitions,
    id: Uuid,
    time: Duration,
) -> Result<BulkReport, ControlError> {
    let begun = std::time::Instant::now();
    loop {
        let mut tx = store.begin().await?;
        let order = control::lock_order(&mut tx, id).await?.ok_or(ControlError::NoSuchOrder(id))?;
        let order = page(&mut tx, definitions, order).await?;
        tx.commit().await?;
        order.performed.let_in(store).await;
        if order.is_finished || begun.elapsed() >= time {
            return Ok(BulkReport {
                order: Some(id),
                action: order.action.word(),
                dry_run: false,
                done: u64::try_from(order.row.done).unwrap_or(0),
                left_out: serde_json::from_value(order.row.left_out).map_err(unreadable)?,
                finished: order.is_finished,
            });
        }
    }
}

struct Paged {
    row: BulkOrder,
    action: Action,
    performed: Performed,
    is_finished: bool,
}

async fn page(
    tx: &mut PgConnection,
    definitions: &Definitions,
    mut row: BulkOrder,
) -> Result<Paged, ControlError> {
    let action: Action = serde_json::from_value(row.action.clone()).map_err(unreadable)?;
    if row.finished_at.is_some() {
        return Ok(Paged { row, action, performed: Performed::default(), is_finished: true });
    }
    let stored: Stored = serde_json::from_value(row.filter.clone()).map_err(unreadable)?;
    let mut left_out: BTreeMap<String, LeftOut> =
        serde_json::from_value(row.left_out.clone()).map_err(unreadable)?;
    let (by, via, reason) = (row.by.clone(), stored.via.clone(), row.reason.clone());
    let order = Order { action: action.clone(), by, via, reason };
    let ids = control::matching(tx, &stored.to_match(), row.cursor, PAGE).await?;
    let mut intended = Vec::with_capacity(ids.len());
    for target in control::lock(tx, &ids).await? {
        match consider(tx, definitions, &target, &order).await? {
            Ok(one) => intended.push((target, one)),
            Err(refusal) => leave_out(&mut left_out, target.id, &refusal),
        }
    }
    let considered = intended.len();
    let performed = perform(tx, intended, &order).await?;
    let refused = &performed.refused;
    row.done += i64::try_from(considered - refused.len()).unwrap_or(0);
    for (run, refusal) in refused {
        leave_out(&mut left_out, *run, refusal);
    }
    if let Some(last) = ids.last() {
        row.cursor = *last;
    }
    row.left_out = serde_json::to_value(&left_out).map_err(unreadable)?;
    let is_finished = ids.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
    control::advance_order(tx, &row, is_finished).await?;
    Ok(Paged { row, action, performed, is_finished })
}

fn leave_out(left_out: &mut BTreeMap<String, LeftOut>, run: Uuid, refusal: &Refusal) {
    let entry = left_out.entry(refusal.word().to_owned()).or_default();
    if entry.count == 0 {
        entry.words = refusal.to_string();
    }
    entry.count += 1;
    if entry.examples.len() < EXAMPLES {
        entry.examples.push(run);
    }
}
