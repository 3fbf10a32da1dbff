//! Somebody may look on while a model answers. What they are shown is for eyes only: it is written down nowhere, and
//! no step knows of it. What counts is the whole answer, as the journal has it.

use std::sync::Arc;
use uuid::Uuid;

/// Shows what has come in so far of an answer.
pub trait Screen: Send + Sync {
    /// Whether the last text has been there long enough.
    fn is_due(&self) -> bool;

    fn show(&self, so_far: &str);
}

pub trait Onlookers: Send + Sync {
    /// `None` while nobody looks at this run.
    fn screen(&self, run: Uuid, step: &str) -> Option<Arc<dyn Screen>>;
}

/// Nobody looks on: replays and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Onlookers for Nobody {
    fn screen(&self, _run: Uuid, _step: &str) -> Option<Arc<dyn Screen>> {
        None
    }
}
