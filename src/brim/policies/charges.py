"""What attempts cost where nobody says how a provider charges: what is believed of it follows what its headers show.

The dialect tells what to begin with; only where that is the most that may be charged can there be less. Where headers
show nothing, what is refused tells (`brim.policies.trial`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, Final

import msgspec

from brim.policies.blame import blamed_place, is_named
from brim.policies.moment import Course
from brim.policies.outputs import Outputs
from brim.policies.spans import MINUTE_S
from brim.policies.stated import drain, fastest, is_held
from brim.policies.tariff import Stake, Tariff
from brim.policies.thrift import Thrift
from brim.policies.tokens import Amounts, Charging, Cost, TokenCosts, is_beyond_reason
from brim.policies.trial import Trial
from brim.policies.unnamed import Unnamed
from brim.values import Answer, Failure, FailureKind, Usage

if TYPE_CHECKING:
    from brim.policies.stated import Stated

__all__ = ["Charge", "LearntCosts", "Verdict"]

_TOKENS: Final = 1
_OUTPUT: Final = 3
"""Where among the amounts of a cost the tokens stand, and those of the output alone."""
_FAR_MORE: Final = 10.0
"""No server lets one call use so many times what it gives in a whole minute, or day."""


class Charge(msgspec.Struct, frozen=True, gc=False):
    """What an attempt took when it was admitted.

    Attributes:
        cost: what it took.
        at: when.
        among: attempts on the wire then, itself included.
        max_tokens: its own cap on output.
        totals: all that had been sent by then, itself included.
        stake: the same in every way that tokens may be counted; None if that is known.
        ended: the output of all that was over by then.
    """

    cost: Cost
    at: float
    among: int
    max_tokens: int | None
    totals: Amounts
    stake: Stake | None = None
    ended: float = 0.0


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a refusal means.

    Attributes:
        is_strike: is it news about our speed?
        is_explained: is it explained by a level that was used up?
        is_stray: is it one of those that chance refuses, as is proven, and no news for any other call?
        room_in: seconds until a window is thought to have room again; infinity if nothing speaks for one.
    """

    is_strike: bool
    is_explained: bool
    is_stray: bool = False
    room_in: float = inf


class LearntCosts(TokenCosts):
    """Costs of attempts by a way of charging that may turn out to be another.

    What an answer says that it used is no news where it can't be: what was reserved for it stays.

    Attributes:
        ceilings: what a single call may not exceed by what the user states: place, units, and the time for these.
        outputs: how long answers are, and those that are under way.
    """

    __slots__ = ("_tariff", "_thrift", "_trial", "_unnamed", "ceilings", "outputs")

    def __init__(self, charging: Charging) -> None:
        super().__init__(charging)
        self._tariff: Tariff | None = None
        self._thrift = Thrift()
        self.ceilings: Sequence[tuple[int, float, str]] = ()
        self.outputs = Outputs()
        self._trial = Trial() if charging is Charging.RESERVES_CAP else None
        self._unnamed = Unnamed()

    def took(self, cost: Cost, now: float, *, among: int, max_tokens: int | None, totals: Amounts) -> Charge:
        """An attempt goes: what it is charged."""
        self.outputs.took(totals[0], cost.amounts[_OUTPUT], max_tokens, now)
        stake = self._stake(cost, max_tokens, now)
        return Charge(cost, now, among, max_tokens, totals, stake, totals[_OUTPUT] - self.outputs.held)

    def _stake(self, cost: Cost, max_tokens: int | None, now: float) -> Stake | None:
        """What an attempt is thought to take in every way; None if nothing is to be learnt of that."""
        self._unnamed.took(cost.amounts[_TOKENS])
        if max_tokens is not None:
            self._begin()  # what goes at once at the beginning tells most, if it has a cap
        if self._tariff is None or not self._tariff.is_open:
            return None
        return self._tariff.took(cost.amounts[2], self.output, max_tokens, now)

    def course(self, charge: Charge, sent: float, total: float, now: float) -> Course:
        """When an attempt went and came back, if so much had been *sent* of a limit by then, *total* by now."""
        out = self.outputs
        return Course(charge.at, sent, now, total, total - out.held, charge.ended, out.more, out.span_s)

    def blamed(self, failure: Failure, charge: Charge) -> int:
        """The place of the limit that refused an attempt: as it is named, else as the sizes tell."""
        if is_named(failure):
            return blamed_place(failure)
        self._unnamed.refused(charge.cost.amounts[_TOKENS], int(charge.totals[0]))
        return _TOKENS if self._unnamed.is_tokens else 0

    def _begin(self) -> None:
        if self._tariff is None and self.charging is Charging.RESERVES_CAP:
            self._tariff = Tariff()

    def lost(self, charge: Charge) -> None:
        """It is over, and nobody hears what became of it."""
        self.outputs.ended(charge.totals[0], None, charge.at)

    def came_back(self, charge: Charge, answer: Answer, now: float) -> None:
        """It came back, and may tell what it took."""
        outcome, usage, stake = answer.outcome, answer.outcome.usage, charge.stake
        made = float(usage.output_tokens) if usage is not None and self._believes(usage) else None
        assumed = None if isinstance(outcome, Failure) else charge.cost.amounts[_OUTPUT]
        self.outputs.ended(charge.totals[0], assumed if made is None else made, now)
        if stake is None or self._tariff is None:
            return
        if isinstance(outcome, Failure) and outcome.kind is FailureKind.THROTTLED:
            self._tariff.refused(stake)
            self._thrift.refused(now)
            self.share = self._thrift.share
        elif usage is not None and made is not None:
            self._tariff.ended(stake, float(usage.input_tokens), made)

    def settle(self, charge: Charge, usage: Usage) -> Amounts:
        """What an attempt is charged now that its usage is known; learn from it.

        What was held for it because more was reserved then is not given back: many of those would go at once.
        """
        cost, trial = charge.cost, self._trial
        if not self._believes(usage):
            return cost.amounts
        used = self.true_up(cost, charge.max_tokens, usage)
        if self.charging is Charging.COUNTS_OUTPUT:
            self._output = self.outputs.mean
        if trial is None or charge.at >= trial.since:
            return used
        requests, tokens, given, made = used
        held = cost.amounts[_TOKENS]
        if charge.at >= trial.kept_until:
            held -= self.renew(cost, charge.max_tokens).amounts[_TOKENS] - tokens
        return (requests, max(tokens, held), given, made)

    def _believes(self, usage: Usage) -> bool:
        given, made = usage.input_tokens, usage.output_tokens
        amounts = (1, given + made, given, made)
        return not is_beyond_reason(usage) and all(
            amounts[place] <= _FAR_MORE * most for place, most, _ in self.ceilings
        )

    def answered(self, charge: Charge, usage: Usage, stated: Iterable[Stated], now: float) -> None:
        """A call was answered. Where nobody shows what is left of *stated* limits, try whether less is counted."""
        if self._trial is None or charge.max_tokens is None or not self._believes(usage):
            return
        made = float(usage.output_tokens)
        used, extra = usage.input_tokens + made, max(0.0, charge.max_tokens - made)
        rate = fastest(_TOKENS, (None, None), stated)
        if rate is not None:
            least = max(usage.input_tokens, charge.max_tokens)
            self._trial.passed(least, limit=rate * MINUTE_S, now=now)
        is_binding = is_held(stated, _TOKENS, charge.cost.amounts[_TOKENS], now)
        self._trial.answered(used=used, extra=extra, sent_at=charge.at, now=now, is_binding=is_binding)
        self.charging, self.share = self._trial.charging, self._trial.share

    def reserved_too_little(self, charge: Charge, stated: Iterable[Stated], now: float) -> bool:
        """A call was refused that *stated* limits had let go: was it because a trial went too far?"""
        amount = charge.cost.amounts[_TOKENS]
        if self._trial is None or not self._trial.refused(amount, sent_at=charge.at, now=now):
            return False
        self.charging, self.share = self._trial.charging, self._trial.share
        drain(stated, _TOKENS, self._trial.largest, now)
        return True

    def was_mistaken(self, now: float) -> bool:
        """Was too little reserved within the last minute?"""
        return self._trial is not None and self._trial.failed_since(now - MINUTE_S)

    def shown(
        self, remaining: float, stake: Stake | None, *, sent_at: float, now: float, rate: float, is_short: bool
    ) -> bool:
        """An answer showed how many tokens are left, of a limit that is back within seconds or not (*is_short*).

        Returns whether is charged in another way than was believed.
        """
        if self._trial is not None:  # what is shown tells more
            self._trial, self.charging, self.share = None, Charging.RESERVES_CAP, 1.0
        self._begin()
        if self._tariff is None or stake is None:
            return False
        has_changed = self._tariff.saw(remaining, stake, sent_at=sent_at, now=now, rate=rate)
        self.charging = self._tariff.believed
        if self.charging is Charging.RESERVES_CAP and is_short:
            self._thrift.saw(remaining, sent_at=sent_at, now=now, rate=rate)
            self.share = self._thrift.share
        else:
            self.share = 1.0
        return has_changed
