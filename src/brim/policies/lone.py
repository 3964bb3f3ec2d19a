"""Is it the lane that is refused, or one row alone?

Where a limit refuses, it may be any call's turn. But some rows are refused whenever they come: one that needs more than
a limit ever gives, or one that the server objects to in the words of a limit. So it is counted what becomes of the
others: had a row the same odds as they, how likely were it that it alone is refused so often? Only refusals count after
which others were let through. Large calls have worse odds than small ones, since a limit may have room for these only:
what counts against them are calls as large as they are, or that they are refused again when nobody else was sent for as
long as the server had asked to wait.

A row that is refused alone waits for itself only, ever longer, teaches nothing about the lane, and fails in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from brim.policies.charges import Charge
    from brim.values import Failure

__all__ = ["Lone", "Row"]

_MOST_OPEN: Final = 16
"""Where more rows are refused at a time, it is the lane that is."""
_MOST_ROWS: Final = 256
"""More that are refused alone than that, beside those, are not followed."""
_STALE_S: Final = 300.0
"""Who did not come again for so long won't."""
_FEWEST: Final = 3
"""So many refusals in a row are no accident at all."""
_UNLIKELY: Final = 1e-2
_MORE_UNLIKELY: Final = 1e-6
_AGAIN: Final = 0.05
"""The odds that a limit, for want of room, refuses again who went first and alone after the wait that it asked for."""
_IMPOSSIBLE: Final = 1e-9
_ALIKE: Final = 0.8
"""A call of at least this part of a row's size is as large."""
_QUIET_S: Final = 4.0
_LONG_QUIET_S: Final = 30.0
"""A limit has room for the largest call that fits, after so long without any."""
_WAITS: Final = 2
_CHANCES: Final = 3
_GIVES_UP: Final = 8
_GIVES_UP_S: Final = 60.0
"""A row fails no sooner than after so many refusals, in so many seconds."""
_RECENT: Final = 1 / 64
_FIRST_REST_S: Final = 2.0
_LONGEST_REST_S: Final = 60.0


class Asks(Protocol):
    """One attempt of a row: whatever names the row by being the same for all of its attempts."""

    @property
    def request(self) -> object:
        """The row."""


class Odds:
    """How likely it is that one row is refused so often by chance alone, by what became of others meanwhile."""

    __slots__ = ("_is_new", "passed", "seen")

    def __init__(self) -> None:
        self.passed = 0
        self.seen = 0
        self._is_new = False

    def refuse(self) -> None:
        """The row was refused once more; that counts as soon as another is let through."""
        self._is_new = True

    def let_through(self, *, is_later: bool) -> None:
        """Another call was let through; *is_later* if it was sent no sooner than the refused one."""
        self.passed += 1
        if is_later and self._is_new:
            self._is_new = False
            self.seen += 1

    def share(self, refused: int) -> float:
        """The share of others that is refused, where so many were."""
        return (refused + 1.0) / (self.passed + refused + 2.0)

    def chance(self, refused: int) -> float:
        """The chance, where so many other rows were refused."""
        return self.share(refused) ** self.seen


class Row:
    """A row that was refused, as often as it was in a row.

    Attributes:
        request: the row; held, so that no other comes to have its identity.
        refusals: how often.
        waited: how often after it had gone first and alone, and later than the server asked for.
        passed: how many others were let through that were sent since it first was.
        is_alone: is it refused for its own sake?
        is_news: is that known since the last refusal only?
        rest_s: seconds to wait with it, and with nobody else; 0 if all have to.
        is_hopeless: has it been tried often enough?
        seconds: for how long it has been tried.
        went: how many others had been sent when it was refused; kept by the owner.
    """

    __slots__ = (
        "_any",
        "_chances",
        "_is_first",
        "_like",
        "_others",
        "_refusals",
        "_refused_at",
        "_sent_at",
        "_since",
        "_size",
        "is_alone",
        "is_hopeless",
        "is_news",
        "refusals",
        "request",
        "rest_s",
        "seconds",
        "waited",
        "went",
    )

    def __init__(self, request: object, charge: Charge, *, is_first: bool) -> None:
        self.request = request
        self._is_first = is_first
        self._size = _size(charge)
        self.refusals = self.waited = 0
        self.is_alone = self.is_news = self.is_hopeless = False
        self.rest_s = self.seconds = 0.0
        self._any, self._like = Odds(), Odds()
        self._others = self._refusals = 0
        self._chances = 0
        self._since = self._sent_at = charge.at
        self._refused_at = float("-inf")
        self.went = 0.0

    @property
    def passed(self) -> int:
        """Others that were let through."""
        return self._any.passed

    @property
    def only(self) -> bool:
        """Was nobody else refused, before it or meanwhile, but for rows that are alone too?"""
        return self._is_first and not self._others

    @property
    def had_room(self) -> bool:
        """Was there room for it if there ever is? It went when nobody else had been sent for long enough."""
        return self.waited >= _WAITS or self._chances > 0

    @property
    def goes_first(self) -> bool:
        """Does it go before those that were never sent?

        Who was refused again lets a few of them try first; every second time, while only smaller ones get through.
        """
        return not self.is_alone and self.refusals % 2 == 1 and not self._like.seen

    def is_stale(self, now: float) -> bool:
        """Is it most likely gone?"""
        return now - self._refused_at > _STALE_S + self.rest_s

    def let_through(self, charge: Charge) -> None:
        """Another call got through."""
        if charge.at >= self._since:
            is_later = charge.at >= self._sent_at
            self._any.let_through(is_later=is_later)
            if all(theirs >= _ALIKE * ours for theirs, ours in zip(_size(charge), self._size, strict=True)):
                self._like.let_through(is_later=is_later)

    def saw_refused(self, charge: Charge, *, is_first: bool) -> None:
        """Another row was refused, for the first time or not."""
        if charge.at >= self._since:
            self._others += is_first
            self._refusals += 1

    def explain(self, refusals: int) -> None:
        """Another row that was refused so often is so for its own sake."""
        self._others = max(0, self._others - 1)
        self._refusals = max(0, self._refusals - refusals)

    def refuse(self, charge: Charge, failure: Failure, now: float, *, before: float, share: float) -> None:
        """It was refused once more; *before* it was sent, so many had been, those of rows that are alone left out.

        *share*: of all the lane's calls of late, those that were refused.
        """
        self.refusals += 1
        named, quiet_s = failure.retry_after, charge.at - self._refused_at
        if self.refusals > 1 and before <= self.went:  # nobody else was sent meanwhile
            self.waited += named is not None and quiet_s >= named
            least = _QUIET_S if self._is_unlike(_UNLIKELY) else _LONG_QUIET_S
            self._chances += quiet_s >= max(least, named or 0.0)
        self._any.refuse()
        self._like.refuse()
        self._sent_at, self._refused_at = charge.at, now
        self.seconds = now - self._since
        self._judge(named or 0.0, share)

    def _is_unlike(self, chance: float) -> bool:
        """Do calls as large as this get through, beyond that chance?"""
        return self._like.chance(self._others) < chance

    def _judge(self, named: float, share: float) -> None:
        was_alone = self.is_alone
        if not was_alone and self.refusals >= _FEWEST and self._any.seen:
            again = (self._any.share(self._others) if self._others else _AGAIN) ** self.waited
            unlikely = _UNLIKELY if self.waited else _MORE_UNLIKELY
            self.is_alone = self._is_unlike(_UNLIKELY / again) or again * self._any.chance(self._others) < unlikely
        self.is_news = self.is_alone and not was_alone
        if self.is_alone:
            backoff = _FIRST_REST_S * 2.0 ** min(self.refusals - _FEWEST, 16)
            self.rest_s = max(named, min(backoff, _LONGEST_REST_S))
            is_sure = self._chances >= _CHANCES or self._is_unlike(_IMPOSSIBLE)
            is_sure = is_sure and max(share, self._any.share(self._refusals)) ** self.refusals < _MORE_UNLIKELY
            self.is_hopeless = is_sure and self.refusals >= _GIVES_UP and self.seconds >= _GIVES_UP_S


def _size(charge: Charge) -> tuple[float, int]:
    """What makes a call larger than another, however well it is estimated by now."""
    return charge.cost.guessed, charge.max_tokens or 0


class Lone:
    """Watches the rows of a lane that were refused and not yet let through.

    Attributes:
        went: how many calls were sent; kept by the owner.
    """

    __slots__ = ("_in_vain", "_rows", "_share", "_too", "went")

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._in_vain = 0
        self._share = 0.0
        self._too = 0  # rows that were refused and are not alone
        self.went = 0

    def row(self, attempt: Asks) -> Row | None:
        """What is known of the row of *attempt*; None if it was not refused the last time."""
        return self._rows.get(id(attempt.request))

    def refused(self, attempt: Asks | None, charge: Charge, failure: Failure, now: float) -> Row | None:
        """An attempt was refused. Returns its row, as it is to be taken; None if nothing is known of it."""
        row = None if attempt is None else self._rows.get(id(attempt.request))
        was_alone = row is not None and row.is_alone
        if not was_alone:
            self._share += (1.0 - self._share) * _RECENT
        others = [] if was_alone else [each for each in self._rows.values() if each is not row]
        for other in others:
            other.saw_refused(charge, is_first=row is None)
        row = self._enter(attempt, charge, now) if row is None else row
        if row is not None:
            before = charge.totals[0] - 1.0 - self._in_vain
            row.refuse(charge, failure, now, before=before, share=self._share)
            self._in_vain += row.is_alone
            self._too -= row.is_news
            row.went = float(self.went - self._in_vain)
            for other in others if row.is_news else ():
                other.explain(row.refusals)
        return row

    def passed(self, attempt: Asks | None, charge: Charge) -> None:
        """An attempt was let through."""
        if self._share:
            self._share -= self._share * _RECENT
        if not self._rows:
            return
        self.forget(attempt)
        for row in self._rows.values():
            row.let_through(charge)

    def forget(self, attempt: Asks | None) -> None:
        """The row of *attempt* was let through, or will not come again."""
        if attempt is not None:
            self._rows.pop(id(attempt.request), None)

    def _enter(self, attempt: Asks | None, charge: Charge, now: float) -> Row | None:
        if attempt is None:
            return None
        if len(self._rows) >= _MOST_OPEN:
            self._rows = {name: row for name, row in self._rows.items() if not row.is_stale(now)}
            is_open = sum(not row.is_alone for row in self._rows.values()) < _MOST_OPEN
            if not is_open or len(self._rows) >= _MOST_ROWS:
                return None
        row = self._rows[id(attempt.request)] = Row(attempt.request, charge, is_first=self._too == 0)
        self._too += 1
        return row
