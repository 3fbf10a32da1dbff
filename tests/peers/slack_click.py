"""Makes a signed block_actions request, as Slack posts it when somebody presses a button of a card."""

import json
import sys
from urllib.parse import urlencode

from slack_sdk.signature import SignatureVerifier

asked = json.load(sys.stdin)
button, _, option = asked["button"].partition(".")
payload = {
    "type": "block_actions",
    "team": {"id": "T0PLANT", "domain": "plant1"},
    "user": {"id": asked["user"], "username": "someone", "name": "someone", "team_id": "T0PLANT"},
    "api_app_id": "A0TAKT",
    "token": "deprecated",
    "container": {
        "type": "message",
        "message_ts": asked.get("ts", "1503435956.000247"),
        "channel_id": asked.get("channel", "C0TAKT"),
        "is_ephemeral": False,
    },
    "trigger_id": "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
    "channel": {"id": asked.get("channel", "C0TAKT"), "name": "takt"},
    "state": {"values": {}},
    "actions": [
        {
            "action_id": f"takt.{asked['button']}",
            "block_id": "gate",
            "type": "button",
            "text": {"type": "plain_text", "text": button, "emoji": True},
            "value": f"{asked['token']}:{asked['button']}",
            "action_ts": "1548426417.840180",
        }
    ],
}
body = urlencode({"payload": json.dumps(payload)})
timestamp = str(asked["timestamp"])
signature = SignatureVerifier(asked["secret"]).generate_signature(timestamp=timestamp, body=body)
headers = {
    "content-type": "application/x-www-form-urlencoded",
    "x-slack-request-timestamp": timestamp,
    "x-slack-signature": signature,
}
json.dump({"headers": headers, "body": body}, sys.stdout)
