//! Replays case files as a worker of the site would run them, with other tools and models.

use super::EvalError;
use crate::{
    agent::{Model, Part, Stale, Tape, TapePlayer},
    app::{self, Plant, SiteLadders},
    engine::{Definitions, Ladders, NoPast},
    eval::{Case, Replayed, Stage, Trial, World, WorldTools, replay},
    site::{Environment, declared_models},
    step::AgentSettings,
    tool::Registry,
    workflow::{CurrentEvents, Definition},
};
use std::{path::Path, sync::Arc};

pub(super) struct Theatre {
    pub plant: Plant,
    definitions: Arc<Definitions>,
    ladders: Arc<dyn Ladders>,
    /// Name and model of each endpoint of `takt.yaml`.
    declared: Vec<(String, String)>,
}

impl Theatre {
    pub(super) fn open(plant: Plant, site: &Path) -> Result<Self, EvalError> {
        let definitions = Arc::new(Definitions::default());
        definitions.publish_in_memory(plant.library.definitions().cloned().collect());
        let declared = declared_models(site, &Environment::of_process()).map_err(app::AppError::from)?;
        let ladders = Arc::new(SiteLadders(plant.site.clone()));
        Ok(Self { plant, definitions, ladders, declared })
    }

    pub(super) fn definition(&self, workflow: &str) -> Result<Arc<Definition>, EvalError> {
        let definition = self.plant.library.get(workflow).cloned();
        definition.ok_or_else(|| EvalError::NoWorkflow(workflow.to_owned()))
    }

    /// One trial for each tape.
    pub(super) async fn trials(&self, case: &Case, path: &Path) -> Result<Vec<Trial>, EvalError> {
        let (world, tapes) = (case.load_world(path)?, case.load_tapes(path)?);
        let definition = self.definition(&case.workflow)?;
        let mut trials = Vec::with_capacity(tapes.len());
        for (i, tape) in tapes.into_iter().enumerate() {
            let other = case.other_replies(i, &tape);
            let mut replayed = self.replay(case, world.clone(), tape, definition.clone()).await?;
            replayed.stale.extend(other);
            trials.push(Trial::of(&replayed, &case.expect));
        }
        Ok(trials)
    }

    pub(super) async fn replay(
        &self,
        case: &Case,
        world: World,
        tape: Tape,
        definition: Arc<Definition>,
    ) -> Result<Replayed, EvalError> {
        let mut other_models = self.other_models(&tape);
        let player = TapePlayer::new(tape);
        let mut replayed = self.play(case, world, player.models(), definition).await?;
        replayed.stale.extend(player.stale());
        replayed.stale.append(&mut other_models);
        Ok(replayed)
    }

    /// Replays with whatever models are given.
    pub(super) async fn play(
        &self,
        case: &Case,
        world: World,
        models: Vec<Arc<dyn Model>>,
        definition: Arc<Definition>,
    ) -> Result<Replayed, EvalError> {
        let tools = WorldTools::new(world);
        let registry = tools.registry(&self.plant.tools)?;
        let mut replayed = replay(case, self.stage(&registry, models, definition)).await?;
        replayed.calls = tools.made();
        replayed.stale = tools.stale();
        replayed.confidential = self.confidential();
        Ok(replayed)
    }

    /// What a worker of this site would have, with other tools and models.
    pub(super) fn stage(
        &self,
        tools: &Registry,
        models: Vec<Arc<dyn Model>>,
        definition: Arc<Definition>,
    ) -> Stage {
        let settings = AgentSettings {
            models,
            known: self.plant.site.known_names(),
            events: CurrentEvents::new(self.plant.library.events().clone()),
            ..AgentSettings::default()
        };
        let past = Arc::new(NoPast);
        Stage {
            definition,
            executors: app::executors(tools, &self.definitions, &self.ladders, settings, past),
            ladders: self.ladders.clone(),
            site: self.plant.site.scope(),
            caps: app::caps_of(&self.plant.site),
        }
    }

    /// Names of people, which no model may see.
    pub(super) fn confidential(&self) -> Vec<String> {
        self.plant.site.known_names().into_iter().map(|(_, name)| name).collect()
    }

    /// A recording of a language model is one of the model that the site uses, or it says nothing of it. Hand-written
    /// answers are of no model.
    fn other_models(&self, tape: &Tape) -> Vec<Stale> {
        let recorded = tape.models.iter().filter(|profile| !profile.authored);
        let compared = recorded.filter_map(|profile| {
            let declared = self.declared.iter().find(|(name, _)| *name == profile.endpoint);
            match declared {
                Some((_, model)) if *model == profile.model => None,
                Some((_, model)) => Some(format!("the model: {} → {model}", profile.model)),
                None => Some(format!("takt.yaml has no model endpoint `{}` any more", profile.endpoint)),
            }
        });
        compared.map(|detail| Stale::new(Part::Model, detail)).collect()
    }
}

/// Whether a replay came out as its case says; why not, otherwise.
pub(super) fn problems(trial: &Trial) -> Vec<String> {
    let failing = trial.score.checks.iter().filter(|(_, check)| !check.holds);
    let failing = failing.map(|(name, check)| format!("{name}: {}", check.detail));
    trial.stale.iter().map(ToString::to_string).chain(failing).collect()
}
