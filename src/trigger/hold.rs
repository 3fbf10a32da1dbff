//! `hold`: a condition must still hold after a while; what is over by then starts nothing.

use super::start::{Started, Wish, start};
use crate::{
    engine::Definitions,
    store::{PgConnection, StoreError, clock, events},
    workflow::Trigger,
};

/// Starts the runs of holds that are over. Returns how many holds that were.
pub(super) async fn fire_due(db: &mut PgConnection, definitions: &Definitions) -> Result<usize, StoreError> {
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
            started_by: None,
        };
        let (state, note) = match start(db, wish, now).await {
            Ok(Started::Run(run)) => ("routed", run.to_string()),
            Ok(Started::Joined(run)) => ("joined", run.to_string()),
            Ok(Started::Flooded) => ("flooded", format!("more events than `flood` of `{workflow}` allows")),
            Err(error) => ("failed", format!("{workflow}: {error}")),
        };
        events::mark(db, event.id, state, Some(&note)).await?;
    }
    Ok(due.len())
}
