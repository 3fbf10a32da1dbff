//! Events arrive.
