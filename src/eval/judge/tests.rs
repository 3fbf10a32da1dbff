use super::*;
use crate::agent::{Limits, ModelErrorClass, Played};
use crate::eval::MadeCall;
use crate::run::{Record, StepPath};
use crate::tool::Effect;
use chrono::DateTime;

const RUBRIC: &str = "A good note says what stands still. Ask Ivo Brandt.";
const NOTE: &str =
    "PRESS-4 stands still. Ask Dana Whitfield (dana@plant1.example) or Mia Keller about AND-33.";

fn judge() -> Judge {
    let judge = json!({"rubric": "rubrics/note.md", "step": "note", "tape": "c.judge.tape.json"});
    serde_json::from_value(judge).unwrap()
}

fn profile() -> ModelProfile {
    serde_json::from_value(json!({"endpoint": "authored", "model": "authored", "authored": true,
        "usd_per_million_input": 0.0, "usd_per_million_output": 0.0}))
    .unwrap()
}

/// A tool told who raised a call; then an agent wrote a note.
fn replayed(note: &str) -> Replayed {
    let record = |seq: u32, path: &str, change: Change| Record {
        seq,
        at: DateTime::UNIX_EPOCH,
        path: Some(StepPath::root(path)),
        attempt: 1,
        change,
    };
    let started = json!({"type": "started", "at": "2026-11-30T19:45:00Z", "prompt_sha": "p", "toolset_sha": "t",
        "schema_sha": "s", "models": [profile()], "tools": [], "withheld": [], "limits": Limits::default(),
        "masking": {"key": "07".repeat(32), "fields": [], "classes": {"andon.open_calls": {"raised_by": "employee"}}}});
    let finished = json!({"type": "finished", "at": "2026-11-30T19:45:01Z", "source": "model",
        "output": {"note": note}, "why": null});
    Replayed {
        records: vec![
            record(1, "calls", Change::Done { output: json!({"calls": [{"raised_by": "Dana Whitfield"}]}) }),
            record(2, "note", Change::Noted { note: started }),
            record(3, "note", Change::Noted { note: finished }),
        ],
        calls: vec![MadeCall {
            step: "calls".into(),
            tool: "andon.open_calls".parse().unwrap(),
            effect: Effect::Read,
            args: json!({}),
        }],
        confidential: ["Mia Keller", "Ivo Brandt"].map(str::to_owned).into(),
        ..Replayed::default()
    }
}

fn asked(rubric: &str, note: &str, profile: &ModelProfile, confidential: &[String]) -> Result<Value, String> {
    let people = ["Mia Keller", "Ivo Brandt"].map(|name| (DataClass::Employee, name.to_owned()));
    Brief { judge: &judge(), rubric, known: &people, confidential, profile }.question(&replayed(note))
}

fn question(note: &str) -> Value {
    asked(RUBRIC, note, &profile(), &[]).unwrap()
}

fn tape(request: &Value, votes: &[bool]) -> Tape {
    let cast = |pass: &bool| {
        let content = json!({"reason": "because", "pass": pass}).to_string();
        let body = json!({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]});
        Exchange::new(request, Played::Reply { status: 200, body, ms: 0 })
    };
    Tape { models: vec![profile()], exchanges: votes.iter().map(cast).collect(), ..Tape::default() }
}

fn judged(tape: &Tape, questions: &[Value]) -> Judgement {
    let questions: Vec<Result<Value, String>> = questions.iter().cloned().map(Ok).collect();
    Judgement::of(&judge(), tape, &questions, Vec::new())
}

fn parts(judgement: &Judgement) -> Vec<Part> {
    assert_eq!((judgement.opinion, judgement.passed), (Opinion::Stale, None), "{judgement}");
    judgement.stale.iter().map(|stale| stale.part).collect()
}

#[test]
fn votes_are_counted_and_enough_must_agree() {
    let request = question(NOTE);
    for (votes, opinion, passed) in [
        ([true, true, true], Opinion::Good, 3),
        ([true, false, true], Opinion::Good, 2),
        ([false, false, true], Opinion::Poor, 1),
        ([false, false, false], Opinion::Poor, 0),
    ] {
        let judgement = judged(&tape(&request, &votes), std::slice::from_ref(&request));
        assert_eq!(
            (judgement.opinion, judgement.passed, judgement.origin),
            (opinion, Some(passed), "authored")
        );
        assert_eq!(judgement.notes.len(), 3 - passed, "who votes against it says why");
    }
    let judgement = judged(&tape(&request, &[false, false, true]), std::slice::from_ref(&request));
    assert_eq!(judgement.to_string(), "judge: poor, 1/3 votes, 2 must agree (authored): because; because");
}

/// The worst trial counts, as it does for a check.
#[test]
fn of_several_trials_the_one_with_the_fewest_votes_counts() {
    let requests = ["PRESS-4 stands still.", "All well."].map(question);
    let mut both = tape(&requests[0], &[true, true, true]);
    both.exchanges.extend(tape(&requests[1], &[true, false, false]).exchanges);
    let judgement = judged(&both, &requests);
    assert_eq!((judgement.opinion, judgement.votes().as_str()), (Opinion::Poor, "1/3"));
    assert_eq!(judgement.notes, ["trial 2: because", "trial 2: because"]);
    assert_eq!(judged(&both, &[requests[0].clone(), requests[0].clone()]).opinion, Opinion::Stale);
}

#[test]
fn with_fewer_votes_than_n_nobody_knows() {
    let request = question(NOTE);
    let known = |tape: &Tape| {
        let judgement = judged(tape, std::slice::from_ref(&request));
        assert_eq!((judgement.opinion, judgement.passed), (Opinion::NotKnown, None), "{judgement}");
        judgement.to_string()
    };
    assert_eq!(known(&tape(&request, &[])), "judge: n/a: 0 of 3 votes");
    let mut two = tape(&request, &[true, true]);
    assert_eq!(known(&two), "judge: n/a: 2 of 3 votes");
    for broken in ["no", r#"{"pass": true}"#, r#"{"reason": "x", "pass": "yes"}"#] {
        let body = json!({"choices": [{"message": {"content": broken}, "finish_reason": "stop"}]});
        let no_vote = Exchange::new(&request, Played::Reply { status: 200, body, ms: 0 });
        two.exchanges.truncate(2);
        two.exchanges.push(no_vote);
        known(&two);
    }
    two.exchanges.truncate(2);
    let (class, message) = (ModelErrorClass::Server, "busy".to_owned());
    let failed = Played::Error { class, status: Some(500), retry_after_ms: None, message };
    two.exchanges.push(Exchange::new(&request, failed));
    known(&two);
    let unreached = [Err("`note` gave no answer".to_owned())];
    let judgement = Judgement::of(&judge(), &tape(&request, &[true; 3]), &unreached, Vec::new());
    assert_eq!(judgement.to_string(), "judge: n/a: `note` gave no answer");
}

/// Votes are on one rubric, one answer, one model and one ballot.
#[test]
fn another_question_makes_the_votes_stale_and_names_what_changed() {
    let was = tape(&question(NOTE), &[true; 3]);
    let other_model = ModelProfile { model: "large".into(), ..profile() };
    let mut other_ballot = question(NOTE);
    other_ballot["response_format"]["json_schema"]["name"] = json!("ballot");
    for (now, part, said) in [
        (asked("A good note is short.", NOTE, &profile(), &[]).unwrap(), Part::Prompt, "the rubric changed"),
        (question("PRESS-4 stands stilL."), Part::Input, "the judged answer changed"),
        (asked(RUBRIC, NOTE, &other_model, &[]).unwrap(), Part::Model, "the model: authored → large"),
        (other_ballot, Part::Schema, "the answer's schema"),
    ] {
        let judgement = judged(&was, &[now]);
        assert_eq!(parts(&judgement), [part], "{judgement}");
        assert!(judgement.to_string().contains(said), "{judgement}");
    }
    let mut edited = was.clone();
    edited.exchanges[0].outcome = tape(&question(NOTE), &[false]).exchanges[0].outcome.clone();
    assert_eq!(parts(&judged(&edited, &[question(NOTE)])), [Part::Tape]);
    let rewritten = Tape { replies_sha: Some("older".into()), ..was.clone() };
    assert_eq!(parts(&judged(&rewritten, &[question(NOTE)])), [Part::Replies]);
    assert_eq!(parts(&judged(&tape(&question(NOTE), &[true; 4]), &[question(NOTE)])), [Part::Unplayed]);
}

/// Names of people, what a tool said of a person, addresses: in the answer, and in the rubric.
#[test]
fn a_question_holds_nothing_that_the_step_could_not_have_sent() {
    let request = question(NOTE);
    let sent = request.to_string();
    let secrets =
        ["Dana", "Whitfield", "Mia", "Keller", "Ivo", "Brandt", "dana@plant1.example"].map(str::to_owned);
    assert_eq!(told_in(&sent, &secrets).next(), None, "{sent}");
    assert!(sent.contains("EMP_") && sent.contains("AND-33"), "{sent}");
    assert_eq!(request, question(NOTE), "the same is asked every time");
    let unmasked = asked(RUBRIC, NOTE, &profile(), &["AND-33".to_owned()]);
    assert_eq!(unmasked, Err("a confidential value would be sent".to_owned()));
}

#[test]
fn a_stale_trial_is_not_judged() {
    let mut trial = replayed(NOTE);
    trial.stale.push(Stale::new(Part::Prompt, "the prompt"));
    let (judge, profile) = (judge(), profile());
    let brief = Brief { judge: &judge, rubric: RUBRIC, known: &[], confidential: &[], profile: &profile };
    assert_eq!(brief.question(&trial), Err("the trial is stale itself".to_owned()));
    assert!(may_judge(&trial, &judge, &profile));
    assert!(!may_judge(&trial, &judge, &ModelProfile { model: "large".into(), ..profile.clone() }));
}
