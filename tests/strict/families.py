"""What each family of models takes, as far as the service refuses the rest.

From AWS's page of supported models and features and from the errors that users of the service
report. An id that no row knows is refused nothing: this is a judge, and it must not invent.
"""

import dataclasses
import re

EVERYTHING = frozenset(
    ["system", "tools", "stream_tools", "any", "named", "image", "document", "both_samplings",
     "sampling", "strict", "schema", "prefill", "result_and_text", "use_and_text", "cache",
     "cache_tools", "stop", "blank_stop"]
)


@dataclasses.dataclass(frozen=True)
class Family:
    """What the models whose id matches `ids` do not take."""

    name: str
    ids: str
    lacks: frozenset = frozenset()

    def takes(self, feature):
        assert feature in EVERYTHING, feature
        return feature not in self.lacks


def _row(name, ids, lacks):
    lacks = frozenset(lacks.split())
    assert lacks <= EVERYTHING, lacks - EVERYTHING
    return Family(name, ids, lacks)


_OPEN = "prefill strict document cache cache_tools"
_NO_SAMPLING = "sampling both_samplings"

# The first row that matches is the one.
FAMILIES = [
    _row("claude-3", r"claude-3", "strict schema blank_stop"),
    _row("claude-4-1", r"claude-opus-4-1", "schema both_samplings blank_stop"),
    _row("claude-4-5", r"claude-(haiku|sonnet|opus)-4-5", "both_samplings blank_stop"),
    _row("claude-4-6", r"claude-(sonnet|opus)-4-6", "both_samplings prefill blank_stop"),
    _row("claude-4", r"claude-(sonnet|opus)-4(?!-[78])", "strict schema blank_stop"),
    _row(
        "claude-5-5",
        r"claude-(sonnet-5-5|opus-5-5|fable)",
        f"any named strict prefill blank_stop {_NO_SAMPLING}",
    ),
    _row(
        "claude-5",
        r"claude-(opus-4-[78]|sonnet-5|opus-5|haiku-5)",
        f"strict prefill blank_stop {_NO_SAMPLING}",
    ),
    _row("nova-micro", r"nova-micro", "image document strict schema result_and_text cache_tools"),
    _row("nova", r"nova-", "strict schema result_and_text cache_tools"),
    _row(
        "llama",
        r"llama(3-[123]|4)",
        f"any named stream_tools schema result_and_text use_and_text {_OPEN}",
    ),
    _row("llama-3-0", r"llama", f"tools schema image {_OPEN}"),
    _row("mistral-7b", r"mistral-7b|mixtral", f"system tools schema image {_OPEN}"),
    _row("mistral-large", r"mistral-large", f"named stream_tools result_and_text {_OPEN}"),
    _row("deepseek-r1", r"deepseek.r1", f"tools schema image {_OPEN}"),
    _row("deepseek-v3", r"deepseek.v3", f"named image {_OPEN}"),
    _row("gpt-oss", r"gpt-oss", f"schema image {_OPEN}"),
    _row("gpt", r"openai\.gpt-", f"schema stop {_OPEN} {_NO_SAMPLING}"),
    _row("qwen3", r"qwen3", _OPEN),
    _row("titan", r"titan", f"system tools schema image {_OPEN}"),
]

_UNKNOWN = Family("unknown", "")


def family_of(model):
    """The row of a model id, a profile or an ARN that shows its model."""
    tail = model.rsplit("/", 1)[-1]
    return next((row for row in FAMILIES if re.search(row.ids, tail)), _UNKNOWN)


def is_claude(model):
    """Whether Anthropic's own rules apply as well."""
    return "anthropic." in model


def is_nova(model):
    """Whether Amazon's own rules apply as well."""
    return "amazon.nova" in model
