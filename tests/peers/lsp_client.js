// Plays an editor with the protocol library that VS Code's extensions are made of.
//
// stdin: {"server": path of takt, "root": address, "uri": address, "text": a workflow, "tool": position of a
// tool that is mistyped, "declared": of one that is not};
// stdout: what was told and answered.
const { spawn } = require("node:child_process");
const lsp = require("vscode-languageserver-protocol/node");

const question = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const server = spawn(question.server, ["lsp", "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
const connection = lsp.createProtocolConnection(
  new lsp.StreamMessageReader(server.stdout),
  new lsp.StreamMessageWriter(server.stdin),
);
const { uri, text, tool, declared } = question;
const document = { uri };

async function talk() {
  const told = new Promise((resolve) =>
    connection.onNotification(lsp.PublishDiagnosticsNotification.type, (params) => {
      if (params.uri === uri && params.diagnostics.length > 0) resolve(params.diagnostics);
    }),
  );
  connection.onRequest(lsp.RegistrationRequest.type, () => {});
  connection.listen();
  await connection.sendRequest(lsp.InitializeRequest.type, {
    processId: process.pid,
    rootUri: null,
    workspaceFolders: [{ uri: question.root, name: "site" }],
    capabilities: { workspace: { didChangeWatchedFiles: { dynamicRegistration: true } } },
  });
  await connection.sendNotification(lsp.InitializedNotification.type, {});
  await connection.sendNotification(lsp.DidOpenTextDocumentNotification.type, {
    textDocument: lsp.TextDocumentItem.create(uri, "yaml", 1, text),
  });
  const diagnostics = await told;
  const at = { textDocument: document, position: tool };
  const completions = await connection.sendRequest(lsp.CompletionRequest.type, at);
  const definition = await connection.sendRequest(lsp.DefinitionRequest.type, { ...at, position: declared });
  const symbols = await connection.sendRequest(lsp.DocumentSymbolRequest.type, { textDocument: document });
  const actions = await connection.sendRequest(lsp.CodeActionRequest.type, {
    textDocument: document,
    range: { start: tool, end: tool },
    context: { diagnostics },
  });
  await connection.sendRequest(lsp.ShutdownRequest.type);
  const ended = new Promise((resolve) => server.on("exit", resolve));
  await connection.sendNotification(lsp.ExitNotification.type);
  return {
    exit: await ended,
    diagnostics,
    completions: completions.items.map((item) => item.label),
    definition: definition.uri,
    symbols: symbols.map((symbol) => symbol.name),
    fixed: actions[0].edit.changes[uri][0].newText,
  };
}

talk().then(
  (answer) => process.stdout.write(JSON.stringify(answer)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
    server.kill();
  },
);
