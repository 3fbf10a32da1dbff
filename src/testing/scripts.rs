//! Agents of a test: the real loop, with a model that says what the test scripts. Its answers are labelled
//! `scripted` wherever they are shown.

use super::world::World;
use crate::{
    agent::{Capabilities, Model, ModelError, ModelErrorClass, ModelProfile, ModelReply},
    engine::{Execute, Outcome, StepContext},
    expr::Scope,
    run::Task,
    step::{AgentExecutor, AgentSettings},
    tool::{DataClass, Registry},
    workflow::{
        CurrentEvents,
        cases::{Placed, Script, ScriptedCall},
    },
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

const NAME: &str = "scripted";

/// Takes the place of the agent executor: gives each step the model that its script speaks for.
pub(super) struct ScriptedAgents {
    pub(super) scripts: BTreeMap<String, Placed<Script>>,
    pub(super) fixtures: Arc<BTreeMap<String, Value>>,
    pub(super) tools: Registry,
    pub(super) known: Vec<(DataClass, String)>,
    pub(super) events: CurrentEvents,
    pub(super) world: Arc<World>,
    /// Answers given so far, by step.
    pub(super) turns: Arc<Mutex<BTreeMap<String, usize>>>,
}

#[async_trait]
impl Execute for ScriptedAgents {
    async fn execute(&self, task: &Task, context: &StepContext) -> Outcome {
        let id = task.path.leaf().to_owned();
        let Some(script) = self.scripts.get(&id) else {
            let why = format!("the agent `{id}` has no script here: add it under `agents`");
            self.world.break_with(why.clone());
            return Outcome::fail("permanent", why);
        };
        let mut scope = (*context.scope).clone();
        let fixtures = self.fixtures.iter().map(|(name, value)| (name.clone(), value.clone()));
        scope.insert("fixtures".into(), Value::Object(fixtures.collect()));
        let model = ScriptedModel {
            profile: ModelProfile {
                endpoint: NAME.into(),
                model: NAME.into(),
                authored: true,
                usd_per_million_input: 0.0,
                usd_per_million_output: 0.0,
                capabilities: Capabilities::default(),
            },
            id,
            script: script.it.clone(),
            scope,
            turns: self.turns.clone(),
            world: self.world.clone(),
        };
        let settings = AgentSettings {
            models: vec![Arc::new(model)],
            known: self.known.clone(),
            events: self.events.clone(),
            ..AgentSettings::default()
        };
        AgentExecutor { tools: self.tools.clone(), settings }.execute(task, context).await
    }
}

struct ScriptedModel {
    profile: ModelProfile,
    id: String,
    script: Script,
    scope: Scope,
    turns: Arc<Mutex<BTreeMap<String, usize>>>,
    world: Arc<World>,
}

#[async_trait]
impl Model for ScriptedModel {
    fn profile(&self) -> &ModelProfile {
        &self.profile
    }

    async fn complete(&self, request: &Value, _timeout: Duration) -> Result<ModelReply, ModelError> {
        let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let has_read = messages.last().is_some_and(|message| message["role"] == "tool");
        match self.of_this_turn(has_read) {
            Script::Error(class) => Err(failed(&class)),
            Script::Nonsense(text) => Ok(reply(json!({ "role": "assistant", "content": text }), "stop")),
            Script::Answer { calls, .. } if !calls.is_empty() && !has_read => match self.asks(&calls) {
                Ok(message) => Ok(reply(message, "tool_calls")),
                Err(why) => Err(self.broken(why)),
            },
            Script::Answer { output, .. } => match output.it.eval(&self.scope) {
                Ok(output) => {
                    Ok(reply(json!({ "role": "assistant", "content": output.to_string() }), "stop"))
                }
                Err(error) => Err(self.broken(error.to_string())),
            },
            Script::InTurn(_) => Err(self.broken("`in_turn` inside `in_turn`".into())),
        }
    }
}

impl ScriptedModel {
    /// An answer after its reads belongs to the turn that asked for them.
    fn of_this_turn(&self, has_read: bool) -> Script {
        let Script::InTurn(list) = &self.script else { return self.script.clone() };
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(self.id.clone()).or_default();
        if !has_read {
            *turn += 1;
        }
        let at = turn.saturating_sub(1).min(list.len().saturating_sub(1));
        list.get(at).map_or(Script::Nonsense(String::new()), |script| script.it.clone())
    }

    fn asks(&self, calls: &[ScriptedCall]) -> Result<Value, String> {
        let mut asked = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            let arguments = call.with.eval(&self.scope).map_err(|error| error.to_string())?;
            asked.push(json!({
                "id": format!("call_{index}"),
                "type": "function",
                "function": { "name": call.tool.it.as_str().replace('.', "__"), "arguments": arguments.to_string() },
            }));
        }
        Ok(json!({ "role": "assistant", "content": null, "tool_calls": asked }))
    }

    fn broken(&self, why: String) -> ModelError {
        let why = format!("the script of `{}`: {why}", self.id);
        self.world.break_with(why.clone());
        ModelError { class: ModelErrorClass::BadRequest, status: None, retry_after: None, message: why }
    }
}

fn reply(message: Value, finish: &str) -> ModelReply {
    let body = json!({
        "model": NAME,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
        "usage": { "prompt_tokens": 0, "completion_tokens": 0 },
    });
    ModelReply::read(200, body, 0)
}

fn failed(class: &str) -> ModelError {
    let word = Value::String(class.to_owned());
    let class = serde_json::from_value(word).unwrap_or(ModelErrorClass::Server);
    let message = format!("the scripted model is down ({})", class.word());
    ModelError { class, status: None, retry_after: None, message }
}
