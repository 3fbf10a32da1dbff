//! `takt test` through the real binary: the tests of the workflows that come with Takt, and what is said when one fails.

use crate::support::site::takt;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use takt::{
    graph::{Inside, Picture, Shape, mermaid, picture, svg},
    workflow::{Bundle, Definition, cases::TestFile},
};

/// A folder of its own that goes when the test is over.
struct Site(PathBuf);

impl Site {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("takt-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for part in ["workflows", "connectors"] {
            fs::create_dir_all(folder.join(part)).expect("a folder");
        }
        let site = Self(folder);
        site.write(
            "takt.yaml",
            "name: Small\ntime_zone: America/Chicago\n\
             shifts: [{ id: A, starts: \"06:00\", ends: \"14:00\", days: [mon, tue, wed, thu, fri] }]\n\
             roles: { lead: { title: Lead, ladder: up } }\n\
             people: [{ id: ann, name: Ann, roles: [lead] }, { id: bob, name: Bob, roles: [lead] }]\n\
             ladders: { up: [{ person: ann, within: 5m }] }\n",
        );
        site
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.0.join(path), text).expect("written");
    }

    /// Replaces a text in a file of the site.
    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.0.join(path)).expect("there");
        assert!(text.contains(from), "{path} holds no `{from}`");
        self.write(path, &text.replace(from, to));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A gate may go alone where people agreed often enough, and only in `auto`.
#[test]
fn how_people_answered_before_decides_whether_they_are_asked() {
    let site = Site::new("past");
    site.write(
        "workflows/move.yaml",
        "workflow: move\nowner: lead\nautonomy: auto\ntrigger: manual\nsteps:\n  \
           - { id: ok, gate: approve, ask: lead, auto_if: past.answers >= 50 && past.share >= 0.9, expires: 5m, on_expire: reject }\n  \
           - { id: auto, if: steps.ok.decision == 'auto', end: alone }\n",
    );
    let case = |name: &str, past: &str, timeline: &str, outcome: &str| {
        format!(
            "  - {{ name: {name}, by: bob, {past}timeline: {{ {timeline} }}, expect: {{ outcome: {outcome} }} }}\n"
        )
    };
    let cases = [
        case("often", "past: { ok: { answers: 60, accepted: 57 } }, ", "", "alone"),
        case(
            "seldom",
            "past: { ok: { answers: 49, accepted: 49 } }, ",
            "+1m: { answer: ok, by: ann }",
            "done",
        ),
        case(
            "disputed",
            "past: { ok: { answers: 60, accepted: 53 } }, ",
            "+1m: { answer: ok, by: ann }",
            "done",
        ),
        case("new", "", "+1m: { answer: ok, by: ann }", "done"),
    ];
    let file = format!(
        "workflow: move\ndefaults: {{ start: 2026-12-07T06:10:00-06:00 }}\ncases:\n{}",
        cases.concat()
    );
    site.write("workflows/move.test.yaml", &file);
    let (code, out, err) = takt(&["test"], &site.0);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("4 passed"), "{out}");
    site.edit(
        "workflows/move.test.yaml",
        "past: { ok: { answers: 60, accepted: 57",
        "past: { oc: { answers: 60, accepted: 67",
    );
    let (code, out, err) = takt(&["test"], &site.0);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("67 of 60 answers cannot have been accepted"), "{out}{err}");
    site.edit("workflows/move.test.yaml", "accepted: 67", "accepted: 57");
    let (_, out, err) = takt(&["test"], &site.0);
    assert!(out.contains("`oc`") && out.contains("ok"), "{out}{err}");
}

#[test]
fn the_workflows_that_come_with_takt_pass_their_tests() {
    let (code, out, err) = takt(&["test", "--format", "json"], root());
    let suite: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let files = suite["files"].as_array().expect("files");
    let mut failed = Vec::new();
    for file in files {
        for case in file["cases"].as_array().expect("cases") {
            if !case["mismatches"].as_array().expect("mismatches").is_empty() {
                failed.push(format!("{}: {} {:#}", file["path"], case["name"], case["mismatches"]));
            }
        }
        assert_eq!(file["problems"], serde_json::json!([]), "{}", file["path"]);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(code, 0, "{err}");
    let tested: Vec<&str> = files.iter().filter_map(|file| file["workflow"].as_str()).collect();
    for workflow in ["downtime_escalation", "shift_handover", "supplier_delay"] {
        assert!(tested.contains(&workflow), "{workflow} has no test");
    }
    for file in files {
        let missing = &file["coverage"]["gates"]["missing"];
        assert_eq!(*missing, serde_json::json!([]), "{}: an answer that no case gives", file["path"]);
    }
}

#[test]
fn a_new_workflow_checks_and_passes_at_once() {
    let site = Site::new("new");
    for (name, template) in [("overtime", "approval"), ("oil_alarm", "alarm"), ("morning_round", "schedule")]
    {
        let (code, out, err) = takt(&["new", name, "--template", template], &site.0);
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains(&format!("workflows/{name}.test.yaml")), "{out}");
        let file = site.0.join(format!("workflows/{name}.yaml"));
        let (code, out, err) = takt(&["check", file.to_str().expect("UTF-8")], &site.0);
        assert_eq!((code, err.as_str()), (0, "1 workflow checked: 0 errors, 0 warnings\n"), "{name}: {out}");
        let (code, out, err) = takt(&["test", file.to_str().expect("UTF-8")], &site.0);
        assert_eq!(code, 0, "{name}: {out}{err}");
        assert!(
            !out.contains("never:"),
            "{name} has a step or an answer that its test never comes to: {out}"
        );
    }
    let before = fs::read_to_string(site.0.join("workflows/overtime.yaml")).expect("there");
    let (code, _, err) = takt(&["new", "overtime"], &site.0);
    assert_eq!(code, 1);
    assert!(err.contains("workflows/overtime.yaml exists already"), "{err}");
    assert_eq!(fs::read_to_string(site.0.join("workflows/overtime.yaml")).expect("there"), before);
}

#[test]
fn what_does_not_hold_is_shown_side_by_side_with_what_happened() {
    let site = Site::new("failing");
    assert_eq!(takt(&["new", "overtime"], &site.0).0, 0);
    site.edit("workflows/overtime.test.yaml", "outcome: done", "outcome: rejected");
    site.edit("workflows/overtime.test.yaml", "by: ann } }\n      told", "by: bob } }\n      told");
    let (code, out, _) = takt(&["test"], &site.0);
    assert_eq!(code, 1);
    insta::assert_snapshot!("failing_text", without_times(&out));

    let (code, out, _) = takt(&["test", "--format", "junit"], &site.0);
    assert_eq!(code, 1);
    assert!(
        out.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"4\" failures=\"1\""),
        "{out}"
    );
    assert!(out.contains("<failure message=\"outcome: expected rejected, got done\">"), "{out}");

    let (code, out, _) = takt(&["test", "--format", "github"], &site.0);
    assert_eq!(code, 1);
    let first = "::error file=workflows/overtime.test.yaml,line=12,col=16,title=approved::outcome: expected rejected, got done\n";
    assert!(out.starts_with(first), "{out}");
}

/// How long a case took is not the same twice.
fn without_times(out: &str) -> String {
    let ms = regex::Regex::new(r"\d+ ms").expect("a pattern");
    ms.replace_all(out, "N ms").into_owned()
}

#[test]
fn mistakes_in_a_test_are_told_all_at_once_at_their_places() {
    let site = Site::new("mistakes");
    assert_eq!(takt(&["new", "overtime"], &site.0).0, 0);
    let test = "workflow: overtime\n\
        defaults:\n  start: yesterday\n  tools: { notify.rle: {} }\n\
        cases:\n\
        \x20 - name: a\n    start: 2027-01-11T00:00:00-06:00\n    inputs: { waht: x }\n    timeline:\n\
        \x20     5m: { answer: approve, by: ann }\n\
        \x20     +6m: { answer: aprove, by: an }\n\
        \x20   expect: { outcom: done, reached: tel, outcome: rejectd }\n";
    site.write("workflows/overtime.test.yaml", test);
    let (code, out, _) = takt(&["test"], &site.0);
    assert_eq!(code, 1);
    insta::assert_snapshot!("mistakes_of_form", out);

    let test = test.replace("start: yesterday", "start: 2027-01-11T00:00:00-06:00").replace(" 5m:", " +5m:");
    site.write("workflows/overtime.test.yaml", &test.replace("outcom: done, ", ""));
    let (code, out, _) = takt(&["test"], &site.0);
    assert_eq!(code, 1);
    insta::assert_snapshot!("mistakes_of_meaning", out);

    let (code, _, err) = takt(&["test", "/etc/hosts"], &site.0);
    assert_eq!(code, 1);
    assert!(err.contains("/etc/hosts has no test"), "{err}");
    assert_eq!(takt(&["test", "workflows/nowhere.yaml"], &site.0).0, 1);
}

/// A file of the folder one stands in took the place of the site's own.
#[test]
fn a_path_is_looked_for_where_one_stands_and_in_the_site() {
    let site = Site::new("elsewhere");
    assert_eq!(takt(&["new", "shift_handover"], &site.0).0, 0);
    assert!(Path::new("workflows/shift_handover.yaml").exists(), "{:?}", std::env::current_dir());
    for command in ["test", "check"] {
        let (code, out, err) = takt(&[command, "workflows/shift_handover.yaml"], &site.0);
        assert_eq!(code, 0, "{out}{err}");
    }
}

/// A workflow that does not load was passed over: nothing was tested, and the build was green.
#[test]
fn a_workflow_that_does_not_load_fails_the_tests_whether_it_has_some_or_not() {
    let site = Site::new("unloaded");
    for name in ["overtime", "untested"] {
        assert_eq!(takt(&["new", name], &site.0).0, 0);
    }
    fs::remove_file(site.0.join("workflows/untested.test.yaml")).expect("it was made");
    let (code, out, _) = takt(&["test"], &site.0);
    assert_eq!(code, 0, "{out}");

    site.edit("workflows/untested.yaml", "steps:", "stepps:");
    let chosen = |path: &str| takt(&["test", path], &site.0);
    let folder = site.0.join("workflows").display().to_string();
    for told in [takt(&["test"], &site.0), chosen(&folder), chosen("workflows/untested.yaml")] {
        assert_eq!(told.0, 1, "{told:?}");
        assert!(told.1.contains("stepps:"), "{told:?}");
    }
    assert_eq!(chosen("workflows/overtime.yaml").0, 0, "it has nothing to do with the other");
    let twice = ["test", "workflows/overtime.test.yaml", "workflows/overtime.yaml"];
    assert_eq!(takt(&twice, &site.0).0, 0, "a file that was chosen before");
    for format in ["json", "junit", "github"] {
        let (code, out, _) = takt(&["test", "--format", format], &site.0);
        assert_eq!(code, 1, "{out}");
        assert!(out.contains("workflows/untested.yaml") && out.contains("stepps"), "{out}");
    }
    for command in ["graph", "try"] {
        let (code, _, err) = takt(&[command, "untested"], &site.0);
        assert_eq!(code, 1, "{err}");
        assert!(err.contains("workflows/untested.yaml has a mistake, see `takt check`"), "{err}");
    }
    let text = fs::read_to_string(site.0.join("workflows/untested.yaml")).expect("it is there");
    site.write("workflows/untested.yaml", "workflow: [");
    site.write("workflows/other.yaml", &text.replace("workflow: untested", "workflow: hidden"));
    let (_, _, err) = takt(&["graph", "hidden"], &site.0);
    assert!(err.contains("workflows/other.yaml has a mistake"), "{err}");
    site.write("workflows/other.yaml", "workflow: [");
    let (_, _, err) = takt(&["graph", "hidden"], &site.0);
    assert!(
        err.contains("there is no workflow `hidden`") && err.contains("other.yaml has a mistake"),
        "{err}"
    );
    fs::remove_file(site.0.join("workflows/other.yaml")).expect("it was made");
    site.write("workflows/untested.yaml", &text.replace("stepps:", "steps:"));
    let (code, _, err) = chosen("workflows/untested.yaml");
    assert_eq!(code, 1);
    assert!(err.contains("has no test"), "{err}");
}

#[test]
fn watching_tests_again_when_a_file_changes() {
    let site = Site::new("watched");
    assert_eq!(takt(&["new", "overtime"], &site.0).0, 0);
    let mut child = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["test", "--watch", "--site"])
        .arg(&site.0)
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("takt runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next_sum =
        || lines.by_ref().map(|line| line.expect("text")).find(|line| line.contains(" passed"));
    assert_eq!(next_sum().as_deref(), Some("4 passed"));
    site.edit("messages/overtime_done.hbs", "was approved", "is fine");
    assert_eq!(next_sum().as_deref(), Some("3 passed, 1 failed"));
    child.kill().expect("killed");
    child.wait().expect("gone");
}

#[test]
fn the_example_of_the_manual_loads() {
    let manual = fs::read_to_string(root().join("docs/testing.md")).expect("there");
    let example =
        manual.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let (file, warnings) = TestFile::parse("manual", example).expect("it loads");
    assert_eq!((file.cases.len(), warnings.len()), (1, 0));
}

#[test]
fn a_case_takes_less_than_fifty_milliseconds() {
    // What a debug build takes says little; the median of many cases says whether something waits.
    let (_, out, _) = takt(&["test", "--format", "json"], root());
    let suite: Value = serde_json::from_str(&out).expect("JSON");
    let cases = suite["files"]
        .as_array()
        .expect("files")
        .iter()
        .flat_map(|file| file["cases"].as_array().expect("cases"));
    let mut seconds: Vec<f64> = cases.filter_map(|case| case["seconds"].as_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    assert!(median < 2.0, "the median case takes {median} s");
}

#[test]
fn a_workflow_is_drawn() {
    let (code, out, err) = takt(&["graph", "supplier_delay"], root());
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("<svg xmlns=") && out.contains("✎ alt_po"), "{out}");
    let (code, out, _) = takt(&["graph", "workflows/shift_handover.yaml", "--format", "mermaid"], root());
    assert_eq!(code, 0);
    assert!(out.starts_with("flowchart TD\n"), "{out}");
    let (code, _, err) = takt(&["graph", "nothing"], root());
    assert_eq!(code, 1);
    assert!(err.contains("this site has: customer_order_risk, "), "{err}");
}

fn picture_of(name: &str) -> Picture {
    let bundle = Bundle::collect(root(), &format!("workflows/{name}.yaml")).unwrap();
    picture(&Definition::compile(bundle).unwrap().workflow, None)
}

#[test]
fn mermaid_of_the_supplier_delay() {
    insta::assert_snapshot!(mermaid(&picture_of("supplier_delay")));
}

#[test]
fn every_step_is_drawn_and_writes_are_marked() {
    for name in ["downtime_escalation", "supplier_delay", "shift_handover"] {
        let picture = picture_of(name);
        let drawn = svg(&picture);
        let mut missing = Vec::new();
        let mut todo: Vec<&Shape> = picture.steps.iter().chain(&picture.on_failure).collect();
        while let Some(shape) = todo.pop() {
            // What is done at once is a frame around its steps, and needs no name.
            let is_frame = matches!(shape.inside, Inside::Parallel(_));
            if !is_frame
                && !drawn.contains(&format!(">{}<", shape.title))
                && !drawn.contains(&format!(" {}<", shape.title))
            {
                missing.push(shape.path.clone());
            }
            match &shape.inside {
                Inside::Nothing => {}
                Inside::Parallel(list) | Inside::Each(list) => todo.extend(list),
                Inside::Branches(branches) => todo.extend(branches.iter().flat_map(|(_, list)| list)),
            }
            todo.extend(shape.aside.iter().flat_map(|(_, list)| list));
        }
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
    let drawn = svg(&picture_of("downtime_escalation"));
    assert!(drawn.contains("✎ push"), "a write is marked by more than its colour");
    assert!(!drawn.contains("&amp;amp;"), "nothing is escaped twice");
}

#[test]
fn what_is_tried_is_an_event_as_the_site_describes_it() {
    let event = std::env::temp_dir().join(format!("takt-misfit-{}.json", std::process::id()));
    fs::write(&event, r#"{ "work_center": "PRESS-4", "status": "DOWN", "planned": "no" }"#).expect("written");
    let (code, out, err) =
        takt(&["try", "downtime_escalation", "--event", event.to_str().expect("UTF-8")], root());
    fs::remove_file(&event).expect("removed");
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    let said = "this is no `plex.work_center_status` as events/plex.work_center_status.json describes it: ";
    assert!(err.contains(said) && err.contains("\"work_center_id\" is a required property"), "{err}");
}

const WAITS: &str = "workflow: waits\nowner: me\ntrigger: manual\nsteps:
  - { id: child, run: other }
  - { id: beside, run: other, detach: true }
  - id: good
    if: steps.child.outcome == 'on_time' && !steps.child.seen.timed_out && steps.child.run != ''
    end: good
  - { id: over, end: over }
";

/// A child is not tried with it: it puts out what it promises, and the story says so.
#[test]
fn what_a_child_puts_out_is_assumed() {
    let site = Site::new("child");
    site.write("workflows/waits.yaml", WAITS);
    site.write(
        "workflows/other.yaml",
        "workflow: other\nowner: me\ntrigger: manual\ninputs: { late: { type: boolean, default: false } }\nsteps:\n  \
         - { id: seen, wait: 10m }\n  - { id: on_time, if: '!inputs.late', end: on_time }\n  - { id: rest, wait: 1m }\n",
    );
    let (code, out, err) = takt(&["try", "waits"], &site.0);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("other would be started; its outcome is taken to be `on_time`\n"), "{out}");
    assert!(out.contains("other would be started\n") && out.contains("Ended: good"), "{out}");
}

const NESTED: &str = r#"workflow: nested
owner: me
trigger: manual
inputs: { big: { type: boolean } }
sla: [{ step: ack, within: 10m, escalate: up }]
steps:
  - id: way
    choose:
      - if: inputs.big
        steps:
          - { id: ack, gate: acknowledge, ask: lead, message: messages/m.hbs, expires: 1h, on_expire: fail }
  - id: both
    parallel: { one: { run: other }, two: { run: other } }
  - { id: rest, wait: 1h }
on_failure:
  - { id: told, call: notify.role, with: { role: lead, message: messages/m.hbs } }
"#;

/// A step is named by its id, wherever it stands; what is promised of it in a branch is kept there.
#[test]
fn steps_in_branches_and_side_by_side_are_judged_by_their_ids() {
    let site = Site::new("nested");
    fs::create_dir_all(site.0.join("messages")).expect("a folder");
    site.write("messages/m.hbs", "Look.");
    site.write("workflows/nested.yaml", NESTED);
    site.write(
        "workflows/other.yaml",
        "workflow: other\nowner: me\ntrigger: manual\nsteps: [{ id: x, end: done }]\n",
    );
    let test = "workflow: nested\n\
        defaults: { start: 2026-12-07T06:10:00-06:00, children: { other: { outcome: done, output: { n: 1 } } } }\n\
        cases:\n\
        \x20 - name: in time\n    inputs: { big: true }\n    by: bob\n    timeline: { +5m: { answer: ack, by: ann } }\n\
        \x20   expect:\n      sla: { ack: met }\n      escalations: []\n      minutes: { ack: 5 }\n\
        \x20     step: { ack: { decision: acknowledge }, both: { one: { n: 1 } } }\n\
        \x20 - name: late\n    inputs: { big: true }\n    by: bob\n    timeline: { +15m: { answer: ack, by: ann } }\n\
        \x20   expect: { sla: { ack: breached } }\n\
        \x20 - name: another way\n    inputs: { big: false }\n    by: bob\n\
        \x20   expect: { sla: { ack: met }, outcome: done }\n";
    site.write("workflows/nested.test.yaml", test);
    let (code, out, err) = takt(&["test"], &site.0);
    assert_eq!(code, 0, "{out}{err}");
}
