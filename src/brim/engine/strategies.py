"""The user's own strategies for waits and stops, as tenacity has them; most runs have none, and never load it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import tenacity

    RetryState: TypeAlias = tenacity.RetryCallState
    """What a strategy or a hook is given: `attempt_number`, `seconds_since_start`, `idle_for`, `outcome`,
    `next_action`."""
    Strategy: TypeAlias = Callable[[RetryState], float]
    Question: TypeAlias = Callable[[RetryState], bool]
    Hook: TypeAlias = Callable[[RetryState], object]

__all__ = ["Strategies"]


class Strategies:
    """What a user gave of tenacity's; None leaves the decision to brim's own policy.

    Args:
        wait: seconds before the next attempt, as `tenacity.wait_random_exponential(min=1, max=60)`.
        stop: whether to give up, as `tenacity.stop_after_attempt(20)`; takes the place of the limits on attempts.
        retry: whether an outcome is to be repeated at all, as `tenacity.retry_if_exception_type(TimeoutError)` or
            `tenacity.retry_if_result(lambda reply: reply.is_truncated)`.
        before_sleep: called before each wait, as `print`; synchronous.
    """

    def __init__(
        self,
        *,
        wait: Strategy | None = None,
        stop: Question | None = None,
        retry: Question | None = None,
        before_sleep: Hook | None = None,
    ) -> None:
        self.wait = wait
        self.stop = stop
        self.retry = retry
        self.before_sleep = before_sleep

    def __bool__(self) -> bool:
        return any((self.wait, self.stop, self.retry, self.before_sleep))
