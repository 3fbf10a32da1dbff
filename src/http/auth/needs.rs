use crate::site::{Person, Scope, Section, Site};
use axum::http::request::Parts;

/// What a route asks of its callers beyond being somebody. The router gives every route one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Needs {
    /// The part of the console that a person must be allowed to read.
    pub section: Option<Section>,
    /// The scope that a service account must have; without one no service account gets in.
    pub scope: Option<Scope>,
    /// The route is about one thing, and looks whether that is where a limited service account may act. Without it no
    /// limited account gets in.
    pub is_placed: bool,
}

impl Needs {
    pub(in crate::http) const NOTHING: Self = Self { section: None, scope: None, is_placed: false };

    pub(in crate::http) const fn reading(section: Section) -> Self {
        Self { section: Some(section), scope: None, is_placed: false }
    }

    pub(in crate::http) const fn scope(scope: Scope) -> Self {
        Self { section: None, scope: Some(scope), is_placed: false }
    }

    pub(in crate::http) const fn both(section: Section, scope: Scope) -> Self {
        Self { section: Some(section), scope: Some(scope), is_placed: false }
    }

    pub(in crate::http) const fn placed(self) -> Self {
        Self { is_placed: true, ..self }
    }

    /// Those of the route that was asked.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get().copied().unwrap_or(Self::NOTHING)
    }

    pub(super) fn may_read(self, site: &Site, person: &Person) -> bool {
        self.section.is_none_or(|section| site.may_read(person, section))
    }
}
