"""LangChain's `ChatOpenAI` and `OpenAIEmbeddings` before the gateway."""

import asyncio
import importlib.util
import os

import openai
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from stand import KEY, PARIS, TEXT, V1, afails, balance, fails, same, sent, text


class Person(BaseModel):
    name: str
    age: int


@tool
def weather(city: str) -> str:
    """Tells the weather."""
    return f"sunny in {city}"


@tool
def time(city: str) -> str:
    """Tells the time."""
    return f"noon in {city}"


PERSON = 'says={"name":"Ada","age":36}'


def figures(message):
    usage = message.usage_metadata
    return (
        usage["input_tokens"],
        usage["output_tokens"],
        usage["input_token_details"]["cache_read"],
        usage["output_token_details"]["reasoning"],
    )


def called(message):
    return [(call["name"], call["args"]) for call in message.tool_calls]


def sync(llm):
    message = llm.invoke(text("usage=12/34/5 reasoning=7"))
    same((message.content, figures(message)), (TEXT, (12, 34, 5, 7)))
    assert sent(message.response_metadata["id"])
    pieces = list(llm.stream(text("usage=13/8/4 reasoning=2")))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    same((whole.content, figures(whole)), (TEXT, (13, 8, 4, 2)))
    batch = llm.batch([text(f"usage={n}/1") for n in range(1, 4)])
    same([message.usage_metadata["input_tokens"] for message in batch], [1, 2, 3])

    able = llm.bind_tools([weather, time], parallel_tool_calls=True)
    question = ("human", text("tool_call=weather,time"))
    message = able.invoke([question])
    same(called(message), [("weather", PARIS), ("time", PARIS)])
    results = [ToolMessage(text("usage=5/6"), tool_call_id=call["id"]) for call in message.tool_calls]
    answer = able.invoke([question, message, *results])
    same((answer.content, answer.usage_metadata["input_tokens"]), (TEXT, 5))
    pieces = list(able.stream(text("tool_call=time")))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    same(called(whole), [("time", PARIS)])

    ada = Person(name="Ada", age=36)
    for method, script in (
        ("json_schema", PERSON),
        ("json_mode", PERSON),
        ("function_calling", f"tool_call {PERSON}"),
    ):
        same(llm.with_structured_output(Person, method=method).invoke(text(script)), ada)

    fails(openai.RateLimitError, lambda: llm.invoke(text("status=429")))
    fails(openai.BadRequestError, lambda: llm.invoke(text("status=400")))
    responses = llm.model_copy(update={"use_responses_api": True})
    message = responses.invoke(text("usage=21/43/6 reasoning=4"))
    same((message.text, figures(message)), (TEXT, (21, 43, 6, 4)))


async def asynchronous(llm):
    message = await llm.ainvoke(text("usage=2/2"))
    same((message.content, message.usage_metadata["output_tokens"]), (TEXT, 2))
    same("".join([piece.content async for piece in llm.astream(text("usage=3/3"))]), TEXT)
    batch = await llm.abatch([text(f"usage={n}/2") for n in range(4, 7)])
    same([message.usage_metadata["input_tokens"] for message in batch], [4, 5, 6])
    await afails(openai.NotFoundError, llm.ainvoke(text("status=404")))


def embeds():
    # What it makes tokens with is in litellm's package; else it would be fetched.
    litellm = importlib.util.find_spec("litellm").submodule_search_locations[0]
    os.environ["TIKTOKEN_CACHE_DIR"] = f"{litellm}/litellm_core_utils/tokenizers"
    # Texts as they are, and as numbers of tokens, which is what it does unless told otherwise.
    for check in (False, True):
        vectors = OpenAIEmbeddings(
            model="embed", base_url=V1, api_key=KEY, max_retries=0,
            check_embedding_ctx_length=check,
        )
        same(vectors.embed_query("a"), [0.25, -0.5, 0.125])


def main():
    llm = ChatOpenAI(
        model="mock", base_url=V1, api_key=KEY, max_retries=0, temperature=0.5, stream_usage=True,
        extra_body={"metadata": {"tags": ["team-a"]}, "user": "u-5"},
    )
    sync(llm)
    asyncio.run(asynchronous(llm))
    embeds()
    for row in balance(calls=22):
        if row["call_type"] == "acompletion":
            same(row["end_user"], "u-5")
            assert "team-a" in row["request_tags"], row


main()
