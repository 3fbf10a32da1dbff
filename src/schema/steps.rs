//! The nine kinds of step. Each kind's keys are named where the kind is known, so that an editor offers no others.

use super::{Known, arguments::arguments, document::event_type, flag, keys, refer, text, whole, word};
use crate::{
    tool::{Effect, ToolSpec},
    workflow::RETRY_CLASSES,
};
use serde_json::{Map, Value, json};

/// Keys that every step has.
pub(super) const ALWAYS: [&str; 3] = ["id", "if", "on_error"];

/// A kind of step, what it does, and its own keys.
pub(super) const KINDS: [(&str, &str, &[&str]); 10] = [
    ("call", "Calls a tool. The only step that may write.", &["with", "timeout", "retry", "rules", "undo"]),
    (
        "agent",
        "Asks a language model. It reads and proposes; it never writes, and its answer must fit `output`.",
        &["tools", "with", "output", "limits", "mask", "check", "fallback", "timeout", "retry"],
    ),
    (
        "gate",
        "Asks people, and waits for their answer. Silence never approves.",
        &[
            "ask",
            "message",
            "options",
            "items",
            "draft",
            "fields",
            "quorum",
            "requested_by",
            "not_author",
            "allow",
            "second",
            "auto_if",
            "sign",
            "recheck",
            "remind",
            "expires",
            "on_expire",
            "escalate",
            "background",
        ],
    ),
    (
        "wait",
        "Waits for an event, or a time like `30m`. Nothing is held meanwhile; it survives restarts.",
        &["subject", "where", "look_back", "timeout", "on_timeout"],
    ),
    ("until", "Waits until a moment: a CEL timestamp.", &["timeout", "on_timeout"]),
    ("parallel", "Named calls at once. Its output has the same names.", &["timeout", "retry"]),
    (
        "each",
        "Does `steps` or `run` for each item of a list. Its output is the list of results.",
        &["as", "at_once", "steps", "run", "with", "detach"],
    ),
    ("choose", "Takes the first branch whose `if` holds; the last may be `else`.", &[]),
    ("run", "Runs another workflow and waits for its end, unless `detach: true`.", &["with", "detach"]),
    ("end", "Ends the run with this word as its outcome.", &[]),
];

impl Known<'_> {
    pub(super) fn steps(&self, definitions: &mut Map<String, Value>) {
        for spec in self.tools.specs() {
            let mut arguments = arguments(&spec.input);
            arguments["title"] = json!(format!("what {} takes", spec.name));
            definitions.insert(arguments_of(spec), arguments);
        }
        definitions.insert("tool".into(), self.tool_names(|_| true));
        definitions.insert("agent_tool".into(), self.tool_names(|spec| spec.effect != Effect::Write));
        definitions.insert("calls".into(), json!({ "allOf": self.typed_calls() }));
        let call = self.inner_call();
        definitions.insert("parallel_call".into(), call);
        definitions.insert("retry".into(), retry());
        let mut rules: Vec<Value> = KINDS.iter().map(|(kind, _, own)| only(kind, own)).collect();
        // Where there is no call, editors would offer every tool's arguments.
        rules.push(json!({ "if": { "required": ["call"] }, "then": { "$ref": "#/definitions/calls" } }));
        let step = json!({
            "type": "object",
            "required": ["id"],
            "properties": self.properties(),
            "additionalProperties": false,
            "allOf": rules,
            "description": "One step: an `id` and what it does.",
        });
        definitions.insert("step".into(), step);
        let mut inner = definitions.get("step").cloned().unwrap_or_default();
        if let Some(fields) = inner.as_object_mut() {
            fields.remove("required");
        }
        definitions.insert("inner_step".into(), inner);
    }

    fn tool_names(&self, is_offered: impl Fn(&ToolSpec) -> bool) -> Value {
        let offered: Vec<&ToolSpec> = self.tools.specs().filter(|spec| is_offered(spec)).collect();
        let names: Vec<&str> = offered.iter().map(|spec| spec.name.as_str()).collect();
        let words: Vec<String> = offered.iter().map(|spec| described(spec)).collect();
        json!({ "type": "string", "enum": names, "enumDescriptions": words, "markdownEnumDescriptions": words })
    }

    /// `with:` has the arguments of the tool that is called.
    fn typed_calls(&self) -> Vec<Value> {
        let typed = |spec: &ToolSpec| {
            let needs = spec.input["required"].as_array().is_some_and(|required| !required.is_empty());
            let required: &[&str] = if needs { &["with"] } else { &[] };
            json!({
                "if": { "required": ["call"], "properties": { "call": { "const": spec.name } } },
                "then": {
                    "required": required,
                    "properties": {
                        "call": { "description": described(spec), "markdownDescription": described(spec) },
                        "with": { "$ref": format!("#/definitions/{}", arguments_of(spec)) },
                    },
                },
            })
        };
        self.tools.specs().map(typed).collect()
    }

    fn inner_call(&self) -> Value {
        let properties = self.properties();
        let names = ["call", "with", "if", "timeout", "retry", "on_error", "rules", "undo"];
        let own: Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), properties[*name].clone())).collect();
        let mut call = keys(&["call"], Value::Object(own), "One of the calls; its name is the key.");
        call["allOf"] = json!([{ "$ref": "#/definitions/calls" }]);
        call
    }

    fn properties(&self) -> Value {
        let mut all = modifiers();
        for part in [self.of_calls(), self.of_agents(), self.of_gates(), self.of_flow()] {
            if let (Some(all), Value::Object(part)) = (all.as_object_mut(), part) {
                all.extend(part);
            }
        }
        all
    }

    fn of_calls(&self) -> Value {
        json!({
            "call": refer("tool", described_kind("call")),
            "with": { "type": "object", "description": "The arguments, by name. A value may be `${{ expression }}`." },
            "rules": {
                "type": "array", "items": { "$ref": "#/definitions/rule" },
                "description": "Rules that must hold on live data right before the write. One that does not hold stops it.",
            },
            "undo": keys(
                &["call"],
                json!({ "call": refer("tool", "The tool that takes it back."), "with": { "type": "object", "description": "Its arguments." } }),
                "How the write is taken back when the run fails or is cancelled later; in reverse order.",
            ),
        })
    }

    fn of_agents(&self) -> Value {
        let limits = json!({
            "turns": whole("Answers of the model, the ones that call tools included."),
            "time": refer("duration", "For everything."),
            "cost_usd": { "type": "number", "minimum": 0, "description": "Most that may be spent; reserved before each call." },
            "tool_calls": whole("Calls of tools."),
            "tokens": whole("Tokens in and out."),
            "llm_call": refer("duration", "For one call of a model. Left out, the endpoint's `timeouts.total` bounds it."),
            "repairs": whole("Answers or calls that are not accepted and that the model may repair; one when left out."),
            "same_call": whole("Times the same tool may be called with the same arguments; two when left out."),
            "retries": whole("Attempts of one turn at one endpoint after the first, where it is busy or does not answer; two when left out."),
            "answer_tokens": whole("Tokens of one answer, at least 256; 4096 when left out."),
        });
        json!({
            "agent": refer("prompt", described_kind("agent")),
            "tools": { "type": "array", "items": { "$ref": "#/definitions/agent_tool" }, "description": "What it may read and propose with. Write tools do not exist for an agent." },
            "output": refer("output_schema", "The JSON Schema that an answer must fit."),
            "limits": keys(&[], limits, "Beyond them the `fallback` answers."),
            "mask": { "type": "array", "items": { "type": "string" }, "description": "Fields that the model sees as tokens only, beside those that tools declare confidential." },
            "check": { "description": "Conditions over `output` that an answer must meet; it is told which one it did not and may try once more.",
                "anyOf": [{ "$ref": "#/definitions/expression" }, { "type": "array", "items": { "$ref": "#/definitions/expression" } }] },
            "fallback": { "description": "The answer when the model has none: it is down, over a limit, or wrong. It must fit `output`." },
        })
    }

    fn of_gates(&self) -> Value {
        let answers = ["acknowledge", "approve", "choose", "edit", "reject"];
        json!({
            "gate": word(&["acknowledge", "approve", "choose", "form"], described_kind("gate")),
            "ask": refer("role", "The role that is asked. Who fills it now is in takt.yaml."),
            "message": refer("message", "The text of the question: a template, its first line is the title."),
            "options": refer("template", "The list to choose from, at most three; each with a `title`."),
            "items": refer("template", "A list that is acknowledged one by one."),
            "draft": { "description": "The text or values that an `edit` begins with." },
            "fields": { "description": "What a `form` is filled in with: the path of a JSON Schema, or the schema itself. Texts, dates, words of an `enum`, numbers with bounds, yes or no.",
                "anyOf": [{ "$ref": "#/definitions/output_schema" }, { "type": "object" }] },
            "quorum": whole("How many people of the role have to give the same answer; one when left out. One `reject` ends it."),
            "requested_by": refer("expression", "Who wants what is decided here, and therefore may not decide it: the id or the mail address of a person, as in `trigger.requested_by`. Whoever started the run by hand may not in any case."),
            "not_author": flag("Who wrote this version of the workflow, its `author`, may not answer."),
            "allow": { "type": "array", "items": { "enum": answers }, "description": "The answers that are offered." },
            "second": keys(
                &["ask"],
                json!({ "if": refer("expression", "When a second person is needed: CEL over `answer`. Always when left out."), "ask": refer("role", "Who that is. It is never the same person.") }),
                "Approval by two people.",
            ),
            "auto_if": refer("expression", "With `autonomy: auto`: no question when this is true. `past.answers`, `past.accepted` and `past.share` say how people answered it lately."),
            "sign": text("What a signature means here; the person signs in again."),
            "recheck": refer("duration", "An answer later than this is checked on live data again."),
            "remind": refer("duration", "Remind every so often."),
            "expires": refer("duration", "How long the question is open. Required: nobody waits for ever."),
            "on_expire": word(&["escalate", "reject", "fail"], "What silence means. There is no `approve`."),
            "escalate": refer("ladder", "Who is asked next; without it the role's own ladder."),
            "background": flag("The run goes on while the question is open."),
        })
    }

    fn of_flow(&self) -> Value {
        let steps = |description: &str| json!({ "type": "array", "items": { "$ref": "#/definitions/step" }, "description": description });
        let branch = json!({
            "if": refer("expression", "When this branch is taken."),
            "steps": steps("What is done then."),
            "end": text("Ends the run with this word."),
            "else": steps("What is done when no other branch is taken; only as the last one."),
        });
        json!({
            "wait": { "description": described_kind("wait"), "anyOf": [{ "$ref": "#/definitions/duration" }, event_type("The type of event that is waited for.")] },
            "until": refer("expression", described_kind("until")),
            "where": refer("expression", "Which event is meant: CEL over `event` and the names of the run."),
            "subject": refer("expression", "What the event must be about. Give it where you can: other events then do not wake the run."),
            "look_back": refer("duration", "How long before the wait the event may have come; without it since the run was triggered."),
            "on_timeout": {
                "description": "What is done when the time is over; then the run goes on.",
                "anyOf": [{ "$ref": "#/definitions/inner_step" }, { "type": "array", "items": { "$ref": "#/definitions/step" } }],
            },
            "parallel": { "type": "object", "additionalProperties": { "$ref": "#/definitions/parallel_call" }, "description": described_kind("parallel") },
            "each": refer("template", described_kind("each")),
            "as": { "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "description": "The name of the item in its steps." },
            "at_once": whole("How many items at a time; one when left out."),
            "steps": steps("What is done for each item."),
            "choose": { "type": "array", "minItems": 1, "items": keys(&[], branch, "A branch."), "description": described_kind("choose") },
            "run": refer("workflow_id", described_kind("run")),
            "detach": flag("Do not wait for its end."),
            "end": text(described_kind("end")),
        })
    }
}

fn modifiers() -> Value {
    let on_error = json!([
        { "enum": ["fail", "continue"] },
        { "$ref": "#/definitions/inner_step" },
        { "type": "array", "items": { "$ref": "#/definitions/step" } },
    ]);
    json!({
        "id": { "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "description": "The name of the step, unique in the file. Later steps read its output as `steps.<id>`." },
        "if": refer("expression", "The step is skipped unless this is true. Bare CEL, without `${{ }}`."),
        "timeout": refer("duration", "Longest time of one attempt; of a `wait`: how long it waits."),
        "retry": {
            "description": "When a failed attempt is repeated. One policy, or a list of which the first that covers the error counts.",
            "anyOf": [{ "$ref": "#/definitions/retry" }, { "type": "array", "items": { "$ref": "#/definitions/retry" } }],
        },
        "on_error": { "description": "What a failure for good means: `fail` (the default) ends the run through `on_failure`; `continue` goes on with `null` as output; steps are done instead.", "anyOf": on_error },
    })
}

fn retry() -> Value {
    keys(
        &["times"],
        json!({
            "times": whole("Attempts after the first."),
            "wait": refer("duration", "Pause before the second attempt; 1s when left out."),
            "backoff": { "type": "number", "minimum": 0, "description": "Each pause is so many times the last; 2 when left out." },
            "max": refer("duration", "Longest pause."),
            "on": { "type": "array", "items": { "enum": RETRY_CLASSES }, "description": "Errors that are retried; without it those that pass by themselves." },
        }),
        "A retry policy.",
    )
}

/// A step of this kind has these keys and no others.
fn only(kind: &str, own: &[&str]) -> Value {
    let mut names: Vec<&str> = ALWAYS.iter().copied().chain([kind]).chain(own.iter().copied()).collect();
    names.dedup();
    let condition = match kind {
        // `each` with `run` is an `each`.
        "run" => json!({ "required": ["run"], "not": { "required": ["each"] } }),
        kind => json!({ "required": [kind] }),
    };
    json!({ "if": condition, "then": { "propertyNames": { "enum": names } } })
}

fn described_kind(kind: &str) -> &'static str {
    KINDS.iter().find(|(name, ..)| *name == kind).map_or("", |(_, words, _)| words)
}

pub(super) fn described(spec: &ToolSpec) -> String {
    let effect = match spec.effect {
        Effect::Read => "Reads.",
        Effect::Propose => "Computes; changes nothing.",
        Effect::Write if spec.ungated.is_some() => "Writes, without a gate.",
        Effect::Write => "Writes: only after a gate, with `rules`.",
    };
    format!("{} {effect}", spec.description.trim_end())
}

fn arguments_of(spec: &ToolSpec) -> String {
    format!("with {}", spec.name).replace(' ', "_")
}
