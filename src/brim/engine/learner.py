"""What an answer means for the whole lane: evidence about limits, capacity, health and standing, weighed once.

Admission learns rates and levels, the window how many at once, the gate how long to wait, and health whether it is the
request that fails or the endpoint. Each keeps to its own arithmetic; which of them is told what, and what follows for
the lane (a pause, a ramp, closing for good), is decided here and nowhere else.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from brim.policies.blame import Timing, blames_crowd, is_no_crowd
from brim.policies.gate import LONGEST_PAUSE, Gate
from brim.policies.growth import RAMP_CODES
from brim.policies.health import Denial, Health
from brim.policies.overload import Overloads
from brim.policies.telling import lasting, refused_alone
from brim.policies.tokens import is_beyond_reason
from brim.values import Answer, Failure, FailureKind, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from brim.policies.adaptive import AdaptiveWindow
    from brim.policies.admission import Admission
    from brim.policies.charges import Charge, Verdict
    from brim.policies.lone import Lone
    from brim.policies.tokens import Amounts
    from brim.values import Attempt, Outcome

__all__ = ["STALL_SECONDS", "UNREACHED_SECONDS", "Learner", "did_its_work"]

STALL_SECONDS: Final = 900.0
"""A lane that gets nothing through for this long is parked (design section 5)."""

UNREACHED_SECONDS: Final = 60.0
"""A lane that is down and never answered at all is parked after this long: most likely the address is wrong."""

_RAMP_AFTER_S: Final = 1.0
"""A pause this long ends in a ramp."""

_BLIND_PAUSE_S: Final = 8.0
_PLACE_FREE_S: Final = 5.0
"""Where calls at once are counted a place is free as soon as one ends; who says to wait for longer counts otherwise."""
_LATELY_S: Final = 1.0
"""Of refusals so close together, the one that was sent among the fewest tells of all."""
_ALIVE_S: Final = 120.0
"""A lane that got something through lately looks again this often when it is refused and not told how long to wait: the
window of a limit a minute long ends somewhere."""

_REFUSALS: Final = frozenset({FailureKind.THROTTLED, FailureKind.OVERLOADED})

_FAR_S: Final = 90.0
"""A reset longer than this away is no limit a minute's. Refused for as long, it is believed."""
_ASKED_AGAIN_S: Final = 5.0

_CONFIRMED: Final = frozenset({FailureKind.DENIED, FailureKind.QUOTA, FailureKind.UNKNOWN_MODEL})
"""Denials that are confirmed before they stop a lane that has answered before, or has others on the wire."""


class Door(Protocol):
    """What can be done to a lane, and what must be known of it."""

    in_flight: int
    is_held: bool

    @property
    def can_park(self) -> bool:
        """May it ever close for good?"""

    @property
    def on_room(self) -> Callable[[], None]:
        """To be called when more may be on the wire than are."""

    def park(self, failure: Failure) -> None:
        """Close for good."""


class Learner:
    """Learns from every answer of one lane.

    Args:
        lane: whose answers they are.
        admission: its limits.
        window: how many at once.
        gate: its pauses.
        health: is it the request, or the endpoint?
        lone: is it one row that is refused, or the lane?
        on_pause: told the seconds and the reason whenever the lane closes for longer than it was.
    """

    def __init__(
        self,
        lane: Door,
        *,
        admission: Admission,
        window: AdaptiveWindow,
        gate: Gate,
        health: Health,
        lone: Lone,
        on_pause: Callable[[float, Failure], None],
    ) -> None:
        self._lane = lane
        self._admission = admission
        self._window = window
        self._gate = gate
        self._health = health
        self._lone = lone
        self._overloads = Overloads()
        self._timing = Timing()
        self._on_pause = on_pause
        self._held_for: Failure | None = None
        self._held_until = 0.0
        self._struck_at = float("-inf")
        self._doubted_at = float("-inf")
        self._fewest = 0
        self._stalled_since: float | None = None

    def forget_stall(self) -> None:
        """The time up to now does not count as time in which nothing got through."""
        self._stalled_since = None

    def heed(
        self, answer: Answer, charge: Charge, now: float, *, used: Amounts | None, attempt: Attempt | None
    ) -> Answer:
        """Learn from an attempt that came back, and true up its charge. Returns it as it counts for its request."""
        outcome = answer.outcome
        number = 0
        if not isinstance(outcome, Reply) and outcome.kind is FailureKind.THROTTLED:
            own = self._own(outcome, answer, charge, now, attempt=attempt)
            if own is not None:
                self._admission.answered(charge, answer, now, used=used)
                self._admission.missed(now)
                self._watch_for_stall(outcome, now)
                return own
        if not isinstance(outcome, Reply) and outcome.kind in _REFUSALS:
            number = self._turned_away(charge, now)
            answer = self._taken(outcome, answer, charge, now, number=number)
            outcome = answer.outcome
        self._admission.answered(charge, answer, now, used=used)
        if answer.levels:
            self._fit_window()
        if isinstance(outcome, Reply):
            self._lone.passed(attempt, charge)
            self._replied(outcome, answer, charge, now)
            return answer
        is_first = attempt is None or attempt.number == 1
        if outcome.kind.parks_lane and self._lane.can_park:
            return self._denied(outcome, answer, charge, now, is_first=is_first)
        if outcome.kind is FailureKind.THROTTLED:
            answer = self._throttled(outcome, answer, charge, now, number=number, is_kept=attempt is not None)
        elif outcome.kind is FailureKind.OVERLOADED:
            self._window.overloaded(now, among=self._lane.in_flight)
            self._push_back(outcome, answer, now)
        return self._failed(outcome, answer, charge, now, attempt=attempt)

    def _own(
        self, failure: Failure, answer: Answer, charge: Charge, now: float, *, attempt: Attempt | None
    ) -> Answer | None:
        """A refusal as it is to be taken if its row alone is refused; None if the lane may be.

        Nobody else waits for such a row, and what it taught is forgotten. One that is told to come less fast is none.
        """
        if failure.code in RAMP_CODES:
            return None
        row = self._lone.refused(attempt, charge, failure, now)
        is_alone = row is not None and row.is_alone
        body = b"" if attempt is None else attempt.body
        is_sure = row is not None and (row.is_alone or row.had_room)
        final = self._admission.outgrown(charge, answer, failure, body, is_sure=is_sure)
        if row is not None and is_alone:
            if row.is_news and row.only:
                self._unlearn()
            if final is None and row.is_hopeless:
                final = refused_alone(row, failure)
        if final is not None:
            self._lone.forget(attempt)
            return msgspec.structs.replace(answer, outcome=final)
        return msgspec.structs.replace(answer, rest_s=row.rest_s) if row is not None and is_alone else None

    def _replied(self, reply: Reply, answer: Answer, charge: Charge, now: float) -> None:
        self._stalled_since = None
        self._gate.passed(sent_at=answer.sent_at)
        usage = reply.usage
        tokens = usage.output_tokens if usage is not None and not is_beyond_reason(usage) else 0
        self._window.replied(charge.among, sent_at=charge.at, now=now, tokens=tokens)
        if self._health.replied(sent_at=charge.at, now=now):
            self._window.restart()
        if self._overloads.passed(sent_at=charge.at, number=charge.among):
            self._window.grow_again()
        if self._held_for is not None:
            self._tell_open()

    def _taken(self, failure: Failure, answer: Answer, charge: Charge, now: float, *, number: int) -> Answer:
        """A failure as it is to be taken: some limits say that the server is overloaded."""
        if failure.kind is not FailureKind.OVERLOADED:
            return answer
        is_storm = self._overloads.met(
            failure.status,
            sent_at=charge.at,
            now=now,
            typical_s=self._health.typical_s,
            in_flight=self._lane.in_flight,
            number=number,
            is_one_more=charge.among > self._window.cap.size,
        )
        if is_storm:
            self._unlearn()
        if not self._overloads.is_limit:
            return answer
        return msgspec.structs.replace(answer, outcome=msgspec.structs.replace(failure, kind=FailureKind.THROTTLED))

    def _unlearn(self) -> None:
        """What was taken for refusals of a limit was a storm: what they taught is worth nothing."""
        self._admission.unlearn()
        self._window.cap.give_up()
        self._restate_window(is_open=self._admission.is_rate_known)

    def _fit_window(self) -> None:
        """Where a rate is shown it holds calls back; where none is any more, and none was learnt, nothing else does."""
        if self._admission.is_rate_known:
            self._window.open()
        elif self._window.is_open and not self._admission.is_paced:
            self._restate_window(is_open=False)

    def _restate_window(self, *, is_open: bool) -> None:
        self._window.restate(self._window.ceiling, is_open=is_open, in_flight=self._lane.in_flight)

    def _failed(
        self, failure: Failure, answer: Answer, charge: Charge, now: float, *, attempt: Attempt | None
    ) -> Answer:
        """Weigh a failure against what gets through: is it the request's, or the whole endpoint's?"""
        health = self._health
        row = None if attempt is None else id(attempt.request)
        is_excused = health.failed(failure, sent_at=charge.at, now=now, in_flight=self._lane.in_flight, row=row)
        if is_excused:
            self._tell_hold(failure, "the endpoint seems down", now)
        elif self._held_for is not None:
            self._tell_open()
        if did_its_work(failure):
            self._stalled_since = None
        else:
            self._watch_for_stall(failure, now)
        return msgspec.structs.replace(answer, is_excused=True) if is_excused else answer

    def _denied(self, failure: Failure, answer: Answer, charge: Charge, now: float, *, is_first: bool) -> Answer:
        """Believe a denial, or have it confirmed: until then it says nothing about its request either."""
        denial = Denial.TRUE
        if failure.kind in _CONFIRMED:
            denial = self._health.denied(sent_at=charge.at, now=now, is_first=is_first, in_flight=self._lane.in_flight)
        if denial is Denial.TRUE:
            self._lane.park(failure)
            return answer
        if self._health.is_held:
            self._tell_hold(failure, "asking again before it is believed", now)
        odd = msgspec.structs.replace(failure, kind=FailureKind.SERVER, message=f"denied alone: {failure.message}")
        return msgspec.structs.replace(answer, outcome=odd, is_excused=denial is Denial.OPEN)

    def _tell_hold(self, failure: Failure, why: str, now: float) -> None:
        """Say once for each probe how long the lane is held."""
        if self._held_for is None or self._held_until != self._health.opens_at:
            self._held_until = self._health.opens_at
            self._held_for = msgspec.structs.replace(failure, message=f"{why}: {failure.message}")
            self._on_pause(max(0.0, self._held_until - now), self._held_for)

    def _tell_open(self) -> None:
        if self._held_for is not None and not self._health.is_held:
            self._on_pause(0.0, self._held_for)
            self._held_for = None
            self._lane.on_room()

    def _throttled(
        self, failure: Failure, answer: Answer, charge: Charge, now: float, *, number: int, is_kept: bool
    ) -> Answer:
        """Learn from a refusal. Returns it as it counts for its request: a stray one makes that wait, and no other.

        *is_kept*: somebody sees to it that this request waits. Else the lane does.
        """
        if failure.is_reset:
            failure = self._not_whole(failure, answer, now)
        is_named = blames_crowd(failure)
        is_soon = (failure.retry_after or 0.0) <= _PLACE_FREE_S
        self._timing.named(failure)
        is_about_rate = self._timing.is_rate or is_no_crowd(answer, failure, charge.cost.amounts)
        tells_number = is_soon and not is_about_rate
        is_crowd = is_named or (tells_number and self._window.cap.blames(number))
        verdict = self._admission.refused(charge, answer, failure, now, is_crowd=is_crowd)
        tells_number = tells_number and not self._admission.is_window_promised
        if self._admission.is_paced or is_named:
            self._window.open()
        is_later = charge.at > self._struck_at
        if is_later:
            self._fewest = min(self._fewest, number) if now - self._doubted_at < _LATELY_S else number
            self._doubted_at = now
        is_news = is_later and verdict.is_strike and not verdict.is_explained
        if is_news:
            self._struck_at, self._doubted_at = now, float("-inf")
        if is_named:
            self._window.crowded(number, is_news=is_news, now=now)
        elif not tells_number:
            if verdict.is_strike:
                self._window.uncapped(now)
        elif is_news:
            self._window.refused(self._fewest, now)
        else:
            self._window.echoed(number, sent_at=charge.at, now=now)
        return self._closed(verdict, failure, answer, now, is_kept=is_kept)

    def _closed(self, verdict: Verdict, failure: Failure, answer: Answer, now: float, *, is_kept: bool) -> Answer:
        """Close the lane as far as the refusal asks for it; what is known to be chance keeps its own request alone."""
        if verdict.is_stray and is_kept:
            return msgspec.structs.replace(answer, rest_s=failure.retry_after or 0.0)
        if verdict.is_strike or failure.retry_after is not None:
            self._push_back(failure, answer, now, room_in=verdict.room_in)
        return answer

    def _not_whole(self, failure: Failure, answer: Answer, now: float) -> Failure:
        """A wait until a limit is whole again is longer than one call needs, and may be wrong: what is it worth?

        Nothing where it is known how the limit comes back. Else it is waited for; but one that is hours away is asked
        about again after seconds, ever fewer times, before it is believed: it may be written in the wrong unit.
        """
        stalled = 0.0 if self._stalled_since is None else now - self._stalled_since
        is_far = failure.retry_after is not None and failure.retry_after > _FAR_S
        if is_far and stalled > _FAR_S:
            return failure
        if self._admission.tells_wait(answer, now):
            return msgspec.structs.replace(failure, retry_after=None)
        if not is_far:
            return failure
        return msgspec.structs.replace(failure, retry_after=max(_ASKED_AGAIN_S, stalled))

    def _turned_away(self, charge: Charge, now: float) -> int:
        cap = self._window.cap
        return cap.turned_away(self._lane.in_flight, among=charge.among, sent_at=charge.at, now=now)

    def _push_back(self, failure: Failure, answer: Answer, now: float, *, room_in: float = inf) -> None:
        wait = failure.retry_after
        if wait is None and self._health.is_down:
            return  # nothing goes but a probe now and then
        is_alive = self._stalled_since is None or now - self._stalled_since < _ALIVE_S
        longest = min(_BLIND_PAUSE_S if is_alive else LONGEST_PAUSE, room_in)
        if wait is not None and wait > STALL_SECONDS and self._lane.can_park:
            self._lane.park(_waits_too_long(failure, wait))
            return
        pause = self._gate.pushed_back(sent_at=answer.sent_at, now=now, retry_after=wait, longest=longest)
        if pause >= _RAMP_AFTER_S and not (self._admission.is_paced or self._window.cap.is_believed):
            self._window.reopen()
        if pause > 0.0:
            self._admission.closed(self._gate.opens_at, now)
            self._window.cap.closed(pause, now)
            self._on_pause(pause, failure)

    def _watch_for_stall(self, failure: Failure, now: float) -> None:
        if self._stalled_since is None or self._lane.is_held:
            self._stalled_since = now
        stalled = now - self._stalled_since
        if stalled >= STALL_SECONDS:
            reason = f"nothing got through for {STALL_SECONDS / 60:.0f} minutes"
        elif stalled >= UNREACHED_SECONDS and self._health.is_down and not self._health.was_up:
            reason = "the endpoint never answered; check the base URL and that it is up"
        else:
            return
        message = f"{reason}; the last failure: {failure.message}"
        self._lane.park(Failure(kind=FailureKind.STOPPED, message=message, status=failure.status))


def did_its_work(outcome: Outcome) -> bool:
    """Does it show an endpoint that works, be it by calling a request invalid?"""
    return isinstance(outcome, Reply) or not (outcome.kind.is_waited_out or outcome.kind.is_retried)


def _waits_too_long(failure: Failure, wait: float) -> Failure:
    reason = f"the server asks to wait for {lasting(wait)}: {failure.message}"
    return Failure(kind=FailureKind.STOPPED, message=reason, status=failure.status, retry_after=wait)
