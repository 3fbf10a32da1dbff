//! What starts a workflow: events, a cron schedule, or a person.

use super::{Decoder, Fields};
use crate::workflow::{
    CatchUp, CronTrigger, EventPattern, EventTrigger, Overlap, Trigger, cron_fields,
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
            _ => {
                let fix = "write one of `event:`, `any:`, `cron:`, or `trigger: manual`";
                self.error("T020", node.place, "a trigger needs one thing that starts it", fix);
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

    fn cron(&mut self, fields: &mut Fields<'d>) -> Option<CronTrigger> {
        let node = fields.get("cron")?;
        let cron = self.text(node).filter(|cron| match cron_fields::check(cron) {
            Ok(()) => true,
            Err(message) => {
                self.error(
                    "T020",
                    node.place,
                    message,
                    "five fields: minute hour day month weekday, like `0 6 * * 1-5`",
                );
                false
            }
        });
        let time_zone = match fields.get("time_zone") {
            Some(node) => self.text(node).and_then(|name| match name.parse::<chrono_tz::Tz>() {
                Ok(zone) => Some(zone),
                Err(_) => {
                    let message = format!("`{name}` is not a time zone");
                    self.error("T020", node.place, message, "write an IANA name like America/Chicago");
                    None
                }
            }),
            None => {
                let fix = "add `time_zone:` with an IANA name like America/Chicago";
                self.error("T020", node.place, "a schedule needs a time zone", fix);
                None
            }
        };
        let catch_up = fields.get("catch_up").map_or(Some(CatchUp::default()), |node| {
            self.one_of(node, &[("none", CatchUp::None), ("last", CatchUp::Last), ("all", CatchUp::All)])
        });
        let overlap = fields.get("overlap").map_or(Some(Overlap::default()), |node| {
            self.one_of(node, &[("skip", Overlap::Skip), ("allow_all", Overlap::AllowAll)])
        });
        self.finish(fields, "a cron trigger");
        Some(CronTrigger { cron: cron?, time_zone: time_zone?, catch_up: catch_up?, overlap: overlap? })
    }
}
