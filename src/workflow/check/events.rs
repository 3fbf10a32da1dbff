//! T020: events that are described, conditions that look at them, and keys for those that repeat.

use super::Checker;
use crate::{
    expr::{Expr, Type, Types},
    workflow::{EventTrigger, Place, source::Node, suggest},
};

/// What no two events have in common.
const OWN_TO_EACH: [[&str; 2]; 2] = [["event", "id"], ["event", "time"]];

impl<'c> Checker<'c> {
    /// `key_type` is what the trigger's key comes to.
    pub(super) fn event_trigger(
        &mut self,
        trigger: &'c EventTrigger,
        key_type: &Type,
        node: Option<&'c Node>,
    ) {
        let at = |path: &str| node.and_then(|node| node.at(path));
        let mut repeats = false;
        for (index, pattern) in trigger.patterns.iter().enumerate() {
            let own = at(&format!("/any/{index}/event")).or(at("/event"));
            self.known_event(&pattern.event, own);
            repeats |= self.events.get(&pattern.event).is_some_and(|kind| kind.repeats);
            if let Some(condition) = &pattern.condition {
                self.looks_at_event(condition, at(&format!("/any/{index}/where")));
            }
        }
        if let Some(condition) = &trigger.condition {
            self.looks_at_event(condition, at("/where"));
        }
        if self.definition.workflow.flow.gather.is_some() || !repeats {
            return;
        }
        match &trigger.key {
            None => {
                let place = node.map_or(Place::default(), |node| node.place);
                let message = "this event comes more than once for the same thing, and each starts a run";
                let fix =
                    "add `key:` with what it is about, like event.work_center: later events join the run";
                self.error("T020", place, message, fix);
            }
            Some(key) => self.joins(key, key_type, at("/key")),
        }
    }

    /// Of events that repeat, those about one thing have the same key, and those about another have another.
    fn joins(&mut self, key: &Expr, kind: &Type, node: Option<&Node>) {
        let is_own = |part: &Vec<String>| OWN_TO_EACH.iter().any(|own| part == own);
        let message = if key.joined().iter().any(is_own) {
            "every event has another id and another time, so that each of them starts a run of its own"
        } else if *kind == Type::Bool {
            "a key that is true or false lets two runs be open at once, whatever the event is about"
        } else {
            return;
        };
        let place = node.map_or(Place::default(), |node| node.place);
        let fix = "name what the event is about, like event.work_center: later events join the run";
        self.warn("T020", place, message.to_owned(), fix.to_owned());
    }

    /// An event that the site describes, where it describes any.
    pub(super) fn known_event(&mut self, kind: &str, node: Option<&Node>) {
        let is_there = self.events.get(kind).is_some() || self.events.is_broken(kind);
        if is_there || self.events.names().next().is_none() {
            return;
        }
        let place = node.map_or(Place::default(), |node| node.place);
        let fix = match suggest::closest(kind, self.events.names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("correct it, or describe its data in events/{kind}.json"),
        };
        self.error("T020", place, format!("there is no event `{kind}`"), fix);
    }

    /// A condition on an event that does not read it is always true, or never.
    pub(super) fn looks_at_event(&mut self, condition: &Expr, node: Option<&Node>) {
        // One that never changes has its own finding.
        if condition.roots().iter().any(|name| name == "event") || condition.constant(&Types::new()).is_some()
        {
            return;
        }
        let place = node.map_or(Place::default(), |node| node.place);
        let message = "this condition does not look at the event: it is the same for every one";
        self.error("T020", place, message, "compare a field of it: event.status == 'DOWN'");
    }

    /// A key that reads nothing is the same for every event, so that all of them join one run.
    pub(super) fn tells_apart(&mut self, key: &Expr, node: Option<&Node>) {
        if let (Some(node), true) = (node, key.roots().is_empty()) {
            let message = "this key does not look at the event: it is the same for every one";
            self.error("T020", node.place, message, "name what the event is about: event.work_center");
        }
    }

    /// A key is one value that tells things apart.
    pub(super) fn key(&mut self, key: &Expr, node: Option<&'c Node>, types: &Types) -> Type {
        let kind = self.expr(key, node, types);
        if let (Some(node), true) = (node, matches!(kind, Type::List(_) | Type::Object(_) | Type::Null)) {
            let fix = "make it a text or a number, like event.work_center";
            self.error("T007", node.place, format!("a key is one value, this is {kind}"), fix);
        }
        kind
    }
}
