"""Asks slack_sdk whether requests are signed as Slack signs them. The clock is that of each request."""

import json
import sys

from slack_sdk.signature import Clock, SignatureVerifier


class FixedClock(Clock):
    def __init__(self, now):
        self.fixed = now

    def now(self):
        return self.fixed


asked = json.load(sys.stdin)
answers = []
for request in asked["requests"]:
    clock = FixedClock(float(request.get("now", request["timestamp"])))
    verifier = SignatureVerifier(asked["secret"], clock)
    answers.append(verifier.is_valid(request["body"], request["timestamp"], request["signature"]))
json.dump(answers, sys.stdout)
