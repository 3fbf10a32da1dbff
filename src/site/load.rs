use super::{Environment, ModelEndpoint, Site, file::SiteFile, reading::Reading};
use serde_saphyr::{Location, MessageFormatter, UserMessageFormatter};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// An unknown word is taken for a misspelling of a known one from this Jaro-Winkler similarity on.
const SIMILAR: f64 = 0.8;

/// What the command line sets over `takt.yaml`.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Origin (`http://127.0.0.1:7080`) of every system that is marked `simulator: true`.
    pub simulator: Option<String>,
    /// Stand in for the declared models.
    pub models: Option<Vec<ModelEndpoint>>,
    /// Base URL of Slack's Web API.
    pub slack: Option<String>,
    /// Variables that are not set stay empty instead of being errors: for `takt check`, which calls nobody.
    pub without_secrets: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("{path} cannot be read ({reason}): run takt in a site folder or name one with --site")]
    Unreadable { path: PathBuf, reason: String },
    #[error("{}", lines(.0))]
    Invalid(Vec<SiteProblem>),
}

/// One thing that is wrong in `takt.yaml`, at its place; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteProblem {
    pub path: String,
    pub line: u64,
    pub column: u64,
    pub message: String,
}

impl fmt::Display for SiteProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.path, self.line, self.column, self.message)
    }
}

fn lines(problems: &[SiteProblem]) -> String {
    problems.iter().map(SiteProblem::to_string).collect::<Vec<_>>().join("\n")
}

impl Site {
    /// Reads `takt.yaml` of a site folder; reports everything that is wrong in it at once.
    pub fn load(folder: &Path, environment: &Environment, overrides: &Overrides) -> Result<Self, SiteError> {
        let path = folder.join("takt.yaml");
        let text = std::fs::read_to_string(&path)
            .map_err(|e| SiteError::Unreadable { path: path.clone(), reason: e.kind().to_string() })?;
        let mut site = Self::parse(&path.display().to_string(), &text, environment, overrides)?;
        site.folder = folder.to_owned();
        Ok(site)
    }

    /// As [`Site::load`], but what is understood is there even when something is wrong: for who only looks at what depends
    /// on it. Nothing where the file has not even the form of one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn draft(
        folder: &Path,
        environment: &Environment,
        overrides: &Overrides,
    ) -> Result<(Option<Self>, Vec<SiteProblem>), SiteError> {
        let path = folder.join("takt.yaml");
        let text = std::fs::read_to_string(&path)
            .map_err(|e| SiteError::Unreadable { path: path.clone(), reason: e.kind().to_string() })?;
        let shown = path.display().to_string();
        Ok(match serde_saphyr::from_str::<SiteFile>(&text) {
            Ok(file) => {
                let (site, problems) = Reading::new(&shown, environment, overrides).draft(file);
                (Some(Self { folder: folder.to_owned(), ..site }), problems)
            }
            Err(error) => (None, vec![syntax_problem(&shown, &error)]),
        })
    }

    /// `path` is only for messages.
    pub fn parse(
        path: &str,
        text: &str,
        environment: &Environment,
        overrides: &Overrides,
    ) -> Result<Self, SiteError> {
        let file: SiteFile = serde_saphyr::from_str(text)
            .map_err(|error| SiteError::Invalid(vec![syntax_problem(path, &error)]))?;
        Reading::new(path, environment, overrides).site(file).map_err(SiteError::Invalid)
    }
}

/// Every declared endpoint, also one that is off because it has no key; keys are not read.
pub fn declared_models(folder: &Path, environment: &Environment) -> Result<Vec<ModelEndpoint>, SiteError> {
    let path = folder.join("takt.yaml");
    let text = std::fs::read_to_string(&path)
        .map_err(|e| SiteError::Unreadable { path: path.clone(), reason: e.kind().to_string() })?;
    let shown = path.display().to_string();
    let file: SiteFile = serde_saphyr::from_str(&text)
        .map_err(|error| SiteError::Invalid(vec![syntax_problem(&shown, &error)]))?;
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    let reading = Reading::new(&shown, environment, &overrides);
    Ok(reading.declared_models(file.models.into_iter().map(|model| model.value)))
}

fn syntax_problem(path: &str, error: &serde_saphyr::Error) -> SiteProblem {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let message = words_of(error);
    SiteProblem { path: path.to_owned(), line: location.line(), column: location.column(), message }
}

/// What is wrong with a YAML file, for who writes it.
pub fn words_of(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("there is no key `{field}` here{}", did_you_mean(field, expected.iter().copied()))
        }
        Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("`{variant}` is not known here{}", did_you_mean(variant, expected.iter().copied()))
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("{expected} is needed here, this is {unexpected}")
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("`{key}` stands here twice: keep one of them")
        }
        Error::DuplicateMappingKey { key: None, .. } => {
            "a key stands here twice: keep one of them".to_owned()
        }
        other => match UserMessageFormatter.format_message(other).into_owned() {
            said if said.contains("tabs disallowed") => "a tab stands here: indent with spaces".to_owned(),
            said if said.contains("<document start>") => {
                "not valid YAML: a file begins with `key: value`; remove lines that begin with `%`".to_owned()
            }
            said if said.contains("expected mapping start") => {
                "a group of keys is needed here: write `key: value` lines, indented below".to_owned()
            }
            said if said.contains("expected sequence start") => {
                "a list is needed here: write `- item` lines, or `[one, two]`".to_owned()
            }
            said => format!("not valid YAML: {said}"),
        },
    }
}

pub(super) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let similarity = |candidate: &&str| strsim::jaro_winkler(word, candidate);
    let best = known.clone().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match best.filter(|best| similarity(best) >= SIMILAR) {
        Some(best) => format!(": did you mean `{best}`?"),
        None => format!(" (there are: {})", known.collect::<Vec<_>>().join(", ")),
    }
}
