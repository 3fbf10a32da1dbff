//! T006–T008: walks the steps in order and checks every expression against what is visible there.

use super::{
    Checker, Given, Spot,
    arguments::key_place,
    outputs::{answer_of, gate_output, item_of},
    scope::{Names, input_type, pattern_type},
};
use crate::{
    expr::{Expr, Field, Origin, Shape, Type, Types},
    workflow::{
        AgentStep, Branch, CallStep, EachStep, GateStep, OnError, RETRY_CLASSES, Step, StepKind, Trigger,
        WaitFor, WaitStep, source::Node, suggest, walk,
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
        let names = Names::new(workflow, &self.site_type, self.events);
        let mut names = names.made_of("inputs", self.given_to_it.clone());
        let mut after = names.with("failure", failure_type());
        self.steps(&workflow.steps, None, &mut names);
        // A run may fail anywhere: nothing is certain then.
        for (id, (output, origin)) in self.outputs.clone() {
            after.set_step(id, output, false);
            after.set_origin(id, origin);
        }
        self.steps(&workflow.on_failure, None, &mut after);
        let sla = definition.document().root.get("sla");
        for (index, promise) in workflow.sla.iter().enumerate() {
            let node = sla.and_then(|node| node.at(&format!("/{index}/step")));
            if let (Some(node), false) = (node, self.ids.contains(promise.step.as_str())) {
                let fix = match suggest::closest(&promise.step, self.ids.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name a step of this workflow".to_owned(),
                };
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
        let common = pattern_type(&definition.workflow, self.events);
        let types = |event: Type| {
            Types::from([
                ("event".to_owned(), event),
                ("site".to_owned(), self.site_type.clone()),
                ("now".to_owned(), Type::String),
            ])
        };
        let whole = types(common);
        let own: Vec<Types> =
            trigger.patterns.iter().map(|pattern| types(self.events.type_of(&pattern.event))).collect();
        self.at_spot(|spot| *spot == Spot::Trigger, &whole);
        let at = |path: &str| node.and_then(|node| node.at(path));
        if let Some(condition) = &trigger.condition {
            self.condition(condition, at("/where"), &whole);
        }
        let mut key_type = Type::Unset;
        if let Some(key) = &trigger.key {
            key_type = self.key(key, at("/key"), &whole);
            self.tells_apart(key, at("/key"));
        }
        for (index, (pattern, types)) in trigger.patterns.iter().zip(&own).enumerate() {
            if let Some(condition) = &pattern.condition {
                self.condition(condition, at(&format!("/any/{index}/where")), types);
            }
        }
        self.event_trigger(trigger, &key_type, node);
    }

    fn inputs(&mut self) {
        let definition = self.definition;
        let by_itself = !matches!(definition.workflow.trigger, Trigger::Manual);
        for (name, input) in &definition.workflow.inputs {
            let Some(default) = &input.default else {
                if by_itself {
                    let place = key_place(definition.document().root.get("inputs"), name).unwrap_or_default();
                    let message = format!("the trigger gives no `{name}`, so that no run would ever start");
                    self.error("T020", place, message, "give the input a `default`");
                }
                continue;
            };
            let node = definition.document().root.at(&format!("/inputs/{name}/default"));
            if let (Some(node), Some(misfit)) = (node, Type::of(default).misfit(&input_type(input))) {
                let fix = "make the default fit the type, or change the type";
                self.error("T007", node.place, format!("the default of `{name}`: {}", misfit.message), fix);
            }
        }
    }

    /// Whether the end of the list is reached on some path. `holder` is the node of the step these belong
    /// to, for those that have none of their own.
    pub(super) fn steps(&mut self, steps: &'c [Step], holder: Option<&'c Node>, names: &mut Names) -> bool {
        let mut goes_on = true;
        for step in steps {
            let node = self.definition.node_of(step.place).or(holder);
            // What follows an end is checked too, as if it were reached.
            goes_on &= self.step(step, node, names);
            self.at_spot(|spot| matches!(spot, Spot::After(id) if *id == step.id), names.types());
        }
        goes_on
    }

    /// Whether the run goes on after it on some path.
    fn step(&mut self, step: &'c Step, node: Option<&'c Node>, names: &mut Names) -> bool {
        self.at_spot(|spot| matches!(spot, Spot::Before(id) if *id == step.id), names.types());
        let Some(condition) = &step.condition else { return self.act(step, node, names) };
        let mut inside = names.clone();
        // A part of it that is false makes all of it false, whatever the others read.
        self.imply(condition, &mut inside);
        self.condition(condition, node.and_then(|node| node.get("if")), inside.types());
        condition.narrow(inside.types_mut(), true);
        if self.act(step, node, &mut inside) {
            *names = std::mem::take(names).meet(inside);
            let parts = condition.conjuncts();
            if let Some(first) = parts.first() {
                self.only_if.entry(first.clone()).or_default().push((step.id.as_str(), parts));
            }
        } else {
            condition.narrow(names.types_mut(), false);
        }
        true
    }

    /// Steps that ran under the same conditions, or under some of them, have run here.
    fn imply(&self, condition: &Expr, names: &mut Names) {
        let now = condition.conjuncts();
        for (id, needed) in now.iter().filter_map(|part| self.only_if.get(part)).flatten() {
            if needed.iter().all(|part| now.contains(part)) {
                names.make_certain(id);
            }
        }
    }

    fn act(&mut self, step: &'c Step, node: Option<&'c Node>, names: &mut Names) -> bool {
        let before = match step.on_error {
            OnError::Fail => None,
            OnError::Continue | OnError::Steps(_) => Some(names.clone()),
        };
        let mut certain = true;
        let (output, origin) = match &step.kind {
            StepKind::Call(call) => (self.call(step, call, node, names), Origin::default()),
            StepKind::Agent(agent) => (self.agent(agent, node, names), self.origin(&agent.fallback, names)),
            StepKind::Gate(gate) => {
                // The run does not wait for the answer of a gate in the background.
                certain = !gate.background;
                (self.gate(gate, node, names), self.answered_of(gate, names))
            }
            StepKind::Wait(wait) => (self.wait(wait, node, names), Origin::default()),
            StepKind::Parallel(children) => self.parallel(children, names),
            StepKind::Each(each) => self.each(each, node, names),
            StepKind::Choose(branches) => {
                if !self.choose(branches, names) {
                    return false;
                }
                (Type::object([("branch", Type::Int)]), Origin::default())
            }
            StepKind::Run(run) => {
                let given = self.template(&run.with, node.and_then(|node| node.get("with")), names.types());
                self.given.push(Given { step, node, kind: given, origin: self.origin(&run.with, names) });
                self.run_output(run)
            }
            StepKind::End(_) => return false,
        };
        self.put_out(&step.id, (output, origin), certain, names);
        if let StepKind::Wait(wait) = &step.kind {
            self.timed_out(step, wait, node, names);
        }
        match (&step.on_error, before) {
            (OnError::Continue, Some(before)) => {
                let mut failed = before;
                failed.set_step(&step.id, Type::Null, true);
                *names = std::mem::take(names).meet(failed);
                true
            }
            (OnError::Steps(steps), Some(before)) => {
                let mut failed = before.with("failure", failure_type());
                failed.set_step(&step.id, Type::Null, true);
                if self.steps(steps, node, &mut failed) {
                    *names = std::mem::take(names).meet(failed);
                }
                true
            }
            _ => true,
        }
    }

    fn put_out(&mut self, id: &'c str, (output, origin): (Type, Origin), certain: bool, names: &mut Names) {
        if self.loops == 0 {
            self.outputs.insert(id, (output.clone(), origin.clone()));
        }
        names.set_step(id, output, certain);
        names.set_origin(id, origin);
    }

    /// After the steps of `on_timeout`; where those end the run, the event has come.
    fn timed_out(&mut self, step: &'c Step, wait: &'c WaitStep, node: Option<&'c Node>, names: &mut Names) {
        if wait.on_timeout.is_empty() {
            return;
        }
        let mut late = names.clone();
        if self.steps(&wait.on_timeout, node, &mut late) {
            *names = std::mem::take(names).meet(late);
        } else if let WaitFor::Event(wait) = &wait.until {
            names.set_step(&step.id, event_output(self.events.type_of(&wait.event), true), true);
        }
    }

    fn parallel(&mut self, children: &'c [Step], names: &Names) -> (Type, Origin) {
        self.loops += 1;
        let (mut outputs, mut origin) = (Vec::new(), Origin::default());
        for child in children {
            let mut own = names.clone();
            self.steps(std::slice::from_ref(child), None, &mut own);
            // One that was left out is null.
            let output = own.step(&child.id).map_or(Type::Any, |field| match field.required {
                true => field.kind.clone(),
                false => field.kind.clone().nullable(),
            });
            outputs.push((child.id.clone(), output));
            origin = origin.with(&child.id, own.origin(&child.id));
        }
        self.loops -= 1;
        (Type::object(outputs), origin)
    }

    fn call(&mut self, step: &'c Step, call: &'c CallStep, node: Option<&'c Node>, names: &Names) -> Type {
        let tool_node = node.and_then(|node| node.get("call"));
        let with_node = node.and_then(|node| node.get("with"));
        self.arguments(&call.tool, tool_node.or(node), &call.with, with_node, names.types());
        let output = self.tool_output(&call.tool);
        if let Some(undo) = &call.undo {
            let mut after = names.clone();
            after.set_step(&step.id, output.clone(), true);
            let node = node.and_then(|node| node.get("undo"));
            let (tool, with) = (node.and_then(|n| n.get("call")), node.and_then(|n| n.get("with")));
            self.arguments(&undo.tool, tool.or(node), &undo.with, with, after.types());
            self.takes_back(&undo.tool, tool.or(node));
        }
        output
    }

    fn agent(&mut self, agent: &'c AgentStep, node: Option<&'c Node>, names: &Names) -> Type {
        let at = |name: &str| node.and_then(|node| node.get(name));
        let given = self.template(&agent.with, at("with"), names.types());
        self.taint(agent, &given, node, names);
        self.prompt_words(agent, at("with"));
        self.rendered(&agent.prompt, names.types());
        self.agent_tools(agent, at("tools"));
        self.strictness(agent, at("tools"));
        let output = self.agent_output(agent);
        let schema = self.definition.schemas.get(&agent.output).map_or(Type::Any, Type::of_answer);
        let answered = names.with("output", schema.clone());
        for (index, check) in agent.check.iter().enumerate() {
            let check_node = at("check").and_then(|node| node.at(&format!("/{index}"))).or(at("check"));
            self.condition(check, check_node, answered.types());
        }
        let fallback = self.template(&agent.fallback, at("fallback"), names.types());
        self.fallback(&fallback, &schema, node);
        if let Some(schema) = self.definition.schemas.get(&agent.output) {
            self.within_bounds("T017", agent.fallback.raw(), schema, at("fallback"));
        }
        self.limits_leave_room(agent, at("limits"));
        output
    }

    fn gate(&mut self, gate: &'c GateStep, node: Option<&'c Node>, names: &Names) -> Type {
        let at = |path: &str| node.and_then(|node| node.at(path));
        let types = names.types().clone();
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
            self.says_something(message, at("/message"));
            let with_options = names.with("options", options.clone());
            self.rendered(message, with_options.types());
            self.fits_on_a_card(message, with_options.types());
        }
        let fields = self.definition.form_schema(gate).map_or(Type::Unset, Type::of_output);
        let [draft, fields] = [draft, fields].map(|kind| if kind == Type::Unset { Type::Null } else { kind });
        let output = gate_output(gate, item_of(&options), item_of(&items), draft, fields);
        if let Some(condition) = gate.second.as_ref().and_then(|second| second.condition.as_ref()) {
            self.condition(condition, at("/second/if"), names.with("answer", answer_of(&output)).types());
        }
        if let Some(requester) = &gate.requested_by {
            let kind = self.expr(requester, at("/requested_by"), names.types());
            if let (Some(node), Some(misfit)) = (at("/requested_by"), kind.misfit(&Type::String.nullable())) {
                let fix = "give the id or the mail address of a person: trigger.requested_by";
                self.error(
                    "T007",
                    node.place,
                    format!("`requested_by` names a person: {}", misfit.message),
                    fix,
                );
            }
        }
        if let Some(condition) = &gate.auto_if {
            let past = [("answers", Type::Int), ("accepted", Type::Int), ("share", Type::Number)];
            let with_past = names.with("past", Type::object(past));
            self.condition(condition, at("/auto_if"), with_past.types());
            self.rests_on_more_than_a_model(condition, at("/auto_if"), with_past.types());
        }
        output
    }

    fn wait(&mut self, wait: &'c WaitStep, node: Option<&'c Node>, names: &Names) -> Type {
        let at = |name: &str| node.and_then(|node| node.get(name));
        match &wait.until {
            WaitFor::Event(event_wait) => {
                self.known_event(&event_wait.event, at("wait"));
                let event = self.events.type_of(&event_wait.event);
                let output = event_output(event.clone(), wait.timeout.is_none());
                if let Some(condition) = &event_wait.condition {
                    self.condition(condition, at("where"), names.with("event", event).types());
                    self.looks_at_event(condition, at("where"));
                }
                if let Some(subject) = &event_wait.subject {
                    let kind = self.expr(subject, at("subject"), names.types());
                    if let (Some(node), Some(misfit)) = (at("subject"), kind.misfit(&Type::String)) {
                        let fix = "name what the event is about: trigger.subject, trigger.work_center";
                        let message = format!("`subject` needs a text: {}", misfit.message);
                        self.error("T007", node.place, message, fix);
                    }
                }
                output
            }
            WaitFor::Duration(_) => Type::object([("timed_out", Type::Bool)]),
            WaitFor::Until(expr) => {
                let kind = self.expr(expr, at("until"), names.types());
                if let (Some(node), Some(misfit)) = (at("until"), kind.misfit(&Type::String)) {
                    let fix = "make it a time: timestamp(x) + duration('30m')";
                    self.error("T007", node.place, format!("`until` needs a time: {}", misfit.message), fix);
                }
                Type::object([("timed_out", Type::Bool)])
            }
        }
    }

    fn each(&mut self, each: &'c EachStep, node: Option<&'c Node>, names: &Names) -> (Type, Origin) {
        let list_node = node.and_then(|node| node.get("each"));
        let list = self.template(&each.list, list_node, names.types());
        if let (Some(node), true) = (list_node, list.is_known() && !matches!(list, Type::List(_))) {
            self.error("T007", node.place, format!("`each` needs a list, this is {list}"), "give it a list");
        }
        let mut own =
            names.with(&each.item, item_of(&list)).made_of(&each.item, self.origin(&each.list, names));
        self.loops += 1;
        self.steps(&each.steps, node, &mut own);
        self.loops -= 1;
        let output = |step: &Step| own.step(&step.id).cloned();
        match each.steps.as_slice() {
            [only] if matches!(only.kind, StepKind::Run(_)) => {
                (Type::list(output(only).map_or(Type::Any, |field| field.kind)), own.origin(&only.id))
            }
            steps => {
                let fields = steps.iter().filter_map(|step| Some((step.id.clone(), output(step)?))).collect();
                let origins = steps
                    .iter()
                    .fold(Origin::default(), |all, step| all.with(&step.id, own.origin(&step.id)));
                (Type::list(Type::Object(Shape { fields, ..Shape::default() })), origins)
            }
        }
    }

    /// Whether the run goes on after some branch.
    fn choose(&mut self, branches: &'c [Branch], names: &mut Names) -> bool {
        let mut other = names.clone();
        let mut ends: Vec<Names> = Vec::new();
        for branch in branches {
            let node = self.definition.node_of(branch.place);
            let mut own = other.clone();
            if let Some(condition) = &branch.condition {
                self.imply(condition, &mut own);
                self.condition(condition, node.and_then(|node| node.get("if")), own.types());
                condition.narrow(own.types_mut(), true);
                condition.narrow(other.types_mut(), false);
            }
            if self.steps(&branch.steps, node, &mut own) {
                ends.push(own);
            }
        }
        if branches.last().is_none_or(|branch| branch.condition.is_some()) {
            ends.push(other);
        }
        match ends.into_iter().reduce(Names::meet) {
            Some(together) => {
                *names = together;
                true
            }
            None => false,
        }
    }
}

/// The event, and whether it came; without one there are no fields.
fn event_output(event: Type, certain: bool) -> Type {
    let Type::Object(mut shape) = event else { return event };
    if !certain {
        shape = shape.with_all(false);
    }
    shape.fields.insert("timed_out".to_owned(), Field { kind: Type::Bool, required: true });
    Type::Object(shape)
}

/// Classes of a failed step that are the engine's own; the others are those of tools.
const ENGINE_CLASSES: [&str; 11] = [
    "rule",
    "expression",
    "not_approved",
    "expired",
    "needs_person",
    "child_failed",
    "unsupported",
    "unreadable",
    "unknown",
    "panic",
    "lost",
];

fn failure_type() -> Type {
    let classes = Type::Word(RETRY_CLASSES.into_iter().chain(ENGINE_CLASSES).map(str::to_owned).collect());
    Type::object([("step", Type::String), ("class", classes), ("message", Type::String)])
}
