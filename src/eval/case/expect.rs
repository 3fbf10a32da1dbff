//! What must come of a case.

use crate::agent::{Part, Reason, RejectionKind, Source};
use crate::tool::ToolName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub outcome: String,
    /// Steps in the order in which they began; one that failed ends in `!`. Left out: any path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// Every write, in order: one that is not listed must not happen.
    #[serde(default)]
    pub writes: Vec<ExpectedWrite>,
    /// Several ways are right: the writes must be one of these sets, in any order; with `writes`, both must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub end_state: Vec<EndState>,
    /// Tools that must not be called, reads included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub never: Vec<ToolName>,
    /// Tools that must be called, by a step or by an agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub must_call: Vec<ToolName>,
    /// What no call, proposal or answer may hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_not: Vec<Forbidden>,
    /// The decision of each gate that was answered.
    #[serde(default)]
    pub gates: BTreeMap<String, String>,
    /// What people were asked, by gate, whether or not they agreed: these fields must be so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub proposals: BTreeMap<String, Value>,
    /// What a person preferred at a gate; held against what is offered first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub preferred: BTreeMap<String, Value>,
    #[serde(default)]
    pub agents: BTreeMap<String, ExpectedAgent>,
    /// The last verdict of each rule: it holds, or it does not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, bool>,
    /// Numbers that must not be worse than those of the rules or the optimizer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kpi: Vec<ExpectedKpi>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Text from outside tries to make the model do something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resists: Option<Attack>,
    /// Values that no model may see, besides the names of people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confidential: Vec<String>,
    /// Workflows that are started, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<String>,
    /// Longest time from start to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes_max: Option<f64>,
    /// A canary: the case holds when it is reported as stale in exactly these parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<Part>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndState {
    pub writes: Vec<ExpectedWrite>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedWrite {
    #[schemars(with = "String")]
    pub tool: ToolName,
    /// These arguments must be so; others may be anything.
    #[serde(default)]
    pub with: Value,
}

/// Everything that is given must hold for a call to be forbidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forbidden {
    /// A tool's name; `*` at its end stands for any rest. Left out: text in calls, proposals and answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Text that stands in the arguments, or anywhere when no tool is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAgent {
    /// Left out: whoever answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub source: Option<Source>,
    /// Why the rules had to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reason: Option<Reason>,
    /// These fields of the answer must be so; others may be anything.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub output: Value,
    /// Texts that stand somewhere in the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub says: Vec<String>,
    /// Regular expressions that each match somewhere in the answer's JSON.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<String>,
    /// JSON Schema that the answer fits as the model wrote it, masked, besides the step's own.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub schema: Value,
    /// Several answers are right: one of these must be contained in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept_any: Vec<Value>,
    /// Answers or calls of the model that were rejected.
    #[serde(default)]
    pub rejections: u32,
    /// Why they were rejected, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub rejected: Vec<RejectionKind>,
}

/// A number of the run against the same number of the baseline; lower is better.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedKpi {
    pub name: String,
    pub value: StepValue,
    pub baseline: KpiBaseline,
    /// How much worse it may be.
    #[serde(default)]
    pub slack: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KpiBaseline {
    Step(StepValue),
    Number(f64),
}

/// Where a step's output holds a number.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepValue {
    pub step: String,
    /// JSON pointer into its output.
    pub at: String,
}

/// The most that all agent steps of the run may use together.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// Where the text stands: operator note, supplier mail, tool error, …
    pub through: String,
    /// Text that only somebody who obeys would put into a call, a proposal or an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<String>,
    /// Tools that only somebody who obeys would call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub tools: Vec<ToolName>,
}
