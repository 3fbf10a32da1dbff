//! One document in one site: what completion, hover and definition look at. Pure; nothing here speaks to an editor.

use super::{
    keys::Place,
    outline::{At, Outline},
    plant::Plant,
    text::Text,
};
use crate::{
    expr::Types,
    workflow::{Bundle, Definition, Spot, Unsaved, places_of},
};
use std::{path::Path, sync::Arc};

pub(super) struct Context<'c> {
    pub(super) plant: &'c Plant,
    /// In the site folder, with `/`.
    pub(super) path: &'c str,
    pub(super) text: &'c Text,
    /// The last version of it that compiled.
    pub(super) good: Option<&'c Arc<Definition>>,
    pub(super) unsaved: &'c Unsaved,
}

/// What kind of file a path in a site folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Workflow,
    Test,
    /// A prompt or a message.
    Template,
    Rule,
    Site,
    Other,
}

impl FileKind {
    pub(super) fn of(path: &str) -> Self {
        let in_folder = |folder: &str| path.strip_prefix(folder).is_some_and(|name| !name.contains('/'));
        match path {
            "takt.yaml" => Self::Site,
            _ if in_folder("workflows/") && path.ends_with(".test.yaml") => Self::Test,
            _ if in_folder("workflows/") && path.ends_with(".yaml") => Self::Workflow,
            _ if in_folder("rules/") && path.ends_with(".yaml") => Self::Rule,
            _ if path.ends_with(".hbs") => Self::Template,
            _ => Self::Other,
        }
    }
}

impl<'c> Context<'c> {
    /// What may stand at the end of a way through the outline.
    pub(super) fn place(&self, outline: &Outline<'_>, at: &At<'_>) -> Place<'c> {
        Place::of(&self.plant.schema, outline, at)
    }

    /// Whether the value there is an expression without `${{ }}`.
    pub(super) fn is_expression(&self, outline: &Outline<'_>, at: &At<'_>) -> bool {
        match FileKind::of(self.path) {
            FileKind::Workflow => self.place(outline, at).is_expression(),
            FileKind::Rule => at.key() == Some("check"),
            _ => false,
        }
    }

    /// A workflow that names this file.
    pub(super) fn user(&self) -> Option<&'c Arc<Definition>> {
        let names = |definition: &&Arc<Definition>| {
            let files = definition.bundle.files.keys();
            let path = &definition.bundle.path;
            files.into_iter().any(|named| places_of(path, named).any(|place| place == Path::new(self.path)))
        };
        self.plant.library.definitions().find(names)
    }

    /// As [`Context::names`], in a text that may have mistakes elsewhere.
    pub(super) fn names_in(&self, bundle: Bundle, spot: &Spot) -> Option<Types> {
        self.plant.library.names_in(bundle, spot, &self.plant.tools, &self.plant.site)
    }

    pub(super) fn names(&self, definition: &Definition, spot: &Spot) -> Option<Types> {
        self.plant.library.names_at(definition, spot, &self.plant.tools, &self.plant.site)
    }
}
