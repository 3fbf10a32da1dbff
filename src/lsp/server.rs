//! The conversation with an editor: one thread reads, one checks, this one answers and tells.
//!
//! Requests are answered in their order from what is known at that moment; what was cancelled before its turn is not
//! begun. A text that changes is checked when it has been quiet for a moment, and findings of an older one are dropped.

use super::{
    answers::{self, Answer, read},
    check::{self, Job, Outcome},
    plant::Load,
    sites::Sites,
    uri,
    wire::{self, WireError},
};
use gen_lsp_types::{
    DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DidSaveTextDocumentParams, InitializeParams, TextDocumentContentChangeEvent,
    WorkspaceFolders,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, BufReader, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a text must be quiet before it is checked.
const QUIET: Duration = Duration::from_millis(150);
/// Without anything to do, the server still wakes this often.
const IDLE: Duration = Duration::from_secs(3600);

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const INTERNAL_ERROR: i64 = -32603;
const NOT_INITIALIZED: i64 = -32002;
const REQUEST_CANCELLED: i64 = -32800;

/// How the conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As the protocol wants it: `shutdown`, then `exit`.
    Orderly,
    /// The editor went away.
    Abruptly,
}

enum Event {
    Message(Value),
    Unreadable(WireError),
    Closed,
    Checked(Outcome),
}

/// Speaks until the editor says `exit` or goes away. `folder` is a site that is known from the start.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write,
    folder: Option<PathBuf>,
    load: Arc<Load>,
) -> io::Result<Ended> {
    let (events, received) = mpsc::channel();
    let (jobs, to_do) = mpsc::channel::<Job>();
    let is_over = Arc::new(AtomicBool::new(false));
    let (from_reader, from_checker) = (events.clone(), events);
    thread::spawn(move || read_all(input, &from_reader));
    let over = Arc::clone(&is_over);
    thread::spawn(move || {
        for job in to_do {
            if from_checker.send(Event::Checked(check::perform(job, &*load, &over))).is_err() {
                break;
            }
        }
    });
    let mut server = Server {
        output,
        jobs,
        is_over,
        sites: Sites::default(),
        versions: None,
        queue: VecDeque::new(),
        waiting: Vec::new(),
        due: None,
        state: State::New,
        watches: false,
        asked: 0,
    };
    folder.iter().for_each(|folder| server.sites.add_site(folder));
    server.run(&received)
}

fn read_all(input: impl Read, events: &Sender<Event>) {
    let mut input = BufReader::new(input);
    loop {
        let event = match wire::read(&mut input) {
            Ok(Some(message)) => Event::Message(message),
            Ok(None) => Event::Closed,
            Err(error) if error.is_end() => Event::Closed,
            Err(error) => Event::Unreadable(error),
        };
        let is_last = matches!(event, Event::Closed);
        if events.send(event).is_err() || is_last {
            return;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Ready,
    ShutDown,
}

struct Server<W> {
    output: W,
    jobs: Sender<Job>,
    /// The job that is being done is not worth ending.
    is_over: Arc<AtomicBool>,
    sites: Sites,
    /// Of the documents, when the job began that is being done.
    versions: Option<BTreeMap<PathBuf, i32>>,
    queue: VecDeque<Event>,
    /// Requests about a site that is still being read.
    waiting: Vec<Value>,
    /// When the next job may begin.
    due: Option<Instant>,
    state: State,
    /// The editor tells of changes on the disk.
    watches: bool,
    asked: u64,
}

impl<W: Write> Server<W> {
    fn run(&mut self, received: &Receiver<Event>) -> io::Result<Ended> {
        loop {
            self.queue.extend(received.try_iter());
            let Some(event) = self.queue.pop_front() else {
                match received.recv_timeout(self.patience()) {
                    Ok(event) => self.queue.push_back(event),
                    Err(RecvTimeoutError::Timeout) => self.begin_job(),
                    Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Abruptly),
                }
                continue;
            };
            match event {
                Event::Closed => return Ok(Ended::Abruptly),
                Event::Unreadable(error) => self.refuse(Value::Null, PARSE_ERROR, &error.to_string())?,
                Event::Checked(outcome) => self.take_in(outcome)?,
                Event::Message(message) => {
                    if message.get("method").is_some_and(|method| method == "exit") {
                        let orderly = self.state == State::ShutDown;
                        return Ok(if orderly { Ended::Orderly } else { Ended::Abruptly });
                    }
                    self.message(message)?;
                }
            }
        }
    }

    fn patience(&self) -> Duration {
        match self.due {
            Some(due) if self.versions.is_none() => due.saturating_duration_since(Instant::now()),
            _ => IDLE,
        }
    }

    fn begin_job(&mut self) {
        self.due = None;
        if self.versions.is_some() {
            return;
        }
        let Some((job, versions)) = self.sites.take_job() else { return };
        self.is_over.store(false, Ordering::Relaxed);
        if self.jobs.send(job).is_ok() {
            self.versions = Some(versions);
        }
    }

    /// Something changed: there is a job when it has been quiet for a moment.
    fn schedule(&mut self) {
        if self.state == State::Ready && self.sites.has_work() {
            self.due = Some(Instant::now() + QUIET);
            self.is_over.store(true, Ordering::Relaxed);
        }
    }

    fn take_in(&mut self, outcome: Outcome) -> io::Result<()> {
        let versions = self.versions.take().unwrap_or_default();
        self.sites.settle(outcome, &versions);
        for news in self.sites.news() {
            self.notify("textDocument/publishDiagnostics", json!(news))?;
        }
        for message in std::mem::take(&mut self.waiting) {
            self.message(message)?;
        }
        if self.sites.has_work() && self.due.is_none() {
            self.due = Some(Instant::now());
        }
        Ok(())
    }

    fn message(&mut self, message: Value) -> io::Result<()> {
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        let id = message.get("id").cloned();
        match (method, id) {
            (Some(method), Some(id)) => self.request(&method, id, message),
            (Some(method), None) => {
                let params = message.get("params").cloned().unwrap_or_default();
                if self.state == State::Ready || method == "initialized" {
                    self.notification(&method, params)?;
                }
                Ok(())
            }
            // An answer to what the server asked: to watch files.
            (None, Some(_)) if message.get("result").is_some() || message.get("error").is_some() => Ok(()),
            (None, id) => self.refuse(id.unwrap_or_default(), INVALID_REQUEST, "a message needs a `method`"),
        }
    }

    fn request(&mut self, method: &str, id: Value, message: Value) -> io::Result<()> {
        if self.is_cancelled(&id) {
            return self.refuse(id, REQUEST_CANCELLED, "cancelled");
        }
        let params = message.get("params").cloned().unwrap_or_default();
        match (self.state, method) {
            (State::New, "initialize") | (State::Ready, _) => {}
            (State::New, _) => return self.refuse(id, NOT_INITIALIZED, "`initialize` comes first"),
            (State::ShutDown, _) => return self.refuse(id, INVALID_REQUEST, "the server is shut down"),
        }
        // What a request needs of its site comes with the first load.
        let document = params.pointer("/textDocument/uri").and_then(Value::as_str);
        let uri = document.map(|uri| gen_lsp_types::Uri(uri.to_owned()));
        if uri.is_some_and(|uri| self.sites.is_unsettled(&uri)) {
            self.schedule();
            self.waiting.push(message);
            return Ok(());
        }
        let answer = catch_unwind(AssertUnwindSafe(|| self.answer(method, params)));
        let answer = answer.unwrap_or_else(|_| {
            tracing::error!(method, "a request broke");
            Err((INTERNAL_ERROR, format!("`{method}` broke; this is a defect of takt")))
        });
        match answer {
            Ok(result) => self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": result })),
            Err((code, text)) => self.refuse(id, code, &text),
        }
    }

    /// Whether the editor has taken a request back before its turn.
    fn is_cancelled(&self, id: &Value) -> bool {
        self.queue.iter().any(|event| match event {
            Event::Message(message) => {
                message.get("method").is_some_and(|method| method == "$/cancelRequest")
                    && message.pointer("/params/id") == Some(id)
            }
            _ => false,
        })
    }

    fn answer(&mut self, method: &str, params: Value) -> Answer {
        match method {
            "initialize" => self.initialize(read(params)?),
            "shutdown" => {
                self.state = State::ShutDown;
                Ok(Value::Null)
            }
            _ => answers::answer(&mut self.sites, method, params),
        }
    }

    #[expect(deprecated, reason = "editors that know no workspace folders name their root")]
    fn initialize(&mut self, params: InitializeParams) -> Answer {
        let folders = match params.workspace_folders_initialize_params.workspace_folders {
            Some(WorkspaceFolders::WorkspaceFolderList(folders)) => {
                folders.into_iter().map(|f| f.uri).collect()
            }
            _ => Vec::new(),
        };
        let roots = if folders.is_empty() { params.root_uri.into_iter().collect() } else { folders };
        for root in roots.iter().filter_map(uri::path_of) {
            self.sites.add_site(&root);
        }
        let watched = params.capabilities.workspace.and_then(|workspace| workspace.did_change_watched_files);
        self.watches = watched.and_then(|watched| watched.dynamic_registration) == Some(true);
        self.state = State::Ready;
        Ok(json!({
            "capabilities": {
                "positionEncoding": "utf-16",
                "textDocumentSync": { "openClose": true, "change": 2, "save": true },
                "completionProvider": { "triggerCharacters": [".", ":", " ", "{", "'", "\""] },
                "hoverProvider": true,
                "definitionProvider": true,
                "documentSymbolProvider": true,
                "codeActionProvider": { "codeActionKinds": ["quickfix"] },
            },
            "serverInfo": { "name": "takt", "version": env!("CARGO_PKG_VERSION") },
        }))
    }

    /// What cannot be read is not worth ending the conversation.
    fn notification(&mut self, method: &str, params: Value) -> io::Result<()> {
        let outcome = match method {
            "initialized" => return self.watch_files(),
            "$/cancelRequest" => return self.cancel(params.get("id")),
            "textDocument/didOpen" => read::<DidOpenTextDocumentParams>(params).map(|params| {
                let document = params.text_document;
                self.sites.open(document.uri, document.version, document.text);
            }),
            "textDocument/didChange" => read::<DidChangeTextDocumentParams>(params).map(|params| {
                let document = params.text_document;
                let uri = document.text_document_identifier.uri;
                self.sites.change(&uri, document.version, |text| {
                    for change in params.content_changes {
                        use TextDocumentContentChangeEvent as Change;
                        match change {
                            Change::TextDocumentContentChangePartial(part) => {
                                text.change(Some(part.range), &part.text)
                            }
                            Change::TextDocumentContentChangeWholeDocument(whole) => {
                                text.change(None, &whole.text)
                            }
                        }
                    }
                });
            }),
            "textDocument/didSave" => read::<DidSaveTextDocumentParams>(params).map(|params| {
                if let (Some(path), false) = (uri::path_of(&params.text_document.uri), self.watches) {
                    self.sites.changed_on_disk(&path);
                }
            }),
            "textDocument/didClose" => read::<DidCloseTextDocumentParams>(params)
                .map(|params| self.sites.close(&params.text_document.uri)),
            "workspace/didChangeWatchedFiles" => read::<DidChangeWatchedFilesParams>(params).map(|params| {
                for path in params.changes.iter().filter_map(|change| uri::path_of(&change.uri)) {
                    self.sites.changed_on_disk(&path);
                }
            }),
            _ => Ok(()),
        };
        if let Err((_, text)) = outcome {
            tracing::warn!(method, "{text}");
        }
        self.schedule();
        Ok(())
    }

    /// What waits for its site is refused at once; what stands in the queue when its turn comes.
    fn cancel(&mut self, id: Option<&Value>) -> io::Result<()> {
        let (cancelled, waiting): (Vec<Value>, Vec<Value>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|message| message.get("id") == id);
        self.waiting = waiting;
        cancelled.into_iter().try_for_each(|message| {
            let id = message.get("id").cloned().unwrap_or_default();
            self.refuse(id, REQUEST_CANCELLED, "cancelled")
        })
    }

    /// Asks the editor to tell of changes on the disk.
    fn watch_files(&mut self) -> io::Result<()> {
        self.schedule();
        if !self.watches {
            return Ok(());
        }
        self.asked += 1;
        let patterns = ["**/*.yaml", "**/*.hbs", "**/*.json"];
        let watchers = patterns.map(|pattern| json!({ "globPattern": pattern }));
        let registration = json!({
            "id": "files", "method": "workspace/didChangeWatchedFiles", "registerOptions": { "watchers": watchers },
        });
        let params = json!({ "registrations": [registration] });
        self.send(&json!({ "jsonrpc": "2.0", "id": self.asked, "method": "client/registerCapability", "params": params }))
    }

    fn notify(&mut self, method: &str, params: Value) -> io::Result<()> {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
    }

    fn refuse(&mut self, id: Value, code: i64, message: &str) -> io::Result<()> {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
    }

    fn send(&mut self, message: &Value) -> io::Result<()> {
        wire::write(&mut self.output, message)
    }
}
