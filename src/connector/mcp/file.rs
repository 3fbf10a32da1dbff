//! A connector file with `mcp:`, and the tools it makes of a server's: each declared by the site, each pinned.

use super::{
    definition::Definition,
    fields::{Classes, shown},
    lock::{self, Lock},
    program::Program,
    server::{Server, Way},
    tool::McpTool,
};
use crate::{
    connector::declared::{self, Auth, Compiler, File, Problem, RESULT_BYTES_MAX, TIMEOUT},
    site::Site,
    tool::{DataClass, Effect, Idempotency, Tool, ToolName, ToolSpec},
};
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

const CHECK_EVERY: Duration = Duration::from_secs(30);

/// Whether a connector file is one of these; its text may be broken otherwise.
pub(in crate::connector) fn is_mcp(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("mcp:"))
}

/// What is wrong in the form of a file, whatever the site has.
pub(in crate::connector) fn form(path: &Path, text: &str) -> Option<Problem> {
    declared::parse::<Written>(path, text).err()
}

/// A tool as the file writes it: everything that its server must not decide.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// The server's name for it; left out, what follows the dot.
    name: Option<String>,
    description: String,
    effect: Effect,
    idempotency: Option<Repeat>,
    ungated: Option<String>,
    timeout: Option<Spanned<String>>,
    result_bytes_max: Option<usize>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    classes: BTreeMap<String, DataClass>,
    /// What the arguments are, in the site's words.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Repeat {
    Read,
    Idempotent,
    Unsafe,
}

/// A tool of the file, whether it was accepted or not.
pub(super) struct Declared {
    pub at: Location,
    /// As workflows name it.
    pub tool: String,
    /// As the server names it.
    pub name: String,
}

/// A file that can be used, but for its pins.
pub(super) struct Opened {
    pub file: File<Written>,
    pub server: Server,
    pub declared: Vec<Declared>,
}

/// The tools of one file.
pub(in crate::connector) fn read(
    path: &Path,
    text: &str,
    site: &Site,
    client: &Client,
) -> Result<Vec<Arc<dyn Tool>>, Vec<Problem>> {
    let opened = open(path, text, site, client)?;
    let lock = Lock::read(&lock::path_of(path))
        .map_err(|error| vec![Problem::new(path, place(opened.file.system.referenced), error.to_string())])?;
    let server = Arc::new(opened.server);
    let mut compiler = Compiler::new(path);
    let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
    for declared in &opened.declared {
        let written = &opened.file.tools[&declared.tool].value;
        match pin(&lock, &server.system.name, declared) {
            Ok(pin) => tools.extend(
                compile(&mut compiler, &opened.file, declared, written, pin, &server)
                    .map(|tool| Arc::new(tool) as Arc<dyn Tool>),
            ),
            Err(message) => compiler.report(declared.at, message),
        }
    }
    if compiler.problems.is_empty() { Ok(tools) } else { Err(compiler.problems) }
}

/// Everything of a file that does not need its pins.
pub(super) fn open(path: &Path, text: &str, site: &Site, client: &Client) -> Result<Opened, Vec<Problem>> {
    let file: File<Written> = declared::parse(path, text).map_err(|problem| vec![problem])?;
    let mut compiler = Compiler::new(path);
    let system = declared::system(&mut compiler, &file, site, client);
    let at = file.system.referenced;
    if !file.errors.is_empty() {
        compiler.report(at, "`errors` is for HTTP systems: an MCP server has its own errors");
    }
    let mcp = file.mcp.as_ref().map(|mcp| &mcp.value);
    let is_program = site.systems.get(&file.system.value).is_some_and(|system| system.command.is_some());
    let is_addressed = mcp.is_some_and(|mcp| mcp.path.is_some()) || !file.headers.is_empty();
    if is_program && (is_addressed || !matches!(file.auth, Auth::None)) {
        compiler.report(at, "`path`, `auth` and `headers` are for a server with an address: a program gets what takt.yaml lists under `env`");
    }
    let check_every = compiler.duration(mcp.and_then(|mcp| mcp.check_every.as_ref()), CHECK_EVERY);
    let mut declared = Vec::new();
    for (tool, written) in &file.tools {
        declared.extend(declare(&mut compiler, &file.system.value, tool, written));
    }
    let (Some(system), true) = (system, compiler.problems.is_empty()) else { return Err(compiler.problems) };
    let command = site.systems.get(&system.name).and_then(|system| system.command.clone());
    let way = match (command, mcp.and_then(|mcp| mcp.path.as_deref())) {
        (Some(command), _) => Way::Program(Box::new(Program::new(&system, command, &site.folder))),
        (None, Some(path)) => Way::Http(format!("{}/{}", system.base_url, path.trim_start_matches('/'))),
        (None, None) => Way::Http(system.base_url.clone()),
    };
    Ok(Opened { server: Server::new(system, way, check_every), file, declared })
}

fn declare(
    compiler: &mut Compiler<'_>,
    system: &str,
    tool: &str,
    written: &Spanned<Written>,
) -> Option<Declared> {
    let (at, written) = (written.referenced, &written.value);
    let parsed: ToolName = tool.parse().map_err(|error| compiler.report(at, format!("{error}"))).ok()?;
    // Otherwise a server could be given the name of a tool that people trust.
    if parsed.system() != system {
        compiler.report(at, format!("a tool of this server is called `{system}.…`, not `{tool}`"));
        return None;
    }
    match (written.effect, written.idempotency) {
        (Effect::Write, None) => {
            compiler.report(at, "a write must say `idempotency`: idempotent or unsafe");
            return None;
        }
        (Effect::Write, Some(Repeat::Read)) => {
            compiler.report(at, "`idempotency: read` on a write: a write changes something");
            return None;
        }
        _ => {}
    }
    let action = tool.split_once('.').map_or(tool, |(_, action)| action);
    let name = written.name.clone().unwrap_or_else(|| action.to_owned());
    Some(Declared { at, tool: tool.to_owned(), name })
}

fn pin<'l>(lock: &'l Lock, system: &str, declared: &Declared) -> Result<&'l Definition, String> {
    let accept = format!(
        "look at it with `takt mcp list {system}` and run `takt mcp accept {system} {}`",
        declared.name
    );
    match lock.get(&declared.name) {
        Some(Ok(pin)) => Ok(pin),
        Some(Err(broken)) => Err(format!("{broken}; {accept}")),
        None => Err(format!("nobody has accepted `{}` of this server yet: {accept}", declared.name)),
    }
}

fn compile(
    compiler: &mut Compiler<'_>,
    file: &File<Written>,
    declared: &Declared,
    written: &Written,
    pin: &Definition,
    server: &Arc<Server>,
) -> Option<McpTool> {
    let at = declared.at;
    let mut unfit = |why: String| compiler.report(at, format!("`{}`: {why}", declared.name));
    let (input, output) = pin.schemas().map_err(|error| unfit(error.to_string())).ok()?;
    let mirrored = pin.params().map_err(|error| unfit(error.to_string())).ok()?;
    for name in
        written.parameters.keys().filter(|name| pin.input()["properties"].get(name.as_str()).is_none())
    {
        unfit(format!("it has no argument `{name}`"));
    }
    let timeout = compiler.duration(file.timeout.as_ref(), TIMEOUT);
    let timeout = compiler.duration(written.timeout.as_ref(), timeout);
    let mut classes = declared::plain(&file.classes);
    classes.extend(written.classes.iter().map(|(field, class)| (field.clone(), *class)));
    let fields = Classes(classes.clone());
    // What is public here says nothing about a field of the same name elsewhere.
    classes.retain(|_, class| *class != DataClass::Public);
    let idempotency = match written.idempotency {
        None | Some(Repeat::Read) => Idempotency::Read,
        Some(Repeat::Idempotent) => Idempotency::Idempotent,
        Some(Repeat::Unsafe) => Idempotency::Unsafe,
    };
    Some(McpTool {
        spec: ToolSpec {
            name: declared.tool.parse().ok()?,
            version: version_of(pin),
            description: written.description.clone(),
            input: shown(pin.input(), &written.parameters),
            output: fields.project_schema(&whole(pin.output())),
            effect: written.effect,
            idempotency,
            ungated: written.ungated.clone(),
            timeout,
            scopes: written.scopes.clone(),
            classes,
            result_bytes_max: written.result_bytes_max.or(file.result_bytes_max).unwrap_or(RESULT_BYTES_MAX),
        },
        server: server.clone(),
        pin: pin.clone(),
        input,
        output,
        mirrored,
        classes: fields,
    })
}

/// A conversation that began with another definition must not go on with this one.
fn version_of(pin: &Definition) -> u32 {
    u32::from_str_radix(&pin.sha256()[..8], 16).unwrap_or(1)
}

/// The schema of a result before fields are left out: text without a schema, and what is no object under `value`.
fn whole(output: Option<&Value>) -> Value {
    match output {
        None => {
            json!({ "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] })
        }
        Some(schema) if schema["type"] == "object" => schema.clone(),
        Some(schema) => {
            let mut whole =
                json!({ "type": "object", "properties": { "value": schema }, "required": ["value"] });
            for defs in ["$defs", "definitions"] {
                if let Some(inner) = schema.get(defs) {
                    whole[defs] = inner.clone();
                }
            }
            whole
        }
    }
}

fn place(at: Location) -> (u64, u64) {
    (at.line(), at.column())
}
