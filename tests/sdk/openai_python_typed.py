"""openai-python's typed helpers before crossfade: `.parse()`, the stream helper, tools as models.

`gpt-4o` is mapped to a model that Bedrock itself holds to a schema, `gpt-4o-mini` to one that is held
to it by a tool that must be called; the app must not be able to tell. Everything runs at 100 %, and
nothing may reach the original.
"""

import enum

import openai
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI
from openai.lib._parsing import type_to_response_format_param
from pydantic import BaseModel

from checks import Emulator, check, equal, main, raises, url

AT_100 = url("CROSSFADE_TEST_AT_100")
ORIGINAL = Emulator(url("CROSSFADE_TEST_OPENAI_CONTROL"))
BEDROCK = Emulator(url("CROSSFADE_TEST_BEDROCK_CONTROL"))

SETTINGS = {"api_key": "dummy", "max_retries": 0, "timeout": 30}
CLIENT = OpenAI(base_url=f"{AT_100}/v1", **SETTINGS)
NATIVE, BY_TOOL = "gpt-4o", "gpt-4o-mini"
ASK = [{"role": "user", "content": "Plan a walk."}]


class Unit(str, enum.Enum):
    metres = "m"
    miles = "mi"


class Stop(BaseModel):
    place: str
    distance: float
    unit: Unit


class Walk(BaseModel):
    """A walk, with what makes schemas hard: references, nested lists, options."""

    title: str
    stops: list[Stop]
    note: str | None
    dogs: bool


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    days: int


WEATHER = openai.pydantic_function_tool(Weather, name="get_weather")
ASK_WEATHER = [{"role": "user", "content": "What is the weather in Oslo?"}]


def only_bedrock():
    equal(ORIGINAL.requests(), [], "requests of the original")
    assert BEDROCK.requests(), "nobody was asked"


def is_walk(choice):
    """A parsed answer, and no trace of how the model was held to it."""
    message = choice.message
    assert isinstance(message.parsed, Walk), message
    assert isinstance(message.parsed.stops[0].unit, Unit), message.parsed
    equal(Walk.model_validate_json(message.content), message.parsed)
    equal((choice.finish_reason, message.tool_calls, message.refusal), ("stop", None, None))


def is_forecast(choice):
    (call,) = choice.message.tool_calls
    equal((choice.finish_reason, call.function.name), ("tool_calls", "get_weather"))
    assert isinstance(call.function.parsed_arguments, Weather), call


@check("parse() gives a model instance, natively and by a tool")
def _():
    for model in (NATIVE, BY_TOOL):
        answer = CLIENT.chat.completions.parse(model=model, messages=ASK, response_format=Walk)
        is_walk(answer.choices[0])
    only_bedrock()


@check("each mapping holds its model to the schema in its own way")
def _():
    for model, member in ((NATIVE, "outputConfig"), (BY_TOOL, "toolConfig")):
        BEDROCK.reset()
        CLIENT.chat.completions.parse(model=model, messages=ASK, response_format=Walk)
        assert f'"{member}"' in BEDROCK.only_request()["body"], model


@check("the async client parses the same")
async def _():
    async with AsyncOpenAI(base_url=f"{AT_100}/v1", **SETTINGS) as client:
        for model in (NATIVE, BY_TOOL):
            answer = await client.chat.completions.parse(
                model=model, messages=ASK, response_format=Walk
            )
            is_walk(answer.choices[0])
    only_bedrock()


@check("the stream helper grows a typed answer, sync and async")
async def _():
    async with AsyncOpenAI(base_url=f"{AT_100}/v1", **SETTINGS) as client:
        for model in (NATIVE, BY_TOOL):
            request = {"model": model, "messages": ASK, "response_format": Walk}
            with CLIENT.chat.completions.stream(**request) as events:
                grown = [event.parsed for event in events if event.type == "content.delta"]
                is_walk(events.get_final_completion().choices[0])
            assert len(grown) > 1, grown
            equal(set(grown[-1]), set(Walk.model_fields), "members at the end")
            async with client.chat.completions.stream(**request) as events:
                kinds = {event.type async for event in events}
                is_walk((await events.get_final_completion()).choices[0])
            assert {"content.delta", "content.done", "chunk"} <= kinds, kinds
            assert not [kind for kind in kinds if "tool" in kind], kinds
    only_bedrock()


@check("a streamed typed answer has its usage when it is asked for")
def _():
    for model in (NATIVE, BY_TOOL):
        with CLIENT.chat.completions.stream(
            model=model,
            messages=ASK,
            response_format=Walk,
            stream_options={"include_usage": True},
        ) as events:
            usage = events.get_final_completion().usage
        equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)


@check("a tool made of a model comes back as that model")
def _():
    for model in (NATIVE, BY_TOOL):
        request = {"model": model, "messages": ASK_WEATHER, "tools": [WEATHER]}
        is_forecast(CLIENT.chat.completions.parse(**request).choices[0])
        with CLIENT.chat.completions.stream(**request) as events:
            kinds = [event.type for event in events]
            is_forecast(events.get_final_completion().choices[0])
        assert kinds.count("tool_calls.function.arguments.done") == 1, kinds
        assert kinds.count("tool_calls.function.arguments.delta") > 1, kinds
    only_bedrock()


@check("a tool and a typed answer in one request stay, where the model cannot do both")
def _():
    request = {"messages": ASK_WEATHER, "tools": [WEATHER], "response_format": Walk}
    is_forecast(CLIENT.chat.completions.parse(model=NATIVE, **request).choices[0])
    only_bedrock()
    raw = CLIENT.chat.completions.with_raw_response.create(
        model=BY_TOOL,
        messages=ASK_WEATHER,
        tools=[WEATHER],
        response_format=type_to_response_format_param(Walk),
    )
    equal(raw.headers["x-crossfade-reason"], "json_schema")


@check("the async client goes through call, result and typed answer")
async def _():
    async with AsyncOpenAI(base_url=f"{AT_100}/v1", **SETTINGS) as client:
        for model in (NATIVE, BY_TOOL):
            request = {"model": model, "tools": [WEATHER]}
            first = await client.chat.completions.parse(messages=ASK_WEATHER, **request)
            is_forecast(first.choices[0])
            message = first.choices[0].message
            call = message.tool_calls[0]
            result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
            messages = [*ASK_WEATHER, message, result]
            last = await client.chat.completions.parse(messages=messages, **request)
            assert "18 degrees" in last.choices[0].message.content, last
    only_bedrock()


@check("an answer that is cut off raises what the SDK raises for OpenAI's")
def _():
    for model in (NATIVE, BY_TOOL):
        BEDROCK.reset()
        BEDROCK.plays("stop_reason", reason="max_tokens")
        request = {"model": model, "messages": ASK, "response_format": Walk}
        raises(openai.LengthFinishReasonError, CLIENT.chat.completions.parse, **request)
        BEDROCK.reset()
        BEDROCK.plays("stop_reason", reason="content_filtered")
        raises(openai.ContentFilterFinishReasonError, CLIENT.chat.completions.parse, **request)
    only_bedrock()


@check("AzureOpenAI, sync and async, parses, streams and calls tools")
async def _():
    settings = {"azure_endpoint": AT_100, "api_version": "2024-10-21", **SETTINGS}
    client = AzureOpenAI(**settings)
    async with AsyncAzureOpenAI(**settings) as later:
        for model in (NATIVE, BY_TOOL):
            request = {"model": model, "messages": ASK, "response_format": Walk}
            is_walk(client.chat.completions.parse(**request).choices[0])
            is_walk((await later.chat.completions.parse(**request)).choices[0])
            with client.chat.completions.stream(**request) as events:
                is_walk(events.get_final_completion().choices[0])
            async with later.chat.completions.stream(**request) as events:
                is_walk((await events.get_final_completion()).choices[0])
            tools = {"model": model, "messages": ASK_WEATHER, "tools": [WEATHER]}
            is_forecast(client.chat.completions.parse(**tools).choices[0])
    only_bedrock()


if __name__ == "__main__":
    main(ORIGINAL, BEDROCK)
