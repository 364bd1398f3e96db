"""The OpenAI Agents SDK's `LitellmModel` before the gateway."""

import asyncio

import litellm
from agents import Agent, ModelSettings, Runner, function_tool, set_tracing_disabled
from agents.extensions.models.litellm_model import LitellmModel
from openai.types.shared import Reasoning
from pydantic import BaseModel

from stand import GATEWAY, KEY, TEXT, afails, balance, same, text

set_tracing_disabled(True)


class Person(BaseModel):
    name: str
    age: int


@function_tool
def weather(city: str) -> str:
    """Tells the weather."""
    return f"sunny in {city} [[mock: usage=41/3]]"


@function_tool
def time(city: str) -> str:
    """Tells the time."""
    return f"noon in {city} [[mock: usage=42/4]]"


def agent(name="Guide", model="mock", **more):
    model = LitellmModel(model=f"litellm_proxy/{model}", base_url=GATEWAY, api_key=KEY)
    return Agent(name=name, instructions="Be brief.", model=model, **more)


def figures(result):
    usage = result.context_wrapper.usage
    return (
        usage.requests,
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens_details.cached_tokens,
        usage.output_tokens_details.reasoning_tokens,
    )


def kinds(result):
    return [item.type for item in result.new_items]


async def whole():
    result = await Runner.run(agent(), text("usage=12/34/5 reasoning=7"))
    same((result.final_output, figures(result)), (TEXT, (1, 12, 34, 5, 7)))

    # Two tools side by side, their answers, and what is made of them: two calls.
    settings = ModelSettings(parallel_tool_calls=True, include_usage=True, tool_choice="required")
    guide = agent(tools=[weather, time], model_settings=settings)
    result = await Runner.run(guide, text("tool_call=weather,time usage=30/20"))
    same((result.final_output, figures(result)), (TEXT, (2, 72, 24, 0, 0)))
    tools = ["tool_call_item", "tool_call_item", "tool_call_output_item", "tool_call_output_item"]
    same(kinds(result), [*tools, "message_output_item"])

    spanish = agent("Spanish")
    result = await Runner.run(
        agent(handoffs=[spanish]), text("tool_call=transfer_to_spanish says={} usage=9/9")
    )
    same((result.last_agent.name, result.final_output), ("Spanish", TEXT))
    same(result.context_wrapper.usage.requests, 2)

    asked = text('says={"name":"Ada","age":36}')
    result = await Runner.run(agent(output_type=Person), asked)
    same(result.final_output, Person(name="Ada", age=36))


async def streamed():
    guide = agent(model_settings=ModelSettings(include_usage=True))
    result = Runner.run_streamed(guide, text("usage=13/8/4 reasoning=2"))
    said = ""
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            said += event.data.delta
    same((said, result.final_output, figures(result)), (TEXT, TEXT, (1, 13, 8, 4, 2)))

    settings = ModelSettings(include_usage=True)
    result = Runner.run_streamed(agent(tools=[weather], model_settings=settings), text("tool_call usage=7/7"))
    async for _ in result.stream_events():
        pass
    same((result.final_output, figures(result)), (TEXT, (2, 48, 10, 0, 0)))


async def labelled():
    labels = {"metadata": {"tags": ["team-a"], "job": "j-1"}}
    settings = ModelSettings(
        max_tokens=64, reasoning=Reasoning(effort="low"), extra_headers={"x-own": "1"},
        extra_body=labels, extra_args={"user": "u-77"}, extra_query={"q": "1"},
    )
    result = await Runner.run(agent(model="thinker", model_settings=settings), text("usage=77/1"))
    same(result.final_output, TEXT)
    await afails(litellm.RateLimitError, Runner.run(agent(), text("status=429")))
    await afails(litellm.BadRequestError, Runner.run(agent(), text("status=400")))


async def main():
    for part in (whole, streamed, labelled):
        await part()
    # After the 429 the client itself has asked twice more.
    rows = balance(calls=14)
    [row] = [row for row in rows if row["prompt_tokens"] == 77]
    same(row["end_user"], "u-77")
    assert "team-a" in row["request_tags"], row


asyncio.run(main())
