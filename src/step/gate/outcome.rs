//! What a gate step puts out: the decision, by whom, and what was chosen.

use super::{Opened, ask, ordinal};
use crate::{
    engine::{Outcome, StepContext, StepError},
    run::{Failure, Intent, MessageKind, Signal},
    tool::stand_in,
    workflow::{GateForm, GateStep},
};
use serde_json::{Value, json};

pub(super) fn is_positive(answer: &Value) -> bool {
    answer["decision"].as_str().is_some_and(|decision| decision != "reject")
}

/// The option an answer picked; `null` where there was none to pick.
pub(super) fn chosen(ask: &Value, answer: &Value) -> Value {
    let number = answer["choice"].as_u64().and_then(|choice| usize::try_from(choice).ok());
    number.and_then(|number| ask["options"].get(number.checked_sub(1)?)).cloned().unwrap_or(Value::Null)
}

/// An answer as `second.if` sees it.
pub(super) fn answer_json(opened: &Opened, answer: &Signal) -> Value {
    json!({
        "decision": answer.body["decision"],
        "by": answer.body["by"],
        "choice": answer.body["choice"],
        "chosen": chosen(&opened.ask, &answer.body),
        "edited": answer.body["edited"],
        "fields": answer.body["fields"],
        "agreed": people(&answer.body),
        "reason": answer.body["reason"],
    })
}

/// How many gave the answer that settled the question.
pub(super) fn voices(answer: &Value) -> usize {
    answer["agreed"].as_array().map_or(1, Vec::len)
}

/// "Sam Carter and Lee Tanaka for Mia Novak": everybody whose same answer settled the question.
pub(super) fn names(answer: &Value) -> String {
    let agreed = answer["agreed"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |voice: &Value| match voice["on_behalf_of_name"].as_str() {
        Some(other) => format!("{} for {other}", voice["by_name"].as_str().unwrap_or_default()),
        None => voice["by_name"].as_str().unwrap_or_default().to_owned(),
    };
    let names: Vec<String> = agreed.iter().map(name).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        // Answered before more than one could.
        None => answer["by_name"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Everybody an answer counts for: who gave it, and whom they stood in for.
pub(super) fn people(answer: &Value) -> Vec<String> {
    let agreed = answer["agreed"].as_array().map(Vec::as_slice).unwrap_or_default();
    let each = agreed.iter().flat_map(|voice| [&voice["by"], &voice["on_behalf_of"]]);
    let mut people: Vec<String> = each.filter_map(|id| id.as_str().map(str::to_owned)).collect();
    people.extend(answer["by"].as_str().map(str::to_owned));
    people.sort_unstable();
    people.dedup();
    people
}

/// The programs that said whose answers these are.
pub(super) fn programs(answer: &Value) -> Vec<&str> {
    let agreed = answer["agreed"].as_array().into_iter().flatten();
    agreed.filter_map(|voice| voice["named_by"].as_str()).collect()
}

/// What the step puts out.
pub(super) fn output(first: &Opened, answer: &Signal, second: Option<(&Opened, &Signal)>) -> Value {
    let body = &answer.body;
    let rejected_by_second = second.filter(|(_, answer)| !is_positive(&answer.body));
    let last = rejected_by_second.map_or(body, |(_, answer)| &answer.body);
    let edited = match &body["edited"] {
        Value::Null => first.ask["draft"].clone(),
        edited => edited.clone(),
    };
    let edited_hash = body.get("edited_hash").filter(|hash| !hash.is_null());
    let overridden =
        body["overridden"] == true || second.is_some_and(|(_, answer)| answer.body["overridden"] == true);
    let mut output = json!({
        "decision": last["decision"],
        "by": body["by"],
        "by_name": names(body),
        "answered_at": last["at"],
        "channel": body["channel"],
        "reason_code": last["reason_code"],
        "reason": last["reason"],
        "choice": body["choice"],
        "chosen": chosen(&first.ask, body),
        "edited": edited,
        "items": items(&first.ask, body),
        "fields": body["fields"],
        "agreed": people(body),
        "overridden": overridden,
        "second_by": second.map(|(_, answer)| answer.body["by"].clone()),
    });
    if let Some(hash) = edited_hash {
        output["edited_hash"] = hash.clone();
    }
    output
}

pub(super) fn decided(
    step: &GateStep,
    first: &Opened,
    answer: &Signal,
    second: Option<(&Opened, &Signal)>,
    context: &StepContext,
) -> Outcome {
    let body = &answer.body;
    let mut output = output(first, answer, second);
    let signed: Vec<&Value> = [Some(body), second.map(|(_, answer)| &answer.body)]
        .into_iter()
        .flatten()
        .flat_map(|body| body["agreed"].as_array().into_iter().flatten())
        .map(|voice| &voice["signature"])
        .filter(|one| one.is_object())
        .collect();
    if !signed.is_empty() {
        output["signatures"] = json!(signed);
    }
    let verb = format!("{}{}", verb(step, &output), signed_words(&signed));
    let (shown, by) = second.map_or((first, body), |(second, answer)| (second, &answer.body));
    let name = names(by);
    let answered = settled(shown, by, first, format!("{name} {verb}."));
    let mut intents = vec![ask::send(context, shown, MessageKind::Decided, ordinal(shown) + 90, answered)];
    if second.is_some() {
        let confirmed = settled(first, body, first, format!("{name} {verb}."));
        intents.push(ask::send(context, first, MessageKind::Decided, ordinal(first) + 92, confirmed));
    }
    Outcome::Done { output, intents }
}

/// The first of two has answered: their card says so and names who is asked next.
pub(super) fn first_answered(
    step: &GateStep,
    first: &Opened,
    answer: &Signal,
    second: &Opened,
    context: &StepContext,
) -> Intent {
    let body = &answer.body;
    let mut output = body.clone();
    output["chosen"] = chosen(&first.ask, body);
    let name = names(body);
    let next = second.ask["role_title"].as_str().unwrap_or_default();
    let text = format!("{name} {}. {next} must confirm.", verb(step, &output));
    ask::send(context, first, MessageKind::Decided, ordinal(first) + 91, settled(first, body, first, text))
}

/// A message that replaces the buttons of `shown` by who answered.
pub(super) fn settled(shown: &Opened, answer: &Value, titled: &Opened, text: String) -> Value {
    let mut message = ask::message(shown);
    message["title"] = titled.ask["title"].clone();
    message["body"] = json!(text);
    message["settled"] = json!({ "answered": {
        "by": names(answer), "button": answer["decision"], "option": answer["choice"], "at": answer["at"],
        "channel": answer["channel"], "reason": answer["reason"],
    } });
    message
}

fn verb(step: &GateStep, output: &Value) -> String {
    match output["decision"].as_str().unwrap_or_default() {
        "choose" => match output["chosen"]["title"].as_str() {
            Some(title) => format!("chose {}: {title}", output["choice"]),
            None => format!("chose {}", output["choice"]),
        },
        "acknowledge" => "acknowledged".into(),
        "approve" if output["overridden"] == true => "approved alone".into(),
        "approve" if step.form == GateForm::Choose => "confirmed".into(),
        "approve" => "approved".into(),
        "edit" => "approved with changes".into(),
        "reject" => "rejected".into(),
        other => other.to_owned(),
    }
}

/// Name, time and meaning, as every readable form of a signed record shows them.
fn signed_words(signed: &[&Value]) -> String {
    let words = signed.iter().map(|one| {
        let part = |field: &str| one[field].as_str().unwrap_or_default();
        let at = part("at").get(..16).unwrap_or_default().replace('T', " ");
        format!(", signed by {} at {at} UTC: {}", part("name"), part("meaning"))
    });
    words.collect()
}

/// The items that were asked about, each with its answer.
fn items(ask: &Value, answer: &Value) -> Value {
    let asked = ask["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let answers = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    asked
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let mut item = if item.is_object() { item.clone() } else { json!({ "title": item }) };
            let answer = answers.get(index);
            item["acknowledged"] = answer.map_or(Value::Bool(false), |answer| answer["acknowledged"].clone());
            item["note"] = answer.map_or(Value::Null, |answer| answer["note"].clone());
            item
        })
        .collect()
}

/// No card: an `auto_if` held, or the workflow only watches. The first option stands.
pub(super) fn automatic(decision: &str, why: Option<String>, ask: &Value, context: &StepContext) -> Outcome {
    Outcome::done(json!({
        "decision": decision,
        "by": decision,
        "by_name": decision,
        "answered_at": context.clock.now(),
        "channel": null,
        "reason": why,
        "choice": ask["options"].get(0).map(|_| 1),
        "chosen": ask["options"].get(0).cloned().unwrap_or(Value::Null),
        "edited": ask["draft"],
        "items": items(ask, &Value::Null),
        "reason_code": null,
        // Nobody filled it in; the steps after it still read what has its shape.
        "fields": ask.get("fields").filter(|schema| schema.is_object()).map(stand_in),
        "agreed": [],
        "overridden": false,
        "second_by": null,
    }))
}

pub(super) fn rejected_by_silence(opened: &Opened, close: Intent, context: &StepContext) -> Outcome {
    let output = json!({
        "decision": "reject",
        "by": "silence",
        "by_name": "nobody",
        "answered_at": context.clock.now(),
        "channel": null,
        "reason": "nobody answered in time",
        "choice": null,
        "chosen": null,
        "edited": opened.ask["draft"],
        "items": items(&opened.ask, &Value::Null),
        "reason_code": null,
        "fields": null,
        "agreed": [],
        "overridden": false,
        "second_by": null,
    });
    Outcome::Done { output, intents: vec![close] }
}

pub(super) fn nobody_answered(opened: &Opened, close: Intent) -> Outcome {
    let title = opened.ask["title"].as_str().unwrap_or_default();
    Outcome::Fail(StepError {
        failure: Failure::new("expired", format!("nobody answered \u{201c}{title}\u{201d} in time")),
        retry_after: None,
        intents: vec![close],
    })
}
