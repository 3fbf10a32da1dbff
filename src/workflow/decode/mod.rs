//! The tree of a workflow file to the model, with every problem at its place and not only the first.
//!
//! Decoding goes on after a problem wherever what follows can still be understood, so that the checks can look at the
//! rest; what could not be understood is left out of the model.

mod agent;
mod cases;
mod cron;
mod expect;
mod fields;
mod flow;
mod gate;
mod scalar;
mod step;
mod trigger;

use fields::Fields;
pub(super) use gate::messages_in;

use super::{
    Autonomy, Input, Place, Sla, Workflow,
    problem::{Problem, Severity},
    source::{Data, Document, Node, Scalar},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Names that mean something else where a step id could stand; the second line cannot follow a dot in CEL.
const RESERVED: [&str; 22] = [
    "trigger", "inputs", "steps", "site", "now", "event", "answer", "output", "failure", "reads", "write",
    "true", "false", "null", "in", "as", "break", "else", "for", "if", "import", "return",
];
/// What stands in paths of steps that the engine makes: an `undo` needs no approval.
const OF_PATHS: [&str; 4] = ["undo", "on_error", "on_timeout", "on_failure"];

const INPUT_TYPES: [&str; 7] = ["string", "time", "number", "integer", "boolean", "list", "object"];

pub(super) struct Decoder<'d> {
    path: &'d str,
    document: &'d Document,
    pub(super) problems: Vec<Problem>,
    ids: BTreeMap<String, Place>,
    lost: Vec<String>,
}

/// What became of a workflow file.
pub(super) struct Decoded {
    /// As far as it was understood; without an error it is the whole file.
    pub(super) workflow: Option<Workflow>,
    pub(super) problems: Vec<Problem>,
    /// Ids of steps that are not in the model, because they have mistakes of their own.
    pub(super) lost: Vec<String>,
}

pub(super) fn workflow(path: &str, document: &Document) -> Decoded {
    let mut decoder = Decoder::new(path, document);
    let workflow = decoder.workflow();
    let Decoder { mut problems, lost, .. } = decoder;
    problems.sort_by_key(|problem| problem.place);
    Decoded { workflow, problems, lost }
}

/// What reads differently from what it says, in values that stand in another file than a workflow.
pub(super) fn surprises_in(path: &str, document: &Document, node: &Node) -> Vec<Problem> {
    let mut decoder = Decoder::new(path, document);
    decoder.json(node);
    decoder.problems
}

impl<'d> Decoder<'d> {
    pub(super) fn new(path: &'d str, document: &'d Document) -> Self {
        Self { path, document, problems: Vec::new(), ids: BTreeMap::new(), lost: Vec::new() }
    }

    pub(super) fn root(&self) -> &'d Node {
        &self.document.root
    }

    fn workflow(&mut self) -> Option<Workflow> {
        let root = self.root();
        let mut fields = self.fields(root, "a workflow")?;
        let id = fields.get("workflow").and_then(|node| self.id(node));
        if !fields.has("workflow") {
            let fix = "begin with `workflow: an_id`";
            self.missing(&mut fields, "workflow", ("T002", root.place), "`workflow` is missing", fix);
        }
        let title = fields.get("title").and_then(|node| self.text(node));
        let owner = fields.get("owner").and_then(|node| self.text(node));
        if !fields.has("owner") {
            let fix = "add `owner:` with who answers for it";
            self.missing(&mut fields, "owner", ("T002", root.place), "`owner` is missing", fix);
        }
        let author = fields.get("author").and_then(|node| self.text(node));
        let autonomy = fields.get("autonomy").map_or(Some(Autonomy::Assist), |node| {
            let words =
                [("shadow", Autonomy::Shadow), ("assist", Autonomy::Assist), ("auto", Autonomy::Auto)];
            self.one_of(node, &words)
        });
        let trigger = fields.get("trigger").and_then(|node| self.trigger(node));
        if !fields.has("trigger") {
            let fix = "add `trigger:`, or `trigger: manual`";
            self.missing(&mut fields, "trigger", ("T002", root.place), "`trigger` is missing", fix);
        }
        let flow = fields.get("flow").map(|node| self.flow(node, trigger.as_ref())).unwrap_or_default();
        let inputs = fields.get("inputs").map(|node| self.inputs(node)).unwrap_or_default();
        let sla = fields.get("sla").map(|node| self.sla(node)).unwrap_or_default();
        let steps = fields.get("steps").map(|node| self.steps(node)).unwrap_or_default();
        if !fields.has("steps") {
            let fix = "add `steps:` with at least one step";
            self.missing(&mut fields, "steps", ("T002", root.place), "`steps` is missing", fix);
        }
        let on_failure = fields.get("on_failure").map(|node| self.steps(node)).unwrap_or_default();
        self.finish(&fields, "a workflow");
        let id = id?;
        let title = title.unwrap_or_else(|| id.clone());
        let trigger = trigger?;
        Some(Workflow {
            title,
            owner: owner.unwrap_or_default(),
            author,
            autonomy: autonomy.unwrap_or(Autonomy::Assist),
            trigger,
            flow,
            inputs,
            sla,
            steps,
            on_failure,
            id,
        })
    }

    fn inputs(&mut self, node: &'d Node) -> BTreeMap<String, Input> {
        let Some(entries) = self.map(node, "inputs") else { return BTreeMap::new() };
        let mut inputs = BTreeMap::new();
        for (key, node) in entries {
            self.check_id(&key.name, key.place);
            let Some(mut fields) = self.fields(node, "an input") else {
                inputs.insert(key.name.clone(), of_any_type(Some(Value::Null)));
                continue;
            };
            let kind = match fields.get("type") {
                Some(node) => self.one_of(node, &INPUT_TYPES.map(|word| (word, word))),
                None => {
                    let fix = format!("add `type:`, one of {}", INPUT_TYPES.join(", "));
                    self.missing(&mut fields, "type", ("T002", node.place), "`type` is missing", fix);
                    None
                }
            };
            let default = fields.get("default").map(|node| self.json(node));
            let unit = fields.get("unit").and_then(|node| self.text(node));
            let title = fields.get("title").and_then(|node| self.text(node));
            self.finish(&fields, "an input");
            let input = match kind {
                Some(kind) => Input { kind: kind.to_owned(), default, unit, title },
                None => of_any_type(default),
            };
            inputs.insert(key.name.clone(), input);
        }
        inputs
    }

    fn sla(&mut self, node: &'d Node) -> Vec<Sla> {
        let mut found = Vec::new();
        for node in self.list(node, "sla").unwrap_or_default() {
            let Some(mut fields) = self.fields(node, "an sla") else { continue };
            let step = self.required(&mut fields, "step", "the id of a step").and_then(|n| self.text(n));
            let within =
                self.required(&mut fields, "within", "a time like 15m").and_then(|n| self.duration(n));
            let escalate = self.required(&mut fields, "escalate", "a ladder").and_then(|n| self.text(n));
            self.finish(&fields, "an sla");
            if let (Some(step), Some(within), Some(escalate)) = (step, within, escalate) {
                found.push(Sla { step, within, escalate });
            }
        }
        found
    }

    /// An id of a step or workflow: snake_case and not a name of the language.
    fn check_id(&mut self, id: &str, place: Place) -> bool {
        let snake = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !snake {
            let message = format!("`{id}` is not an id");
            self.error("T003", place, message, "use lower case letters, digits and `_`, a letter first");
        } else if RESERVED.contains(&id) || OF_PATHS.contains(&id) {
            let message = format!("`{id}` is a name of the language");
            self.error("T003", place, message, "choose another id");
            return false;
        }
        snake
    }

    fn id(&mut self, node: &'d Node) -> Option<String> {
        let id = self.text(node)?;
        self.check_id(&id, node.place).then_some(id)
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        place: Place,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.report(code, Severity::Error, place, message.into(), fix.into());
    }

    fn warn(&mut self, code: &'static str, place: Place, message: String, fix: String) {
        self.report(code, Severity::Warning, place, message, fix);
    }

    fn report(&mut self, code: &'static str, severity: Severity, place: Place, message: String, fix: String) {
        let path = self.path.to_owned();
        self.problems.push(Problem { code, severity, path, place, message, fix: Some(fix) });
    }

    fn place_in(&self, scalar: &Scalar, offset: usize) -> Place {
        self.document.place_in(scalar, offset)
    }
}

/// An input that is there and has a mistake of its own: what reads it has none.
fn of_any_type(default: Option<Value>) -> Input {
    Input { kind: "object".to_owned(), default, unit: None, title: None }
}

/// What a node is, in words for an error.
fn kind_of(node: &Node) -> &'static str {
    match &node.data {
        Data::Scalar(scalar) if scalar.text.is_empty() => "empty",
        Data::Scalar(_) => "a single value",
        Data::Map(_) => "a group of keys",
        Data::List(_) => "a list",
    }
}
