//! Domain algorithms.
