//! Plays one case: the real interpreter, a journal in memory, and a clock that jumps to whatever happens next.
//!
//! Everything that is due at a moment is done before what the timeline says for that moment.

use super::{
    Stage,
    death::{Death, Point},
    intake::{Came, Intake, PlayedPast, Wish},
    journal::TestJournal,
    live::{Heard, Live},
    played::{PlayError, Played, PlayedRun, Said, StartedChild, delta},
    scripts::ScriptedAgents,
    world::World,
};
use crate::{
    engine::{Clock, Driven, Driver, Services},
    expr::Scope,
    run::{Intent, RunId, Signal, SignalKind, State, inputs_from},
    workflow::{
        Definition, Place, Trigger,
        cases::{Happening, Moment, Setting, TestCase, offset_words},
    },
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// Times that the clock may jump: a case that never comes to rest is a defect of the workflow.
const JUMPS_MAX: usize = 10_000;

pub(super) async fn play(
    stage: &Stage,
    definition: &Arc<Definition>,
    case: &TestCase,
    setting: &Setting,
    fixtures: &Arc<BTreeMap<String, Value>>,
    crash: Option<Point>,
) -> Result<Played, PlayError> {
    let mut play = Play::begin(stage, definition, case, setting, fixtures, crash)?;
    for _ in 0..JUMPS_MAX {
        if play.drive_one().await? {
            continue;
        }
        let Some(next) = play.next().filter(|at| play.stop.is_none_or(|stop| *at <= stop)) else {
            if let Some(stop) = play.stop {
                play.clock.set(stop);
            }
            return play.finish();
        };
        play.clock.set(next);
        if !play.do_due()? {
            play.do_moment();
        }
    }
    Err(PlayError::Restless)
}

struct Play<'p> {
    stage: &'p Stage,
    definition: &'p Arc<Definition>,
    case: &'p TestCase,
    setting: &'p Setting,
    fixtures: &'p Arc<BTreeMap<String, Value>>,
    services: Arc<Services>,
    journal: Arc<TestJournal>,
    clock: Arc<Clock>,
    death: Arc<Death>,
    world: Arc<World>,
    past: Arc<PlayedPast>,
    started: DateTime<Utc>,
    stop: Option<DateTime<Utc>>,
    intake: Intake,
    events: usize,
    runs: Vec<Live>,
    timeline: std::iter::Peekable<std::slice::Iter<'p, Moment>>,
    /// Child runs that end later: when, whose, and the news.
    ending: Vec<(DateTime<Utc>, usize, Signal)>,
    children: Vec<StartedChild>,
    told: Vec<Said>,
    beside: Vec<(DateTime<Utc>, String)>,
    missed: Vec<(Place, String)>,
}

impl<'p> Play<'p> {
    fn begin(
        stage: &'p Stage,
        definition: &'p Arc<Definition>,
        case: &'p TestCase,
        setting: &'p Setting,
        fixtures: &'p Arc<BTreeMap<String, Value>>,
        crash: Option<Point>,
    ) -> Result<Self, PlayError> {
        let start =
            setting.start.as_ref().ok_or_else(|| PlayError::Case("the case has no `start`".into()))?;
        let started = start.it.with_timezone(&Utc);
        let clock = Arc::new(Clock::standing(started));
        let death = Arc::new(Death::at(crash));
        let journal = Arc::new(TestJournal::new(death.clone()));
        let world = World::new(
            setting.tools.clone(),
            fixtures.clone(),
            stage.contracts.clone(),
            stage.built_in.clone(),
            stage.site.scope(),
            death.clone(),
        );
        let past = Arc::new(PlayedPast::new(&setting.past));
        let services = services(stage, setting, fixtures, &world, &past, &journal, &clock)?;
        let stop = case.stop_at.map(|stop| started + delta(stop));
        let mut play = Self {
            stage,
            definition,
            case,
            setting,
            fixtures,
            services,
            journal,
            clock,
            death,
            world,
            past,
            started,
            stop,
            intake: Intake::default(),
            events: 0,
            runs: Vec::new(),
            timeline: case.timeline.iter().peekable(),
            ending: Vec::new(),
            children: Vec::new(),
            told: Vec::new(),
            beside: Vec::new(),
            missed: Vec::new(),
        };
        play.first()?;
        Ok(play)
    }

    /// What begins the case: an event, a firing, or a person.
    fn first(&mut self) -> Result<(), PlayError> {
        let given = match &self.case.trigger {
            Some(data) => data.it.eval(&self.scope()).map_err(|error| PlayError::Case(error.to_string()))?,
            None => json!({}),
        };
        let by = self.case.by.as_ref().map(|by| by.it.clone());
        match &self.definition.workflow.trigger {
            Trigger::Events(trigger) => {
                let kind = self.case.event.as_ref().map(|event| event.it.clone());
                let kind = kind.or_else(|| trigger.patterns.first().map(|pattern| pattern.event.clone()));
                let subject = self.case.subject.as_ref().map(|subject| subject.it.as_str());
                self.event(&kind.unwrap_or_default(), subject, &given).map_err(PlayError::Case)
            }
            Trigger::Cron(_) => {
                let time = self.started.to_rfc3339_opts(SecondsFormat::Millis, true);
                let mut trigger = json!({ "id": null, "type": "cron", "subject": null, "time": time,
                    "origin": "clock", "by": null });
                if let (Some(fields), Value::Object(more)) = (trigger.as_object_mut(), given) {
                    fields.extend(more);
                }
                self.start(trigger, None, None)
            }
            Trigger::Manual => {
                let by = by.unwrap_or_else(|| "nobody".into());
                let trigger =
                    json!({ "id": null, "type": "manual", "subject": null, "time": self.started, "by": by });
                self.start(trigger, None, Some(by))
            }
        }
    }

    /// Names that values of the test see.
    fn scope(&self) -> Scope {
        let fixtures = self.fixtures.iter().map(|(name, value)| (name.clone(), value.clone()));
        let mut scope = Scope::new();
        scope.insert("fixtures".into(), Value::Object(fixtures.collect()));
        scope.insert("site".into(), self.services.site.clone());
        scope.insert("now".into(), json!(self.clock.now()));
        scope
    }

    fn event(&mut self, kind: &str, subject: Option<&str>, data: &Value) -> Result<(), String> {
        let event = Came::new(self.events, kind, subject, data, self.clock.now());
        self.events += 1;
        self.past.add(event.clone());
        let mut woken = 0;
        for run in &mut self.runs {
            woken += run.hear_event(&event);
        }
        let Trigger::Events(trigger) = &self.definition.workflow.trigger else {
            return if woken > 0 { Ok(()) } else { Err(format!("nothing waits for {kind}")) };
        };
        let site = self.services.site.clone();
        let offered = self.intake.offer(trigger, event.clone(), &site)?;
        let word = if woken > 0 { "wakes the run".to_owned() } else { offered.word };
        self.beside.push((event.at, format!("{kind} comes: {word}")));
        match offered.wish {
            Some(wish) => self.wish(wish).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// A run begins, unless an open one has the key or there were too many.
    fn wish(&mut self, wish: Wish) -> Result<(), PlayError> {
        let now = self.clock.now();
        let has_key = |run: &Live| wish.key.is_some() && run.key == wish.key && !run.has_ended;
        if self.runs.iter().any(has_key) {
            self.beside.push((now, "it belongs to the open run".into()));
            return Ok(());
        }
        if let Trigger::Events(trigger) = &self.definition.workflow.trigger
            && !self.intake.may_start(trigger, now)
        {
            self.beside.push((now, "more events than `flood` allows".into()));
            return Ok(());
        }
        self.start(wish.event.seen, wish.key, None)
    }

    fn start(&mut self, trigger: Value, key: Option<String>, by: Option<String>) -> Result<(), PlayError> {
        let given = match &self.case.inputs {
            Some(inputs) => {
                inputs.it.eval(&self.scope()).map_err(|error| PlayError::Case(error.to_string()))?
            }
            None => Value::Null,
        };
        let inputs = inputs_from(&self.definition.workflow, &given).map_err(PlayError::Case)?;
        let name = format!("{} {}", self.case.name, self.runs.len());
        let id = RunId(Uuid::new_v5(&Uuid::nil(), name.as_bytes()));
        let now = self.clock.now();
        self.runs.push(Live::begin(id, self.definition, trigger, inputs, key, by, now));
        Ok(())
    }

    /// Drives one run that has something to do; false when none has.
    async fn drive_one(&mut self) -> Result<bool, PlayError> {
        let now = self.clock.now();
        let Some(index) = self.runs.iter().position(|run| run.is_ready(now)) else { return Ok(false) };
        let Some(run) = self.runs.get_mut(index) else { return Ok(false) };
        let state = State::fold(&run.records).map_err(|error| PlayError::Journal(error.to_string()))?;
        let driver = Driver::new(self.services.clone(), self.definition.clone(), run.id, state, 0);
        run.driven();
        let driven = tokio::select! {
            biased;
            () = self.death.comes() => None,
            driven = driver.drive(run.inbox.clone()) => Some(driven),
        };
        for commit in self.journal.take() {
            let Some(run) = self.runs.get_mut(index) else { continue };
            for heard in run.keep(commit) {
                self.hear(index, heard);
            }
        }
        let now = self.clock.now();
        match driven {
            None => {
                self.beside.push((now, "the worker dies, another takes over".into()));
                if let Some(run) = self.runs.get_mut(index) {
                    run.again();
                }
            }
            Some(Driven::Lost(error)) => return Err(PlayError::Lost(error)),
            Some(Driven::Ended { .. } | Driven::Parked) => {}
        }
        Ok(true)
    }

    /// What a commit wants of the world outside its run.
    fn hear(&mut self, index: usize, heard: Heard) {
        match heard.intent {
            Intent::Send(message) if message.kind != crate::run::MessageKind::Decided => {
                let text = |field: &str| message.message[field].as_str().unwrap_or_default().to_owned();
                let (role, person) = (message.role.clone(), message.person.clone());
                self.told.push(Said { role, person, title: text("title"), body: text("body") });
            }
            Intent::StartRun(child) => {
                let path = child.parent.as_ref().map(|parent| parent.path.clone());
                let (workflow, inputs) = (child.workflow.clone(), child.inputs.clone());
                self.children.push(StartedChild { workflow, inputs });
                let Some(path) = path else { return };
                match self.setting.children.get(&child.workflow) {
                    Some(mock) => {
                        let output = mock.it.output.eval(&self.scope()).unwrap_or_else(|error| {
                            self.world.break_with(format!("the output of {}: {error}", child.workflow));
                            Value::Null
                        });
                        let body = json!({ "run": child.id, "outcome": mock.it.outcome, "output": output });
                        let id = Uuid::new_v5(&child.id.0, b"ended");
                        let signal = Signal { id, kind: SignalKind::Child, path: Some(path), body };
                        self.ending.push((heard.at + delta(mock.it.after), index, signal));
                    }
                    None => self.world.break_with(format!(
                        "`{path}` runs {}, whose end is not known here: add it under `children`",
                        child.workflow
                    )),
                }
            }
            _ => {}
        }
    }

    /// The next time at which something happens.
    fn next(&mut self) -> Option<DateTime<Utc>> {
        let wakes = self.runs.iter().filter_map(Live::wakes_at);
        let ends = self.ending.iter().map(|(at, ..)| *at);
        let moment = self.timeline.peek().map(|moment| self.started + delta(moment.after));
        wakes.chain(ends).chain(self.intake.next_hold()).chain(moment).min()
    }

    /// Holds and child runs that are over; false when there were none and no timer is due.
    fn do_due(&mut self) -> Result<bool, PlayError> {
        let now = self.clock.now();
        let mut any = self.runs.iter().any(|run| run.is_ready(now));
        for wish in self.intake.take_due(now) {
            any = true;
            self.beside.push((now, "the hold is over".into()));
            self.wish(wish)?;
        }
        let (due, later) = std::mem::take(&mut self.ending).into_iter().partition(|(at, ..)| *at <= now);
        self.ending = later;
        let due: Vec<(DateTime<Utc>, usize, Signal)> = due;
        for (_, index, signal) in due {
            any = true;
            if let Some(run) = self.runs.get_mut(index) {
                run.inbox.push(signal);
            }
        }
        Ok(any)
    }

    fn do_moment(&mut self) {
        let Some(moment) = self.timeline.next() else { return };
        let now = self.clock.now();
        let result = match &moment.happens {
            Happening::Answer(answer) => {
                let scope = self.scope();
                let said = super::answer::answer(&self.stage.site, &mut self.runs, answer, &scope, now);
                match (said, &answer.refused) {
                    (Ok(line), None) => {
                        self.beside.push((now, line));
                        Ok(())
                    }
                    (Ok(_), Some(_)) => Err(format!("the answer of {} was taken", answer.by.it)),
                    (Err(why), None) => Err(format!("the answer of {} was refused: {why}", answer.by.it)),
                    (Err(why), Some(because)) => {
                        let fits = because.as_ref().is_none_or(|because| why.contains(because.as_str()));
                        let (by, gate) = (&answer.by.it, &answer.gate.it);
                        self.beside.push((now, format!("{by} answers `{gate}`: refused, {why}")));
                        if fits { Ok(()) } else { Err(format!("the answer was refused because {why}")) }
                    }
                }
            }
            Happening::Event { event, subject, data } => match data.it.eval(&self.scope()) {
                Ok(data) => self.event(&event.it, subject.as_deref(), &data),
                Err(error) => Err(error.to_string()),
            },
            Happening::Cancel { by, reason } => {
                let mut any = false;
                for run in self.runs.iter_mut().filter(|run| !run.has_ended) {
                    run.cancel(&by.it, reason);
                    any = true;
                }
                self.beside.push((now, format!("{} cancels", by.it)));
                if any { Ok(()) } else { Err("there is no open run to cancel".to_owned()) }
            }
            Happening::Tools(mocks) => {
                self.world.change(mocks);
                let names: Vec<String> = mocks.keys().map(ToString::to_string).collect();
                self.beside.push((now, format!("from now on other answers: {}", names.join(", "))));
                Ok(())
            }
        };
        if let Err(why) = result {
            self.missed.push((moment.place, format!("at {}: {why}", offset_words(moment.after))));
        }
    }

    fn finish(mut self) -> Result<Played, PlayError> {
        for moment in self.timeline.by_ref() {
            let why = format!("at {}: the case had ended before", offset_words(moment.after));
            self.missed.push((moment.place, why));
        }
        if let Some(point) = self.death.waits() {
            let place = self.case.crash.as_ref().map_or(self.case.place, |crash| crash.place);
            self.missed.push((place, format!("the run never came to `{point}`")));
        }
        let mut runs = Vec::new();
        for run in self.runs {
            let state = State::fold(&run.records).map_err(|error| PlayError::Journal(error.to_string()))?;
            let waiting_for = run.waiting_for();
            runs.push(PlayedRun { records: run.records, state, waiting_for, seconds: run.seconds });
        }
        Ok(Played {
            started: self.started,
            ended: self.clock.now(),
            runs,
            calls: self.world.calls(),
            children: self.children,
            told: self.told,
            beside: self.beside,
            missed: self.missed,
            broken: self.world.broken(),
            world: self.world,
            fixtures: self.fixtures.clone(),
            site: self.services.site.clone(),
        })
    }
}

/// What a worker would have, with this test's tools, agents and events.
fn services(
    stage: &Stage,
    setting: &Setting,
    fixtures: &Arc<BTreeMap<String, Value>>,
    world: &Arc<World>,
    past: &Arc<PlayedPast>,
    journal: &Arc<TestJournal>,
    clock: &Arc<Clock>,
) -> Result<Arc<Services>, PlayError> {
    let tools = world.registry(&stage.tools).map_err(|error| PlayError::Case(error.to_string()))?;
    let mut executors = (stage.executors)(&tools, past.clone());
    let agents = ScriptedAgents {
        scripts: setting.agents.clone(),
        fixtures: fixtures.clone(),
        tools,
        known: stage.known.clone(),
        events: stage.events.clone(),
        world: world.clone(),
        turns: Arc::default(),
    };
    executors.insert("agent", Arc::new(agents));
    Ok(Arc::new(Services {
        journal: journal.clone(),
        clock: clock.clone(),
        lease: Arc::default(),
        executors,
        ladders: stage.ladders.clone(),
        site: stage.site.scope(),
        caps: stage.caps,
        brakes: Arc::default(),
    }))
}
