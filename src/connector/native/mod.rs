//! Tools with an algorithm inside: they read no other system, so everything they need is an argument.
//!
//! The algorithms live in `schedule` and `plant`; here they get a name, schemas and a place in the registry.

mod handover;
mod material;
mod resequence;
mod work_instructions;

use crate::{
    site::Site,
    tool::{Effect, Idempotency, Tool, ToolNameError, ToolSpec},
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const TIMEOUT: Duration = Duration::from_secs(30);
const RESULT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Every native tool of a site.
pub fn tools(site: &Site) -> Result<Vec<Arc<dyn Tool>>, ToolNameError> {
    Ok(vec![
        resequence::resequence(site)?,
        material::shortage_forecast()?,
        material::simulate()?,
        material::response_options()?,
        handover::draft(site.time_zone)?,
        work_instructions::search(site.folder.join(work_instructions::FOLDER))?,
    ])
}

/// What native tools have in common: they change nothing and are repeatable.
fn spec(name: &str, effect: Effect, description: &str) -> Result<ToolSpec, ToolNameError> {
    Ok(ToolSpec {
        name: name.parse()?,
        version: 1,
        description: description.to_owned(),
        input: Value::Null,
        output: Value::Null,
        effect,
        idempotency: Idempotency::Read,
        ungated: None,
        timeout: TIMEOUT,
        scopes: Vec::new(),
        classes: BTreeMap::new(),
        result_bytes_max: RESULT_BYTES_MAX,
    })
}
