//! One binary for all integration tests.

mod connectors;
mod postgres;
mod support;
