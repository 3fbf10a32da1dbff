//! `takt lsp` as an editor meets it: the real binary over standard input and output, by a client of our own and by the
//! one that VS Code's extensions are made of.

use crate::support::node;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// Far above what anything takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

struct Editor {
    server: Child,
    input: Option<ChildStdin>,
    messages: Receiver<Value>,
    asked: i64,
    /// Diagnostics by address, the newest last.
    told: Vec<(String, Value)>,
}

impl Editor {
    fn start() -> Self {
        let mut server = Command::new(env!("CARGO_BIN_EXE_takt"))
            .arg("lsp")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("takt starts");
        let (input, output) = (server.stdin.take(), server.stdout.take().expect("piped"));
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(message) = read(&mut output) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Self { server, input, messages, asked: 0, told: Vec::new() }
    }

    /// Shaken hands with the server, which knows this folder.
    fn at(folder: &Path) -> Self {
        let mut editor = Self::start();
        let watched = json!({ "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } } });
        let params = json!({ "processId": null, "rootUri": uri(folder), "capabilities": watched });
        let answer = editor.ask("initialize", params);
        assert_eq!(answer["serverInfo"]["name"], "takt");
        assert_eq!(answer["capabilities"]["positionEncoding"], "utf-16");
        editor.tell("initialized", json!({}));
        editor
    }

    fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("open");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the server reads");
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn request(&mut self, method: &str, params: Value) -> i64 {
        self.asked += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.asked, "method": method, "params": params }));
        self.asked
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let answer = self.wait_for(|message| message["id"] == id && message.get("method").is_none());
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The next message that is it; meanwhile diagnostics are kept and requests of the server answered.
    fn wait_for(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).expect("the server answers");
            if message["method"] == "textDocument/publishDiagnostics" {
                let uri = message["params"]["uri"].as_str().expect("an address").to_owned();
                self.told.push((uri, message["params"]["diagnostics"].clone()));
            } else if message.get("method").is_some() && message.get("id").is_some() {
                let id = message["id"].clone();
                self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": null }));
            }
            if is_it(&message) {
                return message;
            }
        }
    }

    /// Waits until the newest diagnostics of a file are like this.
    fn diagnostics(&mut self, path: &Path, are_right: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let uri = uri(path);
        loop {
            let newest = self.told.iter().rev().find(|(told, _)| *told == uri);
            let newest = newest.and_then(|(_, all)| all.as_array()).filter(|all| are_right(all)).cloned();
            if let Some(found) = newest {
                return found;
            }
            self.wait_for(|message| message["params"]["uri"] == uri.as_str());
        }
    }

    fn open(&mut self, path: &Path, text: &str) {
        let document = json!({ "uri": uri(path), "languageId": "yaml", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    fn end(mut self) -> Option<i32> {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        self.ended()
    }

    fn ended(mut self) -> Option<i32> {
        self.input = None;
        self.server.wait().expect("it ends").code()
    }
}

fn read(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim().split_once(": ") {
            Some(("Content-Length", value)) => length = value.parse().expect("a number"),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).expect("JSON"))
}

fn codes(diagnostics: &[Value]) -> Vec<&str> {
    diagnostics.iter().filter_map(|diagnostic| diagnostic["code"].as_str()).collect()
}

fn place(path: &Path, line: u32, character: u32) -> Value {
    json!({ "textDocument": { "uri": uri(path) }, "position": { "line": line, "character": character } })
}

/// Lines end like on Windows, and an emoji takes two units of what the protocol counts in.
const HALF_RIGHT: &str = "\u{FEFF}workflow: w\r\nowner: me\r\ntrigger: manual\r\nsteps:\r\n  - { id: a, call: tickets.create, with: { title: 'ü 😀 ${{ inputs.x }}' } }\r\n  - id: b\r\n    call: tickets.clos\r\n    with: { number: \"${{ steps.a.numbr }}\", minutes_down: 5 }\r\n";

#[test]
fn an_editor_is_told_answered_and_let_go() {
    let mut editor = Editor::at(root());
    let path = root().join("workflows/not_saved.yaml");
    editor.open(&path, HALF_RIGHT);
    let found = editor.diagnostics(&path, |all| all.len() > 2);
    let of = |word: &str| {
        let says = |one: &&Value| one["message"].as_str().is_some_and(|said| said.contains(word));
        found.iter().find(says).unwrap_or_else(|| panic!("{word}: {found:#?}"))
    };
    let range = |one: &Value| {
        let at = |end: &str| (one["range"][end]["line"].as_u64(), one["range"][end]["character"].as_u64());
        (at("start"), at("end"))
    };
    assert_eq!(of("`x`")["code"], "T006");
    assert_eq!(range(of("`x`")), ((Some(4), Some(67)), (Some(4), Some(68))));
    assert_eq!(range(of("tickets.clos")), ((Some(6), Some(10)), (Some(6), Some(22))));
    assert_eq!(range(of("numbr")), ((Some(7), Some(33)), (Some(7), Some(38))));
    assert!(of("numbr")["message"].as_str().is_some_and(|said| said.contains("did you mean `number`?")));

    let params = json!({ "textDocument": { "uri": uri(&path) }, "range": of("tickets.clos")["range"], "context": { "diagnostics": [] } });
    let actions = editor.ask("textDocument/codeAction", params);
    let edit = &actions[0]["edit"]["changes"][uri(&path)][0];
    assert_eq!((&edit["newText"], &edit["range"]), (&json!("tickets.close"), &of("tickets.clos")["range"]));

    let change = json!({ "range": edit["range"], "text": edit["newText"] });
    let document = json!({ "uri": uri(&path), "version": 2 });
    editor.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    let found = editor.diagnostics(&path, |all| !all.iter().any(|one| one["code"] == "T009"));
    assert!(codes(&found).contains(&"T006"), "the rest is still wrong: {found:#?}");

    let items = editor.ask("textDocument/completion", place(&path, 7, 38));
    let labels: Vec<&str> =
        items["items"].as_array().expect("items").iter().filter_map(|item| item["label"].as_str()).collect();
    assert_eq!(labels, ["number"]);
    let hover = editor.ask("textDocument/hover", place(&path, 6, 12));
    assert!(hover["contents"]["value"].as_str().is_some_and(|said| said.contains("minutes_down")), "{hover}");
    let target = editor.ask("textDocument/definition", place(&path, 6, 12));
    assert_eq!(target["uri"], uri(&root().join("connectors/tickets.yaml")));
    let symbols = editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri(&path) } }));
    assert_eq!((&symbols[0]["name"], &symbols[1]["detail"]), (&json!("a"), &json!("call tickets.close")));

    editor.tell("textDocument/didClose", json!({ "textDocument": { "uri": uri(&path) } }));
    editor.diagnostics(&path, <[Value]>::is_empty);
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn the_files_of_the_sample_site_are_fine() {
    let mut editor = Editor::at(root());
    for name in ["downtime_escalation", "supplier_delay", "shift_handover"] {
        for ending in ["yaml", "test.yaml"] {
            let path = root().join(format!("workflows/{name}.{ending}"));
            editor.open(&path, &fs::read_to_string(&path).expect("the file"));
            editor.diagnostics(&path, <[Value]>::is_empty);
        }
    }
    let wrong: Vec<_> = editor
        .told
        .iter()
        .filter(|(_, all)| all.as_array().is_some_and(|all| all.iter().any(|one| one["severity"] == 1)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(editor.end(), Some(0));
}

const SITE: &str = "name: Small\ntime_zone: America/Chicago\nshifts: [{ id: A, starts: \"06:00\", ends: \"14:00\" }]\nroles: { lead: { title: Lead, ladder: up } }\npeople: [{ id: ann, name: Ann, roles: [lead] }]\nladders: { up: [{ person: ann, within: 5m }] }\n";
const ASKS: &str = "workflow: w\nowner: me\ntrigger: manual\nsteps:\n  - id: ok\n    gate: acknowledge\n    ask: lead\n    message: messages/m.hbs\n    expires: 5m\n    on_expire: fail\n  - { id: x, end: done }\non_failure:\n  - { id: told, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n";

/// A site folder that ends with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("takt-lsp-{name}-{}", std::process::id()));
        for inside in ["workflows", "messages"] {
            fs::create_dir_all(folder.join(inside)).expect("a folder");
        }
        let folder = Self(folder.canonicalize().expect("a path"));
        folder.write("takt.yaml", SITE);
        folder.write("workflows/w.yaml", ASKS);
        folder.write("messages/m.hbs", "It is {{now}}.");
        folder.write("messages/f.hbs", "It failed.");
        folder
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.join(inside)
    }

    fn write(&self, inside: &str, text: &str) {
        fs::write(self.path(inside), text).expect("written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_change_around_a_workflow_is_seen_in_it() {
    let site = Folder::new("around");
    let mut editor = Editor::at(&site.0);
    let (workflow, message, takt_yaml) =
        (site.path("workflows/w.yaml"), site.path("messages/m.hbs"), site.path("takt.yaml"));
    editor.open(&workflow, ASKS);
    let fine = |all: &[Value]| all.iter().all(|one| one["severity"] == 2);
    editor.diagnostics(&workflow, fine);

    // On the disk, by somebody else.
    site.write("messages/m.hbs", "It is {{nwo}}.");
    let changed = |path: &Path| json!({ "changes": [{ "uri": uri(path), "type": 2 }] });
    editor.tell("workspace/didChangeWatchedFiles", changed(&message));
    let found = editor.diagnostics(&message, |all| !all.is_empty());
    assert_eq!(codes(&found), ["T019"]);
    assert!(
        found[0]["message"].as_str().is_some_and(|said| said.contains("did you mean `now`?")),
        "{found:?}"
    );

    // In the editor, not saved yet.
    editor.open(&message, "It is {{now}}, {{ste.x}}.");
    editor.diagnostics(&message, |all| {
        all.iter().any(|one| one["message"].as_str().is_some_and(|said| said.contains("ste")))
    });
    let change = json!([{ "text": "It is {{now}}." }]);
    let document = json!({ "uri": uri(&message), "version": 2 });
    editor.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": change }));
    editor.diagnostics(&message, <[Value]>::is_empty);

    // A site that does not load is told where it is wrong, and what was known stays.
    site.write("takt.yaml", &SITE.replace("time_zone", "tiem_zone"));
    editor.tell("workspace/didChangeWatchedFiles", changed(&takt_yaml));
    let found = editor.diagnostics(&takt_yaml, |all| !all.is_empty());
    assert_eq!(found[0]["range"]["start"]["line"], 1, "{found:?}");
    let items = editor.ask("textDocument/completion", place(&workflow, 6, 9));
    assert!(items["items"].as_array().is_some_and(|items| items.iter().any(|item| item["label"] == "lead")));

    // A role is renamed: the workflow that asks it is wrong now.
    site.write("takt.yaml", &SITE.replace("lead: {", "leader: {").replace("[lead]", "[leader]"));
    editor.tell("workspace/didChangeWatchedFiles", changed(&takt_yaml));
    editor.diagnostics(&takt_yaml, <[Value]>::is_empty);
    let found = editor.diagnostics(&workflow, |all| all.iter().any(|one| one["code"] == "T012"));
    assert!(
        found.iter().any(|one| one["range"]["start"] == json!({ "line": 6, "character": 9 })),
        "{found:#?}"
    );
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn a_site_that_is_broken_from_the_start_is_told() {
    let site = Folder::new("broken");
    site.write("takt.yaml", "name: [\n");
    let mut editor = Editor::at(&site.0);
    editor.open(&site.path("workflows/w.yaml"), ASKS);
    assert!(!editor.diagnostics(&site.path("takt.yaml"), |all| !all.is_empty()).is_empty());
    let items = editor.ask("textDocument/completion", place(&site.path("workflows/w.yaml"), 6, 9));
    assert_eq!(items["items"], json!([]));
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn what_cannot_be_understood_is_refused_and_survived() {
    let site = Folder::new("malformed");
    let mut editor = Editor::start();
    let refused = |editor: &mut Editor, code: i64| {
        editor.wait_for(|message| message["error"]["code"] == code);
    };
    editor.request("textDocument/hover", json!({}));
    refused(&mut editor, -32002);
    editor.raw(b"Content-Length: 7\r\n\r\n{oops:]");
    refused(&mut editor, -32700);
    editor.raw(b"What: ever\r\n\r\n");
    refused(&mut editor, -32700);
    editor.raw(b"Content-Length: 3\r\n\r\n\xFF\xFE\xFD");
    refused(&mut editor, -32700);
    editor.send(&json!([1, 2]));
    refused(&mut editor, -32600);
    editor.send(&json!({ "jsonrpc": "2.0", "id": 77, "method": 5 }));
    refused(&mut editor, -32600);
    editor.ask("initialize", json!({ "processId": null, "rootUri": uri(&site.0), "capabilities": {} }));
    editor.tell("initialized", json!({}));
    editor.request("textDocument/hover", json!({ "nothing": true }));
    refused(&mut editor, -32602);
    editor.request("takt/dance", json!({}));
    refused(&mut editor, -32601);
    editor.tell("textDocument/didChange", json!({ "textDocument": 5 }));
    editor.tell("textDocument/didOpen", Value::Null);
    editor.tell("$/whatever", json!({}));

    // Beyond the end of everything, in a file that is not open, in one that is in no site.
    let path = site.path("workflows/w.yaml");
    editor.open(&path, ASKS);
    assert_eq!(editor.ask("textDocument/hover", place(&path, 4_000_000_000, 4_000_000_000)), Value::Null);
    assert_eq!(
        editor.ask("textDocument/hover", place(&site.path("workflows/other.yaml"), 0, 0)),
        Value::Null
    );
    assert_eq!(editor.ask("textDocument/definition", place(Path::new("/nowhere.yaml"), 0, 0)), Value::Null);
    let range = json!({ "start": { "line": 9, "character": 99 }, "end": { "line": 2, "character": 0 } });
    let document = json!({ "uri": uri(&path), "version": 2 });
    editor.tell(
        "textDocument/didChange",
        json!({ "textDocument": document, "contentChanges": [{ "range": range, "text": "\u{0}😀\r" }] }),
    );
    editor.diagnostics(&path, |all| !all.is_empty());
    editor.ask("shutdown", Value::Null);
    editor.request("textDocument/hover", place(&path, 0, 0));
    refused(&mut editor, -32600);
    // It goes away without a word.
    assert_eq!(editor.ended(), Some(1));
}

#[test]
fn what_is_taken_back_before_its_turn_is_not_done() {
    let mut editor = Editor::at(root());
    let path = root().join("workflows/downtime_escalation.yaml");
    let text = fs::read_to_string(&path).expect("the file");
    // It waits for the site, which is being read for the first time.
    editor.open(&path, &text);
    let id = editor.request("textDocument/completion", place(&path, 1, 0));
    editor.tell("$/cancelRequest", json!({ "id": id }));
    let answer = editor.wait_for(|message| message["id"] == id && message.get("method").is_none());
    assert_eq!(answer["error"]["code"], -32800, "{answer}");
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn a_file_of_any_size_is_answered() {
    let site = Folder::new("large");
    let mut editor = Editor::at(&site.0);
    let path = site.path("workflows/large.yaml");
    let head = ASKS.replace("workflow: w\n", "workflow: large\n");
    let (before, after) = head.split_once("  - { id: x").expect("a step");
    let steps: String = (0..2_000)
        .map(|n| format!("  - {{ id: s{n}, if: inputs.a{n} == 1, end: done }} # {}\n", "x".repeat(500)))
        .collect();
    let text = format!("{before}{steps}  - {{ id: x{after}");
    assert!(text.len() > 1_000_000, "{} bytes", text.len());
    editor.open(&path, &text);
    // Every step reads an input that is not there.
    let found = editor.diagnostics(&path, |all| all.len() > 1_999);
    assert!(codes(&found).contains(&"T006"));
    let line = 11 + 1_800;
    let items = editor.ask("textDocument/completion", place(&path, line, 22));
    assert!(
        items["items"].as_array().is_some_and(|items| !items.is_empty()),
        "at {}",
        text.lines().nth(line as usize).unwrap_or_default()
    );
    editor.ask("textDocument/hover", place(&path, line, 24));
    let symbols = editor.ask("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri(&path) } }));
    assert!(symbols.as_array().is_some_and(|symbols| symbols.len() > 2_000));

    // One line without end.
    let long = format!("{before}  - {{ id: x, end: '{}' }}\n", "ü😀".repeat(200_000));
    let document = json!({ "uri": uri(&path), "version": 2 });
    editor.tell(
        "textDocument/didChange",
        json!({ "textDocument": document, "contentChanges": [{ "text": long }] }),
    );
    editor.diagnostics(&path, |all| all.len() < 1_999);
    editor.ask("textDocument/hover", place(&path, 10, 600_000));
    assert_eq!(editor.end(), Some(0));
}

#[test]
fn the_client_of_vs_code_understands_it() {
    let path = root().join("workflows/not_saved.yaml");
    let question = json!({
        "server": env!("CARGO_BIN_EXE_takt"), "root": uri(root()), "uri": uri(&path),
        "text": HALF_RIGHT, "tool": { "line": 6, "character": 12 }, "declared": { "line": 4, "character": 25 },
    });
    let answer = node::ask("lsp_client.js", &question);
    assert_eq!(answer["exit"], 0, "{answer}");
    assert!(codes(answer["diagnostics"].as_array().expect("a list")).contains(&"T009"), "{answer}");
    assert_eq!(answer["fixed"], "tickets.close");
    assert!(
        answer["completions"].as_array().is_some_and(|labels| labels.contains(&json!("tickets.close"))),
        "{answer}"
    );
    assert!(
        answer["definition"].as_str().is_some_and(|uri| uri.ends_with("connectors/tickets.yaml")),
        "{answer}"
    );
    assert_eq!(answer["symbols"], json!(["a", "b"]));
}

#[test]
fn the_extension_of_vs_code_starts_the_server() {
    let extension = root().join("editors/vscode/extension.js");
    let started =
        |path: Value| node::ask("vscode_extension.js", &json!({ "extension": extension, "path": path }));
    assert_eq!(started(Value::Null)["command"], "takt");
    let named = started(json!("/opt/takt"));
    assert_eq!((&named["command"], &named["args"]), (&json!("/opt/takt"), &json!(["lsp"])));
    let patterns = named["patterns"].as_array().expect("patterns");
    assert!(patterns.contains(&json!("**/takt.yaml")), "{named}");
}
