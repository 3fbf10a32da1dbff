//! Reading the past.
