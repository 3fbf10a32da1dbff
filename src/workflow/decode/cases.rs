//! Test files: the setting, the cases and their timelines. What a case expects is read in `expect`.

use super::Decoder;
use crate::workflow::{
    PastAnswers,
    cases::{
        Child, Crash, GivenAnswer, Happening, ItemSaid, Mock, MockError, Moment, NamedValues, Placed, Says,
        Script, ScriptedCall, Setting, TestCase, TestFile,
    },
    duration,
    source::{Data, Node},
};
use crate::{expr::ValueTemplate, tool::ToolName};
use chrono::{DateTime, FixedOffset};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, time::Duration};

const TOOL_ERRORS: [&str; 8] = [
    "transient",
    "rate_limited",
    "outcome_unknown",
    "not_found",
    "denied",
    "invalid",
    "too_large",
    "permanent",
];

const MODEL_ERRORS: [&str; 10] = [
    "timeout",
    "rate_limited",
    "quota",
    "auth",
    "not_found",
    "bad_request",
    "content_filter",
    "server",
    "network",
    "unparseable",
];

impl<'d> Decoder<'d> {
    pub(in crate::workflow) fn test_file(&mut self) -> Option<TestFile> {
        let root = self.root();
        let mut fields = self.fields(root, "a test file")?;
        let workflow = self.required(&mut fields, "workflow", "the id of the workflow that is tested");
        let workflow = workflow.and_then(|node| self.placed(node));
        let defaults = fields.get("defaults").and_then(|node| self.defaults(node)).unwrap_or_default();
        let cases = self.required(&mut fields, "cases", "a list of cases");
        let listed = cases.and_then(|node| self.list(node, "cases")).unwrap_or_default();
        let cases: Vec<TestCase> = listed.iter().filter_map(|node| self.case(node)).collect();
        self.finish(&fields, "a test file");
        self.same_names(&cases);
        Some(TestFile { path: self.path.to_owned(), workflow: workflow?, defaults, cases })
    }

    fn same_names(&mut self, cases: &[TestCase]) {
        for (index, case) in cases.iter().enumerate() {
            if cases[..index].iter().any(|other| other.name == case.name) {
                let message = format!("another case is called `{}` too", case.name);
                self.error("T003", case.place, message, "give it a name of its own");
            }
        }
    }

    fn defaults(&mut self, node: &'d Node) -> Option<Setting> {
        let mut fields = self.fields(node, "`defaults`")?;
        let setting = self.setting(&mut fields);
        self.finish(&fields, "`defaults`");
        Some(setting)
    }

    fn setting(&mut self, fields: &mut super::Fields<'d>) -> Setting {
        let start =
            fields.get("start").and_then(|node| Some(Placed::new(node.place, self.moment_of_start(node)?)));
        let tools = fields.get("tools").map(|node| self.mocks(node)).unwrap_or_default();
        let mut agents = BTreeMap::new();
        let scripts = fields.get("agents").and_then(|node| self.map(node, "`agents`"));
        for (key, node) in scripts.unwrap_or_default() {
            if let Some(script) = self.script(node) {
                agents.insert(key.name.clone(), Placed::new(key.place, script));
            }
        }
        let mut children = BTreeMap::new();
        let ends = fields.get("children").and_then(|node| self.map(node, "`children`"));
        for (key, node) in ends.unwrap_or_default() {
            if let Some(child) = self.child(node) {
                children.insert(key.name.clone(), Placed::new(key.place, child));
            }
        }
        let mut past = BTreeMap::new();
        let said = fields.get("past").and_then(|node| self.map(node, "`past`"));
        for (key, node) in said.unwrap_or_default() {
            if let Some(answers) = self.past_answers(node) {
                past.insert(key.name.clone(), Placed::new(key.place, answers));
            }
        }
        Setting { start, tools, agents, children, past }
    }

    fn past_answers(&mut self, node: &'d Node) -> Option<PastAnswers> {
        let mut fields = self.fields(node, "the past of a gate")?;
        let answers = self.required(&mut fields, "answers", "how often people answered it");
        let answers: Option<u32> = answers.and_then(|node| self.whole(node));
        let accepted = self.required(&mut fields, "accepted", "how often they took the first proposal");
        let accepted: Option<u32> = accepted.and_then(|node| self.whole(node));
        self.finish(&fields, "the past of a gate");
        let (answers, accepted) = (answers?, accepted?);
        if accepted > answers {
            let message = format!("{accepted} of {answers} answers cannot have been accepted");
            self.error("T007", node.place, message, "write as many `answers`, or more");
            return None;
        }
        Some(PastAnswers { answers, accepted })
    }

    fn moment_of_start(&mut self, node: &'d Node) -> Option<DateTime<FixedOffset>> {
        let text = self.text(node)?;
        let found = DateTime::parse_from_rfc3339(&text).ok();
        if found.is_none() {
            let fix = "write date, time and offset, like 2026-11-23T06:10:00-06:00";
            self.error("T007", node.place, format!("`{text}` is not a time"), fix);
        }
        found
    }

    fn case(&mut self, node: &'d Node) -> Option<TestCase> {
        let mut fields = self.fields(node, "a case")?;
        let name = self.required(&mut fields, "name", "what it shows").and_then(|node| self.text(node));
        let setting = self.setting(&mut fields);
        let trigger = fields.get("trigger").and_then(|node| self.data(node, "`trigger`"));
        let event = fields.get("event");
        let event = event.and_then(|node| Some(Placed::new(node.place, self.event_type(node)?)));
        let subject = fields.get("subject").and_then(|node| self.placed(node));
        let inputs = fields.get("inputs").and_then(|node| self.data(node, "`inputs`"));
        let by = fields.get("by").and_then(|node| self.placed(node));
        let timeline = fields.get("timeline").map(|node| self.timeline(node)).unwrap_or_default();
        let crash = fields.get("crash").and_then(|node| Some(Placed::new(node.place, self.crash(node)?)));
        let stop_at = fields.get("stop_at").and_then(|node| self.offset_of_node(node));
        let expect = self.required(&mut fields, "expect", "what must be true at the end");
        let expect = expect.map(|node| self.expectations(node)).unwrap_or_default();
        self.finish(&fields, "a case");
        Some(TestCase {
            name: name?,
            place: node.place,
            setting,
            trigger,
            event,
            subject,
            inputs,
            by,
            timeline,
            crash,
            stop_at,
            expect,
        })
    }

    fn placed(&mut self, node: &'d Node) -> Option<Placed<String>> {
        Some(Placed::new(node.place, self.text(node)?))
    }

    fn data(&mut self, node: &'d Node, what: &str) -> Option<NamedValues> {
        self.map(node, what)?;
        Some(NamedValues::written(node, self.template(node)?))
    }

    pub(super) fn mocks(&mut self, node: &'d Node) -> BTreeMap<ToolName, Placed<Mock>> {
        let mut mocks = BTreeMap::new();
        for (key, node) in self.map(node, "`tools`").unwrap_or_default() {
            let Ok(tool) = key.name.parse::<ToolName>() else {
                let message = format!("`{}` is not a tool name", key.name);
                self.error("T009", key.place, message, "write `system.action`, like tickets.create");
                continue;
            };
            if let Some(mock) = self.mock(node) {
                mocks.insert(tool, Placed::new(key.place, mock));
            }
        }
        mocks
    }

    fn mock(&mut self, node: &'d Node) -> Option<Mock> {
        if let Some(scalar) = node.scalar()
            && scalar.text.starts_with("fixtures/")
        {
            return self.file(node).map(|file| Mock::Fixture(Placed::new(node.place, file)));
        }
        if node.scalar().is_some_and(|scalar| scalar.text == "built_in") {
            return Some(Mock::BuiltIn);
        }
        if node.get("error").is_some() {
            let mut fields = self.fields(node, "an error")?;
            let class = fields.get("error").and_then(|node| self.one_of(node, &same(TOOL_ERRORS)));
            let message = fields.get("message").and_then(|node| self.text(node));
            let took_effect = fields.get("took_effect").and_then(|node| self.template(node));
            self.finish(&fields, "an error");
            let class = class?.to_owned();
            return Some(Mock::Error(MockError { class, message, took_effect }));
        }
        if node.get("in_turn").is_some() {
            let mut fields = self.fields(node, "answers in turn")?;
            let list = fields.get("in_turn").and_then(|node| self.list(node, "in_turn"));
            let mocks: Vec<Placed<Mock>> = list
                .unwrap_or_default()
                .iter()
                .filter_map(|item| Some(Placed::new(item.place, self.mock(item)?)))
                .collect();
            self.finish(&fields, "answers in turn");
            return self.some_in_turn(node, mocks).map(Mock::InTurn);
        }
        self.template(node).map(|answer| Mock::Answer(NamedValues::written(node, answer)))
    }

    fn some_in_turn<T>(&mut self, node: &Node, list: Vec<Placed<T>>) -> Option<Vec<Placed<T>>> {
        if list.is_empty() {
            self.error("T002", node.place, "`in_turn` has no answer", "list at least one");
            return None;
        }
        Some(list)
    }

    fn script(&mut self, node: &'d Node) -> Option<Script> {
        if node.get("error").is_some() {
            let mut fields = self.fields(node, "an error")?;
            let class = fields.get("error").and_then(|node| self.one_of(node, &same(MODEL_ERRORS)));
            self.finish(&fields, "an error");
            return class.map(|class| Script::Error(class.to_owned()));
        }
        if node.get("nonsense").is_some() {
            let mut fields = self.fields(node, "nonsense")?;
            let text = fields.get("nonsense").and_then(|node| self.text(node));
            self.finish(&fields, "nonsense");
            return text.map(Script::Nonsense);
        }
        if node.get("in_turn").is_some() {
            let mut fields = self.fields(node, "answers in turn")?;
            let list = fields.get("in_turn").and_then(|node| self.list(node, "in_turn"));
            let scripts: Vec<Placed<Script>> = list
                .unwrap_or_default()
                .iter()
                .filter_map(|item| Some(Placed::new(item.place, self.script(item)?)))
                .collect();
            self.finish(&fields, "answers in turn");
            return self.some_in_turn(node, scripts).map(Script::InTurn);
        }
        if node.get("reads").is_some() {
            let mut fields = self.fields(node, "an agent's answer")?;
            let reads = fields.get("reads").and_then(|node| self.list(node, "reads")).unwrap_or_default();
            let calls = reads.iter().filter_map(|node| self.scripted_call(node)).collect();
            let output = self.required(&mut fields, "answer", "what it answers then");
            let output = output.and_then(|node| Some(NamedValues::written(node, self.template(node)?)));
            self.finish(&fields, "an agent's answer");
            return Some(Script::Answer { calls, output: output? });
        }
        Some(Script::Answer { calls: Vec::new(), output: self.data(node, "an agent's answer")? })
    }

    fn scripted_call(&mut self, node: &'d Node) -> Option<ScriptedCall> {
        let mut fields = self.fields(node, "a read")?;
        let tool = self.required(&mut fields, "call", "a tool of the agent");
        let tool = tool.and_then(|node| Some(Placed::new(node.place, self.tool_name(node)?)));
        let with = fields.get("with");
        let with = self.arguments(with);
        self.finish(&fields, "a read");
        Some(ScriptedCall { tool: tool?, with: with? })
    }

    fn child(&mut self, node: &'d Node) -> Option<Child> {
        let mut fields = self.fields(node, "a child run")?;
        let outcome = self.required(&mut fields, "outcome", "the word it ends with");
        let outcome = outcome.and_then(|node| self.text(node));
        let output = match fields.get("output") {
            Some(node) => self.data(node, "`output`").map(|data| data.it),
            None => Some(ValueTemplate::literal(Value::Object(Map::new()))),
        };
        let after = fields.get("after").map_or(Some(Duration::ZERO), |node| self.duration(node));
        self.finish(&fields, "a child run");
        Some(Child { outcome: outcome?, output: output?, after: after? })
    }

    fn timeline(&mut self, node: &'d Node) -> Vec<Moment> {
        let mut moments = Vec::new();
        for (key, node) in self.map(node, "`timeline`").unwrap_or_default() {
            let Some(after) = self.offset(&key.name, key.place) else { continue };
            let several = match &node.data {
                Data::List(items) => items.iter().collect(),
                Data::Map(_) | Data::Scalar(_) => vec![node],
            };
            for node in several {
                if let Some(happens) = self.happening(node) {
                    moments.push(Moment { after, place: key.place, happens });
                }
            }
        }
        moments.sort_by_key(|moment| moment.after);
        moments
    }

    fn happening(&mut self, node: &'d Node) -> Option<Happening> {
        let kinds = ["answer", "event", "cancel", "tools"];
        self.map(node, "what happens")?;
        let found: Vec<&str> = kinds.into_iter().filter(|kind| node.get(kind).is_some()).collect();
        match found.as_slice() {
            ["answer"] => self.given_answer(node).map(Happening::Answer),
            ["event"] => self.event_moment(node),
            ["cancel"] => {
                let mut fields = self.fields(node, "a cancel")?;
                let by = fields.get("cancel").and_then(|node| self.placed(node));
                let reason = fields.get("reason").map_or(Some(String::new()), |node| self.text(node));
                self.finish(&fields, "a cancel");
                Some(Happening::Cancel { by: by?, reason: reason? })
            }
            ["tools"] => {
                let mut fields = self.fields(node, "tools that change")?;
                let mocks = fields.get("tools").map(|node| self.mocks(node)).unwrap_or_default();
                self.finish(&fields, "tools that change");
                Some(Happening::Tools(mocks))
            }
            _ => {
                let fix = format!("write one of {}", kinds.join(", "));
                self.error("T002", node.place, "one thing happens at a time", fix);
                None
            }
        }
    }

    fn event_moment(&mut self, node: &'d Node) -> Option<Happening> {
        let event = node.get("event");
        let event = event.and_then(|node| Some(Placed::new(node.place, self.event_type(node)?)));
        let subject = match node.get("subject") {
            Some(node) => Some(self.text(node)?),
            None => None,
        };
        let mut data = self.template(node)?.raw().clone();
        if let Some(fields) = data.as_object_mut() {
            fields.remove("event");
            fields.remove("subject");
        }
        let data = NamedValues::written(node, ValueTemplate::parse(data).ok()?);
        Some(Happening::Event { event: event?, subject, data })
    }

    fn given_answer(&mut self, node: &'d Node) -> Option<GivenAnswer> {
        let mut fields = self.fields(node, "an answer")?;
        let gate = fields.get("answer").and_then(|node| self.placed(node));
        let by = self.required(&mut fields, "by", "the id of a person").and_then(|node| self.placed(node));
        let choose = fields.get("choose").map(|node| self.whole(node).map(Says::Choose));
        let edit = fields.get("edit").map(|node| self.template(node).map(Says::Edit));
        let reject = fields.get("reject").map(|node| self.text(node));
        let reason = match fields.get("reason") {
            Some(node) => Some(self.text(node)?),
            None => None,
        };
        let reason_code = fields.get("reason_code").and_then(|node| self.text(node));
        let filled = fields.get("fields").and_then(|node| self.template(node));
        let overrides = fields.get("override").and_then(|node| self.text(node));
        let items = fields.get("items").map(|node| self.items_said(node));
        let expect = fields.get("expect").map(|node| self.one_of(node, &[("refused", ())]));
        let because = fields.get("because").and_then(|node| self.text(node));
        if fields.has("because") && expect.is_none() {
            let fix = "add `expect: refused`, or remove `because`";
            self.error("T002", node.place, "`because` says why an answer is refused", fix);
        }
        self.finish(&fields, "an answer");
        let said: Vec<&str> =
            ["choose", "edit", "reject"].into_iter().filter(|word| fields.has(word)).collect();
        if said.len() > 1 {
            let message = format!("one answer says several things: {}", said.join(", "));
            self.error("T002", node.place, message, "keep one of them");
        }
        let (says, reason) = match (choose, edit, reject) {
            (Some(choice), ..) => (choice?, reason),
            (None, Some(edit), _) => (edit?, reason),
            (None, None, Some(why)) => (Says::Reject, Some(why?)),
            (None, None, None) => (Says::Yes, reason),
        };
        let refused = expect.map(|_| because);
        let (gate, by) = (gate?, by?);
        Some(GivenAnswer { gate, by, says, reason, reason_code, fields: filled, overrides, items, refused })
    }

    fn items_said(&mut self, node: &'d Node) -> Vec<ItemSaid> {
        let mut said = Vec::new();
        for node in self.list(node, "items").unwrap_or_default() {
            if let Some(scalar) = node.scalar() {
                let acknowledged = scalar.text == "ok";
                let note = (!acknowledged).then(|| scalar.text.clone());
                said.push(ItemSaid { acknowledged, note });
            } else {
                self.error("T002", node.place, "an item is answered with one text", "write `ok`, or a note");
            }
        }
        said
    }

    fn crash(&mut self, node: &'d Node) -> Option<Crash> {
        let text = self.text(node)?;
        let words: Vec<&str> = text.split_whitespace().collect();
        let tool = |name: &str| name.parse::<ToolName>().ok();
        let found = match words.as_slice() {
            ["every_write"] => Some(Crash::EveryWrite),
            ["before_call", name] => tool(name).map(Crash::BeforeCall),
            ["after_call", name] => tool(name).map(Crash::AfterCall),
            ["before_commit", step] => Some(Crash::BeforeCommit((*step).to_owned())),
            ["after_commit", step] => Some(Crash::AfterCommit((*step).to_owned())),
            _ => None,
        };
        if found.is_none() {
            let fix = "write `every_write`, `before_call` or `after_call` with a tool, or `before_commit` or \
                       `after_commit` with a step";
            self.error("T002", node.place, format!("`{text}` is not a place to crash at"), fix);
        }
        found
    }

    pub(super) fn offset_of_node(&mut self, node: &'d Node) -> Option<Duration> {
        let text = self.text(node)?;
        self.offset(&text, node.place)
    }

    fn offset(&mut self, text: &str, place: super::Place) -> Option<Duration> {
        let found = text.strip_prefix('+').and_then(duration::parse);
        if found.is_none() {
            let fix = "write how long after the start, like +3m or +1h30m";
            self.error("T002", place, format!("`{text}` is not a moment"), fix);
        }
        found
    }
}

/// Words that stand for themselves.
fn same<const N: usize>(words: [&'static str; N]) -> [(&'static str, &'static str); N] {
    words.map(|word| (word, word))
}
