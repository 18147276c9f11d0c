"""LlamaIndex's OpenAI LLM before crossfade at 100 %.

Every way in which LlamaIndex asks a chat model: complete and chat, whole and streamed, sync and async,
tools, structured answers, pictures. Nothing may reach the original unless a check says why.
"""

import base64
import contextlib

from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI
from pydantic import BaseModel

from checks import Emulator, check, equal, main, url

AT_100 = url("CROSSFADE_TEST_AT_100")
ORIGINAL = Emulator(url("CROSSFADE_TEST_OPENAI_CONTROL"))
BEDROCK = Emulator(url("CROSSFADE_TEST_BEDROCK_CONTROL"))

# The first is held to a schema by Bedrock itself, the second by a tool.
MODELS = ["gpt-4o", "gpt-4o-mini"]
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
ASK = [
    ChatMessage(role=MessageRole.SYSTEM, content="You are terse."),
    ChatMessage(role=MessageRole.USER, content="Why is the sky blue?"),
]


def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"18 degrees in {city}"


WEATHER = FunctionTool.from_defaults(fn=get_weather)


class Song(BaseModel):
    """A song."""

    title: str
    seconds: int
    tags: list[str]


def llm(model, **more):
    return OpenAI(
        model=model,
        api_base=f"{AT_100}/v1",
        api_key="dummy",
        max_retries=0,
        timeout=30,
        **more,
    )


@contextlib.asynccontextmanager
async def later(model):
    """An LLM whose async client is closed before its event loop is."""
    agent = llm(model)
    try:
        yield agent
    finally:
        await agent._get_aclient().close()


def only_bedrock():
    equal(ORIGINAL.requests(), [], "requests of the original")
    assert BEDROCK.requests(), "nobody was asked"


@check("complete and chat, whole and streamed, say the same")
def _():
    for model in MODELS:
        whole = llm(model).complete("Why is the sky blue?").text
        assert whole, model
        pieces = list(llm(model).stream_complete("Why is the sky blue?"))
        assert len(pieces) > 3, pieces
        equal(pieces[-1].text, whole)
        equal("".join(piece.delta for piece in pieces), whole)
        whole = llm(model).chat(ASK).message.content
        pieces = list(llm(model).stream_chat(ASK))
        equal(pieces[-1].message.content, whole)
    only_bedrock()


@check("the async calls say what the sync ones say")
async def _():
    for model in MODELS:
        whole = llm(model).chat(ASK).message.content
        async with later(model) as agent:
            equal((await agent.achat(ASK)).message.content, whole)
            pieces = [piece async for piece in await agent.astream_chat(ASK)]
            equal(pieces[-1].message.content, whole)
            whole = (await agent.acomplete("Name a river.")).text
            pieces = [piece async for piece in await agent.astream_complete("Name a river.")]
            equal(pieces[-1].text, whole)
    only_bedrock()


@check("usage is read, of streams too")
def _():
    for model in MODELS:
        extra = llm(model).chat(ASK).additional_kwargs
        equal(extra["total_tokens"], extra["prompt_tokens"] + extra["completion_tokens"])
        options = {"stream_options": {"include_usage": True}}
        *_, last = llm(model, additional_kwargs=options).stream_chat(ASK)
        equal(last.raw.usage.total_tokens, extra["total_tokens"])
    only_bedrock()


@check("max_tokens and temperature arrive")
def _():
    for model in MODELS:
        answer = llm(model, max_tokens=3, temperature=0.3).chat(ASK)
        equal(answer.raw.choices[0].finish_reason, "length")
        body = BEDROCK.requests()[-1]["body"]
        assert '"maxTokens":3' in body and '"temperature":0.3' in body, body
    only_bedrock()


@check("a tool is called, whole and streamed, sync and async")
async def _():
    for model in MODELS:
        request = {"tools": [WEATHER], "user_msg": "What is the weather in Oslo?"}
        async with later(model) as agent:
            whole = agent.chat_with_tools(**request, allow_parallel_tool_calls=True)
            *_, streamed = agent.stream_chat_with_tools(**request, allow_parallel_tool_calls=True)
            awaited = await agent.achat_with_tools(**request, allow_parallel_tool_calls=True)
        for answer in (whole, streamed, awaited):
            (call,) = agent.get_tool_calls_from_response(answer)
            equal((call.tool_name, set(call.tool_kwargs)), ("get_weather", {"city"}))
            assert call.tool_id, call
    only_bedrock()


@check("a call's result is answered")
def _():
    for model in MODELS:
        agent = llm(model)
        ask = ChatMessage(role=MessageRole.USER, content="What is the weather in Oslo?")
        first = agent.chat_with_tools([WEATHER], chat_history=[ask], allow_parallel_tool_calls=True)
        (call,) = agent.get_tool_calls_from_response(first)
        result = ChatMessage(
            role=MessageRole.TOOL,
            content=get_weather(**call.tool_kwargs),
            additional_kwargs={"tool_call_id": call.tool_id},
        )
        history = [ask, first.message, result]
        last = agent.chat_with_tools([WEATHER], chat_history=history, allow_parallel_tool_calls=True)
        assert "18 degrees" in last.message.content, last
    only_bedrock()


@check("a tool that must be called is called")
def _():
    for model in MODELS:
        answer = llm(model).chat_with_tools(
            [WEATHER], user_msg="Hello.", tool_required=True, allow_parallel_tool_calls=True
        )
        (call,) = llm(model).get_tool_calls_from_response(answer)
        equal(call.tool_name, "get_weather")
    only_bedrock()


@check("one call at a time is kept where the model can be told so, and stays where it cannot")
def _():
    request = {"tools": [WEATHER], "user_msg": "What is the weather in Oslo?"}
    for model, stays in zip(MODELS, (0, 1)):
        agent = llm(model)
        # LlamaIndex says `parallel_tool_calls: false` of itself.
        answer = agent.chat_with_tools(**request)
        equal(len(agent.get_tool_calls_from_response(answer)), 1)
        equal(len(ORIGINAL.requests()), stays, model)


@check("structured_predict fills a model, sync and async")
async def _():
    for model in MODELS:
        prompt = PromptTemplate("Name a song about {subject}.")
        song = llm(model).structured_predict(Song, prompt, subject="rain")
        assert isinstance(song, Song), song
        async with later(model) as agent:
            equal(await agent.astructured_predict(Song, prompt, subject="rain"), song)
    only_bedrock()


@check("a streamed structured answer grows into the model")
def _():
    for model in MODELS:
        prompt = PromptTemplate("Name a song about {subject}.")
        grown = list(llm(model).stream_structured_predict(Song, prompt, subject="rain"))
        assert len(grown) > 3, grown
        song = llm(model).structured_predict(Song, prompt, subject="rain")
        equal(grown[-1].model_dump(), song.model_dump())
    only_bedrock()


@check("as_structured_llm answers with the model")
def _():
    for model in MODELS:
        answer = llm(model).as_structured_llm(Song).chat(ASK)
        assert isinstance(answer.raw, Song), answer
    only_bedrock()


@check("a picture is seen")
def _():
    blocks = [TextBlock(text="What is this?"), ImageBlock(image=PIXEL, image_mimetype="image/png")]
    for model in MODELS:
        answer = llm(model).chat([ChatMessage(role=MessageRole.USER, blocks=blocks)])
        assert answer.message.content, answer
        assert '"image"' in BEDROCK.requests()[-1]["body"], model
    only_bedrock()


@check("a failure of Bedrock is not noticed")
def _():
    wanted = llm("gpt-4o").chat(ASK).message.role
    BEDROCK.plays("error", kind="throttling")
    equal(llm("gpt-4o").chat(ASK).message.role, wanted)
    *_, last = llm("gpt-4o").stream_chat(ASK)
    assert last.message.content, last
    equal(len(ORIGINAL.requests()), 2)


if __name__ == "__main__":
    main(ORIGINAL, BEDROCK)
