"""Reads a batch of Langfuse's ingestion API with Langfuse's own types, which refuse what old servers refuse.

Usage: langfuse_batch.py < BODY
"""

import json
import sys
from collections import Counter

from langfuse.api.resources.ingestion.types import IngestionEvent
from pydantic.v1 import parse_obj_as

# What a server knows of each; the types let more pass than it does.
KNOWN = {
    "trace-create": {
        "id", "timestamp", "name", "userId", "sessionId", "tags", "metadata", "environment", "release", "version",
        "input", "output", "public",
    },
    "generation-create": {
        "id", "traceId", "parentObservationId", "name", "startTime", "endTime", "completionStartTime", "model",
        "modelParameters", "input", "output", "usageDetails", "costDetails", "level", "statusMessage", "metadata",
        "environment", "version", "promptName", "promptVersion",
    },
}


def main() -> None:
    batch = json.load(sys.stdin)["batch"]
    kinds = Counter()
    traces = {entry["body"]["id"] for entry in batch if entry["type"] == "trace-create"}
    for entry in batch:
        event = parse_obj_as(IngestionEvent, entry)
        kinds[event.type] += 1
        unknown = set(entry["body"]) - KNOWN[event.type]
        assert not unknown, f"{event.type} has {unknown}"
        if event.type == "generation-create":
            assert entry["body"]["traceId"] in traces, "a generation belongs to a trace"
            assert event.body.usage_details is None or sum(
                count for name, count in entry["body"]["usageDetails"].items() if name != "total"
            ) == entry["body"]["usageDetails"]["total"]
    assert len({entry["id"] for entry in batch}) == len(batch), "ids of entries are unique"
    print(f"{kinds['trace-create']} traces and {kinds['generation-create']} generations are good")


main()
