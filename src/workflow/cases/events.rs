//! The events of a test against what the site says of them, and expectations that no run could break.

use super::{Crash, Expectation, Happening, NamedValues, Placed, TestCase, check::Check};
use crate::{
    expr::Types,
    tool::Effect,
    workflow::{StepKind, Trigger, suggest},
};

impl Check<'_> {
    /// What begins the run, and what comes while it is under way.
    pub(super) fn events_of(&mut self, case: &TestCase) {
        if let (Trigger::Events(trigger), Some(data)) = (&self.definition.workflow.trigger, &case.trigger) {
            let own = case.event.as_ref().map(|event| event.it.as_str());
            let first = trigger.patterns.first().map(|pattern| pattern.event.as_str());
            if let Some(kind) = own.or(first) {
                self.data_of(kind, data);
            }
        }
        for moment in &case.timeline {
            let Happening::Event { event, data, .. } = &moment.happens else { continue };
            let names: Vec<&str> = self.events.names().collect();
            if names.is_empty() || self.known_event(event, &names) {
                self.data_of(&event.it, data);
            }
        }
    }

    fn known_event(&mut self, event: &Placed<String>, names: &[&str]) -> bool {
        // One whose file has a mistake is there.
        let is_known = names.contains(&event.it.as_str()) || self.events.is_broken(&event.it);
        if !is_known {
            self.unknown("T020", event.place, "event", &event.it, names);
        }
        is_known
    }

    /// Data with expressions in it is known when the case is played.
    fn data_of(&mut self, kind: &str, data: &NamedValues) {
        self.slips(kind, data);
        if !data.it.expressions().is_empty() {
            return;
        }
        for (pointer, misfit) in self.events.misfits_of_part(kind, data.it.raw()) {
            let message = format!("this is no `{kind}` as events/{kind}.json describes it: {misfit}");
            let fix = "write the data as it really comes".to_owned();
            self.error("T020", data.value_at(&pointer), message, fix);
        }
    }

    /// A real event may have fields that nobody described; one that is a described one but for a letter is a slip.
    fn slips(&mut self, kind: &str, data: &NamedValues) {
        let events = self.events;
        let (Some(described), Some(given)) = (events.fields(kind), data.it.raw().as_object()) else { return };
        let missing = || described.keys().map(String::as_str).filter(|name| !given.contains_key(*name));
        for name in given.keys().filter(|name| !described.contains_key(name.as_str())) {
            if let Some(near) = suggest::one_slip(name, missing()) {
                let message = format!("events/{kind}.json describes no `{name}`");
                self.error("T020", data.place_of(name), message, format!("did you mean `{near}`?"));
            }
        }
    }

    /// A case that cannot fail tells nothing.
    pub(super) fn can_fail(&mut self, case: &TestCase) {
        if let Some(Placed { it: Crash::EveryWrite, place }) = &case.crash {
            let tools = self.tools;
            let writes = self.steps.values().any(|step| match &step.kind {
                StepKind::Call(call) => {
                    tools.spec(&call.tool).is_none_or(|spec| spec.effect == Effect::Write)
                }
                _ => false,
            });
            if !writes {
                let fix = "name a call or a step: `after_call: …`, `before_commit: …`".to_owned();
                self.error("T002", *place, "this workflow writes nothing".to_owned(), fix);
            }
        }
        for expected in &case.expect {
            if let Expectation::Holds(expr) = &expected.it
                && let Some(answer) = expr.constant(&Types::new())
            {
                let message = format!("this check is always {answer}");
                let fix = "look at what the run did: `steps.x.y == 'z'`".to_owned();
                self.error("T007", expected.place, message, fix);
            }
        }
    }
}
