//! The console: pages rendered on the server that work without scripts; scripts only refresh them.
//!
//! One file per page, its template in `templates/`, styles and scripts in `assets/`. A page shows
//! records and sends answers to `gate::decide`; it decides nothing.

pub(super) mod attention;
pub(super) mod audit;
pub(super) mod control;
pub(super) mod delegations;
pub(super) mod gate;
pub(super) mod runs;
pub(super) mod run;
pub(super) mod embed;
pub(super) mod evals;
pub(super) mod events;
pub(super) mod inbox;
pub(super) mod me;
pub(super) mod partner;
pub(super) mod schedules;
pub(super) mod schedule;
pub(super) mod start;
pub(super) mod status;
pub(super) mod sign_in;
pub(super) mod sso;
pub(super) mod workflows;
pub(super) mod live;
pub(super) mod mail_link;
pub(super) mod assets;
mod error;
mod link;
mod number;
mod template;
mod when;

pub(super) use error::{PageError, not_found};
pub(super) use link::query_value;
