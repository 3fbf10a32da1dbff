//! What the tools answer in a replay, and the registry that answers so. Nothing leaves the process.
//!
//! An answer is found by tool and arguments. A read that was never recorded cannot be answered: the
//! case is stale. A write with other arguments is answered, because its score will say so.

use super::abridge::abridged;
use crate::agent::{Part, Stale, sha256_json};
use crate::tool::{
    Call, Effect, Lookup, Registry, RegistryError, Tool, ToolError, ToolErrorKind, ToolName, ToolSpec,
};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    pub calls: Vec<WorldCall>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorldCall {
    #[schemars(with = "String")]
    pub tool: ToolName,
    /// Large fields may be given as `{ sha256: … }`. Left out: whatever the arguments are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
    #[serde(flatten)]
    pub answer: WorldAnswer,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorldAnswer {
    Output(Value),
    /// An output of this many bytes, for a tool that answers far too much.
    OutputOfBytes(usize),
    /// `class` is a `ToolError` class: `transient`, `not_found`, …
    Error {
        class: String,
        message: String,
    },
}

/// A call that the replay made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MadeCall {
    pub step: String,
    pub tool: ToolName,
    pub effect: Effect,
    pub args: Value,
}

#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path}: {message}")]
    Parse { path: String, message: String },
}

impl World {
    /// `.json`, or `.yaml` for those written by hand.
    pub fn load(path: &Path) -> Result<Self, WorldError> {
        let shown = path.display().to_string();
        let text =
            fs::read_to_string(path).map_err(|source| WorldError::Read { path: shown.clone(), source })?;
        let parsed = match path.extension().is_some_and(|e| e == "json") {
            true => serde_json::from_str(&text).map_err(|e| e.to_string()),
            false => serde_saphyr::from_str(&text).map_err(|e| e.to_string()),
        };
        parsed.map_err(|message| WorldError::Parse { path: shown, message })
    }
}

impl World {
    /// JSON with one call on a line, so that a difference is one line too.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let calls: Vec<String> = self.calls.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        Ok(format!("{{\"calls\": [\n{}\n]}}\n", calls.join(",\n")))
    }
}

/// Answers every call of a replay from its world and keeps what was called.
pub struct WorldTools {
    calls: Mutex<Vec<(WorldCall, bool)>>,
    made: Mutex<Vec<MadeCall>>,
    misses: Mutex<Vec<String>>,
}

impl WorldTools {
    pub fn new(world: World) -> Arc<Self> {
        let calls = world.calls.into_iter().map(|call| (call, false)).collect();
        Arc::new(Self { calls: Mutex::new(calls), made: Mutex::default(), misses: Mutex::default() })
    }

    /// Every tool of a site, with its own declarations and this world's answers.
    pub fn registry(self: &Arc<Self>, site: &Registry) -> Result<Registry, RegistryError> {
        let mut registry = Registry::default();
        for spec in site.specs() {
            registry.add(Arc::new(WorldTool { spec: spec.clone(), world: Arc::clone(self) }))?;
        }
        Ok(registry)
    }

    pub fn made(&self) -> Vec<MadeCall> {
        lock(&self.made).clone()
    }

    /// Reads that were never recorded.
    pub fn stale(&self) -> Vec<Stale> {
        lock(&self.misses).iter().map(|miss| Stale::new(Part::World, miss)).collect()
    }

    fn answer(&self, spec: &ToolSpec, call: &Call, args: &Value) -> Result<Value, ToolError> {
        let made = MadeCall {
            step: call.step.clone(),
            tool: spec.name.clone(),
            effect: spec.effect,
            args: args.clone(),
        };
        lock(&self.made).push(made);
        // Both sides are abridged, so a hash and the value it stands for are equal.
        let wanted = sha256_json(&abridged(args));
        let mut calls = lock(&self.calls);
        let same = |known: &WorldCall| {
            known.tool == spec.name
                && known.args.as_ref().is_none_or(|args| sha256_json(&abridged(args)) == wanted)
        };
        let position = |test: &dyn Fn(&WorldCall, bool) -> bool| {
            calls.iter().position(|(known, played)| test(known, *played))
        };
        let found = position(&|known, played| !played && same(known))
            // A call made once more than recorded gets the last answer again.
            .or_else(|| calls.iter().rposition(|(known, _)| same(known)))
            .or_else(|| {
                (spec.effect == Effect::Write)
                    .then(|| position(&|known, played| !played && known.tool == spec.name))
                    .flatten()
            });
        let Some(entry) = found.and_then(|at| calls.get_mut(at)) else {
            let miss =
                format!("step `{}` now calls {} with {args}: that was never recorded", call.step, spec.name);
            lock(&self.misses).push(miss.clone());
            return Err(ToolError::new(ToolErrorKind::Permanent, miss));
        };
        entry.1 = true;
        match &entry.0.answer {
            WorldAnswer::Output(output) => Ok(output.clone()),
            WorldAnswer::OutputOfBytes(bytes) => Ok(json!({ "text": "x".repeat(*bytes) })),
            WorldAnswer::Error { class, message } => {
                Err(ToolError::new(ToolErrorKind::of_class(class), message.clone()))
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct WorldTool {
    spec: ToolSpec,
    world: Arc<WorldTools>,
}

#[async_trait]
impl Tool for WorldTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: &Call, input: Value) -> Result<Value, ToolError> {
        self.world.answer(&self.spec, call, &input)
    }

    /// A call that failed here had no effect: it may be made again.
    async fn look_up(&self, _call: &Call, _input: &Value) -> Result<Lookup, ToolError> {
        Ok(Lookup::Absent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::Idempotency;
    use chrono::DateTime;
    use serde_json::json;
    use std::time::Duration;
    use uuid::Uuid;

    fn site() -> Registry {
        let mut registry = Registry::default();
        for (name, effect) in [("plex.inventory", Effect::Read), ("tickets.create", Effect::Write)] {
            let spec = ToolSpec {
                name: name.parse().unwrap(),
                version: 1,
                description: String::new(),
                input: json!({}),
                output: json!({}),
                effect,
                idempotency: Idempotency::Read,
                ungated: None,
                timeout: Duration::from_secs(1),
                scopes: vec![],
                classes: [].into(),
                result_bytes_max: 1_000,
            };
            registry.add(Arc::new(WorldTool { spec, world: WorldTools::new(World::default()) })).unwrap();
        }
        registry
    }

    async fn ask(registry: &Registry, tool: &str, args: Value) -> Result<Value, ToolErrorKind> {
        let call = Call {
            run: Uuid::nil(),
            step: "s".into(),
            attempt: 1,
            key: String::new(),
            timeout: Duration::from_secs(1),
            now: DateTime::UNIX_EPOCH,
            trace: None,
            lease: Arc::default(),
        };
        let tool = registry.get(&tool.parse().unwrap()).unwrap();
        tool.call(&call, args).await.map_err(|error| error.kind)
    }

    #[tokio::test]
    async fn answers_come_by_arguments_and_in_order() {
        let world: World = serde_json::from_value(json!({"calls": [
            {"tool": "plex.inventory", "args": {"b": 1, "a": 2}, "error": {"class": "transient", "message": "busy"}},
            {"tool": "plex.inventory", "args": {"a": 2, "b": 1}, "output": {"lots": 3}},
            {"tool": "tickets.create", "args": {"title": "x"}, "output": {"number": "INC-1"}},
        ]}))
        .unwrap();
        let world = WorldTools::new(world);
        let tools = world.registry(&site()).unwrap();
        let args = json!({"a": 2, "b": 1});
        assert_eq!(ask(&tools, "plex.inventory", args.clone()).await, Err(ToolErrorKind::Transient));
        assert_eq!(ask(&tools, "plex.inventory", args.clone()).await, Ok(json!({"lots": 3})));
        assert_eq!(ask(&tools, "plex.inventory", args).await, Ok(json!({"lots": 3})));
        assert!(world.stale().is_empty());

        let other = ask(&tools, "tickets.create", json!({"title": "y"})).await;
        assert_eq!(other, Ok(json!({"number": "INC-1"})));
        assert!(world.stale().is_empty(), "a changed write is a regression, not a stale case");

        assert_eq!(ask(&tools, "plex.inventory", json!({"a": 3})).await, Err(ToolErrorKind::Permanent));
        assert_eq!(world.stale().len(), 1);
        assert_eq!(world.made().len(), 5);
    }

    #[test]
    fn a_world_reads_what_it_wrote() {
        let world: World = serde_json::from_value(json!({"calls": [
            {"tool": "plex.inventory", "args": {"a": 1}, "output": null},
            {"tool": "tickets.create", "error": {"class": "transient", "message": "busy"}},
        ]}))
        .unwrap();
        let text = world.to_text().unwrap();
        assert_eq!(text.lines().count(), 4);
        assert_eq!(serde_json::from_str::<World>(&text).unwrap(), world);
        assert_eq!(serde_saphyr::from_str::<World>(&text).unwrap(), world);
    }
}
