//! `takt eval --live`: the same cases with the site's language models. Only when asked for, only with a key, and
//! never on a build server. What they answered is kept as an attempt; a clean one may replace the case's tape.

use super::{
    EvalArgs, EvalError, finish,
    judge::{self, Bench, LiveVotes},
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

    /// Stop before the next case, and ask no judge any more, when this much is spent
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
        let (trials, judged) = ask(theatre, args, &case, &path, &models, spent).await?;
        spent += trials.iter().map(|trial| trial.score.metrics.cost_usd).sum::<f64>();
        spent += judged.as_ref().map_or(0.0, |judged| judged.cost_usd);
        report.add(&case, trials, &baseline);
        report.add_judgement(&case, judged.map(|judged| judged.judgement), &baseline);
    }
    args.must_fit(report.cases.len())?;
    if args.filters().is_empty() {
        report.before.clone_from(&baseline.matrix);
    }
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
    spent: f64,
) -> Result<(Vec<Trial>, Option<LiveVotes>), EvalError> {
    // Before anything is paid for that could not be judged afterwards.
    judge::must_fit(theatre, case, path)?;
    let bench = case.judge.as_ref().map(|judge| Bench::of(theatre, case, judge)).transpose()?;
    let definition = theatre.definition(&case.workflow)?;
    let (mut trials, mut replays, mut recorded) = (Vec::new(), Vec::new(), Recorded::default());
    for n in 0..args.live.trials {
        let taping = Taping::of(models);
        let given = Given { endpoints: Arc::new(Patient::default()), ..Given::new(taping.models(models)) };
        let replayed = theatre.play(case, case.load_world(path)?, given, definition.clone()).await?;
        let trial = Trial::of(&replayed, &case.expect);
        if !trial.passed {
            recorded.problems.push(format!("trial {} did not pass", n + 1));
        }
        recorded.problems.extend(unclean(&replayed.records));
        let tape = Tape { terms: terms(&replayed.records), ..taping.tape() };
        recorded.add(theatre, case.tape_name(n), &tape)?;
        trials.push(trial);
        replays.push(replayed);
    }
    let attempts = args.site.join("evals").join(record::ATTEMPTS).join(&case.workflow);
    record::save(&attempts, &recorded.files)?;
    let spent = spent + trials.iter().map(|trial| trial.score.metrics.cost_usd).sum::<f64>();
    let mut votes = Recorded::default();
    let judged = match case.judge.as_ref().zip(bench) {
        Some((judge, bench)) => {
            let judged = bench.ask(models, &replays, args.live.max_usd - spent).await;
            votes.add(theatre, judge.tape.clone(), &judged.tape)?;
            votes.problems.extend(judged.problem(judge));
            record::save(&attempts, &votes.files)?;
            Some(judged)
        }
        None => None,
    };
    if args.live.promote {
        promote(case, path, recorded, votes)?;
    }
    Ok((trials, judged))
}

/// Tapes as files, and why they may not become a case's.
#[derive(Default)]
struct Recorded {
    files: Vec<(String, String)>,
    problems: Vec<String>,
}

impl Recorded {
    /// What must not stand in a tape is a problem.
    fn add(&mut self, theatre: &Theatre, name: String, tape: &Tape) -> Result<(), EvalError> {
        let text = tape.to_text().map_err(|e| EvalError::Text(e.to_string()))?;
        let found = scan(&name, &text, &theatre.confidential());
        self.problems.extend(found.secrets.into_iter().chain(found.personal));
        self.files.push((name, text));
        Ok(())
    }
}

/// What was recorded becomes the case's, if nothing is wrong with it; votes that have something wrong hold back nothing but
/// themselves.
fn promote(case: &Case, path: &Path, mut recorded: Recorded, votes: Recorded) -> Result<(), EvalError> {
    if !case.replies.is_empty() {
        recorded.problems.push("it has hand-written replies: take them out first".to_owned());
    }
    if !recorded.problems.is_empty() {
        tell(&format!("{} keeps its tapes: {}", case.id(), recorded.problems.join("; ")));
        return Ok(());
    }
    let mut promoted = case.clone();
    promoted.tapes = recorded.files.iter().map(|(name, _)| name.clone()).collect();
    recorded.files.push((format!("{}.case.yaml", case.case), record::case_text(&promoted)?));
    if votes.problems.is_empty() {
        recorded.files.extend(votes.files);
    }
    record::save(path.parent().unwrap_or(Path::new(".")), &recorded.files)?;
    tell(&format!("{} has new tapes", case.id()));
    if !votes.problems.is_empty() {
        tell(&format!("{} keeps the votes of its judge: {}", case.id(), votes.problems.join("; ")));
    }
    Ok(())
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
