// Starts `takt lsp` for the files of a Takt site. Everything else is done by the server.
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

const FILES = [
  "**/takt.yaml",
  "**/{workflows,rules,connectors}/*.yaml",
  "**/{prompts,messages}/*.hbs",
  "**/{events,schemas}/*.json",
];

let client;

async function start() {
  const command = vscode.workspace.getConfiguration("takt").get("path", "takt");
  const selector = FILES.map((pattern) => ({ scheme: "file", pattern }));
  client = new LanguageClient("takt", "Takt", { command, args: ["lsp"] }, { documentSelector: selector });
  try {
    await client.start();
  } catch (error) {
    const choice = await vscode.window.showErrorMessage(
      `\`${command} lsp\` does not start: ${error.message}. Install takt, or set takt.path.`,
      "Open the setting",
    );
    if (choice) await vscode.commands.executeCommand("workbench.action.openSettings", "takt.path");
  }
}

async function restart() {
  if (client?.needsStop()) await client.stop();
  await start();
}

exports.activate = async (context) => {
  context.subscriptions.push(
    vscode.commands.registerCommand("takt.restart", restart),
    vscode.workspace.onDidChangeConfiguration((change) => change.affectsConfiguration("takt.path") && restart()),
  );
  await start();
};

exports.deactivate = () => client?.stop();
