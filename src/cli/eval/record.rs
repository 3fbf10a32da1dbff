//! `takt eval record` and `takt eval adopt`: a finished run becomes a case. It is written as an attempt first and
//! becomes a case when it replays exactly, its model calls were clean and a scan found nothing in it.

use super::{
    AdoptArgs, EvalError, FromArgs,
    play::{self, Given, Theatre},
    tell,
};
use crate::{
    agent::Tape,
    cli::database::Database,
    eval::{
        AnswerMoment, Baseline, Case, Findings, Label, Recording, Report, Trial, World, replay, scan, unclean,
    },
    run::{GateId, Record, RunId},
    store::{Store, gates, journal, versions},
    workflow::Definition,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Folder of `evals/` for what was recorded and is no case yet.
pub(super) const ATTEMPTS: &str = "attempts";

/// Everything that a case is made of.
struct Made {
    case: Case,
    world: World,
    tape: Tape,
    records: Vec<Record>,
    definition: Arc<Definition>,
}

pub(super) async fn record(
    theatre: &Theatre,
    site: &Path,
    run: RunId,
    name: &str,
    from: &FromArgs,
) -> Result<(), EvalError> {
    legal(name)?;
    let (_running, store) = open(from).await?;
    let made = make(theatre, &store, run, name).await?;
    promote(theatre, site, &made, from).await.map(drop)
}

/// What a person preferred becomes an expectation that does not hold yet: the baseline says so.
pub(super) async fn adopt(theatre: &Theatre, site: &Path, given: &AdoptArgs) -> Result<(), EvalError> {
    legal(&given.name)?;
    let (_running, store) = open(&given.from).await?;
    let mut db = store.connection().await?;
    let id = GateId(given.gate);
    let gate = gates::get(&mut db, id).await?.ok_or(EvalError::NoGate(given.gate))?;
    let vote = gates::vote(&mut db, id).await?.ok_or(EvalError::Unanswered)?;
    drop(db);
    let mut made = make(theatre, &store, RunId(gate.run_id), &given.name).await?;
    let mut answers = made.case.timeline.iter().filter_map(|moment| moment.answer.as_ref());
    let answer = answers.rfind(|answer| answer.gate == gate.path).cloned();
    let offered = |n: usize| gate.ask.get("options")?.get(n.checked_sub(1)?).cloned();
    let (verdict, preferred) = judged(&vote.decision, answer.as_ref(), offered);
    if let Some(preferred) = preferred {
        made.case.expect.preferred.insert(gate.path.clone(), preferred);
    }
    // The person is named by role: a case is no place to keep what somebody decided.
    let by = gate.role.clone().unwrap_or_else(|| "a person".to_owned());
    made.case.labels.push(Label { by, verdict: verdict.to_owned(), reason: vote.reason.clone() });
    made.case.tags.push(verdict.to_owned());
    let trial = promote(theatre, site, &made, &given.from).await?;
    let path = site.join("evals/baseline.json");
    let known = Baseline::load(&path)?;
    let mut report = Report::default();
    report.add(&made.case, vec![trial], &known);
    let mut baseline = known.clone();
    baseline.cases.extend(report.baseline(&known).cases);
    Ok(baseline.save(&path)?)
}

/// What an answer says of the proposal, and what should have been offered first.
fn judged(
    decision: &str,
    answer: Option<&AnswerMoment>,
    offered: impl Fn(usize) -> Option<Value>,
) -> (&'static str, Option<Value>) {
    match decision {
        "choose" => match answer.and_then(|answer| answer.choice) {
            Some(1) | None => ("good", offered(1)),
            Some(n) => ("overridden", offered(n)),
        },
        "edit" => ("overridden", answer.and_then(|answer| answer.edited.clone())),
        "reject" => ("bad", None),
        _ => ("good", None),
    }
}

fn legal(name: &str) -> Result<(), EvalError> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match !name.is_empty() && name.chars().all(legal) {
        true => Ok(()),
        false => Err(EvalError::Name(name.to_owned())),
    }
}

/// A private cluster runs as long as its handle is held.
async fn open(from: &FromArgs) -> Result<(Database, Store), EvalError> {
    let database = match from.demo {
        true => from.database.open_named(crate::cli::demo::DATABASE).await?,
        false => from.database.open().await?,
    };
    let store = Store::open_beside(&database.url).await?;
    Ok((database, store))
}

async fn make(theatre: &Theatre, store: &Store, run: RunId, name: &str) -> Result<Made, EvalError> {
    let mut db = store.connection().await?;
    let records = journal::load(&mut db, run).await?;
    let recording = Recording::read(run, &records)?;
    let bundle = versions::load(&mut db, recording.sha256()).await?.ok_or(EvalError::NoDefinition)?;
    let definition = Arc::new(Definition::compile(bundle).map_err(|_| EvalError::NoDefinition)?);
    let (case, keys) = (recording.case(name), recording.mask_keys());
    let (recorder, models) = recording.recorder();
    let given = Given { mask_keys: keys, ..Given::new(models) };
    let registry = recorder.registry(&theatre.plant.tools)?;
    let replayed = replay(&case, theatre.stage(&registry, given, definition.clone())).await?;
    let (case, world, tape) = recorder.finish(case, &replayed)?;
    Ok(Made { case, world, tape, records, definition })
}

/// Writes the attempt, and moves it to the cases when nothing is wrong with it.
async fn promote(theatre: &Theatre, site: &Path, made: &Made, from: &FromArgs) -> Result<Trial, EvalError> {
    let evals = site.join("evals");
    let attempt = evals.join(ATTEMPTS).join(&made.case.workflow);
    let files = files_of(&made.case, &made.world, &made.tape)?;
    let folder = evals.join(&made.case.workflow);
    let existing = files.iter().map(|(name, _)| folder.join(name)).find(|path| path.exists());
    if let Some(existing) = existing.filter(|_| !from.replace) {
        return Err(EvalError::Exists(existing));
    }
    save(&attempt, &files)?;

    let tape = made.tape.clone();
    let again = theatre.replay(&made.case, made.world.clone(), tape, made.definition.clone()).await?;
    // A preference that was not offered is the point of an adopted case.
    let trial = Trial::of(&again, &made.case.expect);
    let exact: Vec<String> =
        play::problems(&trial).into_iter().filter(|problem| !problem.starts_with("agreement.")).collect();
    if !exact.is_empty() {
        return Err(EvalError::NotExact(exact.join("; ")));
    }
    let mut problems = unclean(&made.records);
    let names = theatre.confidential();
    let mut personal = Vec::new();
    for (name, text) in &files {
        let Findings { secrets, personal: found } = scan(name, text, &names);
        problems.extend(secrets);
        personal.extend(found);
    }
    if !from.with_personal_data && !personal.is_empty() {
        problems.append(&mut personal);
        problems.push("--with-personal-data takes people's names and addresses along".to_owned());
    }
    if !problems.is_empty() {
        return Err(EvalError::NotPromoted { kept: attempt, problems });
    }
    save(&folder, &files)?;
    for (name, _) in &files {
        // An attempt that stays behind harms nobody.
        let _ = fs::remove_file(attempt.join(name));
    }
    tell(&format!(
        "{} holds the plant's data as it was: read its world and tape before you share them",
        folder.join(format!("{}.case.yaml", made.case.case)).display()
    ));
    Ok(trial)
}

fn files_of(case: &Case, world: &World, tape: &Tape) -> Result<Vec<(String, String)>, EvalError> {
    let text = |error: serde_json::Error| EvalError::Text(error.to_string());
    let mut files = vec![(case.world.clone(), world.to_text().map_err(text)?)];
    if let Some(name) = case.tapes.first() {
        files.push((name.clone(), tape.to_text().map_err(text)?));
    }
    files.push((format!("{}.case.yaml", case.case), case_text(case)?));
    Ok(files)
}

pub(super) fn case_text(case: &Case) -> Result<String, EvalError> {
    let yaml = serde_saphyr::to_string(case).map_err(|error| EvalError::Text(error.to_string()))?;
    Ok(format!("# yaml-language-server: $schema=../case.schema.json\n{yaml}"))
}

pub(super) fn save(folder: &Path, files: &[(String, String)]) -> Result<(), EvalError> {
    let failed = |path: PathBuf| move |source| EvalError::Write { path, source };
    fs::create_dir_all(folder).map_err(failed(folder.to_owned()))?;
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).map_err(failed(path.clone()))?;
    }
    Ok(())
}
