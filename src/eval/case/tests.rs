use super::*;

const CASE: &str = r#"
case: leak
workflow: downtime_escalation
origin: { authored: { by: tests, written: 2026-11-22 } }
starts: 2026-11-23T06:12:00-06:00
run: 01939d4e-0000-7000-8000-000000000001
trigger: { work_center: PRESS-4 }
world: leak.world.json
timeline:
  - { after: 3m, answer: { gate: ack, by: mia, decision: acknowledge } }
  - { after: 1h30m, event: { type: plex.work_center_status, data: { status: RUNNING } } }
expect:
  outcome: done
  writes: [{ tool: tickets.create, with: { title: PRESS-4 down } }]
"#;

fn load(name: &str, text: &str) -> Result<Case, CaseError> {
    let folder = std::env::temp_dir().join(format!("takt-case-{}", Uuid::now_v7()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    let case = Case::load(&path);
    fs::remove_dir_all(&folder).unwrap();
    case
}

fn refused(from: &str, to: &str) -> String {
    assert!(CASE.contains(from));
    load("leak.case.yaml", &CASE.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn a_case_reads() {
    let case = load("leak.case.yaml", CASE).unwrap();
    assert_eq!(case.id(), "downtime_escalation/leak");
    assert_eq!(case.timeline[1].offset().unwrap(), TimeDelta::minutes(90));
    assert_eq!(case.expect.writes[0].tool.as_str(), "tickets.create");
}

#[test]
fn mistakes_are_named() {
    assert!(refused("origin: { authored: { by: tests, written: 2026-11-22 } }\n", "").contains("origin"));
    assert!(refused("after: 3m", "after: 3 minutes").contains("is no time"));
    assert!(refused("after: 1h30m", "after: 1m").contains("goes back"));
    assert!(refused("case: leak", "case: drip").contains("file of that name"));
    assert!(refused("world: leak.world.json", "world: ../secrets.json").contains("beside the case"));
    assert!(refused("outcome: done", "outcome: done\n  outcomes: x").contains("outcomes"));
    assert!(
        refused("answer: { gate: ack, by: mia, decision: acknowledge }", "nothing: 1").contains("nothing")
    );
}

#[test]
fn replies_have_one_form_and_a_tape_each() {
    let with =
        |replies: &str| load("leak.case.yaml", &CASE.replace("timeline:", &format!("{replies}\ntimeline:")));
    let good = "tapes: [leak.tape.json]\nreplies: [[{ text: x }, { calls: [{ tool: cmms.asset_history }], no_usage: true }]]";
    let case = with(good).unwrap();
    assert!(case.replies_sha(0).is_some() && case.replies_sha(1).is_none());
    let other = Tape { replies_sha: Some("older".into()), ..Tape::default() };
    assert_eq!(case.other_replies(0, &other).map(|stale| stale.part), Some(Part::Replies));
    assert!(with("tapes: [a.tape.json, b.tape.json]\nreplies: [[{ text: x }]]").is_err());
    assert!(
        with("tapes: [a.tape.json]\nreplies: [[{ finish: length }]]")
            .unwrap_err()
            .to_string()
            .contains("needs one of")
    );
    assert!(with("tapes: [../a.tape.json]").is_err());
}

#[test]
fn a_judge_never_gates_and_its_files_are_the_site_s() {
    let with = |judge: &str| {
        let more = format!("judge: {{ step: note, {judge} }}\ntimeline:");
        load("leak.case.yaml", &CASE.replace("timeline:", &more))
    };
    let files = "rubric: rubrics/note.md, tape: leak.judge.tape.json";
    let judge = with(&format!("{files}, gating: false")).unwrap().judge.unwrap();
    assert_eq!((judge.n, judge.agree, judge.votes_sha()), (3, 2, None));
    let vote = "{ reason: short, pass: true }";
    let judge = with(&format!("{files}, n: 1, agree: 1, votes: [[{vote}]]")).unwrap().judge.unwrap();
    assert!(judge.votes[0][0].pass && judge.votes_sha().is_some());
    for (more, said) in [
        ("gating: true".to_owned(), "never gates"),
        ("n: 1".to_owned(), "2 of 1 votes cannot agree"),
        ("agree: 0".to_owned(), "0 of 3 votes cannot agree"),
        (format!("votes: [[{vote}], [{vote}]]"), "more votes"),
        (format!("n: 2, votes: [[{vote}, {vote}, {vote}]]"), "more votes"),
    ] {
        let error = with(&format!("{files}, {more}")).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    for taken in ["leak.world.json", "leak.tape.json", "leak.t2.tape.json"] {
        let error = with(&format!("rubric: rubrics/note.md, tape: {taken}")).unwrap_err().to_string();
        assert!(error.contains("is a file of the case"), "{error}");
    }
    let own = CASE.replace(
        "timeline:",
        "tapes: [votes.json]\njudge: { step: note, rubric: r.md, tape: votes.json }\ntimeline:",
    );
    assert!(load("leak.case.yaml", &own).unwrap_err().to_string().contains("is a file of the case"));
    for files in [
        "rubric: ../takt.yaml, tape: leak.judge.tape.json",
        "rubric: /etc/hosts, tape: leak.judge.tape.json",
        "rubric: rubrics/note.md, tape: ../leak.judge.tape.json",
    ] {
        assert!(with(files).unwrap_err().to_string().contains("must be a file"), "{files}");
    }
}

#[test]
fn a_tool_that_a_case_answers_is_not_answered_by_its_world() {
    let folder = std::env::temp_dir().join(format!("takt-world-{}", Uuid::now_v7()));
    fs::create_dir_all(&folder).unwrap();
    let world = r#"{"calls": [{"tool": "a.b", "output": 1}, {"tool": "a.c", "output": 2}]}"#;
    fs::write(folder.join("leak.world.json"), world).unwrap();
    let text = CASE.replace("timeline:", "answers: [{ tool: a.b, output_of_bytes: 5 }]\ntimeline:");
    let case = load("leak.case.yaml", &text).unwrap();
    let world = case.load_world(&folder.join("leak.case.yaml")).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let tools: Vec<&str> = world.calls.iter().map(|call| call.tool.as_str()).collect();
    assert_eq!(tools, ["a.b", "a.c"]);
    assert_eq!(world.calls[0].answer, crate::eval::WorldAnswer::OutputOfBytes(5));
}

#[test]
fn offsets_add_up() {
    let offset =
        |after: &str| Moment { after: after.into(), answer: None, event: None, child: None }.offset();
    assert_eq!(offset("1d2h3m4.5s").unwrap(), TimeDelta::milliseconds(93_784_500));
    assert_eq!(offset("250ms").unwrap(), TimeDelta::milliseconds(250));
    for wrong in ["", "5", "m", "5y", "1.2.3s"] {
        assert!(offset(wrong).is_err(), "{wrong}");
    }
}
