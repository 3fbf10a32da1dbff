"""Asks a server with the official client, one question per scenario, and says what the client makes of the answers."""

import json
import sys

from openai import OpenAI, APIStatusError
from openai.types.chat import ChatCompletion

asked = json.load(sys.stdin)
client = OpenAI(base_url=asked["base_url"], api_key="sk-test", max_retries=0, timeout=10)
answers = {}
for scenario in asked["scenarios"]:
    try:
        raw = client.chat.completions.with_raw_response.create(
            model=scenario, messages=[{"role": "user", "content": "hello"}]
        )
    except APIStatusError as error:
        answers[scenario] = {"status": error.status_code}
        continue
    except Exception as error:  # what the client cannot read at all
        answers[scenario] = {"unreadable": type(error).__name__}
        continue
    try:
        ChatCompletion.model_validate(json.loads(raw.http_response.text))
        answers[scenario] = {"valid": True}
    except Exception as error:
        answers[scenario] = {"valid": False, "why": type(error).__name__}
json.dump(answers, sys.stdout)
