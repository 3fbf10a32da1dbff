//! `takt test`: plays the cases of `*.test.yaml` with the real interpreter, a clock that jumps, tools and agents that
//! answer as the test says, and people who answer by the real rules. No database, no network, no model. `takt try`
//! plays one run in shadow with it, over tools that answer for themselves.
//!
//! What a test file may say is `workflow::cases`'; what a run is, is `run`'s and `engine`'s; printing to a terminal
//! and watching files is the command's.

mod answer;
mod check;
mod coverage;
mod death;
mod intake;
mod journal;
mod judge;
mod live;
mod play;
mod played;
mod reached;
mod report;
mod scripts;
mod suite;
mod timeline;
mod trial;
mod world;

use crate::{
    engine::{Caps, Executors, Ladders, Past},
    site::Site,
    tool::{DataClass, Registry},
    workflow::{CurrentEvents, Library},
};
use std::sync::Arc;

pub use check::{CheckedTest, goes_with, test_problems};
pub use coverage::{Counted, Coverage};
pub use judge::Mismatch;
pub use played::PlayError;
pub use report::{github, json, junit, text};
pub use suite::{CaseResult, FileResult, SuiteError, SuiteResult, run, test_files};
pub use timeline::TimelineLine;
pub use trial::{NotWritten, Trial, Tried, attempt};

type MakeExecutors = Box<dyn Fn(&Registry, Arc<dyn Past>) -> Executors + Send + Sync>;

/// What the composition root supplies: everything a worker would have, but for database, network and models.
pub struct Stage {
    pub site: Arc<Site>,
    pub tools: Registry,
    /// Tools that are algorithms: a test may let them work.
    pub built_in: Registry,
    pub library: Library,
    pub ladders: Arc<dyn Ladders>,
    /// Names that are masked in what an agent reads.
    pub known: Vec<(DataClass, String)>,
    pub caps: Caps,
    /// The step kinds of a running Takt, over these tools.
    pub executors: MakeExecutors,
    contracts: Arc<world::Contracts>,
    events: CurrentEvents,
}

/// The parts of a [`Stage`] that are not made from the others.
pub struct Parts {
    pub site: Arc<Site>,
    pub tools: Registry,
    pub built_in: Registry,
    pub library: Library,
    pub ladders: Arc<dyn Ladders>,
    pub known: Vec<(DataClass, String)>,
    pub caps: Caps,
    pub executors: MakeExecutors,
}

impl Stage {
    pub fn new(parts: Parts) -> Self {
        let contracts = Arc::new(world::Contracts::of(parts.tools.specs()));
        let Parts { site, tools, built_in, library, ladders, known, caps, executors } = parts;
        let events = CurrentEvents::new(library.events().clone());
        Self { site, tools, built_in, library, ladders, known, caps, executors, contracts, events }
    }
}
