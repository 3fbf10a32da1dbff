//! Servers behind a command: the official one, in both eras, and programs that die, flood, print, hang or leave children
//! behind.

use super::{accept, call, call_within, tool};
use crate::support::{
    plant::Plant,
    python::{interpreter, script},
    site::SiteCopy,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use takt::{
    site::{Environment, Overrides, Site},
    tool::{Tool, ToolErrorKind},
};

const CONNECTOR: &str = "\
system: library
timeout: 10s
result_bytes_max: 50000
mcp: { check_every: 1h }
breaker: { failures: 100, cool_down: 1s }
tools:
  library.find_document:
    description: Finds documents of the library by a few words.
    effect: read
    classes: { id: public, title: public, author: employee, text: public }
  library.lend:
    name: borrow
    description: Borrows a document.
    effect: write
    idempotency: unsafe
    ungated: a loan harms nobody
    classes: { result: public, text: public }
";

const KEY: &str = "library-key-0123456789";

struct Library {
    copy: SiteCopy,
    site: Site,
    notes: PathBuf,
}

/// Writes the program into a site.
fn install(folder: &Path, mode: &str) -> PathBuf {
    let notes = folder.join("notes.txt");
    let system = format!(
        "systems:\n  library:\n    command: {}\n    args: [{}, {mode}, {}]\n    env: {{ LIBRARY_KEY: \"${{env:LIBRARY_KEY}}\", MODE: plain }}\n",
        interpreter().display(),
        script("mcp_program.py").display(),
        notes.display(),
    );
    let takt_yaml = fs::read_to_string(folder.join("takt.yaml")).expect("takt.yaml");
    fs::write(folder.join("takt.yaml"), takt_yaml.replacen("systems:\n", &system, 1)).expect("written");
    fs::write(folder.join("connectors/library.yaml"), CONNECTOR).expect("written");
    notes
}

impl Library {
    async fn new(mode: &str) -> Self {
        let copy = SiteCopy::new(&format!("mcp-program-{mode}"));
        let notes = install(&copy.0, mode);
        let environment = Environment::of([("LIBRARY_KEY", KEY)]);
        let site = Site::load(&copy.0, &environment, &Overrides::default()).expect("the site");
        accept(&copy.0, &site).await;
        Self { copy, site, notes }
    }

    fn tool(&self, name: &str) -> Arc<dyn Tool> {
        tool(&self.copy.0, &self.site, name)
    }

    fn find(&self) -> Arc<dyn Tool> {
        self.tool("library.find_document")
    }

    fn notes(&self) -> Vec<String> {
        let notes = fs::read_to_string(&self.notes).unwrap_or_default();
        notes.lines().map(str::to_owned).collect()
    }

    /// How often a note begins with this word.
    fn noted(&self, word: &str) -> usize {
        self.notes().iter().filter(|note| note.starts_with(word)).count()
    }
}

fn query() -> Value {
    json!({ "query": "leak" })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_server_is_a_program_like_any_other_server() {
    let library = Library::new("official").await;
    let find = library.find();
    let found = json!({ "hits": [{ "id": "DOC-7", "title": "Hydraulic leaks", "author": "Mia Novak" }] });
    assert_eq!(call(&find, query()).await.expect("found"), found);
    assert_eq!(library.notes(), [format!("find {KEY}")], "its key reached it");
    let lend = library.tool("library.lend");
    let lent = call(&lend, json!({ "id": "DOC-7" })).await.expect("lent");
    assert_eq!(lent, json!({ "result": "DOC-7 is yours" }));
    let refused = call(&lend, json!({ "id": "DOC-8" })).await.expect_err("no such document");
    assert_eq!(refused.kind, ToolErrorKind::Permanent);

    // Pinned as over HTTP.
    let lock = library.copy.0.join("connectors/library.lock.json");
    let pinned = fs::read_to_string(&lock).expect("the lock file");
    library.copy.write("tests/keep", "");
    fs::remove_file(&lock).expect("removed");
    let (code, said) = library.copy.shell("takt check");
    assert_eq!(code, 1);
    assert!(said.contains("nobody has accepted `find_document` of this server yet"), "{said}");
    let (code, said) = library.copy.shell(&format!("LIBRARY_KEY={KEY} takt mcp accept library"));
    assert_eq!(code, 0, "{said}");
    assert_eq!(fs::read_to_string(&lock).expect("the lock file"), pinned);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_the_older_era_is_greeted_and_is_asked_many_things_at_a_time() {
    let library = Library::new("older").await;
    let find = library.find();
    let asked = (0..40).map(async |count| {
        let words = format!("words {count}");
        let found = call(&find, json!({ "query": words })).await.expect("found");
        assert_eq!(found, json!({ "text": words }));
    });
    futures::future::join_all(asked).await;
    // Once for who accepted it, once for this one.
    assert_eq!(library.noted("started"), 2, "{:?}", library.notes());
    assert_eq!(library.noted("notifications/initialized"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_know_the_newer_greeting_may_pass_over_it_in_silence() {
    let library = Library::new("mute").await;
    assert_eq!(call(&library.find(), query()).await.expect("found"), json!({ "text": "leak" }));
}

/// Its interpreter takes longer to start than anybody waits for an answer to the first greeting.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_to_start_is_asked_in_the_newer_era_all_the_same() {
    let library = Library::new("slow").await;
    let found = call(&library.find(), query()).await.expect("found");
    assert_eq!(found["hits"][0]["id"], "DOC-7");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_our_environment_is_inherited() {
    let library = Library::new("environment").await;
    let found = call(&library.find(), query()).await.expect("found");
    let mut seen: serde_json::Map<String, Value> =
        serde_json::from_str(found["text"].as_str().expect("text")).expect("JSON");
    // Python sets these for itself.
    seen.retain(|name, _| !["LC_CTYPE", "__CF_USER_TEXT_ENCODING"].contains(&name.as_str()));
    assert_eq!(Value::Object(seen), json!({ "LIBRARY_KEY": KEY, "MODE": "plain" }));
    assert!(std::env::vars().count() > 2, "there was something to inherit");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_is_started_again_and_later_each_time() {
    let library = Library::new("dies").await;
    let begun = std::time::Instant::now();
    let find = library.find();
    for _ in 0..3 {
        let error = call(&find, query()).await.expect_err("it died");
        assert_eq!(error.kind, ToolErrorKind::Transient);
        assert!(error.message.contains("exit status: 3"), "{error}");
    }
    // Half a second, then a whole one.
    assert!(begun.elapsed() >= Duration::from_millis(1500), "{:?}", begun.elapsed());
    assert_eq!(library.noted("started"), 4);
    // Two more seconds are more than there are.
    let error = call_within(&find, query(), Duration::from_millis(500)).await.expect_err("it rests");
    assert_eq!(error.kind, ToolErrorKind::Transient);
    assert!(error.message.contains("left alone for a while"), "{error}");
    assert_eq!(library.noted("started"), 4);
    // Whether a loan took place, nobody knows.
    let lend = library.tool("library.lend");
    let error = call(&lend, json!({ "id": "DOC-7" })).await.expect_err("it died");
    assert_eq!(error.kind, ToolErrorKind::OutcomeUnknown, "{error}");
    assert_eq!(library.noted("lent"), 1, "and it is not done twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_writes_is_bounded() {
    for (mode, kind, words) in [
        ("large", ToolErrorKind::TooLarge, "more than 50000 bytes"),
        ("deep", ToolErrorKind::TooLarge, "nested too deep"),
        ("floods", ToolErrorKind::Transient, "a line of more than"),
        ("prints", ToolErrorKind::Transient, "a line that is not JSON"),
    ] {
        let library = Library::new(mode).await;
        let error = call(&library.find(), query()).await.expect_err(mode);
        assert_eq!(error.kind, kind, "{mode}: {error}");
        assert!(error.message.contains(words), "{mode}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_bounded_in_time_and_the_program_is_told() {
    let library = Library::new("silent").await;
    let find = library.find();
    let error = call_within(&find, query(), Duration::from_secs(2)).await.expect_err("silence");
    assert_eq!(error.kind, ToolErrorKind::Transient, "{error}");
    let lend = call(&library.tool("library.lend"), json!({ "id": "DOC-7" })).await;
    assert_eq!(lend.expect("another question is answered"), json!({ "text": "yours" }));
    let told = async {
        while library.noted("notifications/cancelled") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.expect("it is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_asks_of_us_is_answered() {
    let library = Library::new("asks").await;
    let found = call(&library.find(), query()).await.expect("found");
    let answers: Value = serde_json::from_str(found["text"].as_str().expect("text")).expect("JSON");
    assert_eq!(answers[0], json!({ "jsonrpc": "2.0", "id": "ask-1", "result": {} }));
    assert_eq!(answers[1]["error"]["code"], -32601);
}

fn is_alive(pid: i32) -> bool {
    // A process that is dead and not yet collected is no longer alive.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_takt_and_so_does_what_it_has_started() {
    let library = Library::new("parent").await;
    let pids = || -> Vec<i32> {
        let notes = library.notes();
        notes.iter().filter_map(|note| note.split_once(' ')?.1.parse().ok()).collect()
    };
    let gone = async |pids: &[i32]| {
        let all = async {
            while pids.iter().any(|pid| is_alive(*pid)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.is_ok()
    };
    let accepted = pids();
    assert_eq!(accepted.len(), 2);
    assert!(gone(&accepted).await, "{accepted:?}: of who accepted it");
    let find = library.find();
    call(&find, query()).await.expect("found");
    let asked = pids().split_off(2);
    assert!(asked.len() == 2 && asked.iter().all(|pid| is_alive(*pid)), "{asked:?}");
    drop(find);
    assert!(gone(&asked).await, "{asked:?}");
    // And with a command that is over.
    let (code, said) = library.copy.shell(&format!("LIBRARY_KEY={KEY} takt mcp list library"));
    assert_eq!(code, 0, "{said}");
    let listed = pids().split_off(4);
    assert!(listed.len() == 2 && gone(&listed).await, "{listed:?}");
}

/// A running Takt asks it at its start what its tools are.
#[tokio::test(flavor = "multi_thread")]
async fn its_standard_error_is_in_the_log_bounded_and_without_secrets() {
    let mut plant = Plant::new().await;
    let folder = plant.own_site();
    install(&folder, "says");
    let environment = Environment::of([("LIBRARY_KEY", KEY)]);
    let site = Site::load(&folder, &environment, &Overrides::default()).expect("the site");
    accept(&folder, &site).await;
    plant.environment.push(("LIBRARY_KEY", KEY.to_owned()));
    plant.serve(None).await;
    let said = plant.until("what the program says", async || {
        let log = plant.log();
        log.contains("line 49: my key is [redacted]").then_some(log)
    });
    let said = said.await;
    assert!(!said.contains(KEY), "{said}");
    plant.kill();
    let lines = plant.log().matches("it says: line").count();
    assert_eq!(lines, 50, "of 200 lines: {}", plant.log());
}

#[test]
fn mistakes_of_a_site_are_named() {
    let copy = SiteCopy::new("mcp-program-mistakes");
    let takt_yaml = fs::read_to_string(copy.0.join("takt.yaml")).expect("takt.yaml");
    let says = |system: &str, connector: &str| {
        copy.write("takt.yaml", &takt_yaml.replacen("systems:\n", &format!("systems:\n{system}\n"), 1));
        copy.write("connectors/library.yaml", connector);
        copy.shell("takt check").1
    };
    let plain = "system: library\ntools: {}\n";
    for (system, connector, words) in [
        ("  library: {}", plain, "a system has a `base_url`, or a `command` that Takt starts"),
        (
            "  library: { base_url: \"http://l.example\", command: ls }",
            plain,
            "a system with a `command` has no `base_url`",
        ),
        (
            "  library: { base_url: \"http://l.example\", args: [a] }",
            plain,
            "`args` and `env` belong to a `command`",
        ),
        ("  library: { command: ls }", plain, "only a file with `mcp:` can use it"),
        (
            "  library: { command: ls }",
            "system: library\nmcp: { path: mcp }\ntools: {}\n",
            "are for a server with an address",
        ),
    ] {
        let said = says(system, connector);
        assert!(said.contains(words), "{system}: {said}");
    }
}
