"""The moment that a shown level belongs to: when the call was admitted, or when its answer began, or some time before.

Of what is counted when it is made, as output tokens may be, only the calls that were over by then are in it: that is
believed at first, since who errs there leaves a little more alone, and who errs the other way is refused.
Under the right one what is shown can be foretold from what was sent between two answers. So each is kept as a
hypothesis, and the one under which answers surprise least, in the order of sending, is believed. How the limit comes
back may not be known yet, so each is granted the manner that suits it best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Course", "Moment"]

_KEPT: Final = 0.98
"""Each comparison counts so much of the one after it."""
_STEADIER: Final = 0.7
_CLEAR: Final = 3.0
"""Another moment must have surprised by so many calls less."""
_LONGEST: Final = 0.6
"""What is shown can't be older than so many times the seconds in which all of the limit comes back."""
_LAGS: Final = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0)
"""What is shown may be so many seconds old."""
_HYPOTHESES: Final = tuple((is_late, lag, False) for lag in _LAGS for is_late in (False, True))
_WHEN_MADE: Final = (
    *((is_late, lag, False) for is_late, lag, _ in _HYPOTHESES if not lag),
    *((is_late, 0.0, True) for is_late in (False, True)),
)
"""Does the server look when the answer begins, how many seconds earlier, and does it count only what is over? What is
counted later than it is sent looks old without being so."""
_EACH_S: Final = 0.4
"""Answers so far apart are compared: how fast we sent must have had time to change."""
_COMPARED: Final = 3
_FEW: Final = 32.0
"""Of a limit of fewer calls than this no moment is believed for fewer comparisons: a window of seconds that began
unseen makes one of them wrong by as much."""
_NEARLY_FULL: Final = 0.9
"""What is nearly full hides what comes back..."""
_JUMP: Final = 0.25
"""... and where more than this share is there again at once, a window began."""


class Course(NamedTuple):
    """When an attempt went and what had been sent by then, when its answer came and what has been sent by then.

    Both with the attempt itself, *sent* without its tokens if it was refused. *ended* is what calls took that were over
    when its answer came, *ended_then* when it went. Those that are not over now will take *more* than is held for them,
    and *span_s* seconds.
    """

    sent_at: float
    sent: float
    now: float
    total: float
    ended: float = 0.0
    ended_then: float = 0.0
    more: float = 0.0
    span_s: float = 0.0

    def looked(self, *, is_late: bool, lag: float) -> float:
        """When the server looked, if that was *lag* seconds before the answer (or else the admission)."""
        return (self.now if is_late else self.sent_at) - lag

    def sent_then(
        self, sent_by: Callable[[float], float], *, is_late: bool, lag: float, is_over: bool = False
    ) -> float:
        """What had been sent by then; *sent_by* tells it of any time. *is_over*: does only that count which is over?"""
        if is_over:
            return self.ended if is_late else self.ended_then
        if lag:
            return sent_by(self.looked(is_late=is_late, lag=lag))
        return self.total if is_late else self.sent


class Moment:
    """Learns which moment answers show.

    Args:
        may_lag: may what is shown be old, as it is not where things are counted when they are made?

    Attributes:
        is_late: is it the one at which an answer began?
        lag: so many seconds before that the server looked.
        is_over: does it count only the calls that are over?
    """

    __slots__ = (
        "_compared",
        "_errors",
        "_hypotheses",
        "_last",
        "_more",
        "_remaining",
        "_weighed_at",
        "_weighed_now",
        "is_late",
        "is_over",
        "lag",
    )

    def __init__(self, *, may_lag: bool = True) -> None:
        self._hypotheses = _HYPOTHESES if may_lag else _WHEN_MADE
        self.is_late, self.is_over = False, not may_lag
        self.lag = 0.0
        self._last: list[tuple[float, float]] | None = None
        self._errors = [[0.0, 0.0] for _ in self._hypotheses]
        self._compared = 0
        self._remaining = self._more = 0.0
        self._weighed_at = self._weighed_now = float("-inf")

    def forget(self) -> None:
        """What was shown before says nothing about what is shown now."""
        self._last = None

    def of(self, course: Course) -> float:
        """When the server looked."""
        return course.looked(is_late=self.is_late, lag=self.lag)

    def sent(self, course: Course, sent_by: Callable[[float], float]) -> float:
        """What had been sent when the server looked; *sent_by* tells it of any time."""
        return course.sent_then(sent_by, is_late=self.is_late, lag=self.lag, is_over=self.is_over)

    def covered(self, course: Course, rate: float, *, most: float) -> float:
        """What of that which is held but not counted yet needs no room, below 0 if it needs more.

        All beyond *most* comes back at *rate* before those calls are over, which will take more than is held for them.
        """
        if not self.is_over:
            return 0.0
        ended = course.ended if self.is_late else course.ended_then
        uncounted = course.total - ended + course.more
        return min(uncounted, max(0.0, rate * course.span_s - most)) - course.more

    def grown(self, course: Course) -> float:
        """By how much more than was thought before those calls that are not over will take than is held for them."""
        before, self._more = self._more, course.more if self.is_over else 0.0
        return self._more - before

    def weigh(
        self,
        remaining: float,
        course: Course,
        *,
        sent_by: Callable[[float], float],
        given_back: Callable[[float], float],
        least: float,
        cap: float,
        rate: float,
    ) -> bool:
        """An answer showed what remains. Was another moment the right one all the time?

        Args:
            remaining: what it showed.
            course: the times of its attempt.
            sent_by: tells what had been sent by a time.
            given_back: tells what came back by a time, but for a constant.
            least: differences up to this say nothing.
            cap: what there is at most.
            rate: what comes back a second.
        """
        sent_at, now = course.sent_at, course.now
        if sent_at <= self._weighed_at or now < self._weighed_now + _EACH_S:
            return False
        self._weighed_at, self._weighed_now = sent_at, now
        last, self._last = self._last, self._offsets(remaining, course, sent_by, given_back)
        before, self._remaining = self._remaining, remaining
        if last is None or max(remaining, before) >= _NEARLY_FULL * cap or remaining - before > _JUMP * cap:
            return False
        for errors, (offset, back), (offset0, back0) in zip(self._errors, self._last, last, strict=True):
            change = offset - offset0
            errors[0] = errors[0] * _KEPT + abs(change - (back - back0))
            errors[1] = errors[1] * _KEPT + abs(change)
        self._compared += 1
        is_enough = self._compared >= _COMPARED or cap >= _FEW * least
        return is_enough and self._choose(_CLEAR * least, _LONGEST * cap / rate)

    def _choose(self, least: float, longest: float) -> bool:
        places = zip(self._hypotheses, self._errors, strict=True)
        noises = [min(errors) if lag <= longest else float("inf") for (_, lag, _), errors in places]
        present = noises[self._hypotheses.index((self.is_late, self.lag, self.is_over))]
        best = min(noises)
        if best < _STEADIER * present and best < present - least:
            self.is_late, self.lag, self.is_over = self._hypotheses[noises.index(best)]
            return True
        return False

    def _offsets(
        self, remaining: float, course: Course, sent_by: Callable[[float], float], given_back: Callable[[float], float]
    ) -> list[tuple[float, float]]:
        """Under each hypothesis, what remained and what had been sent, together, and what had come back by then."""
        offsets = []
        for is_late, lag, is_over in self._hypotheses:
            sent = course.sent_then(sent_by, is_late=is_late, lag=lag, is_over=is_over)
            offsets.append((remaining + sent, given_back(course.looked(is_late=is_late, lag=lag))))
        return offsets
