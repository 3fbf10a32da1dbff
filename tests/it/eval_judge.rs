//! A judge that is asked: what it is sent, what it costs, and what becomes of a recording when it fails. The model is an
//! endpoint on this machine.

use crate::{
    eval::copy_site,
    support::wire::{Said, Seen, Wire},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Hand-written for this case: its checks hold.
const NOTE: &str = "Shift A handover: PRESS-4 is down, AND-33 at ASSY-2 is open.";

fn live(site: &Path, wire: &Wire, case: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
    command.arg("eval").arg("--live").args(more).arg(case).arg("--site").arg(site).env_remove("CI");
    command.envs([("OPENAI_BASE_URL", wire.url.as_str()), ("OPENAI_API_KEY", "local"), ("TAKT_MODEL", "m")]);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What the model is given, as it reads it.
fn data(seen: &Seen) -> Value {
    let content = seen.body["messages"][1]["content"].as_str().unwrap_or_default();
    serde_json::from_str::<Value>(content).unwrap_or_default()["data"].clone()
}

fn is_judge(seen: &Seen) -> bool {
    data(seen)["answer"].is_object()
}

fn says(answer: &Value, input_tokens: u64) -> Said {
    let message = json!({"role": "assistant", "content": answer.to_string()});
    Said::json(
        200,
        &json!({"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": input_tokens, "completion_tokens": 40}}),
    )
}

fn vote() -> Said {
    says(&json!({"reason": "short", "pass": true}), 9_000)
}

/// The case of a note, without what people wrote for it.
fn note_of_nobody(site: &Path) -> PathBuf {
    let case = site.join("evals/shift_handover/note_three_times.case.yaml");
    let committed = fs::read_to_string(&case).unwrap();
    let (before, rest) = committed.split_once("replies:").unwrap();
    let (_, after) = rest.split_once("\ntimeline:").unwrap();
    let (after, _) = after.split_once("\n  votes:").unwrap();
    fs::write(&case, format!("{before}timeline:{after}\n")).unwrap();
    case
}

/// Under a name of its own a value is masked for the step alone: the judge reads what the model wrote.
#[tokio::test(flavor = "multi_thread")]
async fn a_judge_is_sent_nothing_that_was_masked_for_the_step() {
    let site = copy_site();
    let workflow = site.join("workflows/downtime_escalation.yaml");
    let committed = fs::read_to_string(&workflow).unwrap();
    let with = "      event: ${{ trigger }}\n      orders:";
    assert!(committed.contains(with) && committed.contains("mask: [customer]"));
    let renamed = "      event: ${{ trigger }}\n      spot: ${{ trigger.area }}\n      orders:";
    fs::write(
        &workflow,
        committed.replace(with, renamed).replace("mask: [customer]", "mask: [customer, spot]"),
    )
    .unwrap();
    let case = site.join("evals/downtime_escalation/looks_the_history_up.case.yaml");
    let committed = fs::read_to_string(&case).unwrap();
    let judge = "judge: {rubric: rubrics/handover.md, step: triage, tape: looks.judge.tape.json}\n";
    fs::write(&case, committed.replacen("expect:", &format!("{judge}expect:"), 1)).unwrap();
    let wire = Wire::start(|seen| match is_judge(seen) {
        true => vote(),
        false => {
            let spot = data(seen)["spot"].as_str().unwrap_or_default().to_owned();
            let summary = format!("PRESS-4 in {spot} stopped: hydraulic pressure lost.");
            let answer = json!({"severity": "high", "cause": "worn pump seal", "expected_minutes": 190,
                "confidence": 0.8, "summary": summary, "evidence": []});
            says(&answer, 9_000)
        }
    })
    .await;
    let output = live(&site, &wire, &case, &[]);
    fs::remove_dir_all(&site).unwrap();
    let seen = wire.seen();
    let judged: Vec<&Seen> = seen.iter().filter(|seen| is_judge(seen)).collect();
    assert_eq!(judged.len(), 3, "{}{}", text(&output.stdout), text(&output.stderr));
    for seen in judged {
        let sent = seen.body.to_string();
        assert!(sent.contains("PRESS-4 in MASK_") && !sent.contains("Press shop"), "{sent}");
    }
}

/// What was paid for is kept before a judge can spoil it, and what it spoils is its own votes.
#[tokio::test(flavor = "multi_thread")]
async fn a_vote_that_failed_holds_back_the_votes_and_not_the_tapes() {
    let site = copy_site();
    let case = note_of_nobody(&site);
    let attempt = site.join("evals/attempts/shift_handover/note_three_times.tape.json");
    let (votes, was_kept) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let (kept, file) = (was_kept.clone(), attempt.clone());
    // What a working copy may hold already.
    fs::remove_dir_all(site.join("evals/attempts")).unwrap_or_default();
    let wire = Wire::start(move |seen| match (is_judge(seen), votes.load(Ordering::SeqCst)) {
        (false, _) => says(&json!({"note": NOTE}), 9_000),
        (true, 0) => {
            kept.store(file.exists(), Ordering::SeqCst);
            votes.fetch_add(1, Ordering::SeqCst);
            vote()
        }
        (true, _) => Said::json(500, &json!({"error": {"message": "busy"}})),
    })
    .await;
    let tape = site.join("evals/shift_handover/note_three_times.judge.tape.json");
    let before = fs::read_to_string(&tape).unwrap();
    let output = live(&site, &wire, &case, &["--promote"]);
    let (out, said) = (text(&output.stdout), text(&output.stderr));
    assert!(was_kept.load(Ordering::SeqCst), "the tape is not there when the judge is asked: {out}{said}");
    assert!(said.contains("note_three_times has new tapes"), "{out}{said}");
    assert!(said.contains("keeps the votes of its judge: judge: n/a: 1 of 3 votes"), "{said}");
    assert_eq!(fs::read_to_string(&tape).unwrap(), before);
    let promoted = fs::read_to_string(site.join("evals/shift_handover/note_three_times.tape.json")).unwrap();
    fs::remove_dir_all(&site).unwrap();
    assert!(promoted.contains("\"model\": \"m\""), "{promoted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_rubric_nothing_is_paid_for() {
    let site = copy_site();
    let case = note_of_nobody(&site);
    fs::remove_file(site.join("evals/rubrics/handover.md")).unwrap();
    let wire = Wire::start(|_| vote()).await;
    let output = live(&site, &wire, &case, &[]);
    fs::remove_dir_all(&site).unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("rubrics/handover.md"), "{}", text(&output.stderr));
    assert_eq!(wire.seen().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_judge_is_not_asked_when_the_money_is_spent() {
    let site = copy_site();
    let case = note_of_nobody(&site);
    let wire = Wire::start(|seen| match is_judge(seen) {
        true => vote(),
        false => says(&json!({"note": NOTE}), 10_000_000),
    })
    .await;
    let output = live(&site, &wire, &case, &[]);
    fs::remove_dir_all(&site).unwrap();
    let out = text(&output.stdout);
    assert!(out.contains("judge: n/a: --max-usd is spent"), "{out}{}", text(&output.stderr));
    assert!(!wire.seen().iter().any(is_judge));
}
