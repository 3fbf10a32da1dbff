"""Asks a server with the official client and says what the client makes of the answers: one question per scenario, whole requests as
they are given, and streams that it puts together."""

import json
import sys

from openai import OpenAI, APIStatusError
from openai.types.chat import ChatCompletion

asked = json.load(sys.stdin)
client = OpenAI(base_url=asked["base_url"], api_key="sk-test", max_retries=0, timeout=10)


def read(raw):
    """What its own reader, which validates nothing, finds in an answer; nothing where it finds none."""
    try:
        choice = raw.parse().choices[0]
    except Exception:
        return None
    calls = [[call.function.name, call.function.arguments] for call in choice.message.tool_calls or []]
    return {"finish_reason": choice.finish_reason, "content": choice.message.content, "calls": calls}


def ask(request):
    try:
        raw = client.chat.completions.with_raw_response.create(**request)
    except APIStatusError as error:
        return {"status": error.status_code, "kind": type(error).__name__, "body": error.body}
    except Exception as error:  # what the client cannot read at all
        return {"unreadable": type(error).__name__}
    try:
        ChatCompletion.model_validate(json.loads(raw.http_response.text))
        return {"valid": True}
    except Exception as error:
        return {"valid": False, "why": type(error).__name__, "read": read(raw)}


answers = {
    scenario: ask({"model": scenario, "messages": [{"role": "user", "content": "hello"}]})
    for scenario in asked.get("scenarios", [])
}


def put_together(scenario):
    """The whole answer as the client puts it together from a stream."""
    request = {"model": scenario, "messages": [{"role": "user", "content": "hello"}]}
    try:
        with client.chat.completions.stream(**request, stream_options={"include_usage": True}) as stream:
            for _ in stream:
                pass
            choice = stream.get_final_completion().choices[0].model_dump()
    except Exception as error:
        return {"why": f"{type(error).__name__}: {error}"}
    return {**choice["message"], "finish_reason": choice["finish_reason"]}


answers["streams"] = {scenario: put_together(scenario) for scenario in asked.get("streams", [])}
answers["requests"] = [ask(request) for request in asked.get("requests", [])]
json.dump(answers, sys.stdout)
