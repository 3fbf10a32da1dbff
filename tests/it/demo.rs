//! The README's first command, as a script runs it.

use crate::support::pg::Folder;
use nix::sys::signal::{Signal, kill};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
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
    let text = demo_in(&folder, arguments);
    (folder, text)
}

fn demo_in(folder: &Folder, arguments: &[&str]) -> String {
    let output = takt(&["demo", "--bind", "127.0.0.1:0", "--answer", "1"], &folder.0)
        .args(arguments)
        .output()
        .expect("starting the demo");
    let log = serve_log(folder);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}\n{errors}\n{log}");
    text
}

fn serve_log(folder: &Folder) -> String {
    std::fs::read_to_string(folder.0.join("demo-serve.log")).unwrap_or_default()
}

/// A demo with its story under way, and the run it is about.
struct Begun {
    demo: Child,
    lines: Box<dyn Iterator<Item = String>>,
    run: String,
}

impl Begun {
    fn new(arguments: &[&str], folder: &Folder) -> Self {
        let mut demo = takt(&["demo", "--bind", "127.0.0.1:0"], &folder.0)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting the demo");
        let output = BufReader::new(demo.stdout.take().expect("its output"));
        let mut lines: Box<dyn Iterator<Item = String>> = Box::new(output.lines().map_while(Result::ok));
        let line = lines.find(|line| line.contains("/runs/")).expect("its run");
        let run = line.rsplit('/').next().expect("an id").to_owned();
        Self { demo, lines, run }
    }

    /// Ctrl-C for this process alone: `takt serve` must hear of it from the demo. Gives the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.demo.id()).expect("a pid"));
        kill(pid, Signal::SIGINT).expect("a signal");
        self.lines.for_each(drop);
        self.demo.wait().expect("its end").code()
    }
}

fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "the demo never said `{word}`:\n{text}");
    }
}

#[test]
fn an_alarm_becomes_an_approved_write_back() {
    let (folder, text) = demo(&[]);
    assert_eq!(
        text.matches("\n  plex     one call changed").count(),
        1,
        "one accepted schedule write:\n{text}"
    );
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
            "Look at it again: takt run show ",
        ],
    );
}

/// Killed with SIGKILL its runs would be taken over, and set aside after the third time.
#[test]
fn an_interrupt_in_the_middle_hands_the_runs_over_and_the_next_start_goes_on() {
    let folder = Folder::new();
    let begun = Begun::new(&["--answer", "1"], &folder);
    assert_eq!(begun.interrupt(), Some(130), "a script must not take it for the end of the story");
    let first = serve_log(&folder);
    assert!(first.contains("handed its runs over"), "{first}");
    let text = demo_in(&folder, &[]);
    assert_says(&text, &["the story goes on with it", "Outcome: done", "0 done twice"]);
    let log = serve_log(&folder);
    let second = log.strip_prefix(&first).expect("the log goes on");
    assert!(!second.contains("took over the runs of a dead worker"), "{second}");
}

#[test]
fn a_run_that_is_held_is_said_to_be_and_does_not_hold_the_next_story_up() {
    let folder = Folder::new();
    let begun = Begun::new(&[], &folder);
    let run = begun.run.clone();
    let pause = ["run", "pause", &run, "--demo", "--by", "sam", "--reason", "lunch"];
    output(&mut takt(&pause, &folder.0));
    assert_eq!(begun.interrupt(), Some(0), "nobody counts on an answer");
    let how = format!("`takt run resume {run} --demo --data {}", folder.0.display());
    let held = format!("paused: sam: lunch; {how}");
    let text = demo_in(&folder, &[]);
    assert_says(&text, &[&held, "a new one begins", "Outcome: done", "0 done twice"]);
    assert!(!text.contains("the story goes on with it"), "{text}");
    for look in [["run", "list", "--demo"].as_slice(), &["run", "show", &run, "--demo"]] {
        let told = output(&mut takt(look, &folder.0));
        assert!(told.contains(&held), "{look:?}: {told}");
    }
    let resume = ["run", "resume", &run, "--demo", "--by", "sam", "--reason", "back"];
    output(&mut takt(&resume, &folder.0));
}

#[test]
fn an_address_without_numbers_is_told_how_to_write_it() {
    let mut named = Command::new(env!("CARGO_BIN_EXE_takt"));
    for command in [["demo", "--bind"], ["serve", "--bind"], ["simulate", "--listen"]] {
        let refused = named.args(command).arg("localhost:8420").output().expect("starting takt");
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(told.contains("write it as 127.0.0.1:8420"), "{told}");
        named = Command::new(env!("CARGO_BIN_EXE_takt"));
    }
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
