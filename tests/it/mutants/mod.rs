//! An author who mistypes anything in the three bundled workflows is told so, where it stands.
//!
//! Every token is mistyped in several ways, one at a time, and the checker sees each file as an editor would.
//! What it does not report is in the committed list, with the reason: a mutant that begins to pass, or is
//! found at last, changes the list. `TAKT_MUTANTS=all` tries all of them, as CI does; otherwise every eighth is tried.

mod slips;
mod tokens;

use super::sample_site;
use std::{collections::BTreeMap, fmt::Write, path::Path, thread};
use takt::{
    site::Site,
    tool::Registry,
    workflow::{Library, problem::Problem},
};
use tokens::{Kind, Token, tokens};

const WORKFLOWS: [&str; 3] = ["downtime_escalation", "supplier_delay", "shift_handover"];

const EVERY: usize = 8;

/// How far beside the token a finding may point: an operator, a quote or a dot lies between.
const BESIDE: u32 = 3;

struct Mutant {
    workflow: &'static str,
    token: Token,
    slip: String,
    /// The line it stands in, without the remark, as it was.
    context: String,
    told: Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Here,
    Elsewhere,
    Nowhere,
}

#[test]
fn a_slip_of_the_hand_is_told_where_it_stands() {
    let site = sample_site::site(None);
    let registry = sample_site::registry(&site);
    let library = Library::load(&registry, &site).expect("the sample site loads");
    let mut mutants = Vec::new();
    for workflow in WORKFLOWS {
        let path = format!("workflows/{workflow}.yaml");
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).expect("the file");
        let found = library.findings(&path, &text, &registry, &site);
        assert!(found.is_empty(), "nothing is wrong with the original: {found:?}");
        mutants.extend(mutate(workflow, &path, &text, &library, &registry, &site));
    }
    let (list, report) = summary(&mutants);
    println!("{report}");
    if wants_all() {
        insta::assert_snapshot!("passing", list);
    } else {
        let known = include_str!("snapshots/it__mutants__passing.snap");
        let passes = |line: &&str| !line.starts_with('#') && !known.lines().any(|known| known == *line);
        let new: Vec<&str> = list.lines().filter(passes).collect();
        assert!(new.is_empty(), "these pass, and are not in the list:\n{}", new.join("\n"));
    }
    let here = mutants.iter().filter(|mutant| mutant.told == Told::Here).count();
    let harmless = mutants.iter().filter(|mutant| is_harmless(mutant)).count();
    let least = if wants_all() { 2_000 } else { 2_000 / EVERY };
    assert!(mutants.len() > least, "{} mutants", mutants.len());
    assert!(here * 100 >= (mutants.len() - harmless) * 95, "{report}");
    let unexplained: Vec<&Mutant> =
        mutants.iter().filter(|mutant| mutant.told != Told::Here && reason(mutant).is_none()).collect();
    assert!(unexplained.is_empty(), "no reason is known for {} mutants:\n{list}", unexplained.len());
}

fn wants_all() -> bool {
    std::env::var("TAKT_MUTANTS").is_ok_and(|which| which == "all")
}

/// It passes, and nothing that Takt does changes.
fn is_harmless(mutant: &Mutant) -> bool {
    mutant.told != Told::Here && matches!(reason(mutant), Some((_, false)))
}

fn mutate(
    workflow: &'static str,
    path: &str,
    text: &str,
    library: &Library,
    registry: &Registry,
    site: &Site,
) -> Vec<Mutant> {
    let mut jobs: Vec<(Token, String)> = Vec::new();
    for (index, token) in tokens(text).into_iter().enumerate() {
        jobs.extend(slips::slips(&token, index).into_iter().map(|slip| (token.clone(), slip)));
    }
    if !wants_all() {
        jobs = jobs.into_iter().step_by(EVERY).collect();
    }
    let lines: Vec<&str> = text.lines().collect();
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let share = jobs.len().div_ceil(workers);
    let judge = |(token, slip): &(Token, String)| {
        let mut changed = text.to_owned();
        changed.replace_range(token.start..token.start + token.text.len(), slip);
        let problems = library.findings(path, &changed, registry, site);
        let line = lines[token.line as usize - 1];
        Mutant {
            workflow,
            told: told(token, slip, line, path, &problems),
            context: line.split(" #").next().unwrap_or(line).trim().to_owned(),
            token: token.clone(),
            slip: slip.clone(),
        }
    };
    thread::scope(|scope| {
        let parts: Vec<_> = jobs
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().map(&judge).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().expect("no panic in the checker")).collect()
    })
}

/// Whether a finding points at the token: in an expression at the path it is part of, elsewhere at the value.
/// What breaks the syntax is noticed at the token or behind it, a bracket at the one it belongs to.
fn told(token: &Token, slip: &str, line: &str, path: &str, problems: &[Problem]) -> Told {
    let before: String = line.chars().take(token.column as usize - 1).collect();
    let back = match token.kind {
        Kind::Word | Kind::Number if !token.in_expression => value_before(&before),
        Kind::Bracket => before.chars().count(),
        _ => before.chars().rev().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).count(),
    };
    let from = (token.column - back as u32).saturating_sub(BESIDE);
    let end = token.column + slip.chars().count().max(token.text.chars().count()) as u32;
    let here = |problem: &Problem| {
        let (line, column) = (problem.place.line, problem.place.column);
        let syntax = matches!(problem.code, "T001" | "T004" | "T005");
        problem.path == path
            && (line == token.line && column >= from && (column <= end + BESIDE || syntax)
                || syntax && line == token.line + 1)
    };
    match problems {
        [] => Told::Nowhere,
        _ if problems.iter().any(here) => Told::Here,
        _ => Told::Elsewhere,
    }
}

/// Characters of the value before the token.
fn value_before(before: &str) -> usize {
    let starts = [": ", "[", "{ ", "- ", ", "].map(|mark| before.rfind(mark).map_or(0, |at| at + mark.len()));
    before[starts.into_iter().max().unwrap_or_default()..].chars().count()
}

/// Why the checker cannot know that this is wrong, and whether it changes what Takt does; `None` where it should.
fn reason(mutant: &Mutant) -> Option<(&'static str, bool)> {
    let Token { kind, key, text, .. } = &mutant.token;
    let same = |a: &str, b: &str| a.parse::<f64>().is_ok_and(|a| b.parse::<f64>() == Ok(a));
    Some(match (kind, key.as_str()) {
        (Kind::Number, _) if same(text, &mutant.slip) => ("the same number, written differently", false),
        (Kind::Number, _) => ("another number or time would do as well", true),
        (Kind::Word, "end") => ("an outcome is a free word, and no other is like it", true),
        (Kind::Word, "id") => ("nothing refers to this id, so a new one is as good", false),
        (Kind::Word, "workflow") => ("a workflow may be called anything", true),
        (Kind::Word, "unit" | "cause") => ("a text for people", false),
        (Kind::Key, _) if mutant.told == Told::Elsewhere => ("told where it is read", true),
        (Kind::Name, _) if mutant.told == Told::Elsewhere => ("told where it is read", true),
        (Kind::Key, _) if mutant.context.contains("call: ") => {
            ("the tool takes what is there, under any name", true)
        }
        (Kind::Key, _) if mutant.context.starts_with(&format!("{text}: ${{{{ ")) => {
            ("a name that only the model reads", true)
        }
        (Kind::Literal, _) if text == "A" => ("the tool says only that this is a text", true),
        (Kind::Literal, _) if text == "h" => ("a duration that is put together at run time", true),
        (Kind::Literal, _) if text == "30m" => ("another number or time would do as well", true),
        _ => return None,
    })
}

/// The committed list of what passes, and the figures.
fn summary(mutants: &[Mutant]) -> (String, String) {
    let mut passing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut figures: BTreeMap<(&str, Kind), [usize; 3]> = BTreeMap::new();
    for mutant in mutants {
        figures.entry((mutant.workflow, mutant.token.kind)).or_default()[mutant.told as usize] += 1;
        if mutant.told != Told::Here {
            let Token { text, .. } = &mutant.token;
            let told = if mutant.told == Told::Elsewhere { " (told elsewhere)" } else { "" };
            let line =
                format!("{}: {text} -> {}{told} in `{}`", mutant.workflow, mutant.slip, mutant.context);
            let (reason, _) = reason(mutant).unwrap_or(("NO REASON", true));
            passing.entry(reason).or_default().push(line);
        }
    }
    let mut list = String::new();
    for (reason, lines) in &passing {
        let _ = writeln!(list, "# {reason} ({})", lines.len());
        for line in lines {
            let _ = writeln!(list, "{line}");
        }
        list.push('\n');
    }
    let mut report = String::new();
    for ((workflow, kind), [here, elsewhere, nowhere]) in &figures {
        let _ = writeln!(report, "{workflow:22} {kind:?}: {here} told, {elsewhere} elsewhere, {nowhere} not");
    }
    let here = mutants.iter().filter(|mutant| mutant.told == Told::Here).count();
    let harmless = mutants.iter().filter(|mutant| is_harmless(mutant)).count();
    let meant = mutants.len() - harmless;
    let _ = writeln!(report, "{here} of {meant} mutants that change meaning are told where they stand");
    (list, report)
}
