//! What all simulated systems share: the plant, its clock, the ledger, the faults, the events, each system's own records.

use super::{
    clock::Clock,
    config::SimulatorConfig,
    erp::MaterialRequests,
    events::Outbox,
    faults::Faults,
    ledger::Ledger,
    memory::{Deed, Memory, What},
    plex::Throttle,
    portal::Messages,
    tickets::Incidents,
    world::World,
};
use chrono::{DateTime, Utc};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub type Shared = Arc<Plant>;

pub struct Plant {
    pub config: SimulatorConfig,
    pub clock: Arc<Clock>,
    world: Mutex<World>,
    ledger: Mutex<Ledger>,
    faults: Mutex<Faults>,
    throttle: Mutex<Throttle>,
    incidents: Mutex<Incidents>,
    material_requests: Mutex<MaterialRequests>,
    messages: Mutex<Messages>,
    pub outbox: Outbox,
    memory: OnceLock<Memory>,
}

impl Plant {
    pub fn new(config: SimulatorConfig, clock: Arc<Clock>, outbox: Outbox) -> Self {
        Self {
            clock,
            world: Mutex::new(World::generate(config.seed, config.start)),
            config,
            ledger: Mutex::default(),
            faults: Mutex::default(),
            throttle: Mutex::default(),
            incidents: Mutex::default(),
            material_requests: Mutex::default(),
            messages: Mutex::default(),
            outbox,
            memory: OnceLock::new(),
        }
    }

    /// From now on, what is done to the plant is written down.
    pub fn remember_in(&self, memory: Memory) {
        if self.memory.set(memory).is_err() {
            tracing::warn!("the plant has a memory already");
        }
    }

    pub fn remember(&self, at: DateTime<Utc>, what: What) {
        if let Some(memory) = self.memory.get() {
            memory.add(&Deed { at, what });
        }
    }

    /// The plant as of now: production that the clock has passed has happened.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = lock(&self.world);
        world.advance(self.clock.now());
        world
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub fn throttle(&self) -> MutexGuard<'_, Throttle> {
        lock(&self.throttle)
    }

    pub fn incidents(&self) -> MutexGuard<'_, Incidents> {
        lock(&self.incidents)
    }

    pub fn material_requests(&self) -> MutexGuard<'_, MaterialRequests> {
        lock(&self.material_requests)
    }

    pub fn messages(&self) -> MutexGuard<'_, Messages> {
        lock(&self.messages)
    }
}

/// A handler that panicked must not take the whole plant down with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
