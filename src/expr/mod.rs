//! Expressions and values: CEL for logic, `${{ }}` for values. The only room that knows the `cel` crate.
//!
//! Used by workflows, rules and declared connectors alike; knows none of them.

mod value;

pub use value::ValueTemplate;

use serde_json::{Map, Value};

/// The names an expression may see: `trigger`, `inputs`, `steps`, `site`, `now`, loop variables, …
pub type Scope = Map<String, Value>;

/// A parsed CEL expression.
#[derive(Debug, Clone)]
pub struct Expr {
    source: std::sync::Arc<str>,
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("`{expression}`: {message}")]
pub struct EvalError {
    pub expression: String,
    pub message: String,
}

/// Where in the source of one expression it does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Line and column inside the expression, 1-based.
    pub line: u32,
    pub column: u32,
    pub message: String,
}

impl Expr {
    pub fn parse(source: &str) -> Result<Self, ParseError> {
        Ok(Self { source: source.into() })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn eval(&self, _scope: &Scope) -> Result<Value, EvalError> {
        unimplemented!()
    }

    /// For `if`, `where`, `check`, `auto_if`: anything but a bool is an error.
    pub fn test(&self, _scope: &Scope) -> Result<bool, EvalError> {
        unimplemented!()
    }
}
