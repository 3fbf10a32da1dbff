//! One binary for all integration tests.

mod connectors;
mod peers;
mod postgres;
mod sample_site;
mod slack;
mod support;
