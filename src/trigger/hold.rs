//! `hold`: a condition must still hold after a while; what is over by then starts nothing.

use super::{
    gather::{self, word_of},
    start::{Starts, Wish},
};
use crate::{
    engine::Definitions,
    store::{PgConnection, StoreError, clock, events},
    workflow::Trigger,
};

/// Starts the runs of holds that are over. Returns how many holds that were.
pub(super) async fn fire_due(
    db: &mut PgConnection,
    definitions: &Definitions,
    starts: &Starts<'_>,
) -> Result<usize, StoreError> {
    let due = events::take_due_holds(db).await?;
    let now = clock::now(db).await?;
    for (workflow, key, event_id) in &due {
        let Some(event) = events::get(db, *event_id).await? else { continue };
        let Some(definition) = definitions.current(workflow) else {
            events::mark(db, event.id, "failed", Some(&format!("workflow `{workflow}` is gone"))).await?;
            continue;
        };
        let Trigger::Events(trigger) = &definition.workflow.trigger else { continue };
        let wish = Wish {
            definition: &definition,
            trigger: event.seen(),
            subject: event.subject.clone(),
            key: trigger.key.is_some().then(|| key.clone()),
            event: Some(event.id),
            trace: event.trace.clone(),
            flood: trigger.flood,
            starts,
            started_by: None,
        };
        let (state, note) = match gather::accept(db, wish, &event, now).await {
            // It waits on, now for others of its kind.
            Ok(None) => continue,
            Ok(Some(started)) => word_of(workflow, &started),
            Err(error) => ("failed", format!("{workflow}: {}", error.blame()?)),
        };
        events::mark(db, event.id, state, Some(&note)).await?;
    }
    Ok(due.len())
}
