//! MCP both ways: the official client at our door, the official server and hostile ones behind our tools.

mod agent;
mod client;
mod hostile;
mod program;
mod server;

use crate::support::python::{interpreter, script};
use serde_json::{Value, json};
use std::{path::Path, process::Stdio, sync::Arc, time::Duration};
use takt::{
    connector::{self, mcp::Desk},
    site::Site,
    tool::{Call, Tool, ToolError},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use uuid::Uuid;

const TOKEN: &str = "library-token";

const CONNECTOR: &str = "\
system: library
auth: { bearer: token }
timeout: 10s
mcp: { path: mcp, check_every: 0s }
tools:
  library.find_document:
    description: Finds documents of the library by a few words.
    effect: read
    parameters: { query: a few words }
    classes: { id: public, title: public, author: employee }
  library.lend:
    name: borrow
    description: Borrows a document.
    effect: write
    idempotency: unsafe
    ungated: a loan harms nobody
    classes: { result: public }
";

/// The official server, as a process.
struct Library {
    child: Child,
}

impl Library {
    async fn start(port: u16, era: &str, variant: &str) -> Self {
        let mut child = Command::new(interpreter())
            .arg(script("mcp_server.py"))
            .args([&port.to_string(), era, variant])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the library starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let said = lines.next_line().await.expect("readable").expect("the library lives");
        assert_eq!(serde_json::from_str::<Value>(&said).expect("JSON"), json!({ "ready": port }));
        Self { child }
    }

    async fn stop(mut self) {
        self.child.kill().await.expect("killed");
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// The line for `systems:` in takt.yaml.
fn with_system(takt_yaml: &str, base_url: &str) -> String {
    let library = format!(
        "systems:\n  library:\n    base_url: {base_url}\n    secrets: {{ token: \"${{env:LIBRARY_TOKEN:-{TOKEN}}}\" }}\n"
    );
    takt_yaml.replacen("systems:\n", &library, 1)
}

async fn accept(folder: &Path, site: &Site) {
    let mut desk = Desk::open(&folder.join("connectors"), site, "library").expect("the file");
    desk.accept(None).await.expect("accepted");
}

fn tool(folder: &Path, site: &Site, name: &str) -> Arc<dyn Tool> {
    let tools = connector::load(&folder.join("connectors"), site).unwrap_or_else(|error| panic!("{error}"));
    tools.into_iter().find(|tool| tool.spec().name.as_str() == name).expect("the tool")
}

async fn call(tool: &Arc<dyn Tool>, input: Value) -> Result<Value, ToolError> {
    call_within(tool, input, Duration::from_secs(10)).await
}

async fn call_within(tool: &Arc<dyn Tool>, input: Value, timeout: Duration) -> Result<Value, ToolError> {
    let call = Call {
        run: Uuid::nil(),
        step: "test".to_owned(),
        attempt: 1,
        key: "key".to_owned(),
        timeout,
        now: chrono::DateTime::UNIX_EPOCH,
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        lease: Arc::default(),
    };
    tool.call(&call, input).await
}
