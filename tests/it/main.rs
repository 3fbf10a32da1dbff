//! One binary for all integration tests.

mod connectors;
mod peers;
mod postgres;
mod slack;
mod support;
