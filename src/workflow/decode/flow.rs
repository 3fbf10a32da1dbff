//! `flow:`, the limits and the order of a workflow's runs.

use super::{Decoder, Fields};
use crate::{
    expr::Expr,
    workflow::{Concurrency, Excess, Flow, Gather, Pace, Trigger, source::Node},
};
use std::time::Duration;

/// Most starts that a pace remembers, and how far back.
const STARTS_MAX: u32 = 1_000;
const WITHIN_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Most events of a batch: they are kept in one record of the run.
const SIZE_MAX: u32 = 500;

impl<'d> Decoder<'d> {
    pub(super) fn flow(&mut self, node: &'d Node, trigger: Option<&Trigger>) -> Flow {
        let Some(mut fields) = self.fields(node, "`flow`") else { return Flow::default() };
        let of_events = !matches!(trigger, Some(Trigger::Cron(_) | Trigger::Manual));
        for name in ["rate", "debounce", "batch"] {
            if let (Some(node), false) = (node.get(name), of_events) {
                let fix = "remove it, or let the workflow be triggered by `event:`; \
                           `throttle` and `concurrency` hold for every start";
                self.error(
                    "T025",
                    node.place,
                    format!("`{name}` is about events, and none starts this"),
                    fix,
                );
            }
        }
        let concurrency = fields.get("concurrency").and_then(|node| self.concurrency(node));
        let singleton = fields.get("singleton").and_then(|node| self.singleton(node));
        if let (Some(_), Some(node)) = (&concurrency, node.get("singleton")) {
            let fix = "keep one of them; `singleton` is a `concurrency` of 1 whose excess does not wait";
            self.error("T025", node.place, "`singleton` beside `concurrency`", fix);
        }
        let debounce = fields.get("debounce").and_then(|node| self.debounce(node));
        let batch = fields.get("batch").and_then(|node| self.batch(node));
        if let (Some(_), Some(node)) = (&debounce, node.get("batch")) {
            let fix = "keep one: `debounce` takes the last event, `batch` takes all";
            self.error("T025", node.place, "`batch` beside `debounce`", fix);
        }
        let flow = Flow {
            concurrency: concurrency.or(singleton),
            throttle: fields.get("throttle").and_then(|node| self.pace(node, "`throttle`")),
            rate: fields.get("rate").and_then(|node| self.pace(node, "`rate`")),
            gather: debounce.or(batch),
            priority: fields.get("priority").and_then(|node| self.expr(node)),
            fair: fields.get("fair").and_then(|node| self.expr(node)),
        };
        self.finish(&fields, "`flow`");
        flow
    }

    fn key(&mut self, fields: &mut Fields<'d>) -> Option<Expr> {
        fields.get("key").and_then(|node| self.expr(node))
    }

    fn concurrency(&mut self, node: &'d Node) -> Option<Concurrency> {
        let mut fields = self.fields(node, "`concurrency`")?;
        let key = self.key(&mut fields);
        let node = self.required(&mut fields, "limit", "a number like 2")?;
        let limit: Option<u32> = self.whole(node);
        if limit == Some(0) {
            self.error("T025", node.place, "a limit of 0 lets nothing in", "write 1 or more");
        }
        self.finish(&fields, "`concurrency`");
        Some(Concurrency { key, limit: limit?.min(i32::MAX.unsigned_abs()), excess: Excess::Wait })
    }

    fn singleton(&mut self, node: &'d Node) -> Option<Concurrency> {
        let mut fields = self.fields(node, "`singleton`")?;
        let key = self.key(&mut fields);
        let words = [("skip", Excess::Skip), ("cancel_other", Excess::CancelOther)];
        let excess = self.required(&mut fields, "then", "skip or cancel_other")?;
        let excess = self.one_of(excess, &words);
        self.finish(&fields, "`singleton`");
        Some(Concurrency { key, limit: 1, excess: excess? })
    }

    fn pace(&mut self, node: &'d Node, what: &'static str) -> Option<Pace> {
        let mut fields = self.fields(node, what)?;
        let key = self.key(&mut fields);
        let node = self.required(&mut fields, "limit", "a rate like `10 per 1m`")?;
        let limit = self.rate("T025", node);
        if limit.is_some_and(|limit| limit.count > STARTS_MAX || limit.within > WITHIN_MAX) {
            let fix = format!("write up to {STARTS_MAX}, in a time of up to 7d");
            self.error("T025", node.place, "the last starts are counted one by one: this is too many", fix);
        }
        self.finish(&fields, what);
        Some(Pace { key, limit: limit? })
    }

    fn debounce(&mut self, node: &'d Node) -> Option<Gather> {
        let mut fields = self.fields(node, "`debounce`")?;
        let key = self.key(&mut fields);
        let wait = self.required(&mut fields, "wait", "a time like 30s").and_then(|n| self.duration(n));
        let at_most = self.required(&mut fields, "at_most", "the longest wait, like 5m");
        let (wait, longest) = (wait, at_most.and_then(|node| self.duration(node)));
        if let (Some(wait), Some(longest), Some(node)) = (wait, longest, at_most)
            && longest < wait
        {
            let fix = "`wait` is the quiet after the last event, `at_most` the time since the first";
            self.error("T025", node.place, "`at_most` is shorter than `wait`", fix);
        }
        self.finish(&fields, "`debounce`");
        Some(Gather::Debounce { key, wait: wait?, at_most: longest? })
    }

    fn batch(&mut self, node: &'d Node) -> Option<Gather> {
        let mut fields = self.fields(node, "`batch`")?;
        let key = self.key(&mut fields);
        let within = self.required(&mut fields, "within", "a time like 5m").and_then(|n| self.duration(n));
        let node = self.required(&mut fields, "size", "a number like 50")?;
        let size: Option<u32> = self.whole(node);
        if size.is_some_and(|size| !(2..=SIZE_MAX).contains(&size)) {
            let fix = format!("write a number from 2 to {SIZE_MAX}");
            self.error("T025", node.place, "no size for a batch", fix);
        }
        self.finish(&fields, "`batch`");
        Some(Gather::Batch { key, size: size?, within: within? })
    }
}
