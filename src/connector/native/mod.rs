//! Tools with an algorithm inside: they read no other system, so everything they need is an argument.
//!
//! The algorithms live in `schedule` and `plant`; here they get a name, schemas and a place in the registry.

mod floor;
mod handover;
mod material;
mod resequence;
mod schedule;
mod work_instructions;

use crate::{
    site::Site,
    tool::{Effect, Idempotency, Tool, ToolNameError, ToolSpec},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(30);
const RESULT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Every native tool of a site.
pub fn tools(site: &Site) -> Result<Vec<Arc<dyn Tool>>, ToolNameError> {
    Ok(vec![
        resequence::resequence(site)?,
        resequence::model(site)?,
        schedule::repair_tool()?,
        schedule::what_if_tool()?,
        schedule::validate_tool()?,
        schedule::kpis_tool()?,
        floor::assign_tool()?,
        floor::score_tool()?,
        floor::dispatch_tool()?,
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

/// A call that timed out must not leave a search running.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
