"""LlamaIndex's `LiteLLM` class before the gateway."""

import asyncio

import litellm
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.litellm import LiteLLM
from pydantic import BaseModel

from stand import GATEWAY, KEY, PARIS, TEXT, afails, balance, fails, same, sent, text


class Person(BaseModel):
    name: str
    age: int


def weather(city: str) -> str:
    """Tells the weather."""
    return f"sunny in {city}"


def time(city: str) -> str:
    """Tells the time."""
    return f"noon in {city}"


TOOLS = [FunctionTool.from_defaults(weather), FunctionTool.from_defaults(time)]


def says(script):
    return [ChatMessage(role="user", content=text(script))]


def figures(response):
    """The usage in an answer of litellm's."""
    usage = response.raw["usage"]
    return (
        usage["prompt_tokens"],
        usage["completion_tokens"],
        usage["prompt_tokens_details"].cached_tokens,
        usage["completion_tokens_details"].reasoning_tokens,
    )


def sync(llm):
    same(llm.metadata.model_name, "litellm_proxy/gpt-4o")
    assert llm.metadata.is_function_calling_model
    same(llm.metadata.context_window, 128_000)
    same(llm.complete(text("usage=12/34/5 reasoning=7")).text, TEXT)
    answer = llm.chat(says("usage=13/35/6 reasoning=8"))
    same(answer.message.content, TEXT)
    same(figures(answer), (13, 35, 6, 8))
    assert sent(answer.raw["id"])
    same("".join(piece.delta for piece in llm.stream_complete(text(""))), TEXT)
    pieces = list(llm.stream_chat(says("chunks=8")))
    same(("".join(piece.delta for piece in pieces), pieces[-1].message.content), (TEXT, TEXT))

    answer = llm.chat_with_tools(TOOLS, user_msg=text("tool_call=weather,time"),
                                 allow_parallel_tool_calls=True)
    calls = llm.get_tool_calls_from_response(answer)
    same([(call.tool_name, call.tool_kwargs) for call in calls], [("weather", PARIS), ("time", PARIS)])
    answer = llm.predict_and_call(TOOLS, user_msg=text("tool_call=weather"))
    same(answer.response, "sunny in Paris")
    last = list(llm.stream_chat_with_tools(TOOLS, user_msg=text("tool_call=time")))[-1]
    calls = llm.get_tool_calls_from_response(last)
    same([(call.tool_name, call.tool_kwargs) for call in calls], [("time", PARIS)])
    asked = says('tool_call says={"name":"Ada","age":36}')
    same(llm.as_structured_llm(Person).chat(asked).raw, Person(name="Ada", age=36))
    fails(litellm.RateLimitError, lambda: llm.chat(says("status=429")))
    fails(litellm.BadRequestError, lambda: llm.complete(text("status=400")))


async def asynchronous(llm):
    same((await llm.acomplete(text("usage=2/2"))).text, TEXT)
    answer = await llm.achat(says("usage=3/3/1 reasoning=1"))
    same((answer.message.content, figures(answer)), (TEXT, (3, 3, 1, 1)))
    same("".join([piece.delta async for piece in await llm.astream_complete(text(""))]), TEXT)
    same("".join([piece.delta async for piece in await llm.astream_chat(says(""))]), TEXT)
    answer = await llm.achat_with_tools(TOOLS, user_msg=text("tool_call=time,weather"),
                                        allow_parallel_tool_calls=True)
    calls = llm.get_tool_calls_from_response(answer, error_on_no_tool_call=True)
    same([call.tool_name for call in calls], ["time", "weather"])
    await afails(litellm.NotFoundError, llm.achat(says("status=404")))


def main():
    labels = {"user": "u-5", "extra_body": {"metadata": {"tags": ["team-a"]}}}
    llm = LiteLLM(model="litellm_proxy/gpt-4o", api_base=GATEWAY, api_key=KEY, max_retries=0,
                  temperature=0.5, max_tokens=64, additional_kwargs=labels)
    sync(llm)
    asyncio.run(asynchronous(llm))
    # After the 429 the client itself has asked twice more.
    for row in balance(calls=18):
        same(row["end_user"], "u-5")
        assert "team-a" in row["request_tags"], row


main()
