"""From names to endpoints: prefixes, the SDKs' variables, loopback without a key, and clear refusals."""

from __future__ import annotations

import pytest

from brim.config import Endpoint
from brim.errors import ConfigError
from brim.surfaces.endpoints import resolve, split_model

KEY = "sk-never-shown-0123456789"


def find(spec: str | None, environ: dict[str, str] | None = None, **settings: str | None) -> Endpoint:
    found = {"base_url": None, "api_key": None, **settings}
    endpoint, _ = resolve(spec, base_url=found["base_url"], api_key=found["api_key"], api="chat", environ=environ or {})
    return endpoint


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("openai:gpt-6-luna", ("openai", "gpt-6-luna")),
        ("anthropic:claude-haiku-5-5", ("anthropic", "claude-haiku-5-5")),
        ("local:smollm2", ("local", "smollm2")),
        ("gpt-6-luna", ("openai", "gpt-6-luna")),
        ("llama3.2:1b", ("openai", "llama3.2:1b")),
        ("openai:llama3.2:1b", ("openai", "llama3.2:1b")),
        ("openai:", ("openai", None)),
        (None, ("openai", None)),
    ],
)
def test_only_known_prefixes_are_taken_off(spec: str | None, expected: tuple[str, str | None]) -> None:
    """
    Model names hold colons of their own.
    """
    assert split_model(spec) == expected


def test_reads_the_variables_of_the_official_sdks() -> None:
    """
    Key and base URL come from where the SDKs read them, an argument beats them.
    """
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://relay.example/v1"}

    endpoint = find("m", environ)
    assert endpoint.base_url == "https://relay.example/v1"
    assert endpoint.key is not None
    assert endpoint.key.reveal() == KEY
    assert find("m", environ, base_url="https://other.example").base_url == "https://other.example"
    assert find("anthropic:c", {"ANTHROPIC_API_KEY": KEY}).base_url.startswith("https://api.anthropic.com")


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1:1/v1", "http://[::1]:8080/v1"])
def test_a_server_on_this_machine_needs_no_key(url: str) -> None:
    """
    Loopback is served without a key.
    """
    assert find("m", base_url=url).key is None


def test_says_which_variable_is_missing() -> None:
    """
    Without a key the message names the variable to set.
    """
    with pytest.raises(ConfigError, match=r"no API key for https://api\.anthropic\.com.*set ANTHROPIC_API_KEY"):
        find("anthropic:claude-haiku-5-5")


def test_a_claude_model_without_its_prefix_is_asked_about() -> None:
    """
    A bare `claude-` name would go to the wrong provider.
    """
    with pytest.raises(ConfigError, match="did you mean anthropic:claude-haiku-5-5"):
        find("claude-haiku-5-5", {"OPENAI_API_KEY": KEY})


@pytest.mark.parametrize("url", ["api.example.com/v1", "ftp://api.example.com", "https://", "http://[::1"])
def test_refuses_what_is_no_url(url: str) -> None:
    """
    A base URL that can't be one is refused with the URL named.
    """
    with pytest.raises(ConfigError, match="base URL"):
        find("m", {"OPENAI_API_KEY": KEY}, base_url=url)


@pytest.mark.parametrize("key", ["sk-line\nbreak", "sk-sp ace ", "sk-ключ"])
def test_refuses_a_key_that_no_header_can_carry_without_showing_it(key: str) -> None:
    """
    The message says what is wrong with the key, and not the key.
    """
    with pytest.raises(ConfigError) as raised:
        find("m", {"OPENAI_API_KEY": key})

    assert "API key holds" in str(raised.value)
    assert key.strip() not in str(raised.value)


def test_no_key_is_ever_shown() -> None:
    """
    Neither the endpoint's repr nor its key's gives it away.
    """
    endpoint = find("m", {"OPENAI_API_KEY": KEY})

    assert KEY not in repr(endpoint)
    assert KEY not in f"{endpoint.key} {endpoint.key!r}"


def test_settings_reach_the_dialect() -> None:
    """
    Anthropic's version header and the header that carries the key are settings; an unknown one is refused by name.
    """
    environ = {"ANTHROPIC_API_KEY": KEY}
    settings = {"version": "2026-10-21", "auth": "bearer"}
    _, dialect = resolve("anthropic:c", base_url=None, api_key=None, api="chat", environ=environ, settings=settings)

    headers = dialect.headers(KEY)
    assert headers["anthropic-version"] == "2026-10-21"
    assert "x-api-key" not in headers
    assert headers["authorization"] == f"Bearer {KEY}"
    with pytest.raises(ConfigError, match="has no setting 'colour'"):
        resolve("anthropic:c", base_url=None, api_key=None, api="chat", environ=environ, settings={"colour": "red"})
