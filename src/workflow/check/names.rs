//! T006–T008: walks the steps in order and checks every expression against what is visible there.

use super::{
    Checker,
    outputs::{gate_output, item_of},
    scope::{Names, event_type, input_type},
};
use crate::{
    expr::{Type, Types},
    workflow::{
        AgentStep, Branch, CallStep, EachStep, GateStep, OnError, Step, StepKind, Trigger, WaitFor, WaitStep,
        source::Node, walk,
    },
};

impl<'c> Checker<'c> {
    pub(super) fn names(&mut self) {
        let definition = self.definition;
        let workflow = &definition.workflow;
        let mut ids = Vec::new();
        walk::every_step(workflow, &mut |step| ids.push(step.id.as_str()));
        self.ids.extend(ids);
        self.trigger();
        self.inputs();
        let mut names = Names::new(workflow, &self.site_type);
        self.steps(&workflow.steps, None, &mut names);
        let mut after = names.with("failure", failure_type());
        self.steps(&workflow.on_failure, None, &mut after);
        let sla = definition.document().root.get("sla");
        for (index, promise) in workflow.sla.iter().enumerate() {
            let node = sla.and_then(|node| node.at(&format!("/{index}/step")));
            if let (Some(node), false) = (node, self.ids.contains(promise.step.as_str())) {
                let fix = "name a step of this workflow";
                self.error("T006", node.place, format!("there is no step `{}`", promise.step), fix);
            }
        }
    }

    fn trigger(&mut self) {
        let definition = self.definition;
        let node = definition.document().root.get("trigger");
        let trigger = match &definition.workflow.trigger {
            Trigger::Events(trigger) => trigger,
            Trigger::Cron(trigger) => return self.calendar(trigger, node),
            Trigger::Manual => return,
        };
        let types = Types::from([
            ("event".to_owned(), event_type()),
            ("site".to_owned(), self.site_type.clone()),
            ("now".to_owned(), Type::String),
        ]);
        let at = |path: &str| node.and_then(|node| node.at(path));
        if let Some(condition) = &trigger.condition {
            self.condition(condition, at("/where"), &types);
        }
        if let Some(key) = &trigger.key {
            self.expr(key, at("/key"), &types);
        }
        for (index, pattern) in trigger.patterns.iter().enumerate() {
            if let Some(condition) = &pattern.condition {
                self.condition(condition, at(&format!("/any/{index}/where")), &types);
            }
        }
    }

    fn inputs(&mut self) {
        let definition = self.definition;
        for (name, input) in &definition.workflow.inputs {
            let Some(default) = &input.default else { continue };
            let node = definition.document().root.at(&format!("/inputs/{name}/default"));
            if let (Some(node), Some(misfit)) = (node, Type::of(default).misfit(&input_type(input))) {
                let fix = "make the default fit the type, or change the type";
                self.error("T007", node.place, format!("the default of `{name}`: {}", misfit.message), fix);
            }
        }
    }

    /// `holder` is the node of the step these belong to, for those that have none of their own.
    fn steps(&mut self, steps: &'c [Step], holder: Option<&'c Node>, names: &mut Names) {
        for step in steps {
            let node = self.definition.node_of(step.place).or(holder);
            self.step(step, node, names);
        }
    }

    fn step(&mut self, step: &'c Step, node: Option<&'c Node>, names: &mut Names) {
        let at = |name: &str| node.and_then(|node| node.get(name));
        if let Some(condition) = &step.condition {
            self.condition(condition, at("if"), &names.types());
        }
        let output = match &step.kind {
            StepKind::Call(call) => self.call(step, call, node, names),
            StepKind::Agent(agent) => self.agent(agent, node, names),
            StepKind::Gate(gate) => self.gate(gate, node, names),
            StepKind::Wait(wait) => self.wait(wait, node, names),
            StepKind::Parallel(children) => {
                let mut outputs = Vec::new();
                for child in children {
                    let mut own = names.clone();
                    self.steps(std::slice::from_ref(child), None, &mut own);
                    outputs.push((child.id.clone(), self.output_of(child, &own)));
                }
                Type::object(outputs)
            }
            StepKind::Each(each) => self.each(each, node, names),
            StepKind::Choose(branches) => {
                self.choose(branches, names);
                Type::open([("branch", Type::Int)])
            }
            StepKind::Run(run) => {
                self.template(&run.with, at("with"), &names.types());
                Type::open([("outcome", Type::String), ("run", Type::String)])
            }
            StepKind::End(_) => return,
        };
        names.set_step(&step.id, output);
        if let StepKind::Wait(wait) = &step.kind {
            self.steps(&wait.on_timeout, node, names);
        }
        if let OnError::Steps(steps) = &step.on_error {
            let mut own = names.with("failure", failure_type());
            self.steps(steps, node, &mut own);
        }
    }

    /// What a step has put out into these names.
    fn output_of(&self, step: &Step, names: &Names) -> Type {
        match names.types().get("steps") {
            Some(Type::Object(shape)) => shape.fields.get(&step.id).map_or(Type::Any, |f| f.kind.clone()),
            _ => Type::Any,
        }
    }

    fn call(&mut self, step: &'c Step, call: &'c CallStep, node: Option<&'c Node>, names: &Names) -> Type {
        let tool_node = node.and_then(|node| node.get("call"));
        let with_node = node.and_then(|node| node.get("with"));
        self.arguments(&call.tool, tool_node.or(node), &call.with, with_node, &names.types());
        let output = self.tool_output(&call.tool);
        if let Some(undo) = &call.undo {
            let mut after = names.clone();
            after.set_step(&step.id, output.clone());
            let node = node.and_then(|node| node.get("undo"));
            let (tool, with) = (node.and_then(|n| n.get("call")), node.and_then(|n| n.get("with")));
            self.arguments(&undo.tool, tool.or(node), &undo.with, with, &after.types());
        }
        output
    }

    fn agent(&mut self, agent: &'c AgentStep, node: Option<&'c Node>, names: &Names) -> Type {
        let at = |name: &str| node.and_then(|node| node.get(name));
        self.template(&agent.with, at("with"), &names.types());
        self.rendered(&agent.prompt, &names.types());
        self.agent_tools(agent, at("tools"));
        let output = self.agent_output(agent);
        let schema = self.definition.schemas.get(&agent.output).map_or(Type::Any, Type::from_schema);
        let answered = names.with("output", schema.clone());
        for (index, check) in agent.check.iter().enumerate() {
            let check_node = at("check").and_then(|node| node.at(&format!("/{index}"))).or(at("check"));
            self.condition(check, check_node, &answered.types());
        }
        let fallback = self.template(&agent.fallback, at("fallback"), &names.types());
        self.fallback(&fallback, &schema, at("fallback"));
        output
    }

    fn gate(&mut self, gate: &'c GateStep, node: Option<&'c Node>, names: &Names) -> Type {
        let at = |path: &str| node.and_then(|node| node.at(path));
        let types = names.types();
        let mut list = |template: &'c Option<_>, name: &str| match template {
            Some(template) => self.template(template, at(name), &types),
            None => Type::Unset,
        };
        let options = list(&gate.options, "/options");
        let items = list(&gate.items, "/items");
        let draft = list(&gate.draft, "/draft");
        for (kind, name) in [(&options, "/options"), (&items, "/items")] {
            if let (Some(node), true) = (at(name), kind.is_known() && !matches!(kind, Type::List(_))) {
                let message = format!("`{}` needs a list, this is {kind}", &name[1..]);
                self.error("T007", node.place, message, "give it a list");
            }
        }
        if let Some(message) = &gate.message {
            self.rendered(message, &names.with("options", options.clone()).types());
        }
        let output = gate_output(item_of(&options), item_of(&items), draft);
        if let Some(condition) = gate.second.as_ref().and_then(|second| second.condition.as_ref()) {
            self.condition(condition, at("/second/if"), &names.with("answer", output.clone()).types());
        }
        if let Some(condition) = &gate.auto_if {
            self.condition(condition, at("/auto_if"), &types);
        }
        output
    }

    fn wait(&mut self, wait: &'c WaitStep, node: Option<&'c Node>, names: &Names) -> Type {
        let at = |name: &str| node.and_then(|node| node.get(name));
        let timed_out = ("timed_out", Type::Bool);
        match &wait.until {
            WaitFor::Event(wait) => {
                if let Some(condition) = &wait.condition {
                    self.condition(condition, at("where"), &names.with("event", event_type()).types());
                }
                if let Some(subject) = &wait.subject {
                    let kind = self.expr(subject, at("subject"), &names.types());
                    if let (Some(node), Some(misfit)) = (at("subject"), kind.misfit(&Type::String)) {
                        let fix = "name what the event is about: trigger.subject, trigger.work_center";
                        self.error(
                            "T007",
                            node.place,
                            format!("`subject` needs a text: {}", misfit.message),
                            fix,
                        );
                    }
                }
                Type::open([timed_out, ("id", Type::String), ("type", Type::String), ("time", Type::String)])
            }
            WaitFor::Duration(_) => Type::object([timed_out]),
            WaitFor::Until(expr) => {
                let kind = self.expr(expr, at("until"), &names.types());
                if let (Some(node), Some(misfit)) = (at("until"), kind.misfit(&Type::String)) {
                    let fix = "make it a time: timestamp(x) + duration('30m')";
                    self.error("T007", node.place, format!("`until` needs a time: {}", misfit.message), fix);
                }
                Type::object([timed_out])
            }
        }
    }

    fn each(&mut self, each: &'c EachStep, node: Option<&'c Node>, names: &Names) -> Type {
        let list_node = node.and_then(|node| node.get("each"));
        let list = self.template(&each.list, list_node, &names.types());
        if let (Some(node), true) = (list_node, list.is_known() && !matches!(list, Type::List(_))) {
            self.error("T007", node.place, format!("`each` needs a list, this is {list}"), "give it a list");
        }
        let mut own = names.with(&each.item, item_of(&list));
        self.steps(&each.steps, node, &mut own);
        let outputs = each.steps.iter().map(|step| (step.id.clone(), self.output_of(step, &own)));
        match each.steps.as_slice() {
            [only] if matches!(only.kind, StepKind::Run(_)) => Type::list(self.output_of(only, &own)),
            _ => Type::list(Type::object(outputs)),
        }
    }

    /// What a branch puts out is visible after it, though it may be absent.
    fn choose(&mut self, branches: &'c [Branch], names: &mut Names) {
        let before = names.clone();
        for branch in branches {
            let node = self.definition.node_of(branch.place);
            if let Some(condition) = &branch.condition {
                self.condition(condition, node.and_then(|node| node.get("if")), &before.types());
            }
            let mut own = before.clone();
            self.steps(&branch.steps, node, &mut own);
            names.absorb(own);
        }
    }
}

fn failure_type() -> Type {
    Type::object([("step", Type::String), ("class", Type::String), ("message", Type::String)])
}
