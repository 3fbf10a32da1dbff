//! Tells the story as it happens: reads the database like anybody else, and plays the plant's part in it.

use super::{DemoError, Scenario, answers::Answers, child::Server, plant::Scene};
use crate::{
    app::Plant,
    cli::run::held::{Place, held},
    connector::http,
    run::{Change, Record, RunId, State, StepPath, machine::Status, story},
    store::{PgConnection, Store, clock, control, events, gates, hints, journal, summaries},
    workflow::{StepKind, WaitFor},
};
use chrono::{DateTime, Utc};
use rand::Rng;
use serde_json::{Value, json};
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// With scripted answers something always happens within this time.
const STUCK_AFTER: Duration = Duration::from_secs(90);
/// Of a run's records; it ends well after the last of these.
const KILL_AFTER_RECORDS: std::ops::RangeInclusive<usize> = 2..=30;

/// A run that has come to its end.
pub(super) struct Ended {
    pub run: RunId,
    pub outcome: String,
    pub records: Vec<Record>,
}

pub(super) struct Narrator {
    store: Store,
    pub plant: Plant,
    scene: Scene,
    simulator: String,
    bind: SocketAddr,
    answers: Answers,
    pub place: Place,
    client: Option<reqwest::Client>,
    seen_events: BTreeSet<Uuid>,
    seen_gates: BTreeSet<Uuid>,
    told: usize,
    played: BTreeSet<StepPath>,
    kill_after: Option<usize>,
    last_news: Instant,
}

impl Narrator {
    pub(super) fn new(
        store: Store,
        plant: Plant,
        scene: Scene,
        simulator: String,
        bind: SocketAddr,
        answers: Answers,
        place: Place,
    ) -> Self {
        Self {
            store,
            plant,
            scene,
            simulator,
            bind,
            answers,
            place,
            client: None,
            seen_events: BTreeSet::new(),
            seen_gates: BTreeSet::new(),
            told: 0,
            played: BTreeSet::new(),
            kill_after: None,
            last_news: Instant::now(),
        }
    }

    pub(super) fn kill_at_random(&mut self) {
        self.kill_after = Some(rand::rng().random_range(KILL_AFTER_RECORDS));
    }

    /// Makes the thing happen and tells everything until the run ends; with scripted answers also until the runs
    /// that it started have ended, so that no question of the story stays open.
    pub(super) async fn tell(&mut self, server: &mut Server) -> Result<Ended, DemoError> {
        self.client = Some(http::client()?);
        let begun = self.begin().await?;
        let (mut run, mut ended) = (None, None);
        loop {
            self.look_at_events(begun).await?;
            if run.is_none() {
                run = self.find_run().await?;
            }
            if let Some(id) = run {
                if ended.is_none() {
                    ended = self.look_at_run(id, server).await?;
                }
                let is_over = self.look_at_started(id).await? || !self.answers.are_scripted();
                if is_over && let Some(ended) = ended.take() {
                    return Ok(ended);
                }
            }
            if self.answers.are_scripted() && self.last_news.elapsed() > STUCK_AFTER {
                return Err(self.stuck(run).await?);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn stuck(&self, run: Option<RunId>) -> Result<DemoError, DemoError> {
        let why = match run {
            None => "no run began, and demo-serve.log in the data folder may say why".to_owned(),
            Some(run) => {
                let mut db = self.store.connection().await?;
                let held =
                    control::look(&mut db, &[run.0]).await?.pop().and_then(|run| held(&run, &self.place));
                held.map_or_else(
                    || format!("`{}` tells how far the run came", self.place.command("show", run.0)),
                    |held| format!("the run is {held}"),
                )
            }
        };
        Ok(DemoError::Stuck { seconds: STUCK_AFTER.as_secs(), why })
    }

    async fn begin(&mut self) -> Result<DateTime<Utc>, DemoError> {
        let now = clock::now(&mut *self.store.connection().await?).await?;
        if self.scene.goes_on.is_some() {
            self.say(now, "An earlier demo left a run open; the story goes on with it.");
            return Ok(now);
        }
        match self.scene.scenario.event() {
            Some(event) => {
                self.fire(&event).await?;
            }
            None => self
                .say(now, "Nothing happens in the plant; the workflow has a schedule, and its time is near."),
        }
        Ok(self.scene.start)
    }

    async fn fire(&self, event: &Value) -> Result<(), DemoError> {
        self.control("fire", event).await
    }

    async fn control(&self, path: &str, body: &Value) -> Result<(), DemoError> {
        let Some(client) = &self.client else { return Ok(()) };
        let url = format!("{}/sim/{path}", self.simulator);
        client.post(url).json(body).send().await?.error_for_status()?;
        Ok(())
    }

    async fn look_at_events(&mut self, since: DateTime<Utc>) -> Result<(), DemoError> {
        let mut db = self.store.connection().await?;
        let mut recent = events::list(&mut db, false, 20).await?;
        recent.reverse();
        for event in recent.into_iter().filter(|event| event.received_at >= since) {
            if self.seen_events.insert(event.id) {
                let about = event.subject.clone().unwrap_or_default();
                let status = event.data["status"].as_str().map_or(String::new(), |s| format!(" {s}"));
                let reason = event.data["reason_text"].as_str().map_or(String::new(), |r| format!(": {r}"));
                self.say(
                    event.received_at,
                    &format!("Event {} {about}{status}{reason} (signed webhook, stored)", event.r#type),
                );
            }
        }
        if let Some(fire_at) = events::next_hold(&mut db).await? {
            let now = clock::now(&mut db).await?;
            if fire_at > now {
                let wait = (fire_at - now).to_std().unwrap_or_default();
                self.say(
                    now,
                    &format!(
                        "Held for {} s in case it is only a short stop; the demo moves its clock ahead",
                        wait.as_secs()
                    ),
                );
                clock::advance(&mut db, wait).await?;
                drop(db);
                self.control("clock", &json!({ "advance_seconds": wait.as_secs() })).await?;
                hints::send(&self.store).await?;
            }
        }
        Ok(())
    }

    async fn find_run(&mut self) -> Result<Option<RunId>, DemoError> {
        let filter = summaries::Filter {
            workflow: Some(self.scene.scenario.workflow().to_owned()),
            ..summaries::Filter::default()
        };
        let mut db = self.store.connection().await?;
        let found = match self.scene.goes_on {
            Some(run) => summaries::get(&mut db, run).await?,
            None => {
                let newest = summaries::list(&mut db, &filter, 1).await?.into_iter().next();
                newest.filter(|run| run.started_at >= self.scene.start)
            }
        };
        let Some(found) = found else { return Ok(None) };
        self.say(found.started_at, &format!("Run http://{}/runs/{}", self.bind, found.id));
        Ok(Some(RunId(found.id)))
    }

    async fn look_at_run(&mut self, run: RunId, server: &mut Server) -> Result<Option<Ended>, DemoError> {
        let mut db = self.store.connection().await?;
        // Questions first: the journal read after them holds everything that led to them.
        let open = gates::of_run(&mut db, run).await?;
        let records = journal::load(&mut db, run).await?;
        drop(db);
        let Some(definition) = self.definition_of(&records) else { return Ok(None) };
        for line in story::lines(&definition.workflow, &records[self.told..], self.plant.site.time_zone) {
            self.say(line.at, &line.text);
        }
        self.told = records.len();
        if self.kill_after.is_some_and(|after| records.len() >= after) {
            self.kill_after = None;
            self.kill(server, records.len()).await?;
        }
        for gate in open.iter().filter(|gate| gate.state == "open") {
            self.look_at_gate(gate).await?;
        }
        let state = State::fold(&records).map_err(|error| DemoError::Journal(error.to_string()))?;
        if state.is_ended() {
            let outcome = records.iter().rev().find_map(|record| match &record.change {
                Change::RunEnded { outcome } => Some(outcome.clone()),
                _ => None,
            });
            return Ok(Some(Ended { run, outcome: outcome.unwrap_or_default(), records }));
        }
        self.play_the_plant(&definition.workflow, &state).await?;
        Ok(None)
    }

    /// Questions of the runs that this one started. True when none of these runs is open.
    async fn look_at_started(&mut self, run: RunId) -> Result<bool, DemoError> {
        let mut db = self.store.connection().await?;
        let mut is_over = true;
        for id in started_below(&mut db, run).await? {
            let has_ended = summaries::get(&mut db, id).await?.is_some_and(|run| run.ended_at.is_some());
            is_over &= has_ended;
            for gate in gates::of_run(&mut db, id).await?.iter().filter(|gate| gate.state == "open") {
                if !self.seen_gates.contains(&gate.id) {
                    let title = gate.ask["title"].as_str().unwrap_or_default();
                    self.say(gate.opened_at, &format!("Run http://{}/runs/{id} asks: {title}", self.bind));
                }
                self.look_at_gate(gate).await?;
            }
        }
        Ok(is_over)
    }

    pub(super) fn is_scripted(&self) -> bool {
        self.answers.are_scripted()
    }

    fn definition_of(&self, records: &[Record]) -> Option<std::sync::Arc<crate::workflow::Definition>> {
        let Change::RunStarted(start) = &records.first()?.change else { return None };
        self.plant.library.get(&start.workflow).cloned()
    }

    async fn look_at_gate(&mut self, gate: &gates::Gate) -> Result<(), DemoError> {
        if self.seen_gates.insert(gate.id) {
            let who = self.answers.person_for(gate).await?.map(|person| person.id.clone());
            let url = format!("http://{}/gates/{}", self.bind, gate.id);
            let now = clock::now(&mut *self.store.connection().await?).await?;
            self.say(now, &format!("  open {url}  (as {})", who.unwrap_or_else(|| "nobody".into())));
            self.answers.give(gate).await?;
        }
        Ok(())
    }

    /// What the plant does when a run waits for it: the machine comes back, the goods arrive.
    async fn play_the_plant(
        &mut self,
        workflow: &crate::workflow::Workflow,
        state: &State,
    ) -> Result<(), DemoError> {
        for (path, step) in &state.steps {
            if step.status != Status::Waiting || self.played.contains(path) {
                continue;
            }
            let Some(StepKind::Wait(wait)) = story::find(workflow, path).map(|step| &step.kind) else {
                continue;
            };
            let WaitFor::Event(wait) = &wait.until else { continue };
            let trigger = &state.start.trigger;
            let happening = match wait.event.as_str() {
                "plex.work_center_status" => {
                    json!({ "event": "machine_up", "work_center": trigger["work_center"] })
                }
                "erp.goods_receipt" => json!({ "event": "goods_receipt", "po": trigger["po_number"] }),
                _ => continue,
            };
            self.played.insert(path.clone());
            self.fire(&happening).await?;
        }
        Ok(())
    }

    async fn kill(&mut self, server: &mut Server, records: usize) -> Result<(), DemoError> {
        let now = clock::now(&mut *self.store.connection().await?).await?;
        let pid = server.pid().map_or(String::new(), |pid| format!(" (process {pid})"));
        self.say(
            now,
            &format!(
                "*** SIGKILL to takt serve{pid} after {records} journal records; starting a new one ***"
            ),
        );
        server.kill_and_restart().await
    }

    fn say(&mut self, at: DateTime<Utc>, text: &str) {
        let time = at.with_timezone(&self.plant.site.time_zone).format("%H:%M:%S");
        println!("{time}  {text}");
        self.last_news = Instant::now();
    }

    pub(super) fn scenario(&self) -> Scenario {
        self.scene.scenario
    }

    /// The start of the plant's clock, for the summary.
    pub(super) fn started(&self) -> DateTime<Utc> {
        self.scene.start
    }
}

/// Runs that a run started, and those that these started. A detached one has no parent: only the output of the step
/// that started it knows it.
async fn started_below(db: &mut PgConnection, run: RunId) -> Result<BTreeSet<RunId>, DemoError> {
    let (mut found, mut to_look_at) = (BTreeSet::new(), vec![run]);
    while let Some(run) = to_look_at.pop() {
        let records = journal::load(db, run).await?;
        let detached = records.iter().filter_map(|record| match &record.change {
            Change::Done { output } => output["run"].as_str()?.parse::<RunId>().ok(),
            _ => None,
        });
        let waited_for = summaries::children(db, run).await?.into_iter().map(|child| RunId(child.id));
        to_look_at.extend(detached.chain(waited_for).filter(|id| found.insert(*id)));
    }
    Ok(found)
}
