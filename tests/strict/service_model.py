"""What Bedrock's own service model says of a request: botocore's copy of it, read and not retold.

botocore checks types, required and unknown members and unions before it sends anything
(`ParamValidator`). Patterns, lengths, ranges and enums it leaves to the service; they are in the same
model, and `_traits` walks them. Rules that no model states are in `conversation`.
"""

import base64
import binascii
import json
import re

import botocore.session
from botocore.validate import ParamValidator

MODEL = botocore.session.get_session().get_service_model("bedrock-runtime")
OPERATIONS = {
    "converse": MODEL.operation_model("Converse").input_shape,
    "converse-stream": MODEL.operation_model("ConverseStream").input_shape,
}


def read(body):
    """The request in `body`, as strictly as JSON can be read; raises `ValueError`."""
    request = json.loads(
        body.decode("utf-8"), object_pairs_hook=_without_twins, parse_constant=_no_constant
    )
    # A lone surrogate is valid as an escape and cannot be written as UTF-8.
    json.dumps(request, ensure_ascii=False).encode("utf-8")
    if not isinstance(request, dict):
        raise ValueError("the body is no object")
    return request


def violations(operation, model, request):
    """What the service model refuses in `request`, as sentences."""
    shape = OPERATIONS[operation]
    if "modelId" in request:
        yield "modelId: it belongs into the path"
    called = {**request, "modelId": model}
    report = ParamValidator().validate(called, shape).generate_report()
    yield from (line for line in report.splitlines() if line)
    yield from _traits(shape, called, "")


def _without_twins(pairs):
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError(f"a key comes twice among {[key for key, _ in pairs]}")
    return members


def _no_constant(name):
    raise ValueError(f"{name} is no JSON")


def _traits(shape, value, place):
    """Constraints that botocore leaves to the service. Wrong types are `ParamValidator`'s to tell."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    if kind == "structure" and isinstance(value, dict):
        for name, member in value.items():
            if name in shape.members:
                yield from _traits(shape.members[name], member, f"{place}.{name}".lstrip("."))
    elif kind == "list" and isinstance(value, list):
        yield from _bounds(shape, len(value), place, "entries")
        for at, member in enumerate(value):
            yield from _traits(shape.member, member, f"{place}[{at}]")
    elif kind == "map" and isinstance(value, dict):
        yield from _bounds(shape, len(value), place, "entries")
        for name, member in value.items():
            yield from _traits(shape.key, name, f"{place}, key {name!r}")
            yield from _traits(shape.value, member, f"{place}.{name}")
    elif kind == "string" and isinstance(value, str):
        yield from _bounds(shape, len(value), place, "characters")
        yield from _string(shape, value, place)
    elif kind == "blob":
        yield from _blob(shape, value, place)
    elif kind in ("integer", "long", "float", "double"):
        if isinstance(value, bool):
            yield f"{place}: a boolean is no number"
        elif isinstance(value, (int, float)):
            yield from _bounds(shape, value, place, "as value")


def _bounds(shape, size, place, what):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"{place}: {size} {what}, at least {least}"
    if most is not None and size > most:
        yield f"{place}: {size} {what}, at most {most}"


def _string(shape, value, place):
    # botocore makes a class of its own of strings with an enum.
    choices = getattr(shape, "enum", None)
    if choices and value not in choices:
        yield f"{place}: {value!r} is none of {choices}"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"{place}: {value!r} does not match {pattern}"


def _blob(shape, value, place):
    try:
        size = len(base64.b64decode(value, validate=True))
    except (TypeError, binascii.Error, ValueError) as error:
        yield f"{place}: no base64: {error}"
    else:
        yield from _bounds(shape, size, place, "bytes")
