"""The wire values: no key in a repr, and a fingerprint that names exactly what is asked."""

from __future__ import annotations

from brim.protocols import WireRequest, fingerprint


def test_a_request_shows_no_header() -> None:
    """
    A repr may end up in a log, and one of the headers holds the key.
    """
    request = WireRequest(url="https://h.example/v1", headers={"authorization": "Bearer sk-1"}, body=b"{}")

    assert repr(request) == "WireRequest(url='https://h.example/v1', body=2 bytes)"


def test_a_fingerprint_names_dialect_and_body() -> None:
    """
    The same question has the same 16 bytes, another body or another API others.
    """
    named = {fingerprint(dialect, body) for dialect in ("openai", "anthropic") for body in (b"{}", b"[]")}

    assert fingerprint("openai", b"{}") in named
    assert len(named) == 4
    assert {16} == {len(name) for name in named}
