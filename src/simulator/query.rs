//! The query string of a request as repeated filters: several values of one name mean "any of them".

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use std::convert::Infallible;

#[derive(Debug, Default)]
pub struct Filters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Filters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // A query that is not a form has no filter in it, and unknown ones are ignored anyway.
        Ok(Query::try_from_uri(&parts.uri).map(|Query(pairs)| Self(pairs)).unwrap_or_default())
    }
}

impl Filters {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// No such filter, or one of its values is this one.
    pub fn allows(&self, name: &str, value: &str) -> bool {
        let mut any = false;
        for (_, wanted) in self.0.iter().filter(|(key, value)| key == name && !value.is_empty()) {
            if wanted == value {
                return true;
            }
            any = true;
        }
        !any
    }
}
