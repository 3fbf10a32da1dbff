//! Routes with what they need, and the list of them: a test holds every one against every kind of caller.

use super::{auth::Needs, state::Shared};
use axum::{
    Extension, Router,
    handler::Handler,
    routing::{get, post},
};

/// A route as it was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub path: &'static str,
    pub method: &'static str,
}

/// Some routes of the door.
#[derive(Default)]
pub(super) struct Doors {
    pub router: Router<Shared>,
    pub routes: Vec<Route>,
}

impl Doors {
    pub(super) fn get<H, T>(mut self, path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        self.routes.push(Route { path, method: "GET" });
        self.router = self.router.route(path, get(handler).layer(Extension(needs)));
        self
    }

    pub(super) fn post<H, T>(mut self, path: &'static str, needs: Needs, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        self.routes.push(Route { path, method: "POST" });
        self.router = self.router.route(path, post(handler).layer(Extension(needs)));
        self
    }

    pub(super) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.routes.extend(other.routes);
        self
    }
}
