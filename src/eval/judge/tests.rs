use super::*;
use crate::agent::{Body, Limits, ModelErrorClass, Played};
use crate::run::{Change, Record, StepPath};
use chrono::DateTime;

const RUBRIC: &str = "A good note says what stands still. Ask Ivo Brandt.";
const NOTE: &str = "PRESS-4 stands still. Ask EMP_7F3A about AND-33.";

fn judge() -> Judge {
    let judge = json!({"rubric": "rubrics/note.md", "step": "note", "tape": "c.judge.tape.json"});
    serde_json::from_value(judge).unwrap()
}

fn profile() -> ModelProfile {
    serde_json::from_value(json!({"endpoint": "authored", "model": "authored", "authored": true,
        "usd_per_million_input": 0.0, "usd_per_million_output": 0.0}))
    .unwrap()
}

/// A model wrote a note, and its tokens were put back.
fn replayed(said: &str) -> Replayed {
    finished(
        &json!({ "note": said }),
        "model",
        &json!({ "note": said.replace("EMP_7F3A", "Dana Whitfield") }),
    )
}

/// A step whose model said one thing, and what came of it.
fn finished(said: &Value, source: &str, output: &Value) -> Replayed {
    let record = |seq: u32, path: &str, note: Value| Record {
        seq,
        at: DateTime::UNIX_EPOCH,
        path: Some(StepPath::root(path)),
        attempt: 1,
        change: Change::Noted { note },
    };
    let at = "2026-11-30T19:45:00Z";
    let started = json!({"type": "started", "at": at, "prompt_sha": "p", "toolset_sha": "t",
        "schema_sha": "s", "models": [profile()], "tools": [], "withheld": [], "limits": Limits::default(),
        "masking": {"key": "07".repeat(32), "fields": ["who"], "classes": {}}});
    let body = |said: &Value| {
        let content = said.to_string();
        Body::of_json(&json!({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}))
    };
    let responded = |turn: u32, said: &Value| {
        json!({"type": "responded", "at": at, "turn": turn, "attempt": 1, "status": 200,
            "body": body(said), "ms": 0})
    };
    let finished = json!({"type": "finished", "at": at, "source": source, "output": output, "why": null});
    Replayed {
        records: vec![
            record(1, "note", started),
            record(2, "note", responded(1, &json!({ "note": "rejected" }))),
            record(3, "note", responded(2, said)),
            record(4, "other", responded(1, &json!({ "note": "of another step" }))),
            record(5, "note", finished),
        ],
        confidential: ["Mia Keller", "Ivo Brandt"].map(str::to_owned).into(),
        ..Replayed::default()
    }
}

fn put(replayed: &Replayed) -> Result<Value, Unjudged> {
    let (judge, profile) = (judge(), profile());
    Brief { judge: &judge, rubric: RUBRIC, known: &people(), confidential: &[], profile: &profile }
        .question(replayed)
}

fn people() -> [(DataClass, String); 2] {
    ["Mia Keller", "Ivo Brandt"].map(|name| (DataClass::Employee, name.to_owned()))
}

fn asked(
    rubric: &str,
    note: &str,
    profile: &ModelProfile,
    confidential: &[String],
) -> Result<Value, Unjudged> {
    Brief { judge: &judge(), rubric, known: &people(), confidential, profile }.question(&replayed(note))
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
    let questions: Vec<Result<Value, Unjudged>> = questions.iter().cloned().map(Ok).collect();
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
    assert_eq!((judgement.opinion, judgement.in_short().as_str()), (Opinion::Poor, "1/3"));
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
    let unreached = [Err(Unjudged::NoAnswer("note".into()))];
    let judgement = Judgement::of(&judge(), &tape(&request, &[]), &unreached, Vec::new());
    assert_eq!(judgement.to_string(), "judge: n/a: no model answered `note`");
}

/// Trials with the same answer share their votes: nothing is left over when one of them answers something else.
#[test]
fn an_answer_that_nobody_voted_on_is_stale_where_others_have_votes() {
    let (was, other) = (question("All well."), question("All is well."));
    let shared = tape(&was, &[true; 3]);
    assert_eq!(judged(&shared, &[was.clone(), was.clone()]).opinion, Opinion::Good);
    let judgement = judged(&shared, &[was, other]);
    assert_eq!(parts(&judgement), [Part::Input], "{judgement}");
    assert_eq!(judgement.to_string(), "judge: stale: the judged answer changed");
}

/// An answer that is gone is another answer; where the trial itself is stale, that is said of it and is enough.
#[test]
fn votes_on_a_question_that_is_not_put_any_more_are_stale() {
    let (first, second) = (question("All well."), question(NOTE));
    let mut both = tape(&first, &[true; 3]);
    both.exchanges.extend(tape(&second, &[true; 3]).exchanges);
    let of = |why: Unjudged| Judgement::of(&judge(), &both, &[Ok(first.clone()), Err(why)], Vec::new());
    assert_eq!(parts(&of(Unjudged::NoAnswer("note".into()))), [Part::Unplayed]);
    assert_eq!(parts(&of(Unjudged::Confidential)), [Part::Unplayed]);
    let stale_trial = of(Unjudged::StaleTrial);
    assert_eq!(stale_trial.to_string(), "judge: n/a: trial 2: the trial is stale itself");
}

#[test]
fn votes_that_cannot_be_read_are_stale() {
    let judgement = Judgement::unreadable(&judge(), Stale::new(Part::Prompt, "cannot read it"));
    assert_eq!(parts(&judgement), [Part::Prompt]);
    assert_eq!(
        (judgement.to_string().as_str(), judgement.origin),
        ("judge: stale: cannot read it", "recorded")
    );
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

/// What the event alone calls confidential: the step knew it by `events/*.json`, which no judge reads.
#[test]
fn a_class_of_an_event_alone_is_not_unmasked_for_a_judge() {
    let mut trial =
        finished(&json!({"note": "CUST_9XQ2 waits."}), "model", &json!({"note": "Nordwerk waits."}));
    let start = json!({"kind": "run_started", "data": {"workflow": "w", "sha256": "0", "inputs": {},
        "trigger": {"type": "a.b", "buyer": "Nordwerk"}}});
    let change = serde_json::from_value(start).unwrap();
    trial.records.insert(0, Record { path: None, change, ..trial.records[0].clone() });
    let sent = put(&trial).unwrap().to_string();
    assert!(sent.contains("CUST_9XQ2 waits.") && !sent.contains("Nordwerk"), "{sent}");
}

/// `mask: [who]` on what the run knows under another name.
#[test]
fn what_was_masked_under_a_name_of_its_own_is_not_unmasked_for_a_judge() {
    let said = json!({"note": "Ask MASK_C0DE."});
    let sent = put(&finished(&said, "model", &json!({"note": "Ask Dana Whitfield."}))).unwrap().to_string();
    assert!(sent.contains("Ask MASK_C0DE.") && !sent.contains("Dana"), "{sent}");
}

/// Rules say it in plain words, and nothing was masked for them.
#[test]
fn a_fallback_is_not_judged() {
    let trial = finished(&json!({"note": "rejected"}), "rules", &json!({"note": "Ask Dana Whitfield."}));
    assert_eq!(put(&trial), Err(Unjudged::NoAnswer("note".into())));
    let by_another = finished(&json!({"note": "All well."}), "fallback_model", &json!({"note": "All well."}));
    assert!(put(&by_another).is_ok());
}

/// The words of the site are looked for in the rubric, too, and in what a model made up.
#[test]
fn a_question_holds_no_name_and_nothing_confidential() {
    let request = asked(RUBRIC, "Ask Mia Keller (mia@plant1.example).", &profile(), &[]).unwrap();
    let sent = request.to_string();
    let secrets = ["Mia", "Keller", "Ivo", "Brandt", "mia@plant1.example"].map(str::to_owned);
    assert_eq!(told_in(&sent, &secrets).next(), None, "{sent}");
    let request = question(NOTE);
    assert!(request.to_string().contains("Ask EMP_7F3A about AND-33."), "as the model wrote it: {request}");
    assert_eq!(request, question(NOTE), "the same is asked every time");
    let unmasked = asked(RUBRIC, NOTE, &profile(), &["AND-33".to_owned()]);
    assert_eq!(unmasked, Err(Unjudged::Confidential));
}

#[test]
fn a_stale_trial_is_not_judged() {
    let mut trial = replayed(NOTE);
    trial.stale.push(Stale::new(Part::Prompt, "the prompt"));
    let (judge, profile) = (judge(), profile());
    let brief = Brief { judge: &judge, rubric: RUBRIC, known: &[], confidential: &[], profile: &profile };
    assert_eq!(brief.question(&trial), Err(Unjudged::StaleTrial));
    assert!(may_judge(&trial, &judge, &profile));
    assert!(!may_judge(&trial, &judge, &ModelProfile { model: "large".into(), ..profile.clone() }));
}
