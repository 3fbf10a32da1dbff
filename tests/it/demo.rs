//! The README's first command, as a script runs it.

use crate::support::pg::Folder;
use nix::sys::signal::{Signal, kill};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

fn takt(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
    command.args(arguments).arg("--data").arg(data).env_remove("DATABASE_URL").env_remove("OPENAI_API_KEY");
    command.stdin(Stdio::null()).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// What it prints where it ends well.
fn output(command: &mut Command) -> String {
    let output = command.output().expect("starting takt");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it complains of where it does not.
fn complaint(command: &mut Command) -> String {
    let output = command.output().expect("starting takt");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn demo(arguments: &[&str]) -> (Folder, String) {
    let folder = Folder::new();
    let output = takt(&["demo", "--bind", "127.0.0.1:0", "--answer", "1"], &folder.0)
        .args(arguments)
        .output()
        .expect("starting the demo");
    let log = std::fs::read_to_string(folder.0.join("demo-serve.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{errors}\n{log}");
    (folder, text)
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "the demo never said `{word}`:\n{text}");
    }
}

#[test]
fn an_alarm_becomes_an_approved_write_back() {
    let (folder, text) = demo(&[]);
    let runs = output(&mut takt(&["run", "--demo"], &folder.0));
    assert!(runs.contains("downtime_escalation") && runs.contains(" UTC "), "{runs}");
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
    let (folder, text) = demo(&["--model", "authored"]);
    assert_says(&text, &["(by authored", "no model is asked", "Outcome: done"]);
    // A machine that is down for three hours makes an order late, and customer service is asked in a run of its own.
    assert_says(&text, &["customer_order_risk started", " asks: "]);
    let open = output(&mut takt(&["run", "list", "--demo", "--state", "open"], &folder.0));
    assert_eq!(open, "", "every question of the story is answered");
}

/// Two on one folder would each play a plant of their own; the end of the terminal stops everything.
#[test]
fn a_folder_has_one_demo_and_a_hangup_stops_it() {
    let folder = Folder::new();
    let mut first = takt(&["demo", "--bind", "127.0.0.1:0"], &folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starting the demo");
    let mut lines = BufReader::new(first.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let console = lines.find(|line| line.contains("  console ")).expect("its console's address");
    let address = console.split_whitespace().nth(1).expect("an address").to_owned();
    let second = complaint(&mut takt(&["demo", "--bind", "127.0.0.1:0", "--answer", "1"], &folder.0));
    assert!(second.contains(&address) && second.contains("--data"), "{second}");

    let wish = ["run", "start", "customer_order_risk", "--demo", "--by", "sam"];
    let refused = complaint(&mut takt(&wish, &folder.0));
    assert!(refused.contains("needs the input `order`"), "{refused}");
    let started =
        output(takt(&wish, &folder.0).args(["--input", "order=SO-4001-1", "--input", "minutes_late=30"]));
    let story = output(&mut takt(&["run", "show", started.trim(), "--demo"], &folder.0));
    assert!(story.contains("started by sam"), "{story}");
    let by_event = complaint(&mut takt(&["run", "start", "downtime_escalation", "--demo"], &folder.0));
    assert!(by_event.contains("started by its events"), "{by_event}");
    let elsewhere = complaint(&mut takt(&["run", "show", started.trim()], &folder.0));
    assert!(elsewhere.contains("`--demo` looks among the demo's"), "{elsewhere}");
    let mistyped = complaint(&mut takt(&["run", "list", "--state", "foo", "--demo"], &folder.0));
    assert!(mistyped.contains("`foo` is no state"), "{mistyped}");

    let pid = nix::unistd::Pid::from_raw(i32::try_from(first.id()).expect("a pid"));
    kill(pid, Signal::SIGHUP).expect("a signal");
    let rest: Vec<String> = lines.collect();
    let status = first.wait().expect("its end");
    assert!(status.success(), "{status}: {rest:?}");
    assert_eq!(takt::postgres::status(&folder.0).expect("a status").running, None, "PostgreSQL is stopped");
}
