//! What starts a workflow: events, a cron schedule, or a person.

use super::Decoder;
use crate::workflow::{
    EventPattern, EventTrigger, Trigger,
    source::{Data, Node},
};

impl<'d> Decoder<'d> {
    pub(super) fn trigger(&mut self, node: &'d Node) -> Option<Trigger> {
        if let Data::Scalar(_) = &node.data {
            return self.one_of(node, &[("manual", ())]).map(|()| Trigger::Manual);
        }
        let mut fields = self.fields(node, "a trigger")?;
        if fields.has("cron") {
            return self.cron(&mut fields).map(Trigger::Cron);
        }
        let patterns = match (fields.get("event"), fields.get("any")) {
            (Some(event), None) => vec![EventPattern { event: self.event_type(event)?, condition: None }],
            (None, Some(any)) => self.patterns(any),
            (event, _) => {
                let (at, message) = (("T020", node.place), "a trigger needs one thing that starts it");
                let fix = "write one of `event:`, `any:`, `cron:`, or `trigger: manual`";
                match event {
                    Some(_) => self.error(at.0, at.1, message, fix),
                    None => {
                        self.missing(&mut fields, "event", at, message, fix);
                        fields.or_missing("any");
                    }
                }
                Vec::new()
            }
        };
        let condition = fields.get("where").and_then(|node| self.expr(node));
        let hold = fields.get("hold").and_then(|node| self.duration(node));
        let key = fields.get("key").and_then(|node| self.expr(node));
        let flood = fields.get("flood").and_then(|node| self.rate("T020", node));
        if let (Some(node), false) = (fields.node.get("hold"), fields.has("where")) {
            let fix = "add `where:`, the condition that must hold all the time";
            self.error("T020", node.place, "`hold` without `where` has nothing to hold", fix);
        }
        self.finish(&fields, "an event trigger");
        (!patterns.is_empty()).then_some(Trigger::Events(EventTrigger {
            patterns,
            condition,
            hold,
            key,
            flood,
        }))
    }

    fn patterns(&mut self, any: &'d Node) -> Vec<EventPattern> {
        let items = self.list(any, "any").unwrap_or_default();
        if items.is_empty() {
            self.error("T020", any.place, "`any` is empty", "list at least one `event:`");
        }
        let mut patterns = Vec::new();
        for item in items {
            let Some(mut fields) = self.fields(item, "an event of `any`") else { continue };
            let event = self.required(&mut fields, "event", "a type like machine.stopped");
            let event = event.and_then(|node| self.event_type(node));
            let condition = fields.get("where").and_then(|node| self.expr(node));
            self.finish(&fields, "an event of `any`");
            patterns.extend(event.map(|event| EventPattern { event, condition }));
        }
        patterns
    }

    pub(super) fn event_type(&mut self, node: &'d Node) -> Option<String> {
        let event = self.text(node)?;
        let word = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if event.contains('.') && event.split('.').all(word) {
            return Some(event);
        }
        let message = format!("`{event}` is not an event type");
        self.error("T020", node.place, message, "write `source.what_happened`, like erp.goods_receipt");
        None
    }
}
