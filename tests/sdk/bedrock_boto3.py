"""boto3 as a client of the Bedrock emulator: the emulator speaks the real wire.

botocore signs, frames and parses as every AWS client does, and its service model says what an
answer may look like. A parser that fills gaps proves little, so the raw answers are also held
against that model, member by member.
"""

import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from checks import Emulator, check, equal, main, raises, url

ENDPOINT = url("CROSSFADE_TEST_BEDROCK")
EMULATOR = Emulator(url("CROSSFADE_TEST_BEDROCK_CONTROL"))
NOVA = "amazon.nova-lite-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-lite-v1:0"
HELLO = [{"role": "user", "content": [{"text": "Why is the sky blue?"}]}]
WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            }
        },
    }
}


def client_with(key="emulator-access-key-id", secret="emulator-secret-access-key", token=None):
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=ENDPOINT,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=30, connect_timeout=5),
    )


CLIENT = client_with()
MODEL = CLIENT.meta.service_model


def converse(**request):
    return CLIENT.converse(**{"modelId": NOVA, "messages": HELLO, **request})


def converse_stream(**request):
    """All events of a stream."""
    answer = CLIENT.converse_stream(**{"modelId": NOVA, "messages": HELLO, **request})
    return list(answer["stream"])


def text_of(message):
    return "".join(block.get("text", "") for block in message["content"])


def streamed_text(events):
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return "".join(delta.get("text", "") for delta in deltas)


def validate(shape, value, place, also=()):
    """Fails unless `value`, as it was on the wire, is one of `shape`; `also` names extra members."""
    if shape.type_name == "structure":
        if getattr(shape, "is_document_type", False):
            return
        assert isinstance(value, dict), f"{place}: {value!r} is no object"
        unknown = set(value) - set(shape.members) - set(also)
        assert not unknown, f"{place}: unknown members {unknown}"
        missing = set(shape.required_members) - set(value)
        assert not missing, f"{place}: missing members {missing}"
        if getattr(shape, "is_tagged_union", False):
            equal(len(value), 1, f"{place}: members of a union")
        for name, member in value.items():
            if name in shape.members:
                validate(shape.members[name], member, f"{place}.{name}")
    elif shape.type_name == "list":
        assert isinstance(value, list), f"{place}: {value!r} is no list"
        for at, member in enumerate(value):
            validate(shape.member, member, f"{place}[{at}]")
    elif shape.type_name in ("string", "blob"):
        assert isinstance(value, str), f"{place}: {value!r} is no string"
        assert not getattr(shape, "enum", None) or value in shape.enum, f"{place}: {value!r}"
    elif shape.type_name in ("integer", "long"):
        assert isinstance(value, int) and not isinstance(value, bool), f"{place}: {value!r}"
    else:
        raise AssertionError(f"{place}: nothing checks a {shape.type_name}")


def raw_converse(**request):
    """The body of a `Converse` answer as it was on the wire."""
    bodies = []
    event = "before-parse.bedrock-runtime.Converse"
    handler = lambda response_dict, **_: bodies.append(response_dict["body"])
    CLIENT.meta.events.register(event, handler)
    try:
        converse(**request)
    finally:
        CLIENT.meta.events.unregister(event, handler)
    (body,) = bodies
    return json.loads(body)


def validate_events(**request):
    """Holds every event of a stream, as it was on the wire, against the service model."""
    answer = CLIENT.converse_stream(**{"modelId": NOVA, "messages": HELLO, **request})
    kinds = []
    for frame in answer["stream"]._event_generator:
        headers = frame.headers
        equal(headers[":message-type"], "event")
        equal(headers[":content-type"], "application/json")
        kind = headers[":event-type"]
        shape = MODEL.shape_for("ConverseStreamOutput").members[kind]
        # The service pads events with a member that its model does not name.
        validate(shape, json.loads(frame.payload), kind, also=["p"])
        kinds.append(kind)
    return kinds


@check("Converse answers a plain question")
def _():
    answer = converse()
    message = answer["output"]["message"]
    equal(message["role"], "assistant")
    assert text_of(message), "no text"
    equal(answer["stopReason"], "end_turn")
    usage = answer["usage"]
    equal(usage["totalTokens"], usage["inputTokens"] + usage["outputTokens"], "totalTokens")
    assert answer["metrics"]["latencyMs"] >= 0
    assert answer["ResponseMetadata"]["RequestId"], "no request id"
    equal(EMULATOR.only_request()["model"], NOVA)


@check("ConverseStream answers the same, in events")
def _():
    events = converse_stream()
    equal(events[0], {"messageStart": {"role": "assistant"}})
    equal([next(iter(event)) for event in events[-2:]], ["messageStop", "metadata"])
    assert len([event for event in events if "contentBlockDelta" in event]) > 2, "not streamed"
    equal(events[-2]["messageStop"]["stopReason"], "end_turn")
    usage = events[-1]["metadata"]["usage"]
    equal(usage["totalTokens"], usage["inputTokens"] + usage["outputTokens"], "totalTokens")
    assert streamed_text(events), "no text"


@check("both operations say the same to the same question")
def _():
    equal(streamed_text(converse_stream()), text_of(converse()["output"]["message"]))


@check("answers on the wire are what the service model allows")
def _():
    output = MODEL.operation_model("Converse").output_shape
    validate(output, raw_converse(), "Converse")
    EMULATOR.plays("tool_use", calls=2, text=True, times=1)
    validate(output, raw_converse(toolConfig={"tools": [WEATHER]}), "Converse")
    EMULATOR.plays("reasoning", times=1)
    validate(output, raw_converse(), "Converse")
    EMULATOR.plays("cache", read=7, write=9, times=1)
    validate(output, raw_converse(), "Converse")


@check("events on the wire are what the service model allows")
def _():
    kinds = validate_events()
    equal(kinds[0], "messageStart")
    equal(kinds[-3:], ["contentBlockStop", "messageStop", "metadata"])
    EMULATOR.plays("tool_use", calls=2, text=True, times=1)
    kinds = validate_events(toolConfig={"tools": [WEATHER]})
    equal(kinds.count("contentBlockStart"), 2, "tool blocks")
    for redacted in (False, True):
        EMULATOR.plays("reasoning", redacted=redacted, times=1)
        validate_events()
    EMULATOR.plays("cache", read=7, write=9, times=1)
    validate_events()


@check("frames arrive whole however the body is cut")
def _():
    whole = converse_stream()
    for size in (1, 7, 16):
        EMULATOR.plays("fragment", bytes=size, times=1)
        equal(converse_stream(), whole, f"pieces of {size}")


@check("a model id that is an ARN arrives decoded once")
def _():
    converse_stream(modelId=PROFILE)
    equal(EMULATOR.only_request()["model"], PROFILE)


@check("system, inference settings and several turns are taken")
def _():
    messages = [
        *HELLO,
        {"role": "assistant", "content": [{"text": "Scattering."}]},
        {"role": "user", "content": [{"text": "Say more."}]},
    ]
    answer = converse(
        system=[{"text": "You are terse."}],
        messages=messages,
        inferenceConfig={"maxTokens": 3, "temperature": 0.2, "topP": 0.9},
    )
    equal(answer["stopReason"], "max_tokens")
    equal(answer["usage"]["outputTokens"], 3)


@check("a stop sequence ends the answer before it")
def _():
    whole = text_of(converse()["output"]["message"])
    stop = whole.split()[2]
    answer = converse(inferenceConfig={"stopSequences": [stop]})
    equal(answer["stopReason"], "stop_sequence")
    equal(text_of(answer["output"]["message"]), whole[: whole.index(stop)])


@check("a tool is called, and its result answered")
def _():
    tools = {"tools": [WEATHER], "toolChoice": {"any": {}}}
    answer = converse(toolConfig=tools)
    equal(answer["stopReason"], "tool_use")
    message = answer["output"]["message"]
    (use,) = [block["toolUse"] for block in message["content"] if "toolUse" in block]
    equal(use["name"], "get_weather")
    assert isinstance(use["input"]["city"], str), use
    result = {"toolUseId": use["toolUseId"], "content": [{"text": "18 degrees"}]}
    messages = [*HELLO, message, {"role": "user", "content": [{"toolResult": result}]}]
    answer = converse(messages=messages, toolConfig={"tools": [WEATHER]})
    assert "18 degrees" in text_of(answer["output"]["message"]), answer


@check("a streamed tool call has its arguments in pieces")
def _():
    events = converse_stream(toolConfig={"tools": [WEATHER], "toolChoice": {"any": {}}})
    (start,) = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
    equal(start["start"]["toolUse"]["name"], "get_weather")
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    pieces = [delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta]
    assert len(pieces) > 1, pieces
    assert "city" in json.loads("".join(pieces)), pieces


@check("an image is taken where the model sees")
def _():
    pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
        "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    )
    image = {"image": {"format": "png", "source": {"bytes": pixel}}}
    messages = [{"role": "user", "content": [{"text": "What is this?"}, image]}]
    equal(converse(messages=messages)["stopReason"], "end_turn")
    error = raises(ClientError, converse, messages=messages, modelId="amazon.nova-micro-v1:0")
    equal(error.response["Error"]["Code"], "ValidationException")


# The emulator's name of each error, and what the service model says of it.
ERRORS = {
    "access_denied": "AccessDeniedException",
    "throttling": "ThrottlingException",
    "not_found": "ResourceNotFoundException",
    "model_timeout": "ModelTimeoutException",
    "internal": "InternalServerException",
    "unavailable": "ServiceUnavailableException",
    "validation": "ValidationException",
    "not_ready": "ModelNotReadyException",
    "model_error": "ModelErrorException",
}


@check("every error of the service model surfaces by its code and status")
def _():
    for operation, call in (("Converse", converse), ("ConverseStream", converse_stream)):
        shapes = {shape.name: shape for shape in MODEL.operation_model(operation).error_shapes}
        equal(set(ERRORS.values()), set(shapes), f"errors of {operation}")
        for kind, code in ERRORS.items():
            EMULATOR.plays("error", kind=kind, times=1)
            error = raises(ClientError, call)
            equal(error.response["Error"]["Code"], code)
            assert error.response["Error"]["Message"], code
            equal(type(error), getattr(CLIENT.exceptions, code), "class")
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            equal(status, shapes[code].metadata["error"]["httpStatusCode"], code)


@check("errors outside the service model surface by their code")
def _():
    others = {
        "expired_token": "ExpiredTokenException",
        "unrecognized_client": "UnrecognizedClientException",
        "quota": "ServiceQuotaExceededException",
        "conflict": "ConflictException",
    }
    for kind, code in others.items():
        EMULATOR.plays("error", kind=kind, times=1)
        equal(raises(ClientError, converse).response["Error"]["Code"], code)


@check("a model error names the model's own status")
def _():
    EMULATOR.plays("error", kind="model_error", original_status=503, times=1)
    equal(raises(ClientError, converse).response["originalStatusCode"], 503)


@check("every exception inside a stream surfaces by its code")
def _():
    exceptions = {
        "internal": "internalServerException",
        "model_stream_error": "modelStreamErrorException",
        "validation": "validationException",
        "throttling": "throttlingException",
        "unavailable": "serviceUnavailableException",
    }
    output = MODEL.shape_for("ConverseStreamOutput").members
    wanted = {name for name, shape in output.items() if shape.metadata.get("exception")}
    equal(set(exceptions.values()), wanted, "exceptions of the model")
    for kind, code in exceptions.items():
        for after in (0, 4):
            EMULATOR.plays("stream_exception", kind=kind, after=after, times=1)
            stream = iter(CLIENT.converse_stream(modelId=NOVA, messages=HELLO)["stream"])
            for _ in range(after):
                next(stream)
            error = raises(EventStreamError, next, stream)
            equal(error.response["Error"]["Code"], code)
            assert error.response["Error"]["Message"], code


@check("an error inside a stream surfaces by its code")
def _():
    EMULATOR.plays("stream_error", after=2, times=1)
    equal(raises(EventStreamError, converse_stream).response["Error"]["Code"], "InternalFailure")


@check("a damaged frame is noticed")
def _():
    EMULATOR.plays("bad_crc", after=2, times=1)
    error = raises(Exception, converse_stream)
    equal(type(error).__name__, "ChecksumMismatch")


@check("wrong credentials are refused")
def _():
    wrong = {
        "UnrecognizedClientException": client_with(key="somebody-else"),
        "InvalidSignatureException": client_with(secret="guessed"),
    }
    for code, client in wrong.items():
        error = raises(ClientError, client.converse, modelId=NOVA, messages=HELLO)
        equal(error.response["Error"]["Code"], code)
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 403)
    token = client_with(token="unasked")
    error = raises(ClientError, token.converse, modelId=NOVA, messages=HELLO)
    equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 403)


@check("a conversation that the service would refuse is refused")
def _():
    assistant = {"role": "assistant", "content": [{"text": "Hello."}]}
    use = {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {}}}
    wrong = [
        {"messages": [assistant]},
        {"messages": [*HELLO, *HELLO]},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [{"role": "user", "content": [{"text": " "}]}]},
        {"messages": [*HELLO, {"role": "assistant", "content": [use]}, *HELLO]},
        {"modelId": "no-such-model"},
        {"inferenceConfig": {"temperature": 1.5}},
    ]
    for request in wrong:
        for call in (converse, converse_stream):
            error = raises(ClientError, call, **request)
            equal(error.response["Error"]["Code"], "ValidationException", str(request))


if __name__ == "__main__":
    main(EMULATOR)
