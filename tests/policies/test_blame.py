"""Which limit a refusal blames."""

from __future__ import annotations

import pytest

from brim.policies.blame import Timing, blamed_place, blames_crowd, is_no_crowd, named_rate, shows_less
from brim.values import Answer, Dimension, Failure, FailureKind, LimitLevel

ASKED = (1.0, 200.0, 200.0, 0.0)


def refusal(message: str, wait: float = 0.0) -> Failure:
    return Failure(kind=FailureKind.THROTTLED, message=message, retry_after=wait, exact_wait=wait)


def answer(left: float | None) -> Answer:
    levels = [LimitLevel(Dimension.REQUESTS, 60.0, left, None)]
    return Answer(outcome=refusal("slow down"), sent_at=1.0, ended_at=2.0, levels=levels)


@pytest.mark.parametrize(("left", "is_less"), [(0.0, True), (5.0, False), (None, False)])
def test_headers_tell_a_rate_from_a_cap_on_calls_at_once(left: float | None, *, is_less: bool) -> None:
    """
    A limit that is shown as used up explains its refusal.
    """
    assert shows_less(answer(left), ASKED) is is_less
    assert is_no_crowd(answer(left), refusal("slow down"), ASKED) is is_less


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ("Rate limit reached for requests", 0),
        ("Too many requests", 0),
        ("Rate limit reached on tokens per min (TPM)", 1),
        ("exceeds your limit of 30,000 input tokens per minute", 2),
        ("exceeds your limit of 8,000 output tokens per minute", 3),
    ],
)
def test_words_name_what_was_used_up(message: str, place: int) -> None:
    """
    Tokens are named as tokens; whatever else is said counts requests, or how many there are at once.
    """
    assert blamed_place(refusal(message)) == place
    assert is_no_crowd(answer(None), refusal(message), ASKED) is (place > 0)


@pytest.mark.parametrize(
    ("message", "rate", "is_crowd"),
    [
        ("on requests per min (RPM): Limit 90, Used 90, Requested 1", 1.5, False),
        ("exceeded your per-minute rate limit", None, False),
        ("Number of concurrent connections has exceeded your rate limit", None, True),
    ],
)
def test_words_tell_a_rate_from_a_cap_on_calls_at_once(message: str, rate: float | None, *, is_crowd: bool) -> None:
    """
    What speaks of a period limits a rate, whatever its size; what speaks of calls at once does not.
    """
    assert named_rate(refusal(message)) == rate
    assert blames_crowd(refusal(message)) is is_crowd
    assert is_no_crowd(answer(0.0 if is_crowd else None), refusal(message), ASKED) is not is_crowd


def test_waits_that_differ_are_those_for_a_rate() -> None:
    """
    A server that always names the same wait may mean anything by it; none that is exact is no proof.
    """
    timing = Timing()
    for wait in (0.5, 0.5, 0.5, 0.0):
        timing.named(refusal("slow down", wait))
    assert not timing.is_rate

    for wait in (0.12, 0.31):
        timing.named(refusal("slow down", wait))
    assert timing.is_rate
