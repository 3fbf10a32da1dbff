//! Replaying it.
