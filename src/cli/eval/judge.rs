//! The judge of a case: its tape in a replay, which asks nobody; a language model with `--live`, one attempt for each
//! vote.

use super::{EvalError, play::Theatre};
use crate::{
    agent::{Exchange, Model, ModelProfile, Part, Played, Stale, Tape, attempt_cost_usd, request_key},
    eval::{Brief, Case, CaseError, Judge, Judgement, Opinion, Replayed, Unjudged, may_judge},
    run::StepPath,
    tool::DataClass,
    workflow::{StepKind, every_step},
};
use serde_json::Value;
use std::{path::Path, sync::Arc, time::Duration};

/// Longest wait for one vote.
const VOTE_TIME: Duration = Duration::from_secs(60);

/// What a judge is asked with, but for the answers and the model: read before anything is paid for.
pub(super) struct Bench<'a> {
    judge: &'a Judge,
    rubric: String,
    known: Vec<(DataClass, String)>,
    confidential: &'a [String],
}

/// Votes of a language model.
pub(super) struct LiveVotes {
    pub judgement: Judgement,
    pub tape: Tape,
    pub cost_usd: f64,
}

impl LiveVotes {
    /// Why these votes may not become the case's.
    pub(super) fn problem(&self, judge: &Judge) -> Option<String> {
        match self.judgement.opinion {
            _ if !judge.votes.is_empty() => Some("it has hand-written votes: take them out first".to_owned()),
            Opinion::Good | Opinion::Poor => None,
            Opinion::NotKnown | Opinion::Stale => Some(self.judgement.to_string()),
        }
    }
}

/// Refuses a judge of something that never answers.
pub(super) fn must_fit(theatre: &Theatre, case: &Case, path: &Path) -> Result<(), EvalError> {
    let Some(judge) = &case.judge else { return Ok(()) };
    let definition = theatre.definition(&case.workflow)?;
    let step = StepPath::root(&judge.step);
    let mut is_agent = false;
    every_step(&definition.workflow, &mut |known| {
        is_agent |= known.id == step.leaf() && matches!(known.kind, StepKind::Agent(_));
    });
    if is_agent {
        return Ok(());
    }
    let message = format!("`{}` of its judge is no agent step of `{}`", judge.step, case.workflow);
    Err(CaseError::Invalid { path: path.display().to_string(), message }.into())
}

/// What the judge thought, if its tape still fits. What cannot be read is no trouble of the case's.
pub(super) fn replayed(
    theatre: &Theatre,
    case: &Case,
    path: &Path,
    replays: &[Replayed],
) -> Option<Judgement> {
    let judge = case.judge.as_ref()?;
    let unreadable = |part| move |error: CaseError| Stale::new(part, error.to_string());
    let judged = || -> Result<Judgement, Stale> {
        let bench = Bench::of(theatre, case, judge).map_err(unreadable(Part::Prompt))?;
        let tape = judge.load_tape(path).map_err(unreadable(Part::Tape))?;
        let nobody = || Stale::new(Part::Tape, format!("{} does not say which model voted", judge.tape));
        let questions = bench.questions(tape.models.first().ok_or_else(nobody)?, replays);
        Ok(Judgement::of(judge, &tape, &questions, theatre.other_models(&tape)))
    };
    Some(judged().unwrap_or_else(|stale| Judgement::unreadable(judge, stale)))
}

impl<'a> Bench<'a> {
    pub(super) fn of(theatre: &Theatre, case: &'a Case, judge: &'a Judge) -> Result<Self, CaseError> {
        let site = &theatre.plant.site;
        let rubric = judge.load_rubric(&site.folder.join("evals"))?;
        Ok(Self { judge, rubric, known: site.known_words(), confidential: &case.expect.confidential })
    }

    /// The question about each trial.
    pub(super) fn questions(
        &self,
        profile: &ModelProfile,
        replays: &[Replayed],
    ) -> Vec<Result<Value, Unjudged>> {
        let Self { judge, rubric, known, confidential } = self;
        let brief = Brief { judge, rubric, known, confidential, profile };
        replays.iter().map(|replayed| brief.question(replayed)).collect()
    }

    /// Asks the first model that every trial's step was allowed to ask. After an attempt that failed, or once the money is
    /// spent, nobody is asked any more: the votes that are missing are missing.
    pub(super) async fn ask(
        &self,
        models: &[Arc<dyn Model>],
        replays: &[Replayed],
        usd_left: f64,
    ) -> LiveVotes {
        // What a person wrote is no vote of this model.
        let judge = &Judge { votes: Vec::new(), ..self.judge.clone() };
        let (mut tape, mut cost_usd) = (Tape::default(), 0.0);
        let may = |model: &&Arc<dyn Model>| {
            replays.iter().all(|replayed| may_judge(replayed, judge, model.profile()))
        };
        let Some(model) = models.iter().find(may) else {
            let questions: Vec<Result<Value, Unjudged>> =
                vec![Err(Unjudged::NoJudge(judge.step.clone())); replays.len()];
            let judgement = Judgement::of(judge, &tape, &questions, Vec::new());
            return LiveVotes { judgement, tape, cost_usd };
        };
        let profile = model.profile();
        tape.models.push(profile.clone());
        let mut questions = self.questions(profile, replays);
        let mut stopped = None;
        for question in &mut questions {
            let Ok(request) = question else { continue };
            let key = request_key(request);
            let given = |tape: &Tape| tape.exchanges.iter().filter(|vote| vote.request_sha == key).count();
            // Trials with the same answer share their votes.
            for _ in given(&tape)..judge.n {
                if stopped.is_none() && cost_usd > usd_left {
                    stopped = Some(Unjudged::Spent);
                }
                if stopped.is_some() {
                    break;
                }
                let result = model.complete(request, VOTE_TIME).await;
                cost_usd += attempt_cost_usd(request, &result, profile);
                tape.exchanges.push(Exchange::new(request, Played::from(&result)));
                stopped = result.is_err().then_some(Unjudged::Failed);
                if let Some(wait) = result.ok().and_then(|reply| reply.pause) {
                    tokio::time::sleep(wait.min(VOTE_TIME)).await;
                }
            }
            if let Some(why) = stopped.clone().filter(|_| given(&tape) == 0) {
                *question = Err(why);
            }
        }
        let judgement = Judgement::of(judge, &tape, &questions, Vec::new());
        LiveVotes { judgement, tape, cost_usd }
    }
}
