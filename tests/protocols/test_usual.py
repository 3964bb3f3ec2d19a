"""The short way to a usual answer and the long one agree."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from brim.protocols import WireResponse
from brim.protocols.openai import OpenAIChat, read_closely
from brim.protocols.usual import usual_reply
from brim.values import FinishReason, Reply, Usage

ODD = st.sampled_from([None, 0, 1, 7, -1, 2.0, 2.5, True, "", "x", "5", [], [1], {}, {"a": 1}, 2**53])
"""What relays put where something else belongs."""


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Odd in one of eight."""
    return st.integers(0, 7).flatmap(lambda luck: ODD if luck == 7 else usual)


def some(*names: str, of: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return dict.fromkeys(names, of)


COUNT = mostly(st.integers(0, 9))
DETAILS = mostly(st.fixed_dictionaries({}, optional=some("cached_tokens", "reasoning_tokens", of=COUNT)))
USAGE = st.fixed_dictionaries(
    some("prompt_tokens", "completion_tokens", of=mostly(st.integers(1, 9))),
    optional=some("prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "input_tokens", "output_tokens", of=COUNT)
    | some("prompt_tokens_details", "completion_tokens_details", "input_tokens_details", of=DETAILS),
)
MESSAGE = st.fixed_dictionaries(
    {"content": mostly(st.sampled_from(["fine", "", [{"type": "text", "text": "part"}]]))},
    optional=some("refusal", "tool_calls", "function_call", "role", of=mostly(st.none())),
)
END = st.sampled_from(["stop", "stop", "length", "tool_calls", "content_filter", "STOP", "stopped"])
CHOICE = st.fixed_dictionaries({"message": mostly(MESSAGE), "finish_reason": mostly(END)})
CHATS = st.fixed_dictionaries(
    {"choices": mostly(st.lists(CHOICE, max_size=2, min_size=1)), "usage": mostly(USAGE)},
    optional=some("model", "id", of=ODD),
)

USUAL: dict[str, Any] = {
    "id": "chatcmpl-1",
    "model": "m-1",
    "choices": [{"message": {"content": "fine", "refusal": None, "tool_calls": []}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}},
}


def answered(body: Any) -> WireResponse:
    return WireResponse(status=200, headers={}, body=msgspec.json.encode(body), received_at=0.0)


@given(CHATS)
@example(USUAL)
def test_both_ways_read_the_same(body: Any) -> None:
    """
    What the short way takes, the long one reads alike.
    """
    response = answered(body)
    usual = usual_reply(response)

    assert usual is None or usual == read_closely(response)
    assert OpenAIChat().decode(response) == read_closely(response)


def test_the_usual_answer_takes_the_short_way() -> None:
    """
    One text, a plain end, plain counts: nothing more has to be looked at.
    """
    assert usual_reply(answered(USUAL)) == Reply(
        text="fine",
        finish_reason=FinishReason.STOP,
        usage=Usage(input_tokens=7, output_tokens=2, cache_read_tokens=3),
        model="m-1",
        request_id="chatcmpl-1",
    )
