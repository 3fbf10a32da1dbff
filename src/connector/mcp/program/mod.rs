//! An MCP server behind a command: one process of its own, asked on its standard input, answering on its standard output,
//! a message a line. It is started when it is needed, and again, later each time, when it has ended.
//!
//! Of Takt's environment it is given what the site lists, and no more. It lies in a process group of its own, which is
//! killed when Takt stops.

mod attend;

use super::wire::{Heard, Post, Reply, hear, lost_or, too_large};
use crate::{
    connector::{declared::System, redact::Redactor},
    site::Command,
    tool::{Lease, ToolError, ToolErrorKind},
};
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use serde_json::Value;
use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Requests that wait for their turn on the wire.
const LINES_MAX: usize = 64;
/// Before a process that has ended is started again; twice as long each time.
const REST: Duration = Duration::from_millis(500);
const REST_MAX: Duration = Duration::from_secs(60);
/// Who lived so long is started again as if for the first time.
const GROWN_UP: Duration = Duration::from_secs(60);

pub(super) struct Program {
    name: String,
    command: Command,
    folder: PathBuf,
    redactor: Redactor,
    running: tokio::sync::Mutex<Option<Arc<Running>>>,
    falls: Arc<Mutex<Falls>>,
    started: AtomicU64,
}

/// How often it ended of late, and when it may be started again.
#[derive(Default)]
struct Falls {
    count: u32,
    not_before: Option<Instant>,
    why: String,
}

/// One life of the process.
struct Running {
    number: u64,
    lines: mpsc::Sender<Line>,
    shared: Arc<Shared>,
    /// Ends it when nobody holds it any more.
    _stop: DropGuard,
}

/// What the tasks around the process and those who ask share.
#[derive(Default)]
struct Shared {
    open: Mutex<HashMap<u64, oneshot::Sender<Vec<u8>>>>,
    list_changed: AtomicBool,
    /// Why it ended.
    end: Mutex<Option<String>>,
}

/// One message on its way to the process.
struct Line {
    text: Vec<u8>,
    /// Of a write: it leaves only under this lease.
    lease: Option<Arc<Lease>>,
    /// What became of it; nothing when only a part of it may have left.
    left: oneshot::Sender<Left>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Whole,
    /// The lease was over.
    Withheld,
    /// The process had ended before.
    Never,
}

impl Shared {
    fn is_over(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Vec<u8>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a question that nobody waits for any more.
struct Question<'a>(&'a Shared, u64);

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.open().remove(&self.1);
    }
}

impl Program {
    pub(super) fn new(system: &System, command: Command, folder: &Path) -> Self {
        Self {
            name: system.name.clone(),
            command,
            folder: folder.to_owned(),
            redactor: system.redactor.clone(),
            running: tokio::sync::Mutex::default(),
            falls: Arc::default(),
            started: AtomicU64::new(0),
        }
    }

    /// Which life of the process is asked now; starts one if there is none.
    pub(super) async fn life(&self, deadline: Instant) -> Result<u64, ToolError> {
        Ok(self.running(deadline).await?.number)
    }

    /// Asks once. A process that is not the one that was greeted is not asked.
    pub(super) async fn exchange(&self, system: &System, post: &Post<'_>) -> Result<Reply, ToolError> {
        let running = self.running(post.deadline).await?;
        let mut reply = Reply {
            status: StatusCode::OK,
            session: None,
            retry_after: None,
            heard: Heard::Nothing,
            list_changed: false,
            is_another: running.number != post.life,
        };
        if reply.is_another {
            return Ok(reply);
        }
        let shared = &running.shared;
        let (answer, answered) = oneshot::channel();
        let _question = post.id.map(|id| {
            shared.open().insert(id, answer);
            Question(shared, id)
        });
        self.send(&running, post).await?;
        if post.id.is_some() {
            let line = match timeout_at(post.deadline, answered).await {
                Ok(Ok(line)) => line,
                Ok(Err(_)) => return Err(self.ended(shared, lost_or(post, ToolErrorKind::Transient))),
                Err(_) => return Err(self.late(post, lost_or(post, ToolErrorKind::Transient))),
            };
            if line.len() > post.bytes_max {
                return Err(too_large(system, post));
            }
            hear(system, post, &line, &mut reply)?;
        }
        reply.list_changed = shared.list_changed.swap(false, Ordering::Relaxed);
        Ok(reply)
    }

    /// Puts one message onto the wire, whole or not at all.
    async fn send(&self, running: &Running, post: &Post<'_>) -> Result<(), ToolError> {
        let (left, has_left) = oneshot::channel();
        let text = line_of(post.body);
        let line = Line { text, lease: post.write.cloned(), left };
        match timeout_at(post.deadline, running.lines.send(line)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(self.ended(&running.shared, ToolErrorKind::Transient)),
            Err(_) => return Err(self.late(post, ToolErrorKind::Transient)),
        }
        match timeout_at(post.deadline, has_left).await {
            Ok(Ok(Left::Whole)) => Ok(()),
            Ok(Ok(Left::Never)) => Err(self.ended(&running.shared, ToolErrorKind::Transient)),
            Ok(Ok(Left::Withheld)) => {
                let message = "nothing was sent: the run belongs to another worker";
                Err(ToolError::new(ToolErrorKind::Transient, message))
            }
            // A part of it may have left.
            Ok(Err(_)) => Err(self.ended(&running.shared, lost_or(post, ToolErrorKind::Transient))),
            Err(_) => Err(self.late(post, lost_or(post, ToolErrorKind::Transient))),
        }
    }

    /// Nobody waits for the answer any more; said if there is room to say it.
    pub(super) async fn mention(&self, body: &Value) {
        let Ok(running) = self.running.try_lock() else { return };
        if let Some(running) = &*running {
            let line = Line { text: line_of(body), lease: None, left: oneshot::channel().0 };
            let _ = running.lines.try_send(line);
        }
    }

    async fn running(&self, deadline: Instant) -> Result<Arc<Running>, ToolError> {
        let late = |_| {
            let message = format!("no time was left to start {}", self.name);
            ToolError::new(ToolErrorKind::Transient, message)
        };
        let mut running = timeout_at(deadline, self.running.lock()).await.map_err(late)?;
        if let Some(running) = running.as_ref().filter(|running| !running.shared.is_over()) {
            return Ok(running.clone());
        }
        *running = None;
        let (not_before, why) = {
            let falls = self.falls.lock().unwrap_or_else(PoisonError::into_inner);
            (falls.not_before, falls.why.clone())
        };
        if let Some(not_before) = not_before.filter(|not_before| *not_before > Instant::now()) {
            if not_before >= deadline {
                let message =
                    format!("{} ended again and again, and is left alone for a while: {why}", self.name);
                return Err(ToolError::new(ToolErrorKind::Transient, message));
            }
            sleep_until(not_before).await;
        }
        let started =
            self.start().inspect_err(|error| attend::fell(&self.falls, Duration::ZERO, &error.message));
        let started = Arc::new(started?);
        *running = Some(started.clone());
        Ok(started)
    }

    fn start(&self) -> Result<Running, ToolError> {
        let failed = |error: std::io::Error| {
            let message = format!("{} cannot be started ({}): {error}", self.name, self.command.program);
            ToolError::new(ToolErrorKind::Transient, message)
        };
        let folder = std::path::absolute(&self.folder).map_err(failed)?;
        let program = match Path::new(&self.command.program) {
            path if path.is_relative() && path.components().count() > 1 => folder.join(path).into_os_string(),
            path => OsString::from(path),
        };
        let mut command = tokio::process::Command::new(program);
        command.args(&self.command.args).env_clear().current_dir(&folder);
        command.envs(self.command.env.iter().map(|(name, value)| (name, value.expose_secret())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for Takt, which then ends the whole group.
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(failed)?;
        let (lines, waiting) = mpsc::channel(LINES_MAX);
        let (shared, stop) = (Arc::<Shared>::default(), CancellationToken::new());
        attend::attend(attend::Life {
            name: self.name.clone(),
            redactor: self.redactor.clone(),
            group: attend::Group::of(&child),
            child,
            waiting,
            answers: lines.downgrade(),
            shared: shared.clone(),
            falls: self.falls.clone(),
            stop: stop.clone(),
        });
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Running { number, lines, shared, _stop: stop.drop_guard() })
    }

    fn late(&self, post: &Post<'_>, kind: ToolErrorKind) -> ToolError {
        ToolError::new(kind, format!("{} did not answer {} in time", self.name, post.what))
    }

    fn ended(&self, shared: &Shared, kind: ToolErrorKind) -> ToolError {
        let end = shared.end.lock().unwrap_or_else(PoisonError::into_inner);
        let why = end.as_deref().unwrap_or("it has ended");
        ToolError::new(kind, format!("{} does not answer: {why}", self.name))
    }
}

fn line_of(body: &Value) -> Vec<u8> {
    let mut text = body.to_string().into_bytes();
    text.push(b'\n');
    text
}
