//! The sample site's connector files: that they load, and what each tool answers against the simulator.

use std::path::Path;
use takt::site::{Environment, Overrides, Site};

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_connector_file_loads() {
    let site = Site::load(folder(), &Environment::default(), &Overrides::default()).unwrap();
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    takt::connector::declared::load(&folder().join("connectors"), &site).unwrap_or_else(|e| panic!("{e}"));
}
