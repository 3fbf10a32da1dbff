//! `takt eval export` and `takt eval import`: cases in the formats of other tools.

use super::{EvalError, emit, play::Theatre, record, tell};
use crate::eval::{
    Case, Conversation, InspectSample, Origin, Trial, chat_lines, conversations, inspect_log,
    promptfoo_tests, read_promptfoo,
};
use chrono::NaiveDate;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Write cases in the format of another tool to standard output
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Cases, or folders of cases; all of the site's when left out
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    #[arg(long, value_enum)]
    pub to: Target,

    /// Model that promptfoo is to ask; the first one of takt.yaml when left out
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,

    /// Chat lines are also made of hand-written answers
    #[arg(long)]
    pub with_authored: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// OpenAI's chat fine-tuning format: one conversation that passed on each line
    Chat,
    /// promptfoo's configuration: the first turn of each agent step as a test
    Promptfoo,
    /// Inspect's JSON log
    Inspect,
}

/// Make cases of promptfoo tests, each after the pattern of a case that exists
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// promptfoo's configuration, or a list of tests; YAML or JSON
    pub file: PathBuf,

    /// The case whose world, people and outcome the new ones share; the variables of a test change its trigger
    #[arg(long, value_name = "CASE")]
    pub like: PathBuf,

    /// The agent step that the assertions are about
    #[arg(long, value_name = "STEP")]
    pub step: String,

    /// The day on which the tests were written
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub written: NaiveDate,

    /// Who wrote them
    #[arg(long, value_name = "WHO")]
    pub by: String,
}

struct Played {
    case: Case,
    trials: Vec<(Trial, Vec<Conversation>)>,
}

pub(super) async fn export(theatre: &Theatre, site: &Path, args: &ExportArgs) -> Result<(), EvalError> {
    let mut played = Vec::new();
    for path in super::cases_of(site, &args.paths)? {
        let case = Case::load(&path)?;
        if case.tapes.is_empty() || !case.expect.stale.is_empty() {
            continue;
        }
        let definition = theatre.definition(&case.workflow)?;
        let mut trials = Vec::new();
        for tape in case.load_tapes(&path)? {
            let replayed = theatre.replay(&case, case.load_world(&path)?, tape, definition.clone()).await?;
            trials.push((Trial::of(&replayed, &case.expect), conversations(&replayed)));
        }
        played.push(Played { case, trials });
    }
    let text = match args.to {
        Target::Chat => {
            let passed = played.iter().flat_map(|played| &played.trials);
            let passed = passed
                .filter(|(trial, _)| trial.passed && (args.with_authored || !trial.answered.is_authored()));
            let lines: String = passed.map(|(_, conversations)| chat_lines(conversations)).collect();
            if lines.is_empty() {
                tell(
                    "no case holds an accepted answer of a language model; --with-authored takes hand-written ones",
                );
            }
            lines
        }
        Target::Promptfoo => {
            let first = |played: Played| {
                let conversations = played.trials.into_iter().next().map(|(_, conversations)| conversations);
                (played.case, conversations.unwrap_or_default())
            };
            let model = args.model.as_deref().or_else(|| theatre.first_model()).ok_or(EvalError::NoModel)?;
            let tests = promptfoo_tests(&played.into_iter().map(first).collect::<Vec<_>>(), model);
            serde_saphyr::to_string(&tests).map_err(|error| EvalError::Text(error.to_string()))?
        }
        Target::Inspect => inspect(&played)?,
    };
    emit(&text)
}

fn inspect(played: &[Played]) -> Result<String, EvalError> {
    let mut samples = Vec::new();
    for Played { case, trials } in played {
        for (i, (result, conversations)) in trials.iter().enumerate() {
            samples.extend(conversations.iter().map(|conversation| InspectSample {
                case: case.id(),
                trial: i + 1,
                conversation: conversation.clone(),
                result,
            }));
        }
    }
    let newest = played.iter().map(|played| played.case.origin.made_at()).max().unwrap_or_default();
    let log = serde_json::to_string_pretty(&inspect_log(&samples, newest));
    Ok(log.map_err(|error| EvalError::Text(error.to_string()))? + "\n")
}

pub(super) fn import(site: &Path, args: &ImportArgs) -> Result<(), EvalError> {
    let unread = |message: String| EvalError::Read { path: args.file.clone(), message };
    let text = fs::read_to_string(&args.file).map_err(|error| unread(error.to_string()))?;
    let file: Value = serde_saphyr::from_str(&text).map_err(|error| unread(error.to_string()))?;
    let like = Case::load(&args.like)?;
    for imported in read_promptfoo(&file).map_err(unread)? {
        let (mut case, left_out) = imported.onto(&like, &args.step);
        case.origin = Origin::Authored { by: args.by.clone(), written: args.written };
        (case.tapes, case.replies, case.labels) = (Vec::new(), Vec::new(), Vec::new());
        case.judge = None;
        case.tapes.push(format!("{}.tape.json", case.case));
        case.tags.push("promptfoo".to_owned());
        let folder = site.join("evals").join(&case.workflow);
        let name = format!("{}.case.yaml", case.case);
        record::save(&folder, &[(name, record::case_text(&case)?)])?;
        tell(&format!("{} is written; it needs replies, or `takt eval --live --promote`", case.id()));
        for left_out in left_out {
            tell(&format!("  left out: {left_out}"));
        }
    }
    Ok(())
}
