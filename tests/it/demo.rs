//! The README's first command, as a script runs it.

use crate::support::pg::Folder;
use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> (Output, String) {
    let folder = Folder::new();
    let output = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args([
            "demo",
            "--site",
            env!("CARGO_MANIFEST_DIR"),
            "--bind",
            "127.0.0.1:0",
            "--answer",
            "1",
            "--data",
        ])
        .arg(&folder.0)
        .args(arguments)
        .env_remove("DATABASE_URL")
        .env_remove("OPENAI_API_KEY")
        .output()
        .expect("starting the demo");
    let log = std::fs::read_to_string(folder.0.join("demo-serve.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{errors}\n{log}");
    (output, text)
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "the demo never said `{word}`:\n{text}");
    }
}

#[test]
fn an_alarm_becomes_an_approved_write_back() {
    let (_, text) = demo(&[]);
    assert_says(
        &text,
        &[
            "PRESS-4 DOWN",
            "production supervisor asked, answer by",
            "/gates/",
            "Sam Carter chose option 1",
            "Rules checked on live data, all hold",
            "Outcome: done",
            "0 done twice",
            "Time to acknowledge",
            "Time to coordinate",
        ],
    );
}

#[test]
fn a_delayed_supplier_becomes_an_approved_answer() {
    let (_, text) = demo(&["--workflow", "supplier_delay"]);
    assert_says(&text, &["supplier.asn_delayed", "Outcome: done", "0 done twice"]);
}

#[test]
fn a_shift_is_handed_over() {
    let (_, text) = demo(&["--workflow", "shift_handover"]);
    assert_says(&text, &["Ivo Petrov approved", "Noor Haddad acknowledged", "Outcome: done", "0 done twice"]);
}

#[test]
fn a_killed_worker_does_nothing_twice() {
    let (_, text) = demo(&["--kill"]);
    assert_says(&text, &["*** SIGKILL", "Outcome: done", "0 done twice"]);
}

#[test]
fn authored_transcripts_are_called_authored() {
    let (_, text) = demo(&["--model", "authored"]);
    assert_says(&text, &["(by authored", "no model is asked", "Outcome: done"]);
}
