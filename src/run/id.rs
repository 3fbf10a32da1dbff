use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new time-ordered id (UUIDv7).
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// One execution of a workflow.
    RunId
);
uuid_id!(
    /// One question to people.
    GateId
);
uuid_id!(
    /// One thing that happened outside.
    EventId
);

impl GateId {
    /// The same gate of the same run always has the same id, so that opening it twice is opening it once.
    pub fn of(run: RunId, path: &super::StepPath) -> Self {
        Self(Uuid::new_v5(&run.0, format!("gate:{path}").as_bytes()))
    }
}

impl RunId {
    /// A new id in the order of a time: Takt's own, which a demo may have moved.
    pub fn at(time: DateTime<Utc>) -> Self {
        let mut rest = [0; 10];
        rest.copy_from_slice(&Uuid::new_v4().as_bytes()[6..]);
        Self(uuid::Builder::from_unix_timestamp_millis(millis(time), &rest).into_uuid())
    }

    /// The lowest id of a time: where a day's partition, or a search by time, begins.
    pub fn first_at(time: DateTime<Utc>) -> Self {
        Self(Uuid::from_u128(u128::from(millis(time)) << 80))
    }

    /// The child a step starts has the same id however often the step is tried. It is ordered with its parent
    /// and lies in the same partition.
    pub fn child_of(run: RunId, path: &super::StepPath) -> Self {
        Self(beside(run, Uuid::new_v5(&run.0, format!("child:{path}").as_bytes())))
    }

    /// An id of something that is kept as long as this run's journal.
    pub fn beside(self) -> Uuid {
        beside(self, Uuid::new_v4())
    }
}

fn millis(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp_millis()).unwrap_or_default()
}

/// This id, with a run's place in the order of time.
fn beside(run: RunId, id: Uuid) -> Uuid {
    let mut bytes = *id.as_bytes();
    bytes[..6].copy_from_slice(&run.0.as_bytes()[..6]);
    Uuid::from_bytes(bytes)
}

/// A worker process's row in `worker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub i64);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
