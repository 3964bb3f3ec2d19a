"""How a learnt rate asks for more: steadily while it is searched, seldom and shortly once it is known.

A refusal costs one attempt, whatever the rate; so how soon to ask again is counted in attempts, not in seconds, and a
question that is due is put quickly: a rate that creeps up for as long as it has waited finds a raised limit twice as
late and is refused as often. A window can be asked outright, since it refuses nothing until it is used up and loses
nothing by being used up early.
"""

from __future__ import annotations

from math import log
from typing import Final

from brim.policies.blocks import Blocks
from brim.policies.evidence import Evidence

__all__ = [
    "BELOW",
    "NEAR_CEILING",
    "RAISED",
    "between",
    "calmer",
    "crossing",
    "cruising",
    "least",
    "near",
    "pause",
    "searching",
    "setting_out",
]

BELOW: Final = 0.985
"""Cruising begins at this share of the measured rate."""
NEAR_CEILING: Final = 0.995
_RARE: Final = 200
_BELOW_CEILING: Final = 0.95
_SELDOM: Final = 30
"""Refused once in so many attempts or less, a stated rate is kept to this share."""
_DEAR: Final = 0.15
"""Where waits take as large a share of the time the stated rate is too high."""
RAISED: Final = 1.1
"""Cruising this far above the measured rate unrefused, the limit must have been raised: search."""
_OUTRIGHT: Final = 1.4
"""So many times what a window is believed to allow is tried at once."""
_RISE: Final = 0.02
_SHARPLY: Final = 6
"""The power by which the pace rises at the end of a dwell."""
_A_NEW_WINDOW: Final = 0.3
_A_WINDOW: Final = 1.0
_A_LARGER_WINDOW: Final = 6.0
"""Not a second, but in a window: a search grows by no more, or it would be far too fast when the window is used up;
more once clearly more got through than was measured."""
_A_SECOND: Final = 0.35
_A_SECOND_AT_MOST: Final = 1.0
_A_TRIP: Final = 0.15
"""Where next to nothing is known the pace grows by so much a second, or until a refusal is back if that is sooner: in a
short trip the first guess is left behind quickly."""
_A_SEND: Final = 0.125
_A_BLANK_SEND: Final = 0.5
"""Where all of the first attempts but one were refused not even the order of magnitude is known; and the less got
through at first, the sooner a small bucket says that it is too much."""
_CAREFUL_A_SEND: Final = 0.04
_CROSSED_SENDS: Final = 25.0
_CROSSED_S: Final = 8.0
"""From the rate that is believed to the highest that it may be it takes so many attempts, and as long at least."""
_BEYOND: Final = 1.15
"""So far above the upper bound and not refused, there is none: the search is as quick as if nothing was known."""
_SLOWEST: Final = 0.01
"""A search grows by no less in a second, or with an attempt where these are fewer: counted in seconds alone a rate of a
few calls a minute would be far beyond the limit before the next one goes, again and again."""
_LONGEST_GAP_S: Final = 20.0
_LONGEST_PAUSE_S: Final = 8.0
_BREATH: Final = 0.005
"""A window that is full to the brim needs some room before it is filled on."""
_BACKOFF: Final = 2.0
_WINDOW_BACKOFF: Final = 4.0
"""How many times as long a pause is as the one before: a window that is used up stays so for seconds at least."""
_A_MINUTE_AND_MORE_S: Final = 75.0
_MANY: Final = 8
_NOW_AND_THEN: Final = 4
_A_MINUTE_S: Final = 62.0
"""After a block that no window of a minute explains, and so many refusals, one pause in so many is a minute long."""
_PAUSE_SHARE: Final = 1 / 8
"""After a block of minutes, so much of it may be waited before it is asked again."""
_KEPT_UP_S: Final = 2.0
_SOON: Final = 64.0
_LOWER: Final = 0.3
_MIDDLE: Final = 0.5
_UPPER: Final = 0.7
_SOME_WAIT_S: Final = 0.5
_LATE: Final = 3.0
"""Where between the bounds the rate is believed to be, if what was refused last is so many attempts ago or fewer, or
so many times as many and who is refused has to wait as long."""


def between(sends: float, *, wait: float) -> float:
    """Where between its bounds a rate is believed to be that was refused after so many *sends*: 0 is the lower one.

    Refused again so soon, the limit held all the time: what got through is the rate. Where a refusal costs a *wait* in
    seconds, what got through may be less: a bucket saves up what comes meanwhile, a window of a second does not.
    """
    late = sends / _SOON
    share = _LOWER + (_MIDDLE - _LOWER) * min(1.0, late)
    if wait < _SOME_WAIT_S:
        return share
    return share + (_UPPER - _MIDDLE) * min(1.0, max(0.0, (late - 1.0) / (_LATE - 1.0)))


def kept_up(passed: float, seconds: float) -> float:
    """The rate that is proven by what *passed* since a refusal, in so many *seconds*; 0 if these are too few.

    A bucket held nothing then. So what calls that go whatever the pace says got through, it may be as well.
    """
    return passed / seconds if seconds >= _KEPT_UP_S else 0.0


def near(ceiling: float, base: float, *, pace: float, sends: float, waits: float) -> float:
    """The rate to believe in where bounds say *base*, if a *pace* close to a stated *ceiling* was seldom refused.

    Seldom: after so many *sends*, and what a refusal has to wait costs little, as *waits* calls might go meanwhile.
    """
    if sends <= _SELDOM or waits > _DEAR * sends or pace <= _BELOW_CEILING * BELOW * ceiling:
        return base
    return max(base, (NEAR_CEILING if sends > _RARE else _BELOW_CEILING) * ceiling)


def least(amount: float, wait: float) -> float:
    """No limit is so low that it has to be asked for an *amount* more seldom than this, or than it says by a *wait*."""
    return amount / max(_LONGEST_GAP_S, wait)


def pause(blocks: Blocks, gap: float, now: float) -> float:
    """For how long to send nothing after a refusal, in seconds; attempts keep *gap* apart otherwise.

    No longer than until a window has room that slides, if that is what it is.
    Where a refused call counts, asking again and again keeps the bucket empty: ever longer until one gets through.
    """
    longest = min(max(_LONGEST_PAUSE_S, _PAUSE_SHARE * blocks.block), _LONGEST_GAP_S)
    if blocks.block > _A_MINUTE_AND_MORE_S and blocks.count > _MANY and blocks.count % _NOW_AND_THEN == 1:
        return _A_MINUTE_S  # where refused calls count, and as many are asked as fit, no other pause ends it
    backoff = (_WINDOW_BACKOFF if blocks.span else _BACKOFF) ** min(blocks.count - 1, 16)
    return max(min(gap * backoff, longest, blocks.room_in(now)), _BREATH * blocks.span)


def cruising(evidence: Evidence, part: float) -> float:
    """How many times the believed rate the pace is after that *part* of a dwell.

    It stays a little below, and rises ever more steeply at the end. Above `RAISED` the search begins.
    """
    factor = BELOW + _RISE * part**_SHARPLY
    return max(factor, _OUTRIGHT) if factor > 1.0 and evidence.blocks.rate else factor


def searching(evidence: Evidence, search: float, amount: float, now: float, *, rate: float, mean: float) -> float:
    """How many times *rate* the pace is after an attempt of *amount*, if it is to grow by *search* in a second."""
    blocks = evidence.blocks
    if blocks.rate:
        usual = _A_NEW_WINDOW if evidence.is_fresh else _A_WINDOW
        search = min(search, (_A_LARGER_WINDOW if blocks.is_outdone(now) else usual) / blocks.span)
    most = _CAREFUL_A_SEND * amount / mean
    if rate > _BEYOND * evidence.high and not blocks.rate:
        search, most = max(search, _A_SECOND), _A_SEND
    if evidence.is_fresh:
        most = max(_A_SEND, _A_BLANK_SEND * min(1.0, mean / max(mean, evidence.opened)))
    return 1.0 + min(most, search * amount / rate)


def setting_out(trip_s: float = _A_TRIP / _A_SECOND) -> float:
    """By how much a search grows in a second that begins with a guess, where a refusal is back after *trip_s*."""
    return min(max(_A_SECOND, _A_TRIP / max(trip_s, _A_TRIP / _A_SECOND_AT_MOST)), _A_SECOND_AT_MOST)


def crossing(high: float, base: float, mean: float) -> float:
    """By how much a search from *base* on grows in a second so that it is at *high* in time."""
    if high == float("inf"):
        return _A_SECOND
    return max(_slowest(base / mean), log(high / base) / max(_CROSSED_S, _CROSSED_SENDS * mean / base))


def calmer(search: float, sends: float) -> float:
    """By how much a search grows in a second that grew by *search* and was refused, at so many *sends* a second."""
    return max(_slowest(sends), search / 2)


def _slowest(sends: float) -> float:
    return _SLOWEST * min(1.0, sends)
