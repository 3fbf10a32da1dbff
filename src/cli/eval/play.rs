//! Replays case files as a worker of the site would run them, with other tools and models.

use super::{EvalError, judge};
use crate::{
    agent::{Endpoints, MaskKey, Model, ModelProfile, Part, Stale, Tape, TapePlayer, Unlimited},
    app::{self, Plant, SiteLadders},
    connector::openai,
    engine::{Definitions, Ladders, NoPast},
    eval::{Case, Judgement, Replayed, Stage, Trial, World, WorldTools, other_terms, replay},
    site::{Environment, declared_models},
    step::{AgentSettings, MaskKeys},
    tool::Registry,
    workflow::{CurrentEvents, Definition},
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// Who answers in a replay.
pub(super) struct Given {
    pub models: Vec<Arc<dyn Model>>,
    /// Key of each step's tokens, where it was recorded.
    pub mask_keys: BTreeMap<String, MaskKey>,
    pub endpoints: Arc<dyn Endpoints>,
}

impl Given {
    /// Models that nobody has to wait for.
    pub(super) fn new(models: Vec<Arc<dyn Model>>) -> Self {
        Self { models, mask_keys: BTreeMap::new(), endpoints: Arc::new(Unlimited) }
    }
}

pub(super) struct Theatre {
    pub plant: Plant,
    definitions: Arc<Definitions>,
    ladders: Arc<dyn Ladders>,
    /// Each endpoint of `takt.yaml`, on its terms.
    declared: Vec<ModelProfile>,
}

impl Theatre {
    pub(super) fn open(plant: Plant, site: &Path) -> Result<Self, EvalError> {
        let definitions = Arc::new(Definitions::default());
        definitions.publish_in_memory(plant.library.definitions().cloned().collect());
        let declared = declared_models(site, &Environment::of_process()).map_err(app::AppError::from)?;
        let declared = declared.iter().map(openai::profile).collect();
        let ladders = Arc::new(SiteLadders(plant.site.clone()));
        Ok(Self { plant, definitions, ladders, declared })
    }

    pub(super) fn definition(&self, workflow: &str) -> Result<Arc<Definition>, EvalError> {
        let library = &self.plant.library;
        library.get(workflow).cloned().ok_or_else(|| EvalError::NoWorkflow(library.absence(workflow)))
    }

    /// The model that the site prefers, as its endpoint knows it.
    pub(super) fn first_model(&self) -> Option<&str> {
        self.declared.first().map(|profile| profile.model.as_str())
    }

    /// One trial for each tape, and what the judge thinks of them.
    pub(super) async fn trials(
        &self,
        case: &Case,
        path: &Path,
    ) -> Result<(Vec<Trial>, Option<Judgement>), EvalError> {
        judge::must_fit(self, case, path)?;
        let replays = self.replays(case, path).await?;
        let judgement = judge::replayed(self, case, path, &replays);
        Ok((replays.iter().map(|replayed| Trial::of(replayed, &case.expect)).collect(), judgement))
    }

    /// One replay for each tape.
    pub(super) async fn replays(&self, case: &Case, path: &Path) -> Result<Vec<Replayed>, EvalError> {
        let (world, tapes) = (case.load_world(path)?, case.load_tapes(path)?);
        let definition = self.definition(&case.workflow)?;
        let mut replays = Vec::with_capacity(tapes.len());
        for (i, tape) in tapes.into_iter().enumerate() {
            let other = case.other_replies(i, &tape);
            let mut replayed = self.replay(case, world.clone(), tape, definition.clone()).await?;
            replayed.stale.extend(other);
            replays.push(replayed);
        }
        Ok(replays)
    }

    pub(super) async fn replay(
        &self,
        case: &Case,
        world: World,
        tape: Tape,
        definition: Arc<Definition>,
    ) -> Result<Replayed, EvalError> {
        let mut other_models = self.other_models(&tape);
        let player = TapePlayer::new(tape.clone());
        let given = Given { mask_keys: tape.mask_keys.clone(), ..Given::new(player.models()) };
        let mut replayed = self.play(case, world, given, definition).await?;
        let other_terms = other_terms(&tape, &replayed.records);
        replayed.stale.extend(other_terms);
        replayed.stale.extend(player.stale());
        replayed.stale.append(&mut other_models);
        Ok(replayed)
    }

    /// Replays with whatever models are given.
    pub(super) async fn play(
        &self,
        case: &Case,
        world: World,
        given: Given,
        definition: Arc<Definition>,
    ) -> Result<Replayed, EvalError> {
        let tools = WorldTools::new(world);
        let registry = tools.registry(&self.plant.tools)?;
        let mut replayed = replay(case, self.stage(&registry, given, definition)).await?;
        replayed.calls = tools.made();
        replayed.stale = tools.stale();
        replayed.confidential = self.confidential();
        Ok(replayed)
    }

    /// What a worker of this site would have, with other tools and models.
    pub(super) fn stage(&self, tools: &Registry, given: Given, definition: Arc<Definition>) -> Stage {
        let settings = AgentSettings {
            models: given.models,
            known: self.plant.site.known_words(),
            events: CurrentEvents::new(self.plant.library.events().clone()),
            mask_keys: MaskKeys::Fixed(Arc::new(given.mask_keys)),
            endpoints: given.endpoints,
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
    pub(super) fn other_models(&self, tape: &Tape) -> Vec<Stale> {
        let recorded = tape.models.iter().filter(|profile| !profile.authored);
        let compared = recorded.filter_map(|profile| {
            match self.declared.iter().find(|declared| declared.endpoint == profile.endpoint) {
                Some(declared) => other_endpoint(profile, declared),
                None => Some(format!("takt.yaml has no model endpoint `{}` any more", profile.endpoint)),
            }
        });
        compared.map(|detail| Stale::new(Part::Model, detail)).collect()
    }
}

/// What takt.yaml says of an endpoint now and did not say when it was recorded.
fn other_endpoint(was: &ModelProfile, is: &ModelProfile) -> Option<String> {
    let price = |profile: &ModelProfile| {
        format!("{}/{}", profile.usd_per_million_input, profile.usd_per_million_output)
    };
    let name = &was.endpoint;
    match () {
        () if was.model != is.model => Some(format!("the model: {} → {}", was.model, is.model)),
        () if price(was) != price(is) => {
            Some(format!("the price of `{name}`: {} → {} USD per million tokens", price(was), price(is)))
        }
        () if was.capabilities.data != is.capabilities.data => {
            Some(format!("the classes of data that `{name}` may be sent"))
        }
        () if was.capabilities != is.capabilities => Some(format!("what the server of `{name}` can")),
        () => None,
    }
}

/// Whether a replay came out as its case says; why not, otherwise.
pub(super) fn problems(trial: &Trial) -> Vec<String> {
    let failing = trial.score.checks.iter().filter(|(_, check)| !check.holds);
    let failing = failing.map(|(name, check)| format!("{name}: {}", check.detail));
    trial.stale.iter().map(ToString::to_string).chain(failing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::Capabilities, tool::DataClass};

    type Change = fn(&mut ModelProfile);

    /// A recording is one of an endpoint as it was.
    #[test]
    fn whatever_is_said_of_an_endpoint_counts() {
        let was = ModelProfile {
            endpoint: "plant".into(),
            model: "small".into(),
            authored: false,
            usd_per_million_input: 1.0,
            usd_per_million_output: 4.0,
            capabilities: Capabilities::default(),
        };
        assert_eq!(other_endpoint(&was, &was.clone()), None);
        let changes: [(&str, Change); 4] = [
            ("the model", |is| is.model = "large".into()),
            ("the price", |is| is.usd_per_million_output = 5.0),
            ("the classes", |is| is.capabilities.data = [DataClass::Customer].into()),
            ("the server", |is| is.capabilities.strict = false),
        ];
        for (named, change) in changes {
            let mut is = was.clone();
            change(&mut is);
            assert!(other_endpoint(&was, &is).is_some_and(|said| said.contains(named)), "{named}");
        }
    }
}
