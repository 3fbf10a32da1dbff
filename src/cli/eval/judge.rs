//! The judge of a case: its tape in a replay, which asks nobody; a language model with `--live`, one attempt for each
//! vote.

use super::{EvalError, play::Theatre};
use crate::{
    agent::{Exchange, Model, ModelProfile, Played, Tape, request_key},
    eval::{Brief, Case, CaseError, Judge, Judgement, Opinion, Replayed, may_judge},
};
use serde_json::Value;
use std::{path::Path, sync::Arc, time::Duration};

/// Longest wait for one vote.
const VOTE_TIME: Duration = Duration::from_secs(60);

/// Votes of a language model.
pub(super) struct Asked {
    pub judgement: Judgement,
    pub tape: Tape,
    pub cost_usd: f64,
}

impl Asked {
    /// Why these votes may not become the case's.
    pub(super) fn problem(&self, judge: &Judge) -> Option<String> {
        match self.judgement.opinion {
            _ if !judge.votes.is_empty() => Some("it has hand-written votes: take them out first".to_owned()),
            Opinion::Good | Opinion::Poor => None,
            Opinion::NotKnown | Opinion::Stale => Some(self.judgement.to_string()),
        }
    }
}

/// What the judge thought, if the tape still fits.
pub(super) fn replayed(
    theatre: &Theatre,
    case: &Case,
    path: &Path,
    replays: &[Replayed],
) -> Result<Option<Judgement>, EvalError> {
    let Some(judge) = &case.judge else { return Ok(None) };
    let tape = judge.load_tape(path)?;
    let Some(profile) = tape.models.first() else {
        let message = "it does not say which model voted".to_owned();
        return Err(CaseError::Invalid { path: judge.tape.clone(), message }.into());
    };
    let questions = questions(theatre, case, judge, profile, replays)?;
    Ok(Some(Judgement::of(judge, &tape, &questions, theatre.other_models(&tape))))
}

/// The question about each trial.
pub(super) fn questions(
    theatre: &Theatre,
    case: &Case,
    judge: &Judge,
    profile: &ModelProfile,
    replays: &[Replayed],
) -> Result<Vec<Result<Value, String>>, EvalError> {
    let site = &theatre.plant.site;
    let (rubric, known) = (judge.load_rubric(&site.folder.join("evals"))?, site.known_words());
    let confidential = case.expect.confidential.as_slice();
    let brief = Brief { judge, rubric: &rubric, known: &known, confidential, profile };
    Ok(replays.iter().map(|replayed| brief.question(replayed)).collect())
}

/// Asks the first model that every trial's step was allowed to ask. After an attempt that failed nobody is asked any
/// more: the votes that are missing are missing.
pub(super) async fn ask(
    theatre: &Theatre,
    case: &Case,
    models: &[Arc<dyn Model>],
    replays: &[Replayed],
) -> Result<Option<Asked>, EvalError> {
    let Some(judge) = &case.judge else { return Ok(None) };
    // What a person wrote is no vote of this model.
    let judge = &Judge { votes: Vec::new(), ..judge.clone() };
    let may =
        |model: &&Arc<dyn Model>| replays.iter().all(|replayed| may_judge(replayed, judge, model.profile()));
    let Some(model) = models.iter().find(may) else {
        let why = format!("no model may be shown what `{}` says", judge.step);
        let questions: Vec<Result<Value, String>> = replays.iter().map(|_| Err(why.clone())).collect();
        let tape = Tape::default();
        let judgement = Judgement::of(judge, &tape, &questions, Vec::new());
        return Ok(Some(Asked { judgement, tape, cost_usd: 0.0 }));
    };
    let profile = model.profile();
    let questions = questions(theatre, case, judge, profile, replays)?;
    let mut tape = Tape { models: vec![profile.clone()], ..Tape::default() };
    let mut has_failed = false;
    for request in questions.iter().flatten() {
        let key = request_key(request);
        // Trials with the same answer share their votes.
        let known = tape.exchanges.iter().filter(|vote| vote.request_sha == key).count();
        for _ in known..judge.n {
            if has_failed {
                break;
            }
            let result = model.complete(request, VOTE_TIME).await;
            tape.exchanges.push(Exchange::new(request, Played::from(&result)));
            has_failed = result.is_err();
            let wait = result.map_or_else(|error| error.retry_after, |reply| reply.pause);
            if let Some(wait) = wait {
                tokio::time::sleep(wait).await;
            }
        }
    }
    let judgement = Judgement::of(judge, &tape, &questions, Vec::new());
    let cost_usd = cost_usd(&tape, profile);
    Ok(Some(Asked { judgement, tape, cost_usd }))
}

fn cost_usd(tape: &Tape, price: &ModelProfile) -> f64 {
    let replies = tape.exchanges.iter().filter_map(|vote| vote.outcome.clone().into_result().ok());
    let usages = replies.filter_map(|reply| reply.body.read().usage);
    let cost = usages.map(|usage| {
        usage.input_tokens as f64 * price.usd_per_million_input
            + usage.output_tokens as f64 * price.usd_per_million_output
    });
    cost.sum::<f64>() / 1e6
}
