//! T021: what is written down and never used: inputs, outputs of steps, loop variables; and an outcome that
//! differs from another by a slip of the hand.

use super::{Checker, arguments::key_place};
use crate::{
    tool::Effect,
    workflow::{EachStep, Flow, Place, Step, StepKind, Trigger, flow::Gather, source::Node, suggest, walk},
};
use std::collections::BTreeMap;

/// Paths that something reads.
#[derive(Default)]
struct Reads(Vec<Vec<String>>);

impl Reads {
    /// Whether this is read, or something that holds it.
    fn has(&self, wanted: &[&str]) -> bool {
        self.0
            .iter()
            .any(|path| path.is_empty() || path.iter().zip(wanted).all(|(read, wanted)| read == wanted))
    }

    /// What is read directly below these names.
    fn below<'r>(&'r self, names: &'r [&'r str]) -> impl Iterator<Item = &'r str> {
        self.0.iter().filter_map(move |path| {
            let is_below = path.len() > names.len() && path.iter().zip(names).all(|(a, b)| a == b);
            path.get(names.len()).filter(|_| is_below).map(String::as_str)
        })
    }
}

impl<'c> Checker<'c> {
    pub(super) fn unused(&mut self) {
        let definition = self.definition;
        let workflow = &definition.workflow;
        let reads = self.reads();
        for name in workflow.inputs.keys() {
            if reads.has(&["inputs", name]) {
                continue;
            }
            let place = key_place(definition.document().root.get("inputs"), name).unwrap_or_default();
            let near = suggest::closest(name, reads.below(&["inputs"])).map(str::to_owned);
            self.warn("T021", place, format!("nothing uses the input `{name}`"), did_you_mean(near));
        }
        let mut steps = Vec::new();
        walk::every_step(workflow, &mut |step| steps.push(step));
        let promised: Vec<&str> = workflow.sla.iter().map(|promise| promise.step.as_str()).collect();
        for step in &steps {
            self.unused_output(step, &reads, &promised);
            if let StepKind::Each(each) = &step.kind {
                self.unused_variable(step, each);
            }
        }
        self.outcomes(&steps);
    }

    fn reads(&self) -> Reads {
        let definition = self.definition;
        let workflow = &definition.workflow;
        let mut found = Vec::new();
        let mut visit = |expr: &crate::expr::Expr| found.extend(expr.paths());
        walk::expressions(&workflow.steps, &mut visit);
        walk::expressions(&workflow.on_failure, &mut visit);
        if let Trigger::Events(trigger) = &workflow.trigger {
            trigger.condition.iter().chain(&trigger.key).for_each(&mut visit);
        }
        let Flow { concurrency, throttle, rate, gather, priority, fair } = &workflow.flow;
        let keys = [
            concurrency.as_ref().and_then(|concurrency| concurrency.key.as_ref()),
            throttle.as_ref().and_then(|pace| pace.key.as_ref()),
            rate.as_ref().and_then(|pace| pace.key.as_ref()),
            gather.as_ref().and_then(Gather::key),
            priority.as_ref(),
            fair.as_ref(),
        ];
        keys.into_iter().flatten().for_each(&mut visit);
        for rule in definition.rules.values() {
            visit(&rule.check);
            let values = rule.reads.iter().map(|(_, _, with)| with).chain([&rule.because]);
            values
                .for_each(|value| value.expressions().into_iter().for_each(|embedded| visit(embedded.expr)));
        }
        walk::every_step(workflow, &mut |step| {
            for path in walk::templates(step) {
                found.extend(definition.template_names(&path));
            }
        });
        Reads(found)
    }

    fn unused_output(&mut self, step: &Step, reads: &Reads, promised: &[&str]) {
        if let StepKind::Parallel(children) = &step.kind {
            let node = self.definition.node_of(step.place).and_then(|node| node.get("parallel"));
            for child in children.iter().filter(|child| !reads.has(&["steps", &step.id, &child.id])) {
                let below = ["steps", step.id.as_str()];
                let near = suggest::closest(&child.id, reads.below(&below));
                let near = near.filter(|_| child.id.len() > 2).map(str::to_owned);
                let place = key_place(node, &child.id).unwrap_or(child.place);
                let message = format!("nothing uses the output of `{}` in `{}`", child.id, step.id);
                self.warn("T021", place, message, did_you_mean(near));
            }
        }
        if reads.has(&["steps", &step.id]) {
            return;
        }
        let names = || reads.below(&["steps"]).chain(promised.iter().copied());
        let strangers = names().filter(|name| !self.ids.contains(name));
        // Of two letters every other two are a slip away.
        let near = suggest::closest(&step.id, strangers).filter(|_| step.id.len() > 2).map(str::to_owned);
        let only_reads = match &step.kind {
            StepKind::Call(call) => {
                let spec = self.registry.spec(&call.tool);
                spec.is_some_and(|spec| spec.effect != Effect::Write) && step.place != Place::default()
            }
            StepKind::Agent(_) => true,
            _ => false,
        };
        // A child is told of above, by its name.
        let node = self.definition.node_of(step.place);
        let Some(id) = node.and_then(|node: &Node| node.get("id")).filter(|_| only_reads || near.is_some())
        else {
            return;
        };
        let message = match only_reads {
            true => format!("nothing uses what `{}` puts out", step.id),
            false => {
                format!("nothing refers to `{}`, and something refers to a step that is not there", step.id)
            }
        };
        self.warn("T021", id.place, message, did_you_mean(near));
    }

    fn unused_variable(&mut self, step: &Step, each: &EachStep) {
        let definition = self.definition;
        let mut found = Vec::new();
        walk::expressions(&each.steps, &mut |expr| found.extend(expr.paths()));
        let mut every = Vec::new();
        each.steps.iter().for_each(|step| every.extend(walk::templates(step)));
        every.iter().for_each(|path| found.extend(definition.template_names(path)));
        let reads = Reads(found);
        if reads.has(&[&each.item]) {
            return;
        }
        let Some(node) = definition.node_of(step.place).and_then(|node| node.get("as")) else { return };
        let near = suggest::closest(&each.item, reads.below(&[])).map(str::to_owned);
        self.warn(
            "T021",
            node.place,
            format!("nothing uses the loop variable `{}`", each.item),
            did_you_mean(near),
        );
    }

    /// Outcomes are free words, so a slip of the hand makes a new one.
    fn outcomes(&mut self, steps: &[&'c Step]) {
        let mut places: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        for step in steps {
            let StepKind::End(outcome) = &step.kind else { continue };
            let node = self.definition.node_of(step.place).and_then(|node| node.get("end"));
            places.entry(outcome).or_default().push(node.map_or(step.place, |node| node.place));
        }
        let rare: Vec<(&str, Place)> = places
            .iter()
            .filter_map(|(name, at)| Some((*name, *at.first()?)).filter(|_| at.len() == 1))
            .collect();
        for (name, place) in rare {
            // `late_1` and `late_2` are two words, not one and its slip.
            let is_counted = |other: &str| without_digits(other).eq(without_digits(name));
            let others = places.keys().copied().filter(|other| *other != name && !is_counted(other));
            let Some(near) = suggest::closest(name, others).map(str::to_owned) else { continue };
            let message = format!("the outcome `{name}` differs from `{near}` by a slip of the hand");
            self.warn("T021", place, message, did_you_mean(Some(near)));
        }
    }
}

fn without_digits(word: &str) -> impl Iterator<Item = u8> {
    word.bytes().filter(|byte| !byte.is_ascii_digit())
}

fn did_you_mean(near: Option<String>) -> String {
    // Which of the two is the slip is not known here; where the name is read, the finding offers the change.
    near.map_or_else(
        || "use it, or remove it".to_owned(),
        |near| format!("elsewhere it is `{near}`: write it the same way"),
    )
}
