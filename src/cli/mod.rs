//! The door for terminals.
