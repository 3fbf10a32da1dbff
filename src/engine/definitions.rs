//! Compiled definitions: the current one of each workflow, and every pinned one that a live run needs.

use crate::{
    run::StartedRun,
    store::{PgConnection, StoreError, lanes, versions},
    workflow::{Autonomy, Definition},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What is published, and what has been compiled so far.
#[derive(Default)]
pub struct Definitions {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    current: BTreeMap<String, Arc<Definition>>,
    by_sha: BTreeMap<String, Arc<Definition>>,
}

#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("the run's definition {0} is not in the database")]
    Missing(String),
    #[error("the run's definition {sha256} no longer compiles: {problem}")]
    Broken { sha256: String, problem: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a run in shadow begins is in shadow too.
pub(super) fn as_begun(definition: Arc<Definition>, start: &StartedRun) -> Arc<Definition> {
    if start.shadow && definition.workflow.autonomy != Autonomy::Shadow {
        return Arc::new(definition.with_autonomy(Autonomy::Shadow));
    }
    definition
}

impl Definitions {
    /// Stores new definitions and makes them the ones that new runs start on.
    pub async fn publish(
        &self,
        db: &mut PgConnection,
        definitions: Vec<Arc<Definition>>,
    ) -> Result<(), StoreError> {
        let limit = |definition: &Arc<Definition>| {
            let lane = definition.workflow.flow.concurrency.as_ref()?;
            Some(i32::try_from(lane.limit).unwrap_or(i32::MAX))
        };
        let workflows: Vec<String> =
            definitions.iter().map(|definition| definition.workflow.id.clone()).collect();
        let limits: Vec<Option<i32>> = definitions.iter().map(limit).collect();
        for definition in &definitions {
            versions::save(db, &definition.workflow.id, &definition.sha256, &definition.bundle).await?;
        }
        lanes::set_limits(db, &workflows, &limits).await?;
        self.publish_in_memory(definitions);
        Ok(())
    }

    /// The same without a database, for tests and evals.
    pub fn publish_in_memory(&self, definitions: Vec<Arc<Definition>>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.current.clear();
        for definition in definitions {
            inner.by_sha.insert(definition.sha256.clone(), definition.clone());
            inner.current.insert(definition.workflow.id.clone(), definition);
        }
    }

    pub fn current(&self, workflow: &str) -> Option<Arc<Definition>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).current.get(workflow).cloned()
    }

    pub fn all_current(&self) -> Vec<Arc<Definition>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).current.values().cloned().collect()
    }

    pub fn known(&self, sha256: &str) -> Option<Arc<Definition>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).by_sha.get(sha256).cloned()
    }

    /// The pinned definition of a run, compiled once.
    pub async fn pinned(
        &self,
        db: &mut PgConnection,
        sha256: &str,
    ) -> Result<Arc<Definition>, DefinitionError> {
        if let Some(known) = self.known(sha256) {
            return Ok(known);
        }
        let bundle =
            versions::load(db, sha256).await?.ok_or_else(|| DefinitionError::Missing(sha256.to_owned()))?;
        let compiled = Definition::compile(bundle).map_err(|problems| DefinitionError::Broken {
            sha256: sha256.to_owned(),
            problem: problems.first().map_or_else(String::new, |problem| problem.message.clone()),
        })?;
        let compiled = Arc::new(compiled);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.by_sha.insert(sha256.to_owned(), compiled.clone());
        Ok(compiled)
    }
}
