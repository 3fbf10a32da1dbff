//! A server of somebody else's libraries, as a Python process that says on its first line where it listens.

use super::python::{interpreter, script};
use serde_json::Value;
use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

pub struct Peer {
    /// What its first line says: an address or a port.
    pub ready: Value,
    lines: Lines<BufReader<ChildStdout>>,
    http: reqwest::Client,
    _child: Child,
}

impl Peer {
    pub async fn start(name: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = Command::new(interpreter())
            .arg(script(name))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the peer starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut peer = Self { ready: Value::Null, lines, http, _child: child };
        peer.ready = peer.line().await["ready"].clone();
        peer
    }

    pub async fn line(&mut self) -> Value {
        let line = timeout(Duration::from_secs(60), self.lines.next_line()).await;
        let line = line.expect("the peer says something").expect("readable").expect("the peer lives");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    pub fn url(&self) -> &str {
        self.ready.as_str().expect("an address")
    }

    pub async fn get(&self, path: &str) -> Value {
        let asked = self.http.get(format!("{}{path}", self.url())).send().await.expect("an answer");
        asked.json().await.expect("JSON")
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let asked =
            self.http.post(format!("{}{path}", self.url())).json(body).send().await.expect("an answer");
        let (status, text) = (asked.status(), asked.text().await.expect("a body"));
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {status} {text}"))
    }

    /// Waits until the peer shows something.
    pub async fn until<T>(&self, path: &str, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let shown = self.get(path).await;
            if let Some(found) = look(&shown) {
                return found;
            }
            assert!(std::time::Instant::now() < until, "waited in vain for {what}: {shown:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
