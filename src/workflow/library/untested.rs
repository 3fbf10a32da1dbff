//! T024: workflows without a test, and answers of a gate that no test gives. Reads the test files only for
//! the answers in them; whether they pass, and what they cover besides, is what playing them shows.

use crate::site::read_text;
use crate::workflow::{
    Allow, Definition, GateStep, Place, Step, StepKind,
    problem::{Problem, Severity},
    source::{Data, Document, Node},
    walk,
};
use std::path::Path;

/// An answer that a test gives.
struct Answer {
    gate: String,
    is_rejection: bool,
}

pub(super) fn untested(site: &Path, definition: &Definition) -> Vec<Problem> {
    let path = &definition.bundle.path;
    let test = path.strip_suffix(".yaml").map(|stem| format!("{stem}.test.yaml")).unwrap_or_default();
    let Ok(text) = read_text(site, &test) else {
        let message = "no test covers this workflow".to_owned();
        let fix = format!("write {test}; `takt test` plays it");
        return vec![warning(path, Place { line: 1, column: 1 }, message, fix)];
    };
    let Ok(document) = Document::parse(&test, &text) else {
        let message = format!("{test} cannot be read, so no test covers this workflow");
        let fix = "`takt test` says where it breaks".to_owned();
        return vec![warning(path, Place { line: 1, column: 1 }, message, fix)];
    };
    let mut answers = Vec::new();
    collect(&document.root, &mut answers);
    let mut found = Vec::new();
    walk::every_step(&definition.workflow, &mut |step| {
        if let StepKind::Gate(gate) = &step.kind {
            found.extend(unanswered(definition, step, gate, &answers, &test));
        }
    });
    found
}

fn unanswered(
    definition: &Definition,
    step: &Step,
    gate: &GateStep,
    answers: &[Answer],
    test: &str,
) -> Vec<Problem> {
    let node = definition.node_of(step.place).and_then(|node| node.get("gate"));
    let place = node.map_or(step.place, |node| node.place);
    let given = |is_rejection: bool| {
        answers.iter().any(|answer| answer.gate == step.id && answer.is_rejection == is_rejection)
    };
    let may_reject = gate.allow.contains(&Allow::Reject);
    let wanted = [(false, "agreement to", true), (true, "a rejection of", may_reject)];
    wanted
        .into_iter()
        .filter(|(is_rejection, _, applies)| *applies && !given(*is_rejection))
        .map(|(_, what, _)| {
            let message = format!("no test covers {what} `{}`", step.id);
            warning(&definition.bundle.path, place, message, format!("add a case to {test} that answers so"))
        })
        .collect()
}

/// Every `{ answer: gate, … }` that is not expected to be refused; the second person's counts for the gate.
fn collect(node: &Node, found: &mut Vec<Answer>) {
    match &node.data {
        Data::Map(entries) => {
            let refused =
                node.get("expect").and_then(Node::scalar).is_some_and(|text| text.text == "refused");
            if let (Some(gate), false) = (node.get("answer").and_then(Node::scalar), refused) {
                let gate = gate.text.rsplit('/').next().unwrap_or_default();
                let gate =
                    gate.strip_suffix(".second").unwrap_or(gate).rsplit('.').next().unwrap_or_default();
                found.push(Answer { gate: gate.to_owned(), is_rejection: node.get("reject").is_some() });
            }
            entries.iter().for_each(|(_, value)| collect(value, found));
        }
        Data::List(items) => items.iter().for_each(|item| collect(item, found)),
        Data::Scalar(_) => {}
    }
}

fn warning(path: &str, place: Place, message: String, fix: String) -> Problem {
    let severity = Severity::Warning;
    Problem { code: "T024", severity, path: path.to_owned(), place, message, fix: Some(fix) }
}
