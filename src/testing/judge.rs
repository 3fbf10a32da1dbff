//! What a case expects against what happened.

use super::{
    Stage,
    played::{Played, PlayedRun, ids},
    reached,
    world::MadeCall,
};
use crate::{
    expr::{Scope, ValueTemplate},
    run::{Change, StepPath, StepState, is_over, machine::Status},
    workflow::{
        GateStep, Place, StepKind, Workflow,
        cases::{Calls, Escalation, Expectation, Placed, SlaWord, TestCase},
        every_step,
    },
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// An expectation that does not hold.
#[derive(Debug, Clone, Serialize)]
pub struct Mismatch {
    pub place: Place,
    pub what: String,
    pub expected: String,
    pub got: String,
}

pub(super) fn judge(stage: &Stage, workflow: &Workflow, case: &TestCase, played: &Played) -> Vec<Mismatch> {
    let judge = Judge { stage, workflow, played, run: played.runs.first() };
    let mut found = Vec::new();
    for broken in &played.broken {
        found.push(mismatch(case.place, "the test", "everything the run uses has an answer", broken));
    }
    for (place, why) in &played.missed {
        found.push(mismatch(*place, "the timeline", "it happens as written", why));
    }
    for expected in &case.expect {
        found.extend(judge.one(&expected.it, expected.place));
    }
    // Of several places at one line the first is told first.
    found.sort_by_key(|mismatch| mismatch.place);
    found
}

fn mismatch(
    place: Place,
    what: impl Into<String>,
    expected: impl Into<String>,
    got: impl Into<String>,
) -> Mismatch {
    Mismatch { place, what: what.into(), expected: expected.into(), got: got.into() }
}

struct Judge<'j> {
    stage: &'j Stage,
    workflow: &'j Workflow,
    played: &'j Played,
    /// The first run of the case; a case may have none.
    run: Option<&'j PlayedRun>,
}

impl Judge<'_> {
    fn one(&self, expected: &Expectation, place: Place) -> Option<Mismatch> {
        match expected {
            Expectation::Runs(runs) => {
                let got = self.played.runs.len();
                (got != *runs).then(|| mismatch(place, "runs", runs.to_string(), got.to_string()))
            }
            Expectation::Calls { tool, wanted } => {
                let made: Vec<&MadeCall> =
                    self.played.calls.iter().filter(|call| call.tool == *tool).collect();
                let effects = self.played.world.effects(tool);
                self.calls(place, &format!("calls.{tool}"), wanted, &made, effects)
            }
            Expectation::Children { workflow, wanted } => self.children(place, workflow, wanted),
            Expectation::Told { role, says } => self.told(place, role, says.as_deref()),
            expected => match self.run {
                Some(run) => self.of_run(run, expected, place),
                None => Some(mismatch(place, "runs", "a run", "no run began")),
            },
        }
    }

    fn of_run(&self, run: &PlayedRun, expected: &Expectation, place: Place) -> Option<Mismatch> {
        match expected {
            Expectation::Outcome(outcome) => {
                let got = self.outcome(run);
                (got != *outcome).then(|| mismatch(place, "outcome", outcome, got))
            }
            Expectation::WaitingFor(step) => {
                let ends = format!(".{step}");
                let waits = run.waiting_for.iter().any(|path| path == step || path.ends_with(&ends));
                let got =
                    if run.waiting_for.is_empty() { self.outcome(run) } else { run.waiting_for.join(", ") };
                (!waits).then(|| mismatch(place, "waiting_for", step, got))
            }
            Expectation::Step { step, output } => self.step(run, place, step, output),
            Expectation::Reached(step) => {
                let reached = reached::paths(self.workflow, run);
                (!is_reached(&reached, step)).then(|| mismatch(place, "reached", step, list(&reached)))
            }
            Expectation::NotReached(step) => {
                let reached = reached::paths(self.workflow, run);
                is_reached(&reached, step)
                    .then(|| mismatch(place, "not_reached", format!("not {step}"), step))
            }
            Expectation::Sla { step, is } => {
                let got = self.sla(run, step);
                (got != *is).then(|| mismatch(place, format!("sla.{step}"), is.word(), got.word()))
            }
            Expectation::Escalations(wanted) => self.escalations(run, place, wanted),
            Expectation::Minutes { step, minutes } => self.minutes(run, place, step, *minutes),
            Expectation::Failure { step, class, message } => {
                self.failure(run, place, step.as_deref(), class.as_deref(), message.as_deref())
            }
            Expectation::Holds(expr) => match expr.test(&self.scope(run)) {
                Ok(true) => None,
                Ok(false) => Some(mismatch(place, "check", expr.source(), "false")),
                Err(error) => Some(mismatch(place, "check", expr.source(), error.message)),
            },
            Expectation::Runs(_)
            | Expectation::Calls { .. }
            | Expectation::Children { .. }
            | Expectation::Told { .. } => None,
        }
    }

    fn outcome(&self, run: &PlayedRun) -> String {
        let ended = run.records.iter().rev().find_map(|record| match &record.change {
            Change::RunEnded { outcome } => Some(outcome.clone()),
            _ => None,
        });
        ended.unwrap_or_else(|| match run.waiting_for.as_slice() {
            [] => "the run goes on".to_owned(),
            waiting => format!("the run waits for {}", waiting.join(", ")),
        })
    }

    fn step(&self, run: &PlayedRun, place: Place, step: &str, output: &ValueTemplate) -> Option<Mismatch> {
        let what = format!("step.{step}");
        let wanted = match output.eval(&self.scope(run)) {
            Ok(wanted) => wanted,
            Err(error) => return Some(mismatch(place, what, "a value", error.to_string())),
        };
        let known = known(run, step);
        let at_once = at_once(run, step);
        let got = match known {
            Some(known) if known.status == Status::Done => &known.output,
            None if at_once.is_some() => at_once.as_ref().unwrap_or(&Value::Null),
            Some(known) => {
                let failure = known.failure.as_ref().map_or(String::new(), |failure| format!(": {failure}"));
                return Some(mismatch(place, what, pretty(&wanted), format!("{:?}{failure}", known.status)));
            }
            None => return Some(mismatch(place, what, pretty(&wanted), "the run did not come to this step")),
        };
        (!fits(&wanted, got)).then(|| mismatch(place, what, pretty(&wanted), pretty(&alike(&wanted, got))))
    }

    fn calls(
        &self,
        place: Place,
        what: &str,
        wanted: &Calls,
        made: &[&MadeCall],
        effects: usize,
    ) -> Option<Mismatch> {
        let with = match self.with(wanted) {
            Ok(with) => with,
            Err(error) => return Some(mismatch(place, what, "arguments", error)),
        };
        let args: Vec<&Value> = made.iter().map(|call| &call.args).collect();
        if let Some(mismatch) = self.times(place, what, wanted, with.as_ref(), &args) {
            return Some(mismatch);
        }
        if let Some(expected) = wanted.effects
            && expected != effects
        {
            let got = format!("{effects} effects of {} calls", made.len());
            return Some(mismatch(place, format!("{what}.effects"), expected.to_string(), got));
        }
        let mut keys: Vec<&str> = made.iter().map(|call| call.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        match wanted.same_idempotency_key {
            Some(same) if same != (keys.len() <= 1) => {
                let got = format!("{} keys in {} calls", keys.len(), made.len());
                Some(mismatch(place, format!("{what}.same_idempotency_key"), same.to_string(), got))
            }
            _ => None,
        }
    }

    fn with(&self, wanted: &Calls) -> Result<Option<Value>, String> {
        let scope = self.run.map(|run| self.scope(run)).unwrap_or_default();
        wanted.with.as_ref().map(|with| with.eval(&scope)).transpose().map_err(|error| error.to_string())
    }

    fn times(
        &self,
        place: Place,
        what: &str,
        wanted: &Calls,
        with: Option<&Value>,
        made: &[&Value],
    ) -> Option<Mismatch> {
        let fitting = made.iter().filter(|args| with.is_none_or(|with| fits(with, args))).count();
        let is_right = match wanted.times {
            Some(times) => fitting == times,
            None => with.is_none() || fitting > 0,
        };
        if is_right {
            return None;
        }
        let times = wanted.times.map_or("at least once".to_owned(), times_words);
        let Some(with) = with else {
            return Some(mismatch(place, what, times, times_words(made.len())));
        };
        let expected = format!("{times} with\n{}", pretty(with));
        let near: Vec<String> = made.iter().map(|args| pretty(&alike(with, args))).collect();
        let got = match near.as_slice() {
            [] => "never called".to_owned(),
            near => format!("{}, with\n{}", times_words(near.len()), near.join("\n")),
        };
        Some(mismatch(place, what, expected, got))
    }

    fn children(&self, place: Place, workflow: &str, wanted: &Calls) -> Option<Mismatch> {
        let what = format!("children.{workflow}");
        let with = match self.with(wanted) {
            Ok(with) => with,
            Err(error) => return Some(mismatch(place, what, "inputs", error)),
        };
        let started = self.played.children.iter().filter(|child| child.workflow == workflow);
        let inputs: Vec<&Value> = started.map(|child| &child.inputs).collect();
        self.times(place, &what, wanted, with.as_ref(), &inputs)
    }

    fn told(&self, place: Place, role: &str, says: Option<&str>) -> Option<Mismatch> {
        let is_to = |name: &Option<String>| name.as_deref() == Some(role);
        let said: Vec<String> = self
            .played
            .told
            .iter()
            .filter(|said| is_to(&said.role) || is_to(&said.person))
            .map(|said| format!("{}\n{}", said.title, said.body).trim().to_owned())
            .collect();
        let got = if said.is_empty() { "nothing".to_owned() } else { said.join("\n---\n") };
        match says {
            Some(says) if !said.iter().any(|text| text.contains(says)) => {
                Some(mismatch(place, format!("told.{role}"), format!("…{says}…"), got))
            }
            None if !said.is_empty() => Some(mismatch(place, "not_told", format!("nothing to {role}"), got)),
            _ => None,
        }
    }

    fn sla(&self, run: &PlayedRun, step: &str) -> SlaWord {
        if run.state.breached.contains(step) {
            SlaWord::Breached
        } else if is_over(self.workflow, &run.state, step) {
            SlaWord::Met
        } else {
            SlaWord::Open
        }
    }

    fn escalations(&self, run: &PlayedRun, place: Place, wanted: &[Placed<Escalation>]) -> Option<Mismatch> {
        let got: Vec<Escalation> = run.records.iter().filter_map(|record| self.escalation(record)).collect();
        let is_same = |wanted: &Placed<Escalation>, got: &Escalation| {
            let wanted = &wanted.it;
            wanted.ladder == got.ladder
                && wanted.rung == got.rung
                && (wanted.at.is_none() || wanted.at == got.at)
        };
        let fits =
            wanted.len() == got.len() && wanted.iter().zip(&got).all(|(wanted, got)| is_same(wanted, got));
        let lines = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join("\n") };
        (!fits).then(|| {
            let expected = lines(wanted.iter().map(|escalation| escalation.it.to_string()).collect());
            mismatch(place, "escalations", expected, lines(got.iter().map(ToString::to_string).collect()))
        })
    }

    fn escalation(&self, record: &crate::run::Record) -> Option<Escalation> {
        let at = (record.at - self.played.started).to_std().ok();
        match &record.change {
            Change::SlaBreached { ladder, .. } => Some(Escalation { ladder: ladder.clone(), rung: 1, at }),
            Change::Noted { note } => {
                let rung = note.get("escalated")?["rung"].as_u64()?;
                let id = ids(record.path.as_ref()?).last()?;
                let gate = self.gate(id)?;
                let ladder = gate.escalate.clone().or_else(|| self.stage.ladders.of_role(&gate.ask))?;
                Some(Escalation { ladder, rung: usize::try_from(rung).ok()?, at })
            }
            _ => None,
        }
    }

    fn gate(&self, id: &str) -> Option<GateStep> {
        let mut found = None;
        every_step(self.workflow, &mut |step| {
            if let (true, StepKind::Gate(gate)) = (step.id == id, &step.kind) {
                found = Some(gate.clone());
            }
        });
        found
    }

    fn minutes(&self, run: &PlayedRun, place: Place, step: &str, minutes: u64) -> Option<Mismatch> {
        let what = format!("minutes.{step}");
        let done = known(run, step).and_then(|step| step.settled_at);
        let Some(done) = done else {
            return Some(mismatch(place, what, minutes.to_string(), "the step is not over"));
        };
        let got = (done - self.played.started).num_minutes();
        let is_same = u64::try_from(got).is_ok_and(|got| got == minutes);
        (!is_same).then(|| mismatch(place, what, minutes.to_string(), got.to_string()))
    }

    fn failure(
        &self,
        run: &PlayedRun,
        place: Place,
        step: Option<&str>,
        class: Option<&str>,
        message: Option<&str>,
    ) -> Option<Mismatch> {
        let wanted = [("step", step), ("class", class), ("message", message)];
        let wanted = wanted.iter().filter_map(|(name, word)| word.map(|word| format!("{name}: {word}")));
        let wanted: Vec<String> = wanted.collect();
        // A failure that `on_error` caught is one as well.
        let failed: Vec<(String, &crate::run::Failure)> = run
            .records
            .iter()
            .filter_map(|record| match &record.change {
                Change::Failed { failure } => Some((record.path.as_ref()?.to_string(), failure)),
                _ => None,
            })
            .collect();
        let fits = failed.iter().any(|(path, failure)| {
            step.is_none_or(|step| step == path)
                && class.is_none_or(|class| class == failure.class)
                && message.is_none_or(|message| failure.message.contains(message))
        });
        let got = failed.iter().map(|(path, failure)| {
            format!("step: {path}\nclass: {}\nmessage: {}", failure.class, failure.message)
        });
        let got: Vec<String> = got.collect();
        let got = if got.is_empty() { "nothing failed".to_owned() } else { got.join("\n---\n") };
        (!fits).then(|| mismatch(place, "failure", wanted.join("\n"), got))
    }

    /// What expectations see: the run as its own expressions do, and what happened around it.
    fn scope(&self, run: &PlayedRun) -> Scope {
        let steps = run
            .state
            .steps
            .iter()
            .filter(|(path, step)| step.status == Status::Done && !path.as_str().contains(['.', '[']));
        let steps: Map<String, Value> =
            steps.map(|(path, step)| (path.to_string(), step.output.clone())).collect();
        let fixtures = self.played.fixtures.iter().map(|(name, value)| (name.clone(), value.clone()));
        let calls = self.played.calls.iter().map(|call| {
            json!({ "tool": call.tool, "step": call.step, "args": call.args,
                "error": call.error })
        });
        let mut scope = Scope::new();
        scope.insert("trigger".into(), run.state.start.trigger.clone());
        scope.insert("inputs".into(), run.state.start.inputs.clone());
        scope.insert("steps".into(), Value::Object(steps));
        scope.insert("fixtures".into(), Value::Object(fixtures.collect()));
        scope.insert("calls".into(), calls.collect());
        scope.insert("outcome".into(), json!(self.outcome(run)));
        scope.insert("site".into(), self.played.site.clone());
        scope.insert("now".into(), crate::run::scope_time(self.played.ended));
        scope
    }
}

/// A step by its path, or the end of it: ids are unique, so the id alone will do. Of several items it is the first.
fn known<'r>(run: &'r PlayedRun, step: &str) -> Option<&'r StepState> {
    let exact = run.state.step(&StepPath::from(step.to_owned()));
    exact.or_else(|| {
        let ends = format!(".{step}");
        run.state.steps.iter().find(|(path, _)| path.as_str().ends_with(&ends)).map(|(_, known)| known)
    })
}

/// What a `parallel` has put out, which has no record of its own.
fn at_once(run: &PlayedRun, step: &str) -> Option<Value> {
    let prefix = format!("{step}.");
    let inside = run.state.steps.iter().filter_map(|(path, known)| {
        let (_, child) = path
            .as_str()
            .split_once(&prefix)
            .filter(|(before, _)| before.is_empty() || before.ends_with('.'))?;
        (known.status == Status::Done && !child.contains(['.', '[']))
            .then(|| (child.to_owned(), &known.output))
    });
    let inside: Map<String, Value> = inside.map(|(name, output)| (name, output.clone())).collect();
    (!inside.is_empty()).then_some(Value::Object(inside))
}

fn is_reached(reached: &std::collections::BTreeSet<String>, step: &str) -> bool {
    let ends = format!(".{step}");
    reached.iter().any(|path| path == step || path.ends_with(&ends))
}

fn list(reached: &std::collections::BTreeSet<String>) -> String {
    reached.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

fn times_words(times: usize) -> String {
    match times {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        times => format!("{times} times"),
    }
}

/// Objects may hold more than what is wanted; everything else is equal.
fn fits(wanted: &Value, got: &Value) -> bool {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            wanted.iter().all(|(name, wanted)| got.get(name).is_some_and(|got| fits(wanted, got)))
        }
        (Value::Array(wanted), Value::Array(got)) => {
            wanted.len() == got.len() && wanted.iter().zip(got).all(|(wanted, got)| fits(wanted, got))
        }
        (Value::Number(wanted), Value::Number(got)) => wanted.as_f64() == got.as_f64(),
        (wanted, got) => wanted == got,
    }
}

/// The part of what was got that the expectation speaks of.
fn alike(wanted: &Value, got: &Value) -> Value {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => wanted
            .iter()
            .filter_map(|(name, wanted)| Some((name.clone(), alike(wanted, got.get(name)?))))
            .collect::<Map<_, _>>()
            .into(),
        (_, got) => got.clone(),
    }
}

fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => serde_json::to_string_pretty(value).unwrap_or_default(),
    }
}

/// How long after the start of the case.
pub(super) fn offset(played: &Played, at: chrono::DateTime<chrono::Utc>) -> String {
    let seconds = (at - played.started).num_seconds().max(0).unsigned_abs();
    crate::workflow::cases::offset_words(std::time::Duration::from_secs(seconds))
}
