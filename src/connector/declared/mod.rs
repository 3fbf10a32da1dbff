//! Systems declared in `connectors/*.yaml`: each tool is one operation, made of HTTP requests and
//! expressions. The format is described in `docs/connectors.md`.
//!
//! Knows HTTP, never a vendor: what is special about Plex or an ERP stands in its file.

mod answer;
mod classes;
mod compile;
mod exchange;
mod fields;
mod file;
mod load;
mod names;
mod operation;
mod problem;
mod request;
mod send;
#[cfg(test)]
mod tests;
mod tool;

pub use problem::{LoadError, Problem};
pub(super) use {
    classes::plain,
    compile::Compiler,
    file::{Auth, File, parse},
    load::{RESULT_BYTES_MAX, TIMEOUT, form, read, system},
    operation::System,
};
