//! Whether what a step is about to write was answered for: by the last question on the way to it, which was
//! answered with a yes, and whose proposal would still read the same.

use super::gate::ask::Proposal;
use crate::{
    engine::StepContext,
    expr::Scope,
    run::{Approval, StepPath, scope_time},
    tool::ToolName,
};
use serde_json::Value;

/// Why nothing may be written; `sentence` is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    NobodyAsked,
    NotAnswered(StepPath),
    Rejected { gate: StepPath, decision: String },
    Changed(StepPath),
    Unreadable { gate: StepPath, problem: String },
}

impl Refused {
    pub(super) fn sentence(&self, tool: &ToolName) -> String {
        match self {
            Self::NobodyAsked => format!("`{tool}` writes, and nobody was asked before it"),
            Self::NotAnswered(gate) => format!("`{tool}` writes, and nobody has answered `{gate}`"),
            Self::Rejected { gate, decision } => {
                format!("`{tool}` writes, and the answer to `{gate}` was `{decision}`")
            }
            Self::Changed(gate) => format!(
                "`{tool}` writes, and what was approved at `{gate}` has changed since: rerun the run from `{gate}`"
            ),
            Self::Unreadable { gate, problem } => {
                format!("`{tool}` writes, and it cannot be told what was approved at `{gate}`: {problem}")
            }
        }
    }
}

/// `Ok` when somebody answers for what this step writes.
pub(super) fn of(context: &StepContext) -> Result<(), Refused> {
    let Some(approval) = &context.approval else {
        // A child run stands under the answer its parent was given.
        return if context.start.approved { Ok(()) } else { Err(Refused::NobodyAsked) };
    };
    let gate = approval.gate.clone();
    match approval.decision() {
        None => return Err(Refused::NotAnswered(gate)),
        Some(decision) if !approval.is_positive() => {
            return Err(Refused::Rejected { gate, decision: decision.to_owned() });
        }
        Some(_) => {}
    }
    let mut scope: Scope = (*context.scope).clone();
    scope.insert("now".into(), scope_time(approval.asked_at));
    let now = Proposal::of(&approval.step, &gate, context, &scope)
        .map_err(|problem| Refused::Unreadable { gate: gate.clone(), problem })?;
    if is_unchanged(approval, &now) { Ok(()) } else { Err(Refused::Changed(gate)) }
}

fn is_unchanged(approval: &Approval, now: &Proposal) -> bool {
    let draft = now.draft.clone().unwrap_or_default();
    let options = Value::Array(now.options.clone());
    let Some(asked) = &approval.asked else {
        // Nobody was shown anything: an `auto_if` took the first option and the draft as it was.
        let first = now.options.first().cloned().unwrap_or_default();
        return is_same(&approval.output["chosen"], &first) && is_same(&approval.output["edited"], &draft);
    };
    asked["title"].as_str() == Some(&now.title)
        && asked["body"].as_str() == Some(&now.body)
        && is_same(&asked["options"], &options)
        && is_same(&asked["items"], &Value::Array(now.items.clone()))
        && is_same(asked_draft(asked), &draft)
}

/// What the workflow made of it, where people were shown a changed one.
fn asked_draft(asked: &Value) -> &Value {
    asked.get("draft_as_made").unwrap_or(&asked["draft"])
}

/// Equal but for how the database writes numbers.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_equal_however_they_are_written() {
        assert!(is_same(&json!({ "a": [1.0, 2] }), &json!({ "a": [1, 2.0] })));
        assert!(is_same(&json!(0.1 + 0.2), &json!(0.3)));
        assert!(!is_same(&json!({ "a": 1 }), &json!({ "a": 2 })));
        assert!(!is_same(&json!({ "a": 1 }), &json!({ "a": 1, "b": null })));
    }
}
