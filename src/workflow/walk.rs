//! Visiting every step of a workflow, the nested ones included, and what the steps hold.

use super::{OnError, Step, StepKind, WaitFor, Workflow, decode::messages_in};
use crate::expr::Expr;

/// Parents before children, in the order they are written; `on_failure` last.
pub fn every_step<'w>(workflow: &'w Workflow, visit: &mut dyn FnMut(&'w Step)) {
    for step in workflow.steps.iter().chain(&workflow.on_failure) {
        step_and_inside(step, visit);
    }
}

pub(super) fn step_and_inside<'w>(step: &'w Step, visit: &mut dyn FnMut(&'w Step)) {
    visit(step);
    for list in inner_lists(step) {
        list.iter().for_each(|inner| step_and_inside(inner, visit));
    }
}

/// The lists of steps that a step holds.
pub(super) fn inner_lists(step: &Step) -> Vec<&[Step]> {
    let mut lists: Vec<&[Step]> = match &step.kind {
        StepKind::Parallel(children) => vec![children],
        StepKind::Each(each) => vec![&each.steps],
        StepKind::Choose(branches) => branches.iter().map(|branch| branch.steps.as_slice()).collect(),
        StepKind::Wait(wait) => vec![&wait.on_timeout],
        StepKind::Call(_) | StepKind::Agent(_) | StepKind::Gate(_) | StepKind::Run(_) | StepKind::End(_) => {
            Vec::new()
        }
    };
    if let OnError::Steps(steps) = &step.on_error {
        lists.push(steps);
    }
    lists
}

/// Every expression that these steps hold, the nested ones included.
pub(super) fn expressions<'w>(steps: &'w [Step], visit: &mut dyn FnMut(&'w Expr)) {
    for step in steps {
        step_and_inside(step, &mut |step| {
            step.condition.iter().for_each(&mut *visit);
            let mut values = Vec::new();
            match &step.kind {
                StepKind::Call(call) => {
                    values.push(&call.with);
                    values.extend(call.undo.as_ref().map(|undo| &undo.with));
                }
                StepKind::Agent(agent) => {
                    values.extend([&agent.with, &agent.fallback]);
                    agent.check.iter().for_each(&mut *visit);
                }
                StepKind::Gate(gate) => {
                    values.extend([&gate.options, &gate.items, &gate.draft].into_iter().flatten());
                    let second = gate.second.as_ref().and_then(|second| second.condition.as_ref());
                    second.into_iter().chain(&gate.requested_by).chain(&gate.auto_if).for_each(&mut *visit);
                }
                StepKind::Wait(wait) => match &wait.until {
                    WaitFor::Event(event) => {
                        event.subject.iter().chain(&event.condition).for_each(&mut *visit);
                    }
                    WaitFor::Until(expr) => visit(expr),
                    WaitFor::Duration(_) => {}
                },
                StepKind::Each(each) => values.push(&each.list),
                StepKind::Choose(branches) => {
                    branches.iter().filter_map(|branch| branch.condition.as_ref()).for_each(&mut *visit);
                }
                StepKind::Run(run) => values.push(&run.with),
                StepKind::Parallel(_) | StepKind::End(_) => {}
            }
            for value in values {
                value.expressions().into_iter().for_each(|embedded| visit(embedded.expr));
            }
        });
    }
}

/// The templates that a step renders.
pub(super) fn templates(step: &Step) -> Vec<String> {
    let mut found = Vec::new();
    match &step.kind {
        StepKind::Call(call) => {
            messages_in(call.with.raw(), &mut found);
            call.undo.iter().for_each(|undo| messages_in(undo.with.raw(), &mut found));
        }
        StepKind::Agent(agent) => found.push(agent.prompt.clone()),
        StepKind::Gate(gate) => found.extend(gate.message.clone()),
        _ => {}
    }
    found
}
