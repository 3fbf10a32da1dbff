//! What is asked: the content of a gate and of the messages that carry it.

use super::{Opened, outcome};
use crate::{
    agent::is_model_name,
    engine::{AskedAt, Ladders, StepContext},
    expr::Scope,
    gate::{place_in, whom},
    run::{AskedPerson, Intent, MessageKind, OutboxMessage, Signal, StepPath},
    step::notify::split_title,
    workflow::{Allow, GateForm, GateStep, OnExpire, form},
};
use serde_json::{Value, json};

/// Most options people can compare.
const OPTIONS_MAX: usize = 3;
const REASON_LENGTH_MAX: usize = 40;

/// What a person is asked to answer for.
pub(in crate::step) struct Proposal {
    pub title: String,
    pub body: String,
    pub options: Vec<Value>,
    pub items: Vec<Value>,
    pub draft: Option<Value>,
}

impl Proposal {
    /// As the gate's templates say in this scope.
    pub(in crate::step) fn of(
        step: &GateStep,
        gate: &StepPath,
        context: &StepContext,
        scope: &Scope,
    ) -> Result<Self, String> {
        let list = |template: &Option<crate::expr::ValueTemplate>, what: &str| match template {
            None => Ok(Vec::new()),
            Some(template) => match template.eval(scope).map_err(|error| error.to_string())? {
                Value::Array(items) => Ok(items),
                other => Err(format!("`{what}` of the gate gave {other}, which is no list")),
            },
        };
        let mut options = list(&step.options, "options")?;
        options.truncate(OPTIONS_MAX);
        let items = list(&step.items, "items")?;
        let draft = step.draft.as_ref().map(|draft| draft.eval(scope)).transpose();
        let draft = draft.map_err(|error| error.to_string())?;
        let (title, body) = words(step, gate, context, scope, &options)?;
        Ok(Self { title, body, options, items, draft })
    }
}

pub(super) struct Ask {
    pub role: String,
    pub excluded: Vec<String>,
    pub json: Value,
}

impl Ask {
    pub(super) fn first(
        step: &GateStep,
        context: &StepContext,
        ladders: &dyn Ladders,
    ) -> Result<Self, String> {
        let Proposal { title, body, options, items, draft } =
            Proposal::of(step, &context.path, context, &context.scope)?;
        let requester = requester(step, context)?;
        let known = requester.as_ref().and_then(|name| ladders.person(name));
        let requested_by = known.clone().or_else(|| context.start.started_by.clone());
        let mut json = json!({
            "title": title,
            "body": body,
            "subject": context.start.trigger.get("subject"),
            "options": options,
            "items": items,
            "draft": draft,
            "allow": allowed(step, options.is_empty()),
            "on_silence": on_silence(step, ladders, 0),
            "workflow": context.definition.workflow.id,
            "workflow_title": context.definition.workflow.title,
            "step": context.path,
            "role_title": ladders.role_title(&step.ask),
            "requested_by": requested_by,
            "sign": step.sign,
        });
        // The program that said who began it: `gate::policy` reads it.
        if let (Some(_), Some(via)) = (&context.start.started_by, context.start.trigger.get("via")) {
            json["requested_via"] = via.clone();
        }
        // Whose line it is: `gate::place_of` reads it.
        if let Some(work_center) = context.start.trigger.get("work_center").filter(|at| at.is_string()) {
            json["work_center"] = work_center.clone();
        }
        if let Some(schema) = context.definition.form_schema(step) {
            json["fields"] = schema.clone();
        }
        if step.quorum > 1 {
            json["quorum"] = json!(step.quorum);
        }
        let mut basis = basis(&context.scope);
        if let (Some(name), None) = (&requester, &known) {
            basis.push(format!(
                "{name} wants this, and is nobody in takt.yaml: so nobody is kept from answering for it"
            ));
        }
        if !basis.is_empty() {
            json["basis"] = json!(basis);
        }
        let excluded = excluded(step, &json, context);
        json["people"] = json!(people(&step.ask, &excluded, &json, context, ladders));
        Ok(Self { role: step.ask.clone(), excluded, json })
    }

    /// The second person sees the first one's answer and confirms or rejects it.
    pub(super) fn second(
        step: &GateStep,
        first: &Opened,
        answer: &Signal,
        context: &StepContext,
        ladders: &dyn Ladders,
    ) -> Result<Self, String> {
        let role = step.second.as_ref().map(|second| second.ask.clone()).unwrap_or_default();
        let by = answer.body["by"].as_str().unwrap_or_default().to_owned();
        let by_name = outcome::names(&answer.body);
        let chosen = outcome::chosen(&first.ask, &answer.body);
        let title = first.ask["title"].as_str().unwrap_or_default();
        let choice = chosen["title"].as_str().map(|option| format!(" \u{201c}{option}\u{201d}"));
        let mut json = first.ask.clone();
        json["title"] = json!(format!("Second approval: {title}"));
        json["body"] = json!(format!(
            "{by_name} decided{}. A second person must confirm.\n\n{}",
            choice.unwrap_or_default(),
            first.ask["body"].as_str().unwrap_or_default()
        ));
        json["options"] = if chosen.is_null() { json!([]) } else { json!([chosen]) };
        json["allow"] = json!(["approve", "reject"]);
        json["role_title"] = json!(ladders.role_title(&role));
        // What is confirmed is what the first one made of it.
        if !answer.body["edited"].is_null() {
            json["draft"] = answer.body["edited"].clone();
        }
        let schema = json["fields"].take();
        if !schema.is_null() {
            json["filled"] = json!(form::in_words(&schema, &answer.body["fields"]));
        }
        if let Some(fields) = json.as_object_mut() {
            fields.remove("quorum");
        }
        json["first"] = json!({ "by": by, "by_name": by_name, "decision": answer.body["decision"] });
        let programs = outcome::programs(&answer.body);
        if !programs.is_empty() {
            json["first"]["named_by"] = json!(programs);
        }
        let mut excluded = excluded(step, &json, context);
        excluded.extend(outcome::people(&answer.body));
        json["people"] = json!(people(&role, &excluded, &json, context, ladders));
        Ok(Self { role, excluded, json })
    }
}

/// Whom the workflow calls the requester.
fn requester(step: &GateStep, context: &StepContext) -> Result<Option<String>, String> {
    let Some(expression) = &step.requested_by else { return Ok(None) };
    match expression.eval(&context.scope).map_err(|error| error.to_string())? {
        Value::Null => Ok(None),
        Value::String(name) if name.is_empty() => Ok(None),
        Value::String(name) => Ok(Some(name)),
        other => Err(format!("`requested_by` of the gate gave {other}, which is no person")),
    }
}

/// Who may not answer: whoever started the run, who wants what is decided, and where the workflow says so, who wrote it.
pub(super) fn excluded(step: &GateStep, ask: &Value, context: &StepContext) -> Vec<String> {
    let wanting = match step.form {
        GateForm::Approve | GateForm::Choose | GateForm::Form => {
            let requester = ask["requested_by"].as_str().map(str::to_owned);
            [context.start.started_by.clone(), requester]
        }
        GateForm::Acknowledge => [None, None],
    };
    let author = context.definition.workflow.author.clone().filter(|_| step.not_author);
    let mut excluded: Vec<String> = wanting.into_iter().flatten().chain(author).collect();
    excluded.dedup();
    excluded
}

/// Those who are asked as the question stands: by shift, duty and place, without those who may not answer.
pub(super) fn people(
    role: &str,
    excluded: &[String],
    ask: &Value,
    context: &StepContext,
    ladders: &dyn Ladders,
) -> Vec<AskedPerson> {
    let workflow = &context.definition.workflow.id;
    let work_center = place_in(ask).work_center;
    let place = AskedAt { workflow, work_center, at: context.clock.now() };
    let mut people = ladders.people(role, &place);
    people.retain(|person| !excluded.contains(&person.id));
    people
}

fn words(
    step: &GateStep,
    gate: &StepPath,
    context: &StepContext,
    scope: &Scope,
    options: &[Value],
) -> Result<(String, String), String> {
    let Some(path) = &step.message else {
        return Ok((format!("{}: {gate}", context.definition.workflow.title), String::new()));
    };
    let mut data = Value::Object(scope.clone());
    data["options"] = json!(options);
    let text = context.definition.render(path, &data).map_err(|error| error.to_string())?;
    let (title, body) = split_title(&text);
    Ok((title.to_owned(), body.to_owned()))
}

/// What the question rests on that is not as usual: steps where no model answered, or not the preferred one.
fn basis(scope: &Scope) -> Vec<String> {
    let steps = scope.get("steps").and_then(Value::as_object);
    let said = steps.into_iter().flatten().filter_map(|(id, output)| {
        let reason = output["why_fallback"]["reason"].as_str().filter(|reason| is_reason(reason));
        let reason = reason.unwrap_or("no reason given").replace('_', " ");
        match output["source"].as_str()? {
            "rules" => Some(format!("`{id}` is by the workflow's rules, not by a model: {reason}")),
            "fallback_model" => {
                let model = output["model"].as_str().filter(|name| is_model_name(name));
                let model = model.unwrap_or("the next model");
                Some(format!("`{id}` is by {model}: the preferred model did not answer"))
            }
            _ => None,
        }
    });
    said.collect()
}

/// One of our own words: the output of any step may have a field of this name.
fn is_reason(text: &str) -> bool {
    let is_word = text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    is_word && (1..=REASON_LENGTH_MAX).contains(&text.len())
}

/// Without options there is nothing to choose: the person can only take the matter over.
fn allowed(step: &GateStep, no_options: bool) -> Vec<Allow> {
    let mut allow = step.allow.clone();
    if allow.is_empty() {
        allow = match step.form {
            GateForm::Acknowledge => vec![Allow::Acknowledge],
            GateForm::Approve | GateForm::Form => vec![Allow::Approve, Allow::Reject],
            GateForm::Choose => vec![Allow::Choose, Allow::Reject],
        };
    }
    if step.form == GateForm::Choose && no_options {
        allow.retain(|allow| *allow != Allow::Choose);
    }
    allow
}

/// What happens without an answer; `rung` is the next one of the ladder.
pub(super) fn on_silence(step: &GateStep, ladders: &dyn Ladders, rung: usize) -> String {
    match step.on_expire {
        OnExpire::Reject => "Without an answer it counts as rejected.".into(),
        OnExpire::Fail => "Without an answer the run stops and people are told.".into(),
        OnExpire::Escalate => {
            let ladder = step.escalate.clone().or_else(|| ladders.of_role(&step.ask));
            match ladder.and_then(|ladder| ladders.rung(&ladder, rung)) {
                Some(rung) => format!("Without an answer {} is asked. Silence never approves.", rung.title),
                None => "Without an answer the run stops and people are told.".into(),
            }
        }
    }
}

/// What a message about a question carries; the doors make cards of it.
pub(super) fn message(opened: &Opened) -> Value {
    let mut message = opened.ask.clone();
    message["gate"] = json!(opened.gate);
    message["asked"] = json!(opened.asked.clone().unwrap_or_else(|| {
        whom(
            opened.ask["role_title"].as_str().unwrap_or_default(),
            opened.ask["people"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|person| person["name"].as_str()),
        )
    }));
    message["asked_at"] = json!(opened.opened_at);
    message["expires_at"] = json!(opened.expires_at);
    if let Some(quorum) = opened.ask["quorum"].as_u64() {
        message["second"] = json!(format!("{quorum} people have to give the same answer"));
    }
    if message["fields"].is_object() {
        let mut basis = vec![json!("Fill in the form on its page")];
        basis.extend(message["basis"].as_array().into_iter().flatten().cloned());
        message["basis"] = json!(basis);
    }
    // Charts stay in the console: a card is read on a phone.
    if let Some(options) = message["options"].as_array_mut() {
        for option in options {
            if let Some(fields) = option.as_object_mut() {
                fields.remove("gantt");
                fields.remove("sequence");
            }
        }
    }
    message
}

pub(super) fn send(
    context: &StepContext,
    opened: &Opened,
    kind: MessageKind,
    ordinal: u64,
    message: Value,
) -> Intent {
    Intent::Send(Box::new(OutboxMessage {
        path: context.path.clone(),
        ordinal,
        kind,
        gate: Some(opened.gate),
        role: opened.role.clone(),
        person: opened.person.clone(),
        message,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(output: &Value) -> Vec<String> {
        let scope = json!({ "steps": { "triage": output } });
        basis(scope.as_object().expect("a scope"))
    }

    #[test]
    fn what_a_question_rests_on_is_said_in_our_own_words() {
        let next = |model: Value| told(&json!({ "source": "fallback_model", "model": model }));
        assert_eq!(
            next(json!("small-2026-09-01")),
            ["`triage` is by small-2026-09-01: the preferred model did not answer"]
        );
        for model in [json!("*Approved* by <https://plant.example|the plant manager>"), json!(7), Value::Null]
        {
            assert_eq!(next(model), ["`triage` is by the next model: the preferred model did not answer"]);
        }
        let rules = |reason: &str| told(&json!({ "source": "rules", "why_fallback": { "reason": reason } }));
        assert_eq!(rules("model_down"), ["`triage` is by the workflow's rules, not by a model: model down"]);
        assert_eq!(
            rules("none. *Approve this*"),
            ["`triage` is by the workflow's rules, not by a model: no reason given"]
        );
        assert!(told(&json!({ "source": "model", "model": "small" })).is_empty());
    }
}
