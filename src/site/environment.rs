use std::{collections::BTreeMap, path::Path};

/// The variables of the process, read once; tests make their own.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The only place where Takt reads environment variables. Names or values that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let text = |s: std::ffi::OsString| s.into_string().ok();
        Self { variables: std::env::vars_os().filter_map(|(k, v)| Some((text(k)?, text(v)?))).collect() }
    }

    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self { variables: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into() }
    }

    /// `None` when the variable is unset or empty: an empty line in an env file means "not given".
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Values may be secrets, so they are never printed.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({} variables)", self.variables.len())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("the environment variable {0} is not set")]
    Unset(String),
    #[error("the secret file {path} cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("`${{{0}` is not a reference: write ${{env:NAME}}, ${{env:NAME:-fallback}} or ${{file:/path}}")]
    Malformed(String),
}

/// True for text that is one whole `${…}` reference.
pub(super) fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").is_some_and(|rest| rest.find('}') == Some(rest.len() - 1))
}

/// Replaces `${env:NAME}`, `${env:NAME:-fallback}` and `${file:/path}` in text; other text stays.
pub(super) fn resolve(text: &str, environment: &Environment) -> Result<String, ReferenceError> {
    let mut resolved = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let malformed = || ReferenceError::Malformed(after.to_owned());
        let (reference, tail) = after.split_once('}').ok_or_else(malformed)?;
        resolved.push_str(before);
        resolved.push_str(&look_up(reference, environment).ok_or_else(malformed)??);
        rest = tail;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

fn look_up(reference: &str, environment: &Environment) -> Option<Result<String, ReferenceError>> {
    let (kind, name) = reference.split_once(':')?;
    match kind {
        "env" => {
            let (name, fallback) = name.split_once(":-").map_or((name, None), |(n, f)| (n, Some(f)));
            let well_formed = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let value = environment.get(name).or(fallback).map(str::to_owned);
            well_formed.then(|| value.ok_or_else(|| ReferenceError::Unset(name.to_owned())))
        }
        "file" => Some(read_secret_file(Path::new(name))),
        _ => None,
    }
}

/// Editors and `kubectl` end files with a newline that is not part of the secret.
fn read_secret_file(path: &Path) -> Result<String, ReferenceError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(e) => {
            Err(ReferenceError::Unreadable { path: path.display().to_string(), reason: e.kind().to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_variables_fallbacks_and_files() {
        let environment = Environment::of([("HOST", "plex.local"), ("EMPTY", "")]);
        let resolve = |text| resolve(text, &environment);
        assert_eq!(resolve("https://${env:HOST}/api"), Ok("https://plex.local/api".into()));
        assert_eq!(resolve("${env:EMPTY:-http://127.0.0.1:1/x}"), Ok("http://127.0.0.1:1/x".into()));
        assert_eq!(resolve("plain $5 text"), Ok("plain $5 text".into()));
        let file = std::env::temp_dir().join(format!("takt-secret-{}", std::process::id()));
        std::fs::write(&file, "s3cret\n").unwrap();
        assert_eq!(resolve(&format!("${{file:{}}}", file.display())), Ok("s3cret".into()));
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn says_what_is_missing() {
        let resolve = |text| resolve(text, &Environment::default()).unwrap_err().to_string();
        assert_eq!(resolve("${env:PLEX_API_KEY}"), "the environment variable PLEX_API_KEY is not set");
        assert!(resolve("${file:/no/such/file}").contains("/no/such/file"));
        for malformed in ["${env:A", "${PLEX}", "${env:}", "${vault:x}", "${env:A B}"] {
            assert!(resolve(malformed).contains("is not a reference"), "{malformed}");
        }
    }

    #[test]
    fn never_prints_values() {
        let environment = Environment::of([("PLEX_API_KEY", "hunter2")]);
        assert_eq!(format!("{environment:?}"), "Environment(1 variables)");
    }
}
