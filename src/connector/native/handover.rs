use super::spec;
use crate::{
    plant::handover::{Facts, draft as write},
    tool::{Effect, Tool, ToolNameError, Typed},
};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The shift that ends; absent where the plant does not work.
    shift: Option<String>,
    /// The answers of the sources by name, `null` for one that gave none.
    facts: Facts,
}

pub(super) fn draft(zone: Tz) -> Result<Arc<dyn Tool>, ToolNameError> {
    let about = "Drafts a shift handover note from the facts, with the points that need an answer and the sources \
                 that are missing.";
    let spec = spec("handover.draft", Effect::Propose, about)?;
    Ok(Arc::new(Typed::new(spec, move |_, input: Input| async move {
        let shift = input.shift.unwrap_or_else(|| "-".to_owned());
        Ok(write(&shift, &input.facts, zone))
    })))
}
