//! Values with `${{ cel }}` inside, as they stand in `with`, text and lists.

use super::{EvalError, ParseError, Scope};
use serde_json::Value;

/// JSON in which some scalars are expressions; one that is exactly `${{ }}` keeps its type.
#[derive(Debug, Clone)]
pub struct ValueTemplate {
    _raw: Value,
}

impl ValueTemplate {
    /// `pointer` of an error is the JSON pointer of the scalar it stands in.
    pub fn parse(raw: Value) -> Result<Self, (String, ParseError)> {
        Ok(Self { _raw: raw })
    }

    pub fn eval(&self, _scope: &Scope) -> Result<Value, EvalError> {
        unimplemented!()
    }
}
