//! `debounce` and `batch`: events that become one run. Until then they are stored and `held`; afterwards each
//! says in which run it ended.

use super::{
    apart::Care,
    fit::key_of,
    router::over_flood,
    start::{Started, Starts, Wish, WishError, start},
};
use crate::{
    engine::Definitions,
    run::gather_key,
    store::{PgConnection, StoreError, clock, events, events::StoredEvent, gatherings},
    workflow::{Definition, Gather, Trigger},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Gatherings fired in one transaction.
const FIRED_MAX: i64 = 20;
/// A batch of more than this is not waited for any longer: it becomes one record of the run.
const BYTES_MAX: i64 = 512 * 1024;

/// Starts a run of an event, or puts the event to the others it is gathered with: then there is nothing yet.
pub(super) async fn accept(
    db: &mut PgConnection,
    wish: Wish<'_>,
    event: &StoredEvent,
    now: DateTime<Utc>,
) -> Result<Option<Started>, WishError> {
    let workflow = &wish.definition.workflow;
    let Some(gather) = &workflow.flow.gather else { return start(db, wish, now).await.map(Some) };
    let key = gather_key(&workflow.id, gather, &wish.trigger, wish.starts.site, now)?;
    let (wait, at_most, size) = match gather {
        Gather::Debounce { wait, at_most, .. } => (*wait, *at_most, None),
        Gather::Batch { size, within, .. } => (*within, *within, Some(*size)),
    };
    let gathered = gatherings::add(db, &workflow.id, &key, event.id, wait, at_most).await?;
    let is_full = size.is_some_and(|size| {
        u32::try_from(gathered.events).unwrap_or(0) >= size || gathered.bytes > BYTES_MAX
    });
    if !is_full {
        return Ok(None);
    }
    let ids = gatherings::take(db, &workflow.id, &key).await?;
    // This event is marked by whoever looks at it now.
    let earlier: Vec<Uuid> = ids.iter().copied().filter(|id| *id != event.id).collect();
    match begin(db, wish.definition, &ids, wish.starts, now).await {
        Ok(Some(started)) => {
            let (state, note) = word_of(&workflow.id, &started);
            events::settle_held(db, &earlier, state, &note).await?;
            Ok(Some(started))
        }
        Ok(None) => Ok(None),
        Err(error) => {
            let error = error.blame()?;
            events::fail_held(db, &earlier, &format!("{}: {error}", workflow.id), &workflow.id).await?;
            Err(WishError::Inputs(error))
        }
    }
}

/// Starts the runs of what has been gathered long enough. Returns how many there were.
pub(super) async fn fire_due(
    db: &mut PgConnection,
    definitions: &Definitions,
    starts: &Starts<'_>,
    care: Care,
) -> Result<usize, StoreError> {
    let due = gatherings::lock_due(db, FIRED_MAX).await?;
    let now = clock::now(db).await?;
    for (workflow, key) in &due {
        let ids = gatherings::take(db, workflow, key).await?;
        let definition = definitions.current(workflow);
        let definition = definition.as_deref();
        let fired = async |db: &mut PgConnection| fire(db, workflow, definition, &ids, starts, now).await;
        if let Some(why) = care.take(db, fired).await? {
            tracing::warn!(workflow, key, why, "gathered events failed");
            events::fail_held(db, &ids, &format!("{workflow}: {why}"), workflow).await?;
        }
    }
    Ok(due.len())
}

async fn fire(
    db: &mut PgConnection,
    workflow: &str,
    definition: Option<&Definition>,
    ids: &[Uuid],
    starts: &Starts<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Some(definition) = definition else {
        return events::fail_held(db, ids, &format!("workflow `{workflow}` is gone"), workflow).await;
    };
    match begin(db, definition, ids, starts, now).await {
        Ok(None) => Ok(()),
        Ok(Some(started)) => tell(db, definition, &started, ids).await,
        Err(error) => {
            let note = format!("{workflow}: {}", error.blame()?);
            events::fail_held(db, ids, &note, workflow).await
        }
    }
}

/// Says of each event what came of it: the run is of the last of a debounce, and of every one of a batch.
async fn tell(
    db: &mut PgConnection,
    definition: &Definition,
    started: &Started,
    ids: &[Uuid],
) -> Result<(), StoreError> {
    let (state, note) = word_of(&definition.workflow.id, started);
    let is_replaced = matches!(definition.workflow.flow.gather, Some(Gather::Debounce { .. }));
    match (ids.split_last(), started, is_replaced) {
        (Some((last, earlier)), Started::Run(run), true) => {
            events::settle_held(db, earlier, "joined", &format!("{run}, as a later event said")).await?;
            events::settle_held(db, &[*last], state, &note).await
        }
        _ => events::settle_held(db, ids, state, &note).await,
    }
}

/// One run of these events, oldest first; `None` when none of them is there any more.
async fn begin(
    db: &mut PgConnection,
    definition: &Definition,
    ids: &[Uuid],
    starts: &Starts<'_>,
    now: DateTime<Utc>,
) -> Result<Option<Started>, WishError> {
    let found = events::get_many(db, ids).await?;
    let mut by_id: BTreeMap<Uuid, StoredEvent> = found.into_iter().map(|event| (event.id, event)).collect();
    let events: Vec<StoredEvent> = ids.iter().filter_map(|id| by_id.remove(id)).collect();
    let Some(last) = events.last() else { return Ok(None) };
    let mut trigger = last.seen();
    if let (Some(Gather::Batch { .. }), Some(fields)) =
        (&definition.workflow.flow.gather, trigger.as_object_mut())
    {
        fields.insert("events".into(), events.iter().map(StoredEvent::seen).collect::<Vec<_>>().into());
    }
    let rule = match &definition.workflow.trigger {
        Trigger::Events(trigger) => Some(trigger),
        Trigger::Cron(_) | Trigger::Manual => None,
    };
    let mut scope = crate::expr::Scope::new();
    scope.insert("event".into(), trigger.clone());
    scope.insert("site".into(), starts.site.clone());
    scope.insert("now".into(), json!(now));
    let key = rule.and_then(|rule| rule.key.as_ref()).map(|key| key.eval(&scope)).transpose();
    let key = key.map_err(|error| WishError::Inputs(error.to_string()))?;
    let key = key.map(key_of).transpose().map_err(WishError::Inputs)?;
    let wish = Wish {
        definition,
        trigger,
        subject: last.subject.clone(),
        key,
        event: Some(last.id),
        trace: last.trace.clone(),
        flood: rule.and_then(|rule| rule.flood),
        started_by: None,
        starts,
    };
    start(db, wish, now).await.map(Some)
}

/// The state of an event after this, and what it says.
pub(super) fn word_of(workflow: &str, started: &Started) -> (&'static str, String) {
    match started {
        Started::Run(run) => ("routed", run.to_string()),
        Started::Joined(run) => ("joined", run.to_string()),
        Started::Flooded => ("flooded", over_flood(workflow)),
        Started::Limited(note) => ("limited", note.clone()),
    }
}
