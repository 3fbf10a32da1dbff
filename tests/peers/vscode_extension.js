// Activates editors/vscode/extension.js in place of VS Code, and says how it would start the server.
//
// stdin: {"extension": path, "path": the setting}; stdout: {"command", "args", "patterns"}.
const Module = require("node:module");

const question = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
let started;
class LanguageClient {
  constructor(id, name, server, client) {
    started = { ...server, patterns: client.documentSelector.map((filter) => filter.pattern) };
  }
  async start() {}
  needsStop() {
    return true;
  }
  async stop() {}
}
const stubs = {
  vscode: {
    workspace: {
      getConfiguration: () => ({ get: (name, otherwise) => question[name] ?? otherwise }),
      onDidChangeConfiguration: () => {},
    },
    commands: { registerCommand: () => {} },
  },
  "vscode-languageclient/node": { LanguageClient },
};
const load = Module._load;
Module._load = (name, ...rest) => stubs[name] ?? load(name, ...rest);
const extension = require(question.extension);
extension
  .activate({ subscriptions: [] })
  .then(() => extension.deactivate())
  .then(() => process.stdout.write(JSON.stringify(started)));
