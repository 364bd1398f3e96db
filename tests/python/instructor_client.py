"""instructor's extraction before the gateway: whole, streamed, and again after a wrong answer."""

import asyncio

import instructor
import openai
from instructor.core import InstructorRetryException
from pydantic import BaseModel, field_validator

from stand import KEY, V1, afails, balance, fails, messages, same

ADA = 'says={"name":"Ada","age":36}'


class Person(BaseModel):
    name: str
    age: int

    @field_validator("age")
    @classmethod
    def is_young(cls, age):
        # What it says here is in the next question, and so tells the provider what to answer.
        assert age < 100, f"[[mock: tool_call {ADA} usage=8/8]]"
        return age


def same_people(got, *expected):
    """instructor's answers are of a class that it derives."""
    same([person.model_dump() for person in got], [person.model_dump() for person in expected])


def ask(script, **more):
    return {"model": "mock", "messages": messages(script), "response_model": Person, **more}


def main():
    ada = Person(name="Ada", age=36)
    plain = openai.OpenAI(base_url=V1, api_key=KEY, max_retries=0)
    client = instructor.from_openai(plain)
    person, completion = client.create_with_completion(
        **ask(f"tool_call {ADA} usage=12/34/5 reasoning=7"), max_retries=0
    )
    usage = completion.usage
    same_people([person], ada)
    same((usage.prompt_tokens, usage.completion_tokens), (12, 34))
    same(usage.prompt_tokens_details.cached_tokens, 5)
    same(usage.completion_tokens_details.reasoning_tokens, 7)

    old = 'tool_call says={"name":"Ada","age":360} usage=9/9'
    same_people([client.create(**ask(old), max_retries=2)], ada)
    error = fails(InstructorRetryException, lambda: client.create(**ask(old), max_retries=0))
    same(error.n_attempts, 1)

    *partial, last = client.create_partial(**ask(f"tool_call {ADA}"))
    same((last.name, last.age), ("Ada", 36))
    assert any(piece.age is None for piece in partial), partial
    many = 'tool_call says={"tasks":[{"name":"Ada","age":36},{"name":"Bob","age":7}]}'
    same_people(client.create_iterable(**ask(many)), ada, Person(name="Bob", age=7))
    for mode in (instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA):
        same_people([instructor.from_openai(plain, mode=mode).create(**ask(ADA))], ada)
    labels = {"metadata": {"tags": ["team-a"]}, "user": "u-77"}
    same_people([client.create(**ask(f"tool_call {ADA} usage=77/1"), extra_body=labels)], ada)
    asyncio.run(asynchronous(ada))
    rows = balance(calls=12)
    [row] = [row for row in rows if row["end_user"] == "u-77"]
    same(row["prompt_tokens"], 77)
    assert "team-a" in row["request_tags"], row


async def asynchronous(ada):
    plain = openai.AsyncOpenAI(base_url=V1, api_key=KEY, max_retries=0)
    client = instructor.from_openai(plain)
    same_people([await client.create(**ask(f"tool_call {ADA} usage=2/3"))], ada)
    pieces = [piece async for piece in client.create_partial(**ask(f"tool_call {ADA}"))]
    same((pieces[-1].name, pieces[-1].age), ("Ada", 36))
    await afails(InstructorRetryException, client.create(**ask("status=429"), max_retries=0))
    await plain.close()


main()
