"""Asks a server with the official client and says what the client makes of the answers: one question per scenario, and
whole requests as they are given."""

import json
import sys

from openai import OpenAI, APIStatusError
from openai.types.chat import ChatCompletion

asked = json.load(sys.stdin)
client = OpenAI(base_url=asked["base_url"], api_key="sk-test", max_retries=0, timeout=10)


def ask(request):
    try:
        raw = client.chat.completions.with_raw_response.create(**request)
    except APIStatusError as error:
        return {"status": error.status_code}
    except Exception as error:  # what the client cannot read at all
        return {"unreadable": type(error).__name__}
    try:
        ChatCompletion.model_validate(json.loads(raw.http_response.text))
        return {"valid": True}
    except Exception as error:
        return {"valid": False, "why": type(error).__name__}


answers = {
    scenario: ask({"model": scenario, "messages": [{"role": "user", "content": "hello"}]})
    for scenario in asked.get("scenarios", [])
}
answers["requests"] = [ask(request) for request in asked.get("requests", [])]
json.dump(answers, sys.stdout)
