"""Retry decisions: which failures are repeated, how often, and after how long."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brim.errors import ConfigError
from brim.policies.health import Health
from brim.policies.retry import Backoff, StandardRetry, Tries
from brim.values import Answer, Failure, FailureKind, Sent


def fail(kind: FailureKind, **fields: object) -> Failure:
    return Failure(kind=kind, message="no", **fields)  # type: ignore[arg-type] # fields of Failure, by name


def attempts_until_stop(policy: StandardRetry, kind: FailureKind, *, most: int = 100) -> int:
    """How often a request that always fails like this is sent."""
    tries = Tries()
    for number in range(1, most + 1):
        failure = fail(kind)
        tries.count(failure)
        if policy.next_delay(failure, tries) is None:
            return number
    return most


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        (FailureKind.SERVER, 7),
        (FailureKind.CONNECTION, 7),
        (FailureKind.MALFORMED, 7),
        (FailureKind.TIMEOUT, 4),
        (FailureKind.INVALID, 1),
        (FailureKind.TOO_LARGE, 1),
        (FailureKind.REFUSED, 1),
        (FailureKind.QUOTA, 1),
        (FailureKind.DENIED, 1),
        (FailureKind.DAILY, 1),
        (FailureKind.UNKNOWN_MODEL, 1),
        (FailureKind.STOPPED, 1),
        (FailureKind.THROTTLED, 100),
        (FailureKind.OVERLOADED, 100),
    ],
)
def test_every_kind_has_its_number_of_attempts(kind: FailureKind, sent: int) -> None:
    """
    Retryable failures five times, timeouts four times, final ones once, throttled ones without end.
    """
    assert attempts_until_stop(StandardRetry(rng=Random(1)), kind) == sent


def test_every_kind_has_exactly_one_fate() -> None:
    """
    No kind is both waited out and retried, or parks a lane and is repeated.
    """
    for kind in FailureKind:
        assert sum((kind.is_waited_out, kind.is_retried, kind.parks_lane)) <= 1


def test_throttles_do_not_use_up_attempts() -> None:
    """
    Ten throttles between them leave all five attempts to a failing server.
    """
    policy, tries = StandardRetry(rng=Random(1)), Tries()
    for _ in range(10):
        tries.count(fail(FailureKind.THROTTLED))
    for _ in range(4):
        failure = fail(FailureKind.SERVER)
        tries.count(failure)
        assert policy.next_delay(failure, tries) is not None

    assert (tries.attempts, tries.throttles) == (4, 10)


def test_the_servers_wait_beats_a_shorter_backoff() -> None:
    """
    A 500 that says when to come back is not repeated earlier.
    """
    policy, tries = StandardRetry(rng=Random(1)), Tries()
    failure = fail(FailureKind.SERVER, retry_after=90.0)
    tries.count(failure)

    assert policy.next_delay(failure, tries) == 90.0


def test_a_named_wait_of_a_throttle_is_left_to_the_gate() -> None:
    """
    The request goes back to admission at once: the lane's gate keeps the wait for all.
    """
    policy, tries = StandardRetry(rng=Random(1)), Tries()
    failure = fail(FailureKind.THROTTLED, retry_after=30.0)
    tries.count(failure)

    assert policy.next_delay(failure, tries) == 0.0


@pytest.mark.parametrize(
    ("kind", "sent", "paid"),
    [
        (FailureKind.TIMEOUT, Sent.YES, 1),
        (FailureKind.CONNECTION, Sent.MAYBE, 1),
        (FailureKind.CONNECTION, Sent.NO, 0),
        (FailureKind.MALFORMED, Sent.YES, 1),
        (FailureKind.SERVER, Sent.YES, 0),
        (FailureKind.THROTTLED, Sent.YES, 0),
    ],
)
def test_counts_what_may_have_been_paid(kind: FailureKind, sent: Sent, paid: int) -> None:
    """
    Only an attempt that may have been executed, and was not refused, may have been paid.
    """
    tries = Tries()
    tries.count(fail(kind, sent=sent))

    assert tries.perhaps_paid == paid


@given(st.integers(1, 10_000), st.integers())
def test_backoff_is_full_jitter_under_a_doubling_ceiling(failures: int, seed: int) -> None:
    """
    Between 0 and min(60, 2**(n-1)) seconds, however many failures there were.
    """
    delay = Backoff().delay(failures, Random(seed))

    assert 0.0 <= delay <= min(60.0, 2.0 ** min(failures - 1, 10))


def test_backoff_spreads_over_its_whole_range() -> None:
    """
    Full jitter: a crowd that failed together comes back spread from the very start to the very end.
    """
    rng = Random(3)
    delays = [Backoff().delay(4, rng) for _ in range(1_000)]

    assert min(delays) < 0.5
    assert max(delays) > 7.5
    assert 3.5 < sum(delays) / len(delays) < 4.5


def test_refuses_zero_attempts() -> None:
    """
    A policy that sends nothing is a mistake.
    """
    with pytest.raises(ConfigError, match="max attempts is 0; it must be at least 1"):
        StandardRetry(rng=Random(1), max_attempts=0)


def test_an_attempt_in_an_outage_is_none_of_the_request() -> None:
    """
    It is waited out: no attempt, no timeout, and repeated however often.
    """
    policy, tries = StandardRetry(rng=Random(1)), Tries()
    for number in range(1, 50):
        failure = fail(FailureKind.TIMEOUT)
        tries.enter(Answer(failure, 0.0, 1.0, is_excused=True))
        delay = policy.next_delay(failure, tries)
        assert delay is not None
        assert delay <= 1.0
        assert (tries.attempts, tries.timeouts, tries.throttles) == (0, 0, number)
    assert tries.perhaps_paid == 49


def well(typical_s: float) -> Health:
    health = Health()
    health.replied(sent_at=0.0, now=typical_s)
    return health


def test_accidents_are_repeated_soon_but_not_the_last_time() -> None:
    """
    While the endpoint is well the first waits are as short as an answer, the last is still some seconds.
    """
    policy = StandardRetry(rng=Random(1), health=well(0.1))
    longest = [max(policy.backoff(failures) for _ in range(500)) for failures in (1, 2, 3, 4)]

    assert longest == [pytest.approx(most, rel=0.05) for most in (0.1, 0.2, 0.2, 4.0)]


def test_waits_are_never_longer_than_usual() -> None:
    """
    Where answers take minutes an accident is still repeated within a second.
    """
    policy = StandardRetry(rng=Random(1), health=well(100.0))

    assert max(policy.backoff(1) for _ in range(500)) <= 1.0


def test_a_backoff_that_was_asked_for_is_kept() -> None:
    """
    However well the endpoint is.
    """
    policy = StandardRetry(rng=Random(1), backoff=Backoff(first_s=10.0), health=well(0.1))

    assert max(policy.backoff(1) for _ in range(500)) > 9.0


def test_a_sick_endpoint_is_given_time() -> None:
    """
    When more than a quarter fails the usual waits hold.
    """
    health = well(0.1)
    for number in range(100):
        failure = fail(FailureKind.SERVER)
        health.failed(failure, sent_at=0.0, now=float(number), in_flight=1_000)
    policy = StandardRetry(rng=Random(1), health=health)

    assert max(policy.backoff(1) for _ in range(500)) > 0.9
