"""Values as people type them: parameters, files, windows; and what is said where they can't be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.config import Window
from brim.errors import ConfigError
from brim.surfaces.params import LIMIT_FLAGS, parse_params, parse_window, spell_limits, text_or_file


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("temperature=0", {"temperature": 0}),
        ('stop=["a", "b"]', {"stop": ["a", "b"]}),
        ("user=alice", {"user": "alice"}),
        ("note=a=b", {"note": "a=b"}),
        ("empty=", {"empty": ""}),
        ("flag=true", {"flag": True}),
    ],
)
def test_a_value_is_json_if_it_can_be(pair: str, expected: dict[str, object]) -> None:
    """
    Numbers, lists and truth values are read as JSON, everything else is text.
    """
    assert parse_params([pair]) == expected


def test_a_file_holds_text_or_json(tmp_path: Path) -> None:
    """
    `@FILE` reads a file, without the line break at its end.
    """
    text, schema = tmp_path / "t.txt", tmp_path / "s.json"
    text.write_text("Say {word}.\n")
    schema.write_text('{"type": "json_object"}')

    assert text_or_file(f"@{text}") == "Say {word}."
    assert text_or_file("plain") == "plain"
    assert text_or_file(None) is None
    assert parse_params([f"response_format=@{schema}"]) == {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["temperature"], "should look like key=value"),
        (["=1"], "should look like key=value"),
        (["a=1", "a=2"], "--param a is given twice"),
        (["a=@missing.json"], "can't read missing.json: No such file or directory"),
    ],
)
def test_says_what_is_wrong_with_a_parameter(pairs: list[str], said: str) -> None:
    """
    No equals sign, no key, twice the same, a file that is not there.
    """
    with pytest.raises(ConfigError, match=said):
        parse_params(pairs)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "requests_per_minute": st.none() | st.floats(1, 1e9),
            "concurrency": st.integers(1, 10_000),
            "windows": st.lists(
                st.builds(Window, requests=st.integers(1, 999), seconds=st.integers(1, 9_999)), max_size=3
            ),
        },
    )
)
def test_limits_are_spelt_as_one_types_them(limits: dict[str, Any]) -> None:
    """
    The options give back the same limits; what is not there is not spelt, what is not stated is `none`.
    """
    words = spell_limits({**limits, **({"windows": tuple(limits["windows"])} if "windows" in limits else {})}).split()

    typed: dict[str, list[str]] = {}
    for flag, word in zip(words[::2], words[1::2], strict=True):
        typed.setdefault(flag, []).append(word)
    assert set(typed) == {LIMIT_FLAGS[name] for name in limits}
    if limits.get("requests_per_minute"):
        assert float(typed["--rpm"][0]) == pytest.approx(limits["requests_per_minute"])
    if limits.get("windows"):
        assert [parse_window(word) for word in typed["--limit"]] == limits["windows"]
    for name in ("requests_per_minute", "windows"):
        if name in limits and not limits[name]:
            assert typed[LIMIT_FLAGS[name]] == ["none"]


def test_a_file_that_should_be_json_and_is_not(tmp_path: Path) -> None:
    """
    The message names parameter and file.
    """
    broken = tmp_path / "broken.json"
    broken.write_text("{not json")

    with pytest.raises(ConfigError, match=r"--param schema: .*broken\.json holds no JSON"):
        parse_params([f"schema=@{broken}"])


@pytest.mark.parametrize(
    ("text", "requests", "seconds"),
    [("40/60s", 40, 60.0), ("5/1s", 5, 1.0), ("1000/10m", 1000, 600.0), ("7/m", 7, 60.0), ("3 / 0.5h", 3, 1_800.0)],
)
def test_reads_a_window(text: str, requests: int, seconds: float) -> None:
    """
    Requests over seconds, minutes or hours.
    """
    assert parse_window(text) == Window(requests=requests, seconds=seconds)


@pytest.mark.parametrize("text", ["40", "40/60", "fast", "-1/60s", "40/60d", "0/60s", "4/0s"])
def test_refuses_what_is_no_window(text: str) -> None:
    """
    No unit, no number, nothing at all, or nothing that could ever go.
    """
    with pytest.raises(ConfigError, match="limit"):
        parse_window(text)
