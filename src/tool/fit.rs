use jsonschema::Validator;
use serde_json::Value;

/// A wrong field is named; more than a few are one mistake.
const MISFITS_MAX: usize = 4;

/// The first mistakes of a value, by field; values are left out, they may be confidential.
pub fn misfits(validator: &Validator, value: &Value) -> Option<String> {
    let describe = |error: jsonschema::ValidationError<'_>| {
        let place = error.instance_path().to_string();
        let message = error.masked_with("it").to_string();
        if place.is_empty() { message } else { format!("{}: {message}", place.trim_start_matches('/')) }
    };
    let found: Vec<String> = validator.iter_errors(value).take(MISFITS_MAX).map(describe).collect();
    (!found.is_empty()).then(|| found.join("; "))
}
