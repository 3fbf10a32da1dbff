//! Finds the test files of a site, checks them, and plays their cases one after the other.

use super::{
    Stage,
    check::{Fixtures, Known, goes_with, read},
    coverage::{Coverage, Tally},
    death::Point,
    judge::{Mismatch, judge},
    play,
    played::{PlayError, Played},
    timeline::{TimelineLine, timeline},
};
use crate::{
    site::read_text,
    tool::{Effect, ToolName},
    workflow::{
        Autonomy, Definition, Place,
        cases::{Crash, Setting, TestCase, workflow_named},
        problem::Problem,
    },
};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// The folder, below the site folder, that holds workflows and their tests.
const FOLDER: &str = "workflows";
const ENDING: &str = ".test.yaml";

#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    #[error("{path} cannot be read: {cause}")]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error(
        "{0} has no test: give a test file of this site, a workflow that has one beside it, or a folder that holds some"
    )]
    NoTests(PathBuf),
}

#[derive(Debug, Default, Serialize)]
pub struct SuiteResult {
    pub files: Vec<FileResult>,
}

#[derive(Debug, Serialize)]
pub struct FileResult {
    /// In the site folder.
    pub path: String,
    pub workflow: String,
    /// What is wrong with the file; then nothing was played.
    pub problems: Vec<Problem>,
    pub cases: Vec<CaseResult>,
    /// `None` when only some of its cases were played.
    pub coverage: Option<Coverage>,
}

#[derive(Debug, Serialize)]
pub struct CaseResult {
    pub name: String,
    pub place: Place,
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
    pub mismatches: Vec<Mismatch>,
    /// Of a case that failed.
    pub timeline: Vec<TimelineLine>,
}

fn seconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(took.as_secs_f64())
}

impl CaseResult {
    pub fn is_ok(&self) -> bool {
        self.mismatches.is_empty()
    }
}

impl SuiteResult {
    pub fn is_ok(&self) -> bool {
        self.failed() == 0 && !self.problems().any(Problem::is_error)
    }

    pub fn cases(&self) -> usize {
        self.files.iter().map(|file| file.cases.len()).sum()
    }

    pub fn failed(&self) -> usize {
        self.files.iter().flat_map(|file| &file.cases).filter(|case| !case.is_ok()).count()
    }

    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.files.iter().flat_map(|file| &file.problems)
    }
}

/// Paths of the test files of a site, and of the workflows that do not load, in the order of their names; below `chosen`
/// where something was chosen.
pub fn test_files(stage: &Stage, chosen: &[PathBuf]) -> Result<Vec<String>, SuiteError> {
    let site = stage.site.folder.as_path();
    let folder = site.join(FOLDER);
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |cause| SuiteError::Unreadable { path, cause }
    };
    let unloaded = stage.library.files().filter(|(_, problems)| problems.iter().any(Problem::is_error));
    let mut found: BTreeSet<String> = unloaded.map(|(path, _)| path.to_owned()).collect();
    for entry in fs::read_dir(&folder).map_err(unreadable(&folder))? {
        let name = entry.map_err(unreadable(&folder))?.file_name().to_string_lossy().into_owned();
        if name.ends_with(ENDING) {
            found.insert(format!("{FOLDER}/{name}"));
        }
    }
    if chosen.is_empty() {
        return Ok(found.into_iter().collect());
    }
    let workflow_of = |path: &String| workflow_named(path, &read_text(site, path).ok()?);
    let tests = found.iter().filter(|path| path.ends_with(ENDING));
    let workflows: BTreeMap<&String, Option<String>> = tests.map(|path| (path, workflow_of(path))).collect();
    let mut picked = BTreeSet::new();
    for path in chosen {
        // A workflow stands for its tests.
        let inside = stage
            .site
            .path_within(path)
            .map_err(unreadable(path))?
            .ok_or_else(|| SuiteError::NoTests(path.clone()))?;
        let is_inside = |path: &str| Path::new(path).starts_with(&inside);
        let is_picked = |file: &&String| {
            let goes_along = |named| goes_with(&stage.library, (file.as_str(), named), is_inside);
            is_inside(file.as_str()) || workflows.get(*file).is_some_and(|named| goes_along(named.as_deref()))
        };
        let chosen: Vec<&String> = found.iter().filter(is_picked).collect();
        if chosen.is_empty() {
            return Err(SuiteError::NoTests(path.clone()));
        }
        picked.extend(chosen.into_iter().cloned());
    }
    Ok(picked.into_iter().collect())
}

/// Plays every case of these files whose name holds `filter`.
pub async fn run(stage: &Stage, files: &[String], filter: Option<&str>) -> Result<SuiteResult, SuiteError> {
    let mut suite = SuiteResult::default();
    for path in files {
        suite.files.push(run_file(stage, path, filter).await);
    }
    Ok(suite)
}

async fn run_file(stage: &Stage, path: &str, filter: Option<&str>) -> FileResult {
    let broken = |workflow: &str, problems| FileResult {
        path: path.to_owned(),
        workflow: workflow.to_owned(),
        problems,
        cases: Vec::new(),
        coverage: None,
    };
    if let Some((_, problems)) = stage.library.files().find(|(file, _)| *file == path) {
        return broken("", problems.iter().filter(|problem| problem.is_error()).cloned().collect());
    }
    let text = match read_text(&stage.site.folder, path) {
        Ok(text) => text,
        Err(cause) => return broken("", vec![Problem::unreadable(path, &cause)]),
    };
    let fixtures = Fixtures::beside(&stage.site.folder, path);
    let known = Known {
        site: &stage.site,
        tools: &stage.tools,
        built_in: &stage.built_in,
        library: &stage.library,
        contracts: &stage.contracts,
    };
    let read = read(&known, path, &text, &fixtures);
    let name = read.file.as_ref().map_or("", |file| file.workflow.it.as_str()).to_owned();
    let (Some(file), Some(mut definition)) = (read.file, read.definition) else {
        return broken(&name, read.problems);
    };
    if read.problems.iter().any(Problem::is_error) {
        return broken(&name, read.problems);
    }
    // A test says what happens when people are asked, also before they are.
    if definition.workflow.autonomy == Autonomy::Shadow {
        definition = Arc::new(definition.with_autonomy(Autonomy::Assist));
    }
    let mut result = broken(&name, read.problems);
    let mut tally = Tally::default();
    for case in file.cases.iter().filter(|case| filter.is_none_or(|filter| case.name.contains(filter))) {
        let (defaults, fixtures) = (&file.defaults, &fixtures.values);
        play_case(stage, &definition, defaults, case, fixtures, &mut tally, &mut result.cases).await;
    }
    result.coverage = filter.is_none().then(|| tally.coverage(&definition.workflow));
    result
}

/// One result, or one for each place that the case crashes at.
async fn play_case(
    stage: &Stage,
    definition: &Arc<Definition>,
    defaults: &Setting,
    case: &TestCase,
    fixtures: &Arc<BTreeMap<String, Value>>,
    tally: &mut Tally,
    results: &mut Vec<CaseResult>,
) {
    let setting = case.setting.over(defaults);
    let crash = case.crash.as_ref().map(|crash| &crash.it);
    let mut points = vec![crash.and_then(Point::of)];
    let mut at = 0;
    while let Some(point) = points.get(at).cloned() {
        at += 1;
        let begun = Instant::now();
        let played = play::play(stage, definition, case, &setting, fixtures, point.clone()).await;
        let mut result = judged(stage, definition, case, played.as_ref());
        result.took = begun.elapsed();
        if let (Some(point), Some(Crash::EveryWrite)) = (&point, crash) {
            result.name = format!("{} (crash {point})", case.name);
        }
        if let Ok(played) = &played {
            tally.add(&definition.workflow, played);
            if point.is_none() && crash == Some(&Crash::EveryWrite) {
                points.extend(
                    writes(played).iter().flat_map(|(tool, step)| Point::around(tool, step)).map(Some),
                );
            }
        }
        results.push(result);
    }
}

/// Tool and step of every write that went well.
fn writes(played: &Played) -> BTreeSet<(ToolName, String)> {
    let is_write = |call: &&super::world::MadeCall| call.effect == Effect::Write && call.error.is_none();
    played.calls.iter().filter(is_write).map(|call| (call.tool.clone(), call.step.clone())).collect()
}

fn judged(
    stage: &Stage,
    definition: &Arc<Definition>,
    case: &TestCase,
    played: Result<&Played, &PlayError>,
) -> CaseResult {
    let mut result = CaseResult {
        name: case.name.clone(),
        place: case.place,
        took: Duration::ZERO,
        mismatches: Vec::new(),
        timeline: Vec::new(),
    };
    match played {
        Ok(played) => {
            result.mismatches = judge(stage, &definition.workflow, case, played);
            if !result.is_ok() {
                result.timeline = timeline(&definition.workflow, played, stage.site.time_zone);
            }
        }
        Err(error) => result.mismatches.push(Mismatch {
            place: case.place,
            what: "the case".into(),
            expected: "it can be played".into(),
            got: error.to_string(),
        }),
    }
    result
}
