"""How much later than it was admitted a request is written: the server counts it no sooner.

A task may be woken late, and a connection has to stand first.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from brim.policies.limits import BURST_SECONDS
from brim.policies.spans import MINUTE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from brim.config import Limits
    from brim.engine.permits import Permit
    from brim.policies.admission import Admission

__all__ = ["Arrivals"]

_LASTS: Final = 0.9
"""A task that was woken late says that the next ones may be as well, each a little less."""


class Arrivals:
    """Tells *admission* how late the requests of a lane are."""

    __slots__ = ("_admission", "_woke_s")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._woke_s = 0.0

    def listener(self, limits: Limits) -> Callable[[float, float], None] | None:
        """Who is to be told how long requests take to be written; None where *limits* ask for no such care."""
        is_one_by_one = (limits.requests_per_minute or inf) * BURST_SECONDS <= MINUTE_S
        return self.wrote if limits.windows or is_one_by_one else None

    def woke(self, permit: Permit, now: float) -> None:
        """An attempt is about to go that has this *permit*."""
        self._woke_s = max(now - permit.admitted_at, _LASTS * self._woke_s)

    def wrote(self, seconds: float, now: float) -> None:
        """It took so many seconds more until a request was written."""
        self._admission.wrote(self._woke_s + seconds, now)
