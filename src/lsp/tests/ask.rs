//! The sample site, and a document in it with its cursor at `¦`.

use super::super::{context::Context, outline::Outline, plant::Plant, text::Text};
use crate::{
    app::tools_of,
    site::{Environment, Overrides, Site},
    workflow::{Bundle, Definition, Library, Unsaved},
};
use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

pub(super) static PLANT: LazyLock<Plant> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    let site = Site::load(Path::new(env!("CARGO_MANIFEST_DIR")), &Environment::default(), &overrides);
    let site = Arc::new(site.expect("a site"));
    let tools = tools_of(&site).expect("tools");
    let library = Library::load(&tools, &site).expect("workflows");
    Plant::new(site, tools, library)
});

/// A workflow of the sample site, changed in one place.
pub(super) fn changed(path: &str, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(PLANT.site.folder.join(path)).expect("the file");
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

pub(super) fn good(path: &str) -> Option<Arc<Definition>> {
    let bundle = Bundle::collect(&PLANT.site.folder, path).ok()?;
    Definition::compile(bundle).ok().map(Arc::new)
}

/// Asks about the place of the cursor, which is taken out of the text.
pub(super) fn ask<A>(path: &str, text: &str, ask: impl FnOnce(&Context<'_>, usize) -> A) -> A {
    let offset = text.find('¦').expect("a cursor");
    let text = Text::new(text.replacen('¦', "", 1));
    let (good, unsaved) = (good(path), Unsaved::new());
    let context = Context { plant: &PLANT, path, text: &text, good: good.as_ref(), unsaved: &unsaved };
    ask(&context, offset)
}

/// A workflow of these steps, which stand in lines 5 and after.
pub(super) fn steps(steps: &str) -> String {
    let text = format!(
        "workflow: w\nowner: me\ntrigger: {{ event: plex.work_center_status, key: event.work_center }}\nsteps:\n{steps}"
    );
    let _ = Outline::parse(&text);
    text
}
