//! The door for browsers and systems.
