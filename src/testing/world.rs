//! The tools of a test. They answer as the test says, keep what was called, and remember what took effect, so that a
//! repeated call is one effect or two as the tool declares.

use super::death::{Death, When};
use crate::{
    expr::{EvalError, Scope, ValueTemplate},
    tool::{
        Call, Effect, Idempotency, Lookup, Registry, RegistryError, Tool, ToolError, ToolErrorKind, ToolName,
        ToolSpec,
    },
    workflow::cases::{Mock, MockError, Placed},
};
use async_trait::async_trait;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

/// A call that a run made.
#[derive(Debug, Clone)]
pub struct MadeCall {
    pub tool: ToolName,
    pub effect: Effect,
    pub step: String,
    pub key: String,
    pub args: Value,
    /// Its class, where it failed.
    pub error: Option<String>,
}

/// The schemas of a site's tools; each is compiled when a test first needs it.
pub(super) struct Contracts(BTreeMap<ToolName, Contract>);

struct Contract {
    input: Schema,
    output: Schema,
}

struct Schema {
    json: Value,
    compiled: OnceLock<Option<Validator>>,
}

impl Schema {
    fn new(json: &Value) -> Self {
        Self { json: json.clone(), compiled: OnceLock::new() }
    }

    fn problem(&self, value: &Value) -> Option<Misfit> {
        let compiled = self.compiled.get_or_init(|| jsonschema::validator_for(&self.json).ok());
        first_problem(compiled.as_ref()?, value)
    }
}

impl Contracts {
    pub(super) fn of<'s>(specs: impl Iterator<Item = &'s ToolSpec>) -> Self {
        let contract =
            |spec: &ToolSpec| Contract { input: Schema::new(&spec.input), output: Schema::new(&spec.output) };
        Self(specs.map(|spec| (spec.name.clone(), contract(spec))).collect())
    }

    pub(super) fn output_problem(&self, tool: &ToolName, value: &Value) -> Option<Misfit> {
        self.0.get(tool)?.output.problem(value)
    }

    fn input_problem(&self, tool: &ToolName, value: &Value) -> Option<Misfit> {
        self.0.get(tool)?.input.problem(value)
    }
}

/// What in a value is not as its schema says.
pub(super) struct Misfit {
    /// A JSON pointer.
    pub at: String,
    words: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.trim_start_matches('/').replace('/', ".").as_str() {
            "" => f.write_str(&self.words),
            at => write!(f, "`{at}`: {}", self.words),
        }
    }
}

fn first_problem(validator: &Validator, value: &Value) -> Option<Misfit> {
    let error = validator.iter_errors(value).next()?;
    Some(Misfit { at: error.instance_path().to_string(), words: error.to_string() })
}

#[derive(Default)]
struct Kept {
    calls: Vec<MadeCall>,
    /// How often each mock has answered.
    answered: BTreeMap<ToolName, usize>,
    /// The output of each effect by tool and key; one that was repeated under its key stands twice if the tool is unsafe.
    effects: Vec<(ToolName, String, Value)>,
    broken: Vec<String>,
}

pub(super) struct World {
    mocks: Mutex<BTreeMap<ToolName, Placed<Mock>>>,
    fixtures: Arc<BTreeMap<String, Value>>,
    contracts: Arc<Contracts>,
    built_in: Registry,
    site: Value,
    death: Arc<Death>,
    kept: Mutex<Kept>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn new(
        mocks: BTreeMap<ToolName, Placed<Mock>>,
        fixtures: Arc<BTreeMap<String, Value>>,
        contracts: Arc<Contracts>,
        built_in: Registry,
        site: Value,
        death: Arc<Death>,
    ) -> Arc<Self> {
        let (mocks, kept) = (Mutex::new(mocks), Mutex::default());
        Arc::new(Self { mocks, fixtures, contracts, built_in, site, death, kept })
    }

    /// Every tool of the site, with its own declaration and this world's answers.
    pub(super) fn registry(self: &Arc<Self>, site: &Registry) -> Result<Registry, RegistryError> {
        let mut registry = Registry::default();
        for spec in site.specs() {
            let can_look_up = site.get(&spec.name).is_some_and(|tool| tool.can_look_up());
            let tool = MockedTool { spec: spec.clone(), can_look_up, world: Arc::clone(self) };
            registry.add(Arc::new(tool))?;
        }
        Ok(registry)
    }

    pub(super) fn change(&self, mocks: &BTreeMap<ToolName, Placed<Mock>>) {
        let mut kept = lock(&self.kept);
        for (tool, mock) in mocks {
            kept.answered.remove(tool);
            lock(&self.mocks).insert(tool.clone(), mock.clone());
        }
    }

    pub(super) fn calls(&self) -> Vec<MadeCall> {
        lock(&self.kept).calls.clone()
    }

    pub(super) fn effects(&self, tool: &ToolName) -> usize {
        lock(&self.kept).effects.iter().filter(|(name, ..)| name == tool).count()
    }

    /// What makes the test itself invalid.
    pub(super) fn broken(&self) -> Vec<String> {
        lock(&self.kept).broken.clone()
    }

    pub(super) fn break_with(&self, why: String) {
        let mut kept = lock(&self.kept);
        if !kept.broken.contains(&why) {
            kept.broken.push(why);
        }
    }

    fn broken_call(&self, why: String) -> ToolError {
        self.break_with(why.clone());
        ToolError::new(ToolErrorKind::Permanent, why)
    }

    async fn call(&self, spec: &ToolSpec, call: &Call, args: Value) -> Result<Value, ToolError> {
        self.death.visit(When::BeforeCall, Some(&spec.name), &call.step).await;
        let at = lock(&self.kept).calls.len();
        lock(&self.kept).calls.push(MadeCall {
            tool: spec.name.clone(),
            effect: spec.effect,
            step: call.step.clone(),
            key: call.key.clone(),
            args: args.clone(),
            error: None,
        });
        let result = self.answer(spec, call, args).await;
        if let Err(error) = &result {
            let mut kept = lock(&self.kept);
            if let Some(made) = kept.calls.get_mut(at) {
                made.error = Some(error.class().to_owned());
            }
        }
        self.death.visit(When::AfterCall, Some(&spec.name), &call.step).await;
        result
    }

    async fn answer(&self, spec: &ToolSpec, call: &Call, args: Value) -> Result<Value, ToolError> {
        let name = &spec.name;
        if let Some(problem) = self.contracts.input_problem(name, &args) {
            return Err(ToolError::invalid(format!("{name}: wrong arguments: {problem}")));
        }
        if let Some(known) = self.repeated(spec, call) {
            return Ok(known);
        }
        let mock = lock(&self.mocks).get(name).map(|mock| mock.it.clone());
        let Some(mock) = mock else {
            let why =
                format!("step `{}` calls {name}, which has no answer here: add it under `tools`", call.step);
            return Err(self.broken_call(why));
        };
        let mock = self.of_this_call(name, mock);
        let output = match mock {
            Mock::Error(error) => return Err(self.fail(spec, call, &error, &args)),
            Mock::BuiltIn => match self.built_in.get(name) {
                Some(tool) => tool.call(call, args).await?,
                None => {
                    let why = format!("{name} is not built into Takt: say what it answers");
                    return Err(self.broken_call(why));
                }
            },
            Mock::Answer(answer) => self
                .value(&answer.it, &args, call)
                .map_err(|error| self.broken_call(format!("the answer of {name}: {error}")))?,
            Mock::Fixture(path) => self
                .fixtures
                .get(&stem(&path.it))
                .cloned()
                .ok_or_else(|| self.broken_call(format!("{} is not there", path.it)))?,
            Mock::InTurn(_) => return Err(self.broken_call(format!("{name}: `in_turn` inside `in_turn`"))),
        };
        if let Some(problem) = self.contracts.output_problem(name, &output) {
            return Err(
                self.broken_call(format!("the answer of {name} does not fit what it declares: {problem}"))
            );
        }
        self.take_effect(spec, call, &output);
        Ok(output)
    }

    fn of_this_call(&self, name: &ToolName, mock: Mock) -> Mock {
        let Mock::InTurn(list) = mock else { return mock };
        let mut kept = lock(&self.kept);
        let answered = kept.answered.entry(name.clone()).or_default();
        let at = (*answered).min(list.len().saturating_sub(1));
        *answered += 1;
        list.into_iter().nth(at).map_or(Mock::BuiltIn, |mock| mock.it)
    }

    /// Fixtures are large: they are only copied for an expression that may want them.
    fn value(&self, template: &ValueTemplate, args: &Value, call: &Call) -> Result<Value, EvalError> {
        if template.expressions().is_empty() {
            return Ok(template.raw().clone());
        }
        template.eval(&self.scope(args, call))
    }

    fn scope(&self, args: &Value, call: &Call) -> Scope {
        let fixtures: serde_json::Map<String, Value> =
            self.fixtures.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut scope = Scope::new();
        scope.insert("args".into(), args.clone());
        scope.insert("fixtures".into(), Value::Object(fixtures));
        scope.insert("site".into(), self.site.clone());
        scope.insert("now".into(), json!(call.now));
        scope
    }

    fn fail(&self, spec: &ToolSpec, call: &Call, error: &MockError, args: &Value) -> ToolError {
        if let Some(output) = &error.took_effect {
            match self.value(output, args, call) {
                Ok(output) => self.take_effect(spec, call, &output),
                Err(error) => return self.broken_call(format!("the effect of {}: {error}", spec.name)),
            }
        }
        let message = error.message.clone();
        let message = message.unwrap_or_else(|| format!("{} is not to be had ({})", spec.name, error.class));
        ToolError::new(ToolErrorKind::of_class(&error.class), message)
    }

    /// The other side knows this call already: it gives the same answer and does nothing more.
    fn repeated(&self, spec: &ToolSpec, call: &Call) -> Option<Value> {
        let knows = matches!(spec.idempotency, Idempotency::Keyed | Idempotency::Idempotent);
        (knows && spec.effect == Effect::Write).then(|| self.effect_of(spec, call)).flatten()
    }

    fn effect_of(&self, spec: &ToolSpec, call: &Call) -> Option<Value> {
        let kept = lock(&self.kept);
        let same = |(tool, key, _): &&(ToolName, String, Value)| *tool == spec.name && *key == call.key;
        kept.effects.iter().find(same).map(|(.., output)| output.clone())
    }

    fn take_effect(&self, spec: &ToolSpec, call: &Call, output: &Value) {
        if spec.effect == Effect::Write {
            lock(&self.kept).effects.push((spec.name.clone(), call.key.clone(), output.clone()));
        }
    }
}

/// `orders` of `fixtures/orders.json`.
pub(super) fn stem(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('.').next().unwrap_or(name).to_owned()
}

struct MockedTool {
    spec: ToolSpec,
    can_look_up: bool,
    world: Arc<World>,
}

#[async_trait]
impl Tool for MockedTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: &Call, input: Value) -> Result<Value, ToolError> {
        self.world.call(&self.spec, call, input).await
    }

    fn can_look_up(&self) -> bool {
        self.can_look_up
    }

    async fn look_up(&self, call: &Call, _input: &Value) -> Result<Lookup, ToolError> {
        if !self.can_look_up {
            return Ok(Lookup::Unknown);
        }
        Ok(self.world.effect_of(&self.spec, call).map_or(Lookup::Absent, Lookup::Found))
    }
}
