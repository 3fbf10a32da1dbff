"""Parses cards and dialogs with slack_sdk's models, which enforce Slack's limits, and writes them back."""

import json
import sys

from difference import difference
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

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
