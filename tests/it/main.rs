//! One binary for all integration tests.

mod postgres;
mod support;
