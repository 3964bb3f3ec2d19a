"""What a far end delivers, by how many attempts are on its wire at once: answers in, a curve out.

By Little's law so many at once, divided by the time that each takes, is what is delivered. Each answer says so for the
number that was on the wire while it was made. Answers differ in length and time differs with it, on some hardware in
proportion, in a queue hardly at all; so how much of the time the length explains is learnt beside, and taken out.
Logarithms throughout: a few answers that take ten times as long as all others would drown everything in a plain mean.
"""

from __future__ import annotations

from math import exp, hypot, inf, log, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

from brim.policies.elbow import Elbow, bent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Climb", "Curve", "Point"]

_PLACES_EACH_DOUBLING: Final = 4
_PLACE: Final = _PLACES_EACH_DOUBLING / log(2.0)
_MOST_KEPT: Final = 128.0
"""A place weighs as so many answers at most, so that old ones fade as new ones come."""
_DOUBT: Final = 0.1
"""What answers differ by, squared, before they have shown it."""
_LIKE_ALL: Final = 0.5
"""How far a place is thought to be like all: in a queue length explains nothing, beside free slots everything."""
_LATEST: Final = 1 / 8
_BASE: Final = 12
"""Answers that tell how long one takes at first."""

_FIRST: Final = 8
_SURE: Final = 0.02
_ENOUGH: Final = 40
"""A size is judged after the first few answers, if they agree so well, and after enough of them at any rate."""
_TELLS: Final = 6
"""Fewer answers say nothing about other sizes."""
_TILT: Final = 0.08
"""As a power of the number at once: so much more must be delivered to be worth the longer waits..."""
_TILT_SEEN: Final = 0.03
"""... and so much among numbers that were tried."""
_NEAR: Final = 1.2
_OTHER: Final = 0.15
"""Numbers that differ by less than the first can't deliver as much more as the second, but for a change in between."""
_CHEAP: Final = 0.02
_DEAR: Final = 0.015
"""What is to be hoped for so that fewer are tried, and what besides so that more are."""
_APART: Final = log(1.5)
"""Points nearer than this say nothing about a slope."""
_TURN: Final = 0.25
"""Where nothing is known of fewer at once: perhaps so much more, as a power, is delivered then."""
_SLOW: Final = 2.0
"""Where answers take so many times as long as at first, and fewer were never tried, fewer are tried first..."""
_DEEP: Final = 4.0
"""... and far fewer where they take so many times as long."""
_FARTHEST: Final = log(2.0)
_NEAREST: Final = log(1.09)
_TRIED: Final = tuple(step / 4.0 * _FARTHEST for step in range(-4, 5) if step)
_CAREFUL: Final = 1.06
_CAREFUL_S: Final = 60.0
"""After overloads the size grows by so little at a time, for so many seconds."""
_FADES_S: Final = 900.0
"""What was seen so long ago is not believed any more."""
_SAME: Final = 1.09
_ROOM: Final = 1.04
"""A little more, so that a slot which comes free finds a request waiting."""
_FEWEST: Final = 2.0
"""With a single one the far end has nothing to do while an answer is on its way back, and the next request comes."""
_TOLD: Final = 16
"""So many answers say where more at once stop being faster."""


class Point(NamedTuple):
    """What is known of one number at once.

    Attributes:
        at_once: attempts on the wire, on average.
        rate: the logarithm of what is delivered, in a unit of its own.
        error: the standard error of *rate*, as if answers came independently.
        answers: how many have told.
    """

    at_once: float
    rate: float
    error: float
    answers: float


class Curve:
    """What is delivered at every number at once that was seen.

    Attributes:
        answers: answers that were added.
    """

    __slots__ = ("_base", "_joint", "_latest", "_length", "_own", "_places", "_rise", "answers")

    def __init__(self) -> None:
        self._places: dict[int, _Place] = {}
        self._rise: dict[int, _Place] = {}
        self._joint = self._own = self._length = 0.0
        self._base: list[tuple[float, float, float]] = []
        self._latest: tuple[float, float, float] | None = None
        self.answers = 0

    @property
    def _by_length(self) -> float:
        """The power of its length by which an answer's time grows, 0 to 1."""
        return _power(self._joint, self._own)

    def add(self, at_once: float, seconds: float, work: float, now: float, *, is_steady: bool) -> None:
        """An answer took *seconds* and was *work* long while *at_once* were on the wire.

        *is_steady*: they were as many all the time, so the answer belongs on the curve.
        """
        crowd, time, length = log(max(1.0, at_once)), log(max(1e-3, seconds)), log(max(1.0, work))
        self._length += (length - self._length) / (self.answers + 1)
        if is_steady:
            self._enter(self._places, crowd, time, length, now)
        self.answers += 1
        if len(self._base) < _BASE:
            self._base.append((crowd, time, length))
        if self._latest is None:
            self._latest = crowd, time, length
        else:
            before = self._latest
            part = max(_LATEST, 1 / self.answers)
            self._latest = (
                before[0] + part * (crowd - before[0]),
                before[1] + part * (time - before[1]),
                before[2] + part * (length - before[2]),
            )

    def _enter(self, places: dict[int, _Place], crowd: float, time: float, length: float, now: float) -> None:
        joint, own = places.setdefault(int(_PLACE * crowd + 0.5), _Place()).add(crowd, time, length, now)
        self._joint += joint
        self._own += own

    def rose(self, at_once: float, seconds: float, work: float, now: float) -> None:
        """An answer was made that was the *at_once*-th on the wire when it was sent; since then they became more."""
        self._enter(self._rise, log(max(1.0, at_once)), log(max(1e-3, seconds)), log(max(1.0, work)), now)

    def elbow(self) -> Elbow | None:
        """What the answers say that came while more and more were sent; None as long as they are too few."""
        if self.answers < _TOLD:
            return None
        power, length = self._by_length, self._length
        points = [place.point(power, length) for place in self._rise.values()]
        return bent([(log(each.at_once), log(each.at_once) - each.rate, each.answers) for each in points])

    def slower(self) -> float:
        """How many times as long the latest answers took as the first few, for their length."""
        if self._latest is None:
            return 1.0
        return exp(self._latest[1] - self._by_length * (self._latest[2] - self._length) - self._first_time)

    @property
    def first(self) -> Point:
        """What the first few answers say, roughly; one must have come."""
        crowd = sum(crowd for crowd, _, _ in self._base) / len(self._base)
        return Point(exp(crowd), crowd - self._first_time, 0.0, len(self._base))

    @property
    def _first_time(self) -> float:
        power = self._by_length
        return sorted(time - power * (length - self._length) for _, time, length in self._base)[len(self._base) // 2]

    @property
    def seconds(self) -> float:
        """How long the latest answers took."""
        return 0.0 if self._latest is None else exp(self._latest[1])

    def point(self, at_once: float) -> Point | None:
        """What is known of *at_once*; None for nothing."""
        place = self._places.get(int(_PLACE * log(max(1.0, at_once)) + 0.5))
        return None if place is None else place.point(self._by_length, self._length)

    def points(self, since: float) -> list[Point]:
        """All that was seen at or after *since*, in order of the number."""
        power, length = self._by_length, self._length
        return [
            self._places[key].point(power, length) for key in sorted(self._places) if self._places[key].seen_at >= since
        ]

    def forget(self) -> None:
        """The far end may be another now."""
        self._places.clear()

    def keep(self, point: Point) -> None:
        """The far end is another now: only what is known of this number holds."""
        self._places = {key: place for key, place in self._places.items() if exp(place.crowd) == point.at_once}


class _Place:
    """Answers that were made while about the same number was on the wire."""

    __slots__ = ("crowd", "joint", "length", "own", "seen_at", "spread", "time", "weight")

    def __init__(self) -> None:
        self.weight = self.crowd = self.time = self.length = 0.0
        self.joint = self.own = self.spread = 0.0
        self.seen_at = -inf

    def add(self, crowd: float, time: float, length: float, now: float) -> tuple[float, float]:
        """Returns what it adds to how time and length vary together, and length alone."""
        kept = min(self.weight, _MOST_KEPT - 1.0)
        fade = kept / self.weight if self.weight else 0.0
        weight = kept + 1.0
        over_time, over_length = time - self.time, length - self.length
        self.crowd += (crowd - self.crowd) / weight
        self.time += over_time / weight
        self.length += over_length / weight
        share = kept / weight
        joint, own = over_time * over_length * share, over_length * over_length * share
        self.joint = self.joint * fade + joint
        self.own = self.own * fade + own
        self.spread = self.spread * fade + over_time * over_time * share
        self.weight = weight
        self.seen_at = now
        return joint, own

    def point(self, power: float, length: float) -> Point:
        """What it says, had its answers been as long as all are; *power* is what holds for all."""
        power = _power(self.joint + _LIKE_ALL * power, self.own + _LIKE_ALL)
        left = max(0.0, self.spread - 2.0 * power * self.joint + power * power * self.own)
        error = sqrt((left + _DOUBT) / (self.weight * max(1.0, self.weight - 1.0)))
        return Point(exp(self.crowd), self.crowd - self.time + power * (self.length - length), error, self.weight)


def _power(joint: float, own: float) -> float:
    return min(1.0, max(0.0, joint / own)) if own > 0.0 else 0.0


class Climb:
    """Looks for the least number at once at which nearly as much is delivered as at any.

    Args:
        curve: what is known of all numbers.
    """

    __slots__ = ("_curve", "_fresh", "_resisted_at")

    def __init__(self, curve: Curve) -> None:
        self._curve = curve
        self._fresh = 0
        self._resisted_at = -inf

    def resisted(self, now: float) -> None:
        """Some were too many for the far end: what was seen there tells nothing, and growth is to be slow."""
        self._resisted_at = now
        self._fresh = 0
        self._curve.forget()

    def answered(self, at_once: float, size: float, now: float) -> float | None:
        """An answer was added to the curve that was made among *at_once*. Returns another size if that seems better."""
        if size / _SAME <= at_once <= size * _SAME + 1.0:
            self._fresh += 1
        if self._fresh < _FIRST:
            return None
        here = self._curve.point(size)
        if here is None or self._fresh < size / 2 or (here.error > _SURE and self._fresh < _ENOUGH):
            return None
        self._fresh = 0
        wanted = self._next(here, size, now)
        if now - self._resisted_at < _CAREFUL_S:
            wanted = min(wanted, size * _CAREFUL)
        return wanted

    def _next(self, here: Point, size: float, now: float) -> float:
        points = [each for each in self._curve.points(now - _FADES_S) if each.answers >= _TELLS or each == here]
        if any(_contradict(here, each) for each in points):
            self._curve.keep(here)
            points = [here]
        slower = self._curve.slower()
        best = max(points, key=_seen_worth)
        doubt = hypot(here.error, best.error)
        least = max(map(_worth, points))
        lower, higher = self._bounded(points)
        deepest = -_FARTHEST if slower > _DEEP else -_FARTHEST / 2.0
        down = [(_hope(lower, log(size) + step), step) for step in _TRIED if deepest <= step < 0.0]
        up = [(_hope(higher, log(size) + step) - _DEAR - doubt, step) for step in _TRIED if step > 0.0]
        if slower > _SLOW and lower is not points and log(here.at_once / points[0].at_once) < _APART:
            up = []  # fewer were never tried
        hope, step = max(down + up)
        if hope > least + _CHEAP:
            return max(_FEWEST, size * exp(step))
        is_same = here.at_once / _SAME < best.at_once < here.at_once * _SAME
        if is_same or _seen_worth(best) < _seen_worth(here) + doubt:
            return size
        return min(best.at_once * _ROOM, size * 2.0)

    def _bounded(self, points: list[Point]) -> tuple[list[Point], list[Point]]:
        """What bounds fewer at once, and what bounds more, if need be by the first few answers."""
        first = self._curve.first
        if first.at_once > points[0].at_once / exp(_APART):
            return points, points
        # What was gained on the whole way since then is more than what the last step gained.
        milder = first._replace(rate=(first.rate + points[0].rate) / 2.0)
        return [first, *points], [milder, *points]


def _contradict(here: Point, other: Point) -> bool:
    """Did nearly as many deliver something else, so that the far end has changed since?"""
    is_near = here.at_once / _NEAR < other.at_once < here.at_once * _NEAR
    return is_near and abs(here.rate - other.rate) > _OTHER + 3.0 * hypot(here.error, other.error)


def _worth(point: Point) -> float:
    """Of what delivers the same the fewest at once are best: they wait least."""
    return point.rate - _TILT * log(point.at_once)


def _seen_worth(point: Point) -> float:
    """The same between what was seen, where less is to be gained from fewer than where they were never tried."""
    return point.rate - _TILT_SEEN * log(point.at_once)


def _hope(points: Sequence[Point], at: float) -> float:
    """The most that may be delivered there: what grows ever more slowly with the number lies below its tangents."""
    left = [each for each in points if log(each.at_once) <= at]
    right = [each for each in points if log(each.at_once) >= at]
    near = min(abs(log(each.at_once) - at) for each in points)
    if near < _NEAREST:
        return -inf
    bounds = []
    if left:
        bounds.append(_extend(left[-1], reversed(left), at, steepest=1.0))
    if right:
        bounds.append(_extend(right[0], right, at, steepest=-_TURN))
    return min(bounds) - _TILT * at


def _extend(near: Point, others: Iterable[Point], at: float, *, steepest: float) -> float:
    """The line through *near* and the nearest of *others* that tells a slope, carried on to *at*."""
    here = log(near.at_once)
    for other in others:
        apart = here - log(other.at_once)
        if abs(apart) >= _APART:
            slope = (near.rate - other.rate) / apart
            return near.rate + min(slope, 1.0) * (at - here)
    return near.rate + steepest * (at - here)
