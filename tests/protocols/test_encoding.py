"""What each dialect writes: the user's words untouched, the cap in the server's spelling, nothing invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.errors import ConfigError, InputError
from brim.protocols import Dialect
from brim.protocols.registry import DIALECT_NAMES, find_dialect
from brim.values import Request
from protocols.cases import FIXED

CHAT = find_dialect("openai", base_url=None)
CHAT_ELSEWHERE = find_dialect("openai", base_url="http://localhost:8080/v1")
RESPONSES = find_dialect("openai", base_url=None, api="responses")
MESSAGES = find_dialect("anthropic", base_url=None)

NONE: Mapping[str, Any] = {}
ASK = [{"role": "user", "content": "ping"}]
WITH_SYSTEM = [{"role": "system", "content": "Be brief."}, *ASK]
PICTURE = {"type": "image_url", "image_url": {"url": "https://pictures.example/1.png", "detail": "low"}}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
RESERVED = {
    "model", "messages", "input", "system", "stream", "stream_options", "stop",
    "max_tokens", "max_completion_tokens", "max_output_tokens",
}  # fmt: skip
PARAMS = st.dictionaries(st.text().filter(lambda name: name not in RESERVED), JSON, max_size=4)


def body_of(
    dialect: Dialect,
    messages: Sequence[Mapping[str, Any]] = ASK,
    *,
    cap: int | None = None,
    params: Mapping[str, Any] = NONE,
) -> dict[str, Any]:
    request = Request(messages=messages, params=params, max_tokens=cap)
    return msgspec.json.decode(dialect.encode(request, model="m"), type=dict[str, Any])


def test_injects_nothing() -> None:
    """
    A bare request is the model and the messages, and for Messages the cap that its API demands.
    """
    assert body_of(CHAT) == {"model": "m", "messages": ASK}
    assert body_of(RESPONSES) == {"model": "m", "input": ASK}
    assert body_of(MESSAGES) == {"model": "m", "messages": ASK, "max_tokens": 1024}


@FIXED
@given(params=PARAMS)
def test_unknown_parameters_pass_through(params: dict[str, Any]) -> None:
    """
    Whatever else the user asks for arrives as it was given, in every dialect.
    """
    for dialect in (CHAT, CHAT_ELSEWHERE, RESPONSES, MESSAGES):
        written = msgspec.json.decode(dialect.encode(Request(messages=ASK, params=params), model="m"))

        assert params == {name: written[name] for name in params}


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        (None, "max_completion_tokens"),
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://API.OPENAI.COM", "max_completion_tokens"),
        ("https://api.openai.com.relay.example/v1", "max_tokens"),
        ("https://openrouter.ai/api/v1", "max_tokens"),
        ("http://localhost:8080", "max_tokens"),
    ],
)
def test_chat_spells_the_cap_as_its_host_wants(base_url: str | None, field: str) -> None:
    """
    OpenAI's own host has the new name, every other the old.
    """
    assert body_of(find_dialect("openai", base_url=base_url), cap=9) == {"model": "m", "messages": ASK, field: 9}


@pytest.mark.parametrize("given_cap", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("dialect", [CHAT, CHAT_ELSEWHERE])
def test_a_cap_of_the_row_wins(dialect: Dialect, given_cap: str) -> None:
    """
    A row that holds a cap keeps it, in its own spelling, and gets no second one.
    """
    assert body_of(dialect, cap=9, params={given_cap: 5}) == {"model": "m", "messages": ASK, given_cap: 5}


@pytest.mark.parametrize(
    ("params", "written"),
    [
        ({}, 9),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 5}, 5),
        ({"max_tokens": 4, "max_completion_tokens": 5}, 4),
        ({"max_tokens": None, "max_completion_tokens": 5}, 5),
        ({"max_completion_tokens": None}, 9),
        ({"max_tokens": None}, 9),
    ],
)
def test_messages_has_one_cap(params: dict[str, Any], written: int) -> None:
    """
    The row's own, OpenAI's name renamed, else the request's; null is none.
    """
    assert body_of(MESSAGES, cap=9, params=params) == {"model": "m", "messages": ASK, "max_tokens": written}


@pytest.mark.parametrize(
    ("params", "written"),
    [
        ({}, 9),
        ({"max_output_tokens": 5}, 5),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 4, "max_tokens": 5}, 4),
        ({"max_output_tokens": 3, "max_tokens": 5}, 3),
        ({"max_tokens": None}, 9),
    ],
)
def test_responses_has_one_cap(params: dict[str, Any], written: int) -> None:
    """
    The row's own, Chat's names renamed, else the request's.
    """
    assert body_of(RESPONSES, cap=9, params=params) == {"model": "m", "input": ASK, "max_output_tokens": written}


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES, MESSAGES])
def test_how_the_answer_travels_is_not_asked(dialect: Dialect) -> None:
    """
    A row copied from a streaming program is asked like any other.
    """
    assert body_of(dialect, params={"stream": True, "stream_options": {"include_usage": True}}) == body_of(dialect)


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES, MESSAGES])
def test_the_lane_names_the_model(dialect: Dialect) -> None:
    """
    A model among the parameters can't redirect a request that was admitted for another.
    """
    assert body_of(dialect, params={"model": "other"})["model"] == "m"


def test_chat_messages_pass_through() -> None:
    """
    Tools, images, names and unknown fields of messages arrive as they were given.
    """
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief.", "name": "house"},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, PICTURE]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "1", "content": "a cat", "x": [None, 1.5]},
    ]

    assert messages == body_of(CHAT, messages)["messages"]


@pytest.mark.parametrize(
    ("messages", "given_system", "system"),
    [
        (WITH_SYSTEM, None, "Be brief."),
        ([{"role": "developer", "content": "Be brief."}, *ASK], None, "Be brief."),
        ([*ASK, {"role": "system", "content": "Be brief."}], None, "Be brief."),
        (
            [
                {"role": "system", "content": [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}}]},
                *ASK,
            ],
            None,
            [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}}],
        ),
        (
            [
                {"role": "system", "content": "A"},
                *ASK,
                {"role": "developer", "content": [{"type": "text", "text": "B"}]},
            ],
            None,
            [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}],
        ),
        (
            WITH_SYSTEM,
            "House rules.",
            [{"type": "text", "text": "House rules."}, {"type": "text", "text": "Be brief."}],
        ),
        ([{"role": "system", "content": ""}, *WITH_SYSTEM], None, "Be brief."),
    ],
)
def test_messages_moves_system_to_the_top(messages: list[dict[str, Any]], given_system: object, system: object) -> None:
    """
    One system prompt stays as it is, several become blocks in their order, a parameter's first.
    """
    params = {} if given_system is None else {"system": given_system}

    written = body_of(MESSAGES, messages, params=params)

    assert system == written["system"]
    assert written["messages"] == ASK


def test_messages_writes_no_empty_system() -> None:
    """
    A system prompt without words leaves no field behind.
    """
    assert "system" not in body_of(MESSAGES, [{"role": "system", "content": ""}, *ASK])


@pytest.mark.parametrize(
    ("params", "written"),
    [
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["A", "B"]}, {"stop_sequences": ["A", "B"]}),
        ({"stop": None}, {}),
        ({"stop": "END", "stop_sequences": ["X"]}, {"stop": "END", "stop_sequences": ["X"]}),
        ({"tools": [{"type": "function"}], "seed": 1}, {"tools": [{"type": "function"}], "seed": 1}),
    ],
)
def test_messages_translates_only_what_is_the_same(params: dict[str, Any], written: dict[str, Any]) -> None:
    """
    A stop sequence is one by either name; what has no exact counterpart is left for the API to judge.
    """
    assert body_of(MESSAGES, params=params) == {"model": "m", "messages": ASK, "max_tokens": 1024} | written


def test_messages_leaves_content_alone() -> None:
    """
    Images, tool results and cache marks in messages arrive as they were given.
    """
    messages = [{"role": "user", "content": [PICTURE, {"type": "tool_result", "tool_use_id": "t", "content": "x"}]}]

    assert messages == body_of(MESSAGES, messages)["messages"]


@pytest.mark.parametrize("messages", [[], [{"role": "system", "content": "Be brief."}]])
def test_messages_needs_a_message(messages: list[dict[str, Any]]) -> None:
    """
    A conversation without a turn can't be expressed; the error says what to add.
    """
    with pytest.raises(InputError, match="add one by the user"):
        MESSAGES.encode(Request(messages=messages), model="m")


def test_responses_renames_the_parts_of_a_message() -> None:
    """
    Text and images get the names this API has for them, by the role of who said them; other parts stay.
    """
    messages: list[dict[str, Any]] = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "What?"}, PICTURE, {"type": "input_file", "file_id": "f"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "A cat."}, "odd"]},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]

    assert body_of(RESPONSES, messages)["input"] == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What?"},
                {"type": "input_image", "image_url": "https://pictures.example/1.png", "detail": "low"},
                {"type": "input_file", "file_id": "f"},
            ],
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "A cat."}, "odd"]},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]


def test_responses_takes_an_input_of_its_own() -> None:
    """
    A batch line written for this API has an `input` and no messages.
    """
    assert body_of(RESPONSES, [], params={"input": "ping"}) == {"model": "m", "input": "ping"}


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize("value", ["half \ud83d", object(), {(1, 2): 3}], ids=["surrogate", "object", "key"])
def test_what_json_cannot_carry_is_an_input_error(dialect: Dialect, value: object) -> None:
    """
    A bad value is told as the row's fault, and kills nothing else.
    """
    with pytest.raises(InputError, match="can't be written as JSON"):
        dialect.encode(Request(messages=ASK, params={"user": value}), model="m")


def test_the_key_travels_in_its_header() -> None:
    """
    OpenAI's bearer token; both of Anthropic's headers, since relays read one or the other; none without a key.
    """
    assert CHAT.headers("k-1")["authorization"] == "Bearer k-1"
    assert RESPONSES.headers("k-1")["authorization"] == "Bearer k-1"
    assert {"x-api-key": "k-1", "authorization": "Bearer k-1"}.items() <= MESSAGES.headers("k-1").items()
    for dialect in (CHAT, RESPONSES, MESSAGES):
        assert not {"authorization", "x-api-key", "api-key"} & dialect.headers(None).keys()
        assert dialect.headers(None)["content-type"] == "application/json"


def test_classic_azure_reads_its_own_header() -> None:
    """
    A deployment in the base URL takes `api-key` alone; Azure's v1 surface the bearer token.
    """
    classic = find_dialect("openai", base_url="https://r.openai.azure.com/openai/deployments/small?api-version=1")
    v1 = find_dialect("openai", base_url="https://r.openai.azure.com/openai/v1")

    assert classic.headers("k-1")["api-key"] == "k-1"
    assert "authorization" not in classic.headers("k-1")
    assert v1.headers("k-1")["authorization"] == "Bearer k-1"


@pytest.mark.parametrize(
    ("auth", "sent"),
    [("both", {"x-api-key", "authorization"}), ("x-api-key", {"x-api-key"}), ("bearer", {"authorization"})],
)
def test_messages_auth_and_version_are_settings(auth: str, sent: set[str]) -> None:
    """
    The version header is the one asked for, and the key goes where the setting says.
    """
    dialect = find_dialect("anthropic", base_url=None, version="2026-10-21", auth=auth)

    assert dialect.headers("k-1")["anthropic-version"] == "2026-10-21"
    assert sent == dialect.headers("k-1").keys() & {"x-api-key", "authorization"}


def test_messages_keeps_the_version_that_takes_a_temperature() -> None:
    """
    The newer version refuses sampling parameters, so the older one is the default.
    """
    assert MESSAGES.headers(None)["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize(
    ("name", "api", "settings", "said"),
    [
        ("gemini", "chat", {}, "there is no dialect 'gemini'; there are openai, anthropic"),
        ("anthropic", "responses", {}, "the dialect 'anthropic' has no API 'responses'; it has chat"),
        ("openai", "completions", {}, "the dialect 'openai' has no API 'completions'; it has chat, responses"),
        ("openai", "chat", {"version": "1"}, "the dialect 'openai' has no setting 'version'; it has base_url"),
        ("anthropic", "chat", {"auth": "basic"}, "auth is 'basic'; it must be one of both, x-api-key, bearer"),
    ],
)
def test_an_unknown_dialect_lists_the_known(name: str, api: str, settings: dict[str, str], said: str) -> None:
    """
    A wrong name, API or setting says what there is.
    """
    with pytest.raises(ConfigError) as caught:
        find_dialect(name, base_url=None, api=api, **settings)

    assert str(caught.value).startswith(said)


def test_dialects_say_where_and_with_what_they_go() -> None:
    """
    Name, home, and the official SDKs' environment variables.
    """
    assert DIALECT_NAMES == ("openai", "anthropic")
    for dialect in (CHAT, RESPONSES):
        assert (dialect.name, dialect.default_base_url) == ("openai", "https://api.openai.com/v1")
        assert (dialect.key_variable, dialect.base_url_variable) == ("OPENAI_API_KEY", "OPENAI_BASE_URL")
    assert (MESSAGES.name, MESSAGES.default_base_url) == ("anthropic", "https://api.anthropic.com")
    assert (MESSAGES.key_variable, MESSAGES.base_url_variable) == ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
