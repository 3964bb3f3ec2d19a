"""tenacity's vocabulary, driven by our loop.

Its `wait_*`, `stop_*` and `retry_if_*` strategies and `before_sleep` hooks are plain callables over a `RetryCallState`.
Here one is filled in from what an attempt came to; nothing of tenacity's own loop, clock or sleep is used. A failure
shows itself to a strategy as a `CallFailed`, which is also a `TimeoutError` or a `ConnectionError` where it was one.

Three things are ours whatever the strategies say: a throttled attempt, and one that failed in an outage of the whole
lane, is waited out and counts as no attempt, the server's own wait is never cut short, and what parks a lane is not
repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tenacity

from brim.errors import CallFailed
from brim.policies.retry import StandardRetry, Tries
from brim.values import Failure, Outcome

if TYPE_CHECKING:
    from brim.engine.strategies import RetryState, Strategies

__all__ = ["TenacityRetry"]


class TenacityRetry:
    """A retry policy that asks tenacity's strategies, and *standard* where there is none."""

    def __init__(self, strategies: Strategies, standard: StandardRetry) -> None:
        self._given = strategies
        self._standard = standard

    def next_delay(self, outcome: Outcome, tries: Tries) -> float | None:
        """See `RetryPolicy`."""
        state = _state(outcome, tries)
        delay = self._delay(outcome, tries, state)
        if delay is not None:
            tries.rested_s += delay
            state.idle_for = tries.rested_s  # as tenacity has it, the wait to come included
            state.upcoming_sleep = delay
            state.next_action = tenacity.RetryAction(delay)
            if self._given.before_sleep is not None:
                self._given.before_sleep(state)
        return delay

    def _delay(self, outcome: Outcome, tries: Tries, state: RetryState) -> float | None:
        if tries.is_excused and self._given.wait is None:
            return self._standard.next_delay(outcome, tries)
        if isinstance(outcome, Failure) and (outcome.kind.is_waited_out or tries.is_excused):
            # A named wait is the gate's to keep, for the whole lane.
            return 0.0 if outcome.retry_after is not None else self._wait(state)
        if not self._is_wanted(outcome, state) or self._is_over(outcome, tries, state):
            return None
        least = outcome.retry_after if isinstance(outcome, Failure) else None
        return max(self._wait(state), least or 0.0)

    def _is_wanted(self, outcome: Outcome, state: RetryState) -> bool:
        if isinstance(outcome, Failure) and outcome.kind.parks_lane:
            return False
        if self._given.retry is not None:
            return bool(self._given.retry(state))
        return isinstance(outcome, Failure) and outcome.kind.is_retried

    def _is_over(self, outcome: Outcome, tries: Tries, state: RetryState) -> bool:
        if self._given.stop is not None:
            return bool(self._given.stop(state))
        return self._standard.is_exhausted(outcome, tries)

    def _wait(self, state: RetryState) -> float:
        if self._given.wait is not None:
            return float(self._given.wait(state))
        return self._standard.backoff(state.attempt_number)


def _state(outcome: Outcome, tries: Tries) -> RetryState:
    """The state that tenacity itself would show after this attempt, on our clock."""
    throttled = isinstance(outcome, Failure) and (outcome.kind.is_waited_out or tries.is_excused)
    state = tenacity.RetryCallState(_NO_LOOP, None, (), {})
    state.attempt_number = tries.throttles if throttled else tries.attempts
    future = tenacity.Future(state.attempt_number)
    if isinstance(outcome, Failure):
        future.set_exception(CallFailed.of(outcome))
    else:
        future.set_result(outcome)
    state.outcome = future
    state.start_time = 0.0
    state.outcome_timestamp = tries.elapsed_s
    state.idle_for = tries.rested_s
    return state


_NO_LOOP = tenacity.Retrying()
