"""Where each client stands: the gateway before it, the provider behind, and the books.

A client's script is called as `CLIENT_client.py GATEWAY_URL PROVIDER_URL COLLECTOR_URL`.
"""

import json
import sys
import time
import urllib.request
from decimal import Decimal

GATEWAY, PROVIDER, COLLECTOR = sys.argv[1:4]
V1 = f"{GATEWAY}/v1"
KEY = "sk-1234"
# What the provider says when it is told nothing else.
TEXT = 'Hello world, café ☕ "quoted"\n data: [DONE] not yet'
PARIS = {"city": "Paris"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
# USD for a million tokens: fresh input, cached input, output.
PRICES = {
    "gpt-4o": ("2.5", "1.25", "10"),
    "o4-mini": ("1.1", "0.275", "4.4"),
    "claude-sonnet-4-5": ("3", "0.3", "15"),
    "text-embedding-3-small": ("0.02", "0.02", "0"),
}


def text(script):
    """A message that has the provider follow `script`."""
    return f"What is the weather in Paris? [[mock: {script}]]"


def messages(script):
    return [{"role": "user", "content": text(script)}]


def tool(name):
    """A function of OpenAI's."""
    function = {"name": name, "description": f"Tells the {name}.", "parameters": CITY}
    return {"type": "function", "function": function}


def same(got, expected):
    assert got == expected, f"got {got!r}, not {expected!r}"


def fails(kind, call, **fields):
    """What `call` raises: an error of this class, with these fields."""
    try:
        call()
    except Exception as error:
        assert isinstance(error, kind), f"{type(error)}: {error}"
        for name, value in fields.items():
            same(getattr(error, name), value)
        return error
    raise AssertionError(f"no {kind}")


async def afails(kind, awaitable, **fields):
    try:
        result = await awaitable
    except Exception as error:
        caught = error

        def again():
            raise caught

        return fails(kind, again, **fields)
    raise AssertionError(f"no {kind} but {result}")


def get(url):
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response, parse_float=Decimal)


def logged(answer_id):
    """The provider's log has one kind of ids, and not the gateway's mark on what is kept."""
    return plain(answer_id).replace("resp_", "chatcmpl-")


def plain(answer_id):
    """An id as the provider gave it: where there are several accounts, the gateway marks it."""
    return answer_id.split("-tk-")[0]


def sent(answer_id):
    """The bytes that the provider has sent under this id."""
    entry = get(f"{PROVIDER}/__log/{logged(answer_id)}")
    assert entry["complete"], entry
    return entry["answered"]


def objects(answered):
    """The JSON objects of an answer: one, or one for each event of a stream."""
    if answered.startswith("{"):
        return [json.loads(answered)]
    lines = [line.removeprefix("data: ") for line in answered.split("\n")]
    return [json.loads(line) for line in lines if line.startswith("{")]


def used(entry):
    """Input, output, cached and reasoning tokens, as the provider told them last."""
    told = {}
    for said in objects(entry["answered"]):
        for part in (said, said.get("message") or {}, said.get("response") or {}):
            told.update(part.get("usage") or {})
    cached = told.get("cache_read_input_tokens", 0)
    read = told.get("prompt_tokens", told.get("input_tokens", 0)) + cached
    written = told.get("completion_tokens", told.get("output_tokens", 0))
    inputs = told.get("prompt_tokens_details") or told.get("input_tokens_details") or {}
    outputs = told.get("completion_tokens_details") or told.get("output_tokens_details") or {}
    return read, written, cached + inputs.get("cached_tokens", 0), outputs.get("reasoning_tokens", 0)


def booked(row):
    """The same of a row of the books."""
    usage = row["metadata"]["usage_object"] or {}
    inputs = usage.get("prompt_tokens_details") or {}
    outputs = usage.get("completion_tokens_details") or {}
    return (
        row["prompt_tokens"],
        row["completion_tokens"],
        inputs.get("cached_tokens") or 0,
        outputs.get("reasoning_tokens") or 0,
    )


def check(row, entry):
    """One call: what the books say against what the provider said."""
    shown = f"{row}\n{entry}"
    if '"error": {' in entry["answered"] or '"error":{' in entry["answered"]:
        # What was streamed before it broke is charged.
        assert row["status"] == "failure" and Decimal(row["spend"]), shown
        same(row["tollkeeper"]["usage_source"], "counted")
        return
    route = entry["route"].rsplit("/v1/", 1)[1]
    cost = "nothing_consumed" if route.endswith("count_tokens") else "priced"
    assert (row["status"], row["tollkeeper"]["cost"]["status"]) == ("success", cost), shown
    if route in ("chat/completions", "completions", "embeddings", "responses", "messages"):
        read, written, cached, _ = used(entry)
        assert booked(row) == used(entry), f"{booked(row)} not {used(entry)}: {shown}"
        fresh, known, output = map(Decimal, PRICES[json.loads(entry["request"])["model"]])
        cost = (fresh * (read - cached) + known * cached + output * written) / 1_000_000
        assert Decimal(row["spend"]) == cost, f"{row['spend']} not {cost}: {shown}"


def balance(calls, unseen=0):
    """Compares the books with the provider's log: one row for each of so many calls, and none besides.

    `unseen` calls more were answered by the gateway itself. Returns the rows.
    """
    deadline = time.monotonic() + 30
    while True:
        entries = get(f"{PROVIDER}/__log")
        rows = get(f"{COLLECTOR}/spend/logs?page=1&page_size=1000")
        rows = rows if isinstance(rows, list) else rows["data"]
        found = (len(entries), len(rows))
        if found == (calls, calls + unseen) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    same(found, (calls, calls + unseen))
    same(len({row["litellm_call_id"] for row in rows}), len(rows))
    left = list(rows)
    for entry in (entry for entry in entries if entry["status"] == 200 and entry["complete"]):
        mine = [row for row in left if logged(row["request_id"]) == entry["id"]]
        # What has no id of its own (vectors, sound) is known by its usage.
        mine = mine or [row for row in left if fits(row, entry)]
        assert mine, f"no row for {entry} in {left}"
        check(mine[0], entry)
        left.remove(mine[0])
    for row in left:
        assert row["status"] == "failure" or row["call_type"] == "acount_tokens", row
        assert not Decimal(row["spend"]), row
    print(f"{len(rows)} calls, each as the provider sent it, each once in the books")
    return rows


CALL_TYPES = {
    "embeddings": "aembedding",
    "rerank": "arerank",
    "moderations": "amoderation",
    "images/generations": "aimage_generation",
    "images/edits": "aimage_edit",
    "audio/transcriptions": "atranscription",
    "audio/speech": "aspeech",
    "messages/count_tokens": "acount_tokens",
}


def fits(row, entry):
    route = entry["route"].rsplit("/v1/", 1)[1]
    if row["call_type"] != CALL_TYPES.get(route) or row["status"] != "success":
        return False
    return route != "embeddings" or booked(row) == used(entry)


def row_of(rows, call_id):
    [row] = [row for row in rows if row["litellm_call_id"] == call_id]
    return row
