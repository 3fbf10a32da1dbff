//! Rooms of other systems.
