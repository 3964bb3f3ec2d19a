"""How much later than it was admitted a request is written: the server counts it no sooner.

A task may be woken late, and a connection has to stand first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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

    def woke(self, permit: Permit, now: float) -> None:
        """An attempt is about to go that has this *permit*."""
        self._woke_s = max(now - permit.admitted_at, _LASTS * self._woke_s)

    def wrote(self, seconds: float, now: float) -> None:
        """It took so many seconds more until a request was written."""
        self._admission.wrote(self._woke_s + seconds, now)
