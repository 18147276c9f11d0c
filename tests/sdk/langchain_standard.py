"""langchain-tests' standard chat-model suite on `ChatOpenAI`, before crossfade at 100 %.

The suite is LangChain's own and runs as it is: its unit tests, and its integration tests once for
each way in which a model is held to a schema. Two things are added. The pictures and documents that
it downloads are small ones made here, because tests keep to the loopback. And after each test every
answer must have come from Bedrock, unless the test is listed in `STAYS` with the reason for which
crossfade leaves the call where it was.
"""

import base64
import collections
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.integration_tests import chat_models as suite
from langchain_tests.unit_tests import ChatModelUnitTests

from checks import Emulator, url

AT_100 = url("CROSSFADE_TEST_AT_100")
ORIGINAL = Emulator(url("CROSSFADE_TEST_OPENAI_CONTROL"))
BEDROCK = Emulator(url("CROSSFADE_TEST_BEDROCK_CONTROL"))

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
PAPER = b"%PDF-1.4\n%%EOF\n"

# Tests of which a call may stay with the original: what crossfade says of it in the answer's head.
STAYS = {
    "test_anthropic_inputs": {"unknown_field"},
    "test_image_inputs": {"image_url_remote"},
    "test_json_mode": {"json_object"},
    # Bedrock compiles only schemas that are closed (`additionalProperties: false`). LangChain closes
    # those of pydantic classes; a `TypedDict` or a schema goes out open unless `strict=True`.
    "test_structured_output": {"json_schema"},
    "test_structured_output_async": {"json_schema"},
    "test_structured_output_optional_param": {"json_schema"},
    # By `parallel_tool_calls: false`, which not every model can be told.
    "test_structured_output_pydantic_2_v1": {"json_schema", "parallel_tool_calls"},
}

# The arm and the reason of each answer of the running test, and of all tests.
ANSWERS = []
ALL_ANSWERS = []


def note(response):
    """An event hook of the HTTP client: who answered."""
    arm = response.headers.get("x-crossfade-arm")
    ANSWERS.append((arm, response.headers.get("x-crossfade-reason")))


async def note_later(response):
    note(response)


@pytest.fixture(autouse=True)
def local_files(monkeypatch):
    """What the suite would download."""

    def get(address, **_):
        return SimpleNamespace(content=PAPER if address.endswith(".pdf") else PIXEL)

    monkeypatch.setattr(suite, "httpx", SimpleNamespace(get=get))


@pytest.fixture(autouse=True)
def answered_by_bedrock(request):
    if request.node.get_closest_marker("vcr"):
        # Skipped, and its recorder is in the way of the control calls.
        yield
        return
    for emulator in (ORIGINAL, BEDROCK):
        emulator.reset()
    ANSWERS.clear()
    yield
    ALL_ANSWERS.extend(ANSWERS)
    allowed = STAYS.get(request.node.originalname, set())
    others = [(arm, why) for arm, why in ANSWERS if arm != "bedrock" and why not in allowed]
    assert not others, f"not answered by Bedrock: {others}"


class Standard:
    """What the suite must know of the model under test."""

    model_name = ""

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {
            "model": self.model_name,
            "base_url": f"{AT_100}/v1",
            "api_key": "dummy",
            "max_retries": 0,
            "stream_usage": True,
            "http_client": httpx.Client(event_hooks={"response": [note]}),
            "http_async_client": httpx.AsyncClient(event_hooks={"response": [note_later]}),
        }

    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_json_mode = True
    supports_anthropic_inputs = True
    supports_model_override = True
    model_override_value = "gpt-4o-mini"
    supported_usage_metadata_details = {
        "invoke": ["cache_read_input", "cache_creation_input"],
        "stream": ["cache_read_input", "cache_creation_input"],
    }

    def invoke_with_cache_read_input(self, *, stream=False):
        return self._cached(stream)

    def invoke_with_cache_creation_input(self, *, stream=False):
        return self._cached(stream)

    def _cached(self, stream):
        BEDROCK.plays("cache", read=7, write=9, times=1)
        model = ChatOpenAI(**self.chat_model_params)
        if not stream:
            return model.invoke("Hello")
        whole = None
        for chunk in model.stream("Hello"):
            whole = chunk if whole is None else whole + chunk
        assert isinstance(whole, AIMessage)
        return whole


class TestHeldBySchema(Standard, ChatModelIntegrationTests):
    """A model that Bedrock itself holds to a schema."""

    model_name = "gpt-4o"


class TestHeldByTool(Standard, ChatModelIntegrationTests):
    """A model that is held to a schema by a tool; its operator accepts `json_object`."""

    model_name = "gpt-4.1"


class TestUnit(ChatModelUnitTests):
    """The part of the suite that asks nobody."""

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {"model": "gpt-4o", "api_key": "dummy"}

    @property
    def init_from_env_params(self):
        return (
            {"OPENAI_API_KEY": "api_key", "OPENAI_API_BASE": "http://127.0.0.1:1/v1"},
            {"model": "gpt-4o"},
            {"openai_api_key": "api_key", "openai_api_base": "http://127.0.0.1:1/v1"},
        )

    @pytest.mark.xfail(reason="compares with a snapshot that is in LangChain's repository only")
    def test_serdes(self, *arguments):
        """How `ChatOpenAI` is written to a file; nobody is asked."""
        super().test_serdes(*arguments)


class Tally:
    """Says at the end how many answers came from which arm, and why those that stayed did."""

    def pytest_terminal_summary(self, terminalreporter):
        # pytest has imported this file a second time, and run the tests in that module.
        answers = sys.modules[Path(__file__).stem].ALL_ANSWERS
        counts = collections.Counter(f"{arm} ({why})" if why else arm for arm, why in answers)
        line = ", ".join(f"{kind} {count}" for kind, count in counts.most_common())
        assert answers, "nobody was asked"
        terminalreporter.write_line(f"answers: {line}")


if __name__ == "__main__":
    # `-c`: no configuration of a folder above counts. Skipped and expected failures are listed.
    options = ["-c", "/dev/null", "--rootdir", ".", "-p", "no:cacheprovider", "-W", "ignore"]
    options += ["-q", "-rsxXfE", "--tb=short", "--asyncio-mode=auto", "--benchmark-disable"]
    sys.exit(pytest.main([*options, __file__, *sys.argv[1:]], plugins=[Tally()]))
