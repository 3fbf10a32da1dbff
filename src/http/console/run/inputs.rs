//! What a step was given. It is not journaled, because it follows from the journal: the definition is
//! interpreted once more up to the moment the step began.

use crate::{
    run::{Change, Leaf, Record, State, StepPath, Task, plan_of},
    site::Site,
    workflow::Definition,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is known of a step besides its records.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Given {
    /// `call`, `agent`, `gate`, `wait`, `run`.
    pub kind: &'static str,
    /// The tool, the prompt or the workflow it uses.
    pub uses: Option<String>,
    pub input: Option<Value>,
}

/// For every step that began, in its last attempt. Site values are today's.
pub(super) fn of_steps(
    definition: &Definition,
    records: &[Record],
    site: &Site,
) -> BTreeMap<StepPath, Given> {
    let mut given = BTreeMap::new();
    let Some((first, rest)) = records.split_first() else { return given };
    let Ok(mut state) = State::fold(std::slice::from_ref(first)) else { return given };
    let site = site.scope();
    for record in rest {
        if let (Change::Started, Some(path)) = (&record.change, &record.path) {
            let planned = plan_of(&definition.workflow, &state, &site, path, record.at);
            state.pass(planned.passed);
            if let Some(task) = planned.ready.iter().find(|task| task.path == *path) {
                given.insert(path.clone(), given_to(task));
            }
        }
        if state.apply(record).is_err() {
            break;
        }
    }
    given
}

fn given_to(task: &Task) -> Given {
    let kind = task.leaf.kind();
    let (uses, with) = match &task.leaf {
        Leaf::Call(call) => (Some(call.tool.to_string()), Some(&call.with)),
        Leaf::Agent(agent) => (Some(agent.prompt.clone()), Some(&agent.with)),
        Leaf::Run(run) => (Some(run.workflow.clone()), Some(&run.with)),
        Leaf::Gate(_) | Leaf::Wait(_) => (None, None),
    };
    Given { kind, uses, input: with.and_then(|with| with.eval(&task.scope).ok()) }
}
