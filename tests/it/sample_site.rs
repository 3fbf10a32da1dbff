//! The sample site as a whole: takt.yaml, connectors, workflows, rules, messages and prompts fit together.

use std::path::Path;
use takt::{
    site::{Environment, Overrides, Site},
    tool::Registry,
    workflow::Library,
};

pub(crate) fn site(simulator: Option<String>) -> Site {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let overrides = Overrides { simulator, ..Overrides::default() };
    Site::load(folder, &Environment::default(), &overrides).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn registry(site: &Site) -> Registry {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    takt::app::tools_of(site).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_workflow_loads_and_checks() {
    let site = site(None);
    let library = Library::load(&registry(&site), &site).unwrap();
    let problems: Vec<_> = library
        .problems()
        .map(|p| format!("{}:{}:{} {} {}", p.path, p.place.line, p.place.column, p.code, p.message))
        .collect();
    assert_eq!(problems, Vec::<String>::new());
    let ids: Vec<_> = library.definitions().map(|definition| definition.workflow.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "customer_order_risk",
            "downtime_escalation",
            "job_resequencing",
            "shift_handover",
            "supplier_delay"
        ]
    );
}
