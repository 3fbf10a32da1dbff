//! The web door: signed webhooks in, the console for people, an API for programs.
//!
//! Every route stands in `router`. Nothing here decides anything: answers go through `gate::decide`,
//! events are stored and left to `trigger`. Without a session only sign-in, hooks, health,
//! assets, and links that stand for somebody answer.

mod bind;
mod doors;
mod router;
mod serve;
mod state;
mod auth;
mod place;
mod refusals;
mod problem;
mod health;
mod metrics;
mod hook;
mod api;
mod mcp;

mod console;

pub use bind::{BindError, bind};
pub use doors::Route;
pub use hook::listen as listen_to_slack;
pub use refusals::keep_refusals;
pub use router::{router, routes};
pub use serve::{Bounds, serve};
pub use state::{AppState, Door};
