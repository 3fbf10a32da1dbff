"""A Bolt app in Takt's place: checks signatures, acknowledges clicks and tells what it was sent."""

import json
import re
import sys

from slack_bolt import App
from slack_sdk import WebClient

port = int(sys.argv[1])
settings = json.loads(sys.stdin.readline())
# Bolt greets on stdout, which is for our lines only.
out, sys.stdout = sys.stdout, sys.stderr


def say(line):
    print(json.dumps(line), file=out, flush=True)


app = App(
    signing_secret=settings["secret"],
    client=WebClient(token=settings["token"], base_url=settings["api"] + "/"),
)


@app.action(re.compile(r"takt\..*"))
def clicked(ack, body, action):
    ack()
    say({"user": body["user"]["id"], "action_id": action["action_id"], "value": action.get("value")})


@app.view("takt.answer")
def submitted(ack, body, view):
    ack()
    say({"user": body["user"]["id"], "values": view["state"]["values"]})


say({"ready": app.client.auth_test()["team"]})
app.start(port=port, path="/slack", http_server_logger_enabled=False)
