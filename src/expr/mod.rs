//! Expressions and values: CEL for logic, `${{ }}` for values. The only room that knows the `cel` crate.
//!
//! Used by workflows, rules and declared connectors alike; knows none of them. An expression is parsed
//! once, sees only the names of its [`Scope`], has no side effects, and its result is plain JSON:
//! timestamps come back as RFC 3339 strings in UTC, durations as seconds (`"5400s"`).

mod arithmetic;
mod catalogue;
mod convert;
mod environment;
mod explain;
mod extension;
mod functions;
mod infer;
mod meter;
mod order;
mod schema;
mod shift;
mod signature;
mod template;
mod types;
mod value;

pub use catalogue::{Function, MACROS, NAMESPACES, functions};
pub(crate) use infer::is_name;
pub use infer::{ConstantPart, Leak, Origin, PlacedProblem, TypeProblem, TypeProblemKind, Types};
pub use types::{Field, Misfit, Shape, Type, is_time};
pub use value::{Embedded, ValueTemplate};

use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

/// A file is read several times while it is loaded, and most of its expressions stand in the next version too.
static PARSED: LazyLock<Mutex<HashMap<String, Expr>>> = LazyLock::new(Mutex::default);
const PARSED_MAX: usize = 2_048;

/// The names an expression may see: `trigger`, `inputs`, `steps`, `site`, `now`, loop variables, …
pub type Scope = Map<String, Value>;

/// A parsed CEL expression.
#[derive(Debug, Clone)]
pub struct Expr {
    source: Arc<str>,
    compiled: Arc<environment::Compiled>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
        let mut known = PARSED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(expr) = known.get(source) {
            return Ok(expr.clone());
        }
        drop(known);
        let expr = Self { source: source.into(), compiled: Arc::new(environment::compile(source)?) };
        known = PARSED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= PARSED_MAX {
            known.clear();
        }
        known.insert(source.to_owned(), expr.clone());
        Ok(expr)
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn eval(&self, scope: &Scope) -> Result<Value, EvalError> {
        // A plain path is read as it stands: no copy into CEL, and objects keep the order of their fields.
        if let Some(value) = self.compiled.plain_path().and_then(|path| convert::look_up(scope, path)) {
            return Ok(value.clone());
        }
        environment::run(&self.compiled, scope).map_err(|message| self.error(message))
    }

    /// For `if`, `where`, `check`, `auto_if`: anything but a bool is an error.
    pub fn test(&self, scope: &Scope) -> Result<bool, EvalError> {
        match self.eval(scope)? {
            Value::Bool(answer) => Ok(answer),
            other => Err(self.error(format!(
                "a condition must be true or false, this is {}: compare it with something",
                convert::kind_of(&other)
            ))),
        }
    }

    fn error(&self, message: String) -> EvalError {
        EvalError { expression: self.source.to_string(), message }
    }
}

#[cfg(test)]
mod tests;
