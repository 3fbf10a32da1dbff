use crate::site::{Person, Scope, Section, Site};
use axum::http::request::Parts;

/// What a route asks of its callers beyond being somebody. The router gives every route one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Needs {
    /// The part of the console that a person must be allowed to read.
    pub section: Option<Section>,
    /// The scope that a service account must have; without one no service account gets in.
    pub scope: Option<Scope>,
}

impl Needs {
    pub(in crate::http) const NOTHING: Self = Self { section: None, scope: None };

    pub(in crate::http) const fn reading(section: Section) -> Self {
        Self { section: Some(section), scope: None }
    }

    pub(in crate::http) const fn scope(scope: Scope) -> Self {
        Self { section: None, scope: Some(scope) }
    }

    pub(in crate::http) const fn both(section: Section, scope: Scope) -> Self {
        Self { section: Some(section), scope: Some(scope) }
    }

    /// Those of the route that was asked.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get().copied().unwrap_or(Self::NOTHING)
    }

    pub(super) fn may_read(self, site: &Site, person: &Person) -> bool {
        self.section.is_none_or(|section| site.may_read(person, section))
    }
}
