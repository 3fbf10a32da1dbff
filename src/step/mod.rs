//! One file per step kind. Each executes one leaf step and says what happened; none writes to the store.
//!
//! `call` is the only kind that may write to the outside, and only after its rules held on live data.

mod agent;
mod approval;
mod audited;
mod call;
mod confidential;
mod described;
mod earlier;
mod endpoints;
mod gate;
mod notify;
mod onlookers;
mod rules;
mod run;
mod shadow;
mod wait;

pub use agent::{AgentExecutor, AgentSettings, MaskKeys};
pub use call::CallExecutor;
pub use endpoints::model_endpoint;
pub use gate::GateExecutor;
pub use notify::notify_role;
pub use run::RunExecutor;
pub use wait::WaitExecutor;
