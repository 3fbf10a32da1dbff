//! T024: workflows without a test, and outcomes of a gate that no test has: agreement, rejection, silence. Reads
//! what the cases say, so a case may count for a gate that it never comes to; what is covered for certain is
//! what playing them shows.

use crate::site::read_text;
use crate::workflow::{
    Allow, Definition, GateStep, OnError, OnExpire, Place, Step, StepKind,
    cases::{Expectation, GivenAnswer, Happening, Moment, Says, TestCase, TestFile, leaf},
    duration,
    problem::{Problem, Severity},
    walk,
};
use std::path::Path;

pub(super) fn untested(site: &Path, definition: &Definition) -> Vec<Problem> {
    let path = &definition.bundle.path;
    let test = path.strip_suffix(".yaml").map(|stem| format!("{stem}.test.yaml")).unwrap_or_default();
    let Ok(text) = read_text(site, &test) else {
        let message = "no test covers this workflow".to_owned();
        let fix = format!("write {test}; `takt test` plays it");
        return vec![warning(path, Place { line: 1, column: 1 }, message, fix)];
    };
    let Ok((file, _)) = TestFile::parse(&test, &text) else {
        let message = format!("{test} cannot be read, so no test covers this workflow");
        let fix = "`takt test` says where it breaks".to_owned();
        return vec![warning(path, Place { line: 1, column: 1 }, message, fix)];
    };
    let mut found = Vec::new();
    walk::every_step(&definition.workflow, &mut |step| {
        if let StepKind::Gate(gate) = &step.kind {
            found.extend(uncovered(definition, step, gate, &file));
        }
    });
    found
}

fn uncovered(definition: &Definition, step: &Step, gate: &GateStep, file: &TestFile) -> Vec<Problem> {
    let node = definition.node_of(step.place).and_then(|node| node.get("gate"));
    let place = node.map_or(step.place, |node| node.place);
    let said = |is_rejection: bool| {
        let moments = file.cases.iter().flat_map(|case| &case.timeline);
        let given = moments.filter_map(|moment| answer(moment, step));
        given.map(|answer| matches!(answer.says, Says::Reject)).any(|rejects| rejects == is_rejection)
    };
    let test = &file.path;
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
    if !file.cases.iter().any(|case| is_silent(case, step, gate)) {
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
