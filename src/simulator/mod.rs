//! A plant on a laptop.
