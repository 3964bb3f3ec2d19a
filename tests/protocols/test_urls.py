"""Base URLs in every spelling people paste them in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.protocols.registry import find_dialect
from brim.protocols.urls import host_of
from protocols.cases import FIXED

CHAT = find_dialect("openai", base_url=None)
RESPONSES = find_dialect("openai", base_url=None, api="responses")
MESSAGES = find_dialect("anthropic", base_url=None)

OPENAI_CASES = [
    ("https://api.openai.com", "https://api.openai.com/v1"),
    ("https://api.openai.com/", "https://api.openai.com/v1"),
    ("https://api.openai.com/v1", "https://api.openai.com/v1"),
    ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
    (" https://api.openai.com/v1// ", "https://api.openai.com/v1"),
    ("http://localhost:8080", "http://localhost:8080/v1"),
    ("http://[::1]:11434/v1", "http://[::1]:11434/v1"),
    ("https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
    ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
    ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1"),
    ("https://api.deepseek.com", "https://api.deepseek.com/v1"),
    ("https://api.deepseek.com/beta", "https://api.deepseek.com/beta"),
    (
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        "https://generativelanguage.googleapis.com/v1beta/openai",
    ),
    ("https://api.z.example/api/paas/v4", "https://api.z.example/api/paas/v4"),
    ("https://gateway.example/v1/account/name/openai", "https://gateway.example/v1/account/name/openai"),
    ("https://relay.example/v1.1", "https://relay.example/v1.1"),
    ("https://relay.example/V1", "https://relay.example/V1"),
    ("https://relay.example/vlm", "https://relay.example/vlm/v1"),
    ("https://relay.example/team-beta", "https://relay.example/team-beta/v1"),
    ("https://res.openai.azure.com/openai", "https://res.openai.azure.com/openai/v1"),
    ("https://res.openai.azure.com/openai/v1/", "https://res.openai.azure.com/openai/v1"),
]

MESSAGES_CASES = [
    ("https://api.anthropic.com", "https://api.anthropic.com/v1"),
    ("https://api.anthropic.com/", "https://api.anthropic.com/v1"),
    ("https://api.anthropic.com/v1", "https://api.anthropic.com/v1"),
    ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1"),
    ("https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic/v1"),
    ("https://gateway.example/v1/account/name/anthropic", "https://gateway.example/v1/account/name/anthropic/v1"),
    ("https://api.anthropic.com/v1/messages", "https://api.anthropic.com/v1"),
]


@pytest.mark.parametrize(("base", "root"), OPENAI_CASES)
def test_openai_bases_may_hold_their_version_anywhere(base: str, root: str) -> None:
    """
    A version is added only where the base names none, for both of OpenAI's APIs.
    """
    assert f"{root}/chat/completions" == CHAT.url(base)
    assert f"{root}/responses" == RESPONSES.url(base)


@pytest.mark.parametrize(("base", "root"), MESSAGES_CASES)
def test_messages_bases_hold_their_version_at_the_end_or_not_at_all(base: str, root: str) -> None:
    """
    As with Anthropic's SDK, a version in the middle of the path belongs to the gateway.
    """
    assert f"{root}/messages" == MESSAGES.url(base)


@pytest.mark.parametrize(
    "address",
    [
        "https://api.openai.com/v1/chat/completions",
        "https://models.example/inference/chat/completions",
        "https://models.example/inference/chat/completions/",
    ],
)
def test_a_whole_address_is_taken_as_it_is(address: str) -> None:
    """
    A base that ends in the path of the call gets nothing added, not even a version.
    """
    assert address.rstrip("/") == CHAT.url(address)


def test_a_whole_address_of_the_other_api_is_switched() -> None:
    """
    The path of one call is replaced by that of another.
    """
    assert RESPONSES.url("https://api.openai.com/v1/chat/completions") == "https://api.openai.com/v1/responses"


def test_a_query_moves_to_the_end_and_a_fragment_goes() -> None:
    """
    Azure's classic surface keeps its deployment, gets no version in the path, and its query stays.
    """
    base = "https://res.openai.azure.com/openai/deployments/small?api-version=2024-10-21#top"

    assert CHAT.url(base) == (
        "https://res.openai.azure.com/openai/deployments/small/chat/completions?api-version=2024-10-21"
    )


@FIXED
@given(path=st.lists(st.sampled_from(["v1", "api", "beta", "openai", "v1beta", "x"]), max_size=4))
def test_joining_twice_changes_nothing(path: list[str]) -> None:
    """
    An address that `url` made is a base that gives the same address.
    """
    for dialect in (CHAT, RESPONSES, MESSAGES):
        once = dialect.url("/".join(["https://h.example", *path]))

        assert once == dialect.url(once)


def test_finds_the_host() -> None:
    """
    The host is in lower case, without port, and empty where there is none.
    """
    assert [host_of(url) for url in ("https://API.OpenAI.com:443/v1", "nonsense")] == ["api.openai.com", ""]
