//! Tests of workflows, checked before they are played: what no event is, and what cannot fail.

use super::support::{compile, events, registry, site};
use crate::workflow::{
    cases::{TestFile, check_cases},
    problem::Problem,
};

const WORKFLOW: &str = "workflow: w\nowner: me\ntrigger: { event: plex.work_center_status, key: event.work_center }\nsteps:\n  - { id: p, call: hr.people }\n  - { id: b, wait: erp.goods_receipt, where: event.po == trigger.work_center, timeout: 1h }\n";
const DOWN: &str =
    "{ work_center: P, status: DOWN, planned: false, minutes: 3, operator: Lee, note: jammed }";

fn problems(case: &str) -> Vec<Problem> {
    let text = format!(
        "workflow: w\ndefaults: {{ start: 2026-11-30T13:45:00-06:00 }}\ncases:\n  - name: one\n{case}"
    );
    let definition = compile(WORKFLOW).expect("it compiles");
    match TestFile::parse("workflows/w.test.yaml", &text) {
        Ok((file, warnings)) => {
            let found = check_cases(&file, &definition, &registry(), &site(), &events());
            warnings.into_iter().chain(found).collect()
        }
        Err(problems) => problems,
    }
}

fn found(case: &str) -> String {
    problems(case)
        .iter()
        .map(|problem| format!("{} {} {}", problem.code, problem.place.line, problem.message))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn events_of_a_test_are_as_the_site_describes_them() {
    let case = |trigger: &str, moment: &str| {
        found(&format!(
            "    trigger: {trigger}\n    timeline: {{ +1m: {moment} }}\n    expect: {{ outcome: done }}\n"
        ))
    };
    let receipt = "{ event: erp.goods_receipt, po: P }";
    assert_eq!(case(DOWN, receipt), "");
    assert_eq!(
        case(DOWN, "{ event: erp.goods_reciept, po: P }"),
        "T020 6 there is no event `erp.goods_reciept`"
    );
    assert_eq!(
        case(DOWN, "{ event: erp.goods_receipt, po: 7 }"),
        "T020 6 this is no `erp.goods_receipt` as events/erp.goods_receipt.json describes it: /po: value is not of type \"string\""
    );
    assert!(
        case(&DOWN.replace("DOWN", "DOWM"), receipt)
            .starts_with("T020 5 this is no `plex.work_center_status` as events/plex.work_center_status.json describes it: /status")
    );
}

#[test]
fn a_slip_in_a_case_is_told_where_it_stands() {
    let case = |trigger: &str, moment: &str| {
        let case = format!(
            "    trigger: {trigger}\n    timeline:\n      +1m: {moment}\n    expect: {{ outcome: done }}\n"
        );
        let told = problems(&case).into_iter().map(|problem| {
            let at = (problem.place.line, problem.place.column);
            (problem.code, at, problem.message, problem.fix.unwrap_or_default())
        });
        told.collect::<Vec<_>>()
    };
    let told = |code, at, message: &str, fix: &str| vec![(code, at, message.to_owned(), fix.to_owned())];
    let receipt = "{ event: erp.goods_receipt, po: P }";
    assert_eq!(
        case(&DOWN.replace("minutes: 3", "minuts: 3"), receipt),
        told(
            "T020",
            (5, 62),
            "events/plex.work_center_status.json describes no `minuts`",
            "did you mean `minutes`?"
        )
    );
    // A real event may carry what nobody described.
    assert_eq!(case(&DOWN.replace("note: jammed", "note: jammed, colour: red"), receipt), []);
    assert_eq!(case(&DOWN.replace("note: jammed", "note: jammed, minuts: 3"), receipt), []);
    let [status] = &case(&DOWN.replace("DOWN", "DOWM"), receipt)[..] else { panic!("one finding") };
    assert_eq!(status.1, (5, 40), "at the value: {status:?}");
    let [kind] = &case(DOWN, "{ event: erp.goods_reciept, po: P }")[..] else { panic!("one finding") };
    assert_eq!(kind.1, (7, 21), "{kind:?}");
    let [gate, person] = &case(DOWN, "{ answer: b, by: nobody }")[..] else { panic!("two findings") };
    assert_eq!((gate.1, person.1), ((7, 22), (7, 29)), "{gate:?} {person:?}");
    let [person] = &case(DOWN, "{ cancel: nobody }")[..] else { panic!("one finding") };
    assert_eq!(person.1, (7, 22), "{person:?}");
}

#[test]
fn a_test_that_cannot_fail_is_told() {
    let case = |rest: &str| found(&format!("    trigger: {DOWN}\n{rest}"));
    assert_eq!(case("    expect: { check: \"steps.p != null\" }\n"), "");
    assert_eq!(case("    expect: { escalations: [] }\n"), "");
    for (rest, wanted) in [
        ("    expect: { check: \"true\" }\n", "T007 6 this check is always true"),
        ("    expect: { check: \"1 == 1\" }\n", "T007 6 this check is always true"),
        ("    expect: { outcome: done, reached: [] }\n", "T002 6 `reached` expects nothing"),
        ("    expect: { outcome: done, calls: {} }\n", "T002 6 `calls` expects nothing"),
        ("    crash: every_write\n    expect: { outcome: done }\n", "T002 6 this workflow writes nothing"),
    ] {
        assert_eq!(case(rest), wanted, "{rest}");
    }
}

#[test]
fn a_file_without_a_case_is_told_at_its_cases() {
    let Err(problems) = TestFile::parse("workflows/w.test.yaml", "workflow: w\ncases: []\n") else {
        panic!("nothing could fail")
    };
    let found: Vec<_> =
        problems.iter().map(|p| (p.code, p.place.line, p.place.column, p.message.as_str())).collect();
    assert_eq!(found, [("T002", 2, 8, "there is no case")]);
}

#[test]
fn a_key_that_is_misspelt_is_not_told_to_be_missing() {
    let Err(problems) = TestFile::parse("workflows/w.test.yaml", "workflow: w\ncasez: []\n") else {
        panic!("there is no case")
    };
    let found: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(found, ["unknown key `casez` in a test file"]);
}

/// An event whose file has a mistake is told there, and is there.
#[test]
fn an_event_whose_file_has_a_mistake_can_come_in_a_test() {
    let site_folder = std::env::temp_dir().join(format!("takt-case-events-{}", std::process::id()));
    std::fs::create_dir_all(site_folder.join("events")).expect("a folder");
    std::fs::write(site_folder.join("events/plex.work_center_status.json"), "{}").expect("written");
    std::fs::write(site_folder.join("events/erp.goods_receipt.json"), "{ \"type\": \"bool\" }")
        .expect("written");
    let (events, broken) = crate::workflow::Events::load(&site_folder).expect("read");
    std::fs::remove_dir_all(&site_folder).expect("removed");
    assert_eq!(broken.len(), 1, "{broken:?}");
    let told = |event: &str| -> Vec<String> {
        let text = format!(
            "workflow: w\ndefaults: {{ start: 2026-11-30T13:45:00-06:00 }}\ncases:\n  - {{ name: one, trigger: {{ status: DOWN }}, timeline: {{ +1m: {{ event: {event}, po: P }} }}, expect: {{ outcome: done }} }}\n"
        );
        let (file, _) = TestFile::parse("workflows/w.test.yaml", &text).expect("it loads");
        let definition = compile(WORKFLOW).expect("it compiles");
        let found = check_cases(&file, &definition, &registry(), &site(), &events);
        found.into_iter().map(|problem| problem.message).collect()
    };
    assert_eq!(told("erp.goods_receipt"), Vec::<String>::new());
    assert_eq!(told("erp.goods_reciept"), ["there is no event `erp.goods_reciept`"]);
}
