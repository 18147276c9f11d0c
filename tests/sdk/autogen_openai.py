"""AutoGen's OpenAI and Azure OpenAI clients before crossfade at 100 %.

The client of `autogen-ext` as AutoGen's agents use it, and one such agent through a whole turn. Nothing
may reach the original unless a check says why.
"""

import base64
import contextlib
import io
import json

from autogen_agentchat.agents import AssistantAgent
from autogen_core import CancellationToken, FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import AzureOpenAIChatCompletionClient, OpenAIChatCompletionClient
from PIL import Image as Picture
from pydantic import BaseModel

from checks import Emulator, check, equal, main, url

AT_100 = url("CROSSFADE_TEST_AT_100")
ORIGINAL = Emulator(url("CROSSFADE_TEST_OPENAI_CONTROL"))
BEDROCK = Emulator(url("CROSSFADE_TEST_BEDROCK_CONTROL"))

# The first is held to a schema by Bedrock itself, the second by a tool.
MODELS = ["gpt-4o", "gpt-4o-mini"]
SETTINGS = {"api_key": "dummy", "max_retries": 0, "timeout": 30}
ASK = [
    SystemMessage(content="You are terse."),
    UserMessage(content="Why is the sky blue?", source="person"),
]
ASK_WEATHER = [UserMessage(content="What is the weather in Oslo?", source="person")]


async def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"18 degrees in {city}"


WEATHER = FunctionTool(get_weather, description="The weather of a city.")


class Song(BaseModel):
    """A song."""

    title: str
    seconds: int


def openai_client(model, **more):
    return OpenAIChatCompletionClient(model=model, base_url=f"{AT_100}/v1", **SETTINGS, **more)


def azure_client(model):
    return AzureOpenAIChatCompletionClient(
        model=model,
        azure_deployment=model,
        azure_endpoint=AT_100,
        api_version="2024-10-21",
        **SETTINGS,
    )


CLIENTS = [openai_client, azure_client]


@contextlib.asynccontextmanager
async def clients():
    """Every kind of client for every model, closed at the end."""
    opened = [make(model) for make in CLIENTS for model in MODELS]
    try:
        yield opened
    finally:
        for client in opened:
            await client.close()


def only_bedrock():
    equal(ORIGINAL.requests(), [], "requests of the original")
    assert BEDROCK.requests(), "nobody was asked"


async def streamed(stream):
    """The pieces of a stream, and the result at its end."""
    *pieces, result = [piece async for piece in stream]
    assert isinstance(result, CreateResult), result
    return pieces, result


@check("create answers with text and usage")
async def _():
    async with clients() as all_clients:
        for client in all_clients:
            result = await client.create(ASK)
            equal(result.finish_reason, "stop")
            assert result.content and result.usage.completion_tokens > 0, result
            equal(client.total_usage(), result.usage)
    only_bedrock()


@check("create_stream says the same in pieces")
async def _():
    async with clients() as all_clients:
        for client in all_clients:
            whole = await client.create(ASK)
            pieces, result = await streamed(client.create_stream(ASK, include_usage=True))
            assert len(pieces) > 2, pieces
            equal("".join(pieces), whole.content)
            equal((result.content, result.finish_reason), (whole.content, "stop"))
            equal(result.usage, whole.usage)
    only_bedrock()


@check("tools are called, whole and streamed")
async def _():
    async with clients() as all_clients:
        for client in all_clients:
            whole = await client.create(ASK_WEATHER, tools=[WEATHER])
            _, result = await streamed(client.create_stream(ASK_WEATHER, tools=[WEATHER]))
            for answer in (whole, result):
                equal(answer.finish_reason, "function_calls")
                (call,) = answer.content
                assert isinstance(call, FunctionCall), answer
                equal(call.name, "get_weather")
                assert await WEATHER.run_json(json.loads(call.arguments), CancellationToken())
    only_bedrock()


@check("the choice of a tool is kept")
async def _():
    async with clients() as all_clients:
        for client in all_clients:
            for choice in ("required", WEATHER):
                result = await client.create(
                    [UserMessage(content="Hello.", source="person")],
                    tools=[WEATHER],
                    tool_choice=choice,
                )
                equal(result.content[0].name, "get_weather")
    only_bedrock()


@check("a call's result is answered")
async def _():
    async with clients() as all_clients:
        for client in all_clients:
            first = await client.create(ASK_WEATHER, tools=[WEATHER])
            (call,) = first.content
            result = FunctionExecutionResult(
                content="18 degrees", call_id=call.id, is_error=False, name=call.name
            )
            history = [
                *ASK_WEATHER,
                AssistantMessage(content=[call], source="agent"),
                FunctionExecutionResultMessage(content=[result]),
            ]
            last = await client.create(history, tools=[WEATHER])
            assert "18 degrees" in last.content, last
    only_bedrock()


@check("json_output with a model gives that model's JSON, whole and streamed")
async def _():
    async with clients() as all_clients:
        for client in all_clients:
            whole = await client.create(ASK, json_output=Song)
            assert Song.model_validate_json(whole.content), whole
            _, result = await streamed(client.create_stream(ASK, json_output=Song))
            equal(result.content, whole.content)
    only_bedrock()


@check("plain JSON stays, unless the operator accepts it")
async def _():
    ask = [UserMessage(content="A song as JSON with 'title' and 'seconds'.", source="person")]
    for model, stays in (("gpt-4o", 1), ("gpt-4.1", 0)):
        for emulator in (ORIGINAL, BEDROCK):
            emulator.reset()
        client = openai_client(model)
        answer = await client.create(ask, json_output=True)
        await client.close()
        equal(set(json.loads(answer.content)), {"title", "seconds"})
        equal((len(ORIGINAL.requests()), len(BEDROCK.requests())), (stays, 1 - stays), model)


@check("a picture is seen")
async def _():
    pixel = io.BytesIO()
    Picture.new("RGB", (2, 2)).save(pixel, "PNG")
    image = Image.from_base64(base64.b64encode(pixel.getvalue()).decode())
    async with clients() as all_clients:
        for client in all_clients:
            ask = [UserMessage(content=["What is this?", image], source="person")]
            assert (await client.create(ask)).content
            assert '"image"' in BEDROCK.requests()[-1]["body"]
    only_bedrock()


@check("an agent calls its tool and says what it brought, whole and streamed")
async def _():
    for model in MODELS:
        for streams in (False, True):
            client = openai_client(model)
            agent = AssistantAgent(
                "agent",
                model_client=client,
                tools=[get_weather],
                max_tool_iterations=2,
                model_client_stream=streams,
            )
            result = await agent.run(task="What is the weather in Oslo?")
            await client.close()
            assert "The tool says: 18 degrees" in result.messages[-1].content, result
    only_bedrock()


@check("an agent that reflects on its tools sends their history without them, which stays")
async def _():
    client = openai_client("gpt-4o")
    agent = AssistantAgent(
        "agent", model_client=client, tools=[get_weather], reflect_on_tool_use=True
    )
    result = await agent.run(task="What is the weather in Oslo?")
    await client.close()
    assert "18 degrees" in result.messages[-1].content, result
    # The call of the tool, and the reflection: Bedrock takes no calls where no tools are defined.
    equal((len(BEDROCK.requests()), len(ORIGINAL.requests())), (1, 1))


@check("an agent answers with a model")
async def _():
    for model in MODELS:
        client = openai_client(model)
        agent = AssistantAgent("agent", model_client=client, output_content_type=Song)
        result = await agent.run(task="Name a song.")
        await client.close()
        assert isinstance(result.messages[-1].content, Song), result
    only_bedrock()


@check("a failure of Bedrock is not noticed")
async def _():
    BEDROCK.plays("error", kind="throttling")
    client = openai_client("gpt-4o")
    assert (await client.create(ASK)).content
    _, result = await streamed(client.create_stream(ASK))
    await client.close()
    equal(result.finish_reason, "stop")
    equal(len(ORIGINAL.requests()), 2)


if __name__ == "__main__":
    main(ORIGINAL, BEDROCK)
