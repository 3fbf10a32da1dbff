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
    /// The child a step starts has the same id however often the step is tried.
    pub fn child_of(run: RunId, path: &super::StepPath) -> Self {
        Self(Uuid::new_v5(&run.0, format!("child:{path}").as_bytes()))
    }
}

/// A worker process's row in `worker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub i64);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
