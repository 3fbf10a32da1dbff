//! The loader and the checker over whole files: one case per finding, drawn as authors see it.

mod cases;
mod checker;
mod codes;
mod flow;
mod loader;
mod manual;
pub(crate) mod support;
