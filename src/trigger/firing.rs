//! One firing becomes a run, or waits, as the schedule's `overlap` says.

use super::start::{Started, Starts, Wish, start};
use crate::{
    engine::control::supersede,
    run::RunId,
    store::{
        PgConnection, StoreError,
        schedules::{self, Asker, FiringState, Origin},
        summaries,
    },
    workflow::{Definition, Overlap},
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

/// Most firings that wait for one open run.
const BUFFER_MAX: i64 = 1_000;
/// The key of a schedule's runs: while one is open, no other starts.
const KEY: &str = "cron";
const TOO_MANY: &str = "more than the workflow allows";

/// A firing that is to become a run now.
pub(super) struct Firing<'a> {
    pub definition: &'a Definition,
    pub overlap: Overlap,
    pub nominal: DateTime<Utc>,
    pub origin: Origin,
    pub asked: Option<&'a Asker>,
    pub starts: &'a Starts<'a>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Started(RunId),
    Buffered,
    Skipped(String),
    Failed(String),
}

impl Firing<'_> {
    /// Starts a run, or does what the overlap policy says. Backfills always wait for their turn.
    pub(super) async fn fire(&self, db: &mut PgConnection, now: DateTime<Utc>) -> Result<Fate, StoreError> {
        let queue = if self.overlap == Overlap::AllowAll { 0 } else { self.buffered(db).await? };
        let open = match queue {
            0 => match self.start(db, now).await? {
                Ok(Started::Run(run)) => return Ok(Fate::Started(run)),
                Ok(Started::Joined(open)) => Some(open),
                Ok(Started::Flooded | Started::Limited(_)) => return Ok(Fate::Skipped(TOO_MANY.into())),
                Err(error) => return Ok(Fate::Failed(error)),
            },
            _ => summaries::open_with_key(db, self.workflow(), KEY).await?,
        };
        self.overlap(db, open, queue).await
    }

    /// Starts a run if none is open; `None` when there is one.
    pub(super) async fn start_buffered(
        &self,
        db: &mut PgConnection,
        now: DateTime<Utc>,
    ) -> Result<Option<Fate>, StoreError> {
        Ok(match self.start(db, now).await? {
            Ok(Started::Run(run)) => Some(Fate::Started(run)),
            Ok(Started::Joined(_)) => None,
            Ok(Started::Flooded | Started::Limited(_)) => Some(Fate::Skipped(TOO_MANY.into())),
            Err(error) => Some(Fate::Failed(error)),
        })
    }

    pub(super) async fn settle(&self, db: &mut PgConnection, fate: Fate) -> Result<(), StoreError> {
        let (state, run, note) = match fate {
            Fate::Started(run) => (FiringState::Started, Some(run), None),
            Fate::Buffered => (FiringState::Buffered, None, None),
            Fate::Skipped(why) => (FiringState::Skipped, None, Some(why)),
            Fate::Failed(why) => (FiringState::Failed, None, Some(why)),
        };
        schedules::settle(db, self.workflow(), self.nominal, state, run, note.as_deref()).await
    }

    fn workflow(&self) -> &str {
        &self.definition.workflow.id
    }

    async fn buffered(&self, db: &mut PgConnection) -> Result<i64, StoreError> {
        schedules::buffered(db, self.workflow()).await
    }

    async fn overlap(
        &self,
        db: &mut PgConnection,
        open: Option<RunId>,
        queue: i64,
    ) -> Result<Fate, StoreError> {
        let still_open = || {
            let open = open.map_or_else(|| "an earlier firing".to_owned(), |run| format!("run {run}"));
            format!("{open} is not over yet")
        };
        Ok(match self.overlap {
            Overlap::Skip => Fate::Skipped(still_open()),
            Overlap::BufferOne if queue > 0 => Fate::Skipped("another firing waits already".into()),
            Overlap::BufferAll if queue >= BUFFER_MAX => {
                Fate::Skipped(format!("{BUFFER_MAX} firings wait already"))
            }
            Overlap::BufferOne | Overlap::BufferAll | Overlap::AllowAll => Fate::Buffered,
            Overlap::CancelOther => {
                let note = format!("replaced by the firing of {}", time_text(self.nominal));
                schedules::replace_buffered(db, self.workflow(), &note).await?;
                if let Some(open) = open {
                    let reason = format!("the firing of {} takes its place", time_text(self.nominal));
                    supersede(db, open, "schedule", &reason).await?;
                }
                Fate::Buffered
            }
        })
    }

    /// The inner error is the workflow's: a run of it cannot be started.
    async fn start(
        &self,
        db: &mut PgConnection,
        now: DateTime<Utc>,
    ) -> Result<Result<Started, String>, StoreError> {
        let mut trigger = json!({
            "id": null, "type": "cron", "subject": null, "time": time_text(self.nominal), "origin": self.origin,
            "by": self.asked.map(|asker| &asker.by),
        });
        if let Some(via) = self.asked.and_then(|asker| asker.via.as_ref()) {
            trigger["via"] = json!(via);
        }
        let wish = Wish {
            definition: self.definition,
            trigger,
            subject: None,
            key: (self.overlap != Overlap::AllowAll).then(|| KEY.to_owned()),
            event: None,
            trace: None,
            flood: None,
            started_by: self.asked.map(|asker| asker.by.clone()),
            starts: self.starts,
        };
        match start(db, wish, now).await {
            Ok(started) => Ok(Ok(started)),
            Err(error) => {
                let error = error.blame()?;
                tracing::error!(workflow = self.workflow(), error, "the schedule could not start a run");
                Ok(Err(error))
            }
        }
    }
}

fn time_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
