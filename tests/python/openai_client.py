"""OpenAI's own client gets the bytes that the provider sent, on every surface it knows."""

import asyncio
import json

import openai
from pydantic import BaseModel

from stand import KEY, PARIS, TEXT, V1, afails, balance, fails, messages, objects, row_of
from stand import plain, same, sent, text, tool

TOOLS = [tool("weather"), tool("time")]


class Person(BaseModel):
    name: str
    age: int


def ask(script, **more):
    return {"model": "mock", "messages": messages(script), **more}


def without_usage(stream):
    return "\n\n".join(event for event in stream.split("\n\n") if '"choices":[]' not in event)


def first_id(stream):
    return json.loads(stream.split("\n\n", 1)[0].removeprefix("data: "))["id"]


def chats(client):
    raw = client.chat.completions.with_raw_response.create(**ask("usage=12/34/5 reasoning=7"))
    completion = raw.parse()
    same(raw.text, sent(completion.id))
    same(completion.choices[0].message.content, TEXT)
    same(completion.usage.prompt_tokens_details.cached_tokens, 5)
    same(completion.usage.completion_tokens_details.reasoning_tokens, 7)

    request = ask("tool_call=time,weather", tools=TOOLS)
    raw = client.chat.completions.with_raw_response.create(**request)
    completion = raw.parse()
    same(raw.text, sent(completion.id))
    calls = completion.choices[0].message.tool_calls
    same([call.function.name for call in calls], ["time", "weather"])
    same([json.loads(call.function.arguments) for call in calls], [PARIS, PARIS])

    for options in ({}, {"stream_options": {"include_usage": True}}):
        request = ask("chunks=30 usage=12/34/5", stream=True, **options)
        with client.chat.completions.with_streaming_response.create(**request) as response:
            got = b"".join(response.iter_bytes()).decode()
        expected = sent(first_id(got))
        same(got, expected if options else without_usage(expected))

    said, usage = "", None
    options = {"stream_options": {"include_usage": True}}
    for chunk in client.chat.completions.create(**ask("usage=9/8", stream=True, **options)):
        usage = chunk.usage or usage
        said += "".join(choice.delta.content or "" for choice in chunk.choices)
    same((said, usage.completion_tokens), (TEXT, 8))

    person = 'says={"name":"Ada","age":36}'
    parsed = client.chat.completions.parse(**ask(person, response_format=Person))
    same(parsed.choices[0].message.parsed, Person(name="Ada", age=36))
    with client.chat.completions.stream(**ask(person, response_format=Person)) as stream:
        same(stream.get_final_completion().choices[0].message.parsed, Person(name="Ada", age=36))

    legacy = client.completions.create(model="mock", prompt=text("usage=3/4"))
    same((legacy.choices[0].text, legacy.usage.total_tokens), (TEXT, 7))
    same(legacy.id, objects(sent(legacy.id))[0]["id"])
    pieces = client.completions.create(model="mock", prompt=text("usage=3/5"), stream=True)
    same("".join(choice.text for piece in pieces for choice in piece.choices), TEXT)


def responses(client):
    raw = client.responses.with_raw_response.create(
        model="mock", input=text("usage=21/43/6 reasoning=4")
    )
    response = raw.parse()
    same(raw.text.replace(response.id, plain(response.id)), sent(response.id))
    same((response.output_text, response.usage.output_tokens), (TEXT, 43))
    same(response.usage.input_tokens_details.cached_tokens, 6)
    same(response.usage.output_tokens_details.reasoning_tokens, 4)

    tools = [{"type": "function", **tool(name)["function"]} for name in ("weather", "time")]
    asked = [{"role": "user", "content": text("tool_call=weather,time")}]
    response = client.responses.create(model="mock", input=asked, tools=tools)
    same([call.name for call in response.output], ["weather", "time"])
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": text("usage=5/6")}
        for call in response.output
    ]
    asked += [call.to_dict() for call in response.output] + results
    response = client.responses.create(model="mock", input=asked, tools=tools)
    same((response.output_text, response.usage.input_tokens), (TEXT, 5))

    with client.responses.stream(model="mock", input=text("chunks=3 usage=22/44")) as stream:
        said = "".join(event.delta for event in stream if event.type.endswith("text.delta"))
        final = stream.get_final_response()
    same((said, final.output_text, final.usage.total_tokens), ("word " * 3, "word " * 3, 66))
    person = text('says={"name":"Ada","age":36}')
    parsed = client.responses.parse(model="mock", input=person, text_format=Person)
    same(parsed.output_parsed, Person(name="Ada", age=36))


def media(client):
    vectors = client.embeddings.create(model="embed", input=[text("usage=11/0"), "b"])
    same((vectors.data[0].embedding, vectors.usage.prompt_tokens), ([0.25, -0.5, 0.125], 11))
    image = client.images.generate(model="picture", prompt=text("usage=12/34"))
    same((image.data[0].b64_json, image.usage.output_tokens), ("aGVsbG8=", 34))
    edited = client.images.edit(model="picture", image=b"picture", prompt=text("usage=12/34"))
    same(edited.data[0].b64_json, "aGVsbG8=")
    heard = client.audio.transcriptions.create(
        model="hear", file=("a.wav", b"sound"), prompt=text("")
    )
    same(heard.text, TEXT)
    speech = client.audio.speech.create(model="speak", voice="alloy", input=text("chunks=2"))
    same(speech.content, b"\xff\xfb\x90\0sound\n\ndata: no\n\n" * 2)
    judged = client.moderations.create(model="judge", input=text(""))
    same((judged.results[0].flagged, judged.results[0].categories.violence), (True, True))


def errors(client):
    create = client.chat.completions.create
    error = fails(openai.RateLimitError, lambda: create(**ask("status=429 retry_after=3")))
    same(error.response.headers["retry-after"], "3")
    assert error.body["message"], error.body
    fails(openai.BadRequestError, lambda: create(**ask("status=400")), code="400")
    fails(openai.NotFoundError, lambda: create(**ask("status=404")), status_code=404)
    fails(openai.InternalServerError, lambda: create(**ask("status=503")), status_code=503)
    # Below: the gateway itself refuses.
    fails(openai.BadRequestError, lambda: create(**{**ask(""), "model": "nobody"}), status_code=400)
    stranger = client.with_options(api_key="sk-wrong")
    fails(openai.AuthenticationError, lambda: stranger.models.list(), status_code=401)
    fails(
        openai.AuthenticationError,
        lambda: stranger.chat.completions.create(**ask("")),
        status_code=401,
    )

    def broken():
        for _ in create(**ask("chunks=9 error_after=4", stream=True)):
            pass

    fails(openai.APIError, broken)


def labelled(client):
    more = {"metadata": {"tags": ["team-a"], "job": "j-1"}}
    raw = client.chat.completions.with_raw_response.create(
        **ask("usage=77/1", user="u-77", extra_body=more, extra_headers={"x-own": "1"})
    )
    return raw.headers["x-litellm-call-id"]


async def asynchronous():
    client = openai.AsyncOpenAI(base_url=V1, api_key=KEY, max_retries=0)
    create = client.chat.completions.create
    whole = [create(**ask(f"delay_ms={20 - n} usage={n}/1")) for n in range(1, 4)]
    for n, completion in enumerate(await asyncio.gather(*whole), start=1):
        same(completion.usage.prompt_tokens, n)

    arguments, answer_id = "", None
    request = ask("tool_call chunk_delay_ms=3", tools=TOOLS, stream=True)
    async for chunk in await create(**request):
        answer_id = chunk.id
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or []:
                arguments += call.function.arguments or ""
    same(json.loads(arguments), PARIS)
    assert sent(answer_id)
    await afails(openai.RateLimitError, create(**ask("status=429")), status_code=429)
    hasty = client.with_options(timeout=0.2)
    await afails(openai.APITimeoutError, hasty.chat.completions.create(**ask("delay_ms=900")))
    await client.close()


def main():
    client = openai.OpenAI(base_url=V1, api_key=KEY, max_retries=0)
    assert "mock" in [model.id for model in client.models.list()]
    same(client.models.retrieve("mock").id, "mock")
    for part in (chats, responses, media, errors):
        part(client)
    call_id = labelled(client)
    asyncio.run(asynchronous())
    # Unseen is the call for a model that nobody knows.
    rows = balance(calls=32, unseen=1)
    row = row_of(rows, call_id)
    same((row["end_user"], row["model_group"], row["prompt_tokens"]), ("u-77", "mock", 77))
    assert "team-a" in row["request_tags"], row
    same(row["metadata"]["requester_metadata"]["job"], "j-1")


main()
