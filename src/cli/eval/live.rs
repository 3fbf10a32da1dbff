//! `takt eval --live`: the same cases with the site's language models. Only when asked for, only with a key, and
//! never on a build server. What they answered is kept as an attempt; a clean one may replace the case's tape.

use super::{
    EvalArgs, EvalError, finish, judge,
    play::{Given, Theatre},
    record, tell,
};
use crate::{
    agent::{
        Admission, Endpoints, Exchange, Model, ModelError, ModelProfile, ModelReply, Played, Tape, Told,
        Wanted, retry_wait,
    },
    connector::openai::OpenAi,
    eval::{Baseline, Case, Report, Trial, scan, terms, unclean},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::{
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The money given with `--max-usd` is spent.
const EXIT_BUDGET: u8 = 5;
/// A longer wait is told to whoever sits before it.
const WORTH_TELLING: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub struct LiveArgs {
    /// Ask the site's language models instead of the tapes; this costs money
    #[arg(long, conflicts_with = "accept")]
    pub live: bool,

    /// Ask only this endpoint of takt.yaml
    #[arg(long, requires = "live", value_name = "NAME")]
    pub endpoint: Option<String>,

    /// Trials of each case
    #[arg(long, requires = "live", default_value_t = 1, value_name = "K", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub trials: u8,

    /// Stop before the next case when this much is spent
    #[arg(long, requires = "live", default_value_t = 1.0, value_name = "USD")]
    pub max_usd: f64,

    /// Where every trial of a case is clean and passes, its answers become the case's tapes
    #[arg(long, requires = "live")]
    pub promote: bool,

    /// Build servers set it; live calls are refused there
    #[arg(long, env = "CI", hide = true, value_name = "WORD")]
    pub ci: Option<String>,
}

pub(super) async fn run(theatre: &Theatre, args: &EvalArgs) -> Result<ExitCode, EvalError> {
    if args.live.ci.as_deref().is_some_and(|word| !word.is_empty() && word != "false") {
        return Err(EvalError::Live("live calls are not made on a build server (CI is set)".to_owned()));
    }
    let models = models(theatre, args)?;
    let baseline = Baseline::load(&args.site.join("evals/baseline.json"))?;
    let mut report = Report::default();
    let mut spent = 0.0;
    for path in super::cases_of(&args.site, &args.paths)? {
        let case = Case::load(&path)?;
        if !args.is_wanted(&case) || case.tapes.is_empty() || !case.expect.stale.is_empty() {
            continue;
        }
        if spent > args.live.max_usd {
            finish(&report, args)?;
            tell(&format!("{spent:.4} USD are spent, more than --max-usd {}", args.live.max_usd));
            return Ok(ExitCode::from(EXIT_BUDGET));
        }
        let (trials, judged) = ask(theatre, args, &case, &path, &models).await?;
        spent += trials.iter().map(|trial| trial.score.metrics.cost_usd).sum::<f64>();
        spent += judged.as_ref().map_or(0.0, |judged| judged.cost_usd);
        report.add(&case, trials, &baseline);
        report.add_judgement(&case, judged.map(|judged| judged.judgement), &baseline);
    }
    args.must_fit(report.cases.len())?;
    finish(&report, args)?;
    Ok(ExitCode::from(report.exit_code()))
}

fn models(theatre: &Theatre, args: &EvalArgs) -> Result<Vec<Arc<dyn Model>>, EvalError> {
    let wanted = |name: &str| args.live.endpoint.as_ref().is_none_or(|endpoint| endpoint == name);
    let mut models: Vec<Arc<dyn Model>> = Vec::new();
    for endpoint in theatre.plant.site.models.iter().filter(|endpoint| wanted(&endpoint.name)) {
        if endpoint.api_key.expose_secret().is_empty() {
            return Err(EvalError::Live(format!("the model endpoint `{}` has no key", endpoint.name)));
        }
        models.push(Arc::new(OpenAi::new(endpoint).map_err(|error| EvalError::Endpoint(error.to_string()))?));
    }
    match models.is_empty() {
        true => Err(EvalError::Live("no model endpoint of takt.yaml has a key".to_owned())),
        false => Ok(models),
    }
}

async fn ask(
    theatre: &Theatre,
    args: &EvalArgs,
    case: &Case,
    path: &Path,
    models: &[Arc<dyn Model>],
) -> Result<(Vec<Trial>, Option<judge::Asked>), EvalError> {
    let definition = theatre.definition(&case.workflow)?;
    let (mut trials, mut tapes, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let mut replays = Vec::new();
    for n in 0..args.live.trials {
        let taping = Taping::of(models);
        let given = Given { endpoints: Arc::new(Patient::default()), ..Given::new(taping.models(models)) };
        let replayed = theatre.play(case, case.load_world(path)?, given, definition.clone()).await?;
        let trial = Trial::of(&replayed, &case.expect);
        if !trial.passed {
            problems.push(format!("trial {} did not pass", n + 1));
        }
        problems.extend(unclean(&replayed.records));
        let name = match n {
            0 => format!("{}.tape.json", case.case),
            n => format!("{}.t{}.tape.json", case.case, n + 1),
        };
        let tape = Tape { terms: terms(&replayed.records), ..taping.tape() };
        tapes.push(text_of(theatre, name, &tape, &mut problems)?);
        trials.push(trial);
        replays.push(replayed);
    }
    let names: Vec<String> = tapes.iter().map(|(name, _)| name.clone()).collect();
    let judged = judge::ask(theatre, case, models, &replays).await?;
    if let Some((judge, judged)) = case.judge.as_ref().zip(judged.as_ref()) {
        tapes.push(text_of(theatre, judge.tape.clone(), &judged.tape, &mut problems)?);
        problems.extend(judged.problem(judge));
    }
    record::save(&args.site.join("evals").join(record::ATTEMPTS).join(&case.workflow), &tapes)?;
    if args.live.promote {
        if !case.replies.is_empty() {
            problems.push("it has hand-written replies: take them out first".to_owned());
        }
        if problems.is_empty() {
            let mut promoted = case.clone();
            promoted.tapes = names;
            tapes.push((format!("{}.case.yaml", case.case), record::case_text(&promoted)?));
            record::save(path.parent().unwrap_or(Path::new(".")), &tapes)?;
            tell(&format!("{} has new tapes", case.id()));
        } else {
            tell(&format!("{} keeps its tapes: {}", case.id(), problems.join("; ")));
        }
    }
    Ok((trials, judged))
}

/// A tape as a file; what must not stand in it is a problem.
fn text_of(
    theatre: &Theatre,
    name: String,
    tape: &Tape,
    problems: &mut Vec<String>,
) -> Result<(String, String), EvalError> {
    let text = tape.to_text().map_err(|e| EvalError::Text(e.to_string()))?;
    let found = scan(&name, &text, &theatre.confidential());
    problems.extend(found.secrets.into_iter().chain(found.personal));
    Ok((name, text))
}

/// Waits as long as an endpoint asks, in the time of this world: the replay's clock only jumps there.
#[derive(Default)]
struct Patient {
    failures: Mutex<u32>,
}

impl Patient {
    fn wait(&self, told: Told) -> Option<Duration> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match told {
            Told::Answered { pause } => {
                *failures = 0;
                pause
            }
            Told::Failed { retry_after: Some(wait), .. } => Some(wait),
            Told::Failed { class, .. } if class.is_transient() => {
                *failures += 1;
                Some(retry_wait(*failures - 1))
            }
            Told::Failed { .. } => None,
        }
    }
}

#[async_trait]
impl Endpoints for Patient {
    async fn admit(&self, _wanted: &Wanted<'_>, _now: DateTime<Utc>) -> Admission {
        Admission::Go(Box::new(()))
    }

    async fn tell(&self, endpoint: &str, told: Told, _unused: u64, _now: DateTime<Utc>) {
        let Some(wait) = self.wait(told) else { return };
        if wait >= WORTH_TELLING {
            tell(&format!("{endpoint} asks to be left alone for {} s", wait.as_secs()));
        }
        tokio::time::sleep(wait).await;
    }
}

/// Keeps what models are asked and answer.
struct Taping(Mutex<Tape>);

impl Taping {
    fn of(models: &[Arc<dyn Model>]) -> Arc<Self> {
        let models = models.iter().map(|model| model.profile().clone()).collect();
        Arc::new(Self(Mutex::new(Tape { models, ..Tape::default() })))
    }

    fn models(self: &Arc<Self>, models: &[Arc<dyn Model>]) -> Vec<Arc<dyn Model>> {
        let taped = |model: &Arc<dyn Model>| -> Arc<dyn Model> {
            Arc::new(TapedModel { model: Arc::clone(model), taping: Arc::clone(self) })
        };
        models.iter().map(taped).collect()
    }

    fn tape(&self) -> Tape {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct TapedModel {
    model: Arc<dyn Model>,
    taping: Arc<Taping>,
}

#[async_trait]
impl Model for TapedModel {
    fn profile(&self) -> &ModelProfile {
        self.model.profile()
    }

    async fn complete(&self, request: &Value, timeout: Duration) -> Result<ModelReply, ModelError> {
        let result = self.model.complete(request, timeout).await;
        let exchange = Exchange::new(request, Played::from(&result));
        self.taping.0.lock().unwrap_or_else(PoisonError::into_inner).exchanges.push(exchange);
        result
    }
}
