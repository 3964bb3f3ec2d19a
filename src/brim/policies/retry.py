"""Whether a failed attempt is repeated, and after how long.

The fate of a kind of failure is its own (`FailureKind`): some are waited out without end and without using up attempts,
some are retried a bounded number of times, the rest are final. The server's word beats our backoff.
"""

from __future__ import annotations

from random import Random
from typing import Final, Protocol

import msgspec

from brim.errors import ConfigError
from brim.policies.health import Health
from brim.values import Answer, Failure, FailureKind, Outcome, Reply

__all__ = ["Backoff", "RetryPolicy", "StandardRetry", "Tries"]

_MOST_DOUBLINGS: Final = 32
_BRIEF: Final = 3
"""Failures of one request that may be accidents."""


MAX_ATTEMPTS: Final = 7
"""Attempts that may fail before a request has failed. Where one call in nine fails by chance, five in a row are bad
luck enough to lose a row in one run of sixteen of 3,000 rows, seven in one of 1,200."""


class Tries(msgspec.Struct):
    """What one request has been through, its latest attempt included.

    Attributes:
        attempts: that count against the limit, the successful one included.
        timeouts: of these, ended by one of our clocks.
        throttles: attempts that were waited out.
        perhaps_paid: attempts that brought nothing and may be billed.
        elapsed_s: seconds from its first sending to the end of its latest attempt.
        rested_s: seconds of that spent waiting between attempts.
        is_excused: did its latest attempt fail because the whole lane is down or in doubt? That counts as waited out.
        started_at: when it was first sent, by the engine's clock; None before.
    """

    attempts: int = 0
    timeouts: int = 0
    throttles: int = 0
    perhaps_paid: int = 0
    elapsed_s: float = 0.0
    rested_s: float = 0.0
    started_at: float | None = None
    is_excused: bool = False

    def enter(self, answer: Answer) -> None:
        """Enter an attempt that came back."""
        if self.started_at is None:
            self.started_at = answer.sent_at
        self.elapsed_s = answer.ended_at - self.started_at
        self.is_excused = answer.is_excused
        outcome = answer.outcome
        if isinstance(outcome, Reply):
            self.attempts += 1
        else:
            self.count(outcome)

    def count(self, outcome: Failure) -> None:
        """Enter how an attempt failed."""
        if outcome.kind.is_waited_out or self.is_excused:
            self.throttles += 1
        else:
            self.attempts += 1
            self.timeouts += outcome.kind is FailureKind.TIMEOUT
        self.perhaps_paid += outcome.may_be_paid


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential backoff with full jitter: uniform between 0 and `first_s * 2**n`, at most *longest_s*.

    Full jitter spreads a crowd best (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015); the
    figures are those of the common recipe, `wait_random_exponential(min=1, max=60)`.
    """

    first_s: float = 1.0
    longest_s: float = 60.0

    def delay(self, failures: int, rng: Random) -> float:
        """Seconds to wait after the *failures*-th failure, counted from 1."""
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        return rng.uniform(0.0, min(self.longest_s, self.first_s * 2.0**doublings))

    def brief(self, failures: int, rng: Random, *, most_s: float) -> float:
        """The same where failures are accidents: at most *most_s*, and twice that from the second on."""
        return rng.uniform(0.0, min(self.first_s, most_s) * min(failures, 2))


class RetryPolicy(Protocol):
    """Decides about the next attempt."""

    def next_delay(self, outcome: Outcome, tries: Tries) -> float | None:
        """Seconds until the next attempt, or None to stop. *tries* counts this outcome already."""


class StandardRetry:
    """The defaults of design section 5.

    Args:
        rng: chance for the jitter.
        max_attempts: how often a request is sent at most, throttled attempts not counted; at least 1.
        max_timeouts: how many of them may end in a timeout, since a timed-out generation may be billed: three repeats.
        backoff: the wait where the server names none; None for the usual one, shortened to the time of an answer while
            the endpoint is well.
        health: tells how the endpoint is.
    """

    def __init__(
        self,
        *,
        rng: Random,
        max_attempts: int = MAX_ATTEMPTS,
        max_timeouts: int = 4,
        backoff: Backoff | None = None,
        health: Health | None = None,
    ) -> None:
        if max_attempts < 1:
            raise ConfigError(f"max attempts is {max_attempts}; it must be at least 1")
        self.max_attempts = max_attempts
        self.max_timeouts = max_timeouts
        self._backoff = backoff or Backoff()
        self._health = health if backoff is None else None
        self._rng = rng

    def next_delay(self, outcome: Outcome, tries: Tries) -> float | None:
        """See `RetryPolicy`. A wait that the server named is kept by the lane's gate, so it is none of ours."""
        return None if isinstance(outcome, Reply) else self._after(outcome, tries)

    def is_exhausted(self, outcome: Outcome, tries: Tries) -> bool:
        """Has the request used up its attempts, or its timeouts?"""
        if isinstance(outcome, Failure) and outcome.kind is FailureKind.TIMEOUT and tries.timeouts >= self.max_timeouts:
            return True
        return tries.attempts >= self.max_attempts

    def backoff(self, failures: int) -> float:
        """Seconds to wait after the *failures*-th failure, counted from 1."""
        failures = max(failures, 1)
        if self._health is None or not self._health.is_well:
            return self._backoff.delay(failures, self._rng)
        if failures <= _BRIEF:
            return self._backoff.brief(failures, self._rng, most_s=self._health.typical_s)
        # The last attempts keep long waits: what lasts for seconds, for a part of all calls, must not cost a row.
        return self._backoff.delay(failures - 1, self._rng)

    def _after(self, failure: Failure, tries: Tries) -> float | None:
        if tries.is_excused:
            return self.backoff(1)  # the lane is held for longer than that, the server's own wait included
        if failure.kind.is_waited_out:
            return 0.0 if failure.retry_after is not None else self.backoff(tries.throttles)
        if not failure.kind.is_retried or self.is_exhausted(failure, tries):
            return None
        return max(self.backoff(tries.attempts), failure.retry_after or 0.0)
