//! What a judge thinks of what a step answered: recorded votes, each found by the hash of the whole question, and
//! counted. Nobody is asked here, and nothing of it reaches a case's verdict.

use super::case::{Judge, Vote};
use super::score::{Replayed, entries, told_in};
use crate::agent::{
    Entry, Exchange, MaskKey, ModelProfile, Part, Parts, Question, Source, Stale, Tape, request_key,
    single_answer,
};
use crate::tool::DataClass;
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt};

/// Stands below every rubric.
const TASK: &str = "\
`answer` in the data is what a step of a workflow answered. Judge it by what is written above and by nothing else: it \
passes when it is good in every point. Say in one sentence why, then vote.";
/// A sentence and a word.
const VOTE_TOKENS: u64 = 512;

/// What a judge is asked with, besides the answer.
pub struct Brief<'a> {
    pub judge: &'a Judge,
    pub rubric: &'a str,
    /// What nobody outside may read, as `Site::known_words` gives it.
    pub known: &'a [(DataClass, String)],
    /// Values that no model may see, besides the names of people.
    pub confidential: &'a [String],
    pub profile: &'a ModelProfile,
}

/// Why a trial is not judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unjudged {
    /// Its votes are on what it answered before.
    #[error("the trial is stale itself")]
    StaleTrial,
    #[error("no model answered `{0}`")]
    NoAnswer(String),
    #[error("a confidential value would be sent")]
    Confidential,
    #[error("no model may be shown what `{0}` says")]
    NoJudge(String),
    #[error("an attempt failed before, and nobody was asked any more")]
    Failed,
    #[error("--max-usd is spent")]
    Spent,
}

impl Brief<'_> {
    /// The question about one trial; why there is none, otherwise.
    pub fn question(&self, replayed: &Replayed) -> Result<Value, Unjudged> {
        if !replayed.stale.is_empty() {
            return Err(Unjudged::StaleTrial);
        }
        let step = &self.judge.step;
        let (key, answer) = accepted(replayed, step).ok_or_else(|| Unjudged::NoAnswer(step.clone()))?;
        let instructions = format!("{}\n\n{TASK}", self.rubric.trim_end());
        let (data, schema) = (json!({ "answer": answer }), ballot());
        let question = Question {
            instructions: &instructions,
            data: &data,
            schema: &schema,
            answer_tokens: VOTE_TOKENS,
        };
        let request = question.request(self.profile, key, self.known);
        let text = request.to_string();
        let is_told = |values: &[String]| told_in(&text, values).next().is_some();
        match is_told(self.confidential) || is_told(&replayed.confidential) {
            true => Err(Unjudged::Confidential),
            false => Ok(request),
        }
    }
}

/// The answer that a step took of a model, as the model wrote it: it holds tokens where the model was shown tokens.
fn accepted(replayed: &Replayed, step: &str) -> Option<(MaskKey, Value)> {
    let (mut key, mut said, mut answer) = (None, None, None);
    for (_, entry) in entries(&replayed.records).filter(|(of, _)| of == step) {
        match entry {
            Entry::Started { masking, .. } => {
                key = masking.map(|masking| masking.key);
                (said, answer) = (None, None);
            }
            Entry::Responded { body, .. } => said = Some(body),
            Entry::Finished { source, .. } => answer = said.take().filter(|_| source != Source::Rules),
            _ => {}
        }
    }
    Some((key?, single_answer(&answer?).ok()?))
}

/// The reason comes first: who votes first gives reasons for the vote.
fn ballot() -> Value {
    json!({
        "type": "object",
        "properties": {
            "reason": { "type": "string", "description": "One sentence" },
            "pass": { "type": "boolean" },
        },
        "required": ["reason", "pass"],
        "additionalProperties": false,
    })
}

/// Whether a model may be shown what a step said: the step itself was allowed to ask it.
pub fn may_judge(replayed: &Replayed, judge: &Judge, model: &ModelProfile) -> bool {
    entries(&replayed.records).any(|(step, entry)| {
        step == judge.step && matches!(&entry, Entry::Started { models, .. } if models.contains(model))
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// Enough votes are for the answer of every trial.
    Good,
    Poor,
    /// There are fewer votes than there should be.
    NotKnown,
    /// The votes are on another question, or cannot be read.
    Stale,
}

impl Opinion {
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Poor => "poor",
            Self::NotKnown => "n/a",
            Self::Stale => "stale",
        }
    }
}

/// What the votes on all trials of a case come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    pub opinion: Opinion,
    /// Votes for the answer of the trial that has the fewest; absent where nobody knows.
    pub passed: Option<usize>,
    pub n: usize,
    pub agree: usize,
    /// Who voted: `authored` or `recorded`.
    pub origin: &'static str,
    /// What was said against an answer, or why nobody knows.
    pub notes: Vec<String>,
    pub stale: Vec<Stale>,
}

impl Judgement {
    /// `questions` are those about each trial. `stale` is what is known to be wrong with the tape beforehand.
    pub fn of(
        judge: &Judge,
        tape: &Tape,
        questions: &[Result<Value, Unjudged>],
        mut stale: Vec<Stale>,
    ) -> Self {
        stale.extend(misfits(judge, tape));
        let asked: BTreeSet<String> = questions.iter().flatten().map(request_key).collect();
        let open: Vec<&Exchange> =
            tape.exchanges.iter().filter(|vote| !asked.contains(&vote.request_sha)).collect();
        let (mut fewest, mut against, mut unknown) = (None::<usize>, Vec::new(), Vec::new());
        for (i, question) in questions.iter().enumerate() {
            let trial = if questions.len() > 1 { format!("trial {}: ", i + 1) } else { String::new() };
            match question.as_ref().map(|request| votes(judge, tape, &open, request)) {
                Err(why) => unknown.push(format!("{trial}{why}")),
                Ok(Err(other)) => {
                    let fresh = other.into_iter().filter(|found| !stale.contains(found));
                    let fresh: Vec<Stale> = fresh.collect();
                    stale.extend(fresh);
                }
                Ok(Ok(votes)) if votes.len() < judge.n => {
                    unknown.push(format!("{trial}{} of {} votes", votes.len(), judge.n));
                }
                Ok(Ok(votes)) => {
                    let passed = votes.iter().filter(|vote| vote.pass).count();
                    fewest = Some(fewest.map_or(passed, |fewest| fewest.min(passed)));
                    let no = votes.into_iter().filter(|vote| !vote.pass);
                    against.extend(no.map(|vote| format!("{trial}{}", vote.reason)));
                }
            }
        }
        let is_trial_stale = questions.contains(&Err(Unjudged::StaleTrial));
        if !open.is_empty() && stale.is_empty() && !is_trial_stale {
            let detail = format!("{} recorded votes were not asked for", open.len());
            stale.push(Stale::new(Part::Unplayed, detail));
        }
        let opinion = match (stale.is_empty(), unknown.is_empty(), fewest) {
            (false, ..) => Opinion::Stale,
            (true, true, Some(passed)) if passed >= judge.agree => Opinion::Good,
            (true, true, Some(_)) => Opinion::Poor,
            (true, ..) => Opinion::NotKnown,
        };
        let notes = match opinion {
            Opinion::Good | Opinion::Poor => against,
            Opinion::NotKnown => unknown,
            Opinion::Stale => stale.iter().map(ToString::to_string).collect(),
        };
        let is_authored = tape.models.iter().any(|model| model.authored);
        Self {
            opinion,
            passed: fewest.filter(|_| matches!(opinion, Opinion::Good | Opinion::Poor)),
            n: judge.n,
            agree: judge.agree,
            origin: if is_authored { "authored" } else { "recorded" },
            notes,
            stale,
        }
    }

    /// Of votes, or of a rubric, that nobody can read any more.
    pub fn unreadable(judge: &Judge, stale: Stale) -> Self {
        Self {
            opinion: Opinion::Stale,
            passed: None,
            n: judge.n,
            agree: judge.agree,
            origin: if judge.votes.is_empty() { "recorded" } else { "authored" },
            notes: vec![stale.to_string()],
            stale: vec![stale],
        }
    }

    /// In a word: `2/3`, `n/a`, `stale`.
    pub fn in_short(&self) -> String {
        let counted = self.passed.map(|passed| format!("{passed}/{}", self.n));
        counted.unwrap_or_else(|| self.opinion.word().to_owned())
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "judge: {}", self.opinion.word())?;
        if self.passed.is_some() {
            write!(f, ", {} votes, {} must agree ({})", self.in_short(), self.agree, self.origin)?;
        }
        match self.notes.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.notes.join("; ")),
        }
    }
}

/// The votes on one question, or what differs from the questions that were voted on.
fn votes(judge: &Judge, tape: &Tape, open: &[&Exchange], request: &Value) -> Result<Vec<Vote>, Vec<Stale>> {
    let key = request_key(request);
    let given: Vec<&Exchange> = tape.exchanges.iter().filter(|vote| vote.request_sha == key).collect();
    if given.is_empty() && !tape.exchanges.is_empty() {
        return Err(changed(tape, open, request));
    }
    if given.len() > judge.n {
        let detail = format!("{} votes are recorded, and n is {}", given.len(), judge.n);
        return Err(vec![Stale::new(Part::Unplayed, detail)]);
    }
    Ok(given.into_iter().filter_map(vote).collect())
}

/// An attempt that failed, or an answer that is none, is no vote.
fn vote(exchange: &Exchange) -> Option<Vote> {
    let reply = exchange.outcome.clone().into_result().ok()?;
    serde_json::from_value(single_answer(&reply.body).ok()?).ok()
}

/// What is wrong with a tape whatever is asked.
fn misfits(judge: &Judge, tape: &Tape) -> Vec<Stale> {
    let edited = tape.exchanges.iter().enumerate().filter(|(_, vote)| vote.was_edited());
    let edited = edited.map(|(i, _)| Stale::new(Part::Tape, format!("vote {} was edited afterwards", i + 1)));
    let is_other = judge.votes_sha() != tape.replies_sha;
    let other = is_other.then(|| Stale::new(Part::Replies, "the votes changed: run `takt eval author`"));
    edited.chain(other).collect()
}

/// What is different from the question that was voted on and is most like this one: one that nobody asks any more, where
/// there is one.
fn changed(tape: &Tape, open: &[&Exchange], request: &Value) -> Vec<Stale> {
    let now = Parts::of(request);
    let voted = tape.exchanges.iter().filter(|vote| open.is_empty() || open.contains(vote));
    let nearest = voted.map(|vote| vote.parts.changes(&now)).min_by_key(Vec::len).unwrap_or_default();
    if nearest.is_empty() {
        return vec![Stale::new(Part::Tape, "the key of a recorded vote is not that of its parts")];
    }
    let named = |change: Stale| match change.part {
        Part::Prompt => Stale::new(Part::Prompt, "the rubric changed"),
        Part::Input => Stale::new(Part::Input, "the judged answer changed"),
        part => Stale::new(part, format!("the question changed: {}", change.detail)),
    };
    nearest.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests;
