//! T024: workflows without a test, and outcomes of a gate that no test has: agreement, rejection, silence. Reads
//! what the cases say, so a case may count for a gate that it never comes to; what is covered for certain is
//! what playing them shows.

use crate::site::read_text;
use crate::workflow::{
    Allow, Definition, GateStep, OnError, OnExpire, Place, Step, StepKind,
    cases::{Expectation, GivenAnswer, Happening, Moment, Says, TestCase, TestFile, leaf},
    definition::is_sound,
    duration,
    library::test_files,
    problem::{Problem, Severity},
    walk,
};
use std::path::Path;

/// A test file of the site; its cases, where it has no mistake.
pub(super) struct Test {
    path: String,
    /// The workflow it names, as far as it is understood.
    workflow: Option<String>,
    file: Option<TestFile>,
}

/// The tests of a site whose text may be of interest.
pub(super) fn tests(site: &Path, may_be: impl Fn(&str, &str) -> bool) -> Vec<Test> {
    let paths = test_files(site).unwrap_or_default().into_iter();
    let read = paths.map(|path| {
        let text = read_text(site, &path).unwrap_or_default();
        if !may_be(&path, &text) {
            return Test { path, workflow: None, file: None };
        }
        let (file, problems) = TestFile::draft(&path, &text);
        let workflow = file.as_ref().map(|file| file.workflow.it.clone());
        Test { path, workflow, file: file.filter(|_| is_sound(&problems)) }
    });
    read.collect()
}

/// The path of the test that stands beside a workflow.
pub(super) fn own_test(definition: &Definition) -> String {
    let stem = definition.bundle.path.strip_suffix(".yaml");
    stem.map(|stem| format!("{stem}.test.yaml")).unwrap_or_default()
}

/// Cases count for the workflow they name, whatever their file is called.
pub(super) fn untested(tests: &[Test], definition: &Definition) -> Vec<Problem> {
    let (path, own_path) = (&definition.bundle.path, own_test(definition));
    let own = tests.iter().find(|test| test.path == own_path);
    let is_of_it = |test: &Test| match &test.workflow {
        Some(workflow) => *workflow == definition.workflow.id,
        None => test.path == own_path,
    };
    // What is wrong with a test is told there; what it covers is not known until then.
    if tests.iter().any(|test| test.file.is_none() && is_of_it(test)) {
        return Vec::new();
    }
    let names_it = |file: &&TestFile| file.workflow.it == definition.workflow.id;
    let files: Vec<&TestFile> = tests.iter().filter_map(|test| test.file.as_ref()).filter(names_it).collect();
    if files.is_empty() {
        let start = Place { line: 1, column: 1 };
        let message = "no test covers this workflow".to_owned();
        let fix = match own.and_then(|own| own.workflow.as_ref()) {
            None => format!("write {own_path}; `takt test` plays it"),
            Some(other) => format!("{own_path} tests `{other}`: correct its `workflow:`"),
        };
        return vec![warning(path, start, message, fix)];
    }
    let mut found = Vec::new();
    walk::every_step(&definition.workflow, &mut |step| {
        if let StepKind::Gate(gate) = &step.kind {
            found.extend(uncovered(definition, step, gate, &files));
        }
    });
    found
}

fn uncovered(definition: &Definition, step: &Step, gate: &GateStep, files: &[&TestFile]) -> Vec<Problem> {
    let cases = || files.iter().flat_map(|file| &file.cases);
    let node = definition.node_of(step.place).and_then(|node| node.get("gate"));
    let place = node.map_or(step.place, |node| node.place);
    let said = |is_rejection: bool| {
        let moments = cases().flat_map(|case| &case.timeline);
        let given = moments.filter_map(|moment| answer(moment, step));
        given.map(|answer| matches!(answer.says, Says::Reject)).any(|rejects| rejects == is_rejection)
    };
    let test = files.first().map_or("a test", |file| file.path.as_str());
    let answers_so = format!("add a case to {test} that answers so");
    let expires = duration::words(gate.expires);
    let waits = format!("add a case to {test} in which nobody answers it for {expires}");
    let mut found = Vec::new();
    let mut tell = |what: &str, fix: &str| {
        let message = format!("no test covers {what} `{}`", step.id);
        found.push(warning(&definition.bundle.path, place, message, fix.to_owned()));
    };
    if !said(false) {
        tell("agreement to", &answers_so);
    }
    if gate.allow.contains(&Allow::Reject) && !said(true) {
        tell("a rejection of", &answers_so);
    }
    if !cases().any(|case| is_silent(case, step, gate)) {
        tell("silence at", &waits);
    }
    found
}

/// An answer to this gate, or to its second question, that is not expected to be refused.
fn answer<'m>(moment: &'m Moment, step: &Step) -> Option<&'m GivenAnswer> {
    let Happening::Answer(answer) = &moment.happens else { return None };
    let gate = answer.gate.it.strip_suffix(".second").unwrap_or(&answer.gate.it);
    (leaf(gate) == step.id && answer.refused.is_none()).then_some(answer)
}

/// Whether nobody answers the gate before it expires, and the case expects what comes of that.
fn is_silent(case: &TestCase, step: &Step, gate: &GateStep) -> bool {
    let is_over = |moment: &Moment| {
        moment.after <= gate.expires
            && (answer(moment, step).is_some() || matches!(moment.happens, Happening::Cancel { .. }))
    };
    let fits = |expected: &Expectation| match expected {
        Expectation::NotReached(path) => leaf(path) != step.id,
        Expectation::Runs(count) => *count > 0,
        Expectation::Escalations(rungs) => gate.on_expire != OnExpire::Escalate || !rungs.is_empty(),
        Expectation::Outcome(word) => {
            gate.on_expire != OnExpire::Fail || !matches!(step.on_error, OnError::Fail) || word == "failed"
        }
        Expectation::Step { step: path, output } => {
            let decision = output.raw().get("decision").and_then(serde_json::Value::as_str);
            leaf(path) != step.id || decision.is_none_or(|word| word == "reject")
        }
        _ => true,
    };
    let shows = |expected: &Expectation| match expected {
        Expectation::Escalations(_) => gate.on_expire == OnExpire::Escalate,
        Expectation::Outcome(word) => {
            word == "failed" || gate.on_expire == OnExpire::Reject && word != "done"
        }
        Expectation::Failure { step: failed, class, .. } => {
            class.as_deref() == Some("expired") || failed.as_ref().is_some_and(|path| leaf(path) == step.id)
        }
        Expectation::Step { step: path, .. } => leaf(path) == step.id,
        Expectation::Told { .. } | Expectation::Reached(_) => true,
        _ => false,
    };
    case.stop_at.is_none_or(|stop| stop > gate.expires)
        && !case.timeline.iter().any(is_over)
        && case.expect.iter().all(|expected| fits(&expected.it))
        && (case.expect.iter().any(|expected| shows(&expected.it))
            || matches!(step.on_error, OnError::Steps(_) | OnError::Continue))
}

fn warning(path: &str, place: Place, message: String, fix: String) -> Problem {
    let severity = Severity::Warning;
    Problem { code: "T024", severity, path: path.to_owned(), place, message, fix: Some(fix) }
}
