//! Hundreds of drawn sequences of answers, changes, times and silences, played by the real gate step through the real
//! `takt test`: whatever people do, nothing is carried out that too few, or the wrong ones, agreed to.
//!
//! What may be in a step's output is worked out from what the sequence says, and not with anything of Takt.

use crate::support::site;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

const CASES: usize = 400;
const PEOPLE: [&str; 7] = ["ann", "bob", "cat", "deb", "eli", "max", "zoe"];
/// The run begins at seven: `ann` is on shift, `bob` from two o'clock on; the ladder asks `zoe` and `max`.
const DEFAULTS: &str = "
defaults:
  start: 2026-12-07T07:00:00-06:00
  tools:
    mes.lot: { blocked: false }
    mes.release: { released: true }
    mes.book_scrap: { booked: true }
cases:
";

/// A case in which one after the other does something, some minutes later, and what must hold at its end.
fn case(number: usize, by: &str, acts: &[(u32, String)], holds: &str) -> String {
    let mut text =
        format!("  - name: case {number}\n    inputs: {{ lot: L-7 }}\n    by: {by}\n    timeline:\n");
    for (minutes, act) in acts {
        writeln!(text, "      +{minutes}m: {{ {act} }}").expect("a string");
    }
    write!(text, "    expect:\n      outcome: done\n      check: \"{holds}\"\n").expect("a string");
    text
}

/// Minutes of so many acts, some of them hours after the one before.
fn times(random: &mut ChaCha8Rng, count: usize) -> Vec<u32> {
    let mut at = 0;
    let mut next = || {
        at +=
            if random.random_bool(0.08) { random.random_range(60..240) } else { random.random_range(1..15) };
        at
    };
    (0..count).map(|_| next()).collect()
}

/// Plays the cases in a copy of the gates' site: how many ended "done". Only what a case's `check` says is looked at: an
/// answer that is not taken is no mistake here.
fn play(workflow: &str, cases: &str) -> usize {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gates");
    let folder = std::env::temp_dir().join(format!("takt-sequences-{workflow}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    site::copy_folder(&from, &folder);
    let test = format!("workflows/{workflow}.test.yaml");
    fs::write(folder.join(&test), format!("workflow: {workflow}\n{DEFAULTS}{cases}")).expect("written");
    let (_, out, err) = site::takt(&["test", &test, "--format", "json"], &folder);
    let told: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let played = told["files"][0]["cases"].as_array().unwrap_or_else(|| panic!("{told:#}"));
    assert_eq!(played.len(), CASES, "{:#}", told["files"][0]["problems"]);
    let mut done = 0;
    for case in played {
        let missed: Vec<&Value> = case["mismatches"].as_array().into_iter().flatten().collect();
        let broken = missed.iter().find(|missed| missed["what"] == "check" || missed["what"] == "the test");
        assert!(broken.is_none(), "{}: {broken:#?}\n{:#}", case["name"], case["timeline"]);
        done += usize::from(!missed.iter().any(|missed| missed["what"] == "outcome"));
    }
    fs::remove_dir_all(&folder).expect("removed");
    done
}

/// Two of Quality, and neither who started it nor who wrote it, to one and the same draft; or Max alone.
#[test]
fn nothing_is_released_that_two_who_may_have_not_agreed_to() {
    let mut random = ChaCha8Rng::seed_from_u64(20_261_128);
    let mut cases = String::new();
    for number in 0..CASES {
        let count = random.random_range(2..12);
        // Of each draft: who said yes while it may have stood there.
        let mut agreed: BTreeMap<String, Vec<&str>> = BTreeMap::from([("Release of L-7".into(), Vec::new())]);
        let mut changed_alone: Vec<String> = Vec::new();
        let mut acts = Vec::new();
        for minutes in times(&mut random, count) {
            let person = *PEOPLE.choose(&mut random).expect("people");
            let alone = if random.random_bool(0.1) { ", override: urgent" } else { "" };
            let act = match random.random_range(0..25) {
                0 => format!("answer: approve, by: {person}, reject: no"),
                1..=4 => {
                    let draft = format!("changed by {person} at {minutes}");
                    agreed.insert(draft.clone(), Vec::new());
                    if !alone.is_empty() {
                        changed_alone.push(draft.clone());
                    }
                    format!("answer: approve, by: {person}, edit: {draft}, reason: so{alone}")
                }
                _ => {
                    agreed.values_mut().for_each(|people| people.push(person));
                    format!("answer: approve, by: {person}{alone}")
                }
            };
            acts.push((minutes, act));
        }
        let texts = |list: &[&str]| list.iter().map(|one| format!("'{one}'")).collect::<Vec<_>>().join(", ");
        let said: Vec<String> =
            agreed.iter().map(|(draft, people)| format!("'{draft}': [{}]", texts(people))).collect();
        let alone: Vec<&str> = changed_alone.iter().map(String::as_str).collect();
        let holds = format!(
            "steps.?release.orValue(null) == null || (steps.approve.overridden \
             ? steps.approve.by == 'max' && ({{{said}}}[steps.approve.edited].exists(p, p == 'max') || steps.approve.edited in [{alone}]) \
             : size(steps.approve.agreed) >= 2 && steps.approve.agreed.all(p, p in ['ann', 'bob', 'eli', 'max'] \
               && p in {{{said}}}[steps.approve.edited]))",
            said = said.join(", "),
            alone = texts(&alone),
        );
        cases += &case(number, "zoe", &acts, &holds);
    }
    let done = play("release", &cases);
    assert!(done * 10 > CASES, "only {done} of {CASES} were released at all");
}

/// One lead who did not start it, with what they filled in; of more than a hundred pieces somebody else confirms it.
#[test]
fn nothing_is_booked_that_who_may_have_not_filled_in_and_confirmed() {
    let mut random = ChaCha8Rng::seed_from_u64(20_261_129);
    let mut cases = String::new();
    for number in 0..CASES {
        let starter = *["ann", "eli", "max"].choose(&mut random).expect("people");
        let count = random.random_range(2..9);
        let mut filled: Vec<String> = Vec::new();
        let mut acts = Vec::new();
        for minutes in times(&mut random, count) {
            let person = *PEOPLE.choose(&mut random).expect("people");
            let alone = if random.random_bool(0.1) { ", override: urgent" } else { "" };
            let act = match random.random_range(0..20) {
                0 => format!("answer: report, by: {person}, reject: no"),
                1..=8 => format!("answer: report.second, by: {person}"),
                9 => format!("answer: report.second, by: {person}, reject: no"),
                _ => {
                    let pieces = if random.random_bool(0.1) { 501 } else { random.random_range(1..200) };
                    filled.push(format!("'{person} {pieces}'"));
                    format!(
                        "answer: report, by: {person}, fields: {{ cause: tool, pieces: {pieces}, stop: false }}{alone}"
                    )
                }
            };
            acts.push((minutes, act));
        }
        let holds = format!(
            "steps.?book.orValue(null) == null || (steps.report.fields.pieces <= 500 \
             && (steps.report.by + ' ' + string(steps.report.fields.pieces)) in [{filled}] && steps.report.by != '{starter}' \
             && (steps.report.overridden || (steps.report.by in ['ann', 'bob'] \
             && (steps.report.fields.pieces <= 100 || (steps.report.second_by != null \
             && !(steps.report.second_by in [steps.report.by, '{starter}', 'max']))))))",
            filled = filled.join(", "),
        );
        cases += &case(number, starter, &acts, &holds);
    }
    let done = play("scrap", &cases);
    assert!(done * 10 > CASES, "only {done} of {CASES} were booked at all");
}
