"""Anthropic's own client, before a deployment of Anthropic and, translated, before one of OpenAI."""

import asyncio

import anthropic

from stand import CITY, GATEWAY, KEY, PARIS, TEXT, afails, balance, fails, messages, objects, row_of
from stand import same, sent, text

TOOLS = [{"name": name, "input_schema": CITY} for name in ("weather", "time")]
# What the provider says, in a stream of its own dialect.
STREAMED = {"claude": "word " * 8, "mock": TEXT}


def ask(model, script, **more):
    return {"model": model, "max_tokens": 100, "messages": messages(script), **more}


def figures(usage):
    return usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens


def talks(client, model):
    raw = client.messages.with_raw_response.create(**ask(model, "usage=12/34/5", system="Be brief."))
    message = raw.parse()
    said = objects(sent(message.id))[0]
    if model == "claude":
        same(raw.text(), sent(message.id))
    else:
        same(message.content[0].text, said["choices"][0]["message"]["content"])
    same((message.content[0].text, message.stop_reason), (TEXT, "end_turn"))
    same(figures(message.usage), (7, 5, 34))

    with client.messages.stream(**ask(model, "usage=14/8/6")) as stream:
        same("".join(stream.text_stream), STREAMED[model])
        final = stream.get_final_message()
    same((final.content[0].text, figures(final.usage)), (STREAMED[model], (8, 6, 8)))
    kinds = [event.type for event in client.messages.create(**ask(model, ""), stream=True)]
    same((kinds[0], kinds[-1]), ("message_start", "message_stop"))


def calls_tools(client, model):
    asked = ask(model, "tool_call=weather,time usage=31/9", tools=TOOLS)
    message = client.messages.create(**asked, tool_choice={"type": "any"})
    same(message.stop_reason, "tool_use")
    same([(block.name, block.input) for block in message.content], [("weather", PARIS), ("time", PARIS)])

    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": text("usage=41/3")}
        for block in message.content
    ]
    asked["messages"] += [
        {"role": "assistant", "content": [block.to_dict() for block in message.content]},
        {"role": "user", "content": results},
    ]
    answer = client.messages.create(**asked)
    same((answer.content[0].text, answer.usage.input_tokens), (TEXT, 41))

    with client.messages.stream(**ask(model, "tool_call=time,weather", tools=TOOLS)) as stream:
        final = stream.get_final_message()
    same([(block.name, block.input) for block in final.content], [("time", PARIS), ("weather", PARIS)])
    same(final.stop_reason, "tool_use")


def errors(client, model):
    create = client.messages.create
    for status, kind in (
        (400, anthropic.BadRequestError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
    ):
        error = fails(kind, lambda: create(**ask(model, f"status={status}")), status_code=status)
        same(error.body["type"], "error")
        assert error.body["error"]["message"], error.body
    error = fails(anthropic.RateLimitError, lambda: create(**ask(model, "status=429 retry_after=3")))
    same(error.response.headers["retry-after"], "3")
    stranger = client.with_options(api_key="sk-wrong")
    fails(anthropic.AuthenticationError, lambda: stranger.messages.create(**ask(model, "")))

    def broken():
        with client.messages.stream(**ask(model, "chunks=9 error_after=5")) as stream:
            stream.get_final_message()

    fails(anthropic.APIStatusError, broken)


async def asynchronous(model):
    client = anthropic.AsyncAnthropic(base_url=GATEWAY, api_key=KEY, max_retries=0)
    whole = [client.messages.create(**ask(model, f"usage={n}/2")) for n in range(1, 4)]
    for n, message in enumerate(await asyncio.gather(*whole), start=1):
        same(message.usage.input_tokens, n)
    async with client.messages.stream(**ask(model, "chunks=8 chunk_delay_ms=2")) as stream:
        same("".join([piece async for piece in stream.text_stream]), STREAMED[model])
    hasty = client.with_options(timeout=0.2)
    await afails(anthropic.APITimeoutError, hasty.messages.create(**ask(model, "delay_ms=900")))
    await client.close()


def main():
    client = anthropic.Anthropic(base_url=GATEWAY, api_key=KEY, max_retries=0)
    labelled = []
    for model in ("claude", "mock"):
        for part in (talks, calls_tools, errors):
            part(client, model)
        asyncio.run(asynchronous(model))
        raw = client.messages.with_raw_response.create(
            **ask(model, "", metadata={"user_id": "u-9"}),
            extra_body={"litellm_metadata": {"tags": ["team-a"]}},
        )
        labelled.append(raw.headers["x-litellm-call-id"])
    counted = client.messages.count_tokens(model="claude", messages=messages("usage=19/1"))
    same(counted.input_tokens, 19)
    assert client.messages.count_tokens(model="mock", messages=messages("")).input_tokens > 5
    # The tokens for `mock` are counted by the gateway itself, so no provider knows of that call.
    rows = balance(calls=35, unseen=1)
    for call_id in labelled:
        row = row_of(rows, call_id)
        same(row["end_user"], "u-9")
        assert "team-a" in row["request_tags"], row


main()
