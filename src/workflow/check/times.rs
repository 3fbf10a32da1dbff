//! T015: retries that go too far. T016: waiting for ever, and times that cannot all be kept.

use super::Checker;
use crate::{
    tool::{Idempotency, ToolName},
    workflow::{
        CallStep, GateStep, OnError, Retry, Sla, Step, StepKind, WaitFor, WaitStep, Workflow,
        duration::words, source::Node, walk,
    },
};
use std::time::Duration;

/// Classes after which a write may have taken effect.
const UNKNOWN: [&str; 2] = ["outcome_unknown", "timeout"];

impl<'c> Checker<'c> {
    pub(super) fn times(&mut self) {
        let definition = self.definition;
        let workflow = &definition.workflow;
        let mut steps = Vec::new();
        walk::every_step(workflow, &mut |step| steps.push(step));
        for step in steps {
            let node = definition.node_of(step.place);
            match &step.kind {
                StepKind::Call(call) => self.retried_write(step, call, node),
                StepKind::Wait(wait) => self.endless(step, wait, node),
                StepKind::Gate(gate) => self.gate_times(gate, node),
                _ => {}
            }
            self.pauses(step, node);
        }
        let sla = definition.document().root.get("sla");
        for (index, promise) in workflow.sla.iter().enumerate() {
            let node = sla.and_then(|node| node.at(&format!("/{index}/within")));
            self.promise(workflow, promise, node);
        }
    }

    fn retried_write(&mut self, step: &Step, call: &CallStep, node: Option<&'c Node>) {
        let unsafe_write =
            self.registry.spec(&call.tool).is_some_and(|spec| spec.idempotency == Idempotency::Unsafe);
        let covers = |retry: &Retry| {
            retry.on.is_empty() || retry.on.iter().any(|class| UNKNOWN.contains(&class.as_str()))
        };
        if !unsafe_write || !step.retry.iter().any(covers) {
            return;
        }
        let place = node.and_then(|node| node.get("retry")).map_or(step.place, |node| node.place);
        let message = format!("a repeat of `{}` is a second effect", call.tool);
        let fix = "retry only what has not reached the system: `on: [rate_limited, transient]`".to_owned();
        // Takt looks first whether it took effect, where the connector says how, and else asks a person.
        self.warn("T015", place, message, fix);
    }

    /// Pauses that can never be as they are written.
    fn pauses(&mut self, step: &Step, node: Option<&'c Node>) {
        for (index, retry) in step.retry.iter().enumerate() {
            let written = node.and_then(|node| node.get("retry"));
            let own = written.and_then(|node| node.at(&format!("/{index}"))).or(written);
            let Some((max, own)) = retry.max.zip(own) else { continue };
            if max < retry.wait {
                let place = own.get("max").map_or(own.place, |node| node.place);
                let message = format!(
                    "the longest pause, {}, is shorter than the first, {}",
                    words(max),
                    words(retry.wait)
                );
                self.error("T015", place, message, "make `max` longer than `wait`");
            }
        }
    }

    fn endless(&mut self, step: &Step, wait: &WaitStep, node: Option<&'c Node>) {
        if let (WaitFor::Event(event), None) = (&wait.until, wait.timeout) {
            let place = node.and_then(|node| node.get("wait")).map_or(step.place, |node| node.place);
            let message = format!("the run waits for ever when `{}` does not come", event.event);
            self.error("T016", place, message, "add `timeout:` with a time like 12h, and `on_timeout:`");
        }
        if let (WaitFor::Until(until), Some(place)) =
            (&wait.until, node.and_then(|node| node.get("until")).map(|node| node.place))
            && until.roots().is_empty()
        {
            let message = format!("every run waits until the same moment: `{}`", until.source());
            let fix = "reckon from what the run knows: `timestamp(now) + duration('2h')`";
            self.warn("T016", place, message, fix.to_owned());
        }
    }

    fn gate_times(&mut self, gate: &GateStep, node: Option<&'c Node>) {
        for (name, time) in [("remind", gate.remind), ("recheck", gate.recheck)] {
            let Some(time) = time.filter(|time| *time >= gate.expires) else { continue };
            let Some(place) = node.and_then(|node| node.get(name)).map(|node| node.place) else { continue };
            let message = format!(
                "`{name}` comes after {}, but the gate expires after {}",
                words(time),
                words(gate.expires)
            );
            self.error("T016", place, message, format!("make `{name}` shorter than `expires`"));
        }
        if gate.expires.is_zero() {
            let place = node.and_then(|node| node.get("expires")).map(|node| node.place).unwrap_or_default();
            self.error("T016", place, "nobody has time to answer this gate", "write a time like 30m");
        }
    }

    /// A promise that is broken before its step begins, or that nobody can break.
    fn promise(&mut self, workflow: &Workflow, promise: &Sla, node: Option<&'c Node>) {
        let Some(node) = node else { return };
        let Some((before, step)) = find(&workflow.steps, &promise.step) else {
            if find(&workflow.on_failure, &promise.step).is_some() {
                let message =
                    format!("nobody watches a promise about `{}`, a step of `on_failure`", promise.step);
                let fix =
                    "promise something of the steps before; what `on_failure` tells people comes at once";
                self.error("T016", node.place, message, fix);
            }
            return;
        };
        // A gate is answered sooner or later, and this is what is promised; what takes its own time takes it.
        let own = match &step.kind {
            StepKind::Wait(_) | StepKind::Call(_) => longest(step),
            _ => Duration::ZERO,
        };
        if before < promise.within && before + own > promise.within {
            let message = format!(
                "`{}` itself may take {} with its retries and waits, longer than the {} promised",
                promise.step,
                words(before + own),
                words(promise.within)
            );
            self.error("T016", node.place, message, "shorten them, or promise a longer time");
        }
        if before >= promise.within {
            let message = format!(
                "the steps before `{}` may take {} by their own timeouts, longer than the {} promised",
                promise.step,
                words(before),
                words(promise.within)
            );
            self.error(
                "T016",
                node.place,
                message,
                "shorten their timeouts and retries, or promise a longer time",
            );
        }
        if let StepKind::Gate(gate) = &step.kind
            && before + gate.expires < promise.within
        {
            let message = format!(
                "`{}` has expired after {} at the latest, before the {} promised",
                promise.step,
                words(before + gate.expires),
                words(promise.within)
            );
            self.error("T016", node.place, message, "promise a shorter time than the gate stays open");
        }
    }
}

/// A step wherever it stands, and how long the run may be held up before it comes there.
fn find<'s>(steps: &'s [Step], id: &str) -> Option<(Duration, &'s Step)> {
    let mut before = Duration::ZERO;
    for step in steps {
        if step.id == id {
            return Some((before, step));
        }
        // What is done at once, or for an item, begins with the step that holds it.
        let inside = match &step.kind {
            StepKind::Parallel(children) => {
                children.iter().find_map(|child| find(std::slice::from_ref(child), id))
            }
            StepKind::Each(each) => find(&each.steps, id),
            StepKind::Choose(branches) => branches.iter().find_map(|branch| find(&branch.steps, id)),
            StepKind::Wait(wait) => find(&wait.on_timeout, id)
                .map(|(inside, step)| (wait.timeout.unwrap_or_default() + inside, step)),
            _ => None,
        };
        let failed = || match &step.on_error {
            OnError::Steps(steps) => find(steps, id),
            OnError::Fail | OnError::Continue => None,
        };
        if let Some((inside, found)) = inside.or_else(failed) {
            return Some((before + inside, found));
        }
        before += longest(step);
    }
    None
}

/// How long the run may be held up by a step, as far as the workflow says.
fn longest(step: &Step) -> Duration {
    let sum = |steps: &[Step]| steps.iter().map(longest).sum::<Duration>();
    let most = |times: &mut dyn Iterator<Item = Duration>| times.max().unwrap_or_default();
    let own = match &step.kind {
        StepKind::Call(_) | StepKind::Run(_) => Duration::ZERO,
        StepKind::Agent(agent) => step.timeout.unwrap_or(agent.limits.time).min(agent.limits.time),
        StepKind::Gate(gate) if gate.background => Duration::ZERO,
        StepKind::Gate(gate) => gate.expires,
        StepKind::Wait(wait) => match &wait.until {
            WaitFor::Duration(time) => *time,
            WaitFor::Event(_) | WaitFor::Until(_) => wait.timeout.unwrap_or_default() + sum(&wait.on_timeout),
        },
        StepKind::Parallel(children) => most(&mut children.iter().map(longest)),
        StepKind::Each(each) => sum(&each.steps),
        StepKind::End(_) => Duration::ZERO,
        StepKind::Choose(branches) => most(&mut branches.iter().map(|branch| sum(&branch.steps))),
    };
    let attempts = match (&step.kind, step.timeout) {
        (StepKind::Call(_) | StepKind::Run(_), Some(timeout)) => tries(&step.retry, timeout),
        (StepKind::Call(_) | StepKind::Run(_), None) if !step.retry.is_empty() => {
            tries(&step.retry, Duration::ZERO)
        }
        _ => Duration::ZERO,
    };
    let failed = match &step.on_error {
        OnError::Steps(steps) => sum(steps),
        OnError::Fail | OnError::Continue => Duration::ZERO,
    };
    own + attempts + failed
}

/// Every attempt in full, and the pauses between them.
fn tries(policies: &[Retry], timeout: Duration) -> Duration {
    let Some(policy) = policies.iter().max_by_key(|policy| policy.times) else { return timeout };
    let longest = policy.max.unwrap_or(Duration::from_secs(3600));
    let pause = |attempt: u32| {
        let factor = policy.backoff.max(1.0).powi(i32::try_from(attempt).unwrap_or(i32::MAX));
        let seconds = (policy.wait.as_secs_f64() * factor).min(longest.as_secs_f64());
        Duration::try_from_secs_f64(seconds).unwrap_or(longest)
    };
    let times = policy.times.min(1_000);
    (0..times).map(pause).sum::<Duration>() + timeout * (times + 1)
}

/// Whether a write of this tool is one.
pub(super) fn is_notification(tool: &ToolName) -> bool {
    tool.system() == "notify"
}
