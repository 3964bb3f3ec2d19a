"""A conversation within its bound: whole turns, the newest, the system prompt always, nothing forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.errors import InputError
from brim.surfaces.conversation import Conversation
from brim.values import Message, Reply

CALL = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "noon"}


def talk(turns: int, *, max_tokens: int = 100_000, system: str | None = None) -> Conversation:
    """Turns of about 50 tokens."""
    conversation = Conversation(system, max_tokens=max_tokens)
    for number in range(turns):
        conversation.add_user(f"{number} " + "word " * 15)
        conversation.add_reply(Reply(text=f"{number} " + "word " * 15))
    return conversation


def first_words(conversation: Conversation) -> list[str]:
    return [f"{message['role']} {message['content'].split()[0]}" for message in conversation.messages]


def test_what_was_said_is_sent_in_its_order() -> None:
    """
    System prompt first, then questions and answers.
    """
    conversation = Conversation("Be brief.")
    conversation.add_user("ping")
    conversation.add_reply(Reply(text="pong"))
    conversation.add_user("again")

    assert conversation.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "ping"},
        {"role": "assistant", "content": "pong"},
        {"role": "user", "content": "again"},
    ]


def test_the_oldest_turns_are_left_out_and_the_system_prompt_is_not() -> None:
    """
    Over the bound: the newest whole turns, behind the system prompt.
    """
    conversation = talk(4, max_tokens=220, system="Be brief.")

    assert conversation.dropped == 2
    assert first_words(conversation) == [
        "system Be",
        *(f"{who} {n}" for n in (2, 3) for who in ("user", "assistant")),
    ]
    assert conversation.tokens <= 220


def test_several_turns_go_at_once_so_that_the_beginning_stays() -> None:
    """
    What is sent keeps its beginning for several turns: providers cache by it.
    """
    beginnings = [first_words(talk(turns, max_tokens=1_000))[0] for turns in range(1, 60)]
    changes = sum(earlier != later for earlier, later in pairwise(beginnings))

    assert 5 <= changes <= 59 / 4


def test_the_newest_turn_is_sent_however_long() -> None:
    """
    The bound never takes away what is asked.
    """
    conversation = talk(2, max_tokens=150)
    conversation.add_user("long " * 1_000)

    assert [message["role"] for message in conversation.messages] == ["user"]
    assert conversation.tokens > 150


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3)), min_size=1, max_size=30),
    st.integers(1, 400),
)
def test_no_tool_result_without_its_call(turns: list[tuple[int, int]], bound: int) -> None:
    """
    Whatever is left out: the user begins, and each tool's result follows its call.
    """
    conversation = Conversation("Be brief.", max_tokens=bound)
    for words, calls in turns:
        conversation.add_user("word " * words)
        for _ in range(calls):
            conversation.add_reply(Reply(text="", tool_calls=[CALL]))
            conversation.add(RESULT)
        conversation.add_reply(Reply(text="done"))

    system, *sent = conversation.messages
    assert system["role"] == "system"
    assert sent[0]["role"] == "user"
    for before, message in pairwise(sent):
        assert message["role"] != "tool" or "tool_calls" in before
    assert conversation.tokens <= bound or len([m for m in sent if m["role"] == "user"]) == 1


def test_tool_results_in_the_users_name_begin_no_turn() -> None:
    """
    Anthropic's tool results are the user's messages, and belong to the turn of their call.
    """
    use = {"type": "tool_use", "id": "t1", "name": "now", "input": {}}
    conversation = Conversation()
    conversation.add_user("What time is it?")
    conversation.add_reply(Reply(text="Let me see.", tool_calls=[use]))
    conversation.add({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "noon"}]})

    assert conversation.turns == 1
    assert conversation.messages[1]["content"] == [{"type": "text", "text": "Let me see."}, use]


@pytest.mark.parametrize(
    ("reply", "messages"),
    [
        (
            Reply(text="", tool_calls=[CALL]),
            [{"role": "assistant", "content": None, "tool_calls": [CALL]}],
        ),
        (
            Reply(text="", tool_calls=[{"type": "tool_use", "id": "t"}]),
            [{"role": "assistant", "content": [{"type": "tool_use", "id": "t"}]}],
        ),
        (
            Reply(text="so", tool_calls=[{"type": "function_call", "call_id": "c"}]),
            [{"role": "assistant", "content": "so"}, {"type": "function_call", "call_id": "c"}],
        ),
        (Reply(text="", tool_calls=[{"type": "function_call"}]), [{"type": "function_call"}]),
    ],
)
def test_tool_calls_go_back_in_their_providers_form(reply: Reply, messages: list[Message]) -> None:
    """
    Chat, Messages and Responses each have their own.
    """
    conversation = Conversation()
    conversation.add_user("go")
    conversation.add_reply(reply)

    assert conversation.messages[1:] == messages


@pytest.mark.parametrize("message", [{"role": "assistant", "content": "hi"}, RESULT, {"type": "function_call_output"}])
def test_nobody_but_the_user_begins(message: Mapping[str, Any]) -> None:
    """
    What has no turn to belong to is refused.
    """
    with pytest.raises(InputError, match=r"begins with the user, not with (assistant|tool|function_call_output)"):
        Conversation().add(message)


def test_there_is_one_system_prompt() -> None:
    """
    A second one is refused; the first may be changed.
    """
    conversation = talk(1, system="one")
    with pytest.raises(InputError, match="set `system` instead"):
        conversation.add({"role": "system", "content": "two"})
    conversation.system = "two"

    assert first_words(conversation) == ["system two", "user 0", "assistant 0"]


def test_pictures_count_by_the_piece() -> None:
    """
    A megabyte of picture is no million of tokens.
    """
    conversation = Conversation()
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
    conversation.add_user([{"type": "text", "text": "What is this?"}, picture])

    assert 1_500 <= conversation.tokens < 1_600
    assert conversation.messages[0]["content"][1] == picture


def test_a_wider_bound_brings_back_what_was_left_out() -> None:
    """
    Nothing is forgotten.
    """
    conversation = talk(10, max_tokens=200)
    assert conversation.dropped > 0
    conversation.max_tokens = 10_000

    assert conversation.dropped == 0
    assert len(conversation.messages) == 20


def test_a_turn_is_taken_back_whole() -> None:
    """
    The newest question goes with its answer, and gives back the room it took.
    """
    conversation = talk(2, max_tokens=150)
    conversation.add_user("long " * 1_000)
    assert [message["content"][:4] for message in conversation.take_back()] == ["long"]

    assert first_words(conversation) == ["user 0", "assistant 0", "user 1", "assistant 1"]
    assert len(conversation.take_back()) == 2
    conversation.take_back()
    assert conversation.take_back() == []


def test_clearing_leaves_the_system_prompt() -> None:
    """
    Forgotten is what was said, not how to answer.
    """
    conversation = talk(3, system="Be brief.")
    conversation.clear()

    assert conversation.messages == [{"role": "system", "content": "Be brief."}]
    assert conversation.turns == 0


def test_saved_and_loaded_it_is_the_same() -> None:
    """
    All of it is saved, also what is no longer sent, as messages that any API and `brim run` take.
    """
    conversation = talk(10, max_tokens=200, system="Be brief. 简短。")
    loaded = Conversation.from_json(conversation.to_json())

    assert loaded.history == conversation.history
    assert loaded.system == "Be brief. 简短。"
    assert msgspec.json.decode(conversation.to_json())["messages"] == conversation.history
    assert "\n" not in conversation.to_json()


def test_loads_what_others_wrote() -> None:
    """
    Other fields don't matter; a system prompt in parts is one.
    """
    text = '{"model": "m", "messages": [{"role": "developer", "content": [{"type": "text", "text": "Be brief."}]}]}'

    assert Conversation.from_json(text).system == "Be brief."


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no JSON", "no saved conversation"),
        ('{"messages": 1}', "no saved conversation"),
        (b"\xff", "no saved conversation"),
        ('{"messages": [{"role": "assistant"}]}', "begins with the user"),
        ('{"messages": [{"role": "user"}, {"role": "system"}]}', "one system prompt"),
    ],
)
def test_what_is_no_conversation_is_refused(text: str | bytes, why: str) -> None:
    """
    The message says why.
    """
    with pytest.raises(InputError, match=why):
        Conversation.from_json(text)


def test_a_bound_of_nothing_is_refused() -> None:
    """
    At least one token.
    """
    with pytest.raises(InputError, match="give max_tokens of 1 or more"):
        Conversation(max_tokens=0)


def test_shows_how_full_it_is() -> None:
    """
    A glance at it tells what is sent.
    """
    assert repr(talk(1)).startswith("Conversation(turns=1, dropped=0, tokens=")
