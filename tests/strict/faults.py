"""Requests with one fault each, and who must refuse them: the judge's own test.

A judge that lets everything pass is worth nothing. Every rule of `conversation` and every kind of
constraint of the service model has a request here that breaks it; the request without its fault is
taken.
"""

import json

import conversation
import service_model

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
OPUS_4_7 = "anthropic.claude-opus-4-7"
NOVA = "amazon.nova-lite-v1:0"
MICRO = "amazon.nova-micro-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
MIXTRAL = "mistral.mixtral-8x7b-instruct-v0:1"

PNG = "iVBORw0KGgo="
PDF = "JVBERi0xLjQ="


def sound():
    """A request with a bit of everything, which Claude takes."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    use = {"toolUseId": "t1", "name": "weather", "input": {"city": "Oslo"}}
    result = {"toolUseId": "t1", "content": [{"text": "18 degrees"}]}
    document = {"name": "paper 1", "format": "pdf", "source": {"bytes": PDF}}
    return {
        "system": [{"text": "Be brief."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"text": "Look."},
                    {"image": {"format": "png", "source": {"bytes": PNG}}},
                    {"document": document},
                ],
            },
            {"role": "assistant", "content": [{"text": "I ask."}, {"toolUse": use}]},
            {"role": "user", "content": [{"toolResult": result}, {"text": "And?"}]},
        ],
        "inferenceConfig": {"maxTokens": 99, "temperature": 0.5, "stopSequences": ["END"]},
        "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": schema}}}]},
    }


def minimal():
    """The smallest request, which every model takes."""
    return {"messages": [{"role": "user", "content": [{"text": "Hello."}]}]}


def _with(path, value, start=sound):
    """`start` with `value` at `path`; without that member where the value is None."""
    request = start()
    *way, last = path
    place = request
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return request


def _tool(name="t", **more):
    schema = {"type": "object", "properties": {}}
    return {"toolSpec": {"name": name, "inputSchema": {"json": schema}, **more}}


def _schema(schema):
    text = schema if isinstance(schema, str) else json.dumps(schema)
    structure = {"jsonSchema": {"schema": text, "name": "r"}}
    return {"textFormat": {"type": "json_schema", "structure": structure}}


def _call(identity):
    return {"toolUse": {"toolUseId": identity, "name": "weather", "input": {}}}


_TURN = ("messages", 0, "content")
_SPEC = ("toolConfig", "tools", 0, "toolSpec")
_USER = {"role": "user", "content": [{"text": "Hello."}]}
_REPLY = {"role": "assistant", "content": [{"text": "Hello. "}]}

# What the service model refuses: a part of the sentence that must say so.
OF_THE_MODEL = [
    ("Unknown parameter", CLAUDE, _with(("topK",), 3)),
    ("Unknown parameter", CLAUDE, _with((*_SPEC, "schema"), {})),
    ("Missing required", CLAUDE, _with((*_SPEC, "name"), None)),
    ("Missing required", CLAUDE, _with(("messages", 0, "role"), None)),
    ("Invalid type", CLAUDE, _with(("inferenceConfig", "temperature"), "warm")),
    ("Invalid type", CLAUDE, _with(("system",), "Be brief.")),
    ("Invalid number of parameters", CLAUDE, _with((*_TURN, 0, "image"), {})),
    ("is none of", CLAUDE, _with(("messages", 0, "role"), "developer")),
    ("is none of", CLAUDE, _with(("serviceTier",), {"type": "auto"})),
    ("does not match", CLAUDE, _with((*_SPEC, "name"), "a b")),
    ("does not match", CLAUDE, _with(("messages", 1, "content", 1, "toolUse", "toolUseId"), "a/b")),
    ("at most 64", CLAUDE, _with((*_SPEC, "name"), "n" * 65)),
    ("at least 1", CLAUDE, _with((*_SPEC, "description"), "")),
    ("at most 1", CLAUDE, _with(("inferenceConfig", "temperature"), 1.1)),
    ("at least 1", CLAUDE, _with(("inferenceConfig", "maxTokens"), 0)),
    ("a boolean", CLAUDE, _with(("inferenceConfig", "maxTokens"), True)),
    ("at most 2500", CLAUDE, _with(("inferenceConfig", "stopSequences"), ["x"] * 2501)),
    ("0 entries, at least 1", CLAUDE, _with(("requestMetadata",), {})),
    ("no base64", CLAUDE, _with((*_TURN, 1, "image", "source", "bytes"), "%")),
    ("at least 1", CLAUDE, _with((*_TURN, 1, "image", "source", "bytes"), "")),
    ("belongs into the path", CLAUDE, _with(("modelId",), CLAUDE)),
    ("does not match", "a model", minimal()),
]

# What a rule refuses, by the rule's name.
OF_THE_CONVERSATION = [
    ("user_begins", CLAUDE, {"messages": [_REPLY]}),
    ("user_begins", CLAUDE, {"messages": []}),
    ("roles_alternate", CLAUDE, {"messages": [_USER, _USER]}),
    ("roles_alternate", CLAUDE, {"messages": [_USER, {**_USER, "role": "system"}]}),
    ("turns_have_content", CLAUDE, _with(_TURN, [], minimal)),
    ("texts_are_not_blank", CLAUDE, _with((*_TURN, 0, "text"), " \n")),
    ("texts_are_not_blank", CLAUDE, _with(("system", 0, "text"), " ")),
    ("calls_are_answered_next", CLAUDE, _with(("messages", 2), _USER)),
    ("calls_are_answered_next", CLAUDE, _with(("messages", 1, "content"), [{"text": "No call."}])),
    ("calls_are_answered_next", CLAUDE, {**sound(), "messages": sound()["messages"][:2]}),
    ("call_ids_are_unique", CLAUDE, _with(("messages", 1, "content"), [_call("t1"), _call("t1")])),
    (
        "results_come_first",
        CLAUDE,
        _with(("messages", 2, "content"), sound()["messages"][2]["content"][::-1]),
    ),
    ("blocks_are_where_they_belong", CLAUDE, _with((*_TURN, 0), _call("t0"))),
    ("turns_are_not_mixed", NOVA, sound()),
    ("turns_are_not_mixed", LLAMA, sound()),
    ("tool_blocks_have_tools", CLAUDE, _with(("toolConfig",), None)),
    (
        "arguments_are_objects",
        CLAUDE,
        _with(("messages", 1, "content", 1, "toolUse", "input"), [1]),
    ),
    ("tools_are_distinct", CLAUDE, {**minimal(), "toolConfig": {"tools": [_tool(), _tool()]}}),
    ("tool_schemas_are_objects", CLAUDE, _with((*_SPEC, "inputSchema"), {"json": {}})),
    (
        "tool_schemas_are_objects",
        CLAUDE,
        _with((*_SPEC, "inputSchema", "json", "anyOf"), [{"type": "object"}]),
    ),
    (
        "tool_schemas_are_objects",
        NOVA,
        {**minimal(), "toolConfig": _with((*_SPEC, "inputSchema", "json", "title"), "t")["toolConfig"]},
    ),
    ("tool_schemas_are_objects", CLAUDE, _with((*_SPEC, "strict"), True)),
    ("chosen_tool_exists", CLAUDE, _with(("toolConfig", "toolChoice"), {"tool": {"name": "x"}})),
    ("model_takes_system", MIXTRAL, {**minimal(), "system": [{"text": "x"}]}),
    ("model_takes_tools", MIXTRAL, {**minimal(), "toolConfig": {"tools": [_tool()]}}),
    ("model_takes_tools", LLAMA, {**minimal(), "toolConfig": {"tools": [_tool()]}}),
    ("model_takes_tools", NOVA, {**minimal(), "toolConfig": {"tools": [_tool(strict=False)]}}),
    (
        "model_takes_tools",
        "anthropic.claude-opus-5-5",
        {**minimal(), "toolConfig": {"tools": [_tool()], "toolChoice": {"any": {}}}},
    ),
    ("model_takes_media", MICRO, _with((*_TURN, 0), sound()["messages"][0]["content"][1], minimal)),
    ("model_takes_sampling", CLAUDE, _with(("inferenceConfig", "topP"), 0.5)),
    ("model_takes_sampling", OPUS_4_7, {**minimal(), "inferenceConfig": {"temperature": 0.5}}),
    ("model_takes_sampling", OPUS_4_7, {**minimal(), "inferenceConfig": {"topP": 0.5}}),
    ("model_takes_stops", CLAUDE, _with(("inferenceConfig", "stopSequences"), ["\n"])),
    ("model_takes_stops", NOVA, {**minimal(), "inferenceConfig": {"stopSequences": ["x"] * 5}}),
    ("model_takes_stops", "openai.gpt-5.6", {**minimal(), "inferenceConfig": {"stopSequences": ["x"]}}),
    ("model_goes_on", OPUS_4_7, {"messages": [_USER, _REPLY]}),
    ("model_goes_on", CLAUDE, {"messages": [_USER, _REPLY]}),
    (
        "model_takes_cache_points",
        CLAUDE,
        {**minimal(), "system": [{"cachePoint": {"type": "default"}}] * 5},
    ),
    (
        "model_takes_cache_points",
        LLAMA,
        {**minimal(), "system": [{"cachePoint": {"type": "default"}}]},
    ),
    ("images_are_images", CLAUDE, _with((*_TURN, 1, "image", "format"), "jpeg")),
    ("images_are_images", CLAUDE, _with(_TURN, [sound()["messages"][0]["content"][1]] * 21)),
    ("documents_are_documents", CLAUDE, _with((*_TURN, 2, "document", "name"), "a.pdf")),
    ("documents_are_documents", CLAUDE, _with((*_TURN, 2, "document", "source", "bytes"), PNG)),
    ("documents_are_documents", CLAUDE, _with((*_TURN, 0), sound()["messages"][0]["content"][2])),
    ("answer_schema_is_taken", NOVA, {**minimal(), "outputConfig": _schema({})}),
    ("answer_schema_is_taken", CLAUDE, {**minimal(), "outputConfig": _schema("{")}),
    ("answer_schema_is_taken", CLAUDE, {**minimal(), "outputConfig": _schema({"type": "object"})}),
    ("answer_schema_is_taken", CLAUDE, {**minimal(), "outputConfig": _schema({"minimum": 1})}),
    (
        "extra_fields_are_known",
        CLAUDE,
        {**minimal(), "additionalModelRequestFields": {"reasoning_effort": "low"}},
    ),
    (
        "extra_fields_are_known",
        CLAUDE,
        {**minimal(), "additionalModelRequestFields": {"tool_choice": {}}},
    ),
    (
        "thinking_is_possible",
        CLAUDE,
        _with(
            ("additionalModelRequestFields",),
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
    ),
]

# What is no JSON that a strict reader takes.
UNREADABLE = [b"{", b"[]", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":"\xff"}']


def all_of(model, request):
    """Everything that is found in a request of `ConverseStream`."""
    found = list(service_model.violations("converse-stream", model, request))
    return found or list(conversation.violations(model, request, streamed=True))


def check():
    """How many faults are found as they should be, of how many; prints those that are not."""
    wrong = []
    for model, request in [(CLAUDE, sound()), (NOVA, minimal()), (MIXTRAL, minimal())]:
        if found := all_of(model, request):
            wrong.append(f"a sound request for {model} is refused: {found}")
    for wanted, model, request in OF_THE_MODEL:
        found = list(service_model.violations("converse-stream", model, request))
        if not any(wanted in sentence for sentence in found):
            wrong.append(f"nobody says {wanted!r} of {json.dumps(request)[:200]}, but {found}")
    for wanted, model, request in OF_THE_CONVERSATION:
        found = all_of(model, request)
        if not any(sentence.startswith(f"{wanted}: ") for sentence in found):
            wrong.append(f"{wanted} does not refuse {json.dumps(request)[:200]}, but {found}")
    for body in UNREADABLE:
        try:
            service_model.read(body)
            wrong.append(f"{body!r} is read")
        except ValueError:
            pass
    untested = set(conversation.RULES) - {name for name, _, _ in OF_THE_CONVERSATION}
    wrong += [f"no fault shows that {name} can refuse" for name in sorted(untested)]
    for sentence in wrong:
        print(f"FAILED  {sentence}")
    total = len(OF_THE_MODEL) + len(OF_THE_CONVERSATION) + len(UNREADABLE)
    return total - len(wrong), total
