"""Checks what sinks have sent, with the libraries of those it was sent to.

Reads a file of JSON lines, `{case, headers, body}`, as `sinks/tests/checked.rs` writes it.
"""

import json
import sys
from collections import Counter
from datetime import datetime, timezone

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from datadog_api_client import Configuration
from datadog_api_client.model_utils import UnparsedObject, validate_and_convert_types
from datadog_api_client.v1.model.distribution_points_payload import DistributionPointsPayload
from datadog_api_client.v2.model.http_log import HTTPLog
from slack_sdk.models.blocks import Block
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def parsed(value, path="body"):
    """Datadog's client raises nothing for what it cannot read: it keeps it as unparsed."""
    assert not isinstance(value, UnparsedObject), f"{path}: {value}"
    assert not getattr(value, "_unparsed", False), f"{path}: {value}"
    if hasattr(value, "_data_store"):
        value = value._data_store
    if isinstance(value, dict):
        for name, inner in value.items():
            parsed(inner, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            parsed(inner, f"{path}[{index}]")


def datadog(model):
    def check(_headers, body):
        data = json.loads(body)
        read = validate_and_convert_types(data, (model,), ["body"], True, True, Configuration())
        parsed(read)

    return check


def slack(_headers, body):
    message = json.loads(body)
    assert len(message["blocks"]) <= 50 and 0 < len(message["text"]) <= 4000
    for block in message["blocks"]:
        read = Block.parse(block)
        assert read is not None, f"not a block: {block}"
        read.validate_json()
        assert read.to_dict().keys() >= block.keys(), f"left out of {block}"


def standard(headers, body):
    webhook = Webhook(SECRET)
    # `verify` compares the timestamp with now, and the tests live at another time.
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), tz=timezone.utc)
    expected = webhook.sign(headers["webhook-id"], at, body)
    assert headers["webhook-signature"] == expected, headers
    message = json.loads(body)
    assert message.keys() == {"type", "timestamp", "data"}, message.keys()
    datetime.fromisoformat(message["timestamp"])


def cloudevents(headers, body):
    message = json.loads(body)
    batch = isinstance(message, list)
    kind = "application/cloudevents-batch+json" if batch else "application/cloudevents+json"
    assert headers["content-type"] == kind
    for event in message if batch else [message]:
        read = JSONFormat().read(CloudEvent, json.dumps(event))
        assert read.get_specversion() == "1.0" and read.get_type() == event["type"]
        assert read.get_data() == event["data"] and read.get_time() is not None
        if not batch:
            assert headers["webhook-id"] == read.get_id()


CHECKS = {
    "datadog_logs": datadog(HTTPLog),
    "datadog_metrics": datadog(DistributionPointsPayload),
    "slack": slack,
    "webhook_standard": standard,
    "webhook_cloudevents": cloudevents,
}


def main():
    counts = Counter()
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)
            check = CHECKS.get(request["case"])
            if check is None:
                continue
            try:
                check(request["headers"], request["body"])
            except Exception as error:
                raise AssertionError(f"{request['case']}: {error!r}") from error
            counts[request["case"]] += 1
    assert counts.keys() == CHECKS.keys(), f"only {counts}"
    print(f"{dict(counts)}: all checked")


main()
