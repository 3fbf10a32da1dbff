//! `takt eval author`: plays a case with its hand-written replies and writes down, as a tape, which request each
//! of them answers. No language model is asked, and the tape says so.

use super::{
    EvalError, judge,
    play::{Given, Theatre},
    tell,
};
use crate::{
    agent::{
        Capabilities, Exchange, Model, ModelError, ModelProfile, ModelReply, Part, Played, Tape, request_key,
        sha256_text,
    },
    eval::{Case, Judge, Reply, terms},
    simulator::model,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// As long as four bytes, as the simulated endpoint counts.
const BYTES_PER_TOKEN: usize = 4;

/// Makes the tapes of every case that has replies or votes; gives the number of tapes.
pub(super) async fn author(theatre: &Theatre, paths: &[PathBuf]) -> Result<usize, EvalError> {
    let (mut made, mut wrong) = (0, Vec::new());
    for path in paths {
        let case = Case::load(path)?;
        let mut is_whole = true;
        for (trial, name) in case.tapes.iter().enumerate().take(case.replies.len()) {
            match tape_of(theatre, &case, path, trial).await {
                Err(error @ EvalError::Script { .. }) => {
                    wrong.push(error.to_string());
                    is_whole = false;
                }
                tape => made += write(&path.with_file_name(name), &tape?)?,
            }
        }
        let judge = case.judge.as_ref().filter(|judge| is_whole && !judge.votes.is_empty());
        if let Some(judge) = judge {
            match votes_of(theatre, &case, judge, path).await {
                Err(error @ EvalError::Script { .. }) => wrong.push(error.to_string()),
                tape => made += write(&path.with_file_name(&judge.tape), &tape?)?,
            }
        }
    }
    tell(&format!("{made} tapes were made of hand-written replies"));
    if wrong.is_empty() { Ok(made) } else { Err(EvalError::Scripts(wrong)) }
}

/// Gives how many tapes were written.
fn write(file: &Path, tape: &Tape) -> Result<usize, EvalError> {
    let text = tape.to_text().map_err(|e| EvalError::Text(e.to_string()))?;
    fs::write(file, text).map_err(|source| EvalError::Write { path: file.to_owned(), source })?;
    Ok(1)
}

/// The votes that stand in a case, on its trials as they come out now.
async fn votes_of(theatre: &Theatre, case: &Case, judge: &Judge, path: &Path) -> Result<Tape, EvalError> {
    judge::must_fit(theatre, case, path)?;
    let (script, profile) = (Script::of(case, 0), authored(0));
    let bench = judge::Bench::of(theatre, case, judge)?;
    let replays = theatre.replays(case, path).await?;
    let questions = bench.questions(&profile, &replays);
    let mut tape = Tape { models: vec![profile], replies_sha: judge.votes_sha(), ..Tape::default() };
    let wrong = |trial: usize, what: String| EvalError::Script { case: case.id(), trial: trial + 1, what };
    for (trial, (question, votes)) in questions.iter().zip(&judge.votes).enumerate() {
        if votes.is_empty() {
            continue;
        }
        let request = question.as_ref();
        let request = request.map_err(|why| wrong(trial, format!("a judge cannot be asked: {why}")))?;
        let key = request_key(request);
        if tape.exchanges.iter().any(|vote| vote.request_sha == key) {
            return Err(wrong(trial, "its answer is that of an earlier trial, and has its votes".to_owned()));
        }
        for vote in votes {
            let reply = Reply { answer: Some(json!(vote)), ..Reply::default() };
            let played = script.played(&reply, tape.exchanges.len(), request);
            let played = played.map_err(|what| wrong(trial, what))?;
            tape.exchanges.push(Exchange::new(request, played));
        }
    }
    let has_votes = |key: String| tape.exchanges.iter().any(|vote| vote.request_sha == key);
    let unvoted =
        |question: &Result<Value, _>| matches!(question, Ok(request) if !has_votes(request_key(request)));
    match questions.iter().position(unvoted).filter(|_| !tape.exchanges.is_empty()) {
        Some(trial) => Err(wrong(trial, "its answer has no votes, and that of another trial has".to_owned())),
        None => Ok(tape),
    }
}

async fn tape_of(theatre: &Theatre, case: &Case, path: &Path, trial: usize) -> Result<Tape, EvalError> {
    let script = Script::of(case, trial);
    let models = Given::new(script.models());
    let definition = theatre.definition(&case.workflow)?;
    let replayed = theatre.play(case, case.load_world(path)?, models, definition).await?;
    let state = script.lock();
    let wrong = |what: String| Err(EvalError::Script { case: case.id(), trial: trial + 1, what });
    if let Some(problem) = &state.problem {
        return wrong(problem.clone());
    }
    let played = state.tape.exchanges.len();
    if played < script.replies.len() {
        return wrong(format!("reply {} of {} was not asked for", played + 1, script.replies.len()));
    }
    let mut tape = state.tape.clone();
    tape.replies_sha = case.replies_sha(trial);
    tape.terms = terms(&replayed.records);
    if let Some(part) = case.expect.stale.first() {
        age(&mut tape, *part);
    }
    Ok(tape)
}

/// Makes a canary's tape look like one of an older question.
fn age(tape: &mut Tape, part: Part) {
    let other = |hash: &mut String| *hash = format!("older: {}", sha256_text(hash));
    let Some(first) = tape.exchanges.first_mut() else { return };
    match part {
        Part::Prompt => first.parts.messages.iter_mut().take(1).for_each(other),
        Part::Input => first.parts.messages.iter_mut().skip(1).take(1).for_each(other),
        Part::Tool => first.parts.tools.values_mut().take(1).for_each(other),
        Part::Schema => other(&mut first.parts.schema),
        Part::Settings => other(&mut first.parts.settings),
        Part::Model => first.parts.model = format!("{}-older", first.parts.model),
        Part::Message => {
            if let Some(last) = tape.exchanges.last_mut() {
                last.parts.messages.iter_mut().skip(2).take(1).for_each(other);
                other(&mut last.request_sha);
            }
            return;
        }
        Part::Extra => {
            tape.exchanges.pop();
            return;
        }
        Part::Order => return tape.exchanges.reverse(),
        Part::Unplayed => {
            let again = first.clone();
            return tape.exchanges.push(again);
        }
        Part::Tape => return other(&mut first.outcome_sha),
        Part::Replies => return tape.replies_sha.iter_mut().for_each(other),
        Part::World => return,
    }
    other(&mut first.request_sha);
}

/// Replies that are given one after the other, by whichever model is asked.
struct Script {
    case: String,
    /// Unix time of the day on which the case was written.
    created: i64,
    replies: Vec<Reply>,
    profiles: Vec<ModelProfile>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tape: Tape,
    problem: Option<String>,
}

/// Who a hand-written answer is of: nobody, and it says so.
fn authored(n: usize) -> ModelProfile {
    ModelProfile {
        endpoint: if n == 0 { "authored".to_owned() } else { format!("authored-{}", n + 1) },
        model: if n == 0 { model::MODEL.to_owned() } else { format!("{}-{}", model::MODEL, n + 1) },
        authored: true,
        usd_per_million_input: 0.0,
        usd_per_million_output: 0.0,
        capabilities: Capabilities::default(),
    }
}

impl Script {
    fn of(case: &Case, trial: usize) -> Arc<Self> {
        let profiles: Vec<ModelProfile> = (0..case.model_chain).map(authored).collect();
        Arc::new(Self {
            case: case.case.clone(),
            created: case.origin.made_at().timestamp(),
            replies: case.replies.get(trial).cloned().unwrap_or_default(),
            state: Mutex::new(State {
                tape: Tape { models: profiles.clone(), ..Tape::default() },
                problem: None,
            }),
            profiles,
        })
    }

    fn models(self: &Arc<Self>) -> Vec<Arc<dyn Model>> {
        let model = |profile: &ModelProfile| -> Arc<dyn Model> {
            Arc::new(ScriptedModel { profile: profile.clone(), script: Arc::clone(self) })
        };
        self.profiles.iter().map(model).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, request: &Value) -> Result<Played, String> {
        let turn = self.lock().tape.exchanges.len();
        let reply = self.replies.get(turn);
        let reply =
            reply.ok_or_else(|| format!("a model is asked {} times, more than it has replies", turn + 1))?;
        self.played(reply, turn, request)
    }

    fn played(&self, reply: &Reply, turn: usize, request: &Value) -> Result<Played, String> {
        if let Some(failed) = &reply.fails {
            return Ok(Played::Error {
                class: failed.class,
                status: failed.status,
                retry_after_ms: failed.retry_after_ms,
                message: failed.message.clone(),
            });
        }
        let message = message(reply, turn, request)?;
        let by_form = if message.get("tool_calls").is_some() { "tool_calls" } else { "stop" };
        let finish = if reply.cut { Value::Null } else { json!(reply.finish.as_deref().unwrap_or(by_form)) };
        let id = sha256_text(&format!("{}/{turn}", self.case));
        let mut body = json!({
            "id": format!("chatcmpl-authored-{}", &id[..16]),
            "object": "chat.completion",
            "created": self.created,
            "model": format!("{}/{}", model::MODEL, self.case),
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": null}],
        });
        if let Some(usage) = &reply.usage {
            body["usage"] = json!(usage);
        } else if !reply.no_usage {
            let tokens = |value: &Value| value.to_string().len().div_ceil(BYTES_PER_TOKEN);
            let (input, output) = (tokens(request), tokens(&message));
            body["usage"] =
                json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
        }
        Ok(Played::Reply { status: 200, body, ms: 0 })
    }
}

fn message(reply: &Reply, turn: usize, request: &Value) -> Result<Value, String> {
    let filled = |value: &Value| {
        model::fill(request, value)
            .map_err(|reference| format!("reply {} refers to `{reference}`, which is not there", turn + 1))
    };
    if let Some(message) = &reply.message {
        return Ok(message.clone());
    }
    if let Some(text) = &reply.text {
        return Ok(json!({"role": "assistant", "content": text, "refusal": null}));
    }
    if let Some(answer) = &reply.answer {
        return Ok(json!({"role": "assistant", "content": filled(answer)?.to_string(), "refusal": null}));
    }
    let mut calls = Vec::with_capacity(reply.calls.len());
    for (i, call) in reply.calls.iter().enumerate() {
        let arguments = match &call.text {
            Some(text) => text.clone(),
            None => filled(&Value::Object(call.with.clone()))?.to_string(),
        };
        let name = call.tool.replace('.', "__");
        calls.push(json!({"id": format!("call_{turn}_{i}"), "type": "function",
            "function": {"name": name, "arguments": arguments}}));
    }
    Ok(json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": calls}))
}

struct ScriptedModel {
    profile: ModelProfile,
    script: Arc<Script>,
}

#[async_trait]
impl Model for ScriptedModel {
    fn profile(&self) -> &ModelProfile {
        &self.profile
    }

    async fn complete(&self, request: &Value, _timeout: Duration) -> Result<ModelReply, ModelError> {
        let played = self.script.next(request).unwrap_or_else(|problem| {
            self.script.lock().problem.get_or_insert_with(|| problem.clone());
            let class = crate::agent::ModelErrorClass::NotFound;
            Played::Error { class, status: None, retry_after_ms: None, message: problem }
        });
        self.script.lock().tape.exchanges.push(Exchange::new(request, played.clone()));
        played.into_result()
    }
}
