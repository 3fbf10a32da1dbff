//! A person at the desk: what a server offers, what is pinned of it, and accepting what has changed.

use super::{
    definition::Definition,
    diff::diff,
    file::{self, Declared},
    lock::{self, Lock, LockError},
    server::{Offer, Server},
};
use crate::{
    connector::{
        declared::{LoadError, Problem},
        http,
        load::files,
    },
    site::Site,
    tool::ToolError,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(30);

/// One connector file with its server and its lock file.
pub struct Desk {
    file: PathBuf,
    server: Server,
    declared: Vec<Declared>,
    lock: Lock,
}

#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("no file in connectors/ has `mcp:` and `system: {wanted}`; there is {known}")]
    NoServer { wanted: String, known: String },
    #[error("{0}")]
    Server(ToolError),
    #[error(
        "the connector file declares no tool `{wanted}`: declare it first, with its effect and the classes of its fields; there is {known}"
    )]
    NotDeclared { wanted: String, known: String },
    #[error("`{0}` cannot be accepted: the server does not offer it")]
    NotOffered(String),
    #[error("`{name}` cannot be accepted: {why}")]
    Unfit { name: String, why: String },
}

/// A tool that the server offers, or that is pinned and no longer offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The server's name for it.
    pub name: String,
    /// The name in workflows, where the file declares it.
    pub tool: Option<String>,
    pub pinned: Pinned,
    /// Hash and text of what is offered, where it can be accepted.
    pub offered: Option<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pinned {
    /// It is what was accepted.
    Same,
    /// Nobody has accepted it.
    No,
    Changed {
        was: String,
        is: String,
        parts: Vec<&'static str>,
        /// Line by line.
        diff: Vec<String>,
    },
    Unfit(String),
    Gone,
}

impl Desk {
    /// The file of this system.
    pub fn open(folder: &Path, site: &Site, system: &str) -> Result<Self, DeskError> {
        let mut known = Vec::new();
        for (path, text) in mcp_files(folder)? {
            let opened = open(&path, &text, site)?;
            if opened.server.system.name == system {
                return Ok(opened);
            }
            known.push(opened.server.system.name);
        }
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(DeskError::NoServer { wanted: system.to_owned(), known })
    }

    /// Every server of a site.
    pub fn all(folder: &Path, site: &Site) -> Result<Vec<Self>, DeskError> {
        mcp_files(folder)?.iter().map(|(path, text)| open(path, text, site)).collect()
    }

    pub fn lock_file(&self) -> PathBuf {
        lock::path_of(&self.file)
    }

    /// What the server offers now, beside what was accepted.
    pub async fn look(&self) -> Result<Vec<Line>, DeskError> {
        let offer = self.offer().await?;
        let gone =
            self.declared.iter().map(|declared| &declared.name).filter(|name| !offer.contains_key(*name));
        let mut names: Vec<&String> = offer.keys().chain(gone).collect();
        names.sort();
        Ok(names.into_iter().map(|name| self.line(name, &offer)).collect())
    }

    /// Pins what the server offers now: one tool, or all that the file declares. What has changed comes back.
    pub async fn accept(&mut self, tool: Option<&str>) -> Result<Vec<Line>, DeskError> {
        let offer = self.offer().await?;
        let is_wanted = |declared: &&Declared| {
            tool.is_none_or(|wanted| {
                [&declared.name, &declared.tool].iter().any(|name| name.as_str() == wanted)
            })
        };
        let wanted: Vec<String> =
            self.declared.iter().filter(is_wanted).map(|declared| declared.name.clone()).collect();
        if let (Some(tool), true) = (tool, wanted.is_empty()) {
            let known: Vec<&str> = self.declared.iter().map(|declared| declared.name.as_str()).collect();
            return Err(DeskError::NotDeclared { wanted: tool.to_owned(), known: known.join(", ") });
        }
        let mut accepted = Vec::new();
        for name in wanted {
            let definition = match offer.get(&name) {
                Some(Ok(definition)) => definition.clone(),
                Some(Err(unfit)) => return Err(DeskError::Unfit { name, why: unfit.to_string() }),
                None => return Err(DeskError::NotOffered(name)),
            };
            let line = self.line(&name, &offer);
            if line.pinned != Pinned::Same {
                accepted.push(line);
                self.lock.accept(definition);
            }
        }
        if !accepted.is_empty() {
            self.lock.write(&self.lock_file())?;
        }
        Ok(accepted)
    }

    /// What `takt check` says when it may ask: every declared tool that is no longer what was accepted.
    pub async fn changed(&self) -> Result<Vec<Problem>, DeskError> {
        let deadline = Instant::now() + PATIENCE;
        let mut problems = Vec::new();
        for declared in &self.declared {
            let Some(pin) = self.lock.good(&declared.name) else { continue };
            if let Err(error) = self.server.verify(pin, PATIENCE, deadline).await {
                let place = (declared.at.line(), declared.at.column());
                problems.push(Problem::new(&self.file, place, error.message));
            }
        }
        Ok(problems)
    }

    async fn offer(&self) -> Result<Arc<Offer>, DeskError> {
        self.server.offer(Duration::ZERO, Instant::now() + PATIENCE).await.map_err(DeskError::Server)
    }

    fn line(&self, name: &str, offer: &Offer) -> Line {
        let declared = self.declared.iter().find(|declared| declared.name == name);
        let offered = offer.get(name);
        let pinned = match (offered, self.lock.good(name)) {
            (None, _) => Pinned::Gone,
            (Some(Err(unfit)), _) => Pinned::Unfit(unfit.to_string()),
            (Some(Ok(_)), None) => Pinned::No,
            (Some(Ok(now)), Some(pin)) if now.sha256() == pin.sha256() => Pinned::Same,
            (Some(Ok(now)), Some(pin)) => Pinned::Changed {
                was: pin.sha256(),
                is: now.sha256(),
                parts: pin.differs_in(now),
                diff: diff(&text_of(pin), &text_of(now)),
            },
        };
        let offered = offered.and_then(|offered| offered.as_ref().ok());
        Line {
            name: name.to_owned(),
            tool: declared.map(|declared| declared.tool.clone()),
            pinned,
            offered: offered.map(|offered| (offered.sha256(), text_of(offered))),
        }
    }
}

fn open(path: &Path, text: &str, site: &Site) -> Result<Desk, DeskError> {
    let client = http::client().map_err(LoadError::from)?;
    let opened = file::open(path, text, site, &client).map_err(LoadError::Problems)?;
    let lock = Lock::read(&lock::path_of(path))?;
    Ok(Desk { file: path.to_owned(), server: opened.server, declared: opened.declared, lock })
}

fn mcp_files(folder: &Path) -> Result<Vec<(PathBuf, String)>, LoadError> {
    let mut found = Vec::new();
    for path in files(folder)? {
        let text =
            fs::read_to_string(&path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
        if file::is_mcp(&text) {
            found.push((path, text));
        }
    }
    Ok(found)
}

fn text_of(definition: &Definition) -> String {
    serde_json::to_string_pretty(definition.value()).unwrap_or_default()
}
