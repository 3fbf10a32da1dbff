//! Any text as a workflow file of the sample site: loaded, checked and drawn.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{path::Path, sync::LazyLock};
use takt::{
    app::Plant,
    graph,
    site::{Environment, Overrides},
    workflow::{Bundle, Definition, report},
};

const PATH: &str = "workflows/fuzzed.yaml";

static PLANT: LazyLock<Plant> = LazyLock::new(|| {
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Plant::load(&site, &Environment::of_process(), &overrides).expect("the sample site")
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let plant = &*PLANT;
    for problem in plant.library.findings(PATH, text, &plant.tools, &plant.site) {
        assert!(problem.place.line >= 1 && problem.place.column >= 1, "{problem:?}");
        report(&problem, Some(text), false);
    }
    if let Ok(definition) = Definition::compile(Bundle::with(&plant.site.folder, PATH, text.to_owned())) {
        let picture = graph::picture(&definition.workflow, Some(&plant.tools));
        graph::svg(&picture);
        graph::mermaid(&picture);
    }
});
