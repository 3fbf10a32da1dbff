//! Workflows and tools that `takt.yaml` names and that are not there.

use super::Problem;
use crate::{
    site::{Mentioned, Site},
    tool::Registry,
    workflow::suggest::closest,
};
use std::collections::BTreeSet;

/// What is told of them; `workflows` are the ids of all that the site has.
pub(super) fn dangling(site: &Site, workflows: &BTreeSet<&str>, tools: &Registry) -> Vec<Problem> {
    let missing = |of: &Mentioned| match of {
        Mentioned::Workflow(id) if !workflows.contains(id.as_str()) => {
            let hint = closest(id, workflows.iter().copied());
            let hint = hint.map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
            Some(format!("there is no workflow `{id}`{hint}"))
        }
        Mentioned::Tools(pattern) if !tools.specs().any(|spec| pattern.fits(&spec.name)) => {
            Some("no tool of this site fits: nothing would be shown".to_owned())
        }
        _ => None,
    };
    let mentions = site.mentions.iter().filter_map(|mention| Some((mention, missing(&mention.of)?)));
    mentions
        .map(|(mention, message)| Problem::of_site("takt.yaml", (mention.line, mention.column), message))
        .collect()
}
