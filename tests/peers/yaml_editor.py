"""Plays an editor: opens a YAML file in yaml-language-server and asks what VS Code would ask.

stdin: {"server": path of the server's script, "schema": path, "questions": [{"text": YAML, "ask": "completion" |
"hover" | "diagnostics", "line": n, "character": n}]} with lines and characters from 0; stdout: a list of answers.
"""
import json
import subprocess
import sys

question = json.load(sys.stdin)
server = subprocess.Popen(
    ["node", question["server"], "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)
SETTINGS = {"yaml": {"validate": True, "hover": True, "completion": True, "schemas": {"file://" + question["schema"]: "*.yaml"}}}


def send(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    server.stdin.flush()


def read():
    length = 0
    while (line := server.stdout.readline().strip()):
        name, value = line.split(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(server.stdout.read(length))


def wait_for(is_it):
    """Answers what the server asks meanwhile."""
    while True:
        message = read()
        if "method" in message and "id" in message:
            settings = message["method"] == "workspace/configuration"
            result = [SETTINGS.get(item.get("section")) for item in message["params"]["items"]] if settings else None
            send({"id": message["id"], "result": result})
        elif is_it(message):
            return message


def ask(number, method, params):
    send({"id": number, "method": method, "params": params})
    return wait_for(lambda message: message.get("id") == number)["result"]


capabilities = {"workspace": {"configuration": True}, "textDocument": {"completion": {"completionItem": {"documentationFormat": ["markdown"]}}, "hover": {"contentFormat": ["markdown"]}, "publishDiagnostics": {}}}
ask(1, "initialize", {"processId": None, "rootUri": None, "capabilities": capabilities})
send({"method": "initialized", "params": {}})
send({"method": "workspace/didChangeConfiguration", "params": {"settings": SETTINGS}})
answers = []
for number, item in enumerate(question["questions"], start=2):
    uri = f"file:///site/workflows/q{number}.yaml"
    document = {"uri": uri, "languageId": "yaml", "version": 1, "text": item["text"]}
    send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
    # Before its first word about a file the server has not read the schema yet, and completes nothing.
    told = wait_for(lambda m: m.get("method") == "textDocument/publishDiagnostics" and m["params"]["uri"] == uri)
    if item["ask"] == "diagnostics":
        answers.append([
            {"line": d["range"]["start"]["line"], "character": d["range"]["start"]["character"], "message": d["message"]}
            for d in told["params"]["diagnostics"]
        ])
        continue
    place = {"textDocument": {"uri": uri}, "position": {"line": item["line"], "character": item["character"]}}
    result = ask(number, "textDocument/" + item["ask"], place)
    if item["ask"] == "hover":
        answers.append((result or {}).get("contents", {}).get("value", ""))
    else:
        items = result["items"] if isinstance(result, dict) else result or []
        text = lambda words: words["value"] if isinstance(words, dict) else words or ""
        answers.append([{"label": i["label"], "text": text(i.get("documentation"))} for i in items])
json.dump(answers, sys.stdout)
server.kill()
