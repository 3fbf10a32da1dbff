//! A test against its workflow, its tools and its site: everything that a test names must exist.

use super::{
    Child, Crash, Expectation, GivenAnswer, Happening, Mock, Placed, Says, Script, Setting, TestCase,
    TestFile,
};
use crate::{
    site::Site,
    tool::{Registry, ToolName},
    workflow::{
        Allow, Definition, Events, GateStep, Place, Step, StepKind, Trigger, every_step,
        problem::{Problem, Severity},
        suggest,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything in a test that the workflow or the site does not know.
pub fn check_cases(
    file: &TestFile,
    definition: &Definition,
    tools: &Registry,
    site: &Site,
    events: &Events,
) -> Vec<Problem> {
    let problems = found(file, definition, tools, site, events);
    problems.into_iter().map(|(_, problem)| problem).collect()
}

/// As [`check_cases`], of the names that stand in it only.
pub(super) fn check_names(
    file: &TestFile,
    definition: &Definition,
    tools: &Registry,
    site: &Site,
    events: &Events,
) -> Vec<Problem> {
    let problems = found(file, definition, tools, site, events);
    problems.into_iter().filter(|(of, _)| *of == Of::Name).map(|(_, problem)| problem).collect()
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A name that stands there and that nothing has.
    Name,
    Rest,
}

fn found(
    file: &TestFile,
    definition: &Definition,
    tools: &Registry,
    site: &Site,
    events: &Events,
) -> Vec<(Of, Problem)> {
    let (path, steps, problems) = (&file.path, BTreeMap::new(), Vec::new());
    let mut check = Check { path, definition, tools, site, events, steps, problems };
    every_step(&definition.workflow, &mut |step| {
        check.steps.insert(step.id.as_str(), step);
    });
    check.setting(&file.defaults);
    for case in &file.cases {
        check.case(case);
        if file.defaults.start.is_none() && case.setting.start.is_none() {
            let fix = "add `start:` with a time to the case or to `defaults`";
            check.error("T002", case.place, "nobody knows when this case begins".to_owned(), fix.to_owned());
        }
    }
    check.problems.sort_by_key(|(_, problem)| problem.place);
    check.problems
}

pub(super) struct Check<'c> {
    path: &'c str,
    pub(super) definition: &'c Definition,
    pub(super) tools: &'c Registry,
    site: &'c Site,
    pub(super) events: &'c Events,
    pub(super) steps: BTreeMap<&'c str, &'c Step>,
    problems: Vec<(Of, Problem)>,
}

impl<'c> Check<'c> {
    fn setting(&mut self, setting: &Setting) {
        self.mocks(&setting.tools);
        for (id, script) in &setting.agents {
            let agents = self.ids(|kind| matches!(kind, StepKind::Agent(_)));
            if self.known(script.place, "agent step", id, &agents) {
                self.script(id, &script.it);
            }
        }
        for (id, past) in &setting.past {
            let gates = self.ids(|kind| matches!(kind, StepKind::Gate(_)));
            self.known(past.place, "gate", id, &gates);
        }
        for (workflow, child) in &setting.children {
            let children = self.children();
            self.known(child.place, "workflow run here called", workflow, &children);
            let Child { output, .. } = &child.it;
            if !output.raw().is_object() {
                self.error(
                    "T007",
                    child.place,
                    "a child run puts out named values".into(),
                    "write `{}`".into(),
                );
            }
        }
    }

    fn mocks(&mut self, mocks: &BTreeMap<ToolName, Placed<Mock>>) {
        for (tool, mock) in mocks {
            self.tool(tool, mock.place);
        }
    }

    fn tool(&mut self, tool: &ToolName, place: Place) {
        let tools = self.tools;
        if tools.get(tool).is_none() {
            let known: Vec<&str> = tools.specs().map(|spec| spec.name.as_str()).collect();
            self.unknown("T009", place, "tool", tool.as_str(), &known);
        }
    }

    fn script(&mut self, id: &str, script: &Script) {
        let Some(StepKind::Agent(agent)) = self.steps.get(id).map(|step| &step.kind) else { return };
        match script {
            Script::InTurn(scripts) => {
                for script in scripts {
                    self.script(id, &script.it);
                }
            }
            Script::Answer { calls, output } => {
                let offered: Vec<&str> = agent.tools.iter().map(ToolName::as_str).collect();
                for call in calls {
                    let name = call.tool.it.as_str();
                    if !offered.contains(&name) {
                        self.unknown("T009", call.tool.place, "tool of this agent", name, &offered);
                    }
                }
                // An answer with expressions in it is judged when the case is played.
                if !output.it.expressions().is_empty() {
                    return;
                }
                let Some(schema) = self.definition.schemas.get(&agent.output) else { return };
                let Ok(validator) = jsonschema::validator_for(schema) else { return };
                for error in validator.iter_errors(output.it.raw()) {
                    let at = error.instance_path().to_string();
                    let place = output.value_at(&at);
                    let at = if at.is_empty() {
                        String::new()
                    } else {
                        format!("`{}`: ", at.trim_start_matches('/'))
                    };
                    let message = format!("the answer does not fit {}: {at}{error}", agent.output);
                    let fix = "write an answer that fits, or `nonsense: …` for one that must be rejected";
                    self.error("T007", place, message, fix.into());
                }
            }
            Script::Error(_) | Script::Nonsense(_) => {}
        }
    }

    fn case(&mut self, case: &TestCase) {
        self.setting(&case.setting);
        self.beginning(case);
        self.events_of(case);
        self.can_fail(case);
        for moment in &case.timeline {
            match &moment.happens {
                Happening::Answer(answer) => self.answer(answer, moment.place),
                Happening::Cancel { by, .. } => self.person(by),
                Happening::Tools(mocks) => self.mocks(mocks),
                Happening::Event { .. } => {}
            }
            if case.stop_at.is_some_and(|stop| stop < moment.after) {
                let message = "this is after the end of the case".to_owned();
                self.error("T002", moment.place, message, "move it, or `stop_at`".into());
            }
        }
        if let Some(crash) = &case.crash {
            match &crash.it {
                Crash::BeforeCall(tool) | Crash::AfterCall(tool) => self.tool(tool, crash.place),
                Crash::BeforeCommit(step) | Crash::AfterCommit(step) => self.step(step, crash.place),
                Crash::EveryWrite => {}
            }
        }
        for expected in &case.expect {
            self.expectation(&expected.it, expected.place);
        }
    }

    /// What begins a run must be what this workflow listens to.
    fn beginning(&mut self, case: &TestCase) {
        let id = &self.definition.workflow.id;
        match &self.definition.workflow.trigger {
            Trigger::Events(trigger) => {
                let patterns: Vec<&str> =
                    trigger.patterns.iter().map(|pattern| pattern.event.as_str()).collect();
                if let Some(event) = &case.event {
                    self.known(event.place, "event that starts this workflow called", &event.it, &patterns);
                } else if patterns.len() > 1 && case.trigger.is_some() {
                    let fix = format!("add `event:`, one of {}", patterns.join(", "));
                    self.error("T020", case.place, format!("`{id}` is started by several events"), fix);
                }
                if case.trigger.is_none() {
                    let fix = "add `trigger:` with the data of the event";
                    self.error("T020", case.place, format!("`{id}` is started by an event"), fix.into());
                }
                if let Some(inputs) = &case.inputs {
                    let fix = "an event gives no inputs: their defaults hold; remove `inputs`";
                    self.error("T020", inputs.place, format!("`{id}` is started by an event"), fix.into());
                }
            }
            Trigger::Cron(_) => {}
            Trigger::Manual => {
                if let Some(trigger) = &case.trigger {
                    let fix = "give it `inputs:` and `by:`";
                    self.error("T020", trigger.place, format!("`{id}` is started by hand"), fix.into());
                }
            }
        }
        let inputs: Vec<&str> = self.definition.workflow.inputs.keys().map(String::as_str).collect();
        if let Some(given) = &case.inputs
            && let Some(fields) = given.it.raw().as_object()
        {
            for name in fields.keys() {
                self.known(given.place_of(name), "input", name, &inputs);
            }
        }
        if let Some(by) = &case.by {
            self.person(by);
        }
    }

    fn answer(&mut self, answer: &GivenAnswer, place: Place) {
        self.person(&answer.by);
        let (path, is_second) = match answer.gate.it.strip_suffix(".second") {
            Some(path) => (path, true),
            None => (answer.gate.it.as_str(), false),
        };
        let gates = self.ids(|kind| matches!(kind, StepKind::Gate(_)));
        let id = leaf(path);
        let Some(StepKind::Gate(gate)) = self.steps.get(id).map(|step| &step.kind) else {
            self.unknown("T006", answer.gate.place, "gate", path, &gates);
            return;
        };
        let gate: &GateStep = gate;
        if is_second && gate.second.is_none() {
            let message = format!("`{path}` asks no second person");
            self.error("T006", answer.gate.place, message, format!("answer `{path}`"));
            return;
        }
        let word = match answer.says {
            Says::Choose(_) if is_second => {
                let fix = "the second person confirms what the first one chose: leave `choose` out";
                self.error("T002", place, "a second answer chooses nothing".into(), fix.into());
                return;
            }
            Says::Choose(_) => Allow::Choose,
            Says::Edit(_) => Allow::Edit,
            Says::Reject => Allow::Reject,
            Says::Yes => return,
        };
        let is_offered = gate.allow.contains(&word) || is_second && word == Allow::Reject;
        if !is_offered && answer.refused.is_none() {
            let words: Vec<&str> = gate.allow.iter().map(|allow| allow.word()).collect();
            let message = format!("`{path}` cannot be answered with {}", word.word());
            self.error("T007", place, message, format!("it offers {}", words.join(", ")));
        }
    }

    fn expectation(&mut self, expectation: &Expectation, place: Place) {
        match expectation {
            Expectation::Outcome(outcome) => {
                let mut known: BTreeSet<&str> = ["done", "failed", "cancelled"].into();
                for step in self.steps.values() {
                    if let StepKind::End(word) = &step.kind {
                        known.insert(word);
                    }
                }
                let known: Vec<&str> = known.into_iter().collect();
                self.known(place, "outcome", outcome, &known);
            }
            Expectation::WaitingFor(step) => {
                self.step(step.strip_suffix(".second").unwrap_or(step), place);
            }
            Expectation::Step { step, .. }
            | Expectation::Reached(step)
            | Expectation::NotReached(step)
            | Expectation::Minutes { step, .. } => self.step(step, place),
            Expectation::Failure { step: Some(step), .. } => self.step(step, place),
            Expectation::Calls { tool, .. } => self.tool(tool, place),
            Expectation::Children { workflow, .. } => {
                let children = self.children();
                self.known(place, "workflow run here called", workflow, &children);
            }
            Expectation::Sla { step, .. } => {
                let promised: Vec<&str> =
                    self.definition.workflow.sla.iter().map(|sla| sla.step.as_str()).collect();
                self.known(place, "step with an `sla` called", step, &promised);
            }
            Expectation::Escalations(escalations) => {
                for escalation in escalations {
                    let ladders: Vec<&str> = self.site.ladders.keys().map(String::as_str).collect();
                    let (name, rung) = (&escalation.it.ladder, escalation.it.rung);
                    if !self.known(escalation.place, "ladder", name, &ladders) {
                        continue;
                    }
                    let rungs = self.site.ladders.get(name).map_or(0, |ladder| ladder.rungs.len());
                    if rung == 0 || rung > rungs {
                        let message = format!("`{name}` has no rung {rung}");
                        self.error("T012", escalation.place, message, format!("it has 1 to {rungs}"));
                    }
                }
            }
            Expectation::Told { role, .. } => {
                let roles: Vec<&str> = self.site.roles.keys().map(String::as_str).collect();
                let people: Vec<&str> = self.site.people.iter().map(|person| person.id.as_str()).collect();
                self.known(place, "role", role, &[roles, people].concat());
            }
            Expectation::Runs(_) | Expectation::Failure { step: None, .. } | Expectation::Holds(_) => {}
        }
    }

    /// The last part of a path is the id of a step, or a word that the language puts there.
    fn step(&mut self, path: &str, place: Place) {
        let word = ["undo", "run"].contains(&leaf(path)) && path.contains(['.', '[']);
        let ids: Vec<&str> = self.steps.keys().copied().collect();
        if !word {
            self.known(place, "step", leaf(path), &ids);
        }
    }

    fn person(&mut self, person: &Placed<String>) {
        let people: Vec<&str> = self.site.people.iter().map(|person| person.id.as_str()).collect();
        self.known(person.place, "person", &person.it, &people);
    }

    fn ids(&self, is_wanted: impl Fn(&StepKind) -> bool) -> Vec<&'c str> {
        self.steps.iter().filter(|(_, step)| is_wanted(&step.kind)).map(|(id, _)| *id).collect()
    }

    fn children(&self) -> Vec<&'c str> {
        let run = |step: &&'c Step| match &step.kind {
            StepKind::Run(run) => Some(run.workflow.as_str()),
            _ => None,
        };
        self.steps.values().filter_map(run).collect()
    }

    fn known(&mut self, place: Place, what: &str, name: &str, known: &[&str]) -> bool {
        let is_known = known.contains(&name);
        if !is_known {
            self.unknown("T006", place, what, name, known);
        }
        is_known
    }

    pub(super) fn unknown(
        &mut self,
        code: &'static str,
        place: Place,
        what: &str,
        name: &str,
        known: &[&str],
    ) {
        let fix = match suggest::closest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "there is none".to_owned(),
            None if known.len() > 12 => "see `takt schema` for what there is".to_owned(),
            None => format!("there is {}", known.join(", ")),
        };
        self.report(Of::Name, code, place, format!("there is no {what} `{name}`"), fix);
    }

    pub(super) fn error(&mut self, code: &'static str, place: Place, message: String, fix: String) {
        self.report(Of::Rest, code, place, message, fix);
    }

    fn report(&mut self, of: Of, code: &'static str, place: Place, message: String, fix: String) {
        let (severity, path, fix) = (Severity::Error, self.path.to_owned(), Some(fix));
        self.problems.push((of, Problem { code, severity, path, place, message, fix }));
    }
}

/// The id of a step without its parents and its item: `orders` of `context.orders`.
pub(in crate::workflow) fn leaf(path: &str) -> &str {
    let last = path.rsplit('.').next().unwrap_or(path);
    last.split('[').next().unwrap_or(last)
}
