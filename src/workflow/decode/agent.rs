//! An agent step: what a model is asked, may use, must return, and what stands in for it.

use super::{Decoder, Fields};
use crate::{
    tool::ToolName,
    workflow::{AgentLimits, AgentStep, source::Node},
};
use std::time::Duration;

/// What a limit is where the workflow sets others and leaves it out.
const LIMITS: AgentLimits = AgentLimits {
    turns: 8,
    time: Duration::from_secs(120),
    cost_usd: 0.5,
    tool_calls: 24,
    tokens: 200_000,
    llm_call: None,
    repairs: 1,
    same_call: 2,
    retries: 2,
    answer_tokens: 4_096,
};

impl<'d> Decoder<'d> {
    pub(super) fn agent(&mut self, fields: &mut Fields<'d>, kind: &'d Node) -> Option<AgentStep> {
        let prompt = self.file(kind);
        let tools = fields.get("tools").map(|node| self.tool_names(node)).unwrap_or_default();
        let with = fields.get("with");
        let with = self.arguments(with);
        let output =
            self.for_agent(fields, kind, "output", "the JSON Schema of the answer, like schemas/triage.json");
        let output = output.and_then(|node| self.file(node));
        let limits = self.for_agent(fields, kind, "limits", "`{ turns: 8, time: 90s, cost_usd: 0.50 }`");
        let limits = limits.and_then(|node| self.limits(node));
        let mask = fields.get("mask").map(|node| self.texts(node, "mask")).unwrap_or_default();
        let check = fields.get("check").map(|node| self.exprs(node)).unwrap_or_default();
        let fallback =
            self.for_agent(fields, kind, "fallback", "the answer to go on with when the model has none");
        let fallback = fallback.and_then(|node| self.template(node));
        Some(AgentStep {
            prompt: prompt?,
            tools,
            with: with?,
            output: output?,
            limits: limits?,
            mask: mask.into_iter().map(|(field, _)| field).collect(),
            check,
            fallback: fallback?,
        })
    }

    fn for_agent(
        &mut self,
        fields: &mut Fields<'d>,
        kind: &'d Node,
        name: &'static str,
        value: &str,
    ) -> Option<&'d Node> {
        let found = fields.get(name);
        if found.is_none() {
            let message = format!("this agent has no `{name}`");
            let fix = format!("add `{name}:` with {value}");
            self.missing(fields, name, ("T017", kind.place), message, fix);
        }
        found
    }

    fn limits(&mut self, node: &'d Node) -> Option<AgentLimits> {
        let mut fields = self.fields(node, "`limits`")?;
        let turns = fields.get("turns").map_or(Some(LIMITS.turns), |node| self.whole(node));
        let time = fields.get("time").map_or(Some(LIMITS.time), |node| self.duration(node));
        let cost_usd = fields.get("cost_usd").map_or(Some(LIMITS.cost_usd), |node| self.number(node));
        let tool_calls = fields.get("tool_calls").map_or(Some(LIMITS.tool_calls), |node| self.whole(node));
        let tokens = fields.get("tokens").map_or(Some(LIMITS.tokens), |node| self.whole(node));
        let llm_call =
            fields.get("llm_call").map_or(Some(LIMITS.llm_call), |node| self.duration(node).map(Some));
        let repairs = fields.get("repairs").map_or(Some(LIMITS.repairs), |node| self.whole(node));
        let same_call = fields.get("same_call").map_or(Some(LIMITS.same_call), |node| self.whole(node));
        let retries = fields.get("retries").map_or(Some(LIMITS.retries), |node| self.whole(node));
        let answer_tokens =
            fields.get("answer_tokens").map_or(Some(LIMITS.answer_tokens), |node| self.whole(node));
        self.finish(&fields, "`limits`");
        Some(AgentLimits {
            turns: turns?,
            time: time?,
            cost_usd: cost_usd?,
            tool_calls: tool_calls?,
            tokens: tokens?,
            llm_call: llm_call?,
            repairs: repairs?,
            same_call: same_call?,
            retries: retries?,
            answer_tokens: answer_tokens?,
        })
    }

    fn tool_names(&mut self, node: &'d Node) -> Vec<ToolName> {
        let items = self.list(node, "tools").unwrap_or_default();
        items.iter().filter_map(|item| self.tool_name(item)).collect()
    }

    pub(in crate::workflow) fn tool_name(&mut self, node: &'d Node) -> Option<ToolName> {
        let text = self.text(node)?;
        match text.parse() {
            Ok(name) => Some(name),
            Err(_) => {
                let message = format!("`{text}` is not a tool name");
                self.error("T009", node.place, message, "write `system.action`, like tickets.create");
                None
            }
        }
    }
}
