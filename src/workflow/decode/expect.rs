//! What a test's case expects, each part at its place.

use super::Decoder;
use crate::tool::ToolName;
use crate::workflow::{
    cases::{Calls, Escalation, Expectation, Placed, SlaWord},
    duration,
    source::{Data, Key, Node},
};

impl<'d> Decoder<'d> {
    pub(super) fn expectations(&mut self, node: &'d Node) -> Vec<Placed<Expectation>> {
        let Some(mut fields) = self.fields(node, "`expect`") else { return Vec::new() };
        let mut found = Vec::new();
        if let Some(node) = fields.get("outcome")
            && let Some(outcome) = self.text(node)
        {
            found.push(Placed::new(node.place, Expectation::Outcome(outcome)));
        }
        if let Some(node) = fields.get("runs")
            && let Some(runs) = self.whole(node)
        {
            found.push(Placed::new(node.place, Expectation::Runs(runs)));
        }
        for (word, make) in LISTS {
            let node = fields.get(word);
            found.extend(
                node.into_iter()
                    .flat_map(|node| self.names(node, word))
                    .map(|name| Placed { place: name.place, it: make(name.it) }),
            );
        }
        for (key, node) in self.entries(fields.get("step"), "`step`") {
            if self.map(node, "what a step put out").is_some()
                && let Some(output) = self.template(node)
            {
                found.push(Placed::new(key.place, Expectation::Step { step: key.name.clone(), output }));
            }
        }
        self.called(&mut fields, &mut found);
        for (key, node) in self.entries(fields.get("sla"), "`sla`") {
            if let Some(is) = self.one_of(node, &SlaWord::WORDS) {
                found.push(Placed::new(key.place, Expectation::Sla { step: key.name.clone(), is }));
            }
        }
        if let Some(node) = fields.get("escalations") {
            let listed = self.texts(node, "escalations");
            let escalations = listed.iter().filter_map(|(text, place)| self.escalation(text, *place));
            let escalations = escalations.collect();
            found.push(Placed::new(node.place, Expectation::Escalations(escalations)));
        }
        for (key, node) in self.entries(fields.get("minutes"), "`minutes`") {
            if let Some(minutes) = self.whole(node) {
                found.push(Placed::new(key.place, Expectation::Minutes { step: key.name.clone(), minutes }));
            }
        }
        for (key, node) in self.entries(fields.get("told"), "`told`") {
            if let Some(says) = self.text(node) {
                let told = Expectation::Told { role: key.name.clone(), says: Some(says) };
                found.push(Placed::new(key.place, told));
            }
        }
        if let Some(node) = fields.get("failure") {
            found.extend(self.failure(node).map(|failure| Placed::new(node.place, failure)));
        }
        if let Some(node) = fields.get("check") {
            for (expr, place) in self.checks(node) {
                found.push(Placed::new(place, Expectation::Holds(expr)));
            }
        }
        self.finish(&fields, "`expect`");
        self.says_nothing(node);
        if found.is_empty() && matches!(&node.data, Data::Map(entries) if entries.is_empty()) {
            let fix = "say what must be true, like `outcome: done`";
            self.error("T002", node.place, "a case that expects nothing cannot fail", fix);
        }
        found
    }

    /// `reached: []` holds whatever happens; only `escalations: []` says that there were none.
    fn says_nothing(&mut self, node: &'d Node) {
        let Data::Map(entries) = &node.data else { return };
        for (key, node) in entries.iter().filter(|(key, _)| key.name != "escalations") {
            let is_empty = match &node.data {
                Data::Map(entries) => entries.is_empty(),
                Data::List(items) => items.is_empty(),
                Data::Scalar(_) => false,
            };
            if is_empty {
                let fix = "say what must be true, or remove it";
                self.error("T002", node.place, format!("`{}` expects nothing", key.name), fix);
            }
        }
    }

    fn entries(&mut self, node: Option<&'d Node>, what: &str) -> &'d [(Key, Node)] {
        node.and_then(|node| self.map(node, what)).unwrap_or_default()
    }

    /// One name, or a list of them.
    fn names(&mut self, node: &'d Node, what: &str) -> Vec<Placed<String>> {
        let texts = match &node.data {
            Data::Scalar(_) => self.text(node).map(|text| (text, node.place)).into_iter().collect(),
            Data::Map(_) | Data::List(_) => self.texts(node, what),
        };
        texts.into_iter().map(|(text, place)| Placed::new(place, text)).collect()
    }

    fn called(&mut self, fields: &mut super::Fields<'d>, found: &mut Vec<Placed<Expectation>>) {
        for (key, node) in self.entries(fields.get("calls"), "`calls`") {
            let Ok(tool) = key.name.parse::<ToolName>() else {
                let message = format!("`{}` is not a tool name", key.name);
                self.error("T009", key.place, message, "write `system.action`, like tickets.create");
                continue;
            };
            if let Some(wanted) = self.wanted_calls(node) {
                found.push(Placed::new(key.place, Expectation::Calls { tool, wanted }));
            }
        }
        for (key, node) in self.entries(fields.get("children"), "`children`") {
            if let Some(wanted) = self.wanted_calls(node) {
                let workflow = key.name.clone();
                found.push(Placed::new(key.place, Expectation::Children { workflow, wanted }));
            }
        }
    }

    /// A number of times, or more about them.
    fn wanted_calls(&mut self, node: &'d Node) -> Option<Calls> {
        if let Data::Scalar(_) = &node.data {
            return Some(Calls { times: Some(self.whole(node)?), ..Calls::default() });
        }
        let mut fields = self.fields(node, "expected calls")?;
        let times = fields.get("times").and_then(|node| self.whole(node));
        let with = fields.get("with").and_then(|node| {
            self.map(node, "`with`")?;
            self.template(node)
        });
        let effects = fields.get("effects").and_then(|node| self.whole(node));
        let same_idempotency_key = fields.get("same_idempotency_key").and_then(|node| self.boolean(node));
        self.finish(&fields, "expected calls");
        Some(Calls { times, with, effects, same_idempotency_key })
    }

    fn escalation(&mut self, text: &str, place: super::Place) -> Option<Placed<Escalation>> {
        let (rung, at) = match text.split_once('@') {
            Some((rung, at)) => (rung.trim(), Some(at.trim())),
            None => (text.trim(), None),
        };
        let parsed = rung.split_once('/').and_then(|(ladder, rung)| Some((ladder, rung.parse().ok()?)));
        let at = match at {
            Some(at) => at.strip_prefix('+').and_then(duration::parse).map(Some),
            None => Some(None),
        };
        let (Some((ladder, rung)), Some(at)) = (parsed, at) else {
            let fix = "write ladder, rung and time, like `maintenance_ladder/1 @ +5m`";
            self.error("T002", place, format!("`{text}` is not an escalation"), fix);
            return None;
        };
        Some(Placed::new(place, Escalation { ladder: ladder.to_owned(), rung, at }))
    }

    fn failure(&mut self, node: &'d Node) -> Option<Expectation> {
        let mut fields = self.fields(node, "a failure")?;
        let step = fields.get("step").and_then(|node| self.text(node));
        let class = fields.get("class").and_then(|node| self.text(node));
        let message = fields.get("message").and_then(|node| self.text(node));
        self.finish(&fields, "a failure");
        Some(Expectation::Failure { step, class, message })
    }

    fn checks(&mut self, node: &'d Node) -> Vec<(crate::expr::Expr, super::Place)> {
        match &node.data {
            Data::List(items) => {
                items.iter().filter_map(|item| Some((self.expr(item)?, item.place))).collect()
            }
            Data::Map(_) | Data::Scalar(_) => {
                self.expr(node).map(|expr| (expr, node.place)).into_iter().collect()
            }
        }
    }
}

type Make = fn(String) -> Expectation;

/// Expectations that are a name or a list of names.
const LISTS: [(&str, Make); 4] = [
    ("waiting_for", Expectation::WaitingFor),
    ("reached", Expectation::Reached),
    ("not_reached", Expectation::NotReached),
    ("not_told", |role| Expectation::Told { role, says: None }),
];
