//! Cron triggers: each nominal time fires once, late ones as the workflow's `catch_up` says.

use super::{
    cron::CronTimes,
    start::{Started, Starts, Wish, start},
};
use crate::{
    engine::Definitions,
    store::{PgConnection, StoreError, clock, cron},
    workflow::{CatchUp, CronTrigger, Definition, Overlap, Trigger},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;

/// A firing this late is a missed one.
const ON_TIME: TimeDelta = TimeDelta::seconds(60);
/// Most missed firings looked at after an outage.
const MISSED_MAX: usize = 1_000;

pub(super) async fn fire_due(
    db: &mut PgConnection,
    definitions: &Definitions,
    starts: &Starts<'_>,
) -> Result<usize, StoreError> {
    let now = clock::now(db).await?;
    let mut fired = 0;
    for definition in definitions.all_current() {
        if let Trigger::Cron(trigger) = &definition.workflow.trigger {
            fired += fire_workflow(db, &definition, trigger, starts, now).await?;
        }
    }
    Ok(fired)
}

async fn fire_workflow(
    db: &mut PgConnection,
    definition: &Definition,
    trigger: &CronTrigger,
    starts: &Starts<'_>,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let workflow = &definition.workflow.id;
    let times = match CronTimes::new(&trigger.cron, trigger.time_zone) {
        Ok(times) => times,
        Err(error) => {
            tracing::error!(workflow, %error, "the schedule cannot fire");
            return Ok(0);
        }
    };
    let Some(last) = cron::last(db, workflow).await? else {
        // A new schedule begins now; what lies before it was never missed.
        cron::fire(db, workflow, now, None, Some("the schedule begins")).await?;
        return Ok(0);
    };
    let due: Vec<DateTime<Utc>> = times.after(last).take_while(|at| *at <= now).take(MISSED_MAX).collect();
    let newest = due.last().copied();
    for nominal in &due {
        let is_late = now - *nominal > ON_TIME;
        let may_fire = match trigger.catch_up {
            CatchUp::None => !is_late,
            CatchUp::Last => newest == Some(*nominal),
            CatchUp::All => true,
        };
        let note = if may_fire {
            fire(db, definition, trigger, starts, (*nominal, now)).await?
        } else {
            "missed".into()
        };
        cron::fire(db, workflow, *nominal, None, Some(&note)).await?;
    }
    Ok(due.len())
}

async fn fire(
    db: &mut PgConnection,
    definition: &Definition,
    trigger: &CronTrigger,
    starts: &Starts<'_>,
    (nominal, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<String, StoreError> {
    let time = nominal.to_rfc3339_opts(SecondsFormat::Millis, true);
    let wish = Wish {
        definition,
        trigger: json!({ "id": null, "type": "cron", "subject": null, "time": time }),
        subject: None,
        key: (trigger.overlap == Overlap::Skip).then(|| "cron".to_owned()),
        event: None,
        trace: None,
        flood: None,
        starts,
    };
    match start(db, wish, now).await {
        Ok(Started::Run(run)) => Ok(format!("run {run}")),
        Ok(Started::Joined(run)) => Ok(format!("skipped: run {run} is still open")),
        Ok(Started::Flooded | Started::Limited(_)) => Ok("skipped".into()),
        Err(error) => {
            let error = error.blame()?;
            tracing::error!(workflow = definition.workflow.id, error, "the schedule could not start a run");
            Ok(error)
        }
    }
}
