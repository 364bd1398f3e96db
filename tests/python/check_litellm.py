"""Checks what the webhook sends in LiteLLM's dialect, with litellm's own types.

Reads a file of JSON lines, `{case, headers, body}`, as `sinks/tests/checked.rs` writes it.
"""

import json
import sys
from typing import get_args

from litellm.proxy._types import WebhookEvent
from litellm.types.utils import StandardLoggingPayload

EVENTS = get_args(WebhookEvent.model_fields["event"].annotation)


def alert(body):
    if body["event"] in EVENTS:
        read = WebhookEvent(**body)
        assert read.event_message == body["event_message"]
        return 1
    # An alert that litellm has no name for has the same fields.
    assert body["event_message"] and body["event_group"], body
    return 0


def call(payload):
    unknown = payload.keys() - StandardLoggingPayload.__annotations__.keys() - {"tollkeeper"}
    assert not unknown, f"not in litellm's payload: {unknown}"
    missing = {"id", "trace_id", "call_type", "status", "model", "metadata", "messages", "response",
               "startTime", "endTime", "prompt_tokens", "total_tokens", "response_cost"}
    assert not missing - payload.keys(), missing - payload.keys()


def main():
    calls, alerts = 0, 0
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)
            if request["case"] != "webhook_litellm":
                continue
            body = json.loads(request["body"])
            if isinstance(body, list):
                for payload in body:
                    call(payload)
                    calls += 1
            else:
                alerts += alert(body)
    assert calls > 5 and alerts == 5, f"{calls} calls, {alerts} alerts"
    print(f"{calls} calls, {alerts} alerts: all checked")


main()
