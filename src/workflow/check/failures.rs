//! T014: a write that is not looked at again, or stays when the run fails. T022: every failing path reaches
//! a person, without leaning on the system that failed.

use super::{Checker, times::is_notification};
use crate::{
    tool::{Effect, ToolName},
    workflow::{CallStep, GateForm, OnError, OnExpire, Place, Step, StepKind, source::Node, walk},
};
use std::collections::BTreeSet;

impl<'c> Checker<'c> {
    pub(super) fn failures(&mut self) {
        let definition = self.definition;
        let workflow = &definition.workflow;
        let undoing = self.undoing();
        self.lasting_writes(&workflow.steps, false, (&undoing, false));
        self.lasting_writes(&workflow.on_failure, false, (&undoing, true));
        if workflow.on_failure.is_empty() {
            self.nobody_told();
        } else {
            let node = definition.document().root.get("on_failure");
            self.reaches_a_person(&workflow.on_failure, node.map_or(Place::default(), |node| node.place));
        }
        let mut handlers = Vec::new();
        walk::every_step(workflow, &mut |step| {
            if let OnError::Steps(steps) = &step.on_error {
                handlers.push((step, steps));
            }
        });
        for (step, steps) in handlers {
            self.ends_silently(step, steps);
        }
    }

    fn is_gated_write(&self, tool: &ToolName) -> bool {
        self.registry.spec(tool).is_some_and(|spec| spec.effect == Effect::Write && spec.ungated.is_none())
    }

    /// `fails_later` is whether the run can still fail once these steps are done. Where something has `failed`, the tools that
    /// `undo` names take a write back.
    fn lasting_writes(
        &mut self,
        steps: &'c [Step],
        mut fails_later: bool,
        (undoing, failed): (&BTreeSet<&'c ToolName>, bool),
    ) {
        for step in steps.iter().rev() {
            // What fails inside fails the run only where the step itself does.
            let stays = matches!(step.on_error, OnError::Fail);
            match &step.kind {
                StepKind::Call(call) if failed && self.may_undo(undoing, &call.tool) => {}
                StepKind::Call(call) if self.is_gated_write(&call.tool) => {
                    self.lasting_write(step, call, fails_later)
                }
                StepKind::Choose(branches) => {
                    branches.iter().for_each(|branch| {
                        self.lasting_writes(&branch.steps, fails_later, (undoing, failed))
                    });
                }
                StepKind::Each(each) => {
                    // The next item may fail after this one was written.
                    let again = fails_later || stays && each.steps.iter().any(can_fail_after);
                    self.lasting_writes(&each.steps, again, (undoing, failed));
                }
                StepKind::Parallel(children) => {
                    for (index, child) in children.iter().enumerate() {
                        let mut beside = children.iter().enumerate().filter(|(other, _)| *other != index);
                        let fails = fails_later || stays && beside.any(|(_, child)| can_fail_after(child));
                        self.lasting_writes(std::slice::from_ref(child), fails, (undoing, failed));
                    }
                }
                StepKind::Wait(wait) => self.lasting_writes(&wait.on_timeout, fails_later, (undoing, failed)),
                _ => {}
            }
            if let OnError::Steps(handler) = &step.on_error {
                self.lasting_writes(handler, fails_later, (undoing, true));
            }
            fails_later |= can_fail_after(step);
        }
    }

    /// The tools that `undo` names.
    fn undoing(&self) -> BTreeSet<&'c ToolName> {
        let mut tools = BTreeSet::new();
        walk::every_step(&self.definition.workflow, &mut |step| {
            if let StepKind::Call(CallStep { undo: Some(undo), .. }) = &step.kind {
                tools.insert(&undo.tool);
            }
        });
        tools
    }

    /// Whether a tool takes a write back where something has failed. One that `undo` names and does not write has a finding
    /// of its own: which was meant is not known.
    fn may_undo(&self, undoing: &BTreeSet<&ToolName>, tool: &ToolName) -> bool {
        let writes =
            |tool: &ToolName| self.registry.spec(tool).is_some_and(|spec| spec.effect == Effect::Write);
        undoing.contains(tool) || undoing.iter().copied().any(|other| !writes(other))
    }

    /// What `undo` calls writes: a tool that only looks takes nothing back.
    pub(super) fn takes_back(&mut self, tool: &ToolName, node: Option<&Node>) {
        let does = match self.registry.spec(tool).map(|spec| spec.effect) {
            Some(Effect::Read) => "reads",
            Some(Effect::Propose) => "proposes",
            Some(Effect::Write) | None => return,
        };
        let place = node.map_or(Place::default(), |node| node.place);
        let message = format!("`{tool}` only {does}: it takes nothing back");
        self.error("T014", place, message, "call the tool that takes the write back, or remove `undo`");
    }

    fn lasting_write(&mut self, step: &Step, call: &CallStep, fails_later: bool) {
        let node = self.definition.node_of(step.place).and_then(|node| node.get("call"));
        let place = node.map_or(step.place, |node| node.place);
        if call.rules.is_empty() {
            let message =
                format!("`{}` writes without a rule: nothing looks at live data just before", call.tool);
            self.warn("T014", place, message, "add `rules:` with what must still be true then".to_owned());
        }
        if fails_later && call.undo.is_none() {
            let message = format!("what `{}` wrote stays when a later step fails", call.tool);
            self.warn(
                "T014",
                place,
                message,
                "add `undo: { call, with }`, or `on_error:` to the later steps".to_owned(),
            );
        }
    }

    fn nobody_told(&mut self) {
        let definition = self.definition;
        let workflow = &definition.workflow;
        let mut writes = false;
        let mut fails = false;
        walk::every_step(workflow, &mut |step| {
            writes |= matches!(&step.kind, StepKind::Call(call) if self.is_gated_write(&call.tool));
            fails |= can_fail(step) || matches!(step.kind, StepKind::Gate(_) | StepKind::Agent(_));
        });
        if !fails {
            return;
        }
        let place = definition.document().root.place;
        let message = "nobody is told when a step fails: there is no `on_failure`".to_owned();
        let fix = "add `on_failure:` with a `call: notify.role`".to_owned();
        match writes {
            true => self.error("T022", place, message, fix),
            false => self.warn("T022", place, message, fix),
        }
    }

    fn reaches_a_person(&mut self, steps: &[Step], place: Place) {
        for step in steps {
            match &step.kind {
                _ if step.condition.is_some() => {}
                StepKind::Gate(_) => return,
                StepKind::Call(call) if is_notification(&call.tool) => return,
                StepKind::Call(call) if matches!(step.on_error, OnError::Fail) => {
                    let message = format!(
                        "people are told only when `{}` works, which may be what has failed",
                        call.tool
                    );
                    let fix = "call `notify.role` first, or add `on_error: continue` here";
                    self.warn("T022", self.tool_place(step), message, fix.to_owned());
                    return;
                }
                _ => {}
            }
        }
        let fix = "add `call: notify.role` without an `if`";
        self.error("T022", place, "`on_failure` reaches nobody for certain", fix);
    }

    /// Steps of `on_error` that end the run must have told somebody.
    fn ends_silently(&mut self, step: &Step, steps: &[Step]) {
        let told = |step: &Step| match &step.kind {
            StepKind::Gate(_) => true,
            StepKind::Call(call) => is_notification(&call.tool),
            _ => false,
        };
        let end = steps.iter().position(|inner| matches!(inner.kind, StepKind::End(_)));
        let Some(end) = end.filter(|end| !steps[..*end].iter().any(told)) else { return };
        let node = self.definition.node_of(steps[end].place).and_then(|node: &Node| node.get("end"));
        let place = node.map_or(steps[end].place, |node| node.place);
        let message = format!("the run ends here after `{}` has failed, and nobody is told", step.id);
        self.warn("T022", place, message, "put a `call: notify.role` before it".to_owned());
    }
}

/// Whether a step can fail the run after something was written: silence at a gate can, too.
fn can_fail_after(step: &Step) -> bool {
    let mut fails = can_fail(step);
    if matches!(step.on_error, OnError::Fail) {
        walk::step_and_inside(step, &mut |inner| {
            let StepKind::Gate(gate) = &inner.kind else { return };
            // What is only acknowledged is what was written.
            let decides = gate.form != GateForm::Acknowledge && gate.on_expire != OnExpire::Reject;
            fails |= decides && matches!(inner.on_error, OnError::Fail);
        });
    }
    fails
}

/// Whether a step can fail the run. Agents have their fallback, messages wait until they can be delivered,
/// and a gate that expires has asked people already.
fn can_fail(step: &Step) -> bool {
    match &step.on_error {
        OnError::Continue => return false,
        OnError::Steps(steps) => return steps.iter().any(can_fail),
        OnError::Fail => {}
    }
    match &step.kind {
        StepKind::Call(call) => !is_notification(&call.tool),
        StepKind::Run(run) => !run.detach,
        StepKind::Parallel(children) => children.iter().any(can_fail),
        StepKind::Each(each) => each.steps.iter().any(can_fail),
        StepKind::Choose(branches) => branches.iter().any(|branch| branch.steps.iter().any(can_fail)),
        StepKind::Wait(wait) => wait.on_timeout.iter().any(can_fail),
        StepKind::Agent(_) | StepKind::Gate(_) | StepKind::End(_) => false,
    }
}
