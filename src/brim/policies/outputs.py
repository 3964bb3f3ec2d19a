"""How long answers are, by those that are there and by how long the others have been waited for.

Of calls that went together the short answers are back first. Who takes their mean for that of all reserves too little,
sends too many calls, and pays for it when the long ones come. So an answer that is waited for counts as one of those
that took longer than it has been waited for (Kaplan and Meier); and where there is none yet, it is as long as answers
become in such a time, and goes on as the others did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf
from operator import attrgetter
from typing import Final

__all__ = ["Outputs"]

_KEPT: Final = 128
"""So many calls are looked at, and as many besides as are under way: the last that went, whenever they came back."""
_EACH_S: Final = 0.25
_AT_ONCE: Final = 512
"""More calls than these are looked at more seldom."""
_LONGER: Final = 8.0
"""No answer that is waited for is thought to be so many times longer than the longest one."""
_NONE: Final = 1e-9
"""Less than this share of the answers is none."""


class _Call:
    """One call: when it went, its cap, what is held for its answer, and what that is thought to make.

    *took_s* is how long its answer took, or has been waited for; *made* is None until it is there.
    """

    __slots__ = ("at", "cap", "held", "made", "took_s", "will")

    def __init__(self, at: float, cap: float, held: float) -> None:
        self.at = at
        self.cap = cap
        self.held = self.will = held
        self.took_s = 0.0
        self.made: float | None = None


class Outputs:
    """Learns the mean of all answers, and what those will make that are under way.

    Attributes:
        mean: tokens of an answer; None as long as there is none.
        span_s: how long answers take, as a mean in which each token counts as much.
        held: tokens that are held for the answers under way.
        more: tokens that these will make besides.
    """

    __slots__ = ("_calls", "_due", "_running", "held", "mean", "more", "span_s")

    def __init__(self) -> None:
        self.mean: float | None = None
        self.span_s = self.held = self.more = 0.0
        self._calls: deque[_Call] = deque()
        self._running: dict[float, _Call] = {}
        self._due = -inf

    def took(self, number: float, held: float, max_tokens: int | None, now: float) -> None:
        """The call of this *number* goes, for whose answer so much is *held*."""
        call = self._running[number] = _Call(now, inf if max_tokens is None else float(max_tokens), held)
        self._calls.append(call)
        while len(self._calls) > _KEPT + len(self._running):
            self._calls.popleft()
        self.held += held

    def ended(self, number: float, made: float | None, now: float) -> None:
        """It is over and *made* so much; None if nobody knows."""
        call = self._running.pop(number, None)
        if call is None:
            return
        self.held = max(0.0, self.held - call.held) if self._running else 0.0
        self.more = self.more - call.will + call.held if self._running else 0.0
        if made is None:
            call.at = inf  # says nothing
            return
        call.took_s, call.made = now - call.at, made
        if now >= self._due:
            self._weigh(now)

    def _weigh(self, now: float) -> None:
        """Say anew how long answers are, and those that are waited for."""
        self._due = now + _EACH_S * max(1.0, len(self._calls) / _AT_ONCE)
        calls = [call for call in self._calls if call.at < inf]
        for call in self._running.values():
            call.took_s = now - call.at
        if any(call.made is not None for call in calls):
            calls.sort(key=attrgetter("took_s"))
            self._survey(calls)
            self.more = sum([call.will - call.held for call in self._running.values()])

    def _survey(self, calls: Sequence[_Call]) -> None:
        """Weigh *calls*, in the order of how long they took: who is waited for stands for some of those after it."""
        made = [call.made for call in calls if call.made is not None]
        seconds = sum([call.took_s for call in calls])
        longest, last_s = max(made), calls[-1].took_s
        per_s = sum(made) / max(_NONE, sum([call.took_s for call in calls if call.made is not None]))
        # So much for each that is there, if an answer ends as likely at any moment as at any other.
        rest = min(_LONGER * longest, per_s * (last_s + seconds / len(made)))
        share, mean, spans, left = 1.0, 0.0, 0.0, len(calls)
        waited = []
        for call in calls:
            if call.made is None:
                waited.append((call, share, mean))
            else:
                weight = share / left
                mean += weight * call.made
                spans += weight * call.made * call.took_s
                share -= weight
            left -= 1
        if share > _NONE:
            rest = max(longest, rest)
            mean += share * rest
            spans += share * rest * max(last_s, rest / max(_NONE, per_s))
        for call, share_then, mean_then in waited:
            call.will = min(call.cap, (mean - mean_then) / share_then if share_then > _NONE else longest)
        self.mean, self.span_s = mean, spans / mean if mean else 0.0
