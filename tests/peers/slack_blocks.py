"""Parses cards and dialogs with slack_sdk's models, which enforce Slack's limits, and writes them back."""

import json
import sys

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View


def difference(ours, theirs, path=""):
    """What slack_sdk's own form does not say, or says otherwise."""
    if isinstance(ours, dict):
        found = []
        for key, value in ours.items():
            if not isinstance(theirs, dict) or key not in theirs:
                found.append(f"{path}/{key} is unknown to slack_sdk")
            else:
                found += difference(value, theirs[key], f"{path}/{key}")
        return found
    if isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            return [f"{path} has another length"]
        return [d for i, (a, b) in enumerate(zip(ours, theirs)) for d in difference(a, b, f"{path}/{i}")]
    return [] if ours == theirs else [f"{path}: {ours!r} became {theirs!r}"]


asked = json.load(sys.stdin)
problems = []
for card in asked["cards"]:
    blocks = Block.parse_all(card)
    if len(blocks) != len(card):
        problems.append(f"{len(card)} blocks, slack_sdk knows {len(blocks)}")
    for block in blocks:
        block.validate_json()
    problems += difference(card, [block.to_dict() for block in blocks])
for view in asked["views"]:
    parsed = View(**view)
    parsed.validate_json()
    problems += difference(view, parsed.to_dict())
if problems:
    sys.exit("\n".join(problems))
json.dump({"cards": len(asked["cards"]), "views": len(asked["views"])}, sys.stdout)
