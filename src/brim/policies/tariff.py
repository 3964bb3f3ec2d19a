"""Which way of charging tokens agrees with what a server shows.

Providers that speak OpenAI's dialect count what a call may cost (prompt and cap together, or the larger of them) or
what it did cost, when it comes in or when it is done; no header says which. But what is left falls by what is counted.
So sums of what was sent are kept for every way, and between two looks of the server, some calls apart,

    what came back = what was left then - what was left before + what was sent between

must be what the limit gives back. Neither when the server looked nor how the limit comes back is known: each way is
granted what suits it best, and what it is wrong by is summed up over all looks. The one that is wrong by little is
believed when the present one is wrong by much.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from brim.policies.tokens import Charging

__all__ = ["Stake", "Tariff"]

Sums: TypeAlias = tuple[float, ...]
"""The number of calls that were sent, and what they took, counted in each way."""

_WAYS: Final = (
    Charging.RESERVES_CAP,
    Charging.LARGER,
    Charging.USED,  # when a call comes in
    Charging.USED,  # its output when it is done
    Charging.REFUNDED,
)
_LAGS: Final = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0)
"""What is shown may be so many seconds old."""
_STEP_S: Final = 0.1
_KEPT_S: Final = 30.0
_CALLS: Final = 8.0
"""Looks are compared that are so many calls apart, and..."""
_APART_S: Final = 0.5
"""... so many seconds."""
_FULL: Final = 0.9
"""Nearly full, a limit hides what comes back..."""
_JUMP: Final = 0.2
"""... and where more than this share is there again at once, a window began."""
_BETTER: Final = 0.4
"""Another way errs by no more than this share of what the present one does..."""
_CLEAR: Final = 4.0
"""... by so many calls less..."""
_FAR: Final = 0.1
"""... by this share of all that was sent less..."""
_FITS: Final = 0.25
"""... and by no more than this share of it, and..."""
_FEW: Final = 2.0
"""... so many calls."""
_KEPT: Final = 1.0 - 1 / 12
"""So much of all that is kept at each comparison: what misled at the beginning must not do so for ever."""
_SURELY: Final = 4
_REFUTED: Final = 0.4
"""Where after so many comparisons the present way can't explain so much of what was sent, how well another one fits
does not matter: how a limit comes back may be neither evenly nor at once."""
_BEYOND: Final = 3.0
"""More than so many times all that was ever left, and what came back, is let through by no limit, however old what is
shown may be: of a way that says so it is enough that another one is clearly better by the calls that this one makes."""
_LEAST: Final = 2
_MOST: Final = 500
"""After so many comparisons all is said..."""
_UNSEEN: Final = 4_096.0
"""... and so it is after so many calls of which none was shown what is left."""


class Stake(NamedTuple):
    """What a call is thought to take, its own cap, and what had been sent when it went, counted in every way."""

    given: float
    made: float
    cap: float | None
    sums: Sums


class _Look(NamedTuple):
    sent_at: float
    now: float
    remaining: float
    sums: Sums
    """What had been sent when the call went that it answers..."""
    sums_now: Sums
    """... and when the answer came."""


class Tariff:
    """Learns how a server charges.

    Attributes:
        believed: the way that is believed.
    """

    __slots__ = (
        "_beyond",
        "_compared",
        "_due",
        "_errors",
        "_first",
        "_last",
        "_most",
        "_noted",
        "_sent",
        "_sums",
        "_times",
        "believed",
    )

    def __init__(self) -> None:
        self.believed = Charging.RESERVES_CAP
        self._sums: Sums = (0.0,) * (1 + len(_WAYS))
        self._times: list[float] = []
        self._noted: list[Sums] = []
        self._due = float("-inf")
        self._first: _Look | None = None
        self._last = self._most = 0.0
        self._compared = 0
        self._beyond = [False] * len(_WAYS)
        self._sent = [0.0] * (1 + len(_WAYS))
        # For each way: at each moment, evenly and at once.
        self._errors = [[[0.0, 0.0] for _ in range(2 * len(_LAGS))] for _ in _WAYS]

    @property
    def is_open(self) -> bool:
        """Is there anything left to learn?"""
        return self._compared < _MOST and (self._first is not None or self._sums[0] < _UNSEEN)

    def took(self, given: float, made: float, max_tokens: int | None, now: float) -> Stake:
        """A call goes that is thought to take so much input and output."""
        if now >= self._due:
            self._note(now)
        cap = None if max_tokens is None else float(max_tokens)
        self._add((1.0, *_held(given, made, cap)), 1.0)
        return Stake(given, made, cap, self._sums)

    def refused(self, stake: Stake) -> None:
        """It took nothing."""
        self._add((1.0, *_held(stake.given, stake.made, stake.cap)), -1.0)

    def ended(self, stake: Stake, said: float, made: float) -> None:
        """Its answer names what it took."""
        before = _held(stake.given, stake.made, stake.cap)
        reserved, larger, *_ = _held(said, made, stake.cap)
        used = said + made
        self._add(
            (0.0, *(after - had for after, had in zip((reserved, larger, used, used, used), before, strict=True))), 1.0
        )

    def _add(self, amounts: Sums, sign: float) -> None:
        self._sums = tuple(had + sign * more for had, more in zip(self._sums, amounts, strict=True))

    def _note(self, now: float) -> None:
        self._times.append(now)
        self._noted.append(self._sums)
        self._due = now + _STEP_S
        if self._times[0] < now - 2.0 * _KEPT_S:
            old = bisect_right(self._times, now - _KEPT_S)
            del self._times[:old], self._noted[:old]

    def _sums_at(self, at: float) -> Sums:
        return self._noted[max(0, bisect_right(self._times, at) - 1)]

    def saw(self, remaining: float, stake: Stake, *, sent_at: float, now: float, rate: float) -> bool:
        """An answer showed what remains of a limit that gives back *rate* a second. Is another way believed now?"""
        first, last, self._last = self._first, self._last, remaining
        self._most = max(self._most, remaining)
        if remaining == last:
            return False  # shown once more
        look = _Look(sent_at, now, remaining, stake.sums, self._sums)
        # Of the first volley one that went later may be answered sooner.
        is_earlier = first is not None and not self._compared and look.sums[0] < first.sums[0]
        if first is None or is_earlier or remaining - last > _JUMP * self._most:
            self._first = look
            return False
        calls = look.sums[0] - first.sums[0]
        if calls < _CALLS or sent_at - first.sent_at < _APART_S or now <= first.now:
            return False
        self._first = look
        self._compare(first, look, rate)
        return self._decide()

    def _compare(self, first: _Look, look: _Look, rate: float) -> None:
        self._compared += 1
        self._sent = [
            _KEPT * had + after - before for had, after, before in zip(self._sent, look.sums, first.sums, strict=True)
        ]
        fell = first.remaining - look.remaining
        most = fell + _BEYOND * (self._most + rate * (look.now - first.sent_at))
        self._beyond = [
            was or after - before > most
            for was, after, before in zip(self._beyond, look.sums[1:], first.sums[1:], strict=True)
        ]
        is_full = max(first.remaining, look.remaining) >= _FULL * self._most
        for place, (since, before, until, after) in enumerate(self._moments(first, look)):
            back = rate * (until - since)
            for errors, had, has in zip(self._errors, before[1:], after[1:], strict=True):
                found = has - had - fell
                least = min(max(found, 0.0), back) if is_full else back
                errors[place][0] = _KEPT * errors[place][0] + abs(found - least)
                errors[place][1] = _KEPT * errors[place][1] + abs(found)

    def _moments(self, first: _Look, look: _Look) -> Iterator[tuple[float, Sums, float, Sums]]:
        """When the server may have looked, and what had been sent by then."""
        for lag in _LAGS:
            if lag:
                for since, until in ((first.sent_at, look.sent_at), (first.now, look.now)):
                    yield since, self._sums_at(since - lag), until, self._sums_at(until - lag)
            else:
                yield first.sent_at, first.sums, look.sent_at, look.sums
                yield first.now, first.sums_now, look.now, look.sums_now

    def _decide(self) -> bool:
        errors = [min(min(each) for each in moments) for moments in self._errors]
        best = min(range(len(_WAYS)), key=errors.__getitem__)
        if _WAYS[best] is self.believed or self._compared < _LEAST:
            return False
        error, place = min((error, place) for place, error in enumerate(errors) if _WAYS[place] is self.believed)
        calls, *sent = self._sent
        is_beyond = self._beyond[place]
        less = max(_CLEAR / calls, _FAR) * sent[best if is_beyond else place]
        if errors[best] > min(_BETTER * error, error - less):
            return False
        is_refuted = is_beyond or (self._compared >= _SURELY and error > _REFUTED * sent[place])
        if not is_refuted and errors[best] > (_FITS + _FEW / calls) * sent[best]:
            return False
        self.believed = _WAYS[best]
        return True


def _held(given: float, made: float, cap: float | None) -> Sums:
    """What a call takes in every way when it goes."""
    if cap is None:
        return (given + made, given + made, given + made, given, given + made)
    return (given + cap, max(given, cap), given + min(made, cap), given, given + cap)
