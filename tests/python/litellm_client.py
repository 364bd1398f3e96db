"""litellm as a library, with the gateway as its proxy (`litellm_proxy/…`) and as OpenAI (`openai/…`)."""

import asyncio
import json

import litellm
from pydantic import BaseModel

from stand import GATEWAY, KEY, PARIS, TEXT, V1, afails, balance, fails, messages, same, sent, text
from stand import tool

litellm.suppress_debug_info = True
TOOLS = [tool("weather"), tool("time")]


class Person(BaseModel):
    name: str
    age: int


def place(way, model="mock"):
    """Where `model` is asked for; the addresses are those that litellm's documents give."""
    base = GATEWAY if way == "litellm_proxy" else V1
    return {"model": f"{way}/{model}", "api_base": base, "api_key": KEY, "num_retries": 0}


def joined(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def chats(way):
    def ask(script, **more):
        return {**place(way), "messages": messages(script), **more}

    answer = litellm.completion(**ask("usage=12/34/5 reasoning=7"))
    assert sent(answer.id)
    same(answer.choices[0].message.content, TEXT)
    usage = answer.usage
    same((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (12, 34, 46))
    same(usage.prompt_tokens_details.cached_tokens, 5)
    same(usage.completion_tokens_details.reasoning_tokens, 7)

    chunks = list(litellm.completion(**ask("usage=13/8/4 reasoning=2", stream=True,
                                           stream_options={"include_usage": True})))
    same(joined(chunks), TEXT)
    usage = chunks[-1].usage
    same((usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens), (13, 4))
    same(usage.completion_tokens_details.reasoning_tokens, 2)

    asked = ask("tool_call=weather,time", tools=TOOLS, parallel_tool_calls=True)
    message = litellm.completion(**asked).choices[0].message
    same([call.function.name for call in message.tool_calls], ["weather", "time"])
    same([json.loads(call.function.arguments) for call in message.tool_calls], [PARIS, PARIS])
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": text("usage=5/6")}
        for call in message.tool_calls
    ]
    asked["messages"] += [message, *results]
    same(litellm.completion(**asked).usage.prompt_tokens, 5)
    rebuilt = litellm.stream_chunk_builder(
        list(litellm.completion(**ask("tool_call=time,weather", tools=TOOLS, stream=True)))
    )
    same([call.function.name for call in rebuilt.choices[0].message.tool_calls], ["time", "weather"])

    person = ask('says={"name":"Ada","age":36}', response_format=Person)
    said = litellm.completion(**person).choices[0].message.content
    same(Person.model_validate_json(said), Person(name="Ada", age=36))

    for script, kind in (
        ("status=400", litellm.BadRequestError),
        ("status=400 code=context_length_exceeded", litellm.ContextWindowExceededError),
        ("status=404", litellm.NotFoundError),
        ("status=429", litellm.RateLimitError),
        ("status=503", litellm.ServiceUnavailableError),
    ):
        fails(kind, lambda: litellm.completion(**ask(script)))
    fails(litellm.Timeout, lambda: litellm.completion(**ask("delay_ms=900", timeout=0.2)))
    stranger = {**ask(""), "api_key": "sk-wrong"}
    fails(litellm.AuthenticationError, lambda: litellm.completion(**stranger))


async def asynchronous(way):
    def ask(script, **more):
        return {**place(way), "messages": messages(script), **more}

    whole = [litellm.acompletion(**ask(f"usage={n}/1")) for n in range(1, 4)]
    for n, answer in enumerate(await asyncio.gather(*whole), start=1):
        same((answer.usage.prompt_tokens, answer.choices[0].message.content), (n, TEXT))
    chunks = [chunk async for chunk in await litellm.acompletion(**ask("usage=8/8", stream=True))]
    same(joined(chunks), TEXT)
    await afails(litellm.RateLimitError, litellm.acompletion(**ask("status=429")))
    vectors = await litellm.aembedding(**place(way, "embed"), input=[text("usage=7/0")])
    same((vectors.data[0]["embedding"], vectors.usage.prompt_tokens), ([0.25, -0.5, 0.125], 7))


def others(way):
    vectors = litellm.embedding(**place(way, "embed"), input=[text("usage=11/0"), "b"])
    same((vectors.data[0]["embedding"], vectors.usage.prompt_tokens), ([0.25, -0.5, 0.125], 11))
    image = litellm.image_generation(**place(way, "picture"), prompt=text("usage=12/34"))
    same(image.data[0].b64_json, "aGVsbG8=")
    heard = litellm.transcription(**place(way, "hear"), file=("a.wav", b"sound"), prompt=text(""))
    same(heard.text, TEXT)
    speech = litellm.speech(**place(way, "speak"), voice="alloy", input=text("chunks=2"))
    same(speech.content, b"\xff\xfb\x90\0sound\n\ndata: no\n\n" * 2)
    response = litellm.responses(**place(way), input=text("usage=21/43/6 reasoning=4"))
    same((response.output[0].content[0].text, response.usage.output_tokens), (TEXT, 43))
    same(response.usage.input_tokens_details.cached_tokens, 6)
    events = list(litellm.responses(**place(way), input=text("chunks=3 usage=22/44"), stream=True))
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    # For models that it does not know litellm says this as a chat.
    same((said, events[-1].response.usage.total_tokens), ("Hello world,", 66))


def proxied():
    """What only `litellm_proxy/` or only `text-completion-openai/` reaches."""
    ranked = litellm.rerank(
        **place("litellm_proxy", "rank"), query=text("usage=17/0"), documents=["a", "b"], top_n=2
    )
    same([result["index"] for result in ranked.results], [1, 0])
    same(ranked.results[0]["relevance_score"], 0.75)
    way = {**place("text-completion-openai"), "api_base": V1}
    legacy = litellm.text_completion(**way, prompt=text("usage=3/4"))
    same((legacy.choices[0].text, legacy.usage.total_tokens), (TEXT, 7))
    pieces = litellm.text_completion(**way, prompt=text("usage=3/5"), stream=True)
    same("".join(piece.choices[0].text or "" for piece in pieces if piece.choices), TEXT)
    # Here litellm passes the model's name on as it is.
    judged = litellm.moderation(model="judge", api_base=V1, api_key=KEY, input=text(""))
    same((judged.results[0].flagged, judged.results[0].categories["violence"]), (True, True))
    legacy = litellm.text_completion(**place("litellm_proxy"), prompt=text("usage=4/4"))
    same((legacy.choices[0].text, legacy.usage.total_tokens), (TEXT, 8))
    labels = {"metadata": {"tags": ["team-a"], "job": "j-1"}}
    litellm.completion(
        **place("litellm_proxy"), messages=messages("usage=77/1"), user="u-77", extra_body=labels
    )


def main():
    for way in ("litellm_proxy", "openai"):
        chats(way)
        asyncio.run(asynchronous(way))
        others(way)
    proxied()
    rows = balance(calls=54)
    [row] = [row for row in rows if row["end_user"] == "u-77"]
    same(row["prompt_tokens"], 77)
    assert "team-a" in row["request_tags"], row
    same(row["metadata"]["requester_metadata"]["job"], "j-1")


main()
