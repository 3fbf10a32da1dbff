"""Reads cards with the Teams SDK's own models of Adaptive Cards, and writes them back."""

import json
import sys

from difference import difference
from microsoft_teams.cards import AdaptiveCard

problems = []
cards = json.load(sys.stdin)["cards"]
for card in cards:
    read = AdaptiveCard.model_validate(card)
    problems += difference(card, json.loads(read.model_dump_json(by_alias=True, exclude_none=True)))
if problems:
    sys.exit("\n".join(sorted(set(problems))))
json.dump({"cards": len(cards)}, sys.stdout)
