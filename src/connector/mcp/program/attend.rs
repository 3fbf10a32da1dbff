//! The tasks around one life of a process: they write its requests, hand its answers to who asked, keep what it says on
//! its standard error, and end it with all that it has started.

use super::{Falls, GROWN_UP, Left, Line, REST, REST_MAX, Shared, line_of};
use crate::{
    connector::{mcp::wire::LIST_CHANGED, redact::Redactor},
    tool::Lease,
};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// One message of a server.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// After its input is closed it may end by itself for so long.
const GRACE: Duration = Duration::from_secs(2);
/// What it says at its end is waited for no longer.
const LAST_WORDS: Duration = Duration::from_millis(200);
const METHOD_NOT_FOUND: i64 = -32601;
/// Of what it says on its standard error, so much is kept.
const SAID_CHARS_MAX: usize = 2_000;
const SAID_LINES_MAX: u32 = 50;
const SAID_PERIOD: Duration = Duration::from_secs(10);

pub(super) struct Life {
    pub name: String,
    pub redactor: Redactor,
    pub group: Group,
    pub child: Child,
    pub waiting: mpsc::Receiver<Line>,
    /// For what the server asks of us.
    pub answers: mpsc::WeakSender<Line>,
    pub shared: Arc<Shared>,
    pub falls: Arc<Mutex<Falls>>,
    pub stop: CancellationToken,
}

/// A process and all that it has started. Also a task that is dropped with its runtime ends them.
pub(super) struct Group(Option<Pid>);

impl Group {
    pub(super) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Those who have ended already are no mistake.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// It ended: it may be started again, later each time.
pub(super) fn fell(falls: &Mutex<Falls>, lived: Duration, why: &str) {
    let mut falls = falls.lock().unwrap_or_else(PoisonError::into_inner);
    falls.count = if lived >= GROWN_UP { 0 } else { falls.count.min(16) };
    falls.not_before = Some(Instant::now() + (REST * 2_u32.pow(falls.count)).min(REST_MAX));
    falls.count += 1;
    why.clone_into(&mut falls.why);
}

pub(super) fn attend(mut life: Life) {
    let (stdin, stdout, stderr) =
        (life.child.stdin.take(), life.child.stdout.take(), life.child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else { return };
    let Life { name, redactor, group, mut child, mut waiting, answers, shared, falls, stop } = life;
    tokio::spawn(async move {
        let (begun, mut is_silent) = (Instant::now(), false);
        tracing::info!(system = name, "a program that serves tools was started");
        let mut saying = pin!(listen(stderr, &name, &redactor));
        let end = {
            let mut reading = pin!(read(stdout, &answers, &shared));
            let mut writing = pin!(write(stdin, &mut waiting));
            loop {
                tokio::select! {
                    // What it answered before its end is heard to its end.
                    biased;
                    why = &mut reading => break Some(why),
                    why = &mut writing => break Some(why),
                    () = &mut saying, if !is_silent => is_silent = true,
                    () = stop.cancelled() => break None,
                }
            }
        };
        // Who comes now has another process started, later; what still waits here is not sent any more.
        let is_stopped = end.is_none();
        let why = end.unwrap_or_else(|| "it was ended".to_owned());
        *shared.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
        if !is_stopped {
            fell(&falls, begun.elapsed(), &why);
        }
        waiting.close();
        while let Ok(line) = waiting.try_recv() {
            let _ = line.left.send(Left::Never);
        }
        // Its input is closed by now: who keeps to the protocol ends.
        let mut status = pin!(timeout(GRACE, child.wait()));
        let status = loop {
            tokio::select! {
                status = &mut status => break status,
                () = &mut saying, if !is_silent => is_silent = true,
            }
        };
        if !is_silent {
            let _ = timeout(LAST_WORDS, saying).await;
        }
        drop(group);
        if let Ok(Ok(status)) = status {
            let why = format!("{why} ({status})");
            why.clone_into(&mut falls.lock().unwrap_or_else(PoisonError::into_inner).why);
            *shared.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        }
        if !is_stopped {
            let end = shared.end.lock().unwrap_or_else(PoisonError::into_inner).clone();
            tracing::warn!(system = name, end, "a program that serves tools has ended");
        }
        // Who waits learns of it.
        shared.open().clear();
    });
}

async fn write(mut stdin: ChildStdin, waiting: &mut mpsc::Receiver<Line>) -> String {
    while let Some(line) = waiting.recv().await {
        // Who has stopped waiting does not want it done.
        if line.left.is_closed() && line.lease.is_some() {
            continue;
        }
        if !line.lease.as_deref().is_none_or(Lease::holds) {
            let _ = line.left.send(Left::Withheld);
            continue;
        }
        let written = async {
            stdin.write_all(&line.text).await?;
            stdin.flush().await
        };
        if written.await.is_err() {
            return "it takes no more requests".to_owned();
        }
        let _ = line.left.send(Left::Whole);
    }
    std::future::pending().await
}

async fn read(stdout: ChildStdout, answers: &mpsc::WeakSender<Line>, shared: &Shared) -> String {
    let mut stdout = BufReader::new(stdout);
    loop {
        let line = match next_line(&mut stdout, LINE_BYTES_MAX).await {
            Ok(Some((line, false))) => line,
            Ok(Some((_, true))) => return format!("it wrote a line of more than {LINE_BYTES_MAX} bytes"),
            Ok(None) => return "it has ended".to_owned(),
            Err(_) => return "it can no longer be heard".to_owned(),
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let message: Value = match serde_json::from_slice(&line) {
            Ok(message) => message,
            // What is nested too deep is told by who asked.
            Err(error) if error.to_string().contains("recursion limit") => {
                if let Some(waits) = only(shared) {
                    let _ = waits.send(line);
                }
                continue;
            }
            Err(_) => {
                return "it wrote a line that is not JSON, and nothing else may stand on its output"
                    .to_owned();
            }
        };
        take(&message, line, answers, shared);
    }
}

/// The one who waits, if there is exactly one.
fn only(shared: &Shared) -> Option<tokio::sync::oneshot::Sender<Vec<u8>>> {
    let mut open = shared.open();
    let id = (open.len() == 1).then(|| open.keys().next().copied()).flatten()?;
    open.remove(&id)
}

fn take(message: &Value, line: Vec<u8>, answers: &mpsc::WeakSender<Line>, shared: &Shared) {
    let id = message.get("id").filter(|id| !id.is_null());
    match (message.get("method").and_then(Value::as_str), id) {
        (Some(method), None) => {
            if method == LIST_CHANGED {
                shared.list_changed.store(true, Ordering::Relaxed);
            }
        }
        (Some(method), Some(id)) => {
            let mut answer = json!({ "jsonrpc": "2.0", "id": id });
            match method {
                "ping" => answer["result"] = json!({}),
                _ => answer["error"] = json!({ "code": METHOD_NOT_FOUND, "message": "not offered" }),
            }
            if let Some(answers) = answers.upgrade() {
                let left = tokio::sync::oneshot::channel().0;
                let _ = answers.try_send(Line { text: line_of(&answer), lease: None, left });
            }
        }
        // An answer that nobody waits for comes late.
        (None, Some(id)) => {
            let waits = id.as_u64().and_then(|id| shared.open().remove(&id));
            if let Some(waits) = waits {
                let _ = waits.send(line);
            }
        }
        // An error without an id: it could not read what it was asked.
        (None, None) => {
            if let Some(waits) = only(shared) {
                let _ = waits.send(line);
            }
        }
    }
}

/// Writes what it says to the log, cut, without secrets, and not faster than somebody could read it.
async fn listen(stderr: ChildStderr, name: &str, redactor: &Redactor) {
    let mut stderr = BufReader::new(stderr);
    let (mut since, mut said, mut left_out) = (Instant::now(), 0, 0_u64);
    // More is read than is kept: a secret at the cut would not be known by its half.
    while let Ok(Some((line, _))) = next_line(&mut stderr, 4 * SAID_CHARS_MAX).await {
        if since.elapsed() >= SAID_PERIOD {
            if left_out > 0 {
                tracing::warn!(system = name, left_out, "a program says more than is kept");
            }
            (since, said, left_out) = (Instant::now(), 0, 0);
        }
        if said >= SAID_LINES_MAX {
            left_out += 1;
            continue;
        }
        said += 1;
        let text = crate::agent::visible(&redactor.redact(&String::from_utf8_lossy(&line)));
        let text: String = text.trim_end().chars().take(SAID_CHARS_MAX).collect();
        tracing::info!(system = name, "it says: {text}");
    }
}

/// The next line without its end, and whether it was longer than `max`: then its first bytes, the rest is passed over.
async fn next_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    max: usize,
) -> std::io::Result<Option<(Vec<u8>, bool)>> {
    let (mut line, mut is_cut) = (Vec::new(), false);
    loop {
        let piece = reader.fill_buf().await?;
        if piece.is_empty() {
            return Ok((!line.is_empty()).then_some((line, is_cut)));
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(piece.len());
        let room = max.saturating_sub(line.len()).min(taken);
        line.extend_from_slice(&piece[..room]);
        is_cut |= room < taken;
        reader.consume(end.map_or(taken, |end| end + 1));
        if end.is_some() {
            return Ok(Some((line, is_cut)));
        }
    }
}
