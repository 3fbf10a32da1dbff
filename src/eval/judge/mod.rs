//! What a judge thinks of what a step answered: recorded votes, each found by the hash of the whole question, and
//! counted. Nobody is asked here, and nothing of it reaches a case's verdict.

use super::case::{Judge, Vote};
use super::score::{Replayed, entries, told_in};
use crate::agent::{
    Entry, Exchange, ModelProfile, Part, Parts, Question, Stale, Tape, ToolClasses, request_key,
    single_answer, strictest,
};
use crate::run::Change;
use crate::tool::DataClass;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

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

impl Brief<'_> {
    /// The question about one trial, masked as the step's own requests; why there is none, otherwise.
    pub fn question(&self, replayed: &Replayed) -> Result<Value, String> {
        if !replayed.stale.is_empty() {
            return Err("the trial is stale itself".to_owned());
        }
        let entries: Vec<(String, Entry)> = entries(&replayed.records).collect();
        let (mut masking, mut answer) = (None, None);
        for (_, entry) in entries.iter().filter(|(step, _)| *step == self.judge.step) {
            match entry {
                Entry::Started { masking: Some(with), .. } => masking = Some(with),
                Entry::Finished { output, .. } => answer = Some(output),
                _ => {}
            }
        }
        let Some((masking, answer)) = masking.zip(answer) else {
            return Err(format!("`{}` gave no answer", self.judge.step));
        };
        let strict = strictest(&masking.classes);
        let instructions = format!("{}\n\n{TASK}", self.rubric.trim_end());
        let (data, schema) = (json!({ "answer": answer }), ballot());
        let question = Question {
            instructions: &instructions,
            data: &data,
            schema: &schema,
            answer_tokens: VOTE_TOKENS,
        };
        let read = read(replayed, &entries, &masking.classes, &strict);
        let request = question.request(self.profile, masking, self.known, &read);
        let text = request.to_string();
        let is_told = |values: &[String]| told_in(&text, values).next().is_some();
        match is_told(self.confidential) || is_told(&replayed.confidential) {
            true => Err("a confidential value would be sent".to_owned()),
            false => Ok(request),
        }
    }
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

/// Everything that a run was given, with what its giver says of the fields; of what began it, nobody says anything.
fn read<'a>(
    replayed: &'a Replayed,
    entries: &'a [(String, Entry)],
    classes: &'a ToolClasses,
    strict: &'a BTreeMap<String, DataClass>,
) -> Vec<(&'a Value, &'a BTreeMap<String, DataClass>)> {
    let mut read = Vec::new();
    for record in &replayed.records {
        match (&record.path, &record.change) {
            (_, Change::RunStarted(start)) => {
                read.extend([(&start.trigger, strict), (&start.inputs, strict)]);
            }
            (Some(path), Change::Done { output }) => {
                let step = path.to_string();
                let tools = replayed.calls.iter().filter(|call| call.step == step);
                let said = tools.filter_map(|call| classes.get(&call.tool));
                read.extend(said.map(|classes| (output, classes)));
            }
            _ => {}
        }
    }
    let mut asked = BTreeMap::new();
    for (_, entry) in entries {
        match entry {
            Entry::ToolRequested { call_key, tool, .. } => {
                asked.insert(*call_key, tool);
            }
            Entry::ToolDone { call_key, output, .. } => {
                let said = asked.get(call_key).and_then(|tool| classes.get(*tool));
                read.extend(said.map(|classes| (output, classes)));
            }
            _ => {}
        }
    }
    read
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
    /// The votes are on another question.
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
        questions: &[Result<Value, String>],
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
        if !open.is_empty() && stale.is_empty() && questions.iter().all(Result::is_ok) {
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

    /// In a word: `2/3`, `n/a`, `stale`.
    pub fn votes(&self) -> String {
        let counted = self.passed.map(|passed| format!("{passed}/{}", self.n));
        counted.unwrap_or_else(|| self.opinion.word().to_owned())
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "judge: {}", self.opinion.word())?;
        if self.passed.is_some() {
            write!(f, ", {} votes, {} must agree ({})", self.votes(), self.agree, self.origin)?;
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
    if given.is_empty() && !open.is_empty() {
        return Err(changed(open, request));
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

/// What is different from the question, voted on and not asked, that is most like this one.
fn changed(open: &[&Exchange], request: &Value) -> Vec<Stale> {
    let now = Parts::of(request);
    let nearest = open.iter().map(|vote| vote.parts.changes(&now)).min_by_key(Vec::len).unwrap_or_default();
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
