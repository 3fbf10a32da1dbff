//! Setting the scene: the demo's clock, the simulated systems, and what happens in them.

use super::{DemoError, Scenario};
use crate::{
    app::Plant,
    cli::run::held::{Place, held},
    connector::http,
    engine::{
        Definitions,
        control::{Action, ControlError, Order, apply},
    },
    run::{Actor, Change, RunId},
    simulator::{MemoryFile, SimulatorConfig, model, slack},
    store::{Store, StoreError, audit, clock, control, control::Target, journal, summaries},
    workflow::{CronTimes, Trigger},
};
use chrono::{DateTime, Datelike, Days, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path};

/// The simulated workspace's credentials; they open nothing else.
pub(super) const SLACK_BOT_TOKEN: &str = "xoxb-takt-demo";
pub(super) const SLACK_SIGNING_SECRET: &str = "takt-demo-signing-secret";
const LEFTOVERS_MAX: i64 = 1_000;
/// How long before a schedule's firing the demo begins.
const BEFORE_FIRING: TimeDelta = TimeDelta::seconds(5);

/// Where and when the story begins.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub scenario: Scenario,
    pub start: DateTime<Utc>,
    /// A run of an earlier demo that is still open: the story goes on with it.
    pub goes_on: Option<RunId>,
}

impl Scene {
    /// Chooses the next Monday morning of the demo's own time, and sets the database's clock to it. With an
    /// open run the clock stays, so that its deadlines do. A run that is held would go nowhere.
    pub(super) async fn set(
        store: &Store,
        plant: &Plant,
        scenario: Scenario,
        place: &Place,
    ) -> Result<Self, DemoError> {
        let mut db = store.connection().await?;
        if !clock::is_ahead(&mut db).await? && has_runs(&mut db).await? {
            return Err(DemoError::NotADemo);
        }
        let open = summaries::Filter {
            open: Some(true),
            workflow: Some(scenario.workflow().to_owned()),
            ..summaries::Filter::default()
        };
        let now = clock::now(&mut db).await?;
        let open = summaries::list(&mut db, &open, LEFTOVERS_MAX).await?;
        let open: Vec<_> = open.into_iter().map(|run| run.id).collect();
        let open = control::look(&mut db, &open).await?;
        if let Some(run) = open.iter().rev().find(|run| run.hold.is_none()) {
            return Ok(Self { scenario, start: now, goes_on: Some(RunId(run.id)) });
        }
        for run in &open {
            stand_aside(store, run, place).await?;
        }
        end_leftovers(store).await?;
        let start = begin(plant, scenario, now);
        clock::set(&mut db, start).await?;
        Ok(Self { scenario, start, goes_on: None })
    }

    /// The simulator; its plant is remembered in this folder, so that a story can go on.
    pub(super) fn simulator(&self, takt: SocketAddr, data: &Path) -> SimulatorConfig {
        SimulatorConfig {
            start: self.start,
            memory: Some(MemoryFile { path: data.join("demo-plant.jsonl"), resume: self.goes_on.is_some() }),
            target: Some(format!("http://{takt}/hooks/plant")),
            ..SimulatorConfig::default()
        }
    }
}

impl Scenario {
    pub(super) fn workflow(self) -> &'static str {
        match self {
            Self::DowntimeEscalation => "downtime_escalation",
            Self::SupplierDelay => "supplier_delay",
            Self::ShiftHandover => "shift_handover",
        }
    }

    /// What is fired in the plant; a schedule needs nothing but time.
    pub(super) fn event(self) -> Option<Value> {
        match self {
            Self::DowntimeEscalation => Some(json!({
                "event": "machine_down", "work_center": "PRESS-4", "reason_text": "hydraulic pressure lost",
            })),
            Self::SupplierDelay => Some(json!({ "event": "supplier_delay" })),
            Self::ShiftHandover => None,
        }
    }
}

/// A run that is held stays as it is, and the alarm begins another one instead of joining it.
async fn stand_aside(store: &Store, run: &Target, place: &Place) -> Result<(), DemoError> {
    if let Some(held) = held(run, place) {
        println!("  held       run {} of an earlier demo is {held}; a new one begins", run.id);
    }
    let mut tx = store.begin().await?;
    if control::give_up_key(&mut tx, RunId(run.id)).await? {
        let detail = json!({ "reason": "it is held, and the demo begins another run" });
        audit::add_for(&mut tx, &Actor::named("demo"), "run.give_up_key", &[run.id], &detail).await?;
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(())
}

/// Questions that an earlier story left when it ended: a week ahead, nobody could answer them in time.
async fn end_leftovers(store: &Store) -> Result<(), DemoError> {
    let definitions = Definitions::default();
    let order = Order {
        action: Action::Cancel,
        by: "demo".to_owned(),
        via: None,
        reason: "its story has ended, and the demo begins another one".to_owned(),
    };
    let mut db = store.connection().await?;
    let open = summaries::Filter { open: Some(true), ..summaries::Filter::default() };
    let stories = Scenario::value_variants().iter().map(|scenario| scenario.workflow());
    let stories: Vec<&str> = stories.collect();
    for run in summaries::list(&mut db, &open, LEFTOVERS_MAX).await? {
        let is_awaited = match run.parent_run {
            Some(parent) => {
                summaries::get(&mut db, RunId(parent)).await?.is_some_and(|run| run.ended_at.is_none())
            }
            None => false,
        };
        let records = journal::load(&mut db, RunId(run.id)).await?;
        let is_by_hand = records.first().is_some_and(|first| match &first.change {
            Change::RunStarted(start) => start.trigger["type"] == "manual",
            _ => false,
        });
        if !stories.contains(&run.workflow.as_str()) && !is_awaited && !is_by_hand {
            match apply(store, &definitions, RunId(run.id), &order, false).await {
                // It ended or was cancelled meanwhile.
                Ok(()) | Err(ControlError::Refused(_)) => {}
                Err(ControlError::Store(error)) => return Err(error.into()),
                Err(other) => tracing::warn!(%other, "a run of an earlier demo stays open"),
            }
        }
    }
    Ok(())
}

async fn has_runs(db: &mut crate::store::PgConnection) -> Result<bool, DemoError> {
    Ok(!summaries::list(db, &summaries::Filter::default(), 1).await?.is_empty())
}

/// The next Monday 06:10 in the plant, or shortly before the workflow's next firing on that Monday.
fn begin(plant: &Plant, scenario: Scenario, now: DateTime<Utc>) -> DateTime<Utc> {
    let zone = plant.site.time_zone;
    let today = now.with_timezone(&zone).date_naive();
    let days = (7 - today.weekday().days_since(Weekday::Mon)) % 7;
    let days = if days == 0 { 7 } else { days };
    let monday = today + Days::new(u64::from(days));
    let time = NaiveTime::from_hms_opt(6, 10, 0).unwrap_or_default();
    let morning = zone.from_local_datetime(&monday.and_time(time)).earliest().map_or(now, |at| at.to_utc());
    let trigger = plant.library.get(scenario.workflow()).map(|definition| &definition.workflow.trigger);
    let Some(Trigger::Cron(trigger)) = trigger else { return morning };
    let firing =
        CronTimes::new(&trigger.cron, trigger.time_zone).ok().and_then(|times| times.after(morning).next());
    firing.map_or(morning, |at| at - BEFORE_FIRING)
}

/// Plays the hand-written transcripts of the site over the model's wire format.
pub(super) async fn authored_model_server(site: &Path) -> Result<model::ModelHandle, DemoError> {
    let transcripts = model::Transcripts::load(&site.join("evals/transcripts"))
        .map_err(|error| DemoError::ModelSimulator(error.to_string()))?;
    Ok(model::start(SocketAddr::from(([127, 0, 0, 1], 0)), transcripts).await?)
}

/// Plays a Slack workspace with the site's people in it; gives its origin.
pub(super) async fn slack_server(
    takt: SocketAddr,
    people: Vec<(String, String)>,
) -> Result<String, DemoError> {
    let config = slack::SlackConfig {
        bot_token: SLACK_BOT_TOKEN.to_owned(),
        signing_secret: SLACK_SIGNING_SECRET.to_owned(),
        callback: Some(format!("http://{takt}/slack/interactions")),
        people,
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = slack::router(config, http::client()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}"))
}
