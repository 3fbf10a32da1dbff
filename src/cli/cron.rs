//! `takt cron`: looks at schedules of workflows, pauses, resumes, triggers and backfills them, in the database itself.
//!
//! What is asked for here is started by whichever `takt serve` works on that database, now or later.

use super::{database::DatabaseArgs, output::out};
use crate::{
    app::{AppError, Plant},
    postgres::ClusterError,
    site::{Environment, Overrides},
    store::{Store, StoreError, clock, schedules::FiringState},
    trigger::{Backfill, Edge, MomentError, Schedule, ScheduleError, View, moment},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use std::{io::Write as _, path::PathBuf, process::ExitCode};

/// Look at the schedules of workflows with a cron trigger, pause, resume, trigger and backfill them
#[derive(Debug, clap::Args)]
pub struct CronArgs {
    /// Site folder: takt.yaml, workflows/, …
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR", global = true)]
    pub site: PathBuf,

    #[command(flatten)]
    pub database: DatabaseArgs,

    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    pub format: Format,

    #[command(subcommand)]
    pub command: Option<CronCommand>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Debug, clap::Subcommand)]
pub enum CronCommand {
    /// Every schedule of the site, with its next firing; this is what `takt cron` alone does
    List,
    /// One schedule: its next firings, and what became of the last ones
    Show { workflow: String },
    /// Let the clock start nothing until the schedule is resumed
    Pause {
        workflow: String,
        /// Why, for whoever looks next
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        by: By,
    },
    /// Let the clock fire again; what was due meanwhile is not made up for
    Resume {
        workflow: String,
        #[arg(long)]
        note: Option<String>,
        #[command(flatten)]
        by: By,
    },
    /// Fire once more, now
    Trigger {
        workflow: String,
        #[command(flatten)]
        by: By,
    },
    /// Fire what lies in a past range and has no run yet
    Backfill {
        workflow: String,
        /// Begin: a day, a local time like 2026-11-24T06:00, or a time with its offset
        #[arg(long, value_name = "TIME")]
        from: String,
        /// End, which is part of the range
        #[arg(long, value_name = "TIME")]
        to: String,
        /// Only say what would fire
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        by: By,
    },
}

#[derive(Debug, clap::Args)]
pub struct By {
    /// Who does it, as the audit trail shows it: an id of takt.yaml, so that they cannot approve what they started
    #[arg(long, env = "USER", default_value = "cli", value_name = "PERSON")]
    pub by: String,
}

#[derive(Debug, thiserror::Error)]
pub enum CronError {
    #[error(transparent)]
    Site(#[from] AppError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Moment(#[from] MomentError),
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

pub async fn run(args: CronArgs) -> Result<ExitCode, CronError> {
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    let plant = Plant::load(&args.site, &Environment::of_process(), &overrides)?;
    let database = args.database.open().await?;
    let store = Store::open_beside(&database.url).await?;
    let done = act(&args, &plant, &store).await;
    store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

async fn act(args: &CronArgs, plant: &Plant, store: &Store) -> Result<(), CronError> {
    let mut tx = store.begin().await?;
    let now = clock::now(&mut tx).await?;
    let find = |workflow: &str| Schedule::find(plant.library.get(workflow).cloned(), workflow, &plant.site);
    let out = Output { format: args.format, zone: plant.site.time_zone };
    match args.command.as_ref().unwrap_or(&CronCommand::List) {
        CronCommand::List => {
            let all =
                plant.library.definitions().filter_map(|found| Schedule::of(found.clone(), &plant.site));
            let mut views = Vec::new();
            for schedule in all {
                views.push(schedule.view(&mut tx, now, 1).await?);
            }
            out.list(&views)?;
        }
        CronCommand::Show { workflow } => out.show(&find(workflow)?.view(&mut tx, now, 20).await?)?,
        CronCommand::Pause { workflow, note, by } => {
            find(workflow)?.pause(&mut tx, &by.by, note.as_deref(), now).await?;
            out.say(&format!("{workflow} is paused: the clock starts nothing until it is resumed"))?;
        }
        CronCommand::Resume { workflow, note, by } => {
            let schedule = find(workflow)?;
            schedule.resume(&mut tx, &by.by, note.as_deref(), now).await?;
            let next = schedule.view(&mut tx, now, 0).await?.next.first().map(|at| out.time(*at));
            let next = next.map_or("it never fires".to_owned(), |next| format!("it fires next at {next}"));
            out.say(&format!("{workflow} is resumed: {next}"))?;
        }
        CronCommand::Trigger { workflow, by } => {
            let nominal = find(workflow)?.trigger(&mut tx, &by.by, None, now).await?;
            out.say(&format!("{workflow} fires for {}, as soon as a server looks", out.time(nominal)))?;
        }
        CronCommand::Backfill { workflow, from, to, dry_run, by } => {
            let schedule = find(workflow)?;
            let zone = schedule.trigger.time_zone;
            let (from, to) = (moment(from, zone, Edge::Start)?, moment(to, zone, Edge::End)?);
            if *dry_run {
                out.backfill("would start", &schedule.plan_backfill(&mut tx, from, to, now).await?)?;
            } else {
                out.backfill("starts", &schedule.backfill(&mut tx, &by.by, (from, to), now).await?)?;
            }
        }
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(())
}

struct Output {
    format: Format,
    zone: Tz,
}

impl Output {
    fn time(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).format("%a %Y-%m-%d %H:%M %Z").to_string()
    }

    fn json(&self, value: &impl serde::Serialize) -> Result<bool, std::io::Error> {
        if self.format == Format::Json {
            let text = serde_json::to_string_pretty(value)?;
            writeln!(out(), "{text}")?;
        }
        Ok(self.format == Format::Json)
    }

    fn say(&self, sentence: &str) -> Result<(), std::io::Error> {
        if self.json(&serde_json::json!({ "done": sentence }))? {
            return Ok(());
        }
        writeln!(out(), "{sentence}")
    }

    fn list(&self, views: &[View]) -> Result<(), std::io::Error> {
        if self.json(&views)? {
            return Ok(());
        }
        let mut out = out();
        if views.is_empty() {
            return writeln!(out, "no workflow of this site has a cron trigger");
        }
        let width = views.iter().map(|view| view.workflow.len()).max().unwrap_or_default();
        for view in views {
            let state = match (&view.pause, &view.problem, view.next.first()) {
                (Some(pause), ..) => format!("paused since {} by {}", self.time(pause.at), pause.by),
                (None, Some(problem), _) => problem.clone(),
                (None, None, Some(next)) => format!("next {}", self.time(*next)),
                (None, None, None) => "never".to_owned(),
            };
            writeln!(out, "{:width$}  {:20}  {state}", view.workflow, view.cron)?;
        }
        Ok(())
    }

    fn show(&self, view: &View) -> Result<(), std::io::Error> {
        if self.json(view)? {
            return Ok(());
        }
        let mut out = out();
        writeln!(out, "{}  {}", view.workflow, view.title)?;
        writeln!(out, "fires     {} in {}", view.cron, view.time_zone)?;
        if let (Some(calendar), Some(on_closed)) = (&view.calendar, view.on_closed) {
            writeln!(out, "calendar  {calendar}, on a closed day: {on_closed}")?;
        }
        writeln!(out, "catch up  {}", view.catch_up)?;
        writeln!(out, "overlap   {}, {} waiting", view.overlap, view.buffered)?;
        if let Some(pause) = &view.pause {
            let note = pause.note.as_ref().map_or(String::new(), |note| format!(": {note}"));
            writeln!(out, "paused    since {} by {}{note}", self.time(pause.at), pause.by)?;
        }
        if let (true, Some(through)) = (view.clock_went_back, view.through) {
            writeln!(out, "clock     went back: fired up to {} already", self.time(through))?;
        }
        if let Some(problem) = &view.problem {
            writeln!(out, "problem   {problem}")?;
        }
        for next in &view.next {
            writeln!(out, "next      {}", self.time(*next))?;
        }
        for firing in &view.firings {
            let state = match (firing.state, &firing.outcome) {
                (FiringState::Started, Some(outcome)) => outcome.clone(),
                (FiringState::Started, None) => "run is open".to_owned(),
                (state, _) => format!("{state:?}").to_lowercase(),
            };
            let run = firing.run.map_or(String::new(), |run| format!("  run {run}"));
            let by = firing.asked_by.as_ref().map_or(String::new(), |by| format!("  by {by}"));
            let note = firing.note.as_ref().map_or(String::new(), |note| format!("  {note}"));
            writeln!(out, "last      {}  {state}{run}{by}{note}", self.time(firing.nominal))?;
        }
        Ok(())
    }

    fn backfill(&self, verb: &str, backfill: &Backfill) -> Result<(), std::io::Error> {
        if self.json(backfill)? {
            return Ok(());
        }
        let mut out = out();
        for at in &backfill.starts {
            writeln!(out, "{verb}  {}", self.time(*at))?;
        }
        for at in &backfill.taken {
            writeln!(out, "has fired  {}", self.time(*at))?;
        }
        if backfill.starts.is_empty() {
            writeln!(out, "nothing to start in this range")?;
        }
        Ok(())
    }
}
