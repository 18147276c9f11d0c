"""openai-python as a client of a running crossfade, sync and async.

Three sidecars stand before the same two emulators: one at 0 %, one at 50 %, one at 100 %, with the
rollback rules off so that one check's failures are not the next one's. Retries of the SDK are off:
what crossfade must hide, it must hide at once.
"""

import functools
import json

import openai
from openai import AsyncOpenAI, AzureOpenAI, OpenAI

from checks import Emulator, check, equal, main, raises, url

AT_0 = url("CROSSFADE_TEST_AT_0")
AT_50 = url("CROSSFADE_TEST_AT_50")
AT_100 = url("CROSSFADE_TEST_AT_100")
ORIGINAL = Emulator(url("CROSSFADE_TEST_OPENAI_CONTROL"))
BEDROCK = Emulator(url("CROSSFADE_TEST_BEDROCK_CONTROL"))

MODEL = "gpt-4o-mini"
BEDROCK_MODEL = "amazon.nova-lite-v1:0"
HELLO = [
    {"role": "system", "content": "You are terse."},
    {"role": "user", "content": "Why is the sky blue?"},
]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
# Where each arm is sure to answer.
ARMS = {"original": AT_0, "bedrock": AT_100}


def settings(base):
    return {"base_url": f"{base}/v1", "api_key": "dummy", "max_retries": 0, "timeout": 30}


@functools.cache
def sdk(base):
    """One client for each sidecar, as an app has: making one takes longer than any check."""
    return OpenAI(**settings(base))


def ask(base, **request):
    """One completion and the headers of its answer."""
    raw = sdk(base).chat.completions.with_raw_response.create(
        **{"model": MODEL, "messages": HELLO, **request}
    )
    return raw.parse(), raw.headers


def stream(base, **request):
    """All chunks of a streamed completion and the headers of its answer."""
    raw = sdk(base).chat.completions.with_raw_response.create(
        **{"model": MODEL, "messages": HELLO, "stream": True, **request}
    )
    return list(raw.parse()), raw.headers


def text_of(chunks):
    """What a caller who adds up the deltas has at the end."""
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    return "".join(delta.content or "" for delta in deltas)


def calls_of(chunks):
    """Tool calls added up by index, as the documentation of the API says."""
    calls = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for part in choice.delta.tool_calls or []:
                call = calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
                call["id"] += part.id or ""
                call["name"] += part.function.name or ""
                call["arguments"] += part.function.arguments or ""
    return [calls[index] for index in sorted(calls)]


def finish_of(chunks):
    """The one finish reason."""
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    (reason,) = [reason for reason in reasons if reason]
    return reason


def answered_by(headers, arm, failover=None, reason=None):
    equal(headers.get("x-crossfade-arm"), arm, "x-crossfade-arm")
    equal(headers.get("x-crossfade-failover"), failover, "x-crossfade-failover")
    equal(headers.get("x-crossfade-reason"), reason, "x-crossfade-reason")


def adds_up(usage):
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0, usage
    equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens, "total_tokens")


@check("a plain call is answered by each arm")
def _():
    for arm, base in ARMS.items():
        completion, headers = ask(base)
        answered_by(headers, arm)
        equal(completion.object, "chat.completion")
        assert completion.id.startswith("chatcmpl-"), completion.id
        assert completion.model.startswith(MODEL), completion.model
        (choice,) = completion.choices
        equal((choice.index, choice.finish_reason), (0, "stop"))
        equal(choice.message.role, "assistant")
        assert choice.message.content, arm
        equal((choice.message.refusal, choice.message.tool_calls), (None, None))
        adds_up(completion.usage)
        assert completion._request_id, "no request id"


@check("the arms are the two providers")
def _():
    ask(AT_0)
    equal((len(ORIGINAL.requests()), len(BEDROCK.requests())), (1, 0), "requests at 0 %")
    ask(AT_100)
    equal((len(ORIGINAL.requests()), len(BEDROCK.requests())), (1, 1), "requests at 100 %")
    equal(BEDROCK.only_request()["model"], BEDROCK_MODEL)


@check("a stream is answered by each arm, chunk by chunk")
def _():
    for arm, base in ARMS.items():
        chunks, headers = stream(base)
        answered_by(headers, arm)
        assert headers["content-type"].startswith("text/event-stream"), headers
        equal({chunk.object for chunk in chunks}, {"chat.completion.chunk"})
        equal(len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}), 1, "identities")
        roles = [choice.delta.role for chunk in chunks for choice in chunk.choices]
        equal([role for role in roles if role], ["assistant"], "roles")
        assert len([chunk for chunk in chunks if text_of([chunk])]) > 2, "not streamed"
        equal(finish_of(chunks), "stop")
        equal([chunk.usage for chunk in chunks if chunk.usage], [], "usage")


@check("streamed and whole answers of an arm are the same")
def _():
    for base in ARMS.values():
        whole, _ = ask(base)
        chunks, _ = stream(base)
        equal(text_of(chunks), whole.choices[0].message.content)


@check("include_usage brings one last chunk with the usage")
def _():
    for base in ARMS.values():
        chunks, _ = stream(base, stream_options={"include_usage": True})
        equal([chunk.usage for chunk in chunks[:-1] if chunk.usage], [], "usage before the end")
        equal(chunks[-1].choices, [])
        adds_up(chunks[-1].usage)
        whole, _ = ask(base)
        equal(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)


@check("the SDK's stream helper accumulates what a whole answer says")
def _():
    for base in ARMS.values():
        whole, _ = ask(base)
        with sdk(base).chat.completions.stream(model=MODEL, messages=HELLO) as events:
            kinds = {event.type for event in events}
            completion = events.get_final_completion()
        assert {"chunk", "content.delta", "content.done"} <= kinds, kinds
        equal(completion.choices[0].message.content, whole.choices[0].message.content)
        equal(completion.choices[0].finish_reason, "stop")


@check("max_tokens and stop end an answer for their reasons")
def _():
    for base in ARMS.values():
        short, _ = ask(base, max_tokens=3)
        equal(short.choices[0].finish_reason, "length")
        equal(short.usage.completion_tokens, 3)
        equal(finish_of(stream(base, max_completion_tokens=3)[0]), "length")
        whole, _ = ask(base)
        word = whole.choices[0].message.content.split()[2]
        stopped, _ = ask(base, stop=[word])
        equal(stopped.choices[0].finish_reason, "stop")
        assert word not in stopped.choices[0].message.content, stopped


@check("a conversation with an image as a data URL is answered by each arm")
def _():
    pixel = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AA"
        "AAMBAQDJ/pLvAAAAAElFTkSuQmCC"
    )
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": pixel}},
    ]
    for arm, base in ARMS.items():
        completion, headers = ask(base, messages=[{"role": "user", "content": content}])
        answered_by(headers, arm)
        assert completion.choices[0].message.content, arm
    (message,) = json.loads(BEDROCK.only_request()["body"])["messages"]
    equal(message["content"][1]["image"]["format"], "png")


@check("a tool is called and its result answered, whole")
def _():
    for arm, base in ARMS.items():
        messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
        completion, headers = ask(base, messages=messages, tools=[WEATHER])
        answered_by(headers, arm)
        (choice,) = completion.choices
        equal((choice.finish_reason, choice.message.content), ("tool_calls", None))
        (call,) = choice.message.tool_calls
        equal((call.type, call.function.name), ("function", "get_weather"))
        assert "city" in json.loads(call.function.arguments), call
        assert 0 < len(call.id) <= 40, call.id
        # The SDK's own object goes back as it is, as every tool loop does it.
        result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
        messages += [choice.message, result]
        completion, headers = ask(base, messages=messages, tools=[WEATHER])
        answered_by(headers, arm)
        assert "18 degrees" in completion.choices[0].message.content, completion
        equal(completion.choices[0].finish_reason, "stop")


@check("parallel tool calls are streamed apart and their results answered")
def _():
    for arm, base in ARMS.items():
        messages = [{"role": "user", "content": "The weather in Oslo and Bergen, in parallel?"}]
        chunks, headers = stream(base, messages=messages, tools=[WEATHER])
        answered_by(headers, arm)
        equal(finish_of(chunks), "tool_calls")
        calls = calls_of(chunks)
        equal([call["name"] for call in calls], ["get_weather"] * 2)
        equal(len({call["id"] for call in calls}), 2, "ids")
        for call in calls:
            assert "city" in json.loads(call["arguments"]), call
        called = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": call["arguments"]},
            }
            for call in calls
        ]
        messages.append({"role": "assistant", "content": None, "tool_calls": called})
        for call, degrees in zip(calls, ("18 degrees", "12 degrees")):
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": degrees})
        chunks, headers = stream(base, messages=messages, tools=[WEATHER])
        answered_by(headers, arm)
        assert "degrees" in text_of(chunks), chunks


@check("the stream helper parses a tool call, forced or without arguments")
def _():
    for base in ARMS.values():
        with sdk(base).chat.completions.stream(
            model=MODEL, messages=HELLO, tools=[WEATHER], tool_choice="required"
        ) as events:
            done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
            completion = events.get_final_completion()
        (call,) = completion.choices[0].message.tool_calls
        equal(done[0].arguments, call.function.arguments)
        assert "city" in json.loads(call.function.arguments), call
    BEDROCK.plays("tool_use", arguments=False)
    chunks, _ = stream(AT_100, tools=[WEATHER])
    equal(json.loads(calls_of(chunks)[0]["arguments"]), {})


@check("a named tool is forced")
def _():
    named = {"type": "function", "function": {"name": "get_weather"}}
    for base in ARMS.values():
        completion, _ = ask(base, tools=[WEATHER], tool_choice=named)
        equal(completion.choices[0].message.tool_calls[0].function.name, "get_weather")


# How Bedrock fails before its first token, and the class that a failover names.
FAILURES = [
    ({"behaviour": "error", "kind": "throttling"}, "throttle"),
    ({"behaviour": "error", "kind": "internal"}, "server"),
    ({"behaviour": "error", "kind": "unavailable"}, "server"),
    ({"behaviour": "error", "kind": "model_error"}, "server"),
    ({"behaviour": "error", "kind": "access_denied"}, "config"),
    ({"behaviour": "error", "kind": "not_found"}, "config"),
    # Whose fault it is shows only when the original has answered, after the header is sent.
    ({"behaviour": "error", "kind": "validation"}, "refused"),
    ({"behaviour": "html", "status": 503}, "server"),
    ({"behaviour": "empty_body"}, "malformed"),
    ({"behaviour": "drop"}, "network"),
    ({"behaviour": "stream_exception", "kind": "throttling", "after": 0}, "throttle"),
    ({"behaviour": "stream_exception", "kind": "model_stream_error", "after": 1}, "server"),
    ({"behaviour": "cut", "after": 1}, "network"),
    ({"behaviour": "cut_in_frame", "after": 1}, "truncated"),
    ({"behaviour": "bad_crc", "after": 1}, "network"),
]


@check("what Bedrock fails before its first token, the original answers")
def _():
    wanted, _ = ask(AT_0)
    for rule, failover in FAILURES:
        for call in (ask, stream):
            BEDROCK.reset()
            BEDROCK.plays(**rule)
            answer, headers = call(AT_100)
            text = answer.choices[0].message.content if call is ask else text_of(answer)
            equal(text, wanted.choices[0].message.content, str(rule))
            try:
                answered_by(headers, "original", failover=failover)
            except AssertionError as error:
                raise AssertionError(f"{rule}: {error}") from None
            BEDROCK.only_request()


@check("a Bedrock that refuses connections is not noticed")
def _():
    BEDROCK.refuse_connections()
    for call in (ask, stream):
        answered_by(call(AT_100)[1], "original", failover="network")


@check("a whole answer that breaks in the middle is not begun")
def _():
    # It commits at its end: what a stream could only report is still failed over.
    for rule, failover in (("cut", "network"), ("cut_in_frame", "truncated")):
        BEDROCK.reset()
        BEDROCK.plays(rule, after=4)
        completion, headers = ask(AT_100)
        answered_by(headers, "original", failover=failover)
        equal(completion.choices[0].finish_reason, "stop")


@check("a model that says nothing is answered with nothing")
def _():
    BEDROCK.plays("no_content")
    completion, headers = ask(AT_100)
    answered_by(headers, "bedrock")
    equal(completion.choices[0].message.content, "")
    chunks, headers = stream(AT_100)
    answered_by(headers, "bedrock")
    equal((text_of(chunks), finish_of(chunks)), ("", "stop"))


@check("a stream that breaks after its first token raises in the SDK")
def _():
    faults = [
        {"behaviour": "cut", "after": 4},
        {"behaviour": "cut_in_frame", "after": 4},
        {"behaviour": "bad_crc", "after": 4},
        {"behaviour": "no_message_stop"},
        {"behaviour": "stream_exception", "kind": "model_stream_error", "after": 4},
        {"behaviour": "stream_exception", "kind": "throttling", "after": 4},
    ]
    for rule in faults:
        BEDROCK.reset()
        ORIGINAL.reset()
        BEDROCK.plays(**rule)
        seen = []

        def read():
            with sdk(AT_100).chat.completions.create(
                model=MODEL, messages=HELLO, stream=True
            ) as chunks:
                for chunk in chunks:
                    seen.append(chunk)

        error = raises(openai.APIError, read)
        assert not isinstance(error, openai.APIConnectionError), f"{rule}: {error!r}"
        assert error.message and error.body["type"], f"{rule}: {error.body!r}"
        assert text_of(seen), f"{rule}: nothing came before the error"
        reasons = [choice.finish_reason for chunk in seen for choice in chunk.choices]
        equal([reason for reason in reasons if reason], [], f"{rule}: finish reasons")
        equal(ORIGINAL.requests(), [], f"{rule}: another model was asked to go on")


@check("the stream helper raises too")
def _():
    BEDROCK.plays("cut", after=4)

    def read():
        with sdk(AT_100).chat.completions.stream(model=MODEL, messages=HELLO) as events:
            for _ in events:
                pass

    raises(openai.APIError, read)


@check("what Bedrock cannot honour stays, for its reason")
def _():
    cases = [
        ({"n": 2}, "n_gt_1"),
        ({"logprobs": True}, "logprobs"),
        ({"temperature": 1.5}, "temperature_range"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"model": "gpt-4-unmapped"}, "unmapped_model"),
        ({"extra_body": {"a_field_of_tomorrow": 1}}, "unknown_field"),
    ]
    for request, reason in cases:
        completion, headers = ask(AT_100, **request)
        answered_by(headers, "original", reason=reason)
        equal(len(completion.choices), request.get("n", 1))
    equal(BEDROCK.requests(), [])


@check("the original's errors are the SDK's")
def _():
    classes = {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        404: openai.NotFoundError,
        429: openai.RateLimitError,
        500: openai.InternalServerError,
        503: openai.InternalServerError,
    }
    for status, kind in classes.items():
        message = f"refused with {status}"
        ORIGINAL.plays("error", status=status, message=message, code="why", times=1)
        error = raises(kind, ask, AT_0)
        equal(error.status_code, status)
        equal((error.body["message"], error.code), (message, "why"))
        assert error.request_id, "no request id"


@check("a wrong key is the original's to refuse")
def _():
    ORIGINAL.plays("error", status=401)
    error = raises(openai.AuthenticationError, ask, AT_0)
    equal(error.code, "invalid_api_key")
    raises(openai.AuthenticationError, sdk(AT_100).models.list)
    equal(BEDROCK.requests(), [])


@check("where both arms fail, the original's error is the answer")
def _():
    BEDROCK.plays("error", kind="throttling")
    ORIGINAL.plays("error", status=429, message="slow down", retry_after_s=7)
    error = raises(openai.RateLimitError, ask, AT_100)
    equal(error.body["message"], "slow down")
    equal(error.response.headers["retry-after"], "7")
    answered_by(error.response.headers, "original", failover="throttle")


@check("the SDK's own retries work through crossfade")
def _():
    ORIGINAL.plays("error", status=503, times=1)
    patient = sdk(AT_0).with_options(max_retries=2)
    assert patient.chat.completions.create(model=MODEL, messages=HELLO).choices
    equal(len(ORIGINAL.requests()), 2)


@check("models and embeddings pass through at any share")
def _():
    for base in (AT_0, AT_50, AT_100):
        client = sdk(base)
        assert MODEL in [model.id for model in client.models.list()], "models"
        answer = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        equal([len(item.embedding) for item in answer.data], [8, 8])
    equal(BEDROCK.requests(), [])


@check("the app's key and headers reach the original and never Bedrock")
def _():
    secret = "dummy-key-of-the-app"
    for base in ARMS.values():
        client = OpenAI(**{**settings(base), "api_key": secret, "organization": "org-of-the-app"})
        client.chat.completions.create(model=MODEL, messages=HELLO)
    (request,) = ORIGINAL.requests()
    headers = {name.lower(): value for name, value in request["headers"]}
    equal(headers["authorization"], f"Bearer {secret}")
    equal(headers["openai-organization"], "org-of-the-app")
    assert "aws" not in json.dumps(request["headers"]).lower(), request["headers"]
    bedrock = json.dumps(BEDROCK.only_request())
    assert secret not in bedrock and "org-of-the-app" not in bedrock, bedrock


@check("a client that leaves in the middle ends the call at the provider")
def _():
    for emulator, base in ((ORIGINAL, AT_0), (BEDROCK, AT_100)):
        emulator.plays("hold", after=4)
        with sdk(base).chat.completions.create(
            model=MODEL, messages=HELLO, stream=True
        ) as chunks:
            for chunk in chunks:
                if text_of([chunk]):
                    break
        emulator.wait_for(lambda requests: [r["ended"] for r in requests] == ["client_left"])


@check("AzureOpenAI is answered by each arm and reaches its deployment")
def _():
    for arm, base in ARMS.items():
        client = AzureOpenAI(
            azure_endpoint=base, api_key="dummy", api_version="2024-10-21", max_retries=0
        )
        raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
        answered_by(raw.headers, arm)
        assert raw.parse().choices[0].message.content, arm
        deployed = AzureOpenAI(
            azure_endpoint=base,
            azure_deployment=MODEL,
            api_key="dummy",
            api_version="2024-10-21",
            max_retries=0,
        )
        chunks = deployed.chat.completions.create(model="ignored", messages=HELLO, stream=True)
        assert text_of(chunks), arm
    path = f"/openai/deployments/{MODEL}/chat/completions?api-version=2024-10-21"
    equal([request["target"] for request in ORIGINAL.requests()], [path] * 2)
    equal([request["model"] for request in BEDROCK.requests()], [BEDROCK_MODEL] * 2)
    headers = {name.lower(): value for name, value in ORIGINAL.requests()[0]["headers"]}
    equal(headers["api-key"], "dummy")


@check("one fixed prompt is one conversation: at 50 % it stays on its arm")
def _():
    def arm_of(prompt, **more):
        messages = [HELLO[0], {"role": "user", "content": prompt}]
        return ask(AT_50, messages=messages, **more)[1]["x-crossfade-arm"]

    for prompt in ("Why is the sky blue?", "Name a river.", "And a mountain?"):
        equal(len({arm_of(prompt) for _ in range(10)}), 1, f"arms of {prompt!r}")
    arms = [arm_of(f"Question {number}") for number in range(100)]
    # Which prompt falls where is frozen, so this can only be what it is.
    assert 35 <= arms.count("bedrock") <= 65, arms.count("bedrock")


@check("the turns of one conversation stay on one arm")
def _():
    for number in range(10):
        messages = [*HELLO[:1], {"role": "user", "content": f"Question {number}"}]
        completion, headers = ask(AT_50, messages=messages)
        arm = headers["x-crossfade-arm"]
        for _ in range(3):
            messages.append(
                {"role": "assistant", "content": completion.choices[0].message.content}
            )
            messages.append({"role": "user", "content": "Say more."})
            completion, headers = ask(AT_50, messages=messages)
            equal(headers["x-crossfade-arm"], arm, f"arm of question {number}")


@check("the async client: whole, streamed, failed over and broken off")
async def _():
    for base in ARMS.values():
        async with AsyncOpenAI(**settings(base)) as client:
            whole = await client.chat.completions.create(model=MODEL, messages=HELLO)
            chunks = await client.chat.completions.create(
                model=MODEL, messages=HELLO, stream=True
            )
            text = text_of([chunk async for chunk in chunks])
            equal(text, whole.choices[0].message.content)
    async with AsyncOpenAI(**settings(AT_100)) as client:
        BEDROCK.plays("error", kind="throttling", times=1)
        raw = await client.chat.completions.with_raw_response.create(
            model=MODEL, messages=HELLO
        )
        answered_by(raw.headers, "original", failover="throttle")
        BEDROCK.plays("cut", after=4, times=1)
        try:
            async for _ in await client.chat.completions.create(
                model=MODEL, messages=HELLO, stream=True
            ):
                pass
        except openai.APIError:
            return
        raise AssertionError("the break was not raised")


if __name__ == "__main__":
    main(ORIGINAL, BEDROCK)
