"""What Bedrock refuses although its service model allows it: the rules of a conversation.

Each rule is a function that yields what breaks it, and has a name by which `faults` shows that it
can refuse. The sources are the service's own error messages, as its users report them.
"""

import base64
import json
import re

from families import family_of, is_claude, is_nova

RULES = {}


def rule(function):
    """Registers a rule under its name."""
    RULES[function.__name__] = function
    return function


def violations(model, request, streamed):
    """What the rules refuse in a request whose shape is right."""
    call = Call(model, request, streamed)
    for name, broken in RULES.items():
        yield from (f"{name}: {why}" for why in broken(call))


class Call:
    """A request, and what the rules ask of it."""

    def __init__(self, model, request, streamed):
        self.model = model
        self.family = family_of(model)
        self.request = request
        self.streamed = streamed
        self.turns = request.get("messages", [])
        self.system = request.get("system", [])
        self.config = request.get("toolConfig", {})
        self.tools = [tool["toolSpec"] for tool in self.config.get("tools", []) if "toolSpec" in tool]
        self.inference = request.get("inferenceConfig", {})
        self.extra = request.get("additionalModelRequestFields", {})
        self.schema = (
            request.get("outputConfig", {})
            .get("textFormat", {})
            .get("structure", {})
            .get("jsonSchema", {})
            .get("schema")
        )

    def blocks(self, kind):
        """All blocks of a kind: turn, its number, the block's value."""
        for at, turn in enumerate(self.turns):
            for block in turn["content"]:
                if kind in block:
                    yield turn, at, block[kind]

    def has(self, kind):
        return any(True for _ in self.blocks(kind))


def _kinds(turn):
    return [kind for block in turn["content"] for kind in block]


def _ids(turn, kind):
    return [block[kind]["toolUseId"] for block in turn["content"] if kind in block]


def _twins(values):
    return sorted({value for value in values if values.count(value) > 1})


def _blank(text):
    return not text.strip()


@rule
def user_begins(call):
    if not call.turns or call.turns[0]["role"] != "user":
        yield "a conversation must start with a user message"


@rule
def roles_alternate(call):
    roles = [turn["role"] for turn in call.turns]
    if "system" in roles:
        yield "a role system that adds or removes no tool"
    for at, (before, after) in enumerate(zip(roles, roles[1:])):
        if before == after:
            yield f"turns {at} and {at + 1} are both the {after}'s"


@rule
def turns_have_content(call):
    for at, turn in enumerate(call.turns):
        if not turn["content"]:
            yield f"turn {at} is empty"


@rule
def texts_are_not_blank(call):
    for _, at, text in call.blocks("text"):
        if _blank(text):
            yield f"a text of turn {at} is blank"
    for block in call.system:
        if _blank(block.get("text", "x")):
            yield "a system text is blank"


@rule
def calls_are_answered_next(call):
    """All results of a turn's calls, and no others, in the turn after it."""
    wanted = []
    for at, turn in enumerate([*call.turns, {"role": "user", "content": []}]):
        results = _ids(turn, "toolResult")
        if sorted(set(results)) != sorted(set(wanted)):
            yield f"turn {at} has the results {results} and should have {wanted}"
        wanted = _ids(turn, "toolUse")


@rule
def call_ids_are_unique(call):
    for at, turn in enumerate(call.turns):
        for kind in ("toolUse", "toolResult"):
            if twins := _twins(_ids(turn, kind)):
                yield f"turn {at} has {kind} blocks with the same id: {twins}"


@rule
def results_come_first(call):
    for at, turn in enumerate(call.turns):
        others = False
        for kind in _kinds(turn):
            if kind == "toolResult" and others:
                yield f"in turn {at} a result comes after something else"
            others |= kind != "toolResult"


@rule
def blocks_are_where_they_belong(call):
    places = {"image": "user", "document": "user", "toolResult": "user", "toolUse": "assistant",
              "reasoningContent": "assistant"}
    for kind, role in places.items():
        for turn, at, _ in call.blocks(kind):
            if turn["role"] != role:
                yield f"{kind} in turn {at}, which is the {turn['role']}'s"


@rule
def turns_are_not_mixed(call):
    """Families that take tool results, or calls, only alone in their turn."""
    for at, turn in enumerate(call.turns):
        kinds = set(_kinds(turn)) - {"cachePoint"}
        if {"toolResult"} < kinds and not call.family.takes("result_and_text"):
            yield f"turn {at}: {sorted(kinds)} cannot be provided in the same turn"
        if {"toolUse"} < kinds and not call.family.takes("use_and_text"):
            yield f"turn {at}: {sorted(kinds)} cannot be provided in the same turn"


@rule
def tool_blocks_have_tools(call):
    if (call.has("toolUse") or call.has("toolResult")) and not call.config:
        yield "toolConfig must be defined when using toolUse and toolResult content blocks"


@rule
def arguments_are_objects(call):
    for _, at, use in call.blocks("toolUse"):
        if not isinstance(use["input"], dict):
            yield f"the input of {use['toolUseId']} in turn {at} is no object"


@rule
def tools_are_distinct(call):
    if twins := _twins([tool["name"] for tool in call.tools]):
        yield f"two tools are called {twins}"


@rule
def tool_schemas_are_objects(call):
    for tool in call.tools:
        schema = tool["inputSchema"].get("json")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            yield f"the schema of {tool['name']} is of no object: {schema!r}"
            continue
        if is_claude(call.model) and {"anyOf", "oneOf", "allOf"} & set(schema):
            yield f"the schema of {tool['name']} has alternatives at its top"
        if is_nova(call.model) and set(schema) - {"type", "properties", "required"}:
            yield f"the schema of {tool['name']} has more at its top than Nova takes"
        if tool.get("strict") and list(_open_objects(schema)):
            yield f"the strict tool {tool['name']} has an object without additionalProperties: false"


@rule
def chosen_tool_exists(call):
    choice = call.config.get("toolChoice", {}).get("tool", {}).get("name")
    if choice and choice not in [tool["name"] for tool in call.tools]:
        yield f"the chosen tool {choice} is not among the tools"


@rule
def model_takes_system(call):
    if call.system and not call.family.takes("system"):
        yield "this model doesn't support system messages"


@rule
def model_takes_tools(call):
    if not call.config:
        return
    if not call.family.takes("tools"):
        yield "this model doesn't support tool use"
    elif call.streamed and not call.family.takes("stream_tools"):
        yield "this model doesn't support tool use in streaming mode"
    for kind, feature in (("any", "any"), ("tool", "named")):
        if kind in call.config.get("toolChoice", {}) and not call.family.takes(feature):
            yield f"this model doesn't support the toolConfig.toolChoice.{kind} field"
    if any("strict" in tool for tool in call.tools) and not call.family.takes("strict"):
        yield "this model doesn't support strict tools"


@rule
def model_takes_media(call):
    for kind in ("image", "document"):
        if call.has(kind) and not call.family.takes(kind):
            yield f"this model doesn't support the {kind} content block that you provided"


@rule
def model_takes_sampling(call):
    given = {"temperature", "topP"} & set(call.inference)
    if given == {"temperature", "topP"} and not call.family.takes("both_samplings"):
        yield "temperature and top_p cannot both be specified for this model"
    # The default is what these models use anyway.
    if call.inference.get("temperature", 1) != 1 and not call.family.takes("sampling"):
        yield "this model takes no temperature"
    if "topP" in given and not call.family.takes("sampling"):
        yield "this model takes no top_p"


@rule
def model_takes_stops(call):
    stops = call.inference.get("stopSequences", [])
    if stops and not call.family.takes("stop"):
        yield "this model takes no stop sequences"
    if any(_blank(stop) for stop in stops) and not call.family.takes("blank_stop"):
        yield "each stop sequence must contain non-whitespace"
    if len(stops) > 4 and is_nova(call.model):
        yield "Nova takes four stop sequences"


@rule
def model_goes_on(call):
    """A last message of the assistant is gone on with, where the model does that."""
    if not call.turns or call.turns[-1]["role"] != "assistant":
        return
    if not call.family.takes("prefill"):
        yield "this model does not support assistant message prefill"
    text = call.turns[-1]["content"][-1].get("text", "x") if call.turns[-1]["content"] else "x"
    if is_claude(call.model) and text != text.rstrip():
        yield "final assistant content cannot end with trailing whitespace"


@rule
def model_takes_cache_points(call):
    tools = sum("cachePoint" in tool for tool in call.config.get("tools", []))
    others = sum("cachePoint" in block for block in call.system)
    others += sum(True for _ in call.blocks("cachePoint"))
    if tools + others > 4:
        yield f"{tools + others} cache points, at most 4"
    if tools and not call.family.takes("cache_tools") or others and not call.family.takes("cache"):
        yield "this model takes no cache point there"


_MAGIC = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff",
    "gif": b"GIF8",
    "webp": b"RIFF",
}


@rule
def images_are_images(call):
    images = list(call.blocks("image"))
    if len(images) > 20:
        yield f"{len(images)} images, at most 20"
    for _, at, image in images:
        data = base64.b64decode(image["source"].get("bytes", ""))
        if not data.startswith(_MAGIC[image["format"]]):
            yield f"an image of turn {at} is no {image['format']}"
        if len(data) > 3.75 * 1024 * 1024:
            yield f"an image of turn {at} exceeds 3.75 MB"


@rule
def documents_are_documents(call):
    names = [document["name"] for _, _, document in call.blocks("document")]
    if twins := _twins(names):
        yield f"duplicate document names: {twins}"
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9 _\-()\[\]]+", name) or "  " in name:
            yield f"the document name {name!r}"
    for at, turn in enumerate(call.turns):
        documents = [block["document"] for block in turn["content"] if "document" in block]
        if len(documents) > 5:
            yield f"{len(documents)} documents in turn {at}, at most 5"
        if documents and "text" not in _kinds(turn):
            yield f"a document and no text in turn {at}"
        for document in documents:
            data = base64.b64decode(document["source"].get("bytes", ""))
            if len(data) > 4.5 * 1024 * 1024:
                yield f"a document of turn {at} exceeds 4.5 MB"
            if document.get("format") == "pdf" and not data.startswith(b"%PDF"):
                yield f"a document of turn {at} is no PDF"


@rule
def answer_schema_is_taken(call):
    if call.schema is None:
        return
    if not call.family.takes("schema"):
        yield "this model doesn't support the outputConfig.textFormat field"
    try:
        schema = json.loads(call.schema)
    except ValueError as error:
        yield f"the schema of the answer is no JSON: {error}"
        return
    if list(_open_objects(schema)):
        yield "the schema of the answer has an object without additionalProperties: false"
    if refused := sorted(set(_keywords(schema)) & _REFUSED_KEYWORDS):
        yield f"the schema of the answer uses {refused}"


_REFUSED_KEYWORDS = {
    "maxItems", "uniqueItems", "contains", "prefixItems", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minProperties", "maxProperties",
    "patternProperties", "propertyNames", "if", "then", "else", "not", "oneOf",
}


def _schemas(schema):
    """A schema and all that are in it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key in ("properties", "$defs", "definitions"):
        for inner in (schema.get(key) or {}).values():
            yield from _schemas(inner)
    for key in ("items", "anyOf", "oneOf", "allOf"):
        inner = schema.get(key)
        for one in inner if isinstance(inner, list) else [inner]:
            yield from _schemas(one)


def _open_objects(schema):
    for inner in _schemas(schema):
        if inner.get("type") == "object" and inner.get("additionalProperties") is not False:
            yield inner


def _keywords(schema):
    for inner in _schemas(schema):
        yield from inner


# What Anthropic's models take beside Converse's own members.
_CLAUDE_TAKES = {"top_k", "thinking", "tool_choice", "output_config", "anthropic_beta"}
_NOVA_TAKES = {"inferenceConfig", "reasoningConfig"}


@rule
def extra_fields_are_known(call):
    if not isinstance(call.extra, dict):
        yield "additionalModelRequestFields is no object"
        return
    for applies, known in ((is_claude, _CLAUDE_TAKES), (is_nova, _NOVA_TAKES)):
        if applies(call.model) and set(call.extra) - known:
            yield f"extraneous keys {sorted(set(call.extra) - known)}"
    choice = call.extra.get("tool_choice")
    if choice is not None and ("type" not in choice or "toolChoice" in call.config):
        yield f"the native tool_choice {choice!r} beside {call.config.get('toolChoice')!r}"


@rule
def thinking_is_possible(call):
    thinking = call.extra.get("thinking") if isinstance(call.extra, dict) else None
    if not is_claude(call.model) or not thinking or thinking.get("type") != "enabled":
        return
    budget = thinking.get("budget_tokens", 0)
    if not 1024 <= budget < call.inference.get("maxTokens", budget + 1):
        yield f"a budget of {budget} tokens with maxTokens {call.inference.get('maxTokens')}"
    if call.inference.get("temperature", 1) != 1 or call.inference.get("topP", 1) < 0.95:
        yield "temperature and top_p are fixed while the model thinks"
    if {"any", "tool"} & set(call.config.get("toolChoice", {})):
        yield "thinking may not be enabled when tool_choice forces tool use"
    if call.has("toolUse"):
        yield "expected a thinking block before the calls of the history"
