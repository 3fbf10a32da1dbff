//! Whether an order can be carried out on a run, and what would be written. Writes nothing.

use super::{Action, ControlError, Order, Refusal, Version};
use crate::{
    engine::{DefinitionError, Definitions},
    run::{
        Change, Rank, Record, RunId, SignalKind, State, StepPath,
        compat::incompatibilities,
        reopen::{self, Obstacle, Reopening},
        story::find,
    },
    store::{PgConnection, StoreError, clock, control, control::Target, journal},
    workflow::{Definition, StepKind},
};
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// What carrying out an order means for one run.
#[derive(Debug)]
pub(super) enum Intended {
    Signal(SignalKind),
    Reopen(Vec<Reopened>),
    Migrate {
        record: Record,
        sha256: String,
    },
    Release {
        record: Option<Record>,
    },
    /// Nobody can drive it any more: it ends as it is.
    Abandon,
    Dismiss,
}

/// A run that goes on, and the records that say so; its children that go on with it are listed as well.
#[derive(Debug)]
pub(super) struct Reopened {
    pub run: RunId,
    pub workflow: String,
    pub key: Option<String>,
    pub sha256: String,
    pub rank: Rank,
    /// How many runs of its version may have its lane; `None` where the version has no lanes.
    pub limit: Option<u32>,
    pub records: Vec<Record>,
}

type Considered<T> = Result<Result<T, Refusal>, ControlError>;

pub(super) async fn consider(
    db: &mut PgConnection,
    definitions: &Definitions,
    target: &Target,
    order: &Order,
) -> Considered<Intended> {
    let is_set_aside = target.state.as_deref() == Some("set_aside");
    let has_ended = target.ended_at.is_some();
    Ok(match &order.action {
        Action::Cancel if has_ended => Err(Refusal::Ended),
        Action::Cancel if is_set_aside && target.hold.as_deref() != Some("quarantined") => {
            Ok(Intended::Abandon)
        }
        Action::Cancel => Ok(Intended::Signal(SignalKind::Cancel)),
        Action::Pause | Action::Resume if has_ended => Err(Refusal::Ended),
        Action::Pause | Action::Resume if is_set_aside => Err(Refusal::SetAside),
        Action::Pause if target.hold.is_some() => Err(Refusal::AlreadyPaused),
        Action::Pause => Ok(Intended::Signal(SignalKind::Pause)),
        Action::Resume if target.hold.is_none() => Err(Refusal::NotPaused),
        Action::Resume => Ok(Intended::Signal(SignalKind::Resume)),
        Action::Dismiss if target.outcome.as_deref() == Some("failed") && target.dismissed_at.is_none() => {
            Ok(Intended::Dismiss)
        }
        Action::Dismiss => Err(Refusal::NothingToDismiss),
        Action::Retry if is_set_aside => Ok(Intended::Release { record: released(db, target, order).await? }),
        Action::Retry | Action::Rerun { .. } => {
            if !has_ended {
                return Ok(Err(Refusal::NotEnded));
            }
            if let Some(parent) = target.parent_run {
                return Ok(Err(Refusal::Child(RunId(parent))));
            }
            return Ok(Box::pin(reopened(db, definitions, target, order)).await?.map(Intended::Reopen));
        }
        Action::Migrate { version } => return migrated(db, definitions, target, order, version).await,
    })
}

/// A run's state and definition as they are now.
async fn known(
    db: &mut PgConnection,
    definitions: &Definitions,
    run: RunId,
) -> Considered<(State, Arc<Definition>)> {
    let records = match journal::load(db, run).await {
        Ok(records) => records,
        Err(StoreError::Unreadable { source, .. }) => {
            return Ok(Err(Refusal::Unreadable(source.to_string())));
        }
        Err(error) => return Err(error.into()),
    };
    let state = match State::fold(&records) {
        Ok(state) => state,
        Err(error) => return Ok(Err(Refusal::Unreadable(error.to_string()))),
    };
    let definition = pinned(db, definitions, &state.sha256).await?;
    Ok(definition.map(|definition| (state, definition)))
}

async fn pinned(
    db: &mut PgConnection,
    definitions: &Definitions,
    sha256: &str,
) -> Considered<Arc<Definition>> {
    match definitions.pinned(db, sha256).await {
        Ok(definition) => Ok(Ok(definition)),
        Err(DefinitionError::Store(error)) => Err(error.into()),
        Err(error) => Ok(Err(Refusal::NoDefinition(error.to_string()))),
    }
}

/// The version an order means, if it is not the one the run has.
async fn other_version(
    db: &mut PgConnection,
    definitions: &Definitions,
    target: &Target,
    state: &State,
    version: &Version,
) -> Considered<Option<Arc<Definition>>> {
    let sha256 = match version {
        Version::Same => return Ok(Ok(None)),
        Version::Sha256(sha256) => Some(sha256.clone()),
        Version::Newest => match definitions.current(&target.workflow) {
            Some(current) => Some(current.sha256.clone()),
            None => control::newest_version(db, &target.workflow).await?,
        },
    };
    let Some(sha256) = sha256 else { return Ok(Err(Refusal::NoVersion(version.to_string()))) };
    if sha256 == state.sha256 {
        return Ok(Ok(None));
    }
    match pinned(db, definitions, &sha256).await? {
        Ok(found) if found.workflow.id == target.workflow => Ok(Ok(Some(found))),
        Ok(_) => Ok(Err(Refusal::NoVersion(sha256))),
        Err(Refusal::NoDefinition(why)) if why.contains("is not in the database") => {
            Ok(Err(Refusal::NoVersion(sha256)))
        }
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// Writes records one after the other on top of a state, in memory.
struct Draft {
    state: State,
    at: DateTime<Utc>,
    records: Vec<Record>,
}

impl Draft {
    fn add(&mut self, path: Option<StepPath>, change: Change) -> Result<(), Refusal> {
        let record = Record { seq: self.state.next_seq, at: self.at, path, attempt: 0, change };
        self.state.apply(&record).map_err(|error| Refusal::Unreadable(error.to_string()))?;
        self.records.push(record);
        Ok(())
    }
}

async fn reopened(
    db: &mut PgConnection,
    definitions: &Definitions,
    target: &Target,
    order: &Order,
) -> Considered<Vec<Reopened>> {
    let run = RunId(target.id);
    let (state, old) = match known(db, definitions, run).await? {
        Ok(known) => known,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (from, version) = match &order.action {
        Action::Rerun { from, version } => (Some(from), version),
        _ => (None, &Version::Same),
    };
    let new = match other_version(db, definitions, target, &state, version).await? {
        Ok(new) => new,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let reopening = match from {
        Some(from) => match reopen::rerun(&old.workflow, &state, from) {
            Ok(reopening) => reopening,
            Err(obstacle) => return Ok(Err(obstacle.into())),
        },
        None => match reopen::retry(&old.workflow, &state) {
            Ok(reopening) => reopening,
            Err(obstacle) => return Ok(Err(obstacle.into())),
        },
    };
    let children = match children(db, definitions, run, &state, &old, &reopening, order).await? {
        Ok(children) => children,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let rank = state.start.rank.clone();
    let limit = new.as_ref().unwrap_or(&old).workflow.flow.concurrency.as_ref().map(|lanes| lanes.limit);
    let at = clock::now(db).await?;
    let draft = draft(state, at, order, from, &reopening, &old, new.as_deref());
    let (records, sha256) = match draft {
        Ok(draft) => (draft.records, draft.state.sha256),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (workflow, key) = (target.workflow.clone(), target.key.clone());
    let mut all = vec![Reopened { run, workflow, key, sha256, rank, limit, records }];
    all.extend(children);
    Ok(Ok(all))
}

fn draft(
    state: State,
    at: DateTime<Utc>,
    order: &Order,
    from: Option<&StepPath>,
    reopening: &Reopening,
    old: &Definition,
    new: Option<&Definition>,
) -> Result<Draft, Refusal> {
    let (by, reason) = (order.by.clone(), order.reason.clone());
    let mut draft = Draft { state, at, records: Vec::new() };
    draft.add(None, Change::Reopened { by: by.clone(), reason: reason.clone(), from: from.cloned() })?;
    for (path, renewed) in &reopening.resets {
        draft.add(Some(path.clone()), Change::Reset { renewed: *renewed })?;
    }
    if let Some(new) = new {
        let found = incompatibilities(&old.workflow, &new.workflow, &draft.state);
        if !found.is_empty() {
            return Err(Refusal::Incompatible(found));
        }
        let (from, to) = (old.sha256.clone(), new.sha256.clone());
        draft.add(None, Change::Migrated { by, reason, from, to })?;
    }
    Ok(draft)
}

/// Child runs that go on where they failed or were cancelled. None that ended well is begun a second time, and none goes on
/// before its parent has come to it again: what it was given, and who approved it, could be something else by then.
async fn children(
    db: &mut PgConnection,
    definitions: &Definitions,
    run: RunId,
    state: &State,
    definition: &Definition,
    reopening: &Reopening,
    order: &Order,
) -> Considered<Vec<Reopened>> {
    let mut all = Vec::new();
    let from = if let Action::Rerun { from, .. } = &order.action { Some(from) } else { None };
    let retry = Order { action: Action::Retry, ..order.clone() };
    for (path, renewed) in &reopening.resets {
        let Some(StepKind::Run(step)) = find(&definition.workflow, path).map(|step| &step.kind) else {
            continue;
        };
        // What is renewed begins another one.
        if *renewed {
            continue;
        }
        let generation = state.step(path).map_or(0, |step| step.generation);
        let child = RunId::child_of(run, &path.of_generation(generation));
        let Some(found) = control::lock(db, &[child.0]).await?.pop() else { continue };
        if from.is_some_and(|from| from != path) {
            return Ok(Err(Obstacle::ChildBegun(path.clone()).into()));
        }
        // A detached one is nobody's to wait for.
        if found.ended_at.is_none() || step.detach {
            continue;
        }
        match Box::pin(reopened(db, definitions, &found, &retry)).await? {
            Ok(reopened) => all.extend(reopened),
            Err(Refusal::Obstacle(Obstacle::NothingFailed)) => {
                return Ok(Err(Obstacle::ChildDone(path.clone()).into()));
            }
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(all))
}

async fn migrated(
    db: &mut PgConnection,
    definitions: &Definitions,
    target: &Target,
    order: &Order,
    version: &Version,
) -> Considered<Intended> {
    match target.state.as_deref() {
        None => return Ok(Err(Refusal::Ended)),
        Some("running") => return Ok(Err(Refusal::Working)),
        Some(_) => {}
    }
    let (state, old) = match known(db, definitions, RunId(target.id)).await? {
        Ok(known) => known,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let new = match other_version(db, definitions, target, &state, version).await? {
        Ok(Some(new)) => new,
        Ok(None) => return Ok(Err(Refusal::SameVersion)),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let found = incompatibilities(&old.workflow, &new.workflow, &state);
    if !found.is_empty() {
        return Ok(Err(Refusal::Incompatible(found)));
    }
    let change = Change::Migrated {
        by: order.by.clone(),
        reason: order.reason.clone(),
        from: old.sha256.clone(),
        to: new.sha256.clone(),
    };
    let at = clock::now(db).await?;
    let record = Record { seq: state.next_seq, at, path: None, attempt: 0, change };
    Ok(Ok(Intended::Migrate { record, sha256: new.sha256.clone() }))
}

/// The record of a release; a journal that cannot be read gets none, the audit has it.
async fn released(
    db: &mut PgConnection,
    target: &Target,
    order: &Order,
) -> Result<Option<Record>, ControlError> {
    let records = match journal::load(db, RunId(target.id)).await {
        Ok(records) => records,
        Err(StoreError::Unreadable { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Ok(state) = State::fold(&records) else { return Ok(None) };
    let was = target.hold_reason.clone().unwrap_or_default();
    let change = Change::Released { by: order.by.clone(), reason: order.reason.clone(), was };
    let at = clock::now(db).await?;
    Ok(Some(Record { seq: state.next_seq, at, path: None, attempt: 0, change }))
}
