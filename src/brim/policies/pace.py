"""The rate a server truly allows, learnt from what it refuses.

Nothing is told here but refusals. Every two of them bound the rate from both sides (`brim.policies.evidence`), and what
is believed is what the bounds have in common:

- *searching*: they are far apart. The pace grows from their middle on.
- *cruising*: the pace stays a little below what is believed for some hundred attempts, and then rises sharply. So a
  refusal comes that seldom while the limit stays as it is, and a limit that was raised is found as soon.

How it rises is told by `brim.policies.probing`; where the search begins, once a burst is used up, by `Evidence.guess`.

A refusal may be a stray one, of no limit at all, unless it names a wait and comes where a limit may be. So while
searching, the odds between the two are summed up (`brim.policies.doubt`), and a single refusal moves nothing below the
middle of the bounds. Above it, and while cruising, one is believed, unless it comes where it is all but impossible:
just after a cut, below the measured rate. After two of those more is tried (`brim.policies.strays`): if more is refused
the limit is lower than it was; if not, single refusals are doubted from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from brim.policies import probing
from brim.policies.agreement import Agreement
from brim.policies.blocks import NO_TRAIL, Trail
from brim.policies.countdown import Countdown
from brim.policies.dash import Belief
from brim.policies.doubt import Doubt, Fall
from brim.policies.dwell import Dwell
from brim.policies.evidence import Evidence
from brim.policies.mode import Mode
from brim.policies.refusal import Refusal
from brim.policies.relief import Relief
from brim.policies.seconds import Seconds
from brim.policies.strays import Strays, refills
from brim.policies.turn import Turn, Went
from brim.policies.word import Word

__all__ = ["Pace"]

_CAREFUL: Final = 0.1
_SAFE: Final = 0.995
_UNDER: Final = 0.99
"""A rate that is named is known this closely."""
_SUNK: Final = 0.97
"""Below so much of the lower bound, or of the highest that it has been since, a limit refuses nothing: strays, each
believed, would make it sink and sink."""
_LEAST_RATE: Final = 1e-3
_RELIEVED: Final = 1.25
_SOME_WAIT_S: Final = 0.5
"""A wait shorter than this tells no more than none at all."""


class Pace:
    """A rate learnt from refusals.

    Args:
        passed: all that was ever let through, by place; kept by the owner of all paces.
        place: which of them this rate counts.
        ceiling: a rate that is never passed, units a second.
        hint: what the rate should be, if the user or the server said so.
        now: when the first of it was sent.
        trail: times since then, in order, and what had passed by each of them, as far as that is known.
    """

    __slots__ = (
        "_agreement",
        "_base",
        "_began",
        "_ceiling",
        "_countdown",
        "_doubt",
        "_dwell",
        "_evidence",
        "_fall",
        "_is_passed_by",
        "_is_unproven",
        "_mean",
        "_passed",
        "_proven",
        "_refused",
        "_relief",
        "_search",
        "_seconds",
        "_sends_since",
        "_struck_at",
        "_struck_with",
        "_turn",
        "_word",
        "mode",
        "place",
        "rate",
        "strays",
    )

    def __init__(
        self,
        passed: Sequence[float],
        place: int,
        *,
        ceiling: float | None,
        now: float,
        hint: float | None = None,
        trail: Trail = NO_TRAIL,
    ) -> None:
        self.mode = Mode.FREE
        self.place = place
        self.rate = float("inf")
        self._passed = passed
        self._ceiling = float("inf") if ceiling is None else ceiling
        self._evidence = Evidence(now, hint, trail)
        self._fall = Fall()
        self._base = self._refused = self._proven = self._struck_with = 0.0
        self._agreement = Agreement()
        self._began = now
        self._countdown = Countdown()
        self._doubt = Doubt()
        self._dwell = Dwell()
        self._is_passed_by = self._is_unproven = False
        self._mean = 1.0
        self._relief = Relief()
        self._search = _CAREFUL
        self._seconds = Seconds()
        self._sends_since = 0
        self.strays = Strays()
        self._struck_at = float("-inf")
        self._turn = Turn(saves=hint is not None)
        self._word = Word()

    @property
    def holds(self) -> bool:
        """Is there a rate that holds attempts back?"""
        return self.mode is not Mode.FREE

    @property
    def is_guess(self) -> bool:
        """Is nothing known but the first burst that was refused?"""
        return self.holds and self._evidence.is_fresh

    @property
    def is_promised(self) -> bool:
        """Is it a window that refuses, as all refusals so far tell?"""
        return self._evidence.is_promised or self._seconds.rate > 0.0

    def room_in(self, now: float) -> float:
        """Seconds until the window has room again that seems to refuse; infinity if none does."""
        return self._evidence.blocks.room_in(now)

    @property
    def _belief(self) -> Belief:
        is_plain = self._evidence.blocks.count > 1 or self._word.rate  # nothing gets through, or the limit is named
        return Belief(0.0 if is_plain else self._base / self._mean, self._evidence.blocks.amount / self._mean)

    def ready_in(self, amount: float, now: float) -> float:
        """Seconds until an attempt of *amount* may go: until the rate has brought as much."""
        return max(0.0, self._turn.since + amount / self.rate - now)

    def took(self, amount: float, now: float) -> None:
        """An attempt of *amount* was sent."""
        self._sends_since += 1
        self._doubt.sent()
        if self.mode is Mode.FREE:
            return
        if self._word.is_due(now) and not self.place and self._base < self._word.rate:
            self._trust(min(self._word.rate, self._ceiling), is_proven=True)
        self._seconds.sent(now)
        self._mean += (amount - self._mean) * 0.05
        went = self._turn.took(amount / self.rate, now, most=self._evidence.largest / self.rate)
        if went is Went.EARLY:
            self._is_passed_by = True
            if self._evidence.is_fresh and not self._evidence.blocks.rate:
                got = probing.kept_up(self._passed[self.place] - self._struck_with, now - self._struck_at)
                self.rate = min(max(self.rate, got), self._ceiling)
        elif went is Went.IN_TURN:  # a pace that is not what holds us up learns nothing
            self._grow(amount, now)
        self._evidence.saw(amount, self._passed[self.place], now)
        self._wait_for_room(amount, now)
        if self.strays.sent(now, is_safe=self.mode is Mode.CRUISING and self.rate < self._base):
            self._tested()

    def _wait_for_room(self, amount: float, now: float) -> None:
        """What was sent too fast a while ago is in a window that slides, unless the server shows far more of it."""
        blocks = self._evidence.blocks
        if blocks.rate and self.mode is Mode.CRUISING and self._base <= _RELIEVED * blocks.rate:
            budget = min(blocks.amount * self.rate / self._base + amount / 2, blocks.amount)
            self._turn.wait_until(blocks.hold_until(amount, budget, now) - self._mean / self.rate)

    def relieved(self, *, shown: float, most: float) -> None:
        """The server shows nearly all of the limit left: *shown* comes back a second, *most* uses up what is left."""
        if self.mode is not Mode.FREE:
            factor = self._relief.factor(self.rate, self._mean / self.rate, shown=shown, most=most)
            self._base = min(self._base * factor, self._ceiling)
            self.rate = min(self.rate * factor, self._ceiling)

    def told(self, rate: float | None, now: float) -> None:
        """A refusal says what the limit is: *rate*, in units a second. It is believed until refusals prove it wrong."""
        if not self._word.says(rate, now):
            return
        self._evidence.hint = min(self._word.rate, self._ceiling)
        if self.mode is not Mode.FREE and not self.place:
            self._trust(self._evidence.hint, is_proven=True)

    def _trust(self, rate: float, *, is_proven: bool) -> None:
        self._evidence.believe(rate * _UNDER, rate / _UNDER, is_proven=is_proven)
        self._base, self.mode = rate, Mode.CRUISING
        self._is_unproven = not is_proven
        self.rate = rate * probing.BELOW
        self._dwell.trust(is_proven=is_proven)

    def scaled(self, factor: float) -> None:
        """The server says that its limit is so many times what it was."""
        if self.mode is not Mode.FREE:
            self._base = min(self._base * factor, self._ceiling)
            self.rate = min(self.rate * factor, self._ceiling)
            self.mode, self._search = Mode.SEARCHING, _CAREFUL

    def restated(self, ceiling: float | None) -> bool:
        """The stated rate is *ceiling* now. Returns whether what was learnt still says anything.

        A pace that was held by the old one says nothing about a higher one.
        """
        before, self._ceiling = self._ceiling, float("inf") if ceiling is None else ceiling
        if self._ceiling > before and self.rate >= probing.BELOW * probing.NEAR_CEILING * before:
            return False
        self._base = min(self._base, self._ceiling)
        if self.mode is not Mode.FREE:
            self.rate = min(self.rate, self._ceiling)
        return True

    def trued_up(self, amount: float) -> None:
        """What was sent turned out to be *amount* more, or less."""
        if self.mode is not Mode.FREE:
            self._turn.owe(amount / self.rate, step=self._mean / self.rate)

    def _grow(self, amount: float, now: float) -> None:
        if self.strays.is_testing:
            self.rate = self._base * (self.strays.speed if self.strays.is_trying else probing.BELOW)
            return
        if self.mode is Mode.SEARCHING:
            self.rate *= probing.searching(self._evidence, self._search, amount, now, rate=self.rate, mean=self._mean)
        else:
            self._dwell.took(amount)
            factor = probing.cruising(self._evidence, self._dwell.part(self._base, self._mean))
            if factor > probing.RAISED:
                self.mode, self._search = Mode.SEARCHING, _CAREFUL
            self.rate = self._base * factor
        self.rate = min(self.rate, self._ceiling)

    def _tested(self) -> None:
        # The bounds may come from some that were taken for a limit.
        self.mode, self._search = Mode.SEARCHING, probing.setting_out()
        if self.strays.share:
            self._evidence.unbind()
        self._proven = 0.0
        self._dwell.begin()

    def refused(self, refusal: Refusal, *, sent: Sequence[float]) -> bool:
        """An attempt was refused, and is out of what passed: is that news of the rate? *sent*: all by then, with it."""
        amount, sent_at, now, wait, exact = refusal
        self._evidence.took_back(amount, sent_at)
        self._countdown.named(amount, exact)
        self._seconds.took_back(sent_at)
        if not self.place:
            self._refused += amount
            self._turn.refused(1.0 / self.rate, sent_at=sent_at)
        if sent_at <= self._struck_at:
            self._dwell.refused(wait=wait, is_new=False)
            self._doubt.believed(sent[0])
            if self._evidence.is_fresh or self._evidence.is_promised:
                self._settle()
            return True  # of the same burst as the last strike
        is_dash = self.strays.is_dashing
        if self._may_be_stray(refusal, sent):
            return False
        if is_dash and self.strays.is_confirmed:
            self._resume(now)
        else:
            first, pace = self._doubt.first(self.strays.share)
            self._strike(first._replace(wait=wait, exact=exact), refusal, sent[self.place] - self._refused, pace)
            self.strays.believed(sent[0], refusal, pace=pace / self._mean, belief=self._belief)
            self._doubt.believed(sent[0])
        least = min(probing.least(self._mean, wait), self._ceiling)
        self._base, self.rate = max(self._base, least), max(self.rate, least)
        gap = self._mean / self.rate
        self._turn.wait_until(now + probing.pause(self._evidence.blocks, gap, now) - gap)
        return True

    def _may_be_stray(self, refusal: Refusal, sent: Sequence[float]) -> bool:
        pace = float("inf") if self._is_passed_by else self.rate
        is_alone = self._doubt.refused(sent[0], refusal, pace)
        units = sent[self.place] - self._refused
        if self.mode is Mode.FREE:
            pace = refills(units, refusal.sent_at - self._began)
        self.strays.weigh(sent[0], units, refusal, pace)
        noise = self.strays.share
        is_searching = self.mode is Mode.SEARCHING
        is_safe = self.mode is Mode.CRUISING and self._is_safe(refusal)
        is_low = noise > 0.0 and not self._evidence.is_fresh and self.rate < self._evidence.middle
        is_low = is_low and self.strays.explains(self._doubt.recent)
        is_named = refusal.wait >= _SOME_WAIT_S and not self.strays.names_waits
        if is_named and not (is_safe or is_low or self.strays.is_testing):
            return False  # who says when to come again is believed, where a limit may be
        if self._doubt.goes_on(sent[0]):
            return False
        if self.mode is Mode.FREE:
            return self._doubt.is_scattered(noise)
        is_open = self._doubt.is_open(noise)
        if self.strays.is_testing:
            return self.strays.refused(refusal.now, is_open=is_open)
        if is_searching and not noise and self.rate > self._evidence.middle:
            return False
        is_stray = (is_searching or is_safe or noise > 0.0) and is_open
        if is_stray and not is_searching:  # one that is believed begins no test that it would end
            self.strays.kept(sent[0], refusal, recent=self._doubt.recent, belief=self._belief)
        if is_alone and not is_searching and self.strays.is_suspicious(self._doubt.recent, is_safe=is_safe):
            self.strays.test(refusal.now - refusal.sent_at)
            self.rate = self._base * self.strays.speed  # a limit that refuses now will refuse much then
        return is_stray

    def _is_safe(self, refusal: Refusal) -> bool:
        """Would the limit that is known, and not only told by waits, have let it through?"""
        if self._is_unproven:
            return False
        least = max(_SAFE * self._evidence.low, _SUNK * self._proven)
        return self.rate < least or self._evidence.had_room(refusal, self._mean)

    def _strike(self, refusal: Refusal, latest: Refusal, with_it: float, pace: float) -> None:
        now, passed, units = latest.now, self._passed[self.place], with_it - latest.amount
        self._relief.refused()
        if self.mode is Mode.FREE:
            self._mean = max(1.0, passed / max(1.0, self._passed[0])) if self.place else 1.0
            self._evidence.first(passed, latest, least=self._mean)
            self.mode = Mode.SEARCHING
            is_guess = self._evidence.hint is None
            self._countdown.began(latest, units, self._evidence)
            self._seconds.began(self._evidence.sending.opening, latest)
            self._search = probing.setting_out(refusal.now - refusal.sent_at) if is_guess else _CAREFUL
            if self._word.rate and not self.place and self._evidence.hint is not None:
                fits, rate = self._word.fits(latest), self._evidence.blocks.rate
                self._trust(self._evidence.hint if fits else max(self._evidence.hint, rate), is_proven=fits)
        else:
            is_new = self._evidence.refused(refusal, passed, mean=self._mean, base=self._base, pace=pace)
            self._is_unproven = self._is_unproven and not is_new
            share = 1.0
            if not (self.strays.is_heavy or self._evidence.blocks.rate) and self._evidence.blocks.count == 1:
                share = self._fall.refused_after(self._sends_since, is_known=self.mode is Mode.CRUISING)
            if share < 1.0:
                self._evidence.fell(share)
            if is_new or share < 1.0:
                self._measured(pace, refusal.wait)
            else:
                self._search = probing.calmer(self._search, self._base / self._mean)
            told = self._countdown.tells(latest, units, self._evidence, pace=pace, mean=self._mean)
            shown = self._relief.tells(self._base, high=self._evidence.high)
            counted = 0.0 if self.place else self._seconds.refused(refusal, pace)
            if (told := shown or told or counted) and not self._word.rate:
                self._trust(told, is_proven=told == shown or self._seconds.is_sure)
            elif self._countdown.is_open:
                self._base = self._countdown.within(self._base, self._evidence.high)
        proven = self._proven if self.mode is Mode.CRUISING and pace >= _SUNK * self._proven else 0.0
        self._proven = max(proven, 0.0 if self._is_unproven else self._evidence.low)
        self._settle()
        self._resume(now)
        self._dwell.begin()
        self._sends_since = 0
        self._dwell.refused(wait=refusal.wait, is_new=self._evidence.blocks.count <= 1)

    def _resume(self, now: float) -> None:
        """What is believed since a refusal goes on from here, a little below."""
        self.rate, self._struck_at, self._struck_with = self._base * probing.BELOW, now, self._passed[self.place]
        self._doubt.settle()
        self._is_passed_by = False

    def _settle(self) -> None:
        evidence = self._evidence
        if evidence.is_promised and not self._word.rate:
            self._trust(evidence.blocks.rate, is_proven=False)
        elif evidence.is_fresh:
            self._base = evidence.guess
        self._base = min(max(self._base, _LEAST_RATE), self._ceiling)
        self.rate = self._base * probing.BELOW

    def _measured(self, pace: float, wait: float) -> None:
        """There is a new interval to believe in, since what went at *pace* was refused."""
        evidence = self._evidence
        noise = self.strays.share  # what strays took away is none of the limit's doing
        is_plain = not noise and not evidence.blocks.rate
        waits = wait * pace / self._mean
        self._agreement.refused(evidence.high, is_asked=is_plain and pace > self._base, waits=waits)
        share = self._agreement.nearer(probing.between(self._sends_since, wait=wait))
        base = evidence.between(share) / (1.0 - noise)
        base = probing.near(self._ceiling, base, pace=pace, sends=self._sends_since, waits=waits)
        self._dwell.learnt(evidence, base / max(self._base, _LEAST_RATE))
        self._base = base
        self._search = probing.crossing(evidence.high, base, self._mean)
        self.mode = Mode.CRUISING if evidence.is_close or self._agreement.is_settled else Mode.SEARCHING

    def __repr__(self) -> str:
        return f"Pace({self.rate:.3g}/s, {self.mode.value})"
