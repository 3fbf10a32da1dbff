use super::super::score::{AnsweredStep, Check};
use super::*;
use crate::agent::Part;
use serde_json::json;

fn case(name: &str) -> Case {
    serde_json::from_value(json!({
        "case": name, "workflow": "w", "origin": {"authored": {"by": "tests", "written": "2026-11-26"}},
        "starts": "2026-11-23T06:12:00-06:00", "run": "01939d4e-0000-7000-8000-000000000001",
        "world": "w.world.json", "expect": {"outcome": "done"},
    }))
    .unwrap()
}

fn score_of(checks: &[(&str, bool)]) -> Score {
    let check = |holds: bool| Check { holds, detail: if holds { String::new() } else { "differs".into() } };
    Score {
        outcome: "done".into(),
        checks: checks.iter().map(|(name, holds)| ((*name).to_owned(), check(*holds))).collect(),
        metrics: Metrics { minutes: 12.5, tool_calls: 7, tokens: 900, ..Metrics::default() },
    }
}

fn answered_by(model: &str, prompt: &str) -> AnsweredStep {
    AnsweredStep { model: Some(model.into()), prompt: prompt.into(), ..AnsweredStep::default() }
}

fn trial(checks: &[(&str, bool)], stale: &[&str]) -> Trial {
    let score = score_of(checks);
    let stale: Vec<Stale> = stale.iter().map(|detail| Stale::new(Part::Prompt, *detail)).collect();
    let answered = Answered {
        steps: [("triage".to_owned(), answered_by("gpt-x", "0123456789abcdef"))].into(),
        answer_ms: vec![400, 900],
    };
    let passed = stale.is_empty() && score.holds();
    Trial { answered, stale, score, passed }
}

fn baseline(checks: &[(&str, bool)]) -> Baseline {
    let mut report = Report::default();
    report.add(&case("c"), vec![trial(checks, &[])], &Baseline::default());
    report.baseline(&Baseline::default())
}

fn verdict(was: Option<&[(&str, bool)]>, is: &[(&str, bool)], stale: &[&str]) -> (Verdict, u8) {
    let mut report = Report::default();
    report.add(&case("c"), vec![trial(is, stale)], &was.map(baseline).unwrap_or_default());
    (report.cases[0].verdict, report.exit_code())
}

#[test]
fn verdicts_and_exit_codes() {
    let good: &[(&str, bool)] = &[("path", true)];
    let bad: &[(&str, bool)] = &[("path", false)];
    assert_eq!(verdict(Some(good), good, &[]), (Verdict::Ok, 0));
    assert_eq!(verdict(None, good, &[]), (Verdict::New, 0));
    assert_eq!(verdict(Some(bad), good, &[]), (Verdict::Fixed, 0));
    assert_eq!(verdict(Some(bad), bad, &[]), (Verdict::Known, 0));
    assert_eq!(verdict(Some(good), bad, &[]), (Verdict::Regressed, 1));
    assert_eq!(verdict(None, bad, &[]), (Verdict::Regressed, 1));
    assert_eq!(verdict(Some(good), good, &["the prompt"]), (Verdict::Stale, 3));
}

/// Nothing fails of what nobody looks at any more.
#[test]
fn a_check_or_an_expectation_that_vanished_is_a_regression() {
    let was: &[(&str, bool)] = &[("path", true), ("writes", true)];
    assert_eq!(verdict(Some(was), &[("path", true)], &[]), (Verdict::Regressed, 1));
    let known = |less: bool| {
        let mut case = case("c");
        case.expect.never = ["a.b", "c.d"].map(|tool| tool.parse().unwrap()).into();
        let mut report = Report::default();
        report.add(&case, vec![trial(was, &[])], &Baseline::default());
        let baseline = report.baseline(&Baseline::default());
        if less {
            case.expect.never.pop();
        }
        let mut report = Report::default();
        report.add(&case, vec![trial(was, &[])], &baseline);
        report
    };
    assert_eq!(known(false).exit_code(), EXIT_OK);
    let report = known(true);
    assert_eq!(report.exit_code(), EXIT_REGRESSION);
    assert_eq!(report.cases[0].problems, ["`expect.never[1]` is no longer expected"]);
    // Whoever accepts it means it.
    assert!(!report.baseline(&Baseline::default()).cases["w/c"].expects.contains("expect.never[1]"));
}

#[test]
fn worse_news_wins() {
    let mut report = Report::default();
    report.add(&case("a"), vec![trial(&[], &["the prompt"])], &Baseline::default());
    assert_eq!(report.exit_code(), EXIT_STALE);
    report.add(&case("b"), vec![trial(&[("path", false)], &[])], &Baseline::default());
    assert_eq!(report.exit_code(), EXIT_REGRESSION);
    report.add_broken("c", "no such file".into());
    assert_eq!(report.exit_code(), EXIT_BAD_CONFIG);
}

#[test]
fn a_case_that_disappears_is_a_regression() {
    let mut report = Report::default();
    report.compare_names(&baseline(&[("path", true)]));
    assert_eq!((report.missing.clone(), report.exit_code()), (vec!["w/c".to_owned()], EXIT_REGRESSION));
}

#[test]
fn a_stale_case_keeps_its_baseline() {
    let old = baseline(&[("path", true)]);
    let mut report = Report::default();
    report.add(&case("c"), vec![trial(&[("path", false)], &["the prompt"])], &old);
    assert_eq!(report.baseline(&old), old);
}

/// One trial of several that is stale makes the case stale: nobody knows.
#[test]
fn a_stale_trial_is_never_hidden_by_the_others() {
    let mut report = Report::default();
    let trials = vec![trial(&[("path", true)], &[]), trial(&[("path", true)], &["the prompt"])];
    report.add(&case("c"), trials, &baseline(&[("path", true)]));
    assert_eq!((report.cases[0].verdict, report.cases[0].passes.passed), (Verdict::Stale, 1));
}

fn report() -> Report {
    let mut report = Report::default();
    let mut known = baseline(&[("path", true), ("writes", true)]);
    let bad = trial(&[("path", false), ("writes", true)], &[]);
    report.add(&case("c"), vec![bad], &known);
    if let Some(case) = known.cases.get_mut("w/c") {
        case.metrics.tokens = 800;
    }
    let good = || trial(&[("path", true), ("writes", true)], &[]);
    report.add(&case("c"), vec![good(), good()], &known);
    report.add(&case("<old> & \"quoted\""), vec![trial(&[], &["a request changed: the prompt"])], &known);
    report.add_broken("shift_handover/late", "cannot read late.world.json".into());
    report
}

#[test]
fn the_table_is_readable() {
    insta::assert_snapshot!(report().to_text());
}

#[test]
fn build_servers_read_junit() {
    insta::assert_snapshot!(junit(&report()));
}

#[test]
fn a_page_escapes_what_it_shows() {
    let page = html(&report());
    assert!(page.contains("&lt;old&gt; &amp; &quot;quoted&quot;") && !page.contains("<old>"), "{page}");
    for heading in ["Regressed (2)", "Stale (1)", "As in the baseline (1)", "gpt-x", "w/triage@01234567"] {
        assert!(page.contains(heading), "{heading}");
    }
    assert!(!page.contains("<script") && !page.contains("http"), "a report loads nothing");
}

fn judgement(opinion: Opinion) -> Judgement {
    let is_stale = opinion == Opinion::Stale;
    let stale = is_stale.then(|| Stale::new(Part::Prompt, "the rubric changed")).into_iter();
    Judgement {
        opinion,
        passed: match opinion {
            Opinion::Good => Some(3),
            Opinion::Poor => Some(0),
            Opinion::NotKnown | Opinion::Stale => None,
        },
        n: 3,
        agree: 2,
        origin: "authored",
        notes: vec!["<why>".into()],
        stale: stale.collect(),
    }
}

fn judged(checks: &[(&str, bool)], opinion: Opinion, known: &Baseline) -> Report {
    let mut report = Report::default();
    report.add(&case("c"), vec![trial(checks, &[])], known);
    report.add_judgement(&case("c"), Some(judgement(opinion)), known);
    report
}

/// Whatever a judge thinks, a case that holds holds, and one that does not does not. Only votes on another question are
/// stale, like every recording.
#[test]
fn a_judge_never_gates() {
    let known = baseline(&[("path", true), ("writes", true)]);
    for (holds, verdict, code) in [(true, Verdict::Ok, EXIT_OK), (false, Verdict::Regressed, EXIT_REGRESSION)]
    {
        for opinion in [Opinion::Good, Opinion::Poor, Opinion::NotKnown, Opinion::Stale] {
            let report = judged(&[("path", holds), ("writes", true)], opinion, &known);
            let case = &report.cases[0];
            assert_eq!((case.verdict, case.passes.passed), (verdict, usize::from(holds)), "{opinion:?}");
            assert_eq!(case.problems.len(), usize::from(!holds), "{opinion:?}");
            let is_stale = holds && opinion == Opinion::Stale;
            assert_eq!(report.exit_code(), if is_stale { EXIT_STALE } else { code }, "{opinion:?}");
            assert!(!junit(&report).contains("<failure") || !holds, "{opinion:?}");
        }
    }
}

/// Votes that nobody can read are no trouble of the case's: its score stands.
#[test]
fn a_judge_that_cannot_be_read_leaves_its_case_alone() {
    let known = baseline(&[("path", true)]);
    let judge = json!({"rubric": "rubrics/note.md", "step": "note", "tape": "c.judge.tape.json"});
    let judge: crate::eval::Judge = serde_json::from_value(judge).unwrap();
    let judgement = Judgement::unreadable(&judge, Stale::new(Part::Prompt, "cannot read rubrics/note.md"));
    let mut report = Report::default();
    report.add(&case("c"), vec![trial(&[("path", true)], &[])], &known);
    report.add_judgement(&case("c"), Some(judgement), &known);
    assert_eq!((report.cases[0].verdict, report.exit_code()), (Verdict::Ok, EXIT_STALE));
    let text = report.to_text();
    assert!(text.contains("    judge: stale: cannot read rubrics/note.md\n"), "{text}");
}

#[test]
fn a_judge_is_told_wherever_a_case_is() {
    let checks: &[(&str, bool)] = &[("path", true)];
    let good = judged(checks, Opinion::Good, &Baseline::default());
    let report = judged(checks, Opinion::Poor, &good.baseline(&Baseline::default()));
    let text = report.to_text();
    assert!(text.contains("    judge: poor, 0/3 votes, 2 must agree (authored): <why>\n"), "{text}");
    assert!(text.contains("    judge: 3/3 → 0/3\n"), "{text}");
    assert!(text.contains("judges, who gate nothing: 1 poor\n"), "{text}");
    let page = html(&report);
    assert!(
        page.contains("<span class=\"tag warn\">poor</span> judge: poor, 0/3") && !page.contains("<why>")
    );
    let xml = junit(&report);
    assert!(xml.contains("tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"1\""), "{xml}");
    assert!(
        xml.contains("<testcase name=\"c judge\" classname=\"w\"><skipped message=\"judge: poor"),
        "{xml}"
    );
    let json = serde_json::to_value(&report.cases[0]).unwrap();
    assert_eq!((&json["judge"]["opinion"], &json["judge"]["passed"]), (&json!("poor"), &json!(0)));
    let stale = judged(checks, Opinion::Stale, &Baseline::default());
    assert!(junit(&stale).contains("<error type=\"stale\" message=\"judge: stale"));
    assert_eq!(serde_json::to_value(&stale.cases[0]).unwrap()["judge"]["stale"][0]["part"], "prompt");
}

#[test]
fn a_matrix_counts_trials_by_prompt_and_model() {
    let matrix = Matrix::of(&report());
    assert_eq!(matrix.models, ["gpt-x"]);
    let cell = matrix.rows["w/triage@01234567"]["gpt-x"];
    assert_eq!(cell, MatrixCell { trials: 4, passed: 2, stale: 1, by_rules: 0 });
    assert_eq!(cell.text(), "2/4, 1 stale");
}

fn asked(steps: &[(&str, AnsweredStep)], stale: &[&str]) -> Trial {
    let mut trial = trial(&[("path", true)], stale);
    trial.answered.steps = steps.iter().map(|(step, told)| ((*step).to_owned(), told.clone())).collect();
    trial
}

#[test]
fn each_step_is_booked_under_the_model_that_answered_it() {
    let by_rules = AnsweredStep { by_rules: true, ..answered_by("local", "bb") };
    let trials = vec![
        asked(&[("triage", answered_by("local", "aa")), ("plan", answered_by("gpt-x", "bb"))], &[]),
        asked(&[("triage", answered_by("gpt-x", "aa")), ("plan", by_rules)], &[]),
    ];
    let mut report = Report::default();
    report.add(&case("c"), trials, &Baseline::default());
    let mut canary = trial(&[("canary", true)], &[]);
    canary.answered.steps = [("triage".to_owned(), answered_by("gpt-x", "aa"))].into();
    report.add(&case("canary"), vec![canary], &Baseline::default());
    let matrix = Matrix::of(&report);
    let one = MatrixCell { trials: 1, passed: 1, ..MatrixCell::default() };
    assert_eq!(
        matrix.rows["w/triage@aa"],
        BTreeMap::from(["gpt-x", "local"].map(|model| (model.to_owned(), one)))
    );
    assert_eq!(matrix.rows["w/plan@bb"]["gpt-x"], one);
    assert_eq!(matrix.rows["w/plan@bb"]["local"].text(), "1/1, 1 by rules");
}

#[test]
fn a_new_prompt_stands_beside_that_of_the_baseline() {
    let report_of = |prompt: &str, stale: &[&str], before: &Rows| {
        let mut report = Report { before: before.clone(), ..Report::default() };
        report.add(
            &case("c"),
            vec![asked(&[("triage", answered_by("m", prompt))], stale)],
            &Baseline::default(),
        );
        report
    };
    let was = Matrix::accepted(&report_of("aa", &[], &Rows::new()), &Rows::new());
    let now = report_of("bb", &[], &was);
    let rows: Vec<String> = Matrix::of(&now).rows.into_keys().collect();
    assert_eq!(rows, ["w/triage@aa (baseline)", "w/triage@bb"]);
    let same: Vec<String> = Matrix::of(&report_of("aa", &[], &was)).rows.into_keys().collect();
    assert_eq!(same, ["w/triage@aa"]);
    let accepted: Vec<String> = Matrix::accepted(&now, &was).into_keys().collect();
    assert_eq!(accepted, ["w/triage@bb"]);
    // Nobody has answered the new prompt yet.
    assert_eq!(Matrix::accepted(&report_of("bb", &["the prompt"], &was), &was), was);
}
