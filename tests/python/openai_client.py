"""Calls the gateway with the official client and compares with what the provider says it sent.

Usage: openai_client.py GATEWAY_URL PROVIDER_URL
"""

import asyncio
import json
import sys
import urllib.request

import openai

GATEWAY, PROVIDER = sys.argv[1:3]
KEY = "sk-1234"
TOOLS = [{
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}]


def ask(script, **more):
    content = f"What is the weather in Paris? [[mock: {script}]]"
    return {"model": "mock", "messages": [{"role": "user", "content": content}], **more}


def sent(answer_id):
    """The bytes that the provider has sent under this id."""
    with urllib.request.urlopen(f"{PROVIDER}/__log/{answer_id}") as response:
        entry = json.load(response)
    assert entry["complete"], entry
    return entry["answered"]


def without_usage(stream):
    events = stream.split("\n\n")
    return "\n\n".join(event for event in events if '"choices":[]' not in event)


def same(got, answer_id, asked_for_usage=True):
    expected = sent(answer_id)
    if not asked_for_usage:
        expected = without_usage(expected)
    assert got == expected, f"got\n{got}\nbut the provider sent\n{expected}"


def first_id(stream):
    return json.loads(stream.split("\n\n", 1)[0].removeprefix("data: "))["id"]


def sync():
    client = openai.OpenAI(base_url=GATEWAY, api_key=KEY, max_retries=0)
    assert "mock" in [model.id for model in client.models.list()]

    raw = client.chat.completions.with_raw_response.create(**ask("usage=12/34/5"))
    completion = raw.parse()
    same(raw.text, completion.id)
    assert completion.usage.prompt_tokens_details.cached_tokens == 5

    raw = client.chat.completions.with_raw_response.create(**ask("tool_call", tools=TOOLS))
    completion = raw.parse()
    same(raw.text, completion.id)
    call = completion.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Paris"}

    for options in ({}, {"stream_options": {"include_usage": True}}):
        request = ask("chunks=30 usage=12/34/5", stream=True, **options)
        with client.chat.completions.with_streaming_response.create(**request) as response:
            text = b"".join(response.iter_bytes()).decode()
        same(text, first_id(text), asked_for_usage=bool(options))

    text, usage, answer_id = "", None, None
    options = {"stream_options": {"include_usage": True}}
    for chunk in client.chat.completions.create(**ask("chunks=8", stream=True, **options)):
        answer_id = chunk.id
        usage = chunk.usage or usage
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
    assert text.startswith("Hello world, café ☕ \"quoted\""), text
    assert usage.completion_tokens == 8 and sent(answer_id)

    try:
        client.chat.completions.create(**ask("status=429 retry_after=3"))
        raise AssertionError("a 429 went unnoticed")
    except openai.RateLimitError as error:
        assert error.response.headers["retry-after"] == "3"
        assert error.body["message"], error.body


async def asynchronous():
    client = openai.AsyncOpenAI(base_url=GATEWAY, api_key=KEY, max_retries=0)
    create = client.chat.completions.create
    whole = [create(**ask(f"delay_ms={20 - n} usage={n}/1")) for n in range(1, 4)]
    for n, completion in enumerate(await asyncio.gather(*whole), start=1):
        assert completion.usage.prompt_tokens == n, completion

    arguments, answer_id = "", None
    request = ask("tool_call chunk_delay_ms=3", tools=TOOLS, stream=True)
    async for chunk in await create(**request):
        answer_id = chunk.id
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or []:
                arguments += call.function.arguments or ""
    assert json.loads(arguments) == {"city": "Paris"} and sent(answer_id)
    await client.close()


sync()
asyncio.run(asynchronous())
print("all as the provider sent it")
