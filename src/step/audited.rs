//! What the audit trail keeps of writes: what was asked for, what the other system answered and calls it, and on whose
//! answer it went out.

use crate::{
    engine::{Outcome, StepContext, StepError},
    run::{AuditRecord, Intent, TAKT, digest_of},
    tool::{Effect, ToolSpec},
};
use serde_json::{Value, json};

/// Arguments above this size are kept as their digest only; a plan that moves every operation of a large plant is below it.
const KEPT_BYTES_MAX: usize = 256 * 1024;
/// Fields under which systems name what was written, most telling first.
const NAMES: [&str; 12] = [
    "external_id",
    "transaction",
    "transaction_id",
    "snapshot",
    "number",
    "reference",
    "ticket",
    "work_order",
    "requisition",
    "order",
    "key",
    "id",
];

/// Adds the record of a write to what the step puts out; other steps pass as they are.
pub(super) fn with_record(
    result: Result<Outcome, StepError>,
    spec: &ToolSpec,
    input: &Value,
    context: &StepContext,
) -> Result<Outcome, StepError> {
    if spec.effect != Effect::Write {
        return result;
    }
    match result {
        Ok(Outcome::Done { output, mut intents }) => {
            let mut record = record_of("write.done", spec, input, context);
            record.response_hash = Some(digest_of(&output));
            record.external_id = external_id(&output);
            // Needing nobody's answer, it is work like any other: its digests are kept, its output is in the journal.
            if spec.ungated.is_some() && context.approval.is_none() {
                record.detail = Value::Null;
            } else {
                record.detail["output"] = kept(&output);
            }
            intents.push(Intent::Audit(Box::new(record)));
            Ok(Outcome::Done { output, intents })
        }
        Err(mut error) => {
            let action = match error.failure.class.as_str() {
                "not_approved" | "rule" => "write.refused",
                "outcome_unknown" | "needs_person" => "write.unknown",
                _ => "write.failed",
            };
            let mut record = record_of(action, spec, input, context);
            record.decision = Some(error.failure.class.clone());
            record.detail["because"] = json!(error.failure.message);
            error.intents.push(Intent::Audit(Box::new(record)));
            Err(error)
        }
        other => other,
    }
}

fn record_of(action: &str, spec: &ToolSpec, input: &Value, context: &StepContext) -> AuditRecord {
    let approval = context.approval.as_ref();
    let answer = |field: &str| approval.map(|approval| approval.output[field].clone()).unwrap_or_default();
    let record = AuditRecord::new(TAKT, action)
        .of_run(context.run, Some(context.path.as_str()))
        .object(spec.name.as_str())
        .detail(json!({
            "tool": spec.name, "tool_version": spec.version, "attempt": context.attempt, "input": kept(input),
            "repeats": context.repeats, "trace": context.start.trace,
            "approved": { "gate": approval.map(|approval| approval.gate.as_str()), "by": answer("by"),
                          "second_by": answer("second_by"), "decision": answer("decision") },
        }));
    AuditRecord {
        system: Some(spec.name.system().to_owned()),
        request_hash: Some(digest_of(input)),
        correlation: Some(context.key()),
        workflow: Some(context.definition.workflow.id.clone()),
        version: Some(context.definition.sha256.clone()),
        ..record
    }
}

fn kept(value: &Value) -> Value {
    let bytes = value.to_string().len();
    if bytes <= KEPT_BYTES_MAX { value.clone() } else { json!({ "left_out_bytes": bytes }) }
}

/// What the other system calls it: a field of a telling name, else the only text there is.
fn external_id(output: &Value) -> Option<String> {
    let fields = output.as_object()?;
    let text = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let named = NAMES.iter().find_map(|name| fields.get(*name).and_then(text));
    let ends = || {
        let tells = |name: &str| ["_id", "_no", "_number"].iter().any(|end| name.ends_with(end));
        fields.iter().find(|(name, _)| tells(name)).and_then(|(_, value)| text(value))
    };
    let only = || {
        let mut texts = fields.values().filter(|value| value.is_string());
        texts.next().filter(|_| texts.next().is_none()).and_then(text)
    };
    named.or_else(ends).or_else(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found_under_the_name_the_other_system_gives_it() {
        let of = |output: Value| external_id(&output);
        assert_eq!(of(json!({ "updated": 3, "snapshot": "S-1" })).as_deref(), Some("S-1"));
        assert_eq!(of(json!({ "state": "open", "incident_number": "INC7" })).as_deref(), Some("INC7"));
        assert_eq!(of(json!({ "transaction": 17, "id": 4 })).as_deref(), Some("17"));
        assert_eq!(of(json!({ "message": "MR-4", "ok": true })).as_deref(), Some("MR-4"));
        assert_eq!(of(json!({ "a": "x", "b": "y" })), None);
        assert_eq!(of(json!([1])), None);
    }
}
