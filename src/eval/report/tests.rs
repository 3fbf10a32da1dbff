use super::super::score::Check;
use super::*;

fn score_of(checks: &[(&str, bool)]) -> Score {
    let check = |holds: bool| Check { holds, detail: if holds { String::new() } else { "differs".into() } };
    Score {
        outcome: "done".into(),
        checks: checks.iter().map(|(name, holds)| ((*name).to_owned(), check(*holds))).collect(),
        metrics: Metrics { minutes: 12.5, tool_calls: 7, tokens: 900, ..Metrics::default() },
    }
}

fn baseline(checks: &[(&str, bool)]) -> Baseline {
    let mut report = Report::default();
    report.add("w/c", "authored", score_of(checks), vec![], &Baseline::default());
    report.baseline(&Baseline::default())
}

fn verdict(was: Option<&[(&str, bool)]>, is: &[(&str, bool)], stale: &[&str]) -> (Verdict, u8) {
    let mut report = Report::default();
    let stale = stale.iter().map(|s| (*s).to_owned()).collect();
    report.add("w/c", "authored", score_of(is), stale, &was.map(baseline).unwrap_or_default());
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

#[test]
fn worse_news_wins() {
    let mut report = Report::default();
    report.add("a", "authored", score_of(&[]), vec!["the prompt".into()], &Baseline::default());
    assert_eq!(report.exit_code(), EXIT_STALE);
    report.add("b", "authored", score_of(&[("path", false)]), vec![], &Baseline::default());
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
    report.add("w/c", "authored", score_of(&[("path", false)]), vec!["the prompt".into()], &old);
    assert_eq!(report.baseline(&old), old);
}

#[test]
fn the_table_is_readable() {
    let mut report = Report::default();
    let mut known = baseline(&[("path", true), ("writes", true)]);
    report.add("w/c", "recorded", score_of(&[("path", false), ("writes", true)]), vec![], &known);
    if let Some(case) = known.cases.get_mut("w/c") {
        case.metrics.tokens = 800;
    }
    report.add(
        "w/c",
        "recorded, authored model",
        score_of(&[("path", true), ("writes", true)]),
        vec![],
        &known,
    );
    report.add_broken("shift_handover/late", "cannot read late.world.json".into());
    insta::assert_snapshot!(report.to_text());
}
