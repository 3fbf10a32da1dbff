//! A write of a workflow in shadow: its rules are checked on live data, what it would write is kept, and nothing is
//! written. Its output has the shape of a real one, so that the steps after it go on.

use super::rules::{Until, Verdicts};
use crate::{
    engine::{Outcome, StepContext},
    run::Failure,
    tool::{Registry, ToolSpec, stand_in},
    workflow::CallStep,
};
use serde_json::{Value, json};

/// Field of the output under which the arguments are kept.
pub(super) const NOT_WRITTEN: &str = "not_written";

/// The step's output: what the tool declares, with `shadow: true`, the arguments, and why a rule would have refused.
pub(super) async fn rehearse(
    step: &CallStep,
    spec: &ToolSpec,
    input: Value,
    tools: &Registry,
    context: &StepContext,
) -> Result<Outcome, Failure> {
    let verdicts = Verdicts::of(step, &input, tools, context, Until::End).await?;
    if let Some(note) = verdicts.note(None, None) {
        context.note(note).await;
    }
    let refused = verdicts.refusal();
    let mut output = stand_in(&spec.output);
    if let Value::Object(fields) = &mut output {
        fields.insert("shadow".into(), json!(true));
        fields.insert(NOT_WRITTEN.into(), input);
        fields.extend(refused.map(|because| ("refused".to_owned(), json!(because))));
    } else {
        output = json!({ "shadow": true, NOT_WRITTEN: input, "refused": refused });
    }
    Ok(Outcome::done(output))
}
