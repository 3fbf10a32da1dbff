//! What the server knows of one site: its people, tools and workflows, as they were when they last loaded.

use crate::{
    schema::workflow_schema,
    site::Site,
    tool::Registry,
    workflow::{Library, Place},
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A site that loads.
pub struct Plant {
    pub(super) site: Arc<Site>,
    pub(super) tools: Registry,
    pub(super) library: Library,
    /// What `takt schema` writes.
    pub(super) schema: Value,
}

impl Plant {
    pub fn new(site: Arc<Site>, tools: Registry, library: Library) -> Self {
        let schema = workflow_schema(&site, &tools, &library);
        Self { site, tools, library, schema }
    }
}

/// Why a site does not load, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFinding {
    pub path: PathBuf,
    pub place: Place,
    pub message: String,
}

/// Reads a site folder. The text stands for its takt.yaml, when an editor holds one that is not saved.
pub type Load = dyn Fn(&Path, Option<&str>) -> Result<Plant, Vec<SiteFinding>> + Send + Sync;
