//! Whether an agent step kept to its limits. Counted anew from its entries: what the loop itself charged is not asked.
//! A server may report more than it was asked for; then nothing may follow.

use crate::agent::{Entry, Limits, ModelProfile, RejectionKind, Reserve, Source, Usage};
use crate::tool::ToolName;
use serde_json::Value;

/// Rounding of sums of money.
const USD_ROUNDING: f64 = 1e-9;

#[derive(Debug, Default)]
pub(super) struct Kept {
    limits: Limits,
    models: Vec<ModelProfile>,
    model: usize,
    reserve: Reserve,
    /// The most tokens that the last request may take: those of its bytes, and those that it asked for.
    asked: Usage,
    turns: u32,
    calls: Vec<(ToolName, Value)>,
    repairs: u32,
    tokens: u64,
    cost_usd: f64,
    over: Vec<String>,
}

impl Kept {
    pub(super) fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::Started { limits, models, .. } => {
                self.limits = *limits;
                self.models.clone_from(models);
            }
            Entry::Requested { model, request, reserve, .. } => {
                (self.model, self.reserve) = (*model, *reserve);
                self.goes_on("a model was asked");
                self.requested(request);
            }
            Entry::Responded { turn, body, .. } => {
                self.turns = self.turns.max(*turn);
                if let Some(usage) = body.read().usage {
                    self.responded(usage);
                }
            }
            // What was lost on the way may have been answered and billed.
            Entry::Failed { class, status, .. } if class.may_cost(*status) => {
                let lost = self.reserve.input_tokens.saturating_add(self.reserve.output_tokens);
                self.tokens = self.tokens.saturating_add(lost);
                self.cost_usd += self.reserve.cost_usd;
            }
            Entry::Rejected { rejection, .. } => {
                let is_repaired =
                    !matches!(rejection.kind, RejectionKind::Refused | RejectionKind::Truncated);
                self.repairs += u32::from(is_repaired);
            }
            Entry::ToolRequested { tool, args, .. } => {
                self.goes_on("a tool was called");
                self.calls.push((tool.clone(), args.clone()));
            }
            Entry::Finished { source, .. } if *source != Source::Rules => self.goes_on("an answer was taken"),
            _ => {}
        }
    }

    fn requested(&mut self, request: &Value) {
        let most = |field: &str| request.get(field).and_then(Value::as_u64);
        let output = most("max_completion_tokens").or_else(|| most("max_tokens")).unwrap_or(0);
        self.asked = Usage { input_tokens: request.to_string().len() as u64, output_tokens: output };
        let (tokens, cost_usd) = (self.tokens, self.cost_usd);
        if tokens.saturating_add(output) > self.limits.tokens {
            let most = self.limits.tokens;
            self.over.push(format!("{output} tokens were asked for when {tokens} of {most} were used"));
        }
        if cost_usd + self.cost(0, output) > self.limits.cost_usd + USD_ROUNDING {
            let most = self.limits.cost_usd;
            self.over.push(format!(
                "{output} tokens were asked for when {cost_usd:.4} of {most:.4} USD were used"
            ));
        }
    }

    fn responded(&mut self, usage: Usage) {
        self.tokens = self.tokens.saturating_add(usage.total());
        self.cost_usd += self.cost(usage.input_tokens, usage.output_tokens);
        let asked = self.asked;
        let could_be_known =
            usage.input_tokens <= asked.input_tokens && usage.output_tokens <= asked.output_tokens;
        if could_be_known && self.tokens > self.limits.tokens {
            self.over.push(format!("{} tokens of {}", self.tokens, self.limits.tokens));
        }
        if could_be_known && self.cost_usd > self.limits.cost_usd + USD_ROUNDING {
            self.over.push(format!("{:.4} USD of {:.4}", self.cost_usd, self.limits.cost_usd));
        }
    }

    fn goes_on(&mut self, what: &str) {
        if self.repairs > self.limits.repairs {
            self.over.push(format!("{what} after {} rejections of {}", self.repairs, self.limits.repairs));
        }
    }

    fn cost(&self, input: u64, output: u64) -> f64 {
        let price = self.models.get(self.model).map(|m| (m.usd_per_million_input, m.usd_per_million_output));
        price.map_or(0.0, |(per_input, per_output)| {
            (input as f64 * per_input + output as f64 * per_output) / 1e6
        })
    }

    pub(super) fn problems(&self) -> Vec<String> {
        let mut over = Vec::new();
        let calls = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        if self.turns > self.limits.turns {
            over.push(format!("{} turns of {}", self.turns, self.limits.turns));
        }
        if calls > self.limits.tool_calls {
            over.push(format!("{calls} tool calls of {}", self.limits.tool_calls));
        }
        for (n, call) in self.calls.iter().enumerate() {
            let same = self.calls[..=n].iter().filter(|earlier| *earlier == call).count();
            // Told once, where the limit was passed.
            if same as u64 == u64::from(self.limits.same_call) + 1 {
                let most = self.limits.same_call;
                over.push(format!("{} was called with the same arguments more than {most} times", call.0));
            }
        }
        over.extend(self.over.iter().cloned());
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept(limits: Value, entries: &[Value]) -> Vec<String> {
        let mut all = serde_json::to_value(Limits::default()).unwrap();
        all.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        let started = json!({"type": "started", "at": "2026-11-23T12:00:00Z", "prompt_sha": "p", "toolset_sha": "t",
            "schema_sha": "s", "tools": [], "withheld": [], "limits": all,
            "models": [{"endpoint": "e", "model": "m", "authored": false, "usd_per_million_input": 1.0,
                "usd_per_million_output": 10.0}]});
        let mut kept = Kept::default();
        for entry in std::iter::once(&started).chain(entries) {
            kept.add(&serde_json::from_value(entry.clone()).unwrap());
        }
        kept.problems()
    }

    fn requested(answer_tokens: u64) -> Value {
        json!({"type": "requested", "at": "2026-11-23T12:00:00Z", "turn": 1, "attempt": 1, "model": 0,
            "request_sha": "x", "request": {"messages": "x".repeat(900), "max_completion_tokens": answer_tokens},
            "reserve": {"input_tokens": 900, "output_tokens": answer_tokens, "cost_usd": 0.2}})
    }

    fn responded(input: u64, output: u64) -> Value {
        let body = json!({"usage": {"prompt_tokens": input, "completion_tokens": output}}).to_string();
        json!({"type": "responded", "at": "2026-11-23T12:00:01Z", "turn": 1, "attempt": 1, "status": 200, "ms": 1,
            "body": body})
    }

    fn rejected(kind: &str) -> Value {
        json!({"type": "rejected", "turn": 1, "rejection": {"kind": kind, "index": null, "message": "no"}})
    }

    fn called(asset: &str) -> Value {
        json!({"type": "tool_requested", "turn": 1, "index": 0, "call_key": "01939d4e-0000-5000-8000-000000000001",
            "tool": "cmms.asset_history", "version": 1, "args": {"asset": asset, "days": 7}})
    }

    #[test]
    fn tokens_and_money_that_could_be_known_pass_no_limit() {
        let one = [requested(500), responded(800, 400)];
        assert_eq!(kept(json!({"tokens": 1_300, "cost_usd": 0.01}), &one), Vec::<String>::new());
        assert_eq!(kept(json!({"tokens": 1_000}), &one), ["1200 tokens of 1000"]);
        assert_eq!(kept(json!({"cost_usd": 0.002}), &one)[1..], ["0.0048 USD of 0.0020"]);
        let two = [&one[..], &[requested(500)]].concat();
        let asked = "500 tokens were asked for when 1200 of 1600 were used";
        assert_eq!(kept(json!({"tokens": 1_600}), &two), [asked]);
        let asked = "500 tokens were asked for when 0.0048 of 0.0090 USD were used";
        assert_eq!(kept(json!({"cost_usd": 0.009}), &two), [asked]);
    }

    /// It is believed, so that nothing may follow it; that it said so is nobody else's doing.
    #[test]
    fn a_server_that_reports_too_much_ends_the_step() {
        let lied = [requested(500), responded(800, 5_000_000)];
        assert_eq!(kept(json!({}), &lied), Vec::<String>::new());
        let went_on = kept(json!({}), &[&lied[..], &[requested(500)]].concat());
        assert_eq!(went_on.len(), 2, "{went_on:?}");
    }

    #[test]
    fn an_attempt_that_was_lost_counts_as_it_was_reserved() {
        let lost = json!({"type": "failed", "at": "2026-11-23T12:00:00Z", "turn": 1, "attempt": 1, "class": "lost",
            "status": null, "retry_after_ms": null, "message": "gone"});
        let found = kept(json!({"tokens": 1_800}), &[requested(500), lost, requested(500)]);
        assert_eq!(found, ["500 tokens were asked for when 1400 of 1800 were used"]);
    }

    #[test]
    fn the_same_call_again_and_again_is_over_its_limit() {
        let twice = [called("EQ-4"), called("EQ-5"), called("EQ-4")];
        assert_eq!(kept(json!({"same_call": 2}), &twice), Vec::<String>::new());
        let over = ["cmms.asset_history was called with the same arguments more than 1 times"];
        assert_eq!(kept(json!({"same_call": 1}), &twice), over);
    }

    #[test]
    fn nothing_follows_the_last_repair() {
        let two = [requested(500), rejected("invalid_output"), requested(500), rejected("ungrounded")];
        assert_eq!(kept(json!({"repairs": 1}), &two), Vec::<String>::new());
        assert_eq!(kept(json!({"repairs": 0}), &two), ["a model was asked after 1 rejections of 0"]);
        let other = [rejected("refused"), rejected("truncated"), requested(500)];
        assert_eq!(kept(json!({"repairs": 0}), &other), Vec::<String>::new());
        let finished = |source: &str| json!({"type": "finished", "at": "2026-11-23T12:00:02Z", "source": source, "output": {}, "why": null});
        let taken = |source: &str| kept(json!({"repairs": 1}), &[&two[..], &[finished(source)]].concat());
        assert_eq!(taken("model"), ["an answer was taken after 2 rejections of 1"]);
        assert_eq!(taken("rules"), Vec::<String>::new());
    }
}
