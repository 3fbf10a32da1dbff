//! The nine kinds of step and their modifiers.

use super::{Decoder, Fields};
use crate::workflow::{
    Branch, CallStep, EachStep, EventWait, LookBack, OnError, Place, RETRY_CLASSES, Retry, RunStep, Step,
    StepKind, Undo, WaitFor, WaitStep, duration,
    source::{Data, Node},
    suggest,
};
use std::time::Duration;

const KINDS: [&str; 9] = ["call", "agent", "gate", "wait", "parallel", "each", "choose", "run", "end"];

impl<'d> Decoder<'d> {
    pub(super) fn steps(&mut self, node: &'d Node) -> Vec<Step> {
        let items = self.list(node, "steps").unwrap_or_default();
        if matches!(&node.data, Data::List(items) if items.is_empty()) {
            self.error("T002", node.place, "the list of steps is empty", "add a step, or remove the key");
        }
        items.iter().filter_map(|item| self.step(item, None)).collect()
    }

    /// A step; `id` is given where its name stands elsewhere, as in `parallel` and `on_timeout`.
    fn step(&mut self, node: &'d Node, id: Option<&str>) -> Option<Step> {
        let mut fields = self.fields(node, "a step")?;
        let own_id = fields.get("id");
        let id = match (own_id, id) {
            (Some(node), _) => self.text(node).filter(|id| self.new_id(id, node.place)),
            (None, Some(id)) => Some(id.to_owned()),
            (None, None) => {
                let fix = "add `id:`, the name others refer to";
                self.missing(&mut fields, "id", ("T002", node.place), "this step has no `id`", fix);
                None
            }
        };
        let condition = fields.get("if").map(|node| self.expr(node));
        let on_error = fields.get("on_error").map_or(Some(OnError::Fail), |node| self.on_error(node));
        let is_leaf = !["gate", "choose", "end"].iter().any(|kind| fields.has(kind));
        let timeout = if is_leaf { fields.get("timeout").and_then(|node| self.duration(node)) } else { None };
        let retry = if fields.has("call") || fields.has("parallel") || fields.has("agent") {
            fields.get("retry").map(|node| self.retries(node)).unwrap_or_default()
        } else {
            Vec::new()
        };
        let kind = self.kind(&mut fields, timeout, &retry).and_then(|(what, kind)| {
            self.finish(&fields, &what);
            kind
        });
        let condition = condition.map_or(Some(None), |expr| expr.map(Some));
        let (Some(kind), Some(condition), Some(on_error)) = (kind, condition, on_error) else {
            self.lost.extend(id);
            return None;
        };
        let inherited = matches!(kind, StepKind::Wait(_) | StepKind::Parallel(_));
        Some(Step {
            id: id?,
            place: node.place,
            condition,
            timeout: timeout.filter(|_| !inherited),
            retry: if inherited { Vec::new() } else { retry },
            on_error,
            kind,
        })
    }

    /// The kind in words and the kind; no word at all when the step does nothing or two things.
    fn kind(
        &mut self,
        fields: &mut Fields<'d>,
        timeout: Option<Duration>,
        retry: &[Retry],
    ) -> Option<(String, Option<StepKind>)> {
        let name = self.only_kind(fields)?;
        let node = fields.get(name)?;
        let article = if name.starts_with(['a', 'e']) { "an" } else { "a" };
        let what = format!("{article} `{name}` step");
        let kind = match name {
            "call" => self.call(fields, node).map(StepKind::Call),
            "agent" => self.agent(fields, node).map(StepKind::Agent),
            "gate" => self.gate(fields, node).map(StepKind::Gate),
            "wait" | "until" => self.wait(fields, node, timeout).map(StepKind::Wait),
            "parallel" => self.parallel(node, timeout, retry).map(StepKind::Parallel),
            "each" => self.each(fields, node).map(StepKind::Each),
            "choose" => self.choose(node).map(StepKind::Choose),
            "run" => self.run(fields, node).map(StepKind::Run),
            _ => self.outcome(node).map(StepKind::End),
        };
        Some((what, kind))
    }

    fn only_kind(&mut self, fields: &Fields<'d>) -> Option<&'static str> {
        let mut found: Vec<&str> = KINDS.into_iter().filter(|kind| fields.has(kind)).collect();
        if found.contains(&"each") {
            found.retain(|kind| *kind != "run");
        }
        if fields.has("until") && !fields.has("wait") {
            found.push("until");
        }
        let place = fields.node.place;
        match found.as_slice() {
            [only] => return Some(only),
            [] => {
                let Data::Map(entries) = &fields.node.data else { return None };
                let near = entries.iter().find_map(|(key, _)| {
                    let modifier = ["id", "if", "with", "timeout", "retry", "on_error", "rules"];
                    let strange = !modifier.contains(&key.name.as_str());
                    suggest::closest(&key.name, KINDS).filter(|_| strange).map(|near| (key, near))
                });
                match near {
                    Some((key, near)) => {
                        let message = format!("unknown step kind `{}`", key.name);
                        self.error("T002", key.place, message, format!("did you mean `{near}`?"));
                    }
                    None => {
                        let fix = format!("add one of {}", KINDS.join(", "));
                        self.error("T002", place, "this step does nothing", fix);
                    }
                }
            }
            several => {
                let message = format!("this step does several things: {}", several.join(", "));
                let Data::Map(entries) = &fields.node.data else { return None };
                let mut kinds = entries.iter().filter(|(key, _)| several.contains(&key.name.as_str()));
                let second = kinds.nth(1).map_or(place, |(key, _)| key.place);
                self.error("T002", second, message, "make them steps of their own");
            }
        }
        None
    }

    fn call(&mut self, fields: &mut Fields<'d>, node: &'d Node) -> Option<CallStep> {
        let tool = self.tool_name(node);
        let with = fields.get("with");
        let with = self.arguments(with);
        let rules = fields.get("rules").map(|node| self.texts(node, "rules")).unwrap_or_default();
        let undo = fields.get("undo").map(|node| self.undo(node));
        Some(CallStep {
            tool: tool?,
            with: with?,
            rules: rules.into_iter().map(|(rule, _)| rule).collect(),
            undo: undo.map_or(Some(None), |undo| undo.map(Some))?,
        })
    }

    fn undo(&mut self, node: &'d Node) -> Option<Undo> {
        let mut fields = self.fields(node, "`undo`")?;
        let tool = self.required(&mut fields, "call", "a tool").and_then(|node| self.tool_name(node));
        let with = fields.get("with");
        let with = self.arguments(with);
        self.finish(&fields, "`undo`");
        Some(Undo { tool: tool?, with: with? })
    }

    fn wait(
        &mut self,
        fields: &mut Fields<'d>,
        node: &'d Node,
        timeout: Option<Duration>,
    ) -> Option<WaitStep> {
        let until = if fields.has("wait") {
            let text = self.text(node)?;
            // An event begins with a letter.
            if duration::is_meant(&text) || text.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
                self.duration(node).map(WaitFor::Duration)
            } else {
                self.event_wait(fields, node).map(WaitFor::Event)
            }
        } else {
            self.expr(node).map(WaitFor::Until)
        };
        let on_timeout = fields.get("on_timeout").map(|node| self.inner_steps(node)).unwrap_or_default();
        // One that cannot be read has its own finding.
        if fields.has("on_timeout") && !fields.has("timeout") {
            let fix = "add `timeout:` with a time like 12h";
            self.missing(fields, "timeout", ("T002", node.place), "`on_timeout` without `timeout`", fix);
        }
        Some(WaitStep { until: until?, timeout, on_timeout })
    }

    fn event_wait(&mut self, fields: &mut Fields<'d>, node: &'d Node) -> Option<EventWait> {
        let mut optional = |name| match fields.get(name).map(|node| self.expr(node)) {
            Some(expr) => expr.map(Some),
            None => Some(None),
        };
        let (condition, subject) = (optional("where"), optional("subject"));
        let look_back = fields
            .get("look_back")
            .map_or(Some(LookBack::default()), |node| self.duration(node).map(LookBack::Within));
        let event = self.event_type(node);
        Some(EventWait { event: event?, subject: subject?, condition: condition?, look_back: look_back? })
    }

    /// Children take the parent's `timeout` and `retry` where they have none of their own.
    fn parallel(&mut self, node: &'d Node, timeout: Option<Duration>, retry: &[Retry]) -> Option<Vec<Step>> {
        let entries = self.map(node, "`parallel`")?;
        let mut children = Vec::new();
        for (key, node) in entries {
            let named = self.check_id(&key.name, key.place);
            let Some(mut child) = self.step(node, Some(&key.name)) else { continue };
            if !matches!(child.kind, StepKind::Call(_) | StepKind::Agent(_) | StepKind::Run(_)) {
                let fix = "put only `call`, `agent` and `run` in `parallel`";
                self.error("T002", node.place, "this kind of step cannot run in `parallel`", fix);
            }
            child.timeout = child.timeout.or(timeout);
            if child.retry.is_empty() {
                child.retry = retry.to_vec();
            }
            if named {
                children.push(child);
            }
        }
        Some(children)
    }

    fn each(&mut self, fields: &mut Fields<'d>, node: &'d Node) -> Option<EachStep> {
        let list = self.template(node);
        let item = match fields.get("as") {
            Some(node) => self.text(node).filter(|name| self.check_id(name, node.place)),
            None => Some("item".to_owned()),
        };
        let at_once = fields.get("at_once").map_or(Some(1), |node| self.whole::<usize>(node));
        let (run, steps) = (fields.get("run"), fields.get("steps"));
        let steps = match (run, steps) {
            (Some(run), None) => {
                let kind = self.run(fields, run).map(StepKind::Run);
                kind.map(|kind| vec![plain("run", run.place, kind)])
            }
            (None, Some(steps)) => Some(self.steps(steps)),
            (run, _) => {
                let (at, message) = (("T002", node.place), "`each` needs something to do");
                let fix = "add `steps:` or `run:`, one of them";
                match run {
                    Some(_) => self.error(at.0, at.1, message, fix),
                    None => {
                        self.missing(fields, "steps", at, message, fix);
                        fields.or_missing("run");
                    }
                }
                None
            }
        };
        Some(EachStep { list: list?, item: item?, at_once: at_once?.max(1), steps: steps? })
    }

    fn choose(&mut self, node: &'d Node) -> Option<Vec<Branch>> {
        let items = self.list(node, "choose")?;
        let mut branches = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some(mut fields) = self.fields(item, "a branch") else { continue };
            if let Some(rest) = fields.get("else") {
                if index + 1 < items.len() {
                    self.error("T002", item.place, "`else` is not the last branch", "move it to the end");
                }
                let steps = match &rest.data {
                    Data::Map(_) => self
                        .fields(rest, "`else`")
                        .map(|mut inner| self.branch_steps(&mut inner))
                        .unwrap_or_default(),
                    Data::List(_) | Data::Scalar(_) => self.steps(rest),
                };
                self.finish(&fields, "an `else` branch");
                branches.push(Branch { condition: None, steps, place: item.place });
                continue;
            }
            let condition = self.required(&mut fields, "if", "an expression").and_then(|n| self.expr(n));
            let steps = self.branch_steps(&mut fields);
            if condition.is_some() {
                branches.push(Branch { condition, steps, place: item.place });
            }
        }
        Some(branches)
    }

    fn branch_steps(&mut self, fields: &mut Fields<'d>) -> Vec<Step> {
        let steps = match (fields.get("steps"), fields.get("end")) {
            (Some(steps), None) => self.steps(steps),
            (None, Some(end)) => {
                let kind = self.outcome(end).map(StepKind::End);
                kind.map(|kind| plain("end", end.place, kind)).into_iter().collect()
            }
            (steps, _) => {
                let (at, message) = (("T002", fields.node.place), "a branch needs something to do");
                let fix = "add `steps:` or `end:`, one of them";
                match steps {
                    Some(_) => self.error(at.0, at.1, message, fix),
                    None => {
                        self.missing(fields, "steps", at, message, fix);
                        fields.or_missing("end");
                    }
                }
                Vec::new()
            }
        };
        self.finish(fields, "a branch");
        steps
    }

    fn run(&mut self, fields: &mut Fields<'d>, node: &'d Node) -> Option<RunStep> {
        let workflow = self.id(node);
        let with = fields.get("with");
        let with = self.arguments(with);
        let detach = fields.get("detach").map_or(Some(false), |node| self.boolean(node));
        Some(RunStep { workflow: workflow?, with: with?, detach: detach? })
    }

    fn outcome(&mut self, node: &'d Node) -> Option<String> {
        self.id(node)
    }

    fn on_error(&mut self, node: &'d Node) -> Option<OnError> {
        match &node.data {
            Data::Scalar(_) => {
                let words = [("fail", OnError::Fail), ("continue", OnError::Continue)];
                self.one_of(node, &words)
            }
            Data::Map(_) | Data::List(_) => Some(OnError::Steps(self.inner_steps(node))),
        }
    }

    /// `{ steps: [...] }`, a list of steps, or one step written in place.
    fn inner_steps(&mut self, node: &'d Node) -> Vec<Step> {
        match &node.data {
            Data::Map(_) if node.get("steps").is_some() && node.get("each").is_none() => {
                let Some(mut fields) = self.fields(node, "this") else { return Vec::new() };
                let steps = fields.get("steps").map(|steps| self.steps(steps)).unwrap_or_default();
                self.finish(&fields, "this");
                steps
            }
            Data::Map(_) => {
                let id = KINDS.into_iter().find(|kind| node.get(kind).is_some()).unwrap_or("step");
                self.step(node, Some(id)).into_iter().collect()
            }
            Data::List(_) | Data::Scalar(_) => self.steps(node),
        }
    }

    /// One policy, or a list of which the first that fits the error's class counts.
    fn retries(&mut self, node: &'d Node) -> Vec<Retry> {
        let Data::List(items) = &node.data else { return self.retry(node).into_iter().collect() };
        let mut policies: Vec<Retry> = Vec::new();
        for item in items {
            let Some(policy) = self.retry(item) else { continue };
            let covers_all = |earlier: &Retry| {
                earlier.on.is_empty() && policy.on.is_empty()
                    || !policy.on.is_empty() && policy.on.iter().all(|class| earlier.on.contains(class))
            };
            if policies.iter().any(covers_all) {
                let fix =
                    "give each policy its own classes with `on:`, and let the one without it be the last";
                let message = "an earlier policy of this `retry` already covers these errors".to_owned();
                self.error("T002", item.place, message, fix);
            }
            policies.push(policy);
        }
        policies
    }

    fn retry(&mut self, node: &'d Node) -> Option<Retry> {
        let mut fields = self.fields(node, "`retry`")?;
        let times = self.required(&mut fields, "times", "how often").and_then(|node| self.whole(node));
        let wait = fields.get("wait").map_or(Some(Duration::from_secs(1)), |node| self.duration(node));
        let backoff = fields.get("backoff").map_or(Some(2.0), |node| self.number(node));
        let max = fields.get("max").and_then(|node| self.duration(node));
        let classes = RETRY_CLASSES.map(|class| (class, class));
        let on = match fields.get("on") {
            Some(node) => {
                let items = self.list(node, "on").unwrap_or_default();
                items.iter().filter_map(|item| self.one_of(item, &classes)).map(str::to_owned).collect()
            }
            None => Vec::new(),
        };
        self.finish(&fields, "`retry`");
        Some(Retry { times: times?, wait: wait?, backoff: backoff?.max(1.0), max, on })
    }

    fn new_id(&mut self, id: &str, place: Place) -> bool {
        if !self.check_id(id, place) {
            return false;
        }
        if let Some(first) = self.ids.get(id) {
            let message = format!("the id `{id}` is taken by the step in line {}", first.line);
            self.error("T003", place, message, "ids are unique in a workflow: choose another");
            return false;
        }
        self.ids.insert(id.to_owned(), place);
        true
    }
}

fn plain(id: &str, place: Place, kind: StepKind) -> Step {
    Step {
        id: id.to_owned(),
        place,
        condition: None,
        timeout: None,
        retry: Vec::new(),
        on_error: OnError::Fail,
        kind,
    }
}
