//! Asking once more: an answer came late and the world had moved, or somebody changed the draft that several must
//! agree to. A question that is asked again is a new proposal with a hash and answers of its own.

use super::{
    GateExecutor, Note, Opened,
    ask::{self, Ask},
    ordinal,
    outcome::{self, is_positive},
    park, recheck,
};
use crate::{
    engine::{Ladders, Outcome, StepContext},
    run::{MessageKind, Signal},
    workflow::GateStep,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

impl GateExecutor {
    /// `None` when the answer stands.
    pub(super) async fn ask_again(
        &self,
        step: &GateStep,
        first: &Opened,
        first_answer: &Signal,
        confirmed: Option<(&Opened, &Signal)>,
        context: &StepContext,
    ) -> Result<Option<Outcome>, String> {
        let (asked, answer) = confirmed.unwrap_or((first, first_answer));
        if !is_positive(&answer.body) {
            return Ok(None);
        }
        let is_edit = answer.body["decision"] == "edit";
        let mut why = Vec::new();
        if is_edit || came_late(step, asked, answer) {
            let output = outcome::output(first, first_answer, confirmed);
            let refusals = recheck::refusals(&output, context, &self.tools).await;
            let whose = outcome::names(&answer.body);
            why.extend(refusals.iter().map(|because| match is_edit {
                true => format!("The change by {whose} was not carried out: {because}"),
                false => {
                    let were = if outcome::voices(&answer.body) > 1 { "were" } else { "was" };
                    format!(
                        "Since {whose} {were} asked, things have changed: {because}. Nothing was done yet"
                    )
                }
            }));
        }
        let mut draft = None;
        if is_edit && step.quorum > 1 && why.is_empty() && answer.body["overridden"] != true {
            why.push(format!(
                "{} changed the draft: agree to it as it stands now",
                outcome::names(&answer.body)
            ));
            draft = Some(answer.body["edited"].clone());
        }
        if why.is_empty() {
            return Ok(None);
        }
        let ask = Ask::again(step, first, &why, draft, context, self.ladders.as_ref());
        let (opened, mut intents) = self.put(step, ask, context, first.round + 1);
        let text = format!("It is asked again. {}.", why.join(". "));
        let settled = outcome::settled(asked, &answer.body, first, text);
        intents.push(ask::send(context, asked, MessageKind::Decided, ordinal(asked) + 93, settled));
        park(&opened, step, Some(Note::Opened(Box::new(opened.clone()))), intents).map(Some)
    }
}

fn came_late(step: &GateStep, asked: &Opened, answer: &Signal) -> bool {
    let Some(recheck) = step.recheck.and_then(|recheck| TimeDelta::from_std(recheck).ok()) else {
        return false;
    };
    let at = answer.body["at"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
    at.is_some_and(|at| at - asked.opened_at > recheck)
}

impl Ask {
    /// What was asked, with what has changed since before everything else, of those who are there now.
    fn again(
        step: &GateStep,
        first: &Opened,
        why: &[String],
        draft: Option<Value>,
        context: &StepContext,
        ladders: &dyn Ladders,
    ) -> Self {
        let mut json = first.ask.clone();
        let original = json["draft_as_made"].take();
        let original = if original.is_null() { json["draft"].clone() } else { original };
        if let Some(draft) = draft {
            json["draft"] = draft;
        }
        json["draft_as_made"] = original;
        json["round"] = json!(first.round + 1);
        let mut basis: Vec<Value> = why.iter().map(|sentence| json!(sentence)).collect();
        // What was said of an earlier round is over.
        let said =
            first.ask["changed"].as_u64().and_then(|said| usize::try_from(said).ok()).unwrap_or_default();
        basis.extend(first.ask["basis"].as_array().into_iter().flatten().skip(said).cloned());
        json["basis"] = json!(basis);
        json["changed"] = json!(why.len());
        let excluded = ask::excluded(step, &json, context);
        json["people"] = json!(ask::people(&step.ask, &excluded, &json, context, ladders));
        Self { role: step.ask.clone(), excluded, json }
    }
}
