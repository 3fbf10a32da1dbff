//! The lock file: what each tool was when a person accepted it, with its hash. `connectors/library.yaml` has
//! `connectors/library.lock.json` beside it; both belong into version control.

use super::definition::{Definition, Unfit};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// By the name the server has for them.
    tools: BTreeMap<String, Pin>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    sha256: String,
    definition: Value,
}

#[derive(Debug, Default)]
pub(super) struct Lock {
    pins: BTreeMap<String, Result<Definition, Broken>>,
}

/// A pin that nobody can have accepted as it stands.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Broken {
    #[error(
        "the lock file says sha256 {said} of `{name}`, but what it holds has {is}: it was changed by hand"
    )]
    Hash { name: String, said: String, is: String },
    #[error("what the lock file holds of `{0}` cannot be used: {1}")]
    Unfit(String, Unfit),
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not a lock file: {source}")]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("{path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
}

/// Beside the connector file.
pub(super) fn path_of(file: &Path) -> PathBuf {
    file.with_extension("lock.json")
}

impl Lock {
    /// Without a file nothing is accepted.
    pub(super) fn read(path: &Path) -> Result<Self, LockError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(LockError::Read { path: path.to_owned(), source }),
        };
        let written: Written = serde_json::from_str(&text)
            .map_err(|source| LockError::Malformed { path: path.to_owned(), source })?;
        let pins = written.tools.into_iter().map(|(name, pin)| {
            let read = read_pin(&name, &pin);
            (name, read)
        });
        Ok(Self { pins: pins.collect() })
    }

    pub(super) fn get(&self, name: &str) -> Option<&Result<Definition, Broken>> {
        self.pins.get(name)
    }

    /// A broken pin counts as none: accepting replaces it.
    pub(super) fn good(&self, name: &str) -> Option<&Definition> {
        self.pins.get(name).and_then(|pin| pin.as_ref().ok())
    }

    pub(super) fn accept(&mut self, definition: Definition) {
        self.pins.insert(definition.name().to_owned(), Ok(definition));
    }

    /// Through a file of its own, so that nobody reads half of it.
    pub(super) fn write(&self, path: &Path) -> Result<(), LockError> {
        let good = self.pins.iter().filter_map(|(name, pin)| {
            let definition = pin.as_ref().ok()?;
            let pin = Pin { sha256: definition.sha256(), definition: definition.value().clone() };
            Some((name.clone(), pin))
        });
        let failed = |source| LockError::Write { path: path.to_owned(), source };
        let text = serde_json::to_string_pretty(&Written { tools: good.collect() });
        let text = text.map_err(|error| failed(error.into()))?;
        let beside = path.with_extension("json.new");
        fs::write(&beside, text + "\n").map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)
    }
}

fn read_pin(name: &str, pin: &Pin) -> Result<Definition, Broken> {
    let definition =
        Definition::of(&pin.definition).map_err(|unfit| Broken::Unfit(name.to_owned(), unfit))?;
    let is = definition.sha256();
    if is == pin.sha256 && definition.name() == name {
        Ok(definition)
    } else {
        Err(Broken::Hash { name: name.to_owned(), said: pin.sha256.clone(), is })
    }
}
