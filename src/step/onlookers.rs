//! Who looks on while a model answers, as the agent loop asks for them, kept by the engine.

use crate::{
    agent::{self, Screen},
    engine::{Onlookers, Sight},
    run::RunId,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Faster than this nobody reads.
const SHOWN_EVERY: Duration = Duration::from_millis(250);

impl agent::Onlookers for Onlookers {
    fn screen(&self, run: Uuid, step: &str) -> Option<Arc<dyn Screen>> {
        let (run, step) = (RunId(run), step.to_owned());
        self.is_looked_at(run).then(|| {
            Arc::new(StepScreen { onlookers: self.clone(), run, step, last: Mutex::default() })
                as Arc<dyn Screen>
        })
    }
}

struct StepScreen {
    onlookers: Onlookers,
    run: RunId,
    step: String,
    last: Mutex<Option<Instant>>,
}

impl Screen for StepScreen {
    fn is_due(&self) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_none_or(|last| last.elapsed() >= SHOWN_EVERY)
    }

    fn show(&self, so_far: &str) {
        if so_far.is_empty() {
            return;
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let sight = Sight { run: self.run, step: self.step.clone(), text: so_far.to_owned() };
        self.onlookers.show(sight);
    }
}
