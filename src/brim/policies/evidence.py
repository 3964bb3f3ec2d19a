"""What refusals prove about a rate: every two of them bound it from both sides.

A bucket that refused an attempt held less than that attempt asked for. So between two refusals the refill brought what
was let through, give or take what the two refused attempts asked for: no less in any case, and more only if the bucket
ran full meanwhile. How much it holds is not known. So what was sent is played against the smallest bucket there may be
(`brim.policies.replay`): the fastest refill at which even that would be empty now is the bound above. Most buckets were
full when the first attempt came, so what they let through at first tells what they hold; a rate that would have taken
a larger one later is not likely.

The bounds of all stretches that end now are put together, from the latest to the oldest, until one contradicts: then
the limit has changed since, and what is older is forgotten. A limit counted in windows refuses everything for seconds
on end (`brim.policies.blocks`): once that was seen, what a window let through is the measure.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from brim.policies.blocks import NO_TRAIL, Blocks, Trail
from brim.policies.promised import promised_span
from brim.policies.refusal import Mark, Refusal
from brim.policies.replay import drawn, highest, latest, left, lowest, steepest, taken
from brim.policies.sending import SAMPLE_S, Sending
from brim.policies.spans import MINUTE_S

__all__ = ["Evidence"]

_SHORTEST_S: Final = 1.0
_TOWARDS_HIGHEST: Final = 0.4
_MARKS: Final = 8
_LEAST_S: Final = 2.0
_LEAST_TRIED_S: Final = 0.5
"""A stretch proves something if it is as long. Where something else than a rate made the pace a shorter one shows from
where to search on: that may be far from what was guessed."""
_LEAST_SENDS: Final = 4.0
_SHUT_S: Final = 1.0
"""A window that is as short lets nothing through until it is over."""
_NOTHING: Final = 0.5
"""Less than this part of an attempt is none: some are larger than others."""
_NARROW: Final = 1.25
_WINDOW: Final = 0.01
_OFTEN: Final = 5
"""By what share a window's rate is uncertain that was measured so often, and by how many times that if only once."""
_ASIDE: Final = 2.0
_FASTEST: Final = 4.0
_SLACK: Final = 1.01
_LESS: Final = 0.8
_PEAK_S: Final = 0.25
_GROWN: Final = 1.4
"""A limit is no faster than so many times the most that was sent over so many seconds before it refused."""
_UNEVEN: Final = 1.2
"""Until the first refusal, what was sent is known by the second only."""
_PART: Final = 0.75
"""A bucket holds so much of what it seems to have held, less what came and was refused just before or after, and less
what a window of a second would let through at once."""
_WHOLE: Final = 1.25
_FEW: Final = 4.0
"""It held no more than so many times what it let through at first, and so many attempts."""
_MIDDLE: Final = 0.5
"""Where between the bounds a single refusal is believed."""


class Evidence:
    """Bounds of a rate.

    Args:
        now: when the first attempt was sent.
        hint: what somebody says that the rate is; believed until there are bounds.
        trail: times since then, in order, and what had passed by each of them, as far as that is known.

    Attributes:
        low: the rate is no less, 0 if nothing is known.
        high: the rate is no more.
        is_promised: did the first refusal tell the length of a window, and was nothing refused since?
        seen: so much came back a second in a short while, as the latest refusal showed; 0 if it showed nothing.
        likely: the rate is hardly less, if the bucket was full at first.
        sending: what was sent, and what of it had passed.
    """

    __slots__ = (
        "_least",
        "_marks",
        "_refused",
        "_shut",
        "_struck_at",
        "_was_full",
        "blocks",
        "high",
        "hint",
        "is_promised",
        "is_wild",
        "largest",
        "likely",
        "low",
        "seen",
        "sending",
    )

    def __init__(self, now: float, hint: float | None = None, trail: Trail = NO_TRAIL) -> None:
        self.hint = hint
        self._marks: deque[Mark] = deque(maxlen=_MARKS)
        self.sending = Sending(now, trail)
        self._refused = 0.0
        self._was_full = True
        self.seen = 0.0
        self._shut = Mark(float("-inf"), 0.0, 0.0, 0.0)
        self.largest = 0.0
        self.blocks = Blocks(now, trail)
        self.is_promised = False
        self._least = 0.0
        self._struck_at = now
        self.low = self.likely = 0.0
        self.high = float("inf")
        self.is_wild = True

    @property
    def is_fresh(self) -> bool:
        """Is there nothing yet but the first refusal?"""
        return self.is_wild and self.low == 0.0

    @property
    def opened(self) -> float:
        """What had got through when the first was refused; infinity if somebody says what the rate is."""
        return self.sending.opening[-1][1] if self.hint is None else float("inf")

    @property
    def is_narrow(self) -> bool:
        """Is the rate known well enough to stay there?"""
        return self.high < _NARROW * self.low

    @property
    def is_close(self) -> bool:
        """Is the rate most likely known as well?"""
        return self.high < _NARROW * self.likely

    @property
    def middle(self) -> float:
        """The rate in the middle of the bounds, in proportion; infinity as long as there are none."""
        return self.between(_MIDDLE) if self.low and self.high < float("inf") else float("inf")

    def first(self, passed: float, refusal: Refusal, *, least: float) -> None:
        """The first refusal, when *passed* had been let through. A limit is *least* a second or more, most likely."""
        amount, now = refusal.amount, refusal.now
        self._least = least
        self._marks.append(Mark(now, passed, amount, self._refused))
        self.sending.opened(passed, now)
        self._struck_at = now
        if self.hint is None:
            self.blocks.promised(promised_span(refusal, self.sending.opening[0][0], self.slowest))
        refusal = refusal._replace(sent_at=now)  # what was sent since then has been refused as well, most likely
        is_promised = self.blocks.span > 0.0
        self.blocks.refused(refusal, passed=passed, by_then=passed, rate=least, pace=least)
        self.is_promised = is_promised and self.blocks.rate > 0.0

    @property
    def slowest(self) -> float:
        """The rate at which a bucket of a minute's worth, full at first, let through what it did until it refused."""
        at, passed = self.sending.opening[-1]
        return passed / (MINUTE_S + at - self.sending.opening[0][0])

    @property
    def guess(self) -> float:
        """What the first refusal says of the rate: that what it let through was a window's worth, or a bucket full.

        Of a bucket nobody knows the size: a minute's worth makes the lowest rate that fits, none at all the highest.
        The search begins between the two, in proportion a little nearer to the lowest: where refused calls count, a
        rate that is too high keeps the bucket empty.
        """
        if self.hint is not None:
            return self.hint
        if self.blocks.rate:
            return self.blocks.rate
        at, passed = self.sending.opening[-1]
        slowest, fastest = self.slowest, passed / max(at - self.sending.opening[0][0], _SHORTEST_S)
        guess = slowest * (fastest / slowest) ** _TOWARDS_HIGHEST if slowest > 0.0 else 0.0
        return max(guess, self._least, self.seen)

    def saw(self, amount: float, passed: float, now: float) -> None:
        """An attempt of *amount* was sent, *passed* with it."""
        self.largest = max(self.largest, amount)
        self.blocks.saw(passed, now)
        self.sending.saw(passed, now)

    def took_back(self, amount: float, sent_at: float) -> None:
        """An attempt was refused: it is among what seemed to have passed since it was sent."""
        self.blocks.took_back(amount, sent_at)
        self._refused += amount
        self.sending.took_back(amount, sent_at)
        for number, mark in enumerate(self._marks):
            if mark.at >= sent_at:
                self._marks[number] = mark._replace(passed=mark.passed - amount)

    def refused(self, refusal: Refusal, passed: float, *, mean: float, base: float, pace: float) -> bool:
        """One more refusal. Is there a new interval?

        Args:
            refusal: what was refused, and when.
            passed: what has been let through in all.
            mean: what an attempt asks for on average.
            base: the rate that is believed in.
            pace: the rate at which it was sent; it had not been higher since the last refusal.
        """
        amount, sent_at, now = refusal[:3]
        blocks = self.blocks
        self.is_promised = False
        before = blocks.rate
        by_then = self.sending.passed_by(sent_at, passed)
        is_new = blocks.refused(refusal, passed=passed, by_then=by_then, rate=base, pace=pace)
        since, self._struck_at = now - self._struck_at, now
        if blocks.rate:
            is_new = is_new or blocks.rate != before
            if is_new:
                doubt = _WINDOW * (_OFTEN - min(blocks.alike, _OFTEN - 1))
                self.believe((1.0 - doubt) * blocks.rate, (1.0 + doubt) * blocks.rate)
            return is_new
        new = Mark(sent_at, by_then, amount, self._refused)
        if self._is_shut(new) or (blocks.count > 1 and now - self._marks[0].at < MINUTE_S):
            return False  # what lets nothing through says nothing of a rate
        # What is refused again had been sent faster than it refills; a large attempt may have come too soon.
        fastest = pace * _SLACK + max(0.0, amount - mean) / max(since, _LEAST_S)
        found = self._bounds(new, mean, _LEAST_S, fastest)
        if found is not None and self._has_changed(*found):
            # What was measured partly before the change says nothing now.
            for _ in range(len(self._marks) - 1):
                self._marks.popleft()
            found = self._bounds(new, mean, _LEAST_S, fastest)
        if found is None and pace == float("inf"):
            self._glimpse(new, mean, fastest)
        last = self._marks[-1]
        if new.passed - last.passed >= _LEAST_SENDS * mean and new.at - last.at >= _LEAST_S:
            self._marks.append(new)
            self.sending.forget(self._marks[0].at)
        if found is None:
            return False
        low, high = min(found[0], fastest), min(found[1], fastest)
        if self._is_unchanged(last, new, low, high, mean):
            low, high = max(low, self.low), min(high, self.high)
        self._was_full = self._was_full and not self.low < self.likely > high
        self.low, self.high = low, high
        self.likely = self._sustained(new, low, high, mean) if self._was_full else low
        self.is_wild = self.is_wild and not self.is_narrow
        return True

    def _glimpse(self, new: Mark, mean: float, fastest: float) -> None:
        """What a stretch shows that is too short to prove anything: from where to search on."""
        tried = self._bounds(new, mean, _LEAST_TRIED_S, fastest)
        self.seen = tried[0] if tried is not None else 0.0
        if self.seen > self.high:
            self.hint, self.high = None, float("inf")  # what was supposed is too little

    def _is_shut(self, new: Mark) -> bool:
        """Has nothing got through since a moment ago? A window of a second that is used up says nothing of a rate."""
        before = self._shut
        if new.at - before.at < _SHUT_S and new.passed - before.passed < _NOTHING * new.amount:
            return True
        self._shut = new
        return False

    def _sustained(self, new: Mark, low: float, high: float, mean: float) -> float:
        """The lowest rate from *low* to *high* that lets through what it did, if the bucket was full when we began."""
        sending, least = self.sending, max(_FEW * mean, self.largest)
        held, opened = sending.opening, sending.opening[-1]

        def is_enough(rate: float) -> bool:
            return drawn(sending.recent, new.at, rate) <= _WHOLE * taken(held, opened, rate) + least

        return lowest(low, high, is_enough)

    def _is_unchanged(self, last: Mark, new: Mark, low: float, high: float, mean: float) -> bool:
        """May the limit be what it was, where what was refused as *new* lies between *low* and *high*?

        Beyond its rate a limit lets through what its bucket holds, and nothing holds more than at the beginning.
        """
        if self.is_wild or not self.is_narrow or self._has_changed(low, high):
            return False
        held = taken(self.sending.opening, self.sending.opening[-1], self.low)
        since = [(last.at, last.passed), *self.sending.since(last.at)]
        return taken(since, (new.at, new.passed), self.high) <= held + _ASIDE * mean

    def had_room(self, refusal: Refusal, mean: float) -> bool:
        """Was there clearly enough in the bucket for what was refused, if the limit is what is known?"""
        if not self.is_narrow or self.blocks.span:
            return False
        least = refusal.amount + _FEW * mean + self.low * _SHORTEST_S
        return self._left(refusal.sent_at, mean, self.low, self.high) > least

    def refutes(self, rate: float, refusal: Refusal, mean: float) -> bool:
        """Would a bucket of that *rate*, as large as it has shown to be, have let through what was refused?"""
        return self._left(refusal.sent_at, mean, rate, rate) > refusal.amount + mean

    def _left(self, until: float, mean: float, slowest: float, fastest: float) -> float:
        """What was left of a bucket that refills between *slowest* and *fastest*, since the last mark."""
        mark = self._marks[-1]
        samples = self.sending.since(mark.at)
        size = _PART * max(drawn(self.sending.opening, until, fastest), drawn(samples, until, fastest))
        return left(samples, (mark.at, mark.passed), until, rate=slowest, size=size, mean=mean)

    def _has_changed(self, low: float, high: float) -> bool:
        """Is a limit between *low* and *high* another one than what was known well?"""
        return not self.is_wild and self.is_narrow and (low > self.high or high < self.low)

    def believe(self, low: float, high: float, *, is_proven: bool = True) -> None:
        """It was found out otherwise: the rate is between *low* and *high*, whatever was refused before.

        *is_proven*: does it take more than one refusal to believe otherwise?
        """
        self.low, self.likely, self.high, self.is_wild = low, low, high, not is_proven

    def suppose(self, rate: float) -> None:
        """As long as nothing else is known the rate is likely *rate*, and hardly more; less with every refusal."""
        rate = min(rate, _LESS * self.high)
        if rate < float("inf"):
            self.hint = self.high = rate

    def unbind(self) -> None:
        """What made the bound above may have been no limit's: there is none."""
        self.high = float("inf")

    def fell(self, share: float) -> None:
        """The limit is less than it was: the lower bound is no more than that *share* of what it was."""
        self.low *= share
        self.likely = self.low

    def _bounds(self, new: Mark, mean: float, shortest: float, fastest: float) -> tuple[float, float] | None:
        low, high = 0.0, float("inf")
        best: tuple[float, float] | None = None
        is_seeded = False
        for number in range(len(self._marks) - 1, -1, -1):
            mark = self._marks[number]
            seconds, got = new.at - mark.at, new.passed - mark.passed
            if seconds < shortest or got < _LEAST_SENDS * mean:
                continue
            least, most = self._stretch(mark, new, mean, None if is_seeded else fastest)
            if is_seeded and (least > high or most < low):
                for _ in range(number + 1):
                    self._marks.popleft()
                break
            low, high = (max(low, least), min(high, most)) if is_seeded else (least, most)
            best = low, high
            is_seeded = True
        return best

    def _stretch(self, mark: Mark, new: Mark, mean: float, fastest: float | None) -> tuple[float, float]:
        """Between which rates does that lie which let through what it did since *mark*, and then refused *new*?

        Where the limit can't be any faster than *fastest*, the latest stretch is looked at closely.
        """
        seconds, got = new.at - mark.at, new.passed - mark.passed
        least = max(got - mark.amount, 0.25 * got) / seconds
        most = (got + new.amount) / seconds
        small = max(self.largest, new.amount)
        wanted = new.amount + new.refused - mark.refused  # where refused calls count they took as much
        begin = mark.at, mark.passed
        samples = self.sending.since(mark.at)

        def has_room(rate: float) -> bool:
            if left(samples, begin, new.at, rate=rate, size=small, mean=mean) >= new.amount:
                return True
            if fastest is None:
                return False
            held = drawn(samples, new.at, rate)
            if self.is_wild:
                held = max(held, drawn(self.sending.opening, new.at, rate))
            size = _PART * held - _ASIDE * mean - rate * _SHORTEST_S
            return size > small and left(samples, begin, new.at, rate=rate, size=size, mean=mean) >= wanted

        if fastest is not None:
            peak = fastest if fastest < float("inf") else self._peak([begin, *samples], new)
            top = max(most, min(max(_FASTEST * most, fastest), peak, self.fastest(small, mean)))
            return least, highest(most, top, has_room)
        return least, most if has_room(most * _SLACK) else _FASTEST * most

    def _peak(self, samples: list[tuple[float, float]], new: Mark) -> float:
        """The fastest limit that may have refused *new*, by what was sent lately, or by the one just before."""
        gap = max(new.at - latest(samples, new.at), SAMPLE_S)
        return max(_GROWN * steepest(samples, new.at, _PEAK_S), new.amount / gap)

    def fastest(self, small: float, mean: float) -> float:
        """The fastest refill at which even the smallest bucket was empty at the first refusal."""
        until, passed = self.sending.opening[-1]
        if not self.is_wild or passed < _LEAST_SENDS * mean:
            return float("inf")
        most = passed / max(until - self.sending.opening[0][0], SAMPLE_S)

        def has_room(rate: float) -> bool:
            return left(self.sending.opening, self.sending.opening[0], until, rate=rate, size=small, mean=mean) >= small

        return _UNEVEN * highest(most, _FASTEST * most, has_room)

    def between(self, share: float) -> float:
        """The rate that lies so much of the way from what is likely at least to the high bound, in proportion.

        Without a bound above, it is what was seen at least.
        """
        if self.high == float("inf"):
            return max(self.likely, self.seen)
        return float(self.likely * (self.high / self.likely) ** share)
