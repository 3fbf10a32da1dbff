//! `hold`: a condition must still hold after a while; what is over by then starts nothing.

use super::{
    apart::Care,
    gather::{self, word_of},
    start::{Starts, Wish},
};
use crate::{
    engine::Definitions,
    store::{PgConnection, StoreError, clock, events, events::StoredEvent},
    workflow::{Definition, Trigger},
};
use chrono::{DateTime, Utc};

/// Starts the runs of holds that are over. Returns how many holds that were.
pub(super) async fn fire_due(
    db: &mut PgConnection,
    definitions: &Definitions,
    starts: &Starts<'_>,
    care: Care,
) -> Result<usize, StoreError> {
    let due = events::take_due_holds(db).await?;
    let now = clock::now(db).await?;
    for (workflow, key, event_id) in &due {
        let Some(event) = events::get(db, *event_id).await? else { continue };
        let definition = definitions.current(workflow);
        let over = Over { workflow, key, event: &event, definition: definition.as_deref() };
        let fired = async |db: &mut PgConnection| over.fire(db, starts, now).await;
        if let Some(why) = care.take(db, fired).await? {
            tracing::warn!(event.id = %event.id, workflow, why, "a held event failed");
            over.fail(db, &format!("{workflow}: {why}")).await?;
        }
    }
    Ok(due.len())
}

/// A hold whose time is over.
struct Over<'a> {
    workflow: &'a str,
    key: &'a str,
    event: &'a StoredEvent,
    definition: Option<&'a Definition>,
}

impl Over<'_> {
    async fn fire(
        &self,
        db: &mut PgConnection,
        starts: &Starts<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Self { workflow, event, .. } = *self;
        let Some(definition) = self.definition else {
            return self.fail(db, &format!("workflow `{workflow}` is gone")).await;
        };
        let Trigger::Events(trigger) = &definition.workflow.trigger else {
            return self.fail(db, &format!("workflow `{workflow}` no longer starts on events")).await;
        };
        let wish = Wish {
            definition,
            trigger: event.seen(),
            subject: event.subject.clone(),
            key: trigger.key.is_some().then(|| self.key.to_owned()),
            event: Some(event.id),
            trace: event.trace.clone(),
            flood: trigger.flood,
            starts,
            started_by: None,
        };
        match gather::accept(db, wish, event, now).await {
            // It waits on, now for others of its kind.
            Ok(None) => Ok(()),
            Ok(Some(started)) => {
                let (state, note) = word_of(workflow, &started);
                events::settle_held(db, &[event.id], state, &note).await
            }
            Err(error) => self.fail(db, &format!("{workflow}: {}", error.blame()?)).await,
        }
    }

    async fn fail(&self, db: &mut PgConnection, note: &str) -> Result<(), StoreError> {
        events::fail_held(db, &[self.event.id], note, self.workflow).await
    }
}
