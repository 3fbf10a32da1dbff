//! The bundled cases: how many there are, of what, and that replaying them is the same every time.

use crate::eval::{copy_site, plant, replay_offline};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Output},
};
use takt::eval::{Case, Origin};

const EVALS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/evals");

fn cases() -> Vec<Case> {
    Case::find(&[EVALS.into()]).unwrap().iter().map(|path| Case::load(path).unwrap()).collect()
}

fn takt(arguments: &[&str], site: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_takt")).args(arguments).arg("--site").arg(site).output().unwrap()
}

#[test]
fn every_failure_mode_and_twenty_attacks_have_a_case() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    let tagged = |tag: &str| cases.iter().filter(|case| case.tags.iter().any(|known| known == tag)).count();
    for mode in 1..=16 {
        assert!(tagged(&format!("f{mode}")) > 0, "failure {mode} has no case");
    }
    let attacks: Vec<&Case> = cases.iter().filter(|case| case.expect.resists.is_some()).collect();
    assert!(attacks.len() >= 20 && tagged("injection") == attacks.len(), "{} attacks", attacks.len());
    let channels: BTreeSet<&str> =
        attacks.iter().filter_map(|case| Some(case.expect.resists.as_ref()?.through.as_str())).collect();
    assert!(channels.len() >= 8, "{channels:?}");
    let workflows: BTreeSet<&str> = cases.iter().map(|case| case.workflow.as_str()).collect();
    assert_eq!(workflows.len(), 5, "{workflows:?}");
}

/// A hand-written answer never passes for a recording.
#[test]
fn what_a_person_wrote_says_so() {
    for path in Case::find(&[EVALS.into()]).unwrap() {
        let case = Case::load(&path).unwrap();
        let tapes = case.load_tapes(&path).unwrap();
        let votes = case.judge.as_ref().map(|judge| judge.load_tape(&path).unwrap());
        for tape in tapes.iter().chain(&votes) {
            assert!(
                tape.models.iter().all(|model| model.authored),
                "{}: no language model has answered yet",
                case.id()
            );
        }
        if !case.replies.is_empty() {
            assert!(matches!(case.origin, Origin::Authored { .. }), "{}", case.id());
            assert!(tapes.iter().all(|tape| tape.replies_sha.is_some()), "{}", case.id());
        }
    }
}

#[test]
fn two_reports_are_byte_for_byte_the_same() {
    let site = copy_site();
    for format in ["html", "junit", "text"] {
        let ask = ["eval", "evals/supplier_delay", "--tag", "good", "--format", format];
        let [first, second] = [0, 1].map(|_| takt(&ask, &site));
        assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stdout));
        assert!(first.stdout == second.stdout, "{format} differs");
    }
    fs::remove_dir_all(&site).unwrap();
}

/// The journal of each trial, record for record.
#[tokio::test]
async fn two_replays_are_record_for_record_the_same() {
    let plant = plant(None);
    for path in Case::find(&[EVALS.into()]).unwrap() {
        let case = Case::load(&path).unwrap();
        if !case.tags.iter().any(|tag| tag == "good") {
            continue;
        }
        for tape in case.load_tapes(&path).unwrap() {
            let world = case.load_world(&path).unwrap();
            let first = replay_offline(&plant, &case, world.clone(), tape.clone()).await;
            let second = replay_offline(&plant, &case, world, tape).await;
            assert_eq!(first.records, second.records, "{}", case.id());
        }
    }
}

/// The committed tapes are those of the committed replies; whoever changes a prompt makes them again.
#[test]
fn tapes_made_again_are_the_committed_ones() {
    let site = copy_site();
    let made = takt(&["eval", "author"], &site);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for path in Case::find(&[EVALS.into()]).unwrap() {
        let case = Case::load(&path).unwrap();
        for tape in case.tapes.iter().chain(case.judge.as_ref().map(|judge| &judge.tape)) {
            let committed = fs::read_to_string(path.with_file_name(tape)).unwrap();
            let again = fs::read_to_string(site.join("evals").join(&case.workflow).join(tape)).unwrap();
            assert!(committed == again, "{}: {tape}", case.id());
        }
    }
    fs::remove_dir_all(&site).unwrap();
}

/// A judge that says no is told, and gates nothing; one that was asked something else is stale.
#[test]
fn a_judge_stands_beside_its_case() {
    let site = copy_site();
    let folder = site.join("evals/shift_handover").display().to_string();
    let judged = || -> (Option<i32>, BTreeMap<String, Value>) {
        let output = takt(&["eval", "--json", &folder], &site);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        let cases = report["cases"].as_array().unwrap().iter().filter(|case| case["judge"].is_object());
        let cases = cases.map(|case| (case["case"].as_str().unwrap().to_owned(), case.clone()));
        (output.status.code(), cases.collect())
    };
    let (code, cases) = judged();
    assert_eq!((code, cases.len()), (Some(0), 2), "{cases:#?}");
    let opinion = |case: &str| cases[&format!("shift_handover/{case}")]["judge"]["opinion"].clone();
    assert_eq!(
        (opinion("missing_source_is_named"), opinion("note_three_times")),
        ("good".into(), "poor".into())
    );
    assert!(cases.values().all(|case| case["verdict"] == "ok" && case["judge"]["origin"] == "authored"));
    let (again, same) = judged();
    assert_eq!((again, same), (code, cases), "two replays say the same");

    let rubric = site.join("evals/rubrics/handover.md");
    let text = fs::read_to_string(&rubric).unwrap();
    let tape = |case: &str| site.join("evals/shift_handover").join(format!("{case}.judge.tape.json"));
    let spoil: [(&str, &dyn Fn()); 3] = [
        ("prompt", &|| fs::write(&rubric, text.replacen("300 words", "301 words", 1)).unwrap()),
        ("prompt", &|| fs::remove_file(&rubric).unwrap()),
        ("tape", &|| {
            fs::write(&rubric, &text).unwrap();
            fs::write(tape("missing_source_is_named"), "{}").unwrap();
            fs::remove_file(tape("note_three_times")).unwrap();
        }),
    ];
    for (part, spoil) in spoil {
        spoil();
        let (code, cases) = judged();
        assert_eq!((code, cases.len()), (Some(3), 2), "{cases:#?}");
        for case in cases.values() {
            assert_eq!((&case["verdict"], &case["judge"]["opinion"]), (&"ok".into(), &"stale".into()));
            assert!(case["score"]["checks"].is_object(), "{case:#?}");
            assert!(case["judge"]["stale"].as_array().unwrap().iter().all(|stale| stale["part"] == part));
        }
    }
    fs::remove_dir_all(&site).unwrap();
}

#[test]
fn a_judge_of_a_step_that_answers_nothing_is_refused() {
    let site = copy_site();
    let case = site.join("evals/shift_handover/note_three_times.case.yaml");
    let text = fs::read_to_string(&case).unwrap();
    for step in ["approve", "nowhere"] {
        fs::write(&case, text.replacen("  step: \"note\"", &format!("  step: \"{step}\""), 1)).unwrap();
        let output = takt(&["eval", case.to_str().unwrap()], &site);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(&format!("`{step}` of its judge is no agent step of `shift_handover`")),
            "{said}"
        );
    }
    fs::remove_dir_all(&site).unwrap();
}

/// Of all cases the checks that do not hold are those that say so in their case; side by side on whatever cores there are
/// they give the same bytes twice. Two hundred do, too, and in what time: `benches/evals/run`.
#[test]
fn what_does_not_hold_is_said_in_the_case_the_same_way_twice() {
    let site = copy_site();
    let [replayed, again] = [0, 1].map(|_| takt(&["eval", "--json"], &site));
    assert_eq!(replayed.status.code(), Some(0), "{}", String::from_utf8_lossy(&replayed.stderr));
    assert!(replayed.stdout == again.stdout, "two reports differ");
    let report: Value = serde_json::from_slice(&replayed.stdout).unwrap();
    fs::remove_dir_all(&site).unwrap();
    let known: BTreeMap<&str, &Value> = report["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["verdict"] == "known")
        .map(|case| (case["case"].as_str().unwrap(), &case["problems"]))
        .collect();
    for (name, problems) in &known {
        let path = Path::new(EVALS).join(format!("{name}.case.yaml"));
        assert!(fs::read_to_string(path).unwrap().contains("# Known: "), "{name}: {problems}");
    }
    assert_eq!(known.len(), 1, "{known:#?}");
    let summary = &report["summary"];
    assert_eq!(summary["leaks"], 0);
    assert_eq!(summary["attacks"], summary["resisted"]);
    assert_eq!(summary["answer_ms_p50"], Value::Null, "nobody has measured a language model");
    assert!(summary["k"].as_u64() >= Some(3) && summary["pass_k"].is_number(), "{summary}");
}
